#include "launcher/least.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "launcher/devices.h"

#define LEAST_PROFILE "seccomp.json"

/* Each was found by leaving it out and looking at what fails then. The README has this table. With
 * the first of them root inside mounts a /proc of its own, and is root of the host if it wants. */
static const char *const caps[] = {
	"SYS_ADMIN",	/* mounts, loop devices and mappings */
	"MKNOD",	/* the nodes of these */
	"SETUID",	/* keeper and agent are root; view, prompt and sessions the owner */
	"SETGID",	/* with his groups */
	"WAKE_ALARM",	/* the mark of a session's processes */
	"CHOWN",	/* a new vault's files are the owner's */
	"FOWNER",	/* and get their modes after that */
	"DAC_OVERRIDE", /* the vault is mounted in a home of mode 0700 */
	"KILL",		/* a view that is stopped and holds on is ended by the lock */
	"SYS_PTRACE",	/* the lock looks who holds what */
	"SYS_CHROOT",	/* and into other mount namespaces for copies of the mount */
};

/*
 * System calls that nothing here needs, and whose right a capability above would give, or that have
 * let programs out of containers before. The engine's own list can't be used: it refuses the
 * kernel's keyrings, through which a volume key goes to dm-crypt and which nobody can read back.
 */
static const char *const denied[] = {
	"_sysctl",
	"acct",
	"bpf",
	"clock_adjtime",
	"clock_adjtime64",
	"clock_settime",
	"clock_settime64",
	"create_module",
	"delete_module",
	"fanotify_init",
	"finit_module",
	"get_kernel_syms",
	"init_module",
	"io_uring_enter",
	"io_uring_register",
	"io_uring_setup",
	"ioperm",
	"iopl",
	"kexec_file_load",
	"kexec_load",
	"lookup_dcookie",
	"migrate_pages",
	"move_pages",
	"nfsservctl",
	"open_by_handle_at",
	"perf_event_open",
	"pivot_root",
	"query_module",
	"quotactl",
	"quotactl_fd",
	"reboot",
	"request_key",
	"setdomainname",
	"sethostname",
	"settimeofday",
	"stime",
	"swapoff",
	"swapon",
	"sysfs",
	"syslog",
	"uselib",
	"userfaultfd",
	"ustat",
	"vhangup",
	"vm86",
	"vm86old",
};

/*
 * What of keyctl(2) gives away the payload of a key, or what can be computed with it. A keyring
 * belongs to a uid, of this host and of the container alike: by these, whoever has the user's uid
 * inside, in no session and with no right, reads what the same uid keeps there on the host.
 * The stack only adds keys, and forgets them. Source: user-keyring(7), keyctl(2).
 */
static const unsigned denied_of_keyctl[] = {
	KEYCTL_READ,
	KEYCTL_DH_COMPUTE,
	KEYCTL_PKEY_DECRYPT,
	KEYCTL_PKEY_SIGN,
};

/* The two ways in which a program of the same machine may call: each has numbers of its own. */
#if defined(__x86_64__)
#define ARCHITECTURES "\"SCMP_ARCH_X86_64\", \"SCMP_ARCH_X86\", \"SCMP_ARCH_X32\""
#elif defined(__aarch64__)
#define ARCHITECTURES "\"SCMP_ARCH_AARCH64\", \"SCMP_ARCH_ARM\""
#else
#error "which system calls are there?"
#endif

/*
 * AppArmor's profile of docker and podman refuses every mount. Locked memory has a limit of its own
 * for the view and the prompt, which are not root; to raise it there would be one more capability.
 */
static const char *const rest[] = { "--security-opt=apparmor=unconfined",
				    "--ulimit=memlock=-1:-1" };

#define N(a) (sizeof(a) / sizeof(*(a)))

/*
 * A name that this kernel does not have is no error. Source:
 * docs.docker.com/engine/security/seccomp, containers-seccomp.json(5).
 */
int least_profile(char *buf, size_t size)
{
	size_t at = snprintf(buf, size,
			     "{\"defaultAction\": \"SCMP_ACT_ALLOW\",\n"
			     " \"architectures\": [" ARCHITECTURES "],\n"
			     " \"syscalls\": [{\"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 1,\n"
			     "  \"names\": [");

	for (size_t i = 0; i < N(denied) && at < size; i++)
		at += snprintf(buf + at, size - at, "%s\"%s\"", i ? ", " : "", denied[i]);
	if (at < size)
		at += snprintf(buf + at, size - at, "]}");
	/* Of the number the kernel takes the lower half: the upper one must make no difference. */
	for (size_t i = 0; i < N(denied_of_keyctl) && at < size; i++)
		at += snprintf(buf + at, size - at,
			       ",\n  {\"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 1, "
			       "\"names\": [\"keyctl\"], \"args\": [{\"index\": 0, "
			       "\"op\": \"SCMP_CMP_MASKED_EQ\", \"value\": %u, "
			       "\"valueTwo\": %u}]}",
			       UINT32_MAX, denied_of_keyctl[i]);
	if (at < size)
		at += snprintf(buf + at, size - at, "]}\n");
	return at < size ? (int)at : -ENAMETOOLONG;
}

/* The engine reads it while the container is made; two workshops have each their own. */
static int write_profile(const char *state_dir)
{
	autoclose int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclose int fd = -EBADF;
	char text[8192];
	int n = least_profile(text, sizeof(text));

	if (n < 0 || dir < 0)
		return n < 0 ? n : -errno;
	if (unlinkat(dir, LEAST_PROFILE, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(dir, LEAST_PROFILE, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	return io_write_full(fd, text, n);
}

int least_add(struct argv *a, const char *state_dir)
{
	int r = devices_add_rules(a);

	if (r == 0)
		r = write_profile(state_dir);
	if (r < 0)
		return r;
	argv_add(a, "--cap-drop=ALL");
	for (size_t i = 0; i < N(caps); i++)
		argv_add(a, "--cap-add=%s", caps[i]);
	argv_add(a, "--security-opt=seccomp=%s/" LEAST_PROFILE, state_dir);
	for (size_t i = 0; i < N(rest); i++)
		argv_add(a, "%s", rest[i]);
	return 0;
}
