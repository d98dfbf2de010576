/*
 * entry - one secret that a workspace declares, and what it may say: pure
 *
 * A workspace is hostile input. Each rule answers NULL, or a few words on what is wrong and what
 * would be right; the words never hold what was given.
 */
#ifndef TAZ_ENCLAVE_ENTRY_H
#define TAZ_ENCLAVE_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
	ENTRY_NAME_MAX = 64, /* bytes, without the NUL */
	ENTRY_FILE_MAX = 255,
	ENTRY_ENV_MAX = 128,
	ENTRY_ARGS_MAX = 64,
	ENTRY_ARG_BYTES = 4096, /* one argument */
	ENTRY_PASS_MAX = 16,
};

struct entry {
	char *name;
	char *file;  /* in the vault, relative */
	char *env;   /* variable, or NULL */
	mode_t mode; /* of the file: 0400, 0500, 0600 or 0700 */
	bool value;  /* "enclave run" gives the file's contents, not its path */
	char **argv; /* the command, ended by NULL; NULL when there is none */
	char **pass; /* variables that the command is given from the caller's; may be NULL */
	unsigned line;
};

/* 1 to 64 letters, digits, '-' and '_'; the first a letter or digit */
const char *entry_name_why(const char *name);

/* Relative, no empty, "." or ".." part, no control character, not in our own .taz */
const char *entry_file_why(const char *file);

/* A variable's name that changes nothing about how programs are found, loaded or started */
const char *entry_env_why(const char *env);

/* An argument: no control character, at most ENTRY_ARG_BYTES */
const char *entry_arg_why(const char *arg);

/* "0600": octal, the owner's own, readable. @ret is written when it is. */
const char *entry_mode_why(const char *text, mode_t *ret);

#endif
