/*
 * ctaphid - the other half of a token in software: messages in reports of 64 bytes, and the touch
 *
 * One transaction at a time: while it waits for a touch it says so every 100 ms, tells every other
 * channel that it is busy, and can be cancelled. Nothing here waits: who calls owns the clock.
 * Source: CTAP 2.1, section 11.2.
 */
#ifndef TAZ_TESTS_FIDO2_CTAPHID_H
#define TAZ_TESTS_FIDO2_CTAPHID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/fido2/ctap2.h"

#define CTAPHID_REPORT	64
#define CTAPHID_REPORTS 32 /* that can wait to be sent: one answer and more */

enum ctaphid_finger { TOUCHES, NEVER_TOUCHES, REFUSES };

struct ctaphid {
	struct authenticator *auth;			      /* borrowed */
	void (*said)(const char *command, const char *event); /* told of a touch, or NULL */
	/* the person in front of it */
	enum ctaphid_finger finger;
	unsigned after_ms;    /* of waiting */
	unsigned patience_ms; /* then it gives up by itself; 0: never */
	bool mute;	      /* it is plugged in, and answers nothing */
	unsigned touches;
	/* the transaction */
	uint32_t channel, last_channel;
	uint8_t command, sequence;
	size_t want, have;
	uint8_t message[CTAP2_MAX];
	bool waits;
	int64_t since_ms, alive_ms;
	/* what is to be sent */
	uint8_t out[CTAPHID_REPORTS][CTAPHID_REPORT];
	unsigned n_out;
};

/* ctaphid_take - a report from the host */
void ctaphid_take(struct ctaphid *h, const uint8_t report[CTAPHID_REPORT], int64_t now_ms);

/*
 * ctaphid_give - a report for the host
 * Returns true when there is one. Otherwise *@ret_ms is when to ask again, or -1: not before
 * something was taken.
 */
bool ctaphid_give(struct ctaphid *h, uint8_t report[CTAPHID_REPORT], int64_t now_ms, int *ret_ms);

/* ctaphid_now - milliseconds of CLOCK_MONOTONIC */
int64_t ctaphid_now(void);

#endif
