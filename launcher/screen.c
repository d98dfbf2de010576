#include "launcher/screen.h"

/* Titles and other strings need no state: whatever is in one, a sequence begins with an ESC, which
 * ends the string. */
enum { TEXT, AFTER_ESC, IN_CSI };

#define ESC	   27
#define CAN	   24
#define SUB	   26
#define NUMBER_MAX 100000

/* Source: xterm's ctlseqs, "DEC Private Mode Set": 47, 1047 and 1049. */
static bool is_alternate(unsigned number)
{
	return number == 47 || number == 1047 || number == 1049;
}

static uint8_t after_esc(struct screen *s, uint8_t b)
{
	switch (b) {
	case '[':
		s->private = s->found = false;
		s->number = 0;
		return IN_CSI;
	case 'c': /* RIS */
		s->alternate = false;
		return TEXT;
	default:
		return b < 0x20 ? AFTER_ESC : TEXT;
	}
}

static uint8_t in_csi(struct screen *s, uint8_t b)
{
	if (b == '?') {
		s->private = true;
	} else if (b >= '0' && b <= '9') {
		if (s->number < NUMBER_MAX)
			s->number = s->number * 10 + (b - '0');
	} else if (b == ';' || b == 'h' || b == 'l') {
		s->found |= is_alternate(s->number);
		s->number = 0;
	}
	if (b < 0x40 || b > 0x7e)
		return IN_CSI;
	if (s->private && s->found && (b == 'h' || b == 'l'))
		s->alternate = b == 'h';
	return TEXT;
}

static uint8_t next_state(struct screen *s, uint8_t b)
{
	if (b == ESC)
		return AFTER_ESC;
	if (b == CAN || b == SUB)
		return TEXT;
	switch (s->state) {
	case AFTER_ESC:
		return after_esc(s, b);
	case IN_CSI:
		return in_csi(s, b);
	default:
		return TEXT;
	}
}

void screen_feed(struct screen *s, const uint8_t *buf, size_t n)
{
	for (size_t i = 0; i < n; i++)
		s->state = next_state(s, buf[i]);
}

/*
 * CAN ends a sequence that the program has only begun, and mode 2026 a "synchronized update": until
 * its end a terminal goes on showing what was there before, for a second or more, and a key would
 * answer what nobody has seen. DECSC keeps the cursor with its colours, character sets and origin
 * mode, which are then set to what we draw with: SI, too, or letters are line drawings after a SO.
 */
#define SEEN  "\030\033[?2026l"
#define PLAIN "\0337\033[?6l\033[0m\033(B\017"

const char *screen_enter(const struct screen *s)
{
	return s->alternate ? SEEN PLAIN : SEEN "\033[?1049h" PLAIN;
}

const char *screen_leave(const struct screen *s)
{
	return s->alternate ? "\033[2J\0338" : "\0338\033[?1049l";
}
