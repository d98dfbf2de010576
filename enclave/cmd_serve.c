#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <sys/stat.h>

#include "enclave/atrest.h"
#include "enclave/base/log.h"
#include "enclave/base/size.h"
#include "enclave/cmd.h"
#include "enclave/keeper.h"
#include "enclave/session.h"

#define SIZE_MIN       (16ULL << 20)
#define SIZE_MAX_VAULT (64ULL << 30)
#define KEEP_MAX       50

static int check_memory(const char *text)
{
	if (!strcmp(text, "cached") || !strcmp(text, "strict"))
		return 0;
	log_error("--memory takes cached or strict, not '%s'", text);
	return -EINVAL;
}

/* The instance is part of names in the kernel that everyone on the host sees. */
static int check_instance(const char *text)
{
	size_t len = strlen(text);

	if (!len || len > 63 || strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") != len) {
		log_error("--instance takes 1 to 63 of a-z, 0-9 and '-', not '%s'", text);
		return -EINVAL;
	}
	return 0;
}

static int parse_size(const char *text, uint64_t *ret)
{
	if (size_parse(text, ret) < 0 || *ret < SIZE_MIN || *ret > SIZE_MAX_VAULT) {
		log_error("--size takes 16M to 64G, not '%s'", text);
		return -EINVAL;
	}
	*ret -= *ret % 4096;
	return 0;
}

static int parse_sec(const char *option, const char *text, unsigned *ret)
{
	if (duration_parse(text, ret) < 0) {
		log_error("--%s takes seconds, or 15m, or 2h, not '%s'", option, text);
		return -EINVAL;
	}
	return 0;
}

static int parse_keep(const char *text, unsigned *ret)
{
	long long n;

	if (num_parse(text, 0, KEEP_MAX, &n) < 0) {
		log_error("--keep takes 0 to %d, not '%s'", KEEP_MAX, text);
		return -EINVAL;
	}
	*ret = n;
	return 0;
}

static int parse_seen(const char *text, struct atrest_seen *ret)
{
	int r = atrest_seen_parse(text, ret);

	if (r < 0)
		log_error("--seen takes GENERATION or GENERATION:VAULT, not '%s'", text);
	return r;
}

static int parse_durability(const char *text, enum durability *ret)
{
	static const char *const names[] = { [DURABILITY_FSYNC] = "fsync",
					     [DURABILITY_SETTLE] = "settle",
					     [DURABILITY_LOCK] = "lock" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(text, names[i])) {
			*ret = i;
			return 0;
		}
	log_error("--durability takes fsync, settle or lock, not '%s'", text);
	return -EINVAL;
}

static int parse(int argc, char *argv[], struct keeper_config *cfg)
{
	static const struct option options[] = { { "instance", required_argument, NULL, 'i' },
						 { "owner", required_argument, NULL, 'o' },
						 { "door", required_argument, NULL, 'd' },
						 { "vault", required_argument, NULL, 'v' },
						 { "size", required_argument, NULL, 's' },
						 { "idle", required_argument, NULL, 'l' },
						 { "settle", required_argument, NULL, 'w' },
						 { "durability", required_argument, NULL, 'u' },
						 { "tazfs", required_argument, NULL, 't' },
						 { "keep", required_argument, NULL, 'k' },
						 { "seen", required_argument, NULL, 'e' },
						 { "memory", required_argument, NULL, 'm' },
						 { 0 } };
	int c, r = 0;

	while (r == 0 && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'i':
			cfg->instance = optarg;
			r = check_instance(optarg);
			break;
		case 'o':
			cfg->owner_name = optarg;
			break;
		case 'd':
			cfg->door = optarg;
			break;
		case 'v':
			cfg->vault = optarg;
			break;
		case 's':
			r = parse_size(optarg, &cfg->vault_bytes);
			break;
		case 'l':
			r = parse_sec("idle", optarg, &cfg->idle_sec);
			break;
		case 'w':
			r = parse_sec("settle", optarg, &cfg->settle_sec);
			break;
		case 'u':
			r = parse_durability(optarg, &cfg->durability);
			break;
		case 't':
			cfg->tazfs = optarg;
			break;
		case 'k':
			r = parse_keep(optarg, &cfg->keep);
			break;
		case 'e':
			r = parse_seen(optarg, &cfg->seen);
			break;
		case 'm':
			cfg->memory = optarg;
			r = check_memory(optarg);
			break;
		default:
			r = -EINVAL;
		}
	}
	return r < 0 || optind != argc ? -EINVAL : 0;
}

static int run(int argc, char *argv[])
{
	struct keeper_config cfg = {
		.instance = "default",
		.owner_name = "taz",
		.door = "/home/taz/secrets",
		.vault = "/var/lib/taz/vault.luks",
		.tazfs = "/usr/bin/tazfs",
		.vault_bytes = 256ULL << 20,
		.idle_sec = 15 * 60,
		.settle_sec = 2,
		.keep = 3,
		.memory = "cached",
	};
	struct session_user user;
	int r;

	if (parse(argc, argv, &cfg) < 0)
		return cmd_usage(&cmd_serve);
	r = session_find_user(cfg.owner_name, &user);
	if (r < 0 || user.uid == 0) {
		log_err(r < 0 ? r : -EPERM, "the owner '%s' must be a user other than root",
			cfg.owner_name);
		return CMD_FAILED;
	}
	cfg.uid = user.uid;
	cfg.gid = user.gid;
	umask(077);
	return keeper_run(&cfg) < 0 ? CMD_FAILED : CMD_DONE;
}

const struct cmd cmd_serve = {
	.name = "serve",
	.args = "[OPTION...]",
	.help = "be the keeper: hold the vault, its door and its sessions until told to stop",
	.details =
		"  --instance NAME  part of the mapping's name on the host (default)\n"
		"  --owner USER     whose vault it is (taz)\n"
		"  --door DIR       where its view shows, shut while locked (/home/taz/secrets)\n"
		"  --vault FILE     the sealed file (/var/lib/taz/vault.luks)\n"
		"  --size SIZE      of a new vault, 16M to 64G (256M)\n"
		"  --idle TIME      lock after that long without use; 0 never (15m)\n"
		"  --settle TIME    save a change at most that long after it (2s)\n"
		"  --keep N         how many earlier states of the sealed file stay (3): each as it was\n"
		"                   found at an unlock\n"
		"  --seen GENERATION[:VAULT]\n"
		"                   the newest state that this host knows of (0: none); an older one is\n"
		"                   refused\n"
		"  --durability HOW fsync: an fsync is answered when it is in the sealed file (default);\n"
		"                   settle: after --settle; lock: at the lock and by 'enclave save'\n"
		"  --tazfs FILE     the view's program (/usr/bin/tazfs)\n"
		"  --memory MODE    cached: the kernel caches contents, a lock overwrites them;\n"
		"                   strict: it caches nothing but private maps (cached)\n"
		"\n"
		"SIGTERM locks, saves, and ends. It is started by 'tazlaunch up'.\n"
		"\n"
		"Example:  enclave serve --instance demo --size 64M --idle 5m\n"
		"\n"
		"Exit codes: 0 locked and saved; 1 it could not start, or could not save; 2 usage.\n",
	.run = run,
};
