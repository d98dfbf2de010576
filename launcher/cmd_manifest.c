#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "launcher/cmd.h"
#include "launcher/launch.h"
#include "launcher/layers.h"
#include "launcher/manifest.h"
#include "launcher/project.h"

enum {
	WANTS = OPT_COMMON | OPT_IMAGE | OPT_VAULT_SIZE | OPT_IDLE | OPT_KEEP | OPT_DURABILITY |
		OPT_VIEW_MEMORY | OPT_MEMORY | OPT_CPUS | OPT_LAYER | OPT_WITHOUT,
};

/* The tag that a build would give now; what the engine has of it is only asked to say so. */
static int local_image(struct launch *l, char image[MANIFEST_IMAGE_MAX])
{
	const struct layers_choice choice = { .layer = l->o.layer, .without = l->o.without };
	char tag[LAYER_TAG_MAX], why[500];
	int r;

	if (geteuid() != 0) {
		log_error(
			"needs root to ask the engine of this host for its images: sudo tazlaunch "
			"manifest ...; with --image HOST/PATH@sha256:DIGEST it does not");
		return -EPERM;
	}
	l->build_only = true;
	r = launch_engine(l);
	if (r == 0)
		r = layers_wanted(l->engine, &choice, tag);
	if (r < 0)
		return r;
	if (manifest_image(tag, image, why, sizeof(why)) < 0) {
		log_error("%s", why);
		return -EINVAL;
	}
	if (l->engine->has_image(l->engine->client, tag) == 0)
		log_info("%s is not built yet: 'tazlaunch build' does", tag);
	return 0;
}

/* What was seen by --through of the vault that lies elsewhere, and not of one of that name here. */
static int load_seen(struct launch *l)
{
	int r = workshop_through_dir(l->o.name, l->state_dir, sizeof(l->state_dir));

	/* Who has no folder has seen nothing. */
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = seen_load(l->state_dir, &l->seen);
	if (r == -EACCES)
		log_error("%s belongs to another user, and says what was seen of the vault: sudo "
			  "tazlaunch manifest ...",
			  l->state_dir);
	else if (r < 0)
		log_err(r, "read what was seen of the vault in %s", l->state_dir);
	return r;
}

/* Whole, or the end says that it is not: half a manifest could be played. */
static int print(const struct launch *l, const char *image)
{
	struct workshop w = launch_describe(l);
	autofree char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	int r;

	if (!f)
		return log_err(-ENOMEM, "make the manifest");
	w.image = image;
	w.instance = NULL;
	r = manifest_print(f, &w);
	if (fclose(f) && r == 0)
		r = -ENOMEM;
	if (r < 0)
		return log_err(r, "make the manifest");
	r = io_write_full(STDOUT_FILENO, text, size);
	return r < 0 ? log_err(r, "write the manifest; what was written is not all of it") : 0;
}

/* What is wrong with the line, beside single options. */
static int check(const struct opts *o, char image[MANIFEST_IMAGE_MAX])
{
	char why[500];
	int r = manifest_name(o->name, why, sizeof(why));

	if (r == 0 && o->image)
		r = manifest_image(o->image, image, why, sizeof(why));
	if (r < 0)
		log_error("%s", why);
	if (r >= 0 && o->least) {
		log_error(
			"--least has no meaning on a cluster: it gives device nodes to privileged "
			"containers only");
		r = -EINVAL;
	}
	return r < 0 ? r : 0;
}

static int run(int argc, char *argv[])
{
	static struct launch l;
	char image[MANIFEST_IMAGE_MAX] = "";
	int r;

	l.o = *launch_globals();
	if (launch_line(&l.o, &cmd_manifest, WANTS | OPT_LEAST, 0, argc, argv) < 0)
		return CMD_USAGE;
	if (check(&l.o, image) < 0)
		return cmd_usage(&cmd_manifest);
	r = project_load(&l.o, WANTS);
	if (r == 0)
		r = load_seen(&l);
	if (r == 0 && !l.o.image)
		r = local_image(&l, image);
	if (r == 0)
		r = print(&l, image);
	return r < 0 ? CMD_FAILED : CMD_DONE;
}

const struct cmd cmd_manifest = {
	.name = "manifest",
	.args = "[OPTION...]",
	.help = "print a Kubernetes Pod that runs the workshop elsewhere",
	.details =
		"  --image REF          what the cluster pulls: HOST/PATH@sha256:DIGEST (default: the tag\n"
		"                       that a build here would give, for podman kube play)\n"
		"  --vault-size SIZE    room in the vault (256M); counts when the vault is made\n"
		"  --idle TIME          lock after that long without use (15m)\n"
		"  --durability HOW     fsync (default), settle or lock\n"
		"  --keep N             how many earlier states of the vault are kept (3)\n"
		"  --view-memory MODE   cached (default) or strict\n"
		"  --memory SIZE        the container's limit (default: none)\n"
		"  --cpus N             the same for processors (default: none)\n" OPTS_HELP_LAYER
			OPTS_HELP_COMMON "\n"
		"Nothing is started, and nothing is changed. Root is only needed without --image. The\n"
		"container is privileged: a cluster gives device nodes to no other, so --least is refused.\n"
		"\n"
		"Example:  tazlaunch manifest --name work --image \\\n"
		"            registry.example/taz@sha256:DIGEST | kubectl apply -f -\n"
		"\n"
		"Exit codes: 0 printed; 1 not; 2 usage.\n",
	.run = run,
};
