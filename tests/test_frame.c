#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "enclave/base/question.h"
#include "enclave/base/sealfd.h"
#include "launcher/frame.h"

static uint8_t buf[FRAME_HEADER + FRAME_MAX];

static struct request sample(void)
{
	return (struct request){
		.kind = REQUEST_SESSION,
		.user = REQUEST_TAZ,
		.flags = REQUEST_TTY | REQUEST_CREATE,
		.rows = 24,
		.cols = 300,
		.cwd = "/workspace/a b",
		.term = "xterm-256color",
		.lang = "C.UTF-8",
		.colorterm = "",
		.tz = "Europe/Berlin",
		.argc = 2,
		.argv = { "sh", "-c" },
	};
}

static void test_a_request_comes_back_as_it_was(void **state)
{
	static struct request in, out;
	ssize_t n;

	in = sample();
	n = request_encode(&in, buf, sizeof(buf));
	assert_true(n > 0);
	assert_int_equal(request_decode(buf, n, &out), 0);
	assert_int_equal(out.kind, REQUEST_SESSION);
	assert_int_equal(out.flags, REQUEST_TTY | REQUEST_CREATE);
	assert_int_equal(out.rows, 24);
	assert_int_equal(out.cols, 300);
	assert_string_equal(out.cwd, "/workspace/a b");
	assert_string_equal(out.term, "xterm-256color");
	assert_string_equal(out.colorterm, "");
	assert_string_equal(out.tz, "Europe/Berlin");
	assert_int_equal(out.argc, 2);
	assert_string_equal(out.argv[1], "-c");
	assert_null(out.argv[2]);
}

static void test_a_request_cut_anywhere_is_refused(void **state)
{
	static struct request in, out;
	ssize_t n;

	in = sample();
	n = request_encode(&in, buf, sizeof(buf));
	for (ssize_t cut = 0; cut < n; cut++) {
		/* An exact copy, so that the sanitizer sees a byte read too far. */
		uint8_t *copy = malloc(cut ? cut : 1);

		memcpy(copy, buf, cut);
		assert_int_equal(request_decode(copy, cut, &out), -EBADMSG);
		free(copy);
	}
	buf[n] = 0;
	assert_int_equal(request_decode(buf, n + 1, &out), -EBADMSG);
}

static void test_values_out_of_range_are_refused_on_both_sides(void **state)
{
	static struct request bad[13], out;
	static const size_t n = sizeof(bad) / sizeof(*bad);
	ssize_t len;

	for (size_t i = 0; i < n; i++)
		bad[i] = sample();
	bad[0].kind = 4;
	bad[1].user = REQUEST_ROOT; /* a session as root */
	bad[2].flags = 8;
	bad[3].cwd = "relative";
	bad[4].term = "xterm\nLD_PRELOAD=x";
	bad[5].lang = "0123456789012345678901234567890123456789012345678901234567890123";
	bad[6].kind = REQUEST_EXEC;
	bad[6].argc = 0;
	bad[7].argv[0] = "";
	for (size_t i = 8; i < n; i++) {
		bad[i].kind = REQUEST_VAULT;
		bad[i].user = REQUEST_ROOT;
		bad[i].flags = 0;
		bad[i].argv[0] = "restore";
	}
	bad[8].user = REQUEST_TAZ;
	bad[9].flags = REQUEST_TTY;
	bad[10].argv[0] = "session";
	bad[11].argv[0] = "/usr/bin/enclave";
	bad[12].argc = 0;
	for (size_t i = 0; i < n; i++)
		assert_int_equal(request_encode(&bad[i], buf, sizeof(buf)), -EINVAL);
	bad[0] = sample();
	len = request_encode(&bad[0], buf, sizeof(buf));
	assert_true(len > 0);
	buf[1] = REQUEST_ROOT;
	assert_int_equal(request_decode(buf, len, &out), -EINVAL);
	buf[1] = REQUEST_TAZ;
	buf[2] = 0xff;
	assert_int_equal(request_decode(buf, len, &out), -EINVAL);
	assert_int_equal(request_encode(&bad[0], buf, 20), -E2BIG);
}

static void test_a_frame_needs_all_its_bytes(void **state)
{
	struct frame f;

	frame_header(buf, FRAME_STDOUT, 5);
	memcpy(buf + FRAME_HEADER, "hello", 5);
	for (size_t n = 0; n < FRAME_HEADER + 5; n++)
		assert_int_equal(frame_decode(buf, n, FRAME_FROM_AGENT, &f), 0);
	assert_int_equal(frame_decode(buf, FRAME_HEADER + 5, FRAME_FROM_AGENT, &f),
			 FRAME_HEADER + 5);
	assert_int_equal(f.type, FRAME_STDOUT);
	assert_int_equal(f.len, 5);
	assert_memory_equal(f.data, "hello", 5);
}

static void refuse(enum frame_type type, uint32_t len, enum frame_side from)
{
	struct frame f;

	frame_header(buf, type, len);
	assert_int_equal(frame_decode(buf, FRAME_HEADER, from, &f), -EBADMSG);
}

static void test_lengths_sides_and_types_are_checked_before_a_payload_arrives(void **state)
{
	struct frame f;

	refuse(FRAME_STDOUT, FRAME_DATA + 1, FRAME_FROM_AGENT);
	refuse(FRAME_STDOUT, 0xffffffff, FRAME_FROM_AGENT);
	refuse(FRAME_STDOUT, 0, FRAME_FROM_AGENT);
	refuse(FRAME_STDOUT, 5, FRAME_FROM_HOST);
	refuse(FRAME_REQUEST, FRAME_MAX + 1, FRAME_FROM_HOST);
	refuse(FRAME_REQUEST, 100, FRAME_FROM_AGENT);
	refuse(FRAME_WINCH, 3, FRAME_FROM_HOST);
	refuse(FRAME_SEAL_BOX, sizeof(struct seal_box) - 1, FRAME_FROM_HOST);
	refuse(FRAME_ERROR, 3, FRAME_FROM_AGENT);
	refuse(FRAME_QUESTION, sizeof(struct question_put) - 1, FRAME_FROM_AGENT);
	refuse(FRAME_QUESTION, sizeof(struct question_put), FRAME_FROM_HOST);
	refuse(FRAME_ANSWER, sizeof(struct question_reply), FRAME_FROM_AGENT);
	refuse(FRAME_EOF, 1, FRAME_FROM_HOST);
	refuse(0, 0, FRAME_FROM_HOST);
	refuse(255, 0, FRAME_FROM_HOST);
	frame_header(buf, FRAME_EOF, 0);
	buf[2] = 1;
	assert_int_equal(frame_decode(buf, FRAME_HEADER, FRAME_FROM_HOST, &f), -EBADMSG);
}

static void test_garbage_is_never_read_too_far(void **state)
{
	static struct request req;
	unsigned seed = 1;

	for (int i = 0; i < 20000; i++) {
		size_t n = rand_r(&seed) % 64;
		uint8_t *p = malloc(n ? n : 1);
		struct frame f;

		for (size_t k = 0; k < n; k++)
			p[k] = rand_r(&seed) % (i % 3 ? 256 : 4);
		if (n && i % 2)
			p[0] = FRAME_REQUEST;
		frame_decode(p, n, i & 4 ? FRAME_FROM_HOST : FRAME_FROM_AGENT, &f);
		request_decode(p, n, &req);
		free(p);
	}
}

static void test_an_error_has_a_number_and_as_much_text_as_there_is_room_for(void **state)
{
	struct frame f = { FRAME_ERROR, 4 + 5, (const uint8_t *)"\1\0\0\0abcde" };
	char out[4];

	frame_text(&f, out, sizeof(out));
	assert_string_equal(out, "abc");
	assert_int_equal(frame_u32(&f), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_request_comes_back_as_it_was),
		cmocka_unit_test(test_a_request_cut_anywhere_is_refused),
		cmocka_unit_test(test_values_out_of_range_are_refused_on_both_sides),
		cmocka_unit_test(test_a_frame_needs_all_its_bytes),
		cmocka_unit_test(test_lengths_sides_and_types_are_checked_before_a_payload_arrives),
		cmocka_unit_test(test_garbage_is_never_read_too_far),
		cmocka_unit_test(test_an_error_has_a_number_and_as_much_text_as_there_is_room_for),
	};

	return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
