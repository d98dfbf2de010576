#include "enclave/outside.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/msg.h"
#include "enclave/base/privs.h"
#include "enclave/base/proc.h"
#include "enclave/outside_files.h"
#include "enclave/place.h"

int outside_may_leave(void)
{
	autoclose int self = proc_open(getpid());
	struct proc_status st;
	int r = self < 0 ? self : proc_status_read(self, &st);

	if (r < 0)
		return r;
	return st.cap_prm & PRIVS_MARK ? 0 : -ENOTUNIQ;
}

/* The kernel takes the low 32 bits of both: a filter must not look at more. */
#define LOW_32(value) SCMP_CMP_MASKED_EQ, UINT32_MAX, (value)

#define KEPT 3 /* the first after the standard streams */

#define SOCK_TYPE 0xfU /* below SOCK_NONBLOCK and SOCK_CLOEXEC: SOCK_TYPE_MASK of the kernel */

static int add_sockets(scmp_filter_ctx ctx)
{
	static const unsigned families[] = { AF_UNIX, AF_VSOCK };
	static const unsigned datagrams[] = { SOCK_DGRAM, SOCK_RAW }; /* the second is one, too */
	int r = 0;

	for (size_t i = 0; i < sizeof(families) / sizeof(*families) && r == 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(socket), 1,
				     SCMP_A0(LOW_32(families[i])));
	for (size_t i = 0; i < sizeof(datagrams) / sizeof(*datagrams) && r == 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(socketpair), 1,
				     SCMP_A1(SCMP_CMP_MASKED_EQ, SOCK_TYPE, datagrams[i]));
	return r;
}

static int add_rules(scmp_filter_ctx ctx)
{
	static const unsigned long typing[] = { TIOCSTI, TIOCLINUX };
	int r = add_sockets(ctx);

	for (size_t i = 0; i < sizeof(typing) / sizeof(*typing) && r == 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
				     SCMP_A1(LOW_32(typing[i])));
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(io_uring_setup), 0);
	return r;
}

static int load(scmp_filter_ctx ctx, int *ret_listener)
{
	int r = seccomp_load(ctx);

	if (r == 0 && ret_listener) {
		*ret_listener = fcntl(seccomp_notify_fd(ctx), F_DUPFD_CLOEXEC, 0);
		r = *ret_listener < 0 ? -errno : 0;
	}
	return r;
}

int outside_filter(int *ret_listener)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int r;

	if (!ctx)
		return -ENOMEM;
	/* Those of another architecture have other numbers, which no rule here knows. */
	r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r == 0)
		r = add_rules(ctx);
	if (r == 0 && ret_listener)
		r = seccomp_rule_add(ctx, SCMP_ACT_NOTIFY, SCMP_SYS(ioctl), 1,
				     SCMP_A1(LOW_32(TIOCGPTPEER)));
	if (r == 0)
		r = load(ctx, ret_listener);
	seccomp_release(ctx);
	return r;
}

/* Only one filter of a process can have a listener; when one has, no terminals can be made. */
static int filter_with_peers(int sock)
{
	autoclose int listener = -EBADF;

	if (outside_filter(&listener) < 0)
		return outside_filter(NULL);
	return msg_send(sock, "", 1, &listener, 1);
}

/* Also what the command was to inherit: a descriptor of the vault, or of a terminal. */
static int close_all_but(int sock)
{
	if (sock >= 0 && sock != KEPT && dup3(sock, KEPT, O_CLOEXEC) < 0)
		return -errno;
	return close_range(sock >= 0 ? KEPT + 1 : KEPT, ~0U, 0) < 0 ? -errno : 0;
}

/* No member is without the mark, and this one has none any more; so this is only asked because it
 * can be: a policy may refuse us for another reason. */
static int check_refused(const char *home)
{
	autoclose int fd = place_open(home);

	return fd >= 0 ? -EISDIR : 0;
}

int outside_enter(const char *home, const char *own_tty, int peers)
{
	int r = outside_may_leave(), boxed = 0;

	/* In this order: until the mark is gone nobody outside can look in, and afterwards nobody
	 * can who is outside already, because we are not dumpable; exec(2) ends that. */
	if (r == 0)
		r = privs_hide();
	if (r == 0)
		r = close_all_but(peers);
	if (r == 0)
		r = privs_no_new(); /* what the next two ask for */
	if (r == 0) {
		boxed = outside_files(own_tty);
		r = boxed == -EOPNOTSUPP ? 0 : boxed;
	}
	if (r == 0)
		r = boxed == 0 && peers >= 0 ? filter_with_peers(KEPT) : outside_filter(NULL);
	if (peers >= 0)
		close(KEPT);
	if (r == 0)
		r = privs_leave();
	if (r == 0)
		r = check_refused(home);
	return r < 0 ? r : boxed < 0;
}
