#include "tazfs/peek.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/privs.h"
#include "enclave/base/proc.h"

#define USER_NS "ns/user"

enum { YES = 1, NO = -1 };

/* Through a link of /proc, without asking the server of a network or FUSE file system. */
static int look_through(int procfd, const char *link, struct peek_exe *ret)
{
	struct statx st;

	if (statx(procfd, link, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_INO | STATX_CTIME,
		  &st) < 0)
		return -errno;
	if (!(st.stx_mask & STATX_INO) || !st.stx_ino)
		return -EACCES;
	*ret = (struct peek_exe){
		.id = { makedev(st.stx_dev_major, st.stx_dev_minor), st.stx_ino },
		.changed_ns = (uint64_t)st.stx_ctime.tv_sec * 1000000000 + st.stx_ctime.tv_nsec,
	};
	return 0;
}

int peek_init(struct peek *p)
{
	ssize_t n = io_read_text(AT_FDCWD, "/proc/self/uid_map", p->uid_map, sizeof(p->uid_map));
	struct peek_exe ns;
	int r;

	if (n < 0)
		return (int)n;
	r = look_through(AT_FDCWD, "/proc/self/" USER_NS, &ns);
	if (r < 0 && r != -ENOENT) /* a kernel without user namespaces has none to tell apart */
		return r;
	atomic_store(&p->can_pair, 0);
	p->user_ns = r < 0 ? (struct file_id){ 0 } : ns.id;
	p->user_ns_fd = open("/proc/self/" USER_NS, O_PATH | O_CLOEXEC);
	return 0;
}

void peek_done(struct peek *p)
{
	fd_close(&p->user_ns_fd);
}

/* A name below a descriptor of /proc/TID is found only while that very thread lives. */
bool peek_is_living(int procfd)
{
	return faccessat(procfd, "stat", F_OK, 0) == 0;
}

int peek_exe(int procfd, struct peek_exe *ret)
{
	return look_through(procfd, "exe", ret);
}

/* With any capability more, what the kernel shows us would prove less. */
static bool can_pair(struct peek *p)
{
	int can = atomic_load_explicit(&p->can_pair, memory_order_relaxed);

	if (!can) {
		autoclose int self = proc_open(gettid());
		struct proc_status st;

		can = self >= 0 && proc_status_read(self, &st) == 0 && st.cap_prm == PRIVS_MARK &&
				      st.uid[0] != 0
			      ? YES
			      : NO;
		atomic_store_explicit(&p->can_pair, can, memory_order_relaxed);
	}
	return can == YES;
}

/* In this order: a thread that has ended is refused, too, and then shows nothing. */
static bool is_marked(int procfd, struct peek_exe *ret_exe)
{
	bool refused = faccessat(procfd, USER_NS, F_OK, 0) < 0 && errno == EACCES;

	return peek_exe(procfd, ret_exe) == 0 && refused;
}

static bool is_in_our_user_ns(const struct peek *p, int procfd)
{
	struct peek_exe ns;

	return p->user_ns.ino && look_through(procfd, USER_NS, &ns) == 0 &&
	       ns.id.ino == p->user_ns.ino && ns.id.dev == p->user_ns.dev;
}

bool peek_is_closed(struct peek *p, int procfd, bool marked, struct peek_exe *ret_exe)
{
	*ret_exe = (struct peek_exe){ 0 };
	if (marked && can_pair(p) && is_marked(procfd, ret_exe))
		return true;
	if (!ret_exe->id.ino)
		peek_exe(procfd, ret_exe);
	if (!marked && is_in_our_user_ns(p, procfd))
		return true;
	return !proc_is_open_to(procfd, marked ? PRIVS_MARK : 0, p->uid_map);
}
