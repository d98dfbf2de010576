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
static int usable(const struct client *c, char *why, size_t size)
{
	static const char *const args[] = { "info", "--format", "{{.Host.OCIRuntime.Name}}", NULL };
	char out[256], err[256] = "";
	int r = client_call(c, args, out, sizeof(out), err, sizeof(err));

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

const struct engine engine_podman = {
	.name = "podman",
	.client = &podman,
	.usable = usable,
	CONTAINER_FUNCTIONS,
};
