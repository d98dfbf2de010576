#include "enclave/bridge.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "enclave/place.h"

const struct bridge bridges[] = {
	{ ".kube", PLACE_DIR "/kube" },	    { ".ssh", PLACE_DIR "/ssh" },
	{ ".aws", PLACE_DIR "/aws" },	    { ".infisical", PLACE_DIR "/infisical" },
	{ ".gemini", PLACE_DIR "/gemini" }, { NULL, NULL },
};

/* -EEXIST: something else is there, and stays. */
static int repair_link(int home, const struct bridge *b)
{
	char is[PATH_MAX];
	ssize_t n = readlinkat(home, b->name, is, sizeof(is) - 1);

	if (n < 0 && errno == ENOENT)
		return symlinkat(b->target, home, b->name) < 0 ? -errno : 0;
	if (n < 0)
		return errno == EINVAL ? -EEXIST : -errno; /* EINVAL: not a link */
	is[n] = '\0';
	return strcmp(is, b->target) ? -EREMCHG : 0;
}

static void say(int r, const struct bridge *b)
{
	const char *name = b->target + strlen(PLACE_DIR "/");

	if (r == -EEXIST)
		log_warn("~/%s is outside the vault, and stays as it is; to move it: "
			 "cp -a ~/%s/. ~/%s/ && rm -r ~/%s && ln -s %s ~/%s",
			 b->name, b->name, b->target, b->name, b->target, b->name);
	else if (r == -EREMCHG)
		log_warn("~/%s is a link that does not lead into the vault; if you did not make "
			 "it: ln -sfn %s ~/%s",
			 b->name, b->target, b->name);
	else
		log_err(r, "make ~/%s lead to %s of the vault", b->name, name);
}

int bridge_repair_at(int home, int vault)
{
	int n = 0;

	for (const struct bridge *b = bridges; b->name; b++) {
		const char *dir = b->target + strlen(PLACE_DIR "/");
		int r = repair_link(home, b);

		/* Made in any case: who moves his directory in needs it. */
		if (vault >= 0 && mkdirat(vault, dir, 0700) < 0 && errno != EEXIST && r == 0)
			r = -errno;
		if (r < 0)
			say(r, b);
		else
			n++;
	}
	return n;
}

void bridge_repair(const char *home)
{
	autoclose int vault = place_open(home);
	autoclose int dir = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		log_err(-errno, "open %s", home);
	else
		bridge_repair_at(dir, vault);
}
