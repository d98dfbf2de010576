/*
 * kdf - how much memory a key derivation may take here, now
 *
 * The least of what the machine has available and what every cgroup above us has left: its
 * memory.max and memory.high, minus what is used and could not be reclaimed at once. A limit of any
 * ancestor counts, as far as this cgroup namespace shows it. Source: the kernel's
 * Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst; proc_meminfo(5).
 */
#ifndef TAZ_ENCLAVE_KDF_H
#define TAZ_ENCLAVE_KDF_H

#include <stdint.h>

/*
 * kdf_free_kib - KiB that could be taken without the kernel killing anybody
 * @root: a descriptor of "/", below which proc and sys/fs/cgroup are read; borrowed
 * Returns UINT64_MAX when nothing can be read.
 */
uint64_t kdf_free_kib(int root);

/* kdf_free_here_kib - the same for this process */
uint64_t kdf_free_here_kib(void);

#endif
