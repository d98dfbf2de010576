/* Images to and from a registry, by the client of an engine. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "launcher/argv.h"
#include "launcher/cache.h"
#include "launcher/container.h"

#define PUSH_OUT_MAX (64 * 1024) /* docker: some lines a layer, and the digest in the last one */

/*
 * Neither goes to the terminal as it comes: a registry's error text is in it. log_error() shows it
 * as plain text.
 */
static int call(const struct client *c, const struct argv *line, char *out, size_t size)
{
	char err[2048] = "";
	int r;

	if (line->failed)
		return -E2BIG;
	r = client_call(c, (const char *const *)line->v, out, size, err, sizeof(err));
	if (r > 0)
		log_error("%s: %s", c->name, err);
	return r > 0 ? -EIO : r;
}

/* podman warns of each try that has failed, before it says why. */
static void add_command(const struct client *c, const char *command, struct argv *line)
{
	if (c->registry_options)
		argv_add(line, "--log-level=error");
	argv_add(line, "%s", command);
}

/* docker finds out by itself that a registry is of this machine. */
static void add_tls(const struct client *c, const struct reference *ref, struct argv *line)
{
	if (c->registry_options && ref->loopback)
		argv_add(line, "--tls-verify=false");
}

int container_label(const struct client *c, const char *tag, char *buf, size_t size)
{
	autoargv struct argv line = { 0 };

	argv_add_words(&line, "image", "inspect", "--format",
		       "{{printf \"%q\" (index .Config.Labels \"io.taz.tag\")}}", "--", tag, NULL);
	return call(c, &line, buf, size);
}

/* A name less; the image goes when it was the last one. */
static int drop_name(const struct client *c, const char *name)
{
	autoargv struct argv line = { 0 };

	argv_add_words(&line, "rmi", "--", name, NULL);
	return call(c, &line, NULL, 0);
}

static int add_name(const struct client *c, const char *old, const char *new)
{
	autoargv struct argv line = { 0 };

	argv_add_words(&line, "tag", "--", old, new, NULL);
	return call(c, &line, NULL, 0);
}

/* --- push ------------------------------------------------------------------------------------ */

static int push_with_options(const struct client *c, const char *tag, const struct reference *ref,
			     const char *name, char digest[REFERENCE_DIGEST_MAX])
{
	autoargv struct argv line = { 0 };

	add_command(c, "push", &line);
	argv_add_words(&line, "--quiet", "--digestfile", "/dev/stdout", NULL);
	add_tls(c, ref, &line);
	argv_add_words(&line, "--", tag, NULL);
	argv_add(&line, "docker://%s", name);
	return call(c, &line, digest, REFERENCE_DIGEST_MAX);
}

/* "HASH: digest: sha256:... size: 1234" */
static void find_digest(const char *said, char digest[REFERENCE_DIGEST_MAX])
{
	static const char word[] = "digest: ";
	const char *at = NULL;

	for (const char *p = said; (p = strstr(p, word)); p++)
		at = p + strlen(word);
	snprintf(digest, REFERENCE_DIGEST_MAX, "%.*s", at ? (int)strcspn(at, " \r\n") : 0,
		 at ? at : "");
}

/* docker sends only what has the name of the registry in its own. */
static int push_by_name(const struct client *c, const char *tag, const char *name,
			char digest[REFERENCE_DIGEST_MAX])
{
	static char said[PUSH_OUT_MAX];
	autoargv struct argv line = { 0 };
	int had = container_has_image(c, name), r = had < 0 ? had : add_name(c, tag, name);

	if (r < 0)
		return r;
	argv_add_words(&line, "push", "--", name, NULL);
	r = call(c, &line, said, sizeof(said));
	if (r == 0)
		find_digest(said, digest);
	if (!had)
		drop_name(c, name);
	return r;
}

int container_push(const struct client *c, const char *tag, const struct reference *ref,
		   char digest[REFERENCE_DIGEST_MAX])
{
	char name[REFERENCE_NAME_MAX + 64];

	snprintf(name, sizeof(name), "%s%s", ref->name, strrchr(tag, ':'));
	return c->registry_options ? push_with_options(c, tag, ref, name, digest)
				   : push_by_name(c, tag, name, digest);
}

/* --- pull ------------------------------------------------------------------------------------ */

/*
 * What is being pulled is written down before, so that the next pull removes what a killed one has
 * left in the engine's store. Who pulls has it locked.
 */
static int note_open(const struct client *c)
{
	char path[PATH_MAX];
	autoclose int fd = -EBADF;

	if (mkdir(cache_dir(), 0755) < 0 && errno != EEXIST)
		return log_err(-errno, "make %s", cache_dir());
	snprintf(path, sizeof(path), "%s/pulling-%s", cache_dir(), c->name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return log_err(-errno, "lock %s", path);
	return take_fd(&fd);
}

static int note_write(int note, const char *name)
{
	int r = ftruncate(note, 0) < 0 ? -errno : io_pwrite_full(note, name, strlen(name), 0);

	return r < 0 ? log_err(r, "write down what is pulled") : 0;
}

static int drop_left(const struct client *c, int note)
{
	char name[REFERENCE_MAX] = "";
	ssize_t n = io_pread_full(note, name, sizeof(name) - 1, 0);
	int r = n > 0 ? container_has_image(c, name) : (int)n;

	if (r == 1)
		r = drop_name(c, name);
	return r < 0 ? r : note_write(note, "");
}

static int fetch(const struct client *c, const struct reference *ref, const char *name)
{
	autoargv struct argv line = { 0 };

	add_command(c, "pull", &line);
	argv_add(&line, "--quiet");
	add_tls(c, ref, &line);
	argv_add_words(&line, "--", NULL);
	argv_add(&line, "%s%s", c->registry_options ? "docker://" : "", name);
	return call(c, &line, NULL, 0);
}

static int check_label(const struct client *c, const char *name, const char *tag, char *label,
		       size_t size)
{
	char want[256];
	int r = container_label(c, name, label, size);

	snprintf(want, sizeof(want), "\"%s\"", tag);
	return r < 0 ? r : strcmp(label, want) ? -EBADMSG : 0;
}

/* What this machine runs, in the words of an image. Source: uname(2); go.dev/doc/install/source has
 * the names. Where it is not listed both have the same. */
static void own_platform(char *buf, size_t size)
{
	static const struct {
		const char *machine, *name;
	} names[] = { { "x86_64", "amd64" },
		      { "aarch64", "arm64" },
		      { "armv7l", "arm" },
		      { "i686", "386" },
		      { "loongarch64", "loong64" } };
	struct utsname u;
	const char *name;

	uname(&u);
	name = u.machine;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(u.machine, names[i].machine))
			name = names[i].name;
	snprintf(buf, size, "linux/%s", name);
}

/* The same sources have the same tag on every kind of processor. */
static int check_platform(const struct client *c, const char *name)
{
	autoargv struct argv line = { 0 };
	char has[64] = "", want[sizeof("linux/") + sizeof(((struct utsname *)0)->machine)];
	int r;

	argv_add_words(&line, "image", "inspect", "--format", "{{.Os}}/{{.Architecture}}", "--",
		       name, NULL);
	r = call(c, &line, has, sizeof(has));
	own_platform(want, sizeof(want));
	if (r < 0 || !strcmp(has, want))
		return r;
	log_error("%s is for %s, and this machine is %s", name, has, want);
	return -ENOEXEC;
}

static int pull_locked(const struct client *c, int note, const struct reference *ref,
		       const char *name, const char *tag, char *label, size_t size)
{
	int had = container_has_image(c, name);
	int r = had < 0 ? had : had ? 0 : note_write(note, name), dropped;

	if (r == 0)
		r = fetch(c, ref, name);
	if (r == 0)
		r = check_label(c, name, tag, label, size);
	if (r == 0)
		r = check_platform(c, name);
	if (r == 0)
		r = add_name(c, name, tag);
	if (had)
		return r;
	/* By a failed pull nothing has come. */
	dropped = r == 0 || r == -EBADMSG ? drop_name(c, name) : drop_left(c, note);
	if (dropped == 0)
		dropped = note_write(note, "");
	return r < 0 ? r : dropped;
}

int container_pull(const struct client *c, const struct reference *ref, const char *tag,
		   char *label, size_t size)
{
	char name[REFERENCE_MAX];
	autoclose int note = note_open(c);
	int r = note < 0 ? note : drop_left(c, note);

	/* Two at once: the other one has it. */
	if (r == 0)
		r = container_has_image(c, tag);
	if (r)
		return r < 0 ? r : 0;
	snprintf(name, sizeof(name), "%s@%s", ref->name, ref->digest);
	return pull_locked(c, note, ref, name, tag, label, size);
}
