#include "enclave/saver.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/cmd.h"
#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "enclave/base/msg.h"
#include "enclave/history.h"
#include "enclave/keybox.h"
#include "enclave/sealer.h"

struct saver {
	int sock;
	uint32_t id; /* of the request that is being done */
	int fds[3];  /* vault directory, keybox, image */
	struct keybox *box;
	struct sealer *sealer;
	struct saver_start job;
};

static void say(const struct saver *s, struct saver_said said)
{
	said.id = s->id;
	/* Nobody listens any more: the next receive says so. */
	msg_send(s->sock, &said, sizeof(said), NULL, 0);
}

static void on_progress(void *arg)
{
	say(arg, (struct saver_said){ .op = SAVER_BUSY });
}

/* Only what we continue: the sealer refuses to replace anything else. */
static int keep_found(const struct saver *s)
{
	autoclose int file = openat(s->fds[0], s->job.name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct seal_footer found;

	if (file < 0 || seal_read_footer(file, &found) < 0 ||
	    memcmp(found.mac, s->job.origin[0].mac, sizeof(found.mac)))
		return 0;
	return history_keep(s->fds[0], s->job.name, file, HISTORY_KEPT, found.generation, NULL);
}

/* Once an unlocked period, before the first save of it takes the name. What is new is worth more
 * than what is old: a save does not fail for it. */
static void keep(struct saver *s)
{
	int r = s->job.kept || !s->job.keep ? 0 : keep_found(s);

	if (r < 0)
		log_err(r, "keep the vault as it was found at the unlock");
}

static void prune(struct saver *s)
{
	int r = s->job.kept ? 0 : history_prune(s->fds[0], s->job.name, s->job.keep);

	if (r < 0)
		log_err(r, "remove the oldest kept state");
	s->job.kept = 1;
}

static void on_sealed(void *arg, const struct seal_origin *next)
{
	keep(arg);
	say(arg, (struct saver_said){ .op = SAVER_SEALED, .origin = *next });
}

static int start(struct saver *s)
{
	const struct sealer_told told = { .progress = on_progress, .sealed = on_sealed, .arg = s };
	const struct saver_start *job = &s->job;
	ssize_t n = msg_recv(s->sock, &s->job, sizeof(s->job), s->fds, 3);

	if (n != sizeof(*job) || job->op != SAVER_START ||
	    memchr(job->name, '\0', sizeof(job->name)) == NULL)
		return -EBADMSG;
	s->box = keybox_map(s->fds[1]);
	if (!s->box)
		return -errno;
	return sealer_new(s->fds[0], job->name, s->fds[2], s->box->key, job->origin, &told,
			  &s->sealer);
}

static void prepare(struct saver *s)
{
	say(s, (struct saver_said){ .op = SAVER_PREPARED, .err = sealer_prepare(s->sealer) });
}

static void copy(struct saver *s)
{
	say(s, (struct saver_said){ .op = SAVER_COPIED, .err = sealer_copy(s->sealer) });
}

static void commit(struct saver *s)
{
	struct saver_said said = { .op = SAVER_DONE };
	struct sealer_cost cost = { 0 };

	said.err = sealer_commit(s->sealer, &said.origin, &cost);
	if (said.err == 0 && !cost.unchanged)
		prune(s);
	said.whole = cost.whole;
	said.unchanged = cost.unchanged;
	said.written_bytes = cost.written_bytes;
	say(s, said);
}

static const struct {
	uint32_t op;
	void (*run)(struct saver *s);
} requests[] = {
	{ SAVER_PREPARE, prepare },
	{ SAVER_COPY, copy },
	{ SAVER_COMMIT, commit },
};

static int serve_one(struct saver *s)
{
	struct saver_do req;
	ssize_t n = msg_recv(s->sock, &req, sizeof(req), NULL, 0);

	if (n <= 0)
		return n < 0 ? (int)n : -EPIPE; /* the keeper has let go */
	if (n != sizeof(req))
		return -EBADMSG;
	/* Without the key a file would be sealed that nobody can open. */
	if (!s->box->filled)
		return -ENOKEY;
	s->id = req.id;
	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++)
		if (requests[i].op == req.op) {
			requests[i].run(s);
			return 0;
		}
	return -EBADMSG;
}

int saver_main(int sock)
{
	struct saver s = { .sock = sock, .fds = { -EBADF, -EBADF, -EBADF } };
	int r = start(&s);

	while (r == 0)
		r = serve_one(&s);
	sealer_free(s.sealer);
	keybox_unmap(s.box);
	if (r == -EPIPE || r == -ECONNRESET)
		return CMD_DONE;
	log_err(r, "save");
	return CMD_FAILED;
}
