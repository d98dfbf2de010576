/* push and pull: the image that `up` runs here, to a registry and back, known by its digest. */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/json.h"
#include "enclave/base/log.h"
#include "launcher/cmd.h"
#include "launcher/launch.h"
#include "launcher/layers.h"

#define LABEL_MAX 512

enum { ALLOWED = OPT_ENGINE | OPT_LAYER | OPT_WITHOUT | OPT_JSON };

/* The options may stand on both sides of the reference. Returns 0, or the exit code to end with. */
static int begin(struct launch *l, const struct cmd *cmd, bool wants_digest, struct reference *ref,
		 int argc, char *argv[])
{
	char why[160];
	const char *word;
	int r = launch_begin(l, cmd, ALLOWED, true, argc, argv);

	if (r)
		return r;
	l->build_only = true;
	if (!l->n_args) {
		log_error("which one? %s", cmd->args);
		return cmd_usage(cmd);
	}
	word = l->args[0];
	if (launch_line(&l->o, cmd, ALLOWED, 0, l->n_args, l->args) < 0)
		return CMD_USAGE;
	if (reference_parse(word, wants_digest, ref, why, sizeof(why)) < 0) {
		log_error("'%s' cannot be used: %s", word, why);
		return cmd_usage(cmd);
	}
	return 0;
}

static void say(const struct launch *l, const char *tag, const char *name, const char *line)
{
	struct json_object *o;

	if (!l->o.json) {
		puts(line);
		return;
	}
	o = json_object_new_object();
	json_object_object_add(o, "image", json_object_new_string(tag));
	json_object_object_add(o, "reference", json_object_new_string(name));
	json_object_object_add(o, "engine", json_object_new_string(l->engine->name));
	json_print(o);
}

/* --- push ------------------------------------------------------------------------------------ */

/* Without its label nobody could pull it. */
static int check_label(const struct launch *l)
{
	char label[LABEL_MAX] = "", want[sizeof(l->rec.image) + 2];
	int r = l->engine->label(l->engine->client, l->rec.image, label, sizeof(label));

	if (r < 0)
		return log_err(r, "read the label of %s", l->rec.image);
	snprintf(want, sizeof(want), "\"%s\"", l->rec.image);
	if (!strcmp(label, want))
		return 0;
	log_error("%s has not its own tag as its label io.taz.tag, by which it would be known when "
		  "it is pulled: images/dotfiles/Dockerfile.dotfiles must end with 'ARG TAG' and "
		  "'LABEL io.taz.tag=${TAG}'",
		  l->rec.image);
	return -EBADMSG;
}

static int push(struct launch *l, const struct reference *ref, char name[REFERENCE_MAX])
{
	char digest[REFERENCE_DIGEST_MAX] = "";
	int r = launch_build(l);

	if (r == 0)
		r = check_label(l);
	if (r < 0)
		return r;
	if (log_is_fancy(STDERR_FILENO))
		log_info("sending %s to %s", l->rec.image, ref->name);
	r = l->engine->push(l->engine->client, l->rec.image, ref, digest);
	if (r < 0)
		return log_err(r, "push %s to %s", l->rec.image, ref->name);
	if (!reference_digest_ok(digest)) {
		log_error("engine %s has pushed to %s, and not said as which digest",
			  l->engine->name, ref->name);
		return -EBADMSG;
	}
	snprintf(name, REFERENCE_MAX, "%s@%s", ref->name, digest);
	return 0;
}

static int run_push(int argc, char *argv[])
{
	static struct launch l;
	struct reference ref;
	char name[REFERENCE_MAX];
	int r = begin(&l, &cmd_push, false, &ref, argc, argv);

	if (r)
		return r;
	if (push(&l, &ref, name) < 0)
		return CMD_FAILED;
	say(&l, l.rec.image, name, name);
	return CMD_DONE;
}

const struct cmd cmd_push = {
	.name = "push",
	.args = "[OPTION...] HOST[:PORT]/PATH",
	.help = "send the image to an OCI registry, and print the digest it has there",
	.details =
		"  --json               one object: image, reference, engine\n" OPTS_HELP_LAYER
		"  --engine ENGINE      docker, podman or vm\n"
		"\n"
		"The image is the one that 'up' would run here; what is missing of it is built. Its\n"
		"tag in the registry is the hash of its contents. Log in to the registry with the\n"
		"engine before: docker login, podman login, and buildah login for vm. Plain HTTP is\n"
		"spoken with a registry on localhost only.\n"
		"\n"
		"Example:  sudo tazlaunch push registry.example/team/workshop\n"
		"\n"
		"Exit codes: 0 it is there; 1 it is not; 2 usage.\n",
	.run = run_push,
};

/* --- pull ------------------------------------------------------------------------------------ */

static int explain(const char *name, const char *label, const char *want)
{
	if (!strcmp(label, "\"\""))
		log_error("%s has no label io.taz.tag: taz has not built it, or an older one has; "
			  "the images here are as before",
			  name);
	else
		log_error(
			"%s is the image %s, and here it would be \"%s\": it was built of other "
			"sources, or with another --layer or --without; the images here are as before",
			name, label, want);
	return -EBADMSG;
}

static int pull(struct launch *l, const struct reference *ref, const char *name,
		char want[LAYER_TAG_MAX])
{
	const struct layers_choice choice = { .layer = l->o.layer, .without = l->o.without };
	char label[LABEL_MAX] = "";
	int r = launch_engine(l);

	if (r == 0)
		r = layers_wanted(l->engine, &choice, want);
	if (r == 0)
		r = l->engine->has_image(l->engine->client, want);
	if (r < 0)
		return log_err(r, "find out which image is wanted here");
	if (r == 1) {
		log_info("%s is here already: nothing is pulled", want);
		return 0;
	}
	if (log_is_fancy(STDERR_FILENO))
		log_info("fetching %s", name);
	r = l->engine->pull(l->engine->client, ref, want, label, sizeof(label));
	if (r == -EBADMSG)
		return explain(name, label, want);
	return r < 0 ? log_err(r, "pull %s", name) : 0;
}

static int run_pull(int argc, char *argv[])
{
	static struct launch l;
	struct reference ref;
	char name[REFERENCE_MAX], tag[LAYER_TAG_MAX];
	int r = begin(&l, &cmd_pull, true, &ref, argc, argv);

	if (r)
		return r;
	snprintf(name, sizeof(name), "%s@%s", ref.name, ref.digest);
	if (pull(&l, &ref, name, tag) < 0)
		return CMD_FAILED;
	say(&l, tag, name, tag);
	return CMD_DONE;
}

const struct cmd cmd_pull = {
	.name = "pull",
	.args = "[OPTION...] HOST[:PORT]/PATH@sha256:DIGEST",
	.help = "fetch the image from an OCI registry instead of building it, and print its tag",
	.details =
		"  --json               one object: image, reference, engine\n" OPTS_HELP_LAYER
		"  --engine ENGINE      docker, podman or vm\n"
		"\n"
		"Takes what 'push' has printed. Only an image of the very sources that would be built\n"
		"here is kept, of the same layer and without the same programs: the next 'build' or\n"
		"'up' has nothing to build then. Whoever gave you the digest is believed for what is\n"
		"in the image: the registry can change no byte of it, but taz can't see what it is.\n"
		"\n"
		"Example:  sudo tazlaunch pull registry.example/team/workshop@sha256:DIGEST\n"
		"\n"
		"Exit codes: 0 it is there; 1 it is not, and nothing of it was kept; 2 usage.\n",
	.run = run_pull,
};
