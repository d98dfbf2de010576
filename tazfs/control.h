/*
 * control - what a running view is asked about itself: ioctl(2) on the root directory of its mount
 *
 * Only who is let in to the view is answered, and only as the policy says of the files that these
 * questions stand for: VIEW_OWN_DIR "/policy" or "/audit" for reading. So a process that may see
 * nothing learns nothing here either.
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

/* Errors: ENOTTY no view of ours, EACCES the policy refuses, EIO it is locked, EINVAL, ESRCH. */
#define CONTROL_ASK _IOWR('t', 0xA2, struct control)

#endif
