/*
 * proc - facts about another process, from the kernel
 *
 * Source: proc(5): /proc/PID/stat fields; proc_pid_stat.
 */
#ifndef TAZ_BASE_PROC_H
#define TAZ_BASE_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct proc_stat {
	pid_t pid;
	pid_t ppid;	/* 0 for the first process of the namespace */
	pid_t sid;	/* session leader (setsid) */
	int tty_nr;	/* controlling terminal, 0 for none */
	char state;	/* 'Z', 'X': dead */
	uint64_t start; /* clock ticks since boot: with pid, names one process for ever */
};

/* Lines of /proc/PID/status. */
struct proc_status {
	pid_t tgid;	  /* the process that the thread belongs to */
	pid_t tracer;	  /* 0: nobody */
	uid_t uid[4];	  /* real, effective, saved, of file accesses */
	uint64_t cap_prm; /* permitted capabilities, bit N is capability N */
};

/* proc_open - an O_PATH directory of /proc/PID that goes stale when it dies; or -errno (-ENOENT) */
int proc_open(pid_t pid);

/*
 * proc_stat_read - read stat below a descriptor of proc_open()
 * Returns 0, -ESRCH when that process is gone, -EBADMSG when the text is not what proc(5) says.
 */
int proc_stat_read(int procfd, struct proc_stat *ret);

/* proc_stat_parse - the parser alone; the command's name may hold any byte. 0 or -EBADMSG. */
int proc_stat_parse(const char *text, struct proc_stat *ret);

/*
 * proc_status_read - read status below a descriptor of proc_open()
 * Returns 0, -ESRCH when that thread is gone, -EBADMSG when a line is missing.
 */
int proc_status_read(int procfd, struct proc_status *ret);

/* proc_status_parse - the parser alone. 0 or -EBADMSG. */
int proc_status_parse(const char *text, struct proc_status *ret);

/*
 * proc_is_open_to - could a process that has neither @caps nor anything else but our uid trace it?
 * @procfd: of proc_open()
 * @caps: bits of capabilities that every process of a kind holds, such as PRIVS_MARK
 * @uid_map: /proc/self/uid_map, as text
 *
 * True when it has lost one of @caps (an exec of a setuid or setgid program clears ambient ones),
 * or when it is in another user namespace (whose owner has every capability over it), or when that
 * cannot be found out.
 * Source: cap_ptrace_access_check() in the kernel's security/commoncap.c; user_namespaces(7).
 */
bool proc_is_open_to(int procfd, uint64_t caps, const char *uid_map);

/*
 * proc_tgid_read - the process that a thread belongs to, below a descriptor of proc_open(tid)
 * Returns its pid, or -ESRCH when the thread is gone.
 */
pid_t proc_tgid_read(int procfd);

#endif
