#include "enclave/base/strength.h"

#include <pwquality.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/log.h"
#include "enclave/base/shortlife.h"

#define GOOD_SCORE 50 /* of libpwquality's 0 to 100 */

static pwquality_settings_t *settings(void)
{
	pwquality_settings_t *s = pwquality_default_settings();

	if (!s)
		return NULL;
	pwquality_set_int_value(s, PWQ_SETTING_MIN_LENGTH, 10);
	/* Where no dictionary is installed there is nothing to look words up in. */
	if (access("/var/cache/cracklib/cracklib_dict.pwd", R_OK) < 0)
		pwquality_set_int_value(s, PWQ_SETTING_DICT_CHECK, 0);
	return s;
}

/* In the child. */
static int look(void *arg)
{
	const struct secret *p = arg;
	char text[SECRET_PASSPHRASE_MAX + 1], why[PWQ_MAX_ERROR_MESSAGE_LEN];
	pwquality_settings_t *s = settings();
	void *more = NULL;
	int score;

	if (!s || p->len >= sizeof(text))
		return 0;
	memcpy(text, p->data, p->len);
	text[p->len] = '\0';
	score = pwquality_check(s, text, NULL, NULL, &more);
	if (score < 0)
		log_info("hint: this passphrase may be easy to guess: %s",
			 pwquality_strerror(why, sizeof(why), score, more));
	else if (score < GOOD_SCORE)
		log_info(
			"hint: this passphrase may be easy to guess (%d of 100); several words in a "
			"row are better",
			score);
	return 0;
}

void strength_hint(const struct secret *passphrase)
{
	shortlife_run(look, (void *)passphrase);
}
