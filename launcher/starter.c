#include "launcher/starter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "launcher/project.h"

/* "# " begins what is read, "#" and no blank what is an example: without its "#" it must be valid
 * (tests/test_starter.c). */
static const char taz_conf[] =
	"# taz.conf: what this workspace wants of its workshop. 'man taz.conf' tells all.\n"
	"# One option a line; what is typed at tazlaunch wins. Most of it counts at the next start:\n"
	"# sudo tazlaunch down, then sudo tazlaunch.\n"
	"\n"
	"# What is in the image: base, k8s (kubectl, helm, k9s ...), gemini, or a folder of your own.\n"
	"#layer = k8s\n"
	"\n"
	"# Programs of those that are fetched from their makers which this project does not need.\n"
	"#without = talosctl,k9s\n"
	"\n"
	"# Lock after that long without use: 15m, or sooner.\n"
	"#idle = 5m\n"
	"\n"
	"# How many earlier states of the vault are kept: 3, or more.\n"
	"#keep = 10\n"
	"\n"
	"# Nothing of the open vault is in the kernel's page cache. Reading costs more.\n"
	"#view-memory = strict\n"
	"\n"
	"# Room in a vault when it is made.\n"
	"#vault-size = 512M\n"
	"\n"
	"# RAM, when the workshop is a virtual machine.\n"
	"#memory = 2G\n"
	"\n"
	"# Nothing comes in or goes out.\n"
	"#network = none\n"
	"\n"
	"# A container has what it needs of this host, and no more.\n"
	"#least = yes\n"
	"\n"
	"# Of sessions: this host's, or this one.\n"
	"#timezone = Europe/Berlin\n";

static const char secrets_conf[] =
	"# secrets.conf: the secrets that this project needs, and the commands that bring them into\n"
	"# the vault. It holds no secret itself, so it is committed. 'man secrets.conf' tells all.\n"
	"#\n"
	"# enclave pull            runs them, each after a whole \"yes\" to what it shows\n"
	"# eval \"$(enclave env)\"   sets the variables: paths, never contents\n"
	"\n"
	"# A kubeconfig that lies in the project, encrypted for a key that is in the vault.\n"
	"#entry kubeconfig {\n"
	"#	file    = 'kube/config'\n"
	"#	env     = KUBECONFIG\n"
	"#	command = {'age', '--decrypt', '-i', '/home/taz/secrets/age/key', 'kubeconfig.age'}\n"
	"#}\n"
	"\n"
	"# A file out of what SOPS has encrypted.\n"
	"#entry settings {\n"
	"#	file    = 'settings.yaml'\n"
	"#	command = {'sops', '--decrypt', 'settings.enc.yaml'}\n"
	"#}\n"
	"\n"
	"# A token that a program takes from the environment only. 'enclave run' alone gives it.\n"
	"#entry token {\n"
	"#	file    = 'api-token'\n"
	"#	env     = API_TOKEN\n"
	"#	value   = true\n"
	"#	command = {'infisical', 'secrets', 'get', 'API_TOKEN', '--plain'}\n"
	"#	pass    = {'INFISICAL_TOKEN'}\n"
	"#}\n"
	"\n"
	"# A key that is put there by hand.\n"
	"#entry deploy-key {\n"
	"#	file    = 'ssh/id_deploy'\n"
	"#}\n";

/* What is encrypted (kubeconfig.age, settings.enc.yaml) is to be committed. */
static const char gitignore[] =
	"# Secrets are kept in ~/secrets (secrets.conf); one that was copied here is not committed.\n"
	".env\n"
	".env.*\n"
	"!.env.example\n"
	"kubeconfig\n"
	"*.kubeconfig\n"
	"id_rsa\n"
	"id_ecdsa\n"
	"id_ed25519\n"
	"*.pem\n"
	"*.key\n"
	"*.p12\n"
	"*.pfx\n";

const struct starter_file starter_files[] = {
	{ PROJECT_FILE, taz_conf, false },
	{ "secrets.conf", secrets_conf, false },
	{ ".gitignore", gitignore, true },
};
const size_t starter_n_files = sizeof(starter_files) / sizeof(*starter_files);

static int count_lines(const char *text)
{
	int n = 0;

	for (; (text = strchr(text, '\n')); text++)
		n++;
	return n;
}

/* What root makes in somebody's directory is to be his: he edits it. */
static int give_to_owner(int dir, int fd)
{
	struct stat st;

	if (geteuid() != 0)
		return 0;
	if (fstat(dir, &st) < 0 || fchown(fd, st.st_uid, st.st_gid) < 0)
		return -errno;
	return 0;
}

static int make(int dir, const struct starter_file *file)
{
	autoclose int fd =
		openat(dir, file->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	int r;

	if (fd < 0)
		return -errno;
	r = io_write_full(fd, file->text, strlen(file->text));
	if (r == 0)
		r = give_to_owner(dir, fd);
	if (r < 0)
		unlinkat(dir, file->name, 0);
	return r < 0 ? r : count_lines(file->text);
}

/* --- a file that is there already ------------------------------------------------------------ */

/* Is the line in the text? Blanks and a carriage return at a line's end do not count. */
static bool has_line(const char *text, const char *line, size_t len)
{
	while (*text) {
		size_t whole = strcspn(text, "\n"), n = whole;

		while (n && strchr(" \t\r", text[n - 1]))
			n--;
		if (n == len && !memcmp(text, line, len))
			return true;
		text += whole + (text[whole] == '\n');
	}
	return false;
}

/* The lines of @want that @text lacks, to be put behind it. Returns how many. */
static int find_missing(const char *text, const char *want, char *ret)
{
	size_t len = strlen(text);
	int n = 0;

	if (len && text[len - 1] != '\n')
		*ret++ = '\n';
	for (size_t line; *want; want += line + 1) {
		line = strcspn(want, "\n");
		if (has_line(text, want, line))
			continue;
		memcpy(ret, want, line + 1);
		ret += line + 1;
		n++;
	}
	*ret = '\0';
	return n;
}

/* No FIFO is waited for, no link followed, and nothing is written that has a name elsewhere. */
static int open_there(int dir, const char *name)
{
	autoclose int fd =
		openat(dir, name, O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_nlink != 1)
		return -EMLINK;
	if (st.st_size > STARTER_MERGE_MAX)
		return -E2BIG;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	return take_fd(&fd);
}

static int merge(int dir, const struct starter_file *file)
{
	autofree char *text = malloc(STARTER_MERGE_MAX + 1), *more = malloc(strlen(file->text) + 2);
	autoclose int fd = open_there(dir, file->name);
	ssize_t len;
	int n, r;

	if (fd < 0)
		return fd;
	if (!text || !more)
		return -ENOMEM;
	len = io_read_full(fd, text, STARTER_MERGE_MAX);
	if (len < 0)
		return (int)len;
	if (memchr(text, '\0', (size_t)len))
		return -EINVAL;
	text[len] = '\0';
	n = find_missing(text, file->text, more);
	r = n ? io_write_full(fd, more, strlen(more)) : 0;
	/* Of "*.pem" cut short "*" is left, which ignores everything. */
	if (r < 0 && ftruncate(fd, len) < 0)
		return -errno;
	return r < 0 ? r : n;
}

int starter_write(int dir, const struct starter_file *file)
{
	int r = make(dir, file);

	if (r != -EEXIST)
		return r;
	return file->merged ? merge(dir, file) : 0;
}
