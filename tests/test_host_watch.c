/* What the host says, and what the workshops are told: by the real program, on a bus of our own. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "enclave/base/io.h"
#include "enclave/base/msg.h"
#include "enclave/base/run.h"
#include "launcher/host_bus.h"
#include "launcher/watch.h"
#include "launcher/watch_file.h"
#include "tests/host_watch_fixture.h"

#define INHIBITS "inhibits sleep:shutdown taz delay"
#define SLOW	 10000 /* ms: a busy machine */

static pid_t watching(void)
{
	pid_t pid = watcher_start();

	hear(INHIBITS);
	return pid;
}

static void test_before_the_host_sleeps_every_workshop_is_locked(void **state)
{
	struct shop *a = shop_start("a", 600), *b = shop_start("b", 300);
	long ms;

	watching();
	for (int i = 1; i <= 2; i++) {
		tell("sleep 1\n");
		ms = hear("released");
		assert_int_equal(a->done, i);
		assert_int_equal(b->done, i);
		assert_in_range(ms, 600, 19000);
		/* Not while it is asleep: logind would refuse it. */
		hears_nothing(300);
		tell("sleep 0\n");
		hear(INHIBITS);
	}
	tell("shutdown 1\n");
	hear("released");
	assert_int_equal(a->done, 3);
	tell("shutdown 0\n");
	hear(INHIBITS);
}

static void test_a_locked_screen_locks_and_one_that_is_opened_does_not(void **state)
{
	struct shop *a = shop_start("a", 0);

	watching();
	tell("lock\n");
	WITHIN(SLOW, a->done == 1);
	tell("locked 1\n");
	WITHIN(SLOW, a->done == 2);
	tell("locked 0\n");
	hears_nothing(500); /* nor is the host let go */
	assert_int_equal(a->begun, 2);
}

static void test_who_asks_again_gets_a_lock_that_began_afterwards(void **state)
{
	struct shop *a = shop_start("a", 700);

	watching();
	tell("lock\n");
	WITHIN(SLOW, a->begun == 1);
	tell("sleep 1\n");
	hear("released");
	assert_int_equal(a->done, 2);
}

static void test_one_that_hangs_holds_up_neither_the_others_nor_the_host(void **state)
{
	struct shop *a = shop_start("a", 0), *stuck = shop_start("stuck", -1);
	long ms;

	logind_start(6000);
	watching();
	tell("sleep 1\n");
	WITHIN(5000, a->done == 1);
	ms = hear("released");
	assert_in_range(ms, 5000, 6000);
	assert_int_equal(stuck->begun, 1);
	assert_true(watcher_said("stuck is not locked, this host is about to sleep"));
	assert_false(watcher_said("a is not locked"));
	tell("sleep 0\n");
	hear(INHIBITS);
}

static void test_a_lock_that_fails_is_tried_again(void **state)
{
	struct shop *a = shop_start("a", 0);

	a->fails = 2;
	watching();
	tell("sleep 1\n");
	hear("released");
	assert_int_equal(a->begun, 3);
	assert_int_equal(a->done, 1);
	assert_false(watcher_said("did not lock"));
}

static void test_one_that_always_fails_is_given_up_long_before_the_host_would_sleep(void **state)
{
	struct shop *a = shop_start("a", 0);

	a->fails = 1000;
	logind_start(60000);
	watching();
	tell("sleep 1\n");
	assert_in_range(hear("released"), 1000, 15000);
	assert_true(watcher_said("a did not lock: 'tazlaunch lock --name a' tells more"));
	assert_false(watcher_said("every workshop is locked"));
}

static void test_one_that_was_given_up_and_removed_is_no_reason_for_silence(void **state)
{
	struct shop *a = shop_start("a", 0);

	a->fails = 1000;
	watching();
	tell("lock\n");
	WITHIN(SLOW, watcher_said("a did not lock"));
	shop_remove(a);
	tell("lock\n");
	WITHIN(SLOW, watcher_said("every workshop is locked or down"));
}

/* To everybody, and to the one that watches: a match by logind's name stops only the first. */
static void test_what_others_than_logind_say_does_not_count(void **state)
{
	struct shop *a = shop_start("a", 0);

	watching();
	tell("forge\n");
	hears_nothing(700);
	assert_int_equal(a->begun, 0);
	tell("sleep 1\n");
	hear("released");
	assert_int_equal(a->done, 1);
}

static void test_a_bus_that_went_away_is_found_again_and_what_was_missed_locks(void **state)
{
	struct shop *a = shop_start("a", 0);
	pid_t pid = watching();

	bus_end();
	WITHIN(SLOW, watcher_said("the system bus is gone"));
	assert_int_equal(watch_file_look(state_dir), WATCH_DEAF);
	bus_start();
	logind_start(20000);
	hear(INHIBITS);
	WITHIN(SLOW, a->done == 1);
	assert_int_equal(watch_file_look(state_dir), WATCH_LISTENS);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	tell("sleep 1\n");
	hear("released");
	assert_int_equal(a->done, 2);
}

static void test_a_logind_that_comes_later_is_heard(void **state)
{
	struct shop *a = shop_start("a", 0);

	bus_end();
	bus_start();
	watcher_start();
	WITHIN(SLOW, watch_file_look(state_dir) == WATCH_DEAF);
	assert_string_equal(host_bus_ask(), "no logind answers on the system bus");
	logind_start(20000);
	assert_null(host_bus_ask());
	hear(INHIBITS);
	WITHIN(SLOW, watch_file_look(state_dir) == WATCH_LISTENS);
	tell("lock\n");
	WITHIN(SLOW, a->done >= 1);
}

static void test_of_many_that_are_started_one_watches_and_a_killed_one_is_replaced(void **state)
{
	char *argv[] = { "tazlaunch", "watch-host", NULL };
	pid_t pids[8], pid;

	shop_start("a", 0);
	for (int i = 0; i < 8; i++)
		assert_int_equal(run_start(TAZLAUNCH, argv, environ, NULL, 0, &pids[i]), 0);
	for (int i = 0; i < 8; i++)
		assert_int_equal(run_wait(pids[i]), 0);
	hear(INHIBITS);
	hears_nothing(1000);
	pid = watcher_find();
	assert_true(pid > 0);
	assert_int_equal(watcher_detach(), 0);
	assert_int_equal(watcher_find(), pid);
	kill(pid, SIGKILL);
	assert_int_equal(run_wait(pid), 128 + SIGKILL);
	hear("released");
	assert_int_equal(watch_file_look(state_dir), WATCH_NONE);
	assert_int_equal(watcher_detach(), 0);
	hear(INHIBITS);
	assert_true(watcher_find() > 0);
}

static void test_it_ends_with_the_last_workshop_and_leaves_nothing(void **state)
{
	struct shop *a = shop_start("a", 0), *b = shop_start("b", 0);
	char path[128];
	pid_t pid;

	assert_int_equal(watcher_detach(), 0);
	hear(INHIBITS);
	pid = watcher_find();
	shop_end(a);
	watch_file_poke(state_dir);
	hears_nothing(1500);
	assert_int_equal(watcher_find(), pid);
	shop_end(b);
	watch_file_poke(state_dir);
	hear("released");
	assert_int_equal(run_wait(pid), 0);
	assert_int_equal(watch_file_path(state_dir, path, sizeof(path)), 0);
	assert_int_equal(access(path, F_OK), -1);
}

static void test_without_a_bus_it_ends_at_once_and_says_nothing(void **state)
{
	shop_start("a", 0);
	bus_end();
	assert_int_equal(run_wait(watcher_start()), 0);
	assert_false(watcher_said("tazlaunch: "));
	assert_int_equal(watch_file_look(state_dir), WATCH_NONE);
	assert_string_equal(host_bus_ask(), "no system bus answers");
}

/* An engine's client that is asked without them looks for the workshop somewhere else. */
static void test_its_environment_says_where_things_are_and_no_more(void **state)
{
	char *all[] = { "TOKEN=t",
			"DOCKER_HOST=unix:///d",
			"TAZ_STATE=/s",
			"PATHS=/no",
			"CONTAINERS_CONF=/c",
			"PATH=/bin",
			"CONTAINER_HOST=",
			NULL };
	static const char *const want[] = { "DOCKER_HOST=unix:///d", "TAZ_STATE=/s",
					    "CONTAINERS_CONF=/c", "PATH=/bin" };
	char *got[WATCH_ENV_MAX + 1], *many[WATCH_ENV_MAX + 3];

	watch_env(all, got);
	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++)
		assert_string_equal(got[i], want[i]);
	assert_null(got[sizeof(want) / sizeof(*want)]);
	/* execve(2) takes a variable as often as it is given. */
	for (size_t i = 0; i < WATCH_ENV_MAX + 2; i++)
		many[i] = "HOME=/";
	many[WATCH_ENV_MAX + 2] = NULL;
	watch_env(many, got);
	assert_null(got[WATCH_ENV_MAX]);
}

static void test_a_bus_that_never_greets_holds_up_no_doctor(void **state)
{
	uint64_t began = io_boottime_ns();
	char path[128];
	int sock;

	bus_end();
	snprintf(path, sizeof(path), "%s/hangs", state_dir);
	sock = msg_listen(path, 0600, SOCK_STREAM);
	assert_true(sock >= 0);
	snprintf(path, sizeof(path), "unix:path=%s/hangs", state_dir);
	setenv("DBUS_SYSTEM_BUS_ADDRESS", path, 1);
	assert_string_equal(host_bus_ask(), "no system bus answers");
	assert_in_range((io_boottime_ns() - began) / 1000000, 1900, SLOW);
	close(sock);
}

/* Anybody may send to the watcher itself, whatever it has asked the bus for. */
static _Noreturn void flood(void)
{
	sd_bus *bus = NULL;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (sd_bus_open_system(&bus) < 0)
		_exit(1);
	for (unsigned n = 0;; n = (n + 1) % 16) {
		sd_bus_message *m = NULL;
		char to[16];

		snprintf(to, sizeof(to), ":1.%u", n);
		if (sd_bus_message_new_signal(bus, &m, "/org/freedesktop/login1",
					      "org.freedesktop.login1.Manager",
					      "PrepareForSleep") < 0 ||
		    sd_bus_message_append(m, "b", 1) < 0 ||
		    sd_bus_message_set_destination(m, to) < 0 || sd_bus_send(bus, m, NULL) < 0)
			_exit(2);
		sd_bus_message_unref(m);
		if (!n)
			sd_bus_flush(bus);
		while (sd_bus_process(bus, NULL) > 0)
			;
	}
}

static void test_a_flood_of_others_holds_up_no_lock(void **state)
{
	struct shop *a = shop_start("a", 0);
	pid_t pids[4];

	watching();
	for (int i = 0; i < 4; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			flood();
	}
	usleep(500000);
	assert_int_equal(a->begun, 0);
	tell("sleep 1\n");
	printf("# released after %ld ms\n", hear("released"));
	assert_int_equal(a->done, 1);
	for (int i = 0; i < 4; i++) {
		kill(pids[i], SIGKILL);
		assert_int_equal(run_wait(pids[i]), 128 + SIGKILL);
	}
}

static void has_line(pid_t pid, const char *want)
{
	char path[64], line[256];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	assert_non_null(f);
	while (!found && fgets(line, sizeof(line), f))
		found = !strcmp(line, want);
	fclose(f);
	if (!found)
		fail_msg("no line '%s'", want);
}

static void test_it_has_no_capability_no_terminal_and_holds_no_directory(void **state)
{
	char path[64], cwd[64] = "";
	pid_t pid;

	shop_start("a", 0);
	assert_int_equal(watcher_detach(), 0);
	hear(INHIBITS);
	pid = watcher_find();
	has_line(pid, "CapPrm:\t0000000000000000\n");
	has_line(pid, "CapEff:\t0000000000000000\n");
	has_line(pid, "NoNewPrivs:\t1\n");
	assert_int_equal(getsid(pid), pid);
	snprintf(path, sizeof(path), "/proc/%d/cwd", pid);
	assert_true(readlink(path, cwd, sizeof(cwd) - 1) > 0);
	assert_string_equal(cwd, "/");
}

static void test_a_link_or_a_fifo_in_the_place_of_its_file_is_refused(void **state)
{
	char path[128], other[128];
	int fd;

	assert_int_equal(watch_file_path(state_dir, path, sizeof(path)), 0);
	snprintf(other, sizeof(other), "%s/other", state_dir);
	fd = open(other, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	close(fd);
	assert_int_equal(symlink(other, path), 0);
	assert_int_equal(watch_file_take(state_dir), -ELOOP);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(watch_file_take(state_dir), -EACCES);
	assert_int_equal(watcher_detach(), 1);
}

#define WATCH(t) cmocka_unit_test_setup_teardown(t, setup_watch, teardown_watch)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WATCH(test_before_the_host_sleeps_every_workshop_is_locked),
		WATCH(test_a_locked_screen_locks_and_one_that_is_opened_does_not),
		WATCH(test_who_asks_again_gets_a_lock_that_began_afterwards),
		WATCH(test_one_that_hangs_holds_up_neither_the_others_nor_the_host),
		WATCH(test_a_lock_that_fails_is_tried_again),
		WATCH(test_one_that_always_fails_is_given_up_long_before_the_host_would_sleep),
		WATCH(test_one_that_was_given_up_and_removed_is_no_reason_for_silence),
		WATCH(test_what_others_than_logind_say_does_not_count),
		WATCH(test_a_bus_that_went_away_is_found_again_and_what_was_missed_locks),
		WATCH(test_a_logind_that_comes_later_is_heard),
		WATCH(test_of_many_that_are_started_one_watches_and_a_killed_one_is_replaced),
		WATCH(test_it_ends_with_the_last_workshop_and_leaves_nothing),
		WATCH(test_without_a_bus_it_ends_at_once_and_says_nothing),
		cmocka_unit_test(test_its_environment_says_where_things_are_and_no_more),
		WATCH(test_a_bus_that_never_greets_holds_up_no_doctor),
		WATCH(test_a_flood_of_others_holds_up_no_lock),
		WATCH(test_it_has_no_capability_no_terminal_and_holds_no_directory),
		WATCH(test_a_link_or_a_fifo_in_the_place_of_its_file_is_refused),
	};

	alarm(120); /* a hang is a failure */
	if (geteuid() != 0)
		return 77; /* workshops are root's */
	return cmocka_run_group_tests_name("host_watch", tests, NULL, NULL);
}
