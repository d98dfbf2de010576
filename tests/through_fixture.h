/*
 * through_fixture - a folder with a COMMAND for --through in it, and what stands on both of its
 * sides: the test program itself, for it is what /proc/self/exe runs
 */
#ifndef TAZ_TESTS_THROUGH_FIXTURE_H
#define TAZ_TESTS_THROUGH_FIXTURE_H

#include <stdbool.h>

#include <sys/types.h>

extern char through_dir[64];	 /* of one test */
extern char through_sock[128];	 /* the agent's, in it */
extern char through_script[128]; /* COMMAND; command_is() writes it */

/* through_begin - make the folder; 0 or -1. through_end - remove it. For cmocka's setup. */
int through_begin(void);
int through_end(void);

/*
 * through_role - first in main(): are we the process between, or the one inside?
 * Then it does not return. Else others find this program in $TAZ_TEST_SELF.
 */
void through_role(int argc, char *argv[]);

/* What an agent says first, as sh says it. */
#define GREETING "printf '\\001\\000\\000\\000\\004\\000\\000\\000taz1'\n"

/* command_is - COMMAND is this; "agent" in it leads to the socket. Its words are checked, too. */
void command_is(const char *body);

/* command_pid - of the one that was started last, when it runs */
pid_t command_pid(void);

/* listen_to_stderr - what this program and those between say is kept until heard() */
void listen_to_stderr(void);
const char *heard(void);

/* others - processes of this test's folder that run, but for us and a double of the agent */
int others(void);
void assert_nobody_left(int ms);

void msleep(int ms);

#endif
