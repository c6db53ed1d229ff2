/* Clocks and sleeping. */
#ifndef UNISHARE_CLOCK_H
#define UNISHARE_CLOCK_H

#include <stdint.h>

/* Nanoseconds of the monotonic clock, and since 1970. Read from the processor where its frequency is known: no hypercall. */
uint64_t unishare_clock_monotonic(void);
uint64_t unishare_clock_real(void);

/* Do nothing for some nanoseconds. */
void unishare_sleep(uint64_t nanoseconds);

#endif
