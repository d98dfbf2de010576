/*
 * churn - take pages that the kernel has just freed, and fill them with zeros
 *
 * The kernel hands out first what was freed last, a list for each processor and kind of page. So
 * this overwrites copies that it has made for a moment and nobody could reach: FUSE before
 * Linux 6.16 copies each page of a shared map before it writes it back. A help, and no promise.
 */
#ifndef TAZ_ENCLAVE_CHURN_H
#define TAZ_ENCLAVE_CHURN_H

#define CHURN_BYTES (4UL << 20) /* on each processor, of each kind */

/* churn - on every processor that we may run on; moves the calling thread. Only for a child. */
void churn(void);

#endif
