/* Random bytes from the host kernel's source. */
#ifndef UNISHARE_RANDOM_H
#define UNISHARE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Fill `size` bytes; `size`, or -errno. */
int64_t unishare_random_fill(void *into, size_t size);

#endif
