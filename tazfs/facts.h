/*
 * facts - what is known of a caller, as a value: caller.c fills it, policy.c judges it
 *
 * Everything comes from the kernel. What could not be found out is marked as unknown, and unknown
 * is never to a caller's advantage: it fits rules that refuse, and none that allow.
 */
#ifndef TAZ_TAZFS_FACTS_H
#define TAZ_TAZFS_FACTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define FACTS_CHAIN_MAX	 32
#define FACTS_HASH_BYTES 32 /* SHA-256, as sha256sum(1) prints it */

/* A file is what it is, whatever its path says. ino 0: none, or unknown. */
struct file_id {
	uint64_t dev, ino;
};

/* One process and what it runs. */
struct program {
	pid_t pid;
	uint64_t start; /* clock ticks since boot */
	bool known;	/* false: the kernel does not tell what it runs; the rest is void */
	bool hashed;	/* @hash is that of the executable's content */
	struct file_id exe;
	struct file_id script; /* of an interpreter: the file that it was started with (script.h) */
	bool doubt; /* @script is a guess; with ino 0: it can be any. For rules that refuse. */
	/* With FACT_SCRIPT: */
	bool interpreter;	   /* by its name it is one, or its name is not known */
	int64_t script_changed_ns; /* st_ctim of @script */
	unsigned char hash[FACTS_HASH_BYTES];
};

struct facts {
	uint32_t session; /* 0: a member of none */
	uid_t uid;
	bool open;   /* somebody outside of the session could trace it, and so speak through it */
	bool tty;    /* it has a controlling terminal */
	bool traced; /* by a debugger, or that could not be found out */
	bool clean_env; /* started without variables that make a program load code (LD_PRELOAD...)
			 */
	bool whole;	/* the chain leads to the session's leader without a gap: nobody in between
			   has ended and left it an orphan, and all of it fitted */
	unsigned n_chain;
	struct program chain[FACTS_CHAIN_MAX]; /* itself, its parent, ... the leader */
};

/* What a policy asks for; the rest is not looked up. */
enum {
	FACT_EXE = 1,	 /* chain[0].exe */
	FACT_SCRIPT = 2, /* script of what is looked at */
	FACT_HASH = 4,	 /* chain[0].hash */
	FACT_CHAIN = 8,	 /* all of chain */
	FACT_UID = 16,
	FACT_TTY = 32,
	FACT_TRACED = 64,
	FACT_ENV = 128,
};

#endif
