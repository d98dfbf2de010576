#include "launcher/opts.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/size.h"
#include "launcher/frame.h"
#include "launcher/through.h"
#include "launcher/workshop.h"

#define KEEP_MAX 50
#define CPUS_MAX 256
#define ZONEINFO "/usr/share/zoneinfo"

static int set_name(struct opts *o, const char *v)
{
	if (!workshop_name_ok(v))
		return -EINVAL;
	o->name = v;
	return 0;
}

/* One of up to three words. */
static int set_word(const char **ret, const char *v, const char *const words[3])
{
	for (int i = 0; i < 3 && words[i]; i++)
		if (!strcmp(v, words[i])) {
			*ret = v;
			return 0;
		}
	return -EINVAL;
}

static int set_engine(struct opts *o, const char *v)
{
	return set_word(&o->engine, v, (const char *const[3]){ "docker", "podman", "vm" });
}

static int set_vault_size(struct opts *o, const char *v)
{
	/* The keeper's own limits: below, LUKS2's header leaves no room; above, RAM does not. */
	return size_parse(v, &o->vault_bytes) == 0 && o->vault_bytes >= (16 << 20) &&
			       o->vault_bytes <= (64ULL << 30)
		       ? 0
		       : -EINVAL;
}

static int set_memory(struct opts *o, const char *v)
{
	return size_parse(v, &o->memory_bytes) == 0 && o->memory_bytes >= (256 << 20) &&
			       o->memory_bytes <= (1ULL << 44)
		       ? 0
		       : -EINVAL;
}

static int set_cpus(struct opts *o, const char *v)
{
	long long n;

	if (num_parse(v, 1, CPUS_MAX, &n) < 0)
		return -EINVAL;
	o->cpus = n;
	return 0;
}

static int set_network(struct opts *o, const char *v)
{
	return set_word(&o->network, v, (const char *const[3]){ "none", "nat" });
}

/* A name that tzset(3) looks for below its own folder, and nowhere else. */
static int set_timezone(struct opts *o, const char *v)
{
	char path[128];

	if (!timezone_ok(v))
		return -EINVAL;
	snprintf(path, sizeof(path), ZONEINFO "/%s", v);
	/* A host without the folder knows none: the image does. */
	if (access(ZONEINFO, F_OK) == 0 && access(path, F_OK) < 0)
		return -EINVAL;
	o->timezone = v;
	return 0;
}

static int set_idle(struct opts *o, const char *v)
{
	return duration_parse(v, &o->idle_sec);
}

static int set_durability(struct opts *o, const char *v)
{
	return set_word(&o->durability, v, (const char *const[3]){ "fsync", "settle", "lock" });
}

static int set_view_memory(struct opts *o, const char *v)
{
	return set_word(&o->view_memory, v, (const char *const[3]){ "cached", "strict" });
}

static int set_passphrase_fd(struct opts *o, const char *v)
{
	long long fd;

	if (num_parse(v, 0, 1023, &fd) < 0 || fcntl(fd, F_GETFD) < 0)
		return -EINVAL;
	o->passphrase_fd = fd;
	return 0;
}

static int set_key_file(struct opts *o, const char *v)
{
	o->key_file = v;
	return *v ? 0 : -EINVAL;
}

static int set_layer(struct opts *o, const char *v)
{
	o->layer = v;
	return workshop_name_ok(v) ? 0 : -EINVAL;
}

static int set_without(struct opts *o, const char *v)
{
	o->without = v;
	return v[strspn(v, "abcdefghijklmnopqrstuvwxyz0123456789-,")] ? -EINVAL : 0;
}

static int set_mounts(struct opts *o, const char *v)
{
	struct binds b;

	o->mounts = v;
	return binds_parse(v, &b);
}

static int set_image(struct opts *o, const char *v)
{
	o->image = v;
	return *v ? 0 : -EINVAL;
}

static int set_through(struct opts *o, const char *v)
{
	char copy[THROUGH_BYTES_MAX], *words[THROUGH_WORDS_MAX + 1];

	o->through = v;
	return through_split(v, copy, words) < 0 ? -EINVAL : 0;
}

static int set_keep(struct opts *o, const char *v)
{
	long long n;

	if (num_parse(v, 0, KEEP_MAX, &n) < 0)
		return -EINVAL;
	o->keep = n;
	return 0;
}

static const struct opt {
	const char *name;
	enum opt_bit bit;
	int (*set)(struct opts *o, const char *value); /* NULL: it takes none, and sets a flag */
	const char *wants;			       /* what its value must be */
	size_t flag;				       /* of struct opts: a bool */
	bool clears;				       /* it is set to false */
} table[] = {
	{ "--name", OPT_NAME, set_name, "a name of a-z, 0-9 and -, at most 32" },
	{ "--engine", OPT_ENGINE, set_engine, "docker, podman or vm" },
	{ "--through", OPT_THROUGH, set_through,
	  "a command of at most 64 words, without quotes, such as: podman exec -i taz-work" },
	{ "--vault-size", OPT_VAULT_SIZE, set_vault_size, "a size from 16M to 64G" },
	{ "--idle", OPT_IDLE, set_idle, "a time such as 90s, 15m or 2h" },
	{ "--durability", OPT_DURABILITY, set_durability, "fsync, settle or lock" },
	{ "--memory", OPT_MEMORY, set_memory, "a size from 256M" },
	{ "--cpus", OPT_CPUS, set_cpus, "a number from 1 to 256" },
	{ "--network", OPT_NETWORK, set_network, "none or nat" },
	{ "--mount", OPT_MOUNT, set_mounts, BINDS_WANT },
	{ "--least", OPT_LEAST, .flag = offsetof(struct opts, least) },
	{ "--privileged", OPT_LEAST, .flag = offsetof(struct opts, least), .clears = true },
	{ "--timezone", OPT_TIMEZONE, set_timezone, "a zone such as Europe/Berlin or UTC" },
	{ "--view-memory", OPT_VIEW_MEMORY, set_view_memory, "cached or strict" },
	{ "--passphrase-fd", OPT_PASSPHRASE_FD, set_passphrase_fd, "the number of an open file" },
	{ "--key-file", OPT_KEY_FILE, set_key_file, "a file's name" },
	{ "--fido2", OPT_FIDO2, .flag = offsetof(struct opts, fido2) },
	{ "--create", OPT_CREATE, .flag = offsetof(struct opts, create) },
	{ "--json", OPT_JSON, .flag = offsetof(struct opts, json) },
	{ "--accept-rollback", OPT_ACCEPT_ROLLBACK,
	  .flag = offsetof(struct opts, accept_rollback) },
	{ "--keep", OPT_KEEP, set_keep, "a number from 0 to 50" },
	{ "--layer", OPT_LAYER, set_layer, "a folder of images/, such as base, k8s or gemini" },
	{ "--without", OPT_WITHOUT, set_without, "names with commas between, or all" },
	{ "--image", OPT_IMAGE, set_image, "HOST/PATH@sha256:DIGEST, or a tag taz/LAYER:HASH" },
	{ "--dry-run", OPT_DRY_RUN, .flag = offsetof(struct opts, dry_run) },
	{ "--explain", OPT_EXPLAIN, .flag = offsetof(struct opts, explain) },
	{ "--yes", OPT_YES, .flag = offsetof(struct opts, yes) },
};

#define TABLE_END (table + sizeof(table) / sizeof(*table))

void opts_init(struct opts *o)
{
	const char *without = getenv("TAZ_WITHOUT");

	*o = (struct opts){
		.name = "default",
		.vault_bytes = 256 << 20,
		.idle_sec = 15 * 60,
		.keep = 3,
		.layer = "base",
		.mounts = "",
		.without = without ? without : "",
		.durability = "fsync",
		.view_memory = "cached",
		.passphrase_fd = -EBADF,
	};
}

static const struct opt *find(const char *word, const char **ret_value)
{
	for (const struct opt *t = table; t < TABLE_END; t++) {
		size_t n = strlen(t->name);

		if (strncmp(word, t->name, n) || (word[n] && word[n] != '='))
			continue;
		*ret_value = word[n] ? word + n + 1 : NULL;
		return t;
	}
	return NULL;
}

static const struct opt *find_name(const char *name)
{
	for (const struct opt *t = table; t < TABLE_END; t++)
		if (!strcmp(t->name + 2, name))
			return t;
	return NULL;
}

bool opts_is_one(const char *word, unsigned bits)
{
	const char *value;
	const struct opt *t = find(word, &value);

	return t && t->bit & bits;
}

bool opts_is_name(const char *name)
{
	return find_name(name);
}

const char *opts_wants(const char *name)
{
	const struct opt *t = find_name(name);

	return t && t->wants ? t->wants : "nothing";
}

/* Returns how many words it took. */
static int take_one(struct opts *o, const struct opt *t, const char *value, const char *next,
		    char *why, unsigned long size)
{
	int words = 1;

	if (t->set && !value) {
		value = next;
		words = 2;
	}
	if (t->set ? !value : !!value) {
		snprintf(why, size, t->set ? "%s wants %s" : "%s takes no value", t->name,
			 t->wants);
		return -EINVAL;
	}
	if (!t->set) {
		*(bool *)((char *)o + t->flag) = !t->clears;
	} else if (t->set(o, value) < 0) {
		snprintf(why, size, "%s wants %s, not '%s'", t->name, t->wants, value);
		return -EINVAL;
	}
	o->given |= t->bit;
	return words;
}

int opts_take(struct opts *o, int argc, char *const argv[], char *why, unsigned long size)
{
	int i = 0;

	while (i < argc) {
		const char *value;
		const struct opt *t;
		int n;

		if (!strcmp(argv[i], "--"))
			return i + 1;
		t = find(argv[i], &value);
		if (!t)
			break;
		n = take_one(o, t, value, i + 1 < argc ? argv[i + 1] : NULL, why, size);
		if (n < 0)
			return n;
		i += n;
	}
	return i;
}

const char *opts_refused(const struct opts *o, unsigned allowed)
{
	for (const struct opt *t = table; t < TABLE_END; t++)
		if (o->given & t->bit & ~allowed)
			return t->name;
	return NULL;
}
