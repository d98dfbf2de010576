/* docker: its client tells a daemon, which may be reached by a socket that the environment names.
 */
#include <errno.h>
#include <stdio.h>

#include "launcher/container.h"

static const char *const paths[] = { "/usr/bin/docker", "/usr/local/bin/docker", "/bin/docker",
				     "/snap/bin/docker", NULL };
static const char *const env[] = {
	"HOME", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_BUILDKIT",
	"TERM", "http_proxy",  "https_proxy",	 "no_proxy",	  NULL
};
static const char *const nothing[] = { NULL };

static const struct client docker = {
	.name = "docker",
	.paths = paths,
	.env = env,
	.network = "bridge",
	.build = nothing,
	.run = nothing,
};

static int usable(const struct client *c, char *why, size_t size)
{
	static const char *const args[] = { "version", "--format", "{{.Server.Version}}", NULL };
	char out[256], err[256] = "";
	int r = client_call(c, args, out, sizeof(out), err, sizeof(err));

	if (r == -ENOENT) {
		snprintf(why, size, "it is not installed");
		return r;
	}
	if (r != 0) {
		snprintf(why, size, "its daemon cannot be reached");
		return r < 0 ? r : -ECONNREFUSED;
	}
	return container_kernel(why, size);
}

const struct engine engine_docker = {
	.name = "docker",
	.client = &docker,
	.usable = usable,
	CONTAINER_FUNCTIONS,
};
