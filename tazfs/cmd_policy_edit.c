#include "tazfs/cmd_policy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "enclave/base/run.h"
#include "tazfs/control_client.h"
#include "tazfs/policy.h"

#define WORDS_MAX 16

/* In memory, and only the user's: a policy names the files of the vault. */
static int make_file(const char *text, size_t size, char *path, size_t path_size)
{
	const char *dir = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	autoclose int fd = -EBADF;
	int r;

	snprintf(path, path_size, "%s/taz-policy.XXXXXX", dir);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = io_pwrite_full(fd, text, size, 0);
	if (r < 0)
		unlink(path);
	return r;
}

/* With our terminal and environment. Its exit status, or -errno. */
static int run_here(char *const argv[])
{
	pid_t pid = fork();

	if (pid == 0) {
		execvp(argv[0], argv);
		log_err(-errno, "start %s", argv[0]);
		_exit(127);
	}
	return pid < 0 ? -errno : run_wait(pid);
}

/* An editor's name may have options: split at spaces, without a shell. */
static int run_editor(const char *path)
{
	const char *name = getenv("VISUAL") ? getenv("VISUAL") : getenv("EDITOR");
	autofree char *words = strdup(name && *name ? name : "vi");
	char *argv[WORDS_MAX + 2], *rest = words, *word;
	int n = 0;

	/* A program that is no editor may well stand in EDITOR; vi only waits. */
	if ((!name || !*name) && !isatty(STDIN_FILENO)) {
		log_error("there is no terminal for an editor: 'tazfs policy show > FILE', change "
			  "it, then 'enclave policy FILE'");
		return -ENOTTY;
	}
	while (words && n < WORDS_MAX && (word = strsep(&rest, " ")))
		if (*word)
			argv[n++] = word;
	if (!n)
		return -EINVAL;
	argv[n++] = (char *)path;
	argv[n] = NULL;
	return run_here(argv);
}

/* Returns 0, 1 when the text is the same as before, or -errno (said). */
static int read_back(const char *path, const char *old, size_t old_size)
{
	struct policy_file f = { .name = path };
	struct policy *p = NULL;
	int r = policy_file_parse(path, &f, &p);

	if (f.text && f.size == old_size && !memcmp(f.text, old, old_size))
		r = 1;
	policy_free(p);
	policy_file_done(&f);
	return r;
}

static bool ask_again(void)
{
	char line[16];

	if (!isatty(STDIN_FILENO))
		return false;
	fprintf(stderr, "Edit it again? [Y/n] ");
	return fgets(line, sizeof(line), stdin) && *line != 'n' && *line != 'N';
}

/* Until it parses, or is given up. As read_back(). */
static int edit(const char *path, const char *old, size_t old_size)
{
	int r;

	do {
		r = run_editor(path);
		if (r != 0) {
			log_error("the editor failed; nothing was changed");
			return r < 0 ? r : -ECANCELED;
		}
		r = read_back(path, old, old_size);
	} while (r == -EINVAL && ask_again());
	return r;
}

/* "enclave policy", which lies beside us, asks for the passphrase. */
static int put_in_force(const char *path)
{
	char enclave[PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", enclave, sizeof(enclave) - 16);
	char *argv[] = { enclave, "policy", (char *)path, NULL };

	if (n < 0)
		return -errno;
	enclave[n] = '\0';
	slash = strrchr(enclave, '/');
	strcpy(slash + 1, "enclave");
	return run_here(argv);
}

static int edit_policy(int root)
{
	autofree char *old = NULL;
	char path[64];
	size_t size;
	int r = control_policy(root, &old, &size);

	if (r < 0)
		return r;
	r = make_file(old, size, path, sizeof(path));
	if (r < 0)
		return log_err(r, "make a file for the editor");
	r = edit(path, old, size);
	if (r == 0)
		r = put_in_force(path);
	else if (r == 1)
		log_info("nothing was changed");
	else
		log_error("the policy in force stays as it is");
	unlink(path);
	return r == 1 ? 0 : r;
}

static int run(int argc, char *argv[])
{
	autoclose int root = -EBADF;

	if (argc > 2 || (argc == 2 && argv[1][0] == '-'))
		return cmd_usage(&cmd_policy_edit);
	root = control_open(argv[1]);
	return root < 0 || edit_policy(root) ? CMD_FAILED : CMD_DONE;
}

const struct cmd cmd_policy_edit = {
	.name = "policy edit",
	.args = "[DIR]",
	.help = "change the policy of the view at DIR (~/secrets) in your editor",
	.details =
		"Starts VISUAL, EDITOR or vi with the policy in force. One that has a mistake is\n"
		"shown, and edited again. 'enclave policy', which asks for the passphrase, then puts\n"
		"it in force for every session at once.\n"
		"\n"
		"Example:\n"
		"  EDITOR=nano tazfs policy edit\n"
		"\n"
		"Exit codes: 0 in force and saved, or unchanged; 1 not, and what is wrong is said;\n"
		"2 usage.\n",
	.run = run,
};
