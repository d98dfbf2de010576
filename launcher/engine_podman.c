/* podman: no daemon; each call of its client does the work, as root, on the engine's own store. */
#include <errno.h>
#include <stdio.h>

#include "launcher/container.h"

static const char *const paths[] = { "/usr/bin/podman", "/usr/local/bin/podman", "/bin/podman",
				     NULL };
/* Not CONTAINER_HOST and CONTAINER_CONNECTION: the vault's folder is of this host. The last three
 * say where "podman login" has written (containers-auth.json(5)). */
static const char *const env[] = { "HOME",	 "TERM",	"CONTAINERS_CONF",
				   "http_proxy", "https_proxy", "no_proxy",
				   NULL };

/* Our names are short ones: a registry that has one of the same name is never asked. */
static const char *const build[] = { "--pull=never", NULL };
/*
 * podman gives a container the host's proxies (docker does not), which may hold a password, and
 * logs to the host's journal. Source: podman-run(1) --http-proxy, --log-driver.
 */
static const char *const run[] = { "--pull=never", "--http-proxy=false", "--log-driver=k8s-file",
				   NULL };

static const struct client podman = {
	.name = "podman",
	.paths = paths,
	.env = env,
	.network = "podman",
	.build = build,
	.run = run,
	.registry_options = true,
};

/* "info" opens store and runtime, so it fails where "run" would; "version" only prints. */
static int podman_usable(char *why, size_t size)
{
	static const char *const args[] = { "info", "--format", "{{.Host.OCIRuntime.Name}}", NULL };
	char out[256], err[256] = "";
	int r = client_call(&podman, args, out, sizeof(out), err, sizeof(err));

	if (r == -ENOENT) {
		snprintf(why, size, "it is not installed");
		return r;
	}
	if (r != 0) {
		snprintf(why, size, "its store or runtime can't be opened");
		return r < 0 ? r : -EIO;
	}
	return container_kernel(why, size);
}

static int podman_has_image(const char *tag)
{
	return container_has_image(&podman, tag);
}

static int podman_build(const char *tag, const char *dockerfile, const char *context,
			const char *const args[])
{
	return container_build(&podman, tag, dockerfile, context, args);
}

static int podman_import(const char *tar, const char *tag)
{
	return container_import(&podman, tar, tag);
}

static int podman_list_images(char *buf, size_t size)
{
	return container_list_images(&podman, buf, size);
}

static int podman_remove_image(const char *tag)
{
	return container_remove_image(&podman, tag);
}

static int podman_label(const char *tag, char *buf, size_t size)
{
	return container_label(&podman, tag, buf, size);
}

static int podman_push(const char *tag, const struct reference *ref,
		       char digest[REFERENCE_DIGEST_MAX])
{
	return container_push(&podman, tag, ref, digest);
}

static int podman_pull(const struct reference *ref, const char *tag, char *label, size_t size)
{
	return container_pull(&podman, ref, tag, label, size);
}

static int podman_running(const struct workshop *w)
{
	return container_running(&podman, w);
}

static int podman_up(const struct workshop *w)
{
	return container_up(&podman, w);
}

static int podman_down(const struct workshop *w)
{
	return container_down(&podman, w);
}

const struct engine engine_podman = {
	.name = "podman",
	.usable = podman_usable,
	.has_image = podman_has_image,
	.build = podman_build,
	.import = podman_import,
	.list_images = podman_list_images,
	.remove_image = podman_remove_image,
	.label = podman_label,
	.push = podman_push,
	.pull = podman_pull,
	.running = podman_running,
	.up = podman_up,
	.down = podman_down,
	.dial = container_dial,
};
