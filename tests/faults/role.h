/* role - which of our processes is it? Told by its program and arguments, as ps(1) would show. */
#ifndef TAZ_TESTS_FAULTS_ROLE_H
#define TAZ_TESTS_FAULTS_ROLE_H

#include <sys/types.h>

enum role {
	ROLE_NONE,
	ROLE_KEEPER, /* enclave serve */
	ROLE_VIEW,   /* tazfs view */
	ROLE_WORKER, /* enclave worker, but for the saver */
	ROLE_SAVER,  /* enclave worker save */
	ROLE_CLIENT, /* enclave session: the leader */
	ROLES,
};

#define ROLE_BIT(role) (1u << (role))
#define ROLE_SETS      (1u << ROLES)

/* role_of - of a living process; ROLE_NONE when it is none of ours, or gone */
enum role role_of(pid_t pid);

const char *role_name(enum role role);

/* role_set_name - "keeper+view", in a static buffer */
const char *role_set_name(unsigned set);

#endif
