#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/cmd.h"
#include "enclave/base/fd.h"
#include "enclave/base/hash.h"
#include "enclave/base/log.h"
#include "enclave/base/msg.h"
#include "enclave/base/proc.h"
#include "enclave/base/run.h"
#include "enclave/base/secret.h"
#include "enclave/base/size.h"
#include "enclave/base/utf8.h"

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_sizes_are_the_whole_string_or_nothing(void **state)
{
	static const char *const bad[] = { "", "5x", "x5", " 5", "+5", "-1", "5KB", "1e3", "0x10" };
	uint64_t v = 7;

	assert_int_equal(size_parse("4096", &v), 0);
	assert_int_equal(v, 4096);
	assert_int_equal(size_parse("256M", &v), 0);
	assert_int_equal(v, 256 << 20);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		v = 7;
		assert_true(size_parse(bad[i], &v) < 0);
		assert_int_equal(v, 7);
	}
	assert_int_equal(size_parse("99999999999G", &v), -ERANGE);
}

static void test_durations_know_their_units(void **state)
{
	unsigned sec;

	assert_int_equal(duration_parse("15m", &sec), 0);
	assert_int_equal(sec, 900);
	assert_int_equal(duration_parse("90", &sec), 0);
	assert_int_equal(sec, 90);
	assert_int_equal(duration_parse("3d", &sec), -EINVAL);
	assert_int_equal(duration_parse("9000h", &sec), -ERANGE);
}

static void test_a_message_arrives_with_its_descriptor(void **state)
{
	int pair[2], fd = open("/dev/null", O_RDONLY | O_CLOEXEC), got;
	char buf[8];

	assert_int_equal(msg_pair(pair), 0);
	assert_int_equal(msg_send(pair[0], "hello", 5, &fd, 1), 0);
	assert_int_equal(msg_recv(pair[1], buf, sizeof(buf), &got, 1), 5);
	assert_memory_equal(buf, "hello", 5);
	assert_true(fcntl(got, F_GETFD) & FD_CLOEXEC);
	close(got);
	close(fd);
	close(pair[0]);
	assert_int_equal(msg_recv(pair[1], buf, sizeof(buf), NULL, 0), 0);
	close(pair[1]);
}

static void test_two_descriptors_are_refused_and_none_leaks(void **state)
{
	int pair[2], fds[2], got, before;
	char buf[8];

	fds[0] = fds[1] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(msg_pair(pair), 0);
	before = open_fds();
	assert_int_equal(msg_send(pair[0], "x", 1, fds, 2), 0);
	assert_int_equal(msg_recv(pair[1], buf, sizeof(buf), &got, 1), -EMSGSIZE);
	assert_int_equal(got, -EBADF);
	assert_int_equal(msg_send(pair[0], "x", 1, fds, 2), 0);
	assert_int_equal(msg_recv(pair[1], buf, sizeof(buf), NULL, 0), -EMSGSIZE);
	assert_int_equal(open_fds(), before);
	close(fds[0]);
	close(pair[0]);
	close(pair[1]);
}

static void test_what_a_peer_said_is_heard_although_it_died_with_something_unread(void **state)
{
	int pair[2];
	char buf[8];

	assert_int_equal(msg_pair(pair), 0);
	assert_int_equal(msg_send(pair[0], "unread", 6, NULL, 0), 0);
	assert_int_equal(msg_send(pair[1], "last", 4, NULL, 0), 0);
	close(pair[1]);
	assert_int_equal(msg_recv(pair[0], buf, sizeof(buf), NULL, 0), 4);
	assert_memory_equal(buf, "last", 4);
	assert_int_equal(msg_recv(pair[0], buf, sizeof(buf), NULL, 0), 0);
	close(pair[0]);
}

static void test_a_message_that_is_too_long_is_refused(void **state)
{
	int pair[2];
	char buf[4];

	assert_int_equal(msg_pair(pair), 0);
	assert_int_equal(msg_send(pair[0], "too long", 8, NULL, 0), 0);
	assert_int_equal(msg_recv(pair[1], buf, sizeof(buf), NULL, 0), -EMSGSIZE);
	close(pair[0]);
	close(pair[1]);
}

static int read_passphrase(const char *bytes, size_t len, struct secret *s)
{
	int ends[2], r;

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], bytes, len), len);
	close(ends[1]);
	r = secret_read_passphrase(ends[0], s);
	close(ends[0]);
	return r;
}

static void test_a_passphrase_is_taken_whole_or_not_at_all(void **state)
{
	struct secret *s = secret_new(8);

	assert_non_null(s);
	assert_int_equal(read_passphrase("horse", 5, s), 0);
	assert_int_equal(s->len, 5);
	assert_int_equal(read_passphrase("horse\n", 6, s), 0);
	assert_int_equal(s->len, 5);
	assert_int_equal(read_passphrase("12345678", 8, s), 0);
	assert_int_equal(s->len, 8);
	assert_int_equal(read_passphrase("123456789", 9, s), -E2BIG);
	assert_int_equal(s->len, 0);
	assert_int_equal(s->data[0], 0);
	assert_int_equal(read_passphrase("", 0, s), -ENODATA);
	assert_int_equal(read_passphrase("\n", 1, s), -ENODATA);
	assert_int_equal(read_passphrase("a\0b", 3, s), -EILSEQ);
	assert_int_equal(read_passphrase("a\nb", 3, s), -EILSEQ);
	secret_free(s);
}

static void test_a_sealed_passphrase_opens_with_its_key_only(void **state)
{
	struct secret *s = secret_new(16), *out = secret_new(16), *priv, *other;
	uint8_t pub[SECRET_PUBKEY_BYTES], pub2[SECRET_PUBKEY_BYTES], box[128];
	ssize_t n;

	memcpy(s->data, "horse", 5);
	s->len = 5;
	assert_int_equal(secret_keypair(pub, &priv), 0);
	assert_int_equal(secret_keypair(pub2, &other), 0);
	n = secret_seal(s, pub, box, sizeof(box));
	assert_int_equal(n, 5 + SECRET_SEAL_BYTES);
	assert_null(memmem(box, n, "horse", 5));
	assert_int_equal(secret_unseal(box, n, pub, priv, out), 0);
	assert_int_equal(out->len, 5);
	assert_memory_equal(out->data, "horse", 5);
	assert_int_equal(secret_unseal(box, n, pub2, other, out), -EBADMSG);
	assert_int_equal(out->len, 0);
	box[n - 1] ^= 1;
	assert_int_equal(secret_unseal(box, n, pub, priv, out), -EBADMSG);
	assert_int_equal(secret_unseal(box, 10, pub, priv, out), -EBADMSG);
	secret_free(s);
	secret_free(out);
	secret_free(priv);
	secret_free(other);
}

static void test_a_command_name_cannot_forge_its_stat(void **state)
{
	struct proc_stat st;
	const char *evil =
		"42 (x) R 1 1 1 1) S 7 8 9 1025 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 5555 0";

	assert_int_equal(proc_stat_parse(evil, &st), 0);
	assert_int_equal(st.pid, 42);
	assert_int_equal(st.ppid, 7);
	assert_int_equal(st.sid, 9);
	assert_int_equal(st.tty_nr, 1025);
	assert_int_equal(st.start, 5555);
	assert_int_equal(proc_stat_parse("42 (x", &st), -EBADMSG);
	assert_int_equal(proc_stat_parse("", &st), -EBADMSG);
}

static void test_a_dead_process_has_no_stat(void **state)
{
	struct proc_stat st;
	pid_t pid;
	int fd;

	assert_int_equal(
		run_start("/bin/sleep", (char *[]){ "sleep", "9", NULL }, NULL, NULL, 0, &pid), 0);
	fd = proc_open(pid);
	assert_int_equal(proc_stat_read(fd, &st), 0);
	assert_int_equal(st.pid, pid);
	assert_int_equal(st.ppid, getpid());
	kill(pid, SIGKILL);
	assert_int_equal(run_wait(pid), 128 + SIGKILL);
	assert_int_equal(proc_stat_read(fd, &st), -ESRCH);
	close(fd);
}

static void test_a_child_gets_the_named_descriptors_and_no_other(void **state)
{
	char out[64];
	int stray = open("/dev/null", O_RDONLY);

	assert_int_equal(run_output("/bin/ls", (char *[]){ "ls", "/proc/self/fd", NULL }, NULL, out,
				    sizeof(out)),
			 0);
	assert_string_equal(out, "0\n1\n2\n3\n"); /* 3 is the directory that ls reads */
	assert_int_equal(run_output("bin/ls", (char *[]){ "ls", NULL }, NULL, out, sizeof(out)),
			 -EINVAL);
	close(stray);
}

static void test_a_child_starts_in_the_directory_that_is_named(void **state)
{
	char *const argv[] = { "sh", "-c", "test \"$(pwd)\" = /proc", NULL };
	pid_t pid;

	assert_int_equal(run_start_in("/proc", "/bin/sh", argv, NULL, NULL, 0, &pid), 0);
	assert_int_equal(run_wait(pid), 0);
	assert_int_equal(run_start(argv[0], argv, NULL, NULL, 0, &pid), -EINVAL);
	assert_int_equal(run_start_in("/proc/none", "/bin/sh", argv, NULL, NULL, 0, &pid), -ENOENT);
}

static void test_a_hash_depends_on_where_a_field_ends(void **state)
{
	char one[HASH_HEX_MAX], two[HASH_HEX_MAX], same[HASH_HEX_MAX];
	struct hash h;

	hash_init(&h);
	hash_text(&h, "ab");
	hash_text(&h, "c");
	hash_hex(&h, 16, one);
	assert_int_equal(strlen(one), 32);
	hash_init(&h);
	hash_text(&h, "a");
	hash_text(&h, "bc");
	hash_hex(&h, 16, two);
	assert_string_not_equal(one, two);
	hash_init(&h);
	hash_field(&h, "ab", 2);
	hash_field(&h, "c", 1);
	hash_hex(&h, 16, same);
	assert_string_equal(one, same);
}

static int done(int argc, char *argv[])
{
	puts("a report");
	return argc > 1 ? 3 : CMD_DONE;
}

static int echo(int argc, char *argv[])
{
	return 40 + argc;
}

static int called(const char *one, const char *two, const char *three)
{
	static const struct cmd low = {
		.name = "high low", .args = "", .help = "low", .run = done
	};
	static const struct cmd *const subs[] = { &low, NULL };
	static const struct cmd high = { .name = "high", .args = "", .help = "high", .subs = subs };
	/* One that is something by itself, too. */
	static const struct cmd both = {
		.name = "both", .args = "", .help = "both", .run = echo, .subs = subs
	};
	static const struct cmd *const cmds[] = { &high, &both, NULL };
	const struct cmd_program prog = { .name = "prog", .summary = "a program", .cmds = cmds };
	char *argv[] = { "prog", (char *)one, (char *)two, (char *)three, NULL };
	int argc = 1;

	while (argv[argc])
		argc++;
	return cmd_main(&prog, argc, argv);
}

static void test_help_of_what_is_no_command_is_an_error(void **state)
{
	assert_int_equal(called("help", NULL, NULL), CMD_DONE);
	assert_int_equal(called("help", "high", "low"), CMD_DONE);
	assert_int_equal(called("high", "low", NULL), CMD_DONE);
	assert_int_equal(called("high", "low", "three"), 3);
	assert_int_equal(called("help", "deep", NULL), CMD_USAGE);
	assert_int_equal(called("help", "high", "deep"), CMD_USAGE);
	assert_int_equal(called("high", "deep", NULL), CMD_USAGE);
	assert_int_equal(called("deep", NULL, NULL), CMD_USAGE);
}

static void test_a_command_may_be_one_by_itself_and_have_others_below(void **state)
{
	assert_int_equal(called("both", NULL, NULL), 41);
	assert_int_equal(called("both", "--json", "low"), 43);
	assert_int_equal(called("both", "deep", NULL), 42);
	assert_int_equal(called("both", "low", NULL), CMD_DONE);
	assert_int_equal(called("both", "--help", NULL), CMD_DONE);
	assert_int_equal(called("both", "low", "--help"), CMD_DONE);
	assert_int_equal(called("high", NULL, NULL), CMD_USAGE);
}

/* A child, whose standard output is a full disk. */
static void test_a_report_that_cannot_be_written_is_a_failure(void **state)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (!freopen("/dev/full", "w", stdout))
			_exit(99);
		_exit(called("high", "low", "three"));
	}
	assert_int_equal(run_wait(pid), CMD_FAILED);
}

static void test_text_of_others_cannot_steer_a_terminal(void **state)
{
	char text[] = "a\033[2Jb\r\n\x7f\xc2\x9b"
		      "c \xc3\xa9 \xf0\x9f\x98\x80 \xff\xc3 \xe2\x80\xae";

	utf8_clean(text, "\n");
	assert_string_equal(text, "a?[2Jb?\n???c \xc3\xa9 \xf0\x9f\x98\x80 ?? ???");
}

static void test_a_log_line_is_clean_and_only_ours_begin_with_our_name(void **state)
{
	char text[128];
	int p[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	assert_int_equal(pipe(p), 0);
	dup2(p[1], STDERR_FILENO);
	log_init("taz");
	log_error("no file '%s'", "\033]0;x\a\ntaz: unlocked");
	dup2(saved, STDERR_FILENO);
	n = read(p[0], text, sizeof(text) - 1);
	text[n < 0 ? 0 : n] = '\0';
	assert_string_equal(text, "taz: no file '?]0;x?\n  taz: unlocked'\n");
	close(saved);
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes_are_the_whole_string_or_nothing),
		cmocka_unit_test(test_durations_know_their_units),
		cmocka_unit_test(test_a_message_arrives_with_its_descriptor),
		cmocka_unit_test(test_two_descriptors_are_refused_and_none_leaks),
		cmocka_unit_test(
			test_what_a_peer_said_is_heard_although_it_died_with_something_unread),
		cmocka_unit_test(test_a_message_that_is_too_long_is_refused),
		cmocka_unit_test(test_a_passphrase_is_taken_whole_or_not_at_all),
		cmocka_unit_test(test_a_sealed_passphrase_opens_with_its_key_only),
		cmocka_unit_test(test_a_command_name_cannot_forge_its_stat),
		cmocka_unit_test(test_a_dead_process_has_no_stat),
		cmocka_unit_test(test_a_child_gets_the_named_descriptors_and_no_other),
		cmocka_unit_test(test_a_child_starts_in_the_directory_that_is_named),
		cmocka_unit_test(test_a_hash_depends_on_where_a_field_ends),
		cmocka_unit_test(test_help_of_what_is_no_command_is_an_error),
		cmocka_unit_test(test_text_of_others_cannot_steer_a_terminal),
		cmocka_unit_test(test_a_log_line_is_clean_and_only_ours_begin_with_our_name),
		cmocka_unit_test(test_a_command_may_be_one_by_itself_and_have_others_below),
		cmocka_unit_test(test_a_report_that_cannot_be_written_is_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
