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

static int docker_usable(char *why, size_t size)
{
	static const char *const args[] = { "version", "--format", "{{.Server.Version}}", NULL };
	char out[256], err[256] = "";
	int r = client_call(&docker, args, out, sizeof(out), err, sizeof(err));

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

static int docker_has_image(const char *tag)
{
	return container_has_image(&docker, tag);
}

static int docker_build(const char *tag, const char *dockerfile, const char *context,
			const char *const args[])
{
	return container_build(&docker, tag, dockerfile, context, args);
}

static int docker_import(const char *tar, const char *tag)
{
	return container_import(&docker, tar, tag);
}

static int docker_list_images(char *buf, size_t size)
{
	return container_list_images(&docker, buf, size);
}

static int docker_remove_image(const char *tag)
{
	return container_remove_image(&docker, tag);
}

static int docker_label(const char *tag, char *buf, size_t size)
{
	return container_label(&docker, tag, buf, size);
}

static int docker_push(const char *tag, const struct reference *ref,
		       char digest[REFERENCE_DIGEST_MAX])
{
	return container_push(&docker, tag, ref, digest);
}

static int docker_pull(const struct reference *ref, const char *tag, char *label, size_t size)
{
	return container_pull(&docker, ref, tag, label, size);
}

static int docker_running(const struct workshop *w)
{
	return container_running(&docker, w);
}

static int docker_up(const struct workshop *w)
{
	return container_up(&docker, w);
}

static int docker_down(const struct workshop *w)
{
	return container_down(&docker, w);
}

const struct engine engine_docker = {
	.name = "docker",
	.usable = docker_usable,
	.has_image = docker_has_image,
	.build = docker_build,
	.import = docker_import,
	.list_images = docker_list_images,
	.remove_image = docker_remove_image,
	.label = docker_label,
	.push = docker_push,
	.pull = docker_pull,
	.running = docker_running,
	.up = docker_up,
	.down = docker_down,
	.dial = container_dial,
};
