#include "launcher/doctor.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/hash.h"
#include "enclave/base/io.h"

#define MIB (1ULL << 20)

/* --- the facts that files tell --------------------------------------------------------------- */

static size_t read_whole(const char *root, const char *path, char *buf, size_t size)
{
	char name[PATH_MAX];
	size_t n = 0;
	FILE *f;

	*buf = '\0';
	if (snprintf(name, sizeof(name), "%s%s", root, path) >= PATH_MAX)
		return 0;
	f = fopen(name, "re");
	if (!f)
		return 0;
	n = fread(buf, 1, size - 1, f);
	buf[n] = '\0';
	fclose(f);
	return n;
}

/* Is it a whole word of the text, between blanks and line ends? */
static bool has_word(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = strstr(text, word); p; p = strstr(p + 1, word))
		if ((p == text || isspace((unsigned char)p[-1])) &&
		    (!p[n] || isspace((unsigned char)p[n])))
			return true;
	return false;
}

/* A module that is not loaded yet has its file; modules.builtin and modules.dep name them all. */
static bool has_module(const struct doctor_facts *f, const char *root, const char *file)
{
	static const char *const lists[] = { "modules.builtin", "modules.dep" };
	static char text[4 << 20];
	char path[160];

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		snprintf(path, sizeof(path), "/lib/modules/%s/%s", f->release, lists[i]);
		if (read_whole(root, path, text, sizeof(text)) && strstr(text, file))
			return true;
	}
	return false;
}

/* device-mapper can be there without its crypt target. Where no module has a file (a container, a
 * kernel of one's own) nobody tells: then it is believed. */
static bool has_crypt(const struct doctor_facts *f, const char *root, const char *devices)
{
	char path[PATH_MAX];

	if (has_module(f, root, "/dm-crypt.ko"))
		return true;
	snprintf(path, sizeof(path), "%s/sys/module/dm_crypt", root);
	if (access(path, F_OK) == 0)
		return true;
	return has_word(devices, "device-mapper") && !has_module(f, root, ".ko");
}

/* Source: proc_pid_status(5). */
static uint64_t find_caps(const char *status)
{
	const char *line = strstr(status, "\nCapEff:");

	return line ? strtoull(line + strlen("\nCapEff:"), NULL, 16) : 0;
}

static void find_swap(struct doctor_facts *f, const char *text)
{
	const char *line = strchr(text, '\n'); /* behind the heading */
	size_t n = line ? strcspn(line + 1, " \t\n") : 0;

	if (n >= sizeof(f->swap))
		n = sizeof(f->swap) - 1;
	if (n)
		memcpy(f->swap, line + 1, n);
	f->swap[n] = '\0';
}

/* Source: proc(5), and for noswap tmpfs(5): Linux 6.4. */
void doctor_kernel(struct doctor_facts *f, const char *root)
{
	char text[16384];
	int major = 0, minor = 0;

	read_whole(root, "/proc/sys/kernel/osrelease", f->release, sizeof(f->release));
	f->release[strcspn(f->release, "\n")] = '\0';
	f->has_noswap = sscanf(f->release, "%d.%d", &major, &minor) == 2 &&
			(major > 6 || (major == 6 && minor >= 4));
	read_whole(root, "/proc/devices", text, sizeof(text));
	f->has_dm = has_crypt(f, root, text);
	f->has_loop = has_word(text, "loop") || has_module(f, root, "/loop.ko");
	read_whole(root, "/proc/filesystems", text, sizeof(text));
	f->has_fuse = has_word(text, "fuse") || has_module(f, root, "/fuse.ko");
	read_whole(root, "/proc/cmdline", text, sizeof(text));
	f->clears_freed = has_word(text, "init_on_free=1");
	f->yama = read_whole(root, "/proc/sys/kernel/yama/ptrace_scope", text, sizeof(text))
			  ? atoi(text)
			  : -1;
	read_whole(root, "/proc/sys/kernel/core_pattern", f->core_pattern, sizeof(f->core_pattern));
	f->core_pattern[strcspn(f->core_pattern, "\n")] = '\0';
	read_whole(root, "/proc/self/status", text, sizeof(text));
	f->caps = find_caps(text);
	read_whole(root, "/proc/swaps", text, sizeof(text));
	find_swap(f, text);
}

/* --- the vault ------------------------------------------------------------------------------- */

/* Source: LUKS2 On-Disk Format Specification, 2.1: magic, and the version, big-endian. */
static bool is_luks2(int fd)
{
	static const char begins[8] = { 'L', 'U', 'K', 'S', '\xba', '\xbe', 0, 2 };
	char found[sizeof(begins)];

	return io_pread_full(fd, found, sizeof(found), 0) == sizeof(found) &&
	       !memcmp(found, begins, sizeof(found));
}

void doctor_vault(struct doctor_facts *f)
{
	autoclose int fd = -EBADF;
	struct seal_footer footer;
	struct stat st;

	f->vault_there = lstat(f->vault, &st) == 0;
	f->vault_private =
		f->vault_there && S_ISREG(st.st_mode) && st.st_uid == 0 && !(st.st_mode & 077);
	fd = open(f->vault, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	f->vault_luks = fd >= 0 && is_luks2(fd);
	f->vault_sealed = fd >= 0 && seal_footer_look(fd, &footer) == 0;
	if (!f->vault_sealed)
		return;
	f->generation = footer.generation;
	hash_hex_of(footer.vault_id, sizeof(footer.vault_id), f->vault_id);
}

/* --- the checks ------------------------------------------------------------------------------ */

struct saying {
	char *buf;
	size_t size;
};

static enum doctor_level say(const struct saying *s, enum doctor_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static enum doctor_level say(const struct saying *s, enum doctor_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->buf, s->size, fmt, ap);
	va_end(ap);
	return level;
}

/* Then a workshop runs on this kernel. */
static bool has_containers(const struct doctor_facts *f)
{
	return !*f->docker || !*f->podman;
}

static bool has_vm(const struct doctor_facts *f)
{
	return !*f->vm;
}

static enum doctor_level check_engine(const struct doctor_facts *f, const struct saying *s)
{
	const char *and_vm = has_vm(f) ? ", and vm" : "";

	if (!*f->docker)
		return say(s, DOCTOR_GOOD, "docker can be used%s%s",
			   *f->podman ? "" : ", and podman", and_vm);
	if (!*f->podman)
		return say(s, DOCTOR_GOOD, "podman can be used%s; docker not: %s", and_vm,
			   f->docker);
	if (has_vm(f))
		return say(s, DOCTOR_GOOD, "vm can be used; docker not: %s; podman not: %s",
			   f->docker, f->podman);
	return say(s, DOCTOR_STOPS, "no engine can be used; docker: %s; podman: %s; vm: %s",
		   f->docker, f->podman, f->vm);
}

/* Without them docker and podman can't be used, and vm brings its own kernel. */
static enum doctor_level check_modules(const struct doctor_facts *f, const struct saying *s)
{
	if (f->has_dm && f->has_loop && f->has_fuse)
		return say(s, DOCTOR_GOOD, "Linux %s has device-mapper, loop and fuse", f->release);
	return say(s, has_vm(f) ? DOCTOR_WARNS : DOCTOR_STOPS, "Linux %s has no%s%s%s", f->release,
		   f->has_dm ? "" : " device-mapper with crypt", f->has_loop ? "" : " loop",
		   f->has_fuse ? "" : " fuse");
}

static enum doctor_level check_kvm(const struct doctor_facts *f, const struct saying *s)
{
	if (has_containers(f) || f->kvm)
		return say(s, DOCTOR_GOOD,
			   f->kvm ? "there is /dev/kvm" : "a container needs no KVM");
	return say(s, DOCTOR_WARNS, "no /dev/kvm that runs a guest: a virtual machine is emulated");
}

/* What making devices, mounts and images takes. Source: capabilities(7). */
static const struct {
	unsigned bit;
	const char *name;
} needed[] = {
	{ CAP_SYS_ADMIN, " CAP_SYS_ADMIN" },
	{ CAP_MKNOD, " CAP_MKNOD" },
	{ CAP_SYS_CHROOT, " CAP_SYS_CHROOT" },
	{ CAP_CHOWN, " CAP_CHOWN" },
};

static enum doctor_level check_root(const struct doctor_facts *f, const struct saying *s)
{
	char lacks[80] = "";

	if (!f->root)
		return say(s, DOCTOR_WARNS,
			   "this is not root: engines and vault were not looked at");
	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++)
		if (!(f->caps & (1ULL << needed[i].bit)))
			strcat(lacks, needed[i].name);
	return *lacks ? say(s, DOCTOR_WARNS, "this is root without%s", lacks)
		      : say(s, DOCTOR_GOOD, "this is root");
}

static enum doctor_level check_freed(const struct doctor_facts *f, const struct saying *s)
{
	if (f->clears_freed)
		return say(s, DOCTOR_GOOD, "freed memory is cleared (init_on_free=1)");
	return say(s, has_containers(f) ? DOCTOR_WARNS : DOCTOR_GOOD,
		   has_containers(f) ? "freed memory is not cleared"
				     : "not cleared here; the vm engine's guest clears it");
}

static enum doctor_level check_noswap(const struct doctor_facts *f, const struct saying *s)
{
	if (f->has_noswap)
		return say(s, DOCTOR_GOOD, "the ciphertext in RAM is never swapped (Linux %s)",
			   f->release);
	return say(s, has_containers(f) ? DOCTOR_WARNS : DOCTOR_GOOD,
		   "Linux %s can swap the ciphertext out%s", f->release,
		   has_containers(f) ? "" : "; the vm engine's guest does not");
}

static enum doctor_level check_swap(const struct doctor_facts *f, const struct saying *s)
{
	if (!*f->swap)
		return say(s, DOCTOR_GOOD, "there is no swap");
	if (!strncmp(f->swap, "/dev/zram", 9))
		return say(s, DOCTOR_GOOD, "swap is in RAM (%s)", f->swap);
	return say(s, DOCTOR_WARNS, "swap is on: %s", f->swap);
}

static enum doctor_level check_yama(const struct doctor_facts *f, const struct saying *s)
{
	if (f->yama >= 1)
		return say(s, DOCTOR_GOOD, "yama restricts tracing (ptrace_scope %d)", f->yama);
	return say(s, has_containers(f) ? DOCTOR_WARNS : DOCTOR_GOOD,
		   f->yama < 0 ? "there is no yama" : "yama is off (ptrace_scope 0)");
}

/* The limit of sessions does not hold for a socket. Source: fs/coredump.c of Linux 6.17. */
static enum doctor_level check_core(const struct doctor_facts *f, const struct saying *s)
{
	if (*f->core_pattern != '@')
		return say(s, DOCTOR_GOOD, "core dumps are files or piped: no session makes one");
	return say(s, has_containers(f) ? DOCTOR_WARNS : DOCTOR_GOOD,
		   "core dumps go to the socket %s", f->core_pattern + 1);
}

static enum doctor_level check_room(const struct saying *s, const char *where, uint64_t free,
				    uint64_t little, uint64_t least)
{
	return say(s,
		   free < least	   ? DOCTOR_STOPS
		   : free < little ? DOCTOR_WARNS
				   : DOCTOR_GOOD,
		   "%llu MiB are free for %s", (unsigned long long)(free / MIB), where);
}

static enum doctor_level check_state_room(const struct doctor_facts *f, const struct saying *s)
{
	return check_room(s, "the sealed vaults", f->state_free, 1024 * MIB, 64 * MIB);
}

static enum doctor_level check_cache_room(const struct doctor_facts *f, const struct saying *s)
{
	return check_room(s, "images", f->cache_free, 6144 * MIB, 1024 * MIB);
}

static enum doctor_level check_vault(const struct doctor_facts *f, const struct saying *s)
{
	unsigned long long generation = f->generation, seen = f->seen.generation;

	if (!f->root)
		return say(s, DOCTOR_GOOD, "%s was not looked at: that takes root", f->workshop);
	if (f->seen_bad)
		return say(s, DOCTOR_STOPS, "the file seen of %s cannot be read", f->workshop);
	if (!f->vault_there)
		return seen ? say(s, DOCTOR_STOPS, "%s is gone, and this host has seen it",
				  f->vault)
			    : say(s, DOCTOR_GOOD, "%s has no vault yet", f->workshop);
	if (!f->vault_luks)
		return say(s, DOCTOR_STOPS, "%s does not begin as LUKS2 does", f->vault);
	if (!f->vault_sealed)
		return say(s, DOCTOR_STOPS, "%s is cut short, or was never sealed", f->vault);
	if (seen && strcmp(f->vault_id, f->seen.vault) != 0)
		return say(s, DOCTOR_STOPS, "%s is another vault than this host has seen here",
			   f->vault);
	if (generation < seen)
		return say(s, DOCTOR_STOPS, "%s is generation %llu, and this host has seen %llu",
			   f->vault, generation, seen);
	if (!f->vault_private)
		return say(s, DOCTOR_WARNS, "%s is not root's alone", f->vault);
	return say(s, DOCTOR_GOOD, "%s is LUKS2, sealed, generation %llu, and root's alone",
		   f->vault, generation);
}

static enum doctor_level check_record(const struct doctor_facts *f, const struct saying *s)
{
	if (!f->root)
		return say(s, DOCTOR_GOOD, "%s was not looked at: that takes root", f->workshop);
	if (f->record_bad)
		return say(s, DOCTOR_STOPS, "what %s was started with cannot be read", f->workshop);
	return say(s, DOCTOR_GOOD, f->was_up ? "%s has been started before" : "%s was never up",
		   f->workshop);
}

static enum doctor_level check_image(const struct doctor_facts *f, const struct saying *s)
{
	if (!f->root)
		return say(s, DOCTOR_GOOD, "%s was not looked at: that takes root", f->workshop);
	if (!f->was_up)
		return say(s, DOCTOR_GOOD, "no image is known of %s", f->workshop);
	return f->image_there ? say(s, DOCTOR_GOOD, "the image of %s is there", f->workshop)
			      : say(s, DOCTOR_WARNS, "the image of %s is gone", f->workshop);
}

/* Who does not watch although it could be heard, was killed, or could not be started. */
static enum doctor_level check_host_events(const struct doctor_facts *f, const struct saying *s)
{
	if (f->host_deaf)
		return say(s, DOCTOR_WARNS, "sleep and screen lock are not heard: %s",
			   f->host_deaf);
	if (f->is_up && (f->watched == WATCH_NONE || f->watched == WATCH_DEAF))
		return say(s, DOCTOR_WARNS, "%s is up, and %s", f->workshop,
			   f->watched == WATCH_NONE ? "nobody watches for sleep and screen lock"
						    : "who watches does not hear logind");
	return say(s, DOCTOR_GOOD,
		   f->watched == WATCH_LISTENS
			   ? "before sleep, and when a screen is locked, workshops lock"
			   : "logind is there, and is heard while a workshop is up");
}

static const struct check {
	const char *name;
	enum doctor_level (*look)(const struct doctor_facts *f, const struct saying *s);
	const char *why, *mend;
} checks[] = {
	{ "root", check_root, "images, devices and the vault are root's",
	  "sudo tazlaunch doctor; in a container: on its host, or give the container what it lacks" },
	{ "engine", check_engine, "a workshop runs in docker, in podman or in a virtual machine",
	  "start docker, or install podman, or mmdebstrap and buildah for vm: launcher/host.packages" },
	{ "modules", check_modules,
	  "in a container the vault needs this kernel's dm-crypt, loop devices and fuse",
	  "modprobe -a loop dm_mod dm_crypt dm_zero fuse; or --engine vm, which brings a kernel" },
	{ "kvm", check_kvm, "an emulated machine works, and is some ten times slower",
	  "switch virtualisation on in the firmware, and modprobe kvm_intel or kvm_amd" },
	{ "init_on_free", check_freed,
	  "after a SIGKILL what was cached of open files stays in freed memory until it is used again",
	  "boot this host with init_on_free=1, or use --engine vm, or --view-memory strict" },
	{ "noswap", check_noswap, "swap keeps what it got; of the vault that is ciphertext only",
	  "Linux 6.4 or later, or --engine vm" },
	{ "swap", check_swap,
	  "what programs have read of a secret may be written to the disk with their memory",
	  "swapoff -a, or encrypt it with a key that is made at each boot (crypttab(5): swap)" },
	{ "yama", check_yama,
	  "processes of the workshop's user that are in no session may trace shells that 'enclave "
	  "unlock' has made sessions",
	  "sysctl kernel.yama.ptrace_scope=1, and in /etc/sysctl.d for the next boot" },
	{ "core_pattern", check_core,
	  "a program of a session that crashes is written down with what it had read; ours never are",
	  "sysctl kernel.core_pattern=core while you work with secrets" },
	{ "state-room", check_state_room, "each save needs the room of the vault once more",
	  "make room in /var/lib/taz, or set TAZ_STATE" },
	{ "cache-room", check_cache_room, "images, and the virtual machine's tools, are made there",
	  "tazlaunch gc, make room in /var/cache/taz, or set TAZ_CACHE" },
	{ "vault", check_vault,
	  "nothing opens without that file, and others need not even have its size",
	  "put the newest copy in its place, or a kept state (tazlaunch history, restore); an older one "
	  "opens with --accept-rollback; chmod 600 and chown root" },
	{ "record", check_record, "it says which engine, image and workspace a workshop has",
	  "put the file workshop in its folder back from a copy; or end what still runs of it, remove "
	  "that file, and the next up writes it" },
	{ "image", check_image, "the next start has to build it, for which it needs a network",
	  "tazlaunch build" },
	{ "host-events", check_host_events,
	  "an open vault stays open when this host sleeps or its screen is locked, until it was idle "
	  "long enough",
	  "install dbus and libpam-systemd where there is a screen; then tazlaunch up; without them: "
	  "tazlaunch lock before you go" },
};

size_t doctor_look(const struct doctor_facts *f, struct doctor_finding ret[DOCTOR_CHECKS])
{
	size_t n = 0;

	_Static_assert(sizeof(checks) / sizeof(*checks) <= DOCTOR_CHECKS, "room for all findings");
	for (; n < sizeof(checks) / sizeof(*checks); n++) {
		const struct check *c = &checks[n];
		struct saying s = { ret[n].what, sizeof(ret[n].what) };

		ret[n].name = c->name;
		ret[n].level = c->look(f, &s);
		ret[n].why = ret[n].level == DOCTOR_GOOD ? NULL : c->why;
		ret[n].mend = ret[n].level == DOCTOR_GOOD ? NULL : c->mend;
	}
	return n;
}
