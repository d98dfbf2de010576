/*
 * binds - more folders of the host in a workshop, beside its workspace
 *
 * As text, in options, taz.conf and the record: "SOURCE:/mnt/NAME[:ro]", with commas between.
 */
#ifndef TAZ_LAUNCHER_BINDS_H
#define TAZ_LAUNCHER_BINDS_H

#include <stdbool.h>

#define BINDS_MAX  8
#define BINDS_TEXT 1024 /* bytes of such a text with its NUL */
#define BINDS_DIR  "/mnt/"
#define BINDS_WANT \
	"HOST-FOLDER:/mnt/NAME or HOST-FOLDER:/mnt/NAME:ro, at most 8 with commas between"

struct bind {
	char source[BINDS_TEXT]; /* absolute */
	char name[33];		 /* workshop_name_ok(); inside it is BINDS_DIR and that */
	bool read_only;
};

struct binds {
	struct bind v[BINDS_MAX];
	int n;
};

/*
 * binds_parse - @text may be empty: none
 * Returns 0, or -EINVAL: not as above, too long, too many, or one name twice.
 */
int binds_parse(const char *text, struct binds *ret);

/*
 * binds_check - are these folders there, and may they be given away?
 * @own: as workspace_refused() has it
 *
 * A link is refused, also on the way: who may write there could exchange it before the next start.
 * Returns 0, or -EINVAL, -errno of realpath(3) after saying why.
 */
int binds_check(const struct binds *b, const char *const own[]);

#endif
