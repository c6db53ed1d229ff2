/* Clocks: the tender's readings at start, and the time-stamp counter since then. */
#include <unishare/clock.h>
#include <unishare/platform.h>

enum { MONOTONIC = 0, REAL = 1 };
enum { NANOSECONDS = 1000000000 };

struct reading {
    int64_t seconds, nanoseconds;
};

static uint64_t ask_tender(uint64_t clock)
{
    struct reading now = {0, 0};

    unishare_hypercall(UNISHARE_CALL_CLOCK, clock, (uint64_t)&now, 0);
    return (uint64_t)now.seconds * NANOSECONDS + (uint64_t)now.nanoseconds;
}

/* Nanoseconds since the tender read the clocks: whole seconds and the rest apart, so that 64 bits hold every product. */
static uint64_t since_start(void)
{
    uint64_t ticks = __builtin_ia32_rdtsc() - unishare_boot_page->tsc_start;
    uint64_t hz = unishare_boot_page->tsc_hz;

    return ticks / hz * NANOSECONDS + ticks % hz * NANOSECONDS / hz;
}

uint64_t unishare_clock_monotonic(void)
{
    if (!unishare_boot_page->tsc_hz)
        return ask_tender(MONOTONIC);
    return unishare_boot_page->monotonic_start + since_start();
}

uint64_t unishare_clock_real(void)
{
    if (!unishare_boot_page->tsc_hz)
        return ask_tender(REAL);
    return unishare_boot_page->realtime_start + since_start();
}

void unishare_sleep(uint64_t nanoseconds)
{
    unishare_hypercall(UNISHARE_CALL_POLL, 0, nanoseconds, 0);
}
