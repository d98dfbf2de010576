#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "enclave/base/privs.h"
#include "enclave/client.h"
#include "enclave/cmd.h"
#include "enclave/visit.h"

/* The text as it is now, in memory that nobody can change any more: what the view takes. */
static int seal(const char *text, size_t size, int *ret_fd)
{
	autoclose int fd = memfd_create("taz-policy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (fd < 0)
		return -errno;
	r = io_pwrite_full(fd, text, size, 0);
	if (r < 0)
		return r;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
		return -errno;
	*ret_fd = take_fd(&fd);
	return 0;
}

static int read_policy(const char *path, int *ret_fd)
{
	autofree char *text = malloc(PROTO_POLICY_MAX + 1);
	autoclose int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : dup(STDIN_FILENO);
	ssize_t n;

	if (!text)
		return -ENOMEM;
	if (fd < 0)
		return -errno;
	n = io_read_full(fd, text, PROTO_POLICY_MAX + 1);
	if (n > PROTO_POLICY_MAX)
		return -EFBIG;
	return n < 0 ? (int)n : seal(text, n, ret_fd);
}

static int put_in_force(int sock, int fd)
{
	struct res_done res;
	int r = client_policy(sock, fd, &res);

	if (r < 0)
		return opening_say(r, res.why, "policy");
	r = client_save(&res);
	return r < 0 ? opening_say(r, res.why, "save the policy") : 0;
}

/* A session of its own, for as long as it takes. */
static int change(const struct visit *v, int fd)
{
	struct opening opening = v->opening;
	autoclose int sock = -EBADF;
	struct res_lock left;
	int r, end;

	opening.ret_sock = &sock;
	r = opening_run(&opening);
	if (r < 0)
		return r;
	r = put_in_force(sock, fd);
	end = client_leave(&left, NULL);
	if (end < 0 && end != -ESRCH)
		opening_say(end, left.why, "leave");
	if (r == 0)
		log_info("the policy is in force, and saved");
	return r < 0 || end == -ESRCH ? r : end;
}

static int run(int argc, char *argv[])
{
	static const struct option options[] = { VISIT_OPTIONS, { 0 } };
	autoclose int fd = -EBADF;
	struct visit v = VISIT_NONE;
	int c, r;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (visit_option(&v, c, optarg) < 0)
			return cmd_usage(&cmd_policy);
	if (v.opening.flags || v.user) {
		log_error("--create, --accept-rollback and --user have no meaning here");
		return cmd_usage(&cmd_policy);
	}
	if (optind + 1 != argc) {
		log_error(optind == argc ? "which file?" : "one file only");
		return cmd_usage(&cmd_policy);
	}
	if (privs_hide() < 0)
		return CMD_FAILED;
	r = read_policy(argv[optind], &fd);
	if (r < 0)
		return log_err(r, "read the policy %s", argv[optind]), CMD_FAILED;
	return change(&v, fd) < 0 ? CMD_FAILED : CMD_DONE;
}

const struct cmd cmd_policy = {
	.name = "policy",
	.args = "[--passphrase-fd N | --key-file F | --fido2 | --seal-fd N] FILE",
	.help = "put the access policy in FILE in force, for all sessions at once",
	.details =
		"Asks for the passphrase, also while a session is open. The policy is kept in the\n"
		"vault; '-' reads standard input. One that has a mistake changes nothing: 'tazfs\n"
		"policy check FILE' says where it is. 'tazfs policy edit' does all of it.\n"
		"\n"
		"Example:  tazfs policy show >p; editor p; tazfs policy check p && enclave policy p\n"
		"\n"
		"Exit codes: 0 in force and saved; 1 not in force, or not saved, and which is said;\n"
		"2 usage.\n",
	.run = run,
};
