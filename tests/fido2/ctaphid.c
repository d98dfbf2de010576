#include "tests/fido2/ctaphid.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BROADCAST   0xffffffffU
#define HEAD	    7 /* channel, command, length */
#define HEAD_NEXT   5 /* channel, sequence */
#define FIRST_BYTES (CTAPHID_REPORT - HEAD)
#define NEXT_BYTES  (CTAPHID_REPORT - HEAD_NEXT)
#define ALIVE_MS    100
#define STALLED_MS  500 /* a message whose rest does not come */

enum {
	PING = 0x81,
	INIT = 0x86,
	CBOR = 0x90,
	CANCEL = 0x91,
	KEEPALIVE = 0xbb,
	ERROR = 0xbf,
};
enum {
	ERR_COMMAND = 0x01,
	ERR_LENGTH = 0x03,
	ERR_SEQUENCE = 0x04,
	ERR_BUSY = 0x06,
	ERR_CHANNEL = 0x0b
};
enum { CAN_CBOR = 0x04, NO_MSG = 0x08 };
enum { NEEDS_PRESENCE = 2 };

int64_t ctaphid_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void say(const struct ctaphid *h, const char *event)
{
	if (h->said)
		h->said(ctap2_name(h->message[0]), event);
}

static uint32_t read32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

static void write32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = v >> (24 - 8 * i);
}

/* --- to the host ----------------------------------------------------------------------------- */

static uint8_t *next_report(struct ctaphid *h, uint32_t channel)
{
	uint8_t *report;

	if (h->n_out == CTAPHID_REPORTS)
		abort(); /* an answer is 21 reports at most */
	report = h->out[h->n_out++];
	memset(report, 0, CTAPHID_REPORT);
	write32(report, channel);
	return report;
}

static void send_message(struct ctaphid *h, uint32_t channel, uint8_t command, const void *data,
			 size_t len)
{
	uint8_t *report = next_report(h, channel);
	size_t sent = len < FIRST_BYTES ? len : FIRST_BYTES;

	report[4] = command;
	report[5] = len >> 8;
	report[6] = len;
	memcpy(report + HEAD, data, sent);
	for (uint8_t sequence = 0; sent < len; sequence++) {
		size_t n = len - sent < NEXT_BYTES ? len - sent : NEXT_BYTES;

		report = next_report(h, channel);
		report[4] = sequence;
		memcpy(report + HEAD_NEXT, (const uint8_t *)data + sent, n);
		sent += n;
	}
}

static void send_byte(struct ctaphid *h, uint32_t channel, uint8_t command, uint8_t byte)
{
	send_message(h, channel, command, &byte, 1);
}

/* --- a transaction --------------------------------------------------------------------------- */

static void end(struct ctaphid *h)
{
	h->channel = 0;
	h->waits = false;
}

static void give_up(struct ctaphid *h, enum ctap2_status why, const char *event)
{
	say(h, event);
	send_byte(h, h->channel, CBOR, why);
	end(h);
}

static void answer(struct ctaphid *h, bool touched, int64_t now_ms)
{
	uint8_t reply[CTAP2_MAX];
	size_t n = ctap2_answer(h->auth, h->message, h->have, touched, reply);

	if (!n) {
		say(h, "waits for a touch");
		h->waits = true;
		h->since_ms = now_ms;
		h->alive_ms = now_ms;
		return;
	}
	if (touched)
		say(h, "was touched");
	h->touches += touched;
	send_message(h, h->channel, CBOR, reply, n);
	end(h);
}

static void init(struct ctaphid *h, uint32_t channel)
{
	uint8_t reply[17] = { 0 };

	memcpy(reply, h->message, 8);
	write32(reply + 8, channel == BROADCAST ? ++h->last_channel : channel);
	reply[12] = 2; /* of the protocol */
	reply[13] = 1;
	reply[16] = CAN_CBOR | NO_MSG;
	send_message(h, channel, INIT, reply, sizeof(reply));
	end(h);
}

static void run(struct ctaphid *h, int64_t now_ms)
{
	switch (h->command) {
	case INIT:
		if (h->have == 8) {
			init(h, h->channel);
			return;
		}
		send_byte(h, h->channel, ERROR, ERR_LENGTH);
		break;
	case PING:
		send_message(h, h->channel, PING, h->message, h->have);
		break;
	case CBOR:
		answer(h, false, now_ms);
		return;
	case CANCEL:
		break; /* there is nothing to cancel, and no answer */
	default:
		send_byte(h, h->channel, ERROR, ERR_COMMAND);
	}
	end(h);
}

/* --- from the host --------------------------------------------------------------------------- */

static void take_bytes(struct ctaphid *h, const uint8_t *data, size_t room, int64_t now_ms)
{
	size_t n = h->want - h->have < room ? h->want - h->have : room;

	memcpy(h->message + h->have, data, n);
	h->have += n;
	h->since_ms = now_ms;
	if (h->have == h->want)
		run(h, now_ms);
}

static void first_of(struct ctaphid *h, uint32_t channel, const uint8_t *report, int64_t now_ms)
{
	size_t len = report[5] << 8 | report[6];

	if (!channel || (channel == BROADCAST && report[4] != INIT)) {
		send_byte(h, channel, ERROR, ERR_CHANNEL);
		return;
	}
	if (len > sizeof(h->message)) {
		send_byte(h, channel, ERROR, ERR_LENGTH);
		return;
	}
	h->channel = channel;
	h->command = report[4];
	h->sequence = 0;
	h->have = 0;
	h->want = len;
	take_bytes(h, report + HEAD, FIRST_BYTES, now_ms);
}

static void next_of(struct ctaphid *h, const uint8_t *report, int64_t now_ms)
{
	if (report[4] != h->sequence) {
		send_byte(h, h->channel, ERROR, ERR_SEQUENCE);
		end(h);
		return;
	}
	h->sequence++;
	take_bytes(h, report + HEAD_NEXT, NEXT_BYTES, now_ms);
}

void ctaphid_take(struct ctaphid *h, const uint8_t report[CTAPHID_REPORT], int64_t now_ms)
{
	uint32_t channel = read32(report);
	bool first = report[4] & 0x80;

	if (h->mute)
		return;
	if (h->channel && !h->waits && now_ms - h->since_ms > STALLED_MS)
		end(h);
	if (h->channel && channel != h->channel) {
		if (first)
			send_byte(h, channel, ERROR, ERR_BUSY);
	} else if (h->waits && report[4] == CANCEL) {
		give_up(h, CTAP2_KEEPALIVE_CANCEL, "was cancelled");
	} else if (h->channel && first && report[4] == INIT) {
		end(h); /* the client wants to begin anew */
		first_of(h, channel, report, now_ms);
	} else if (h->waits) {
		send_byte(h, channel, ERROR, ERR_BUSY);
	} else if (first) {
		first_of(h, channel, report, now_ms);
	} else if (h->channel) {
		next_of(h, report, now_ms);
	}
}

/* --- what time brings ------------------------------------------------------------------------ */

static void while_it_waits(struct ctaphid *h, int64_t now_ms)
{
	int64_t waited_ms = now_ms - h->since_ms;

	if (h->patience_ms && waited_ms >= h->patience_ms)
		give_up(h, CTAP2_USER_ACTION_TIMEOUT, "was not touched in time");
	else if (h->finger == REFUSES && waited_ms >= h->after_ms)
		give_up(h, CTAP2_OPERATION_DENIED, "was refused");
	else if (h->finger == TOUCHES && waited_ms >= h->after_ms)
		answer(h, true, now_ms);
	if (!h->waits || now_ms < h->alive_ms)
		return;
	send_byte(h, h->channel, KEEPALIVE, NEEDS_PRESENCE);
	h->alive_ms = now_ms + ALIVE_MS;
}

bool ctaphid_give(struct ctaphid *h, uint8_t report[CTAPHID_REPORT], int64_t now_ms, int *ret_ms)
{
	if (h->waits && !h->n_out)
		while_it_waits(h, now_ms);
	*ret_ms = h->waits ? ALIVE_MS / 2 : -1;
	if (!h->n_out)
		return false;
	memcpy(report, h->out[0], CTAPHID_REPORT);
	memmove(h->out[0], h->out[1], --h->n_out * sizeof(h->out[0]));
	return true;
}
