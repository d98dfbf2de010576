#include "tazfs/control_client.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "tazfs/policy.h"

int control_default(char *buf, size_t size)
{
	const char *home = getenv("HOME");

	return home && snprintf(buf, size, "%s/secrets", home) < (int)size ? 0 : -EINVAL;
}

int control_open(const char *dir)
{
	char secrets[PATH_MAX];
	int fd;

	if (!dir && control_default(secrets, sizeof(secrets)) < 0) {
		log_error("HOME is not set: say where the view is mounted");
		return -EINVAL;
	}
	dir = dir ? dir : secrets;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == EACCES) {
		log_error("%s: this process may not look at it: it is locked, or in no session",
			  dir);
		return -EACCES;
	}
	return fd < 0 ? log_err(-errno, "open %s", dir) : fd;
}

int control_say(int err)
{
	switch (err) {
	case -ENOTTY:
		log_error("that is no directory where tazfs is mounted");
		return err;
	case -EACCES:
	case -ENOENT:
		log_error("the policy does not let this process see that");
		return -EACCES;
	case -EOPNOTSUPP:
		log_error("a view of a plain directory keeps no audit, and asks nobody");
		return err;
	case -EIO:
	case -ENOTCONN: /* it has ended already */
		log_error("the view is locked");
		return err;
	default:
		return log_err(err, "ask the view");
	}
}

int control_call(int root, struct control *c)
{
	return ioctl(root, CONTROL_ASK, c) < 0 ? -errno : 0;
}

int control_ask(int root, struct control *c)
{
	int r = control_call(root, c);

	return r < 0 ? control_say(r) : 0;
}

int control_policy(int root, char **ret, size_t *ret_size)
{
	autofree char *text = malloc(POLICY_BYTES_MAX + 1);
	autofree struct control *c = malloc(sizeof(*c));
	size_t n = 0;

	if (!text || !c)
		return log_err(-ENOMEM, "read the policy");
	do {
		int r;

		*c = (struct control){ .op = CONTROL_POLICY, .at = n };
		r = control_ask(root, c);
		if (r < 0)
			return r;
		if (c->size > sizeof(c->data) || n + c->size > POLICY_BYTES_MAX)
			return log_err(-EBADMSG, "read the policy");
		memcpy(text + n, c->data, c->size);
		n += c->size;
	} while (c->size);
	text[n] = '\0';
	*ret = text;
	*ret_size = n;
	text = NULL;
	return 0;
}
