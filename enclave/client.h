/*
 * client - how our programs talk to the keeper
 *
 * Every call opens a connection of its own and closes it, except a session's (client_open), which
 * keeps it for the passphrase. A keeper that is not there is -ECONNREFUSED or -ENOENT; one that is
 * stopped (a signal, a tracer), or says nothing for 10 s to what it answers at once, -EHOSTDOWN.
 * Where the answer takes as long as the work does, it is asked every 10 s whether it lives.
 */
#ifndef TAZ_ENCLAVE_CLIENT_H
#define TAZ_ENCLAVE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "enclave/proto.h"

/*
 * client_no_keeper - one sentence for a person when @err says that no keeper answers, and what to
 * do. Returns false for any other error.
 */
bool client_no_keeper(int err, char *buf, size_t size);

/* client_say - say why the keeper did not do @what. Returns @err. */
int client_say(int err, enum proto_why why, const char *what);

/* client_status - Returns 0 or -errno. */
int client_status(struct res_status *ret);

/* client_mount - show the view at @dirfd (O_PATH, borrowed). Returns 0 or -errno; @ret_why tells
 * more. */
int client_mount(int dirfd, enum proto_why *ret_why);

/*
 * client_lock - lock, and wait until it is verified
 * @trying: called each time the keeper says that it is late and goes on; NULL: nobody wants to know
 * Returns 0 when it is locked and saved: all is gone, or view and key are gone and @ret->held says
 * who holds what is left; -errno otherwise, with @ret filled when the keeper answered.
 */
int client_lock(struct res_lock *ret, void (*trying)(const struct res_lock *so_far));

/*
 * client_leave - end the session whose leader we are
 * Returns 0 at once when others go on, and when it was the last one: after the lock, saved.
 * -errno otherwise, with @ret filled as by client_lock(); -ESRCH when we lead no session.
 */
int client_leave(struct res_lock *ret, void (*trying)(const struct res_lock *so_far));

/* client_check_name - "view", "mapping", "loop", "mount", "key" */
const char *client_check_name(enum proto_check check);

/* client_hold_text - how it is held, in words: "fd 9 and 2 more", "working directory", ... */
void client_hold_text(const struct proto_holder *h, char *buf, size_t size);

/* client_save - save now, and wait until it is durable. Returns 0 or -errno; @ret as for
 * client_lock. */
int client_save(struct res_done *ret);

/*
 * client_open - begin to open a session
 * @flags: enum req_open_flags
 * @ret_seal: to which key the passphrase is to be sealed, and whether the vault is new
 * @ret: filled when the keeper refused: why, and how long to wait
 *
 * Returns the connection, on which client_sealed() must follow, or -errno.
 */
int client_open(uint32_t flags, struct res_seal_to *ret_seal, struct res_done *ret);

/*
 * client_sealed - send the sealed passphrase and wait for the verdict
 * @sock: of client_open(), borrowed
 * @box, @len: the sealed box; @len 0 gives up
 * @asks: root's only: the socket to who shows the session's questions, borrowed; or -EBADF
 *
 * Returns 0: the session is open, its leader registered; or -errno, -EPERM for a wrong passphrase.
 */
int client_sealed(int sock, const uint8_t *box, uint32_t len, int asks, struct res_done *ret);

/*
 * client_policy - put the view's policy in force
 * @sock: on which client_sealed() has just opened a session; good for one policy
 * @fd: a memfd with the text, sealed against every change; borrowed
 * Returns 0 or -errno, @ret tells why.
 */
int client_policy(int sock, int fd, struct res_done *ret);

/* client_keys - every key of the vault, open or not. Returns 0 or -errno, @ret_done tells why. */
int client_keys(struct res_keys *ret, struct res_done *ret_done);

/*
 * client_key - begin a change of the keys; by a session's leader or member, while unlocked
 * @req: without its op
 * Returns the connection, on which client_key_sealed() must follow, or -errno; the rest as for
 * client_open().
 */
int client_key(struct req_key *req, struct res_seal_to *ret_seal, struct res_done *ret);

/*
 * client_key_sealed - send the sealed keys of a change and wait for the verdict
 * @req: without its op; current_len 0 gives up
 * Returns 0: RAM has it, client_save() makes it durable; @ret->slot says which. Or -errno.
 */
int client_key_sealed(int sock, struct req_key_sealed *req, struct res_done *ret);

/* client_history - the sealed file and those beside it. Returns 0 or -errno; @ret_why tells more.
 */
int client_history(struct res_history *ret, enum proto_why *ret_why);

/*
 * client_restore - begin to restore @what; then as client_open() and client_sealed()
 * client_restore_sealed: 0 when it is the current one, durably; @ret->generation is the new one.
 */
int client_restore(const char *what, struct res_seal_to *ret_seal, struct res_done *ret);
int client_restore_sealed(int sock, const uint8_t *box, uint32_t len, struct res_done *ret);

/* client_why - one sentence for a person: what is wrong and what to do; NULL for WHY_NONE */
const char *client_why(enum proto_why why);

#endif
