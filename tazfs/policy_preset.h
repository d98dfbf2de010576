/* policy_preset - the policies that come with the program, as files of tazfs/policies */
#ifndef TAZ_TAZFS_POLICY_PRESET_H
#define TAZ_TAZFS_POLICY_PRESET_H

#define POLICY_PRESET_DEFAULT "session" /* of a vault that has no policy of its own */

struct policy_preset {
	const char *name;
	const char *help; /* one line */
	const char *text;
};

/* policy_presets - all of them; the name after the last is NULL */
const struct policy_preset *policy_presets(void);

/* policy_preset - the one of that name, or NULL */
const struct policy_preset *policy_preset(const char *name);

#endif
