/*
 * Is the view there? One that is stopped (SIGSTOP, a debugger, a frozen control group) holds the
 * decrypted file system and could not be locked in order: so it is asked every VIEW_PULSE_SEC, and
 * one that leaves VIEW_PULSES of them unanswered is a reason to lock. It looks after us in the same
 * way (tazfs/link.c).
 *
 * What is counted is asked again each time, and not a time that has passed: after a suspend, or
 * when both of us were stopped together, the view has its whole time to answer.
 */
#include "enclave/keeper_priv.h"

#include "enclave/base/io.h"
#include "enclave/base/log.h"

#define PULSE_NS (VIEW_PULSE_SEC * 1000000000ULL)

void pulse_start(struct keeper *k)
{
	k->pulses = 0;
	keeper_arm(&k->pulse_timer, PULSE_NS);
}

void pulse_end(struct keeper *k)
{
	keeper_arm(&k->pulse_timer, 0);
}

void pulse_answered(struct keeper *k)
{
	k->pulses = 0;
}

void pulse_on_timer(struct keeper *k)
{
	if (k->state != LS_UNLOCKED)
		return;
	if (k->pulses == VIEW_PULSES) {
		log_warn("the view has not answered for %d s: locking",
			 VIEW_PULSES * VIEW_PULSE_SEC);
		keeper_event(k, LE_LOCK);
		return;
	}
	k->pulses++;
	keeper_arm(&k->pulse_timer, PULSE_NS);
	view_send(k, VIEW_PULSE);
}
