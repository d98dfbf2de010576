#include "enclave/dm.h"

#include <errno.h>
#include <fcntl.h>
#include <libdevmapper.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/log.h"

#define OWN "device-mapper: "

__attribute__((format(printf, 5, 6))) static void on_log(int level, const char *file, int line,
							 int dm_errno, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	/* Its own levels: 3 and less are errors (_LOG_ERR); the rest is chatter. */
	if ((level & 7) > 3)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* Some of its lines begin with its own name, and others do not. */
	log_warn("device-mapper: %s",
		 text + (strncasecmp(text, OWN, strlen(OWN)) ? 0 : strlen(OWN)));
}

/* The host's udev must neither probe, link nor mount it. The flags travel in the ioctl itself. */
#define UDEV_KEEP_OFF                                                             \
	(DM_UDEV_DISABLE_SUBSYSTEM_RULES_FLAG | DM_UDEV_DISABLE_DISK_RULES_FLAG | \
	 DM_UDEV_DISABLE_OTHER_RULES_FLAG | DM_UDEV_DISABLE_LIBRARY_FALLBACK)

static struct dm_task *task_new(int type, const char *name)
{
	struct dm_task *task;

	dm_log_with_errno_init(on_log);
	/* With synchronisation on, libdevmapper would wait for ever for a udev that is not there.
	 */
	dm_udev_set_sync_support(0);
	task = dm_task_create(type);
	if (task && name && !dm_task_set_name(task, name)) {
		dm_task_destroy(task);
		task = NULL;
	}
	return task;
}

/* Runs and destroys the task; libdevmapper says 1 for success. */
static int task_run(struct dm_task *task, bool changes_node, struct dm_info *ret_info)
{
	uint32_t cookie = 0;
	int r = 0;

	if (changes_node && !dm_task_set_cookie(task, &cookie, UDEV_KEEP_OFF))
		r = -EIO;
	if (r == 0 && !dm_task_run(task)) {
		r = -dm_task_get_errno(task);
		if (r == 0)
			r = -EIO;
	}
	if (r == 0 && ret_info && !dm_task_get_info(task, ret_info))
		r = -EIO;
	dm_task_destroy(task);
	return r;
}

static int simple(int type, const char *name, bool changes_node, struct dm_info *ret_info)
{
	struct dm_task *task = task_new(type, name);

	return task ? task_run(task, changes_node, ret_info) : -ENOMEM;
}

static int defer_remove(const char *name)
{
	struct dm_task *task = task_new(DM_DEVICE_REMOVE, name);

	if (!task)
		return -ENOMEM;
	dm_task_deferred_remove(task);
	return task_run(task, true, NULL);
}

int dm_open(int nodes, dev_t dev)
{
	int fd;

	if (mknodat(nodes, "dm", S_IFBLK | 0600, dev) < 0)
		return -errno;
	fd = openat(nodes, "dm", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	unlinkat(nodes, "dm", 0);
	return fd;
}

static int load(const char *name, uint64_t sectors, const char *target, const char *params)
{
	struct dm_task *task = task_new(DM_DEVICE_RELOAD, name);

	if (!task)
		return -ENOMEM;
	if (!dm_task_add_target(task, 0, sectors, target, params)) {
		dm_task_destroy(task);
		return -ENOMEM;
	}
	return task_run(task, false, NULL);
}

int dm_load(const char *name, uint64_t sectors, const char *target, const char *params)
{
	int r = load(name, sectors, target, params);

	return r < 0 ? r : simple(DM_DEVICE_RESUME, name, true, NULL);
}

static void add_targets(struct dm_task *task, struct dm_look *ret)
{
	uint64_t start, length;
	char *type = NULL, *params;
	void *next = NULL;

	do {
		next = dm_get_next_target(task, next, &start, &length, &type, &params);
		if (!type)
			continue;
		ret->sectors = start + length;
		if (strcmp(ret->target, "crypt"))
			snprintf(ret->target, sizeof(ret->target), "%s", type);
	} while (next);
}

/*
 * The status of each target, not its table: that of crypt would bring the key along. And to the
 * status of a name that is gone libdevmapper says nothing, as here: it warns of a table's.
 * Source: do_dm_ioctl() in libdm/ioctl/libdm-iface.c.
 */
int dm_look(const char *name, struct dm_look *ret)
{
	struct dm_task *task = task_new(DM_DEVICE_STATUS, name);
	struct dm_info info = { 0 };
	int r = 0;

	if (!task)
		return -ENOMEM;
	/* To look must not wait for a thin pool or the like to write something back. */
	dm_task_no_flush(task);
	*ret = (struct dm_look){ 0 };
	if (!dm_task_run(task) || !dm_task_get_info(task, &info)) {
		r = -dm_task_get_errno(task);
		r = r ? r : -EIO;
	} else if (!info.exists) {
		r = -ENXIO;
	} else {
		ret->dev = makedev(info.major, info.minor);
		ret->open_count = info.open_count;
		ret->suspended = info.suspended;
		ret->inactive = info.inactive_table;
		add_targets(task, ret);
	}
	dm_task_destroy(task);
	return r;
}

/* The swap happens in the resume: a device that is not suspended is suspended by it, and these two
 * flags are those of that suspend. Source: do_resume() in drivers/md/dm-ioctl.c. */
static int swap_unflushed(const char *name)
{
	struct dm_task *task = task_new(DM_DEVICE_RESUME, name);

	if (!task)
		return -ENOMEM;
	if (!dm_task_no_flush(task) || !dm_task_skip_lockfs(task)) {
		dm_task_destroy(task);
		return -EIO;
	}
	return task_run(task, true, NULL);
}

int dm_replace(const char *name, const char *target)
{
	struct dm_look now;
	int r = dm_look(name, &now);

	if (r == 0)
		r = now.sectors ? load(name, now.sectors, target, "") : -ENODATA;
	return r < 0 ? r : swap_unflushed(name);
}

int dm_replace_still(const char *name, const char *target)
{
	struct dm_look now;
	int r = dm_look(name, &now);

	if (r < 0)
		return r;
	return now.sectors ? dm_load(name, now.sectors, target, "") : -ENODATA;
}

int dm_resume(const char *name)
{
	return simple(DM_DEVICE_RESUME, name, true, NULL);
}

int dm_each(void (*each)(const char *name, void *arg), void *arg)
{
	struct dm_task *task = task_new(DM_DEVICE_LIST, NULL);
	struct dm_names *names;
	int r = 0;

	if (!task)
		return -ENOMEM;
	if (!dm_task_run(task)) {
		r = -dm_task_get_errno(task);
		r = r ? r : -EIO;
	}
	names = r == 0 ? dm_task_get_names(task) : NULL;
	while (names && names->dev) {
		each(names->name, arg);
		names = names->next ? (struct dm_names *)((char *)names + names->next) : NULL;
	}
	dm_task_destroy(task);
	return r;
}

static int open_and_doom(const char *name, uint64_t sectors, int nodes, dev_t *ret_dev)
{
	autoclose int fd = -EBADF;
	struct dm_info info = { 0 };
	/* Since Linux 5.15 a device without a table has no disk that could be opened. */
	int r = dm_load(name, sectors, "error", "");

	if (r == 0)
		r = simple(DM_DEVICE_INFO, name, false, &info);
	if (r < 0)
		return r;
	*ret_dev = makedev(info.major, info.minor);
	fd = dm_open(nodes, *ret_dev);
	r = fd < 0 ? fd : defer_remove(name);
	return r < 0 ? r : take_fd(&fd);
}

int dm_create_doomed(const char *name, uint64_t sectors, int nodes, dev_t *ret_dev)
{
	int r = simple(DM_DEVICE_CREATE, name, true, NULL), fd;

	if (r < 0)
		return r;
	fd = open_and_doom(name, sectors, nodes, ret_dev);
	if (fd < 0)
		simple(DM_DEVICE_REMOVE, name, true, NULL);
	return fd;
}

void dm_forget_control(void)
{
	dm_lib_release();
}

int dm_exists(const char *name)
{
	struct dm_info info = { 0 };
	int r = simple(DM_DEVICE_INFO, name, false, &info);

	return r < 0 ? r : info.exists;
}

int dm_remove(const char *name)
{
	struct dm_info info = { 0 };
	int r = simple(DM_DEVICE_INFO, name, false, &info);

	if (r < 0 || !info.exists)
		return r;
	return info.open_count ? -EBUSY : simple(DM_DEVICE_REMOVE, name, true, NULL);
}
