/*
 * vm_host - what the vm engine finds or makes on the host: programs, kernel, images
 *
 * All of it lies in the cache (cache.h), made by the scripts of images/ when
 * it is missing. Nothing of the machine's own configuration is touched.
 */
#ifndef TAZ_LAUNCHER_VM_HOST_H
#define TAZ_LAUNCHER_VM_HOST_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct vm_files {
	char tools[PATH_MAX / 4];  /* tree with QEMU, virtiofsd and the kernel */
	char initrd[PATH_MAX / 4]; /* our first process and the kernel's modules */
	char root[PATH_MAX / 4];   /* the image as a read-only file system */
};

/* vm_kvm_worth_a_try - there is /dev/kvm, and no guest was seen not to run under it (engine_vm.c)
 */
bool vm_kvm_worth_a_try(void);

/*
 * vm_script - the path of a script below images/ of the source (layers_source())
 * Returns 0, -ENAMETOOLONG, or -ENOENT when there is no such program.
 */
int vm_script(const char *name, char *buf, size_t size);

/*
 * vm_store - run "images/vm/store ARGS..."
 * @args: ended by NULL
 *
 * Its output goes to a terminal on stderr as it comes; elsewhere it is kept and shown only when the
 * script fails. Returns its exit status or -errno.
 */
int vm_store(const char *const args[]);

/*
 * vm_store_call - the same, and what it prints is kept, not shown
 * @out, @err: get standard output and error without the last newline, cut to @size and @err_size
 */
int vm_store_call(const char *const args[], char *out, size_t size, char *err, size_t err_size);

/* vm_has_image - is there an image of this tag? 1, 0 or -errno. One look at a file. */
int vm_has_image(const char *tag);

/*
 * vm_files_get - make sure that everything a start needs is there
 * @image: the tag to run
 * Returns 0, or -ENOENT, -EIO after the script in question has said why on stderr.
 */
int vm_files_get(const char *image, struct vm_files *ret);

#endif
