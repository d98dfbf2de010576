/*
 * audit_source - where a log is read from: a running view, or a file that somebody has kept
 */
#ifndef TAZ_TAZFS_AUDIT_SOURCE_H
#define TAZ_TAZFS_AUDIT_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tazfs/audit_chain.h"
#include "tazfs/audit_record.h"

struct audit_source {
	/* Bytes of the log from *@at on. *@at is moved to where they begin when what was there is
	 * gone. Returns how many, 0 at the present end, or -errno. */
	ssize_t (*read)(struct audit_source *s, uint64_t *at, char *buf, size_t size);
	/* Until there may be more. 0 or -errno: there will be none. */
	int (*wait)(struct audit_source *s);
	/* Check all of it, with the log's own key, where that is; NULL: it is not here.
	 * 0 with @ret (nothing of it is to be freed), or -errno, said. */
	int (*verify)(struct audit_source *s, struct audit_check *ret);
	void (*close)(struct audit_source *s); /* frees @s */
	bool says;			       /* an error has been told to the user */
};

/*
 * audit_source_file - a file; "-" is standard input
 * Returns 0 or -errno of open(2), -EISDIR.
 */
int audit_source_file(const char *path, struct audit_source **ret);

/*
 * audit_source_view - the view that is mounted at @dir; NULL: as control_open()
 * Says what went wrong. Returns 0 or -errno.
 */
int audit_source_view(const char *dir, struct audit_source **ret);

/*
 * audit_source_open - the file @file, or the view at @dir when that is NULL
 * Says what went wrong. Returns as the one or the other.
 */
int audit_source_open(const char *file, const char *dir, struct audit_source **ret);

/* Called for each line, without its end; not for empty ones. Other than 0 ends it. */
typedef int audit_line_t(void *arg, const char *line, size_t size);

/*
 * audit_lines - cuts bytes into lines
 * @follow: go on at the end, until wait() fails
 *
 * Returns 0 at the end, -EBADMSG when a line is longer than AUDIT_LINE_MAX, -ENOMEM, -errno of the
 * source, or what @line returned when that was not 0. A last line without an end is a line.
 */
int audit_lines(struct audit_source *s, bool follow, audit_line_t *line, void *arg);

/* The same for bytes that come when they come: at most AUDIT_CHUNK of them are put where
 * audit_cutter_room() says, and audit_cutter_took() is told how many. It returns as audit_lines().
 */
#define AUDIT_CHUNK (64UL * 1024)

struct audit_cutter {
	char *buf;
	size_t n; /* bytes of a line that has not ended */
	audit_line_t *line;
	void *arg;
};

int audit_cutter_init(struct audit_cutter *c, audit_line_t *line, void *arg); /* 0 or -ENOMEM */
void audit_cutter_done(struct audit_cutter *c);
char *audit_cutter_room(struct audit_cutter *c);
int audit_cutter_took(struct audit_cutter *c, size_t n);

#endif
