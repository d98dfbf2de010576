/*
 * control - what a running view is asked about itself: ioctl(2) on the root directory of its mount
 *
 * Only who is let in to the view is answered, and only as the policy says of the files that these
 * questions stand for: VIEW_OWN_DIR "/policy", "/audit" or "/grants" for reading. So a process that
 * may see nothing learns nothing here either. Nothing is given here: what a person has allowed can
 * be taken back, by who may see it, and what was refused can not.
 */
#ifndef TAZ_TAZFS_CONTROL_H
#define TAZ_TAZFS_CONTROL_H

#include <linux/ioctl.h>
#include <stdint.h>

#define CONTROL_BYTES 8192

enum control_op {
	CONTROL_POLICY = 1,  /* the text of the policy in force, from @at on */
	CONTROL_EXPLAIN,     /* what @pid may do with the path in @data, and why: lines of text */
	CONTROL_AUDIT,	     /* the log, from @at on, which is moved behind the answer */
	CONTROL_AUDIT_CHECK, /* is it whole: struct control_check */
	CONTROL_GRANTS, /* the next that was answered, above number @at: struct control_grant */
	CONTROL_REVOKE, /* take back number @at, or 0: all; then @at is how many it was */
};

struct control {
	uint32_t op;   /* enum control_op */
	uint32_t size; /* of @data: of what is asked, and then of the answer; 0: there is no more */
	uint64_t at;   /* in bytes */
	int32_t pid;   /* EXPLAIN */
	uint32_t may;  /* EXPLAIN: enum may; 0: only to look */
	char data[CONTROL_BYTES];
};

/* As struct audit_check. */
struct control_check {
	uint32_t flaw; /* enum audit_flaw */
	uint32_t file;
	uint64_t line, missing, lines, first_seq, last_seq;
	uint8_t mac[32];
};

/* As struct ask_kept. Strings end in NUL; any other byte can be in them. */
struct control_grant {
	uint32_t number;
	uint32_t yes;	   /* 0: it was refused */
	uint32_t to;	   /* enum grant_to */
	uint32_t once;	   /* only for what that process has opened with it */
	uint32_t rule;	   /* the line of it in the policy, when it was asked */
	uint32_t may;	   /* enum may */
	uint32_t session;  /* which it was given in */
	uint32_t left_sec; /* 0: it has no time of its own */
	uint32_t times;	   /* so many times more; 0: without a count */
	int32_t pid;	   /* which it was asked about */
	uint32_t hashed;
	uint8_t hash[32]; /* SHA-256 of what that ran */
	char path[1024];  /* below the root */
	char exe[512], script[512];
};

/* Errors: ENOTTY no view of ours, EACCES the policy refuses (or ENOENT: it hides that), EIO it is
 * locked, EINVAL, ESRCH no such process or number, EPERM that number is a refusal. */
#define CONTROL_ASK _IOWR('t', 0xA2, struct control)

#endif
