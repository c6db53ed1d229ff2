/* Random bytes from the host kernel's source. */
#ifndef UNISHARE_RANDOM_H
#define UNISHARE_RANDOM_H

#include <stddef.h>
#include <stdint.h>
#include <stdint.h>

/* Fill `size` bytes; `size`, or -errno. */
int64_t unishare_random_fill(void *into, size_t size);

/* A number that this instance was started with, another for every `purpose`: for hash seeds, which are drawn once and cannot
 * change later. Instances of one snapshot have the same, those of two snapshots never. */
uint64_t unishare_seed(unsigned purpose);

enum { UNISHARE_SEED_HASH = 1, UNISHARE_SEED_RANDOM = 2 };

#endif
