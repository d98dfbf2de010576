#include "enclave/base/completion.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* --- the words ------------------------------------------------------------------------------- */

struct words {
	char text[1024]; /* with blanks between */
	size_t used;
	bool full; /* some had no room; completion_print() looks before it prints */
};

static bool has(const struct words *w, const char *word, size_t len)
{
	for (const char *p = w->text; *p;) {
		size_t n = strcspn(p, " ");

		if (n == len && !strncmp(p, word, len))
			return true;
		p += n + (p[n] == ' ');
	}
	return false;
}

static void add(struct words *w, const char *word, size_t len)
{
	if (has(w, word, len))
		return;
	if (w->used + len + 2 > sizeof(w->text)) {
		w->full = true;
		return;
	}
	w->used += (size_t)sprintf(w->text + w->used, "%s%.*s", w->used ? " " : "", (int)len, word);
}

enum which { ALL, WITH_VALUE };

/* Every "--word" of a text, which ends at @end; or those that another word follows: "--word NAME".
 */
static void add_options(struct words *w, const char *text, const char *end, enum which which)
{
	for (const char *p = text; p + 2 < end; p++) {
		size_t n;

		if (p[0] != '-' || p[1] != '-' || (p > text && p[-1] == '-'))
			continue;
		n = 2 + strspn(p + 2, "abcdefghijklmnopqrstuvwxyz0123456789-");
		if (n > 2 && p[2] != '-' &&
		    (which == ALL || (p[n] == ' ' && isalpha((unsigned char)p[n + 1]))))
			add(w, p, n);
		p += n - 1;
	}
}

/* A usage line of alternatives: "bash|zsh|fish". */
static void add_alternatives(struct words *w, const char *args)
{
	if (!strchr(args, '|') || args[strspn(args, "abcdefghijklmnopqrstuvwxyz|")])
		return;
	for (size_t n; *args; args += n + (args[n] == '|')) {
		n = strcspn(args, "|");
		add(w, args, n);
	}
}

/* Of the lines of a help text that begin with an option: its names end where the words begin. */
static void add_listed(struct words *w, const char *text, enum which which)
{
	for (const char *line = text; line && *line;) {
		size_t n = strcspn(line, "\n");
		const char *gap = strstr(line + 1, "   ");

		if (!strncmp(line, "  --", 4))
			add_options(w, line, gap && gap < line + n ? gap : line + n, which);
		line += n + (line[n] == '\n');
	}
}

static struct words words_of(const struct cmd_program *p, const struct cmd *const *cmds,
			     const struct cmd *cmd)
{
	struct words w = { 0 };

	for (; cmds && *cmds; cmds++)
		if (!(*cmds)->internal)
			add(&w, cmd_own_name(*cmds), strlen(cmd_own_name(*cmds)));
	if (cmd) {
		add_alternatives(&w, cmd->args);
		add_options(&w, cmd->args, cmd->args + strlen(cmd->args), ALL);
	}
	add_listed(&w, cmd ? cmd->details : p->trailer, ALL);
	add(&w, "--help", strlen("--help"));
	return w;
}

/* Those of its options that the next word belongs to. */
static struct words valued_of(const struct cmd_program *p, const struct cmd *cmd)
{
	struct words w = { 0 };

	if (cmd)
		add_options(&w, cmd->args, cmd->args + strlen(cmd->args), WITH_VALUE);
	add_listed(&w, cmd ? cmd->details : p->trailer, WITH_VALUE);
	return w;
}

/* The program itself ("" and NULL), or a command that is shown. Returns 0, or -errno: the last. */
typedef int visit_t(const struct cmd_program *p, const char *path, const struct cmd *const *cmds,
		    const struct cmd *cmd);

static int each(const struct cmd_program *p, visit_t *fn)
{
	char path[128];
	int r = fn(p, "", p->cmds, NULL);

	for (const struct cmd *const *c = p->cmds; r == 0 && *c; c++) {
		if ((*c)->internal)
			continue;
		snprintf(path, sizeof(path), "/%s", cmd_own_name(*c));
		r = fn(p, path, (*c)->subs, *c);
		for (const struct cmd *const *s = (*c)->subs; r == 0 && s && *s; s++) {
			snprintf(path, sizeof(path), "/%s/%s", cmd_own_name(*c), cmd_own_name(*s));
			r = fn(p, path, NULL, *s);
		}
	}
	return r;
}

static int check_room(const struct cmd_program *p, const char *path, const struct cmd *const *cmds,
		      const struct cmd *cmd)
{
	return words_of(p, cmds, cmd).full ? -E2BIG : 0;
}

/* --- bash and zsh ---------------------------------------------------------------------------- */

static int print_pattern(const struct cmd_program *p, const char *path,
			 const struct cmd *const *cmds, const struct cmd *cmd)
{
	if (*path)
		printf("%s|", path);
	return 0;
}

static int print_case(const struct cmd_program *p, const char *path, const struct cmd *const *cmds,
		      const struct cmd *cmd)
{
	struct words w = words_of(p, cmds, cmd);

	printf("\t'%s') list='%s' ;;\n", path, w.text);
	return 0;
}

static int print_valued(const struct cmd_program *p, const char *path,
			const struct cmd *const *cmds, const struct cmd *cmd)
{
	struct words w = valued_of(p, cmd);
	char *save = NULL;

	for (char *o = strtok_r(w.text, " ", &save); o; o = strtok_r(NULL, " ", &save))
		printf("%s:%s|", path, o);
	return 0;
}

/*
 * What both shells understand: @at becomes the path of the command, @list its words. @value is set
 * for the word behind an option that takes one: "tazlaunch --name build" has no command yet.
 */
static void print_finding(const struct cmd_program *p, const char *word)
{
	printf("\t\tcase $value$at:%s in\n\t\t1*) value=; continue ;;\n\t\t", word);
	each(p, print_valued);
	/* Nothing is called that; it ends the alternatives. */
	printf(":.) value=1; continue ;;\n\t\tesac\n\t\tcase $at/%s in\n"
	       "\t\t*/--) return 1 ;;\n\t\t",
	       word);
	each(p, print_pattern);
	printf("/.) at=$at/%s ;;\n\t\tesac\n\tdone\n"
	       "\t[ -z \"$value\" ] && case $at in\n",
	       word);
	each(p, print_case);
	printf("\tesac\n");
}

static void print_bash(const struct cmd_program *p)
{
	printf("# bash completion for %s, made by \"%s completion bash\"\n_%s()\n{\n"
	       "\tlocal at= list= value= i\n"
	       "\tCOMPREPLY=()\n"
	       "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n",
	       p->name, p->name, p->name);
	print_finding(p, "${COMP_WORDS[i]}");
	printf("\tCOMPREPLY=($(compgen -W \"$list\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n}\n"
	       "complete -o default -F _%s %s\n",
	       p->name, p->name);
}

static void print_zsh(const struct cmd_program *p)
{
	printf("#compdef %s\n# made by \"%s completion zsh\"\n_%s()\n{\n"
	       "\tlocal at= list= value= i\n"
	       "\tfor ((i = 2; i < CURRENT; i++)); do\n",
	       p->name, p->name, p->name);
	print_finding(p, "${words[i]}");
	printf("\tcompadd -- ${=list}\n\t[[ -z $value && $PREFIX == -* ]] || _files\n}\n_%s \"$@\"\n",
	       p->name);
}

/* --- fish ------------------------------------------------------------------------------------ */

static void print_quoted(const char *text)
{
	putchar('\'');
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
	putchar('\'');
}

/* When a command, and none below it, has been typed; behind "--" stands a program of the user's. */
static void print_condition(const struct cmd_program *p, const char *path,
			    const struct cmd *const *cmds)
{
	char words[128];
	char *save = NULL;
	const char *and = "";

	snprintf(words, sizeof(words), "%s", path);
	printf("complete -c %s -n 'not contains -- -- (commandline -opc); and ", p->name);
	if (!*path)
		printf("__fish_use_subcommand");
	for (char *w = strtok_r(words, "/", &save); w; w = strtok_r(NULL, "/", &save)) {
		printf("%s__fish_seen_subcommand_from %s", and, w);
		and = "; and ";
	}
	if (*path && cmds) {
		printf("; and not __fish_seen_subcommand_from");
		for (; *cmds; cmds++)
			printf(" %s", cmd_own_name(*cmds));
	}
	printf("'");
}

static int print_fish_one(const struct cmd_program *p, const char *path,
			  const struct cmd *const *cmds, const struct cmd *cmd)
{
	struct words w = words_of(p, NULL, cmd), valued = valued_of(p, cmd);
	char *save = NULL;

	for (const struct cmd *const *c = cmds; c && *c; c++) {
		if ((*c)->internal)
			continue;
		print_condition(p, path, cmds);
		printf(" -f -a %s -d ", cmd_own_name(*c));
		print_quoted((*c)->help);
		putchar('\n');
	}
	for (char *o = strtok_r(w.text, " ", &save); o; o = strtok_r(NULL, " ", &save)) {
		bool option = *o == '-';

		print_condition(p, path, cmds);
		printf(option ? " -l %s%s\n" : " -f -a %s%s\n", option ? o + 2 : o,
		       has(&valued, o, strlen(o)) ? " -r" : "");
	}
	return 0;
}

static void print_fish(const struct cmd_program *p)
{
	printf("# fish completion for %s, made by \"%s completion fish\"\n", p->name, p->name);
	each(p, print_fish_one);
}

int completion_print(const struct cmd_program *program, const char *shell)
{
	static const struct {
		const char *name;
		void (*print)(const struct cmd_program *p);
	} shells[] = { { "bash", print_bash }, { "zsh", print_zsh }, { "fish", print_fish } };

	for (size_t i = 0; i < sizeof(shells) / sizeof(*shells); i++)
		if (!strcmp(shells[i].name, shell)) {
			int r = each(program, check_room);

			if (r == 0)
				shells[i].print(program);
			return r;
		}
	return -EINVAL;
}
