/* The session and its workers. */
#include "tazfs/fs_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "enclave/base/secret.h"

#define ZEROS_BYTES (256UL * 1024)

struct fs {
	struct fuse_session *se;
	struct view *view;
	int ended;
	_Atomic unsigned workers;
};

struct parked {
	struct fs_later later;
	struct ask_given given; /* ASK_OPEN: it was not asked about */
	size_t size;
	char mem[];
};

static const char zeros[ZEROS_BYTES];

__attribute__((format(printf, 2, 0))) static void log_fuse(enum fuse_log_level level,
							   const char *fmt, va_list ap)
{
	char text[256];

	if (level > FUSE_LOG_WARNING)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	text[strcspn(text, "\n")] = '\0';
	log_warn("%s", text);
}

int fs_new(struct view *v, const char *options)
{
	char *argv[] = { "tazfs", "-o", (char *)options, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(options ? 3 : 1, argv);
	struct fs *fs = calloc(1, sizeof(*fs));

	if (!fs)
		return -ENOMEM;
	fuse_set_log_func(log_fuse);
	fs->view = v;
	fs->ended = -EBADF;
	fs->se = fuse_session_new(&args, &fs_ops, sizeof(fs_ops), v);
	fuse_opt_free_args(&args);
	if (!fs->se) {
		free(fs);
		return -EINVAL;
	}
	v->fs = fs;
	return 0;
}

int fs_mount(struct fs *fs, const char *mountpoint)
{
	return fuse_session_mount(fs->se, mountpoint) ? -EIO : 0;
}

void fs_unmount(struct fs *fs)
{
	fuse_session_unmount(fs->se);
}

/* Does the request change the store? Asked before libfuse sees it, so that it can be parked. */
static bool is_change(const void *mem, size_t size)
{
	const struct fuse_in_header *in = mem;
	const struct fuse_open_in *open_in = (const void *)(in + 1);

	if (size < sizeof(*in))
		return false;
	switch (in->opcode) {
	case FUSE_SETATTR:
	case FUSE_SYMLINK:
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_UNLINK:
	case FUSE_RMDIR:
	case FUSE_RENAME:
	case FUSE_RENAME2:
	case FUSE_LINK:
	case FUSE_CREATE:
	case FUSE_WRITE:
	case FUSE_SETXATTR:
	case FUSE_REMOVEXATTR:
	case FUSE_FALLOCATE:
	/* The last trace of a file that has no name any more: its blocks are freed. */
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
		return true;
	case FUSE_OPEN:
		return size >= sizeof(*in) + sizeof(*open_in) && open_in->flags & O_TRUNC;
	default:
		return false;
	}
}

/* The request is answered, or a copy of it waits, before this returns, and nobody reads it again:
 * contents, names. */
static void obey(struct fs *fs, const struct fuse_buf *buf, const struct ask_given *given)
{
	ask_begin(buf->mem, buf->size, given && given->end ? given : NULL);
	fuse_session_process_buf(fs->se, buf);
	ask_end_turn(fs->view, fs_run_asked);
	secret_wipe(buf->mem, buf->size);
	secret_clear_registers();
}

static void run_parked(struct view *v, struct fs_later *later)
{
	struct parked *p = (struct parked *)((char *)later - offsetof(struct parked, later));
	struct fuse_buf buf = { .mem = p->mem, .size = p->size };

	obey(v->fs, &buf, &p->given);
	secret_wipe(&p->given, sizeof(p->given));
	free(p);
}

/* Keeps a copy of a change that found the gate closed. False: the gate is open by now. */
static bool park(struct fs *fs, const struct fuse_buf *buf, const struct ask_given *given)
{
	struct parked *p = malloc(sizeof(*p) + buf->size);
	bool parked;

	/* Without memory: wait here. It costs a worker, and no answer is lost. */
	if (!p) {
		usleep(10000);
		return false;
	}
	p->later.run = run_parked;
	p->size = buf->size;
	p->given = given ? *given : (struct ask_given){ .end = ASK_OPEN };
	memcpy(p->mem, buf->mem, buf->size);
	parked = gate_park(&fs->view->gate, &p->later.item);
	if (!parked)
		free(p);
	else
		secret_wipe(buf->mem, buf->size);
	return parked;
}

static void process(struct fs *fs, const struct fuse_buf *buf, const struct ask_given *given)
{
	if (!is_change(buf->mem, buf->size)) {
		obey(fs, buf, given);
		return;
	}
	while (!gate_enter(&fs->view->gate))
		if (park(fs, buf, given))
			return;
	obey(fs, buf, given);
	gate_leave(&fs->view->gate);
}

void fs_run_asked(struct view *v, struct ask_parked *p, const struct ask_given *given)
{
	struct fuse_buf buf = { .mem = p->mem, .size = p->size };

	process(v->fs, &buf, given);
	secret_wipe(p, sizeof(*p));
	free(p);
}

/* The process does not want it back any more. libfuse knows nothing of what waits for a person; of
 * what is on its way there it makes the kernel ask again (EAGAIN). Source: check_interrupt() in
 * lib/fuse_lowlevel.c, fuse_dev_do_write() in fs/fuse/dev.c. */
static bool interrupts_question(struct fs *fs, const struct fuse_buf *buf)
{
	const struct fuse_in_header *in = buf->mem;
	const struct fuse_interrupt_in *arg = (const void *)(in + 1);

	return buf->size >= sizeof(*in) + sizeof(*arg) && in->opcode == FUSE_INTERRUPT &&
	       asks_interrupt(fs->view, arg->unique, fs_run_asked);
}

void fs_pass_gate(struct view *v, struct fs_later *later)
{
	while (!gate_enter(&v->gate))
		if (gate_park(&v->gate, &later->item))
			return;
	later->run(v, later);
	gate_leave(&v->gate);
}

void fs_resume(struct fs *fs)
{
	struct gate_item *item;

	gate_open(&fs->view->gate);
	while ((item = gate_unpark(&fs->view->gate)))
		fs_pass_gate(fs->view,
			     (struct fs_later *)((char *)item - offsetof(struct fs_later, item)));
}

static void *worker(void *arg)
{
	struct fs *fs = arg;
	struct fuse_buf buf = { 0 };
	uint64_t one = 1;

	while (!fuse_session_exited(fs->se)) {
		int n = fuse_session_receive_buf(fs->se, &buf);

		if (n > 0 && interrupts_question(fs, &buf))
			continue;
		if (n > 0)
			process(fs, &buf, NULL);
		else if (n != -EINTR && n != -EAGAIN)
			break;
	}
	free(buf.mem);
	if (atomic_fetch_sub(&fs->workers, 1) == 1 && write(fs->ended, &one, sizeof(one)) < 0)
		_exit(1);
	return NULL;
}

/*
 * The kernel's first request sets the size of all later ones, so it is answered before the workers
 * allocate their buffers: they are locked in memory.
 */
static int shake_hands(struct fs *fs)
{
	struct fuse_buf buf = { 0 };
	int n;

	do
		n = fuse_session_receive_buf(fs->se, &buf);
	while (n == -EINTR);
	if (n > 0)
		fuse_session_process_buf(fs->se, &buf);
	free(buf.mem);
	return n > 0 ? 0 : n < 0 ? n : -ENOTCONN;
}

int fs_start(struct fs *fs, unsigned workers, int *ret_ended)
{
	int done = shake_hands(fs);

	if (done < 0)
		return done;
	fs->ended = eventfd(0, EFD_CLOEXEC);
	if (fs->ended < 0)
		return -errno;
	done = fs_drop_start(fs->view);
	if (done < 0)
		return done;
	atomic_store(&fs->workers, workers);
	for (unsigned i = 0; i < workers; i++) {
		pthread_t thread;
		int r = pthread_create(&thread, NULL, worker, fs);

		if (r)
			return -r;
		pthread_detach(thread);
	}
	*ret_ended = fs->ended;
	return 0;
}

int fs_store_zeros(struct fs *fs, uint64_t ino, uint64_t from, uint64_t to)
{
	int r = 0;

	for (uint64_t at = from; at < to && r == 0; at += ZEROS_BYTES) {
		size_t n = to - at < ZEROS_BYTES ? to - at : ZEROS_BYTES;
		struct fuse_bufvec vec = FUSE_BUFVEC_INIT(n);

		vec.buf[0].mem = (void *)zeros;
		r = fuse_lowlevel_notify_store(fs->se, ino, (off_t)at, &vec, 0);
	}
	return r == -ENOENT ? 0 : r;
}

int fs_wipe(struct fs *fs, uint64_t ino, uint64_t bytes)
{
	int r = fs_store_zeros(fs, ino, 0, bytes);

	if (r == 0)
		r = fuse_lowlevel_notify_inval_inode(fs->se, ino, 0, 0);
	return r == -ENOENT ? 0 : r;
}
