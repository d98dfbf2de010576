#include "enclave/base/privs.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define SESSION_MARK CAP_WAKE_ALARM

/* libcap-ng has negative codes of its own; what they mean for us is always the same. */
static int cap_error(int r)
{
	return r < 0 ? -EPERM : 0;
}

static int check(uid_t uid, gid_t gid, int mark)
{
	uid_t ru, eu, su;
	gid_t rg, eg, sg;

	if (getresuid(&ru, &eu, &su) < 0 || getresgid(&rg, &eg, &sg) < 0)
		return -errno;
	if (ru != uid || eu != uid || su != uid || rg != gid || eg != gid || sg != gid)
		return -EPERM;
	capng_clear(CAPNG_SELECT_ALL);
	if (capng_get_caps_process() < 0)
		return -EPERM;
	for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++) {
		int has = capng_have_capability(CAPNG_PERMITTED, cap) ||
			  capng_have_capability(CAPNG_EFFECTIVE, cap) ||
			  capng_have_capability(CAPNG_AMBIENT, cap);

		if (has != (mark && cap == SESSION_MARK))
			return -EPERM;
	}
	return 0;
}

int privs_become(const char *user, uid_t uid, gid_t gid, int mark)
{
	int r;

	if (user ? initgroups(user, gid) < 0 : setgroups(0, NULL) < 0)
		return -errno;
	/* Across setresuid the permitted set is kept, so that it can be lowered to the mark. */
	if (prctl(PR_SET_KEEPCAPS, mark ? 1 : 0, 0, 0, 0) < 0)
		return -errno;
	if (setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	capng_clear(CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT);
	if (mark) {
		r = capng_update(CAPNG_ADD,
				 CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_INHERITABLE |
					 CAPNG_AMBIENT,
				 SESSION_MARK);
		if (r < 0)
			return cap_error(r);
	}
	r = capng_apply(CAPNG_SELECT_CAPS);
	if (r == 0 && mark)
		r = capng_apply(CAPNG_SELECT_AMBIENT);
	if (r < 0)
		return cap_error(r);
	r = privs_hide();
	return r < 0 ? r : check(uid, gid, mark);
}

int privs_leave(void)
{
	int r;

	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return -EPERM;
	capng_clear(CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT);
	r = capng_apply(CAPNG_SELECT_CAPS);
	return r < 0 ? cap_error(r) : check(getuid(), getgid(), 0);
}

int privs_no_core(void)
{
	const struct rlimit one = { 1, 1 };

	return setrlimit(RLIMIT_CORE, &one) < 0 ? -errno : 0;
}

int privs_hide(void)
{
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	return privs_no_core();
}

int privs_no_new(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

int privs_die_with_parent(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	return getppid() == parent ? 0 : -ESRCH;
}

int privs_lock_touched(void)
{
	return mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0 ? -errno : 0;
}

int privs_wake_with_parent(void)
{
	return prctl(PR_SET_PDEATHSIG, SIGCONT, 0, 0, 0) < 0 ? -errno : 0;
}

int privs_lock_memory(void)
{
	return mlockall(MCL_CURRENT | MCL_FUTURE) < 0 ? -errno : 0;
}
