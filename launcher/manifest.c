#include "launcher/manifest.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "enclave/base/utf8.h"
#include "launcher/first.h"
#include "launcher/reference.h"

#define MIB UINT64_C(1048576)

/* --- names ----------------------------------------------------------------------------------- */

/* "taz/LAYER:HASH", as layers.h has them. */
static bool is_local(const char *text)
{
	static const char ours[] = "taz/";
	size_t n;

	if (strncmp(text, ours, strlen(ours)) != 0)
		return false;
	text += strlen(ours);
	n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");
	return n && text[n] == ':' && strlen(text + n + 1) == 32 &&
	       strspn(text + n + 1, "0123456789abcdef") == 32;
}

int manifest_image(const char *ref, char buf[MANIFEST_IMAGE_MAX], char *why, size_t size)
{
	static const char host[] = "localhost/";
	struct reference in_registry;
	char fault[200];

	if (!strncmp(ref, host, strlen(host)) && is_local(ref + strlen(host)))
		ref += strlen(host);
	if (is_local(ref) && strlen(ref) < MANIFEST_IMAGE_MAX - sizeof(host)) {
		snprintf(buf, MANIFEST_IMAGE_MAX, "%s%s", host, ref);
		return 0;
	}
	if (reference_parse(ref, true, &in_registry, fault, sizeof(fault)) < 0) {
		snprintf(why, size, "--image '%.320s': %s", ref, fault);
		return -EINVAL;
	}
	snprintf(buf, MANIFEST_IMAGE_MAX, "%s", ref);
	return 1;
}

/* Source: RFC 1123 label names of Kubernetes: they end with a letter or a digit. */
int manifest_name(const char *name, char *why, size_t size)
{
	if (*name && name[strlen(name) - 1] != '-')
		return 0;
	snprintf(why, size, "--name '%s': a Pod's name can't end with '-'", name);
	return -EINVAL;
}

uint64_t manifest_vault_claim(uint64_t vault_bytes, unsigned keep)
{
	/* Headers and footers of the files, and the volume's own file system. */
	return vault_bytes * (keep + 2ULL) + 64 * MIB;
}

/* --- YAML ------------------------------------------------------------------------------------ */

static uint32_t code_point(const char *s, size_t n)
{
	static const unsigned char first[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	uint32_t c = (unsigned char)*s & first[n];

	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((unsigned char)s[i] & 0x3f);
	return c;
}

int manifest_quote(FILE *to, const char *text)
{
	fputc('"', to);
	for (size_t n; *text; text += n) {
		uint32_t c;

		n = utf8_length(text, strlen(text));
		if (!n)
			return -EILSEQ;
		c = code_point(text, n);
		if (c == '"' || c == '\\')
			fprintf(to, "\\%c", (char)c);
		else if (c < 0x20 || c > 0x7e)
			fprintf(to, "\\U%08" PRIX32, c);
		else
			fputc((int)c, to);
	}
	fputc('"', to);
	return 0;
}

/* "KEY: VALUE" below what is open; @key has the indent. */
static int field(FILE *to, const char *key, const char *value)
{
	int r;

	fprintf(to, "%s: ", key);
	r = manifest_quote(to, value);
	fputc('\n', to);
	return r;
}

/* Who plays it puts variables in the place of "$(NAME)"; "$$" is a plain "$".
 * Source: Kubernetes' "Define a Command and Arguments for a Container". */
static int word(FILE *to, const char *text)
{
	char doubled[512];
	size_t n = 0;
	int r;

	for (; *text && n + 3 < sizeof(doubled); text++) {
		if (*text == '$')
			doubled[n++] = '$';
		doubled[n++] = *text;
	}
	doubled[n] = '\0';
	if (*text)
		return -ENOMEM;
	fprintf(to, "        - ");
	r = manifest_quote(to, doubled);
	fputc('\n', to);
	return r;
}

/* --- what is in it --------------------------------------------------------------------------- */

static void print_head(FILE *to, const struct workshop *w, bool local)
{
	fprintf(to,
		"# A workshop of taz for Kubernetes, or for: podman kube play FILE\n"
		"#\n"
		"# A session in it:\n"
		"#   tazlaunch --name %s --through 'kubectl exec -i taz-%s -c workshop --' enter\n"
		"# The passphrase crosses as a sealed box: who records what passes does not get it. Who lies, and\n"
		"# answers in the Pod's place, does: see tazlaunch(1).\n"
		"#\n"
		"# The node's kernel has to have dm_mod, dm_crypt, loop and fuse (modprobe them there). The\n"
		"# container is privileged: a cluster gives device nodes to no other. So whoever is root in it\n"
		"# is root of the node, and root of the node can read an open vault.\n"
		"# The vault's ciphertext is in RAM while it is open: it counts in the memory's limit.\n",
		w->name, w->name);
	if (local)
		fprintf(to,
			"# The image is one of this host's own: podman here has it, and a cluster has not. For a\n"
			"# cluster push it to a registry, and make this again with --image REFERENCE@sha256:DIGEST.\n");
}

static int print_labels(FILE *to, const struct workshop *w)
{
	int r;

	fprintf(to, "  labels:\n    app.kubernetes.io/name: \"taz\"\n");
	r = field(to, "    app.kubernetes.io/instance", w->name);
	return r < 0 ? r : field(to, "    io.taz.workshop", w->name);
}

/* @why: a comment, one line or more. */
static int print_claim(FILE *to, const struct workshop *w, const char *what, const char *why,
		       uint64_t bytes)
{
	int r;

	fprintf(to,
		"---\n"
		"apiVersion: v1\n"
		"kind: PersistentVolumeClaim\n"
		"metadata:\n"
		"  name: \"taz-%s-%s\"\n",
		w->name, what);
	r = print_labels(to, w);
	fprintf(to,
		"spec:\n"
		"  accessModes: [\"ReadWriteOnce\"]\n"
		"  resources:\n"
		"    requests:\n"
		"%s"
		"      storage: \"%" PRIu64 "Mi\"\n",
		why, (bytes + MIB - 1) / MIB);
	return r;
}

static int print_claims(FILE *to, const struct workshop *w)
{
	char why[200];
	int r;

	snprintf(why, sizeof(why),
		 "      # At most: the vault of %" PRIu64
		 "Mi, its spare and %u earlier states, and 64Mi beside them.\n",
		 (w->vault_bytes + MIB - 1) / MIB, w->keep);
	r = print_claim(to, w, "vault", why, manifest_vault_claim(w->vault_bytes, w->keep));
	if (r < 0)
		return r;
	return print_claim(to, w, "workspace",
			   "      # Your project's files: as much as they need.\n", 10240 * MIB);
}

/* What `up` tells a container, too (container.c); the instance is made where it runs. */
static int print_words(FILE *to, const struct workshop *w)
{
	autoargv struct argv words = { 0 };
	int r = 0;

	first_add_words(&words, w);
	if (words.failed)
		return -ENOMEM;
	fprintf(to, "      command: [\"" FIRST_PROGRAM "\"]\n      args:\n");
	for (size_t i = 0; r == 0 && i < words.n; i++)
		r = word(to, words.v[i]);
	return r;
}

static void print_limits(FILE *to, const struct workshop *w)
{
	if (!w->memory_bytes && !w->cpus)
		return;
	fprintf(to, "      resources:\n        limits:\n");
	if (w->memory_bytes)
		fprintf(to, "          memory: \"%" PRIu64 "\"\n", w->memory_bytes);
	if (w->cpus)
		fprintf(to, "          cpu: \"%u\"\n", w->cpus);
}

static int print_container(FILE *to, const struct workshop *w, bool local)
{
	int r;

	fprintf(to, "  containers:\n    - name: \"workshop\"\n");
	r = field(to, "      image", w->image);
	if (r < 0)
		return r;
	fprintf(to, "      imagePullPolicy: \"%s\"\n", local ? "Never" : "IfNotPresent");
	r = print_words(to, w);
	fprintf(to, "      securityContext:\n"
		    "        privileged: true\n"
		    "        runAsUser: 0\n"
		    "        runAsGroup: 0\n");
	print_limits(to, w);
	fprintf(to,
		"      # /run and /tmp are memory: the first process mounts it, whoever plays this.\n"
		"      volumeMounts:\n"
		"        - name: \"vault\"\n"
		"          mountPath: \"/var/lib/taz\"\n"
		"        - name: \"workspace\"\n"
		"          mountPath: \"/workspace\"\n");
	return r;
}

static int print_pod(FILE *to, const struct workshop *w, bool local)
{
	int r;

	fprintf(to,
		"---\n"
		"apiVersion: v1\n"
		"kind: Pod\n"
		"metadata:\n"
		"  name: \"taz-%s\"\n",
		w->name);
	r = print_labels(to, w);
	if (r < 0)
		return r;
	fprintf(to, "spec:\n");
	r = field(to, "  hostname", w->name);
	fprintf(to,
		"  # Started again it is locked.\n"
		"  restartPolicy: Always\n"
		"  # For an orderly lock with its save.\n"
		"  terminationGracePeriodSeconds: %d\n"
		"  automountServiceAccountToken: false\n"
		"  enableServiceLinks: false\n",
		FIRST_STOP_SEC);
	if (r == 0)
		r = print_container(to, w, local);
	fprintf(to,
		"  volumes:\n"
		"    - name: \"vault\"\n"
		"      persistentVolumeClaim:\n"
		"        claimName: \"taz-%s-vault\"\n"
		"    - name: \"workspace\"\n"
		"      persistentVolumeClaim:\n"
		"        claimName: \"taz-%s-workspace\"\n",
		w->name, w->name);
	return r;
}

int manifest_print(FILE *to, const struct workshop *w)
{
	bool local = !strchr(w->image, '@');
	int r;

	print_head(to, w, local);
	r = print_claims(to, w);
	return r < 0 ? r : print_pod(to, w, local);
}
