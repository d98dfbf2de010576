/*
 * fido_token - a FIDO2 token in software that the kernel shows as /dev/hidraw*, for tests
 *
 *	fido_token [--master TEXT] [--touch MS|never|refuse] [--patience MS] [--pin PIN]
 *	           [--pin-tries N] [--no-hmac-secret] [--mute] [--tell]
 *
 *	--master TEXT	the secret that makes it another token than the others ("one")
 *	--touch         it is touched after MS of waiting (0), never, or its "no" is pressed at once
 *	--patience MS   how long it waits for a touch (30000); 0: for ever
 *	--pin PIN	it has one, and N tries (8) before it blocks itself
 *	--mute		it is plugged in and answers nothing
 *	--tell		print the secrets that it makes, to look for them elsewhere
 *
 * It is plugged in while it runs, and unplugged when it is killed. It prints a line for what
 * happens. Source: Documentation/hid/uhid.rst; the report descriptor is CTAP 2.1's, section 11.2.8.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/uhid.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "enclave/base/size.h"
#include "tests/fido2/ctaphid.h"

static const uint8_t descriptor[] = {
	0x06, 0xd0, 0xf1, 0x09, 0x01, 0xa1, 0x01, 0x09, 0x20, 0x15, 0x00, 0x26,
	0xff, 0x00, 0x75, 0x08, 0x95, 0x40, 0x81, 0x02, 0x09, 0x21, 0x15, 0x00,
	0x26, 0xff, 0x00, 0x75, 0x08, 0x95, 0x40, 0x91, 0x02, 0xc0,
};

static struct authenticator auth;
static struct ctaphid hid = { .auth = &auth, .patience_ms = 30000 };

static void said(const char *command, const char *event)
{
	printf("%s %s\n", command, event);
}

static void tell(const uint8_t secret[32])
{
	fputs("secret ", stdout);
	for (int i = 0; i < 32; i++)
		printf("%02x", secret[i]);
	putchar('\n');
}

static int send_event(int fd, const struct uhid_event *e)
{
	return write(fd, e, sizeof(*e)) == sizeof(*e) ? 0 : -errno;
}

static int plug_in(int fd)
{
	struct uhid_event e = { .type = UHID_CREATE2 };

	strcpy((char *)e.u.create2.name, "taz test token");
	memcpy(e.u.create2.rd_data, descriptor, sizeof(descriptor));
	e.u.create2.rd_size = sizeof(descriptor);
	e.u.create2.bus = BUS_USB; /* libfido2 looks at no other */
	e.u.create2.vendor = 0xf1d0;
	e.u.create2.product = 0x7a7a;
	return send_event(fd, &e);
}

static int send_reports(int fd, int *ret_ms)
{
	struct uhid_event e = { .type = UHID_INPUT2, .u.input2.size = CTAPHID_REPORT };

	while (ctaphid_give(&hid, e.u.input2.data, ctaphid_now(), ret_ms)) {
		int r = send_event(fd, &e);

		if (r < 0)
			return r;
	}
	return 0;
}

static int take_event(int fd)
{
	struct uhid_event e;
	ssize_t n = read(fd, &e, sizeof(e));

	if (n < 0)
		return -errno;
	/* hidraw puts the report's number, which is none, in front. */
	if (e.type == UHID_OUTPUT && e.u.output.size == CTAPHID_REPORT + 1)
		ctaphid_take(&hid, e.u.output.data + 1, ctaphid_now());
	else if (e.type == UHID_OUTPUT)
		puts("a report of a wrong size");
	else if (e.type == UHID_START)
		puts("ready");
	return 0;
}

static int serve(int fd)
{
	int r = plug_in(fd), wait_ms = -1;

	while (r >= 0) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		r = poll(&p, 1, wait_ms);
		if (r > 0)
			r = take_event(fd);
		if (r >= 0)
			r = send_reports(fd, &wait_ms);
	}
	return r;
}

static int set_touch(const char *text)
{
	long long ms;

	if (!strcmp(text, "never")) {
		hid.finger = NEVER_TOUCHES;
		return 0;
	}
	if (!strcmp(text, "refuse")) {
		hid.finger = REFUSES;
		return 0;
	}
	if (num_parse(text, 0, 600000, &ms) < 0)
		return -EINVAL;
	hid.after_ms = ms;
	return 0;
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "master", required_argument, NULL, 'm' },
		{ "touch", required_argument, NULL, 't' },
		{ "patience", required_argument, NULL, 'w' },
		{ "pin", required_argument, NULL, 'p' },
		{ "pin-tries", required_argument, NULL, 'n' },
		{ "no-hmac-secret", no_argument, NULL, 'x' },
		{ "mute", no_argument, NULL, 'q' },
		{ "tell", no_argument, NULL, 's' },
		{ 0 },
	};
	const char *master = "one", *pin = NULL;
	long long number, tries = CTAP2_PIN_TRIES;
	bool hmac_secret = true, bad = false, tells = false;
	autoclose int fd = -EBADF;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (c) {
		case 'm':
			master = optarg;
			break;
		case 't':
			bad |= set_touch(optarg) < 0;
			break;
		case 'w':
			bad |= num_parse(optarg, 0, 600000, &number) < 0;
			hid.patience_ms = number;
			break;
		case 'p':
			pin = optarg;
			break;
		case 'n':
			bad |= num_parse(optarg, 0, CTAP2_PIN_TRIES, &tries) < 0;
			break;
		case 'x':
			hmac_secret = false;
			break;
		case 'q':
			hid.mute = true;
			break;
		case 's':
			tells = true;
			break;
		default:
			bad = true;
		}
	if (bad || optind != argc)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	ctap2_init(&auth, master, pin, hmac_secret);
	auth.pin_left = tries;
	auth.made = tells ? tell : NULL;
	hid.said = said;
	fd = open("/dev/uhid", O_RDWR | O_CLOEXEC);
	log_err(fd < 0 ? -errno : serve(fd), "be a token on /dev/uhid");
	return 1;
}
