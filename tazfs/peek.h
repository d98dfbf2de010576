/*
 * peek - what the kernel tells of one living thread, below a descriptor of its /proc entry
 *
 * The kernel shows what a process runs only to one that could trace it for reading: of the same
 * uid and gid, with every capability that the process is permitted, in the same user namespace (or
 * owning it), and only while the process is dumpable. Members of a session hold the session mark
 * (base/privs.h), so a view holds it, too: that is all it needs the mark for.
 *
 * From this follows a question that costs two calls instead of two files: what access(2) asks, it
 * asks without capabilities. If the kernel refuses a link of /proc/TID/ns to that and shows
 * /proc/TID/exe to the view as it is, then the thread lives, is in our user namespace, and its
 * permitted capabilities are the mark: nobody outside can trace it.
 *
 * The two calls are two moments. A member that drops the mark by itself and plays with its dumpable
 * flag in between can pass for one that has it, once: it can give away what it reads in easier
 * ways.
 *
 * Source: proc(5); ptrace(2) "Ptrace access mode checking", PTRACE_MODE_READ_FSCREDS;
 * cap_ptrace_access_check() in security/commoncap.c; access(2): "for non-root users, the check uses
 * an empty set of capabilities" (access_override_creds() in fs/open.c). A process in a Landlock
 * domain is refused all of this for every process outside of it: a view can't be in one.
 */
#ifndef TAZ_TAZFS_PEEK_H
#define TAZ_TAZFS_PEEK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tazfs/facts.h"

/* What we are ourselves, which does not change while the view runs. */
struct peek {
	char uid_map[256];
	struct file_id user_ns;
	int user_ns_fd; /* O_PATH: as long as one is open the kernel need not make its inode anew */
	_Atomic int can_pair; /* the mark is the one capability that we have; 0: not known yet */
};

/* peek_init - may be called before rights are given up. Returns 0 or -errno of /proc. */
int peek_init(struct peek *p);

/* peek_done - the opposite of a peek_init() that went well */
void peek_done(struct peek *p);

/* The executable of a process: what it is, and when it was last changed. */
struct peek_exe {
	struct file_id id;
	uint64_t changed_ns; /* ctime, CLOCK_REALTIME */
};

/* peek_is_living - does the thread that @procfd was opened for live still? */
bool peek_is_living(int procfd);

/*
 * peek_exe - what it runs
 * Never waits for a file system: attributes that a server would have to be asked for are not.
 * Returns 0, -EACCES when the kernel does not tell, or another -errno (it has ended).
 */
int peek_exe(int procfd, struct peek_exe *ret);

/*
 * peek_is_closed - is it certain that nobody outside of the session can trace it, now?
 * @marked: members hold the session mark; otherwise only another user namespace opens a process
 * @ret_exe: of peek_exe(); ino 0 when the kernel does not tell
 *
 * False also for one that has ended. Two calls for a member that is as it should be; for any other
 * (not dumpable, setgid) what proc_is_open_to() reads decides.
 */
bool peek_is_closed(struct peek *p, int procfd, bool marked, struct peek_exe *ret_exe);

#endif
