#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "launcher/screen.h"

static bool after(const char *text)
{
	struct screen s = { 0 };

	screen_feed(&s, (const uint8_t *)text, strlen(text));
	return s.alternate;
}

static void test_a_full_screen_program_is_seen_to_come_and_go(void **state)
{
	assert_false(after("$ vim\r\n"));
	assert_true(after("$ vim\r\n\033[?1049h\033[1;1H~"));
	assert_true(after("\033[?47h"));
	assert_true(after("\033[?1047h"));
	assert_false(after("\033[?1049h\033[2J\033[?1049l$ "));
	assert_false(after("\033[?1049h\033c")); /* reset(1) */
}

static void test_it_is_found_among_other_modes(void **state)
{
	assert_true(after("\033[?1;1049;25h"));
	assert_true(after("\033[?25;1049h"));
	assert_false(after("\033[?1;25h"));
	assert_false(after("\033[?104h\033[?9h")); /* two numbers are not one */
	assert_true(after("\033[?10\r49h"));	   /* a control within one is obeyed, it goes on */
}

static void test_what_only_looks_like_it_is_not_it(void **state)
{
	assert_false(after("[?1049h"));
	assert_false(after("\033[1049h"));		/* not private */
	assert_false(after("\033[?25l\033[1049h"));	/* the one before was */
	assert_true(after("\033[?1049h\033[?1049;1p")); /* neither on nor off */
	assert_false(after("\033[?10490h"));
	assert_false(after("\033[?1049$p"));	       /* a question */
	assert_false(after("\033[?1049\030h"));	       /* CAN */
	assert_false(after("\033]0;[?1049h\007"));     /* a title */
	assert_false(after("\033P[?1049h\033\\"));     /* a device's string */
	assert_true(after("\033]0;a\007\033[?1049h")); /* and behind one */
	assert_true(after("\033]0;a\033\\\033[?1049h"));
	assert_false(after("\033[?4294968345h")); /* 1049 in 32 bits */
	assert_true(after("\033[31\033[?1049h"));
	assert_false(after("\033[?1049;\033[h")); /* a sequence begins anew */
}

static void test_it_may_come_byte_by_byte(void **state)
{
	static const char text[] = "a\033[?1049hb\033[?1049lc\033[?1049h";
	struct screen s = { 0 };

	for (size_t i = 0; i < sizeof(text) - 1; i++)
		screen_feed(&s, (const uint8_t *)text + i, 1);
	assert_true(s.alternate);
}

/* Whatever the question is drawn on is left as it was found. */
static void test_who_enters_the_alternate_screen_leaves_it_again(void **state)
{
	struct screen main_one = { 0 }, alternate = { .alternate = true };
	struct screen s = { 0 };

	screen_feed(&s, (const uint8_t *)screen_enter(&main_one), strlen(screen_enter(&main_one)));
	assert_true(s.alternate);
	screen_feed(&s, (const uint8_t *)screen_leave(&main_one), strlen(screen_leave(&main_one)));
	assert_false(s.alternate);
	s = alternate;
	screen_feed(&s, (const uint8_t *)screen_enter(&alternate),
		    strlen(screen_enter(&alternate)));
	screen_feed(&s, (const uint8_t *)screen_leave(&alternate),
		    strlen(screen_leave(&alternate)));
	assert_true(s.alternate);
}

/* Or the first bytes of the question would be part of it. */
static void test_a_sequence_that_has_begun_is_ended_first(void **state)
{
	struct screen main_one = { 0 }, alternate = { .alternate = true };

	assert_int_equal(*screen_enter(&main_one), 24);
	assert_int_equal(*screen_enter(&alternate), 24);
}

/* Whatever the program has set: what we draw is shown at once, and letters are letters. */
static void test_what_is_drawn_is_seen(void **state)
{
	struct screen main_one = { 0 }, alternate = { .alternate = true };

	for (size_t i = 0; i < 2; i++) {
		const char *text = screen_enter(i ? &alternate : &main_one);
		const char *kept = strstr(text, "\0337");

		assert_non_null(kept);
		assert_in_range(strstr(text, "\033[?2026l") - text, 1, kept - text - 1);
		assert_non_null(strstr(kept, "\033(B\017"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_full_screen_program_is_seen_to_come_and_go),
		cmocka_unit_test(test_it_is_found_among_other_modes),
		cmocka_unit_test(test_what_only_looks_like_it_is_not_it),
		cmocka_unit_test(test_it_may_come_byte_by_byte),
		cmocka_unit_test(test_who_enters_the_alternate_screen_leaves_it_again),
		cmocka_unit_test(test_a_sequence_that_has_begun_is_ended_first),
		cmocka_unit_test(test_what_is_drawn_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
