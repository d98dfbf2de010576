/* How the emulator is started, with a tree of tools whose loader only says what it was told. */
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/io.h"
#include "launcher/vm_qemu.h"

#define WAIT_MS 10000

static char root[64], state_dir[96], workspace[96], said[96];
static struct vm_files files;

/* It is "ld-linux --library-path LIBRARIES PROGRAM ..."; of the folders' servers nothing is said.
 */
static void write_loader(void)
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), "mkdir -p %s/usr/lib64", files.tools);
	assert_int_equal(system(path), 0);
	snprintf(path, sizeof(path), "%s/usr/lib64/ld-linux-x86-64.so.2", files.tools);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "#!/bin/sh\ncase $3 in *qemu*) pwd >%s.new && mv %s.new %s ;; esac\n", said,
		said, said);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0755), 0);
}

static int setup(void **state)
{
	strcpy(root, "/tmp/taz-qemu-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	snprintf(state_dir, sizeof(state_dir), "%s/state", root);
	snprintf(workspace, sizeof(workspace), "%s/workspace", root);
	snprintf(said, sizeof(said), "%s/said", root);
	snprintf(files.tools, sizeof(files.tools), "%s/tools", root);
	strcpy(files.initrd, "/initrd");
	strcpy(files.root, "/root.erofs");
	write_loader();
	return mkdir(workspace, 0755);
}

static int teardown(void **state)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -r %s", root);
	return chdir("/") < 0 ? -1 : system(cmd);
}

static void test_the_emulator_does_not_start_in_the_workspace(void **state)
{
	const struct workshop w = {
		.name = "one",
		.state_dir = state_dir,
		.workspace = workspace,
		.durability = "fsync",
		.view_memory = "cached",
		.seen_vault = "",
	};
	char text[PATH_MAX] = "";

	assert_int_equal(chdir(workspace), 0);
	assert_int_equal(vm_start(&w, &files, VM_TCG), 0);
	for (int ms = 0; access(said, F_OK) < 0 && ms < WAIT_MS; ms += 10)
		usleep(10 * 1000);
	assert_int_equal(vm_kill(&w), 0);
	assert_true(io_read_text(AT_FDCWD, said, text, sizeof(text)) > 0);
	assert_string_equal(text, "/\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_emulator_does_not_start_in_the_workspace),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
