#include "tazfs/pin.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/hash.h"
#include "tazfs/slow.h"

#define SETTLED_NS (2 * INT64_C(1000000000))

void pins_init(struct pins *p)
{
	pthread_mutex_init(&p->lock, NULL);
}

void pins_done(struct pins *p)
{
	pthread_mutex_destroy(&p->lock);
}

static int64_t ns_of(const struct timespec *t)
{
	return (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

static int describe(int fd, struct pin *ret)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	if (st.st_size > PIN_BYTES_MAX)
		return -EFBIG;
	*ret = (struct pin){ .id = { st.st_dev, st.st_ino },
			     .size = st.st_size,
			     .changed_ns = ns_of(&st.st_ctim),
			     .modified_ns = ns_of(&st.st_mtim) };
	return 0;
}

static bool is_same(const struct pin *a, const struct pin *b)
{
	return a->id.ino == b->id.ino && a->id.dev == b->id.dev && a->size == b->size &&
	       a->changed_ns == b->changed_ns && a->modified_ns == b->modified_ns;
}

static bool is_settled(const struct pin *pin)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return ns_of(&now) - pin->changed_ns > SETTLED_NS;
}

static bool recall(struct pins *p, struct pin *pin)
{
	bool found = false;

	pthread_mutex_lock(&p->lock);
	for (int i = 0; i < PINS_MAX && !found; i++) {
		struct pin *k = &p->pins[i];

		if (!k->id.ino || !is_same(k, pin))
			continue;
		k->used = ++p->clock;
		memcpy(pin->hash, k->hash, sizeof(pin->hash));
		found = true;
	}
	pthread_mutex_unlock(&p->lock);
	return found;
}

static void remember(struct pins *p, const struct pin *pin)
{
	struct pin *place = &p->pins[0];

	pthread_mutex_lock(&p->lock);
	for (int i = 1; i < PINS_MAX; i++)
		if (p->pins[i].used < place->used)
			place = &p->pins[i];
	*place = *pin;
	place->used = ++p->clock;
	pthread_mutex_unlock(&p->lock);
}

static int read_all(struct pins *p, int fd, int64_t size, unsigned char hash[FACTS_HASH_BYTES])
{
	struct hash_sha256 h;
	int64_t at = 0;

	hash_sha256_init(&h);
	while (at < size) {
		ssize_t n = pread(fd, p->buf, sizeof(p->buf), at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EBUSY;
		hash_sha256_add(&h, p->buf, n);
		at += n;
	}
	hash_sha256_end(&h, hash);
	return at == size ? 0 : -EBUSY;
}

static int hash(struct pins *p, int fd, struct pin *pin)
{
	struct pin after = { 0 };
	int r = read_all(p, fd, pin->size, pin->hash);

	if (r == 0)
		r = describe(fd, &after);
	return r == 0 && !is_same(&after, pin) ? -EBUSY : r;
}

struct hashing {
	struct pins *pins;
	struct pin pin;
	bool settled;
	int r;
};

static void hash_exe(void *arg, int procfd)
{
	autoclose int fd = openat(procfd, "exe", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct hashing *h = arg;

	h->r = fd < 0 ? -errno : describe(fd, &h->pin);
	if (h->r < 0)
		return;
	h->settled = is_settled(&h->pin);
	if (h->settled && recall(h->pins, &h->pin))
		return;
	h->r = hash(h->pins, fd, &h->pin);
	if (h->r == 0 && h->settled)
		remember(h->pins, &h->pin);
}

int pin_hash(struct pins *p, int procfd, unsigned char hash[FACTS_HASH_BYTES], bool *ret_settled)
{
	struct hashing h = { .pins = p, .settled = true };

	if (!slow_run(SLOW_HASH, hash_exe, &h, procfd))
		return -EAGAIN;
	*ret_settled = h.settled;
	memcpy(hash, h.pin.hash, sizeof(h.pin.hash));
	return h.r;
}
