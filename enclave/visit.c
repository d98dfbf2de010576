#include "enclave/visit.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "enclave/base/cmd.h"
#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "enclave/base/privs.h"
#include "enclave/bridge.h"
#include "enclave/client.h"

int visit_option(struct visit *v, int val, const char *arg)
{
	switch (val) {
	case VISIT_CREATE:
		v->opening.flags |= OPEN_CREATE;
		return 0;
	case VISIT_ACCEPT_ROLLBACK:
		v->opening.flags |= OPEN_ACCEPT_ROLLBACK;
		return 0;
	case VISIT_PASSPHRASE_FD:
		return opening_parse_fd("passphrase-fd", arg, &v->opening.passphrase_fd);
	case VISIT_KEY_FILE:
		v->opening.key_file = arg;
		return 0;
	case VISIT_FIDO2:
		v->opening.fido2 = true;
		return 0;
	case VISIT_SEAL_FD:
		return opening_parse_fd("seal-fd", arg, &v->opening.seal_fd);
	case VISIT_USER:
		v->user = arg;
		return 0;
	default:
		return -EINVAL;
	}
}

/* The passphrase was standard input to its end: the command gets an empty one. */
static int replace_stdin(int passphrase_fd)
{
	if (passphrase_fd != STDIN_FILENO)
		return 0;
	return freopen("/dev/null", "r", stdin) ? 0 : -errno;
}

/* The last one out waits until all is locked and saved: then its user may pull the plug. */
static int leave(int status)
{
	struct res_lock res;
	int r = client_leave(&res, NULL);

	if (status < 0)
		return CMD_FAILED;
	if (r == 0 && res.why == WHY_CONFLICT)
		opening_say_conflict("leave");
	if (r == 0 || r == -ESRCH)
		return status; /* -ESRCH: it was locked before, and leads no session any more */
	opening_say(r, res.why, "leave");
	return status ? status : CMD_FAILED;
}

static int prepare(const struct session_user *user, void *arg)
{
	const struct visit *v = arg;

	bridge_repair(user->home);
	return v->prepare ? v->prepare(user, v->arg) : 0;
}

/* The session is open; from here on its leader is this process. */
static int stay(const struct visit *v, const struct session_user *user, char *const argv[])
{
	char dir[300];
	int r = replace_stdin(v->opening.passphrase_fd);

	if (r < 0) {
		log_err(r, "open /dev/null");
		return CMD_FAILED;
	}
	if (v->opening.seal_fd >= 0)
		close(v->opening.seal_fd);
	snprintf(dir, sizeof(dir), "%s/secrets", user->home);
	if (opening_show(dir) < 0)
		return CMD_FAILED;
	return leave(session_run(user, argv, prepare, (void *)v));
}

/* The keeper alone keeps the socket: what the session runs must not answer. */
static int open_session(const struct visit *v)
{
	autoclose int asks = -EBADF;
	struct opening o = v->opening;

	o.ret_asks = &asks;
	return opening_run(&o);
}

bool visit_can_ask(const struct visit *v)
{
	const struct opening *o = &v->opening;

	if (o->seal_fd >= 0 || o->passphrase_fd >= 0 || o->key_file || o->fido2 ||
	    isatty(STDIN_FILENO))
		return true;
	log_error("there is no terminal to ask on; use --passphrase-fd N or --key-file F");
	return false;
}

int visit_run(const struct visit *v, char *const argv[])
{
	struct session_user user;
	int r;

	if (!visit_can_ask(v))
		return CMD_FAILED;
	r = session_find_user(v->user, &user);
	if (r < 0) {
		log_err(r, "find the user %s", v->user ? v->user : "");
		return CMD_FAILED;
	}
	r = privs_hide();
	if (r < 0) {
		log_err(r, "hide from other processes");
		return CMD_FAILED;
	}
	if (open_session(v) < 0)
		return CMD_FAILED;
	return stay(v, &user, argv);
}
