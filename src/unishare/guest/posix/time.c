/* System calls on time. */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include <unishare/clock.h>

#include "calls.h"

enum { NANOSECONDS = 1000000000, NANOSECONDS_A_MICROSECOND = 1000, NANOSECONDS_A_MILLISECOND = 1000000 };

static uint64_t read_clock(long clock)
{
    return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE ? unishare_clock_real() : unishare_clock_monotonic();
}

static uint64_t nanoseconds_of(const struct timespec *time)
{
    return (uint64_t)time->tv_sec * NANOSECONDS + (uint64_t)time->tv_nsec;
}

static long sleep_until_or_for(long clock, long flags, const struct timespec *time)
{
    uint64_t wanted = nanoseconds_of(time);

    if (time->tv_sec < 0 || time->tv_nsec < 0 || time->tv_nsec >= NANOSECONDS)
        return -EINVAL;
    if (flags & TIMER_ABSTIME) {
        uint64_t now = read_clock(clock);

        wanted = wanted > now ? wanted - now : 0;
    }
    unishare_sleep(wanted);
    return 0;
}

/* Nothing that a guest can poll ever becomes readable: there are files and the console. So this is a sleep. */
static long poll_nothing(struct pollfd *descriptors, unsigned long count, int milliseconds)
{
    long ready = 0;

    for (unsigned long i = 0; i < count; i++) {
        descriptors[i].revents = descriptors[i].fd < 0 ? 0 : descriptors[i].events & (POLLIN | POLLOUT);
        ready += descriptors[i].revents != 0;
    }
    if (!ready && milliseconds > 0)
        unishare_sleep((uint64_t)milliseconds * NANOSECONDS_A_MILLISECOND);
    return ready;
}

int time_call(const struct call *call, long *result)
{
    struct timespec *time = (struct timespec *)call->b;
    struct timeval *of_day = (struct timeval *)call->a;
    uint64_t now;

    *result = 0;
    switch (call->number) {
    case SYS_clock_gettime:
        now = read_clock(call->a);
        *time = (struct timespec){.tv_sec = (time_t)(now / NANOSECONDS), .tv_nsec = (long)(now % NANOSECONDS)};
        return 1;
    case SYS_clock_getres:
        if (time)
            *time = (struct timespec){.tv_sec = 0, .tv_nsec = 1};
        return 1;
    case SYS_gettimeofday:
        now = unishare_clock_real();
        *of_day = (struct timeval){
            .tv_sec = (time_t)(now / NANOSECONDS),
            .tv_usec = (long)(now % NANOSECONDS / NANOSECONDS_A_MICROSECOND),
        };
        return 1;
    case SYS_nanosleep:
        *result = sleep_until_or_for(CLOCK_MONOTONIC, 0, (const struct timespec *)call->a);
        return 1;
    case SYS_clock_nanosleep:
        *result = sleep_until_or_for(call->a, call->b, (const struct timespec *)call->c);
        return 1;
    case SYS_poll:
        *result = poll_nothing((struct pollfd *)call->a, (unsigned long)call->b, (int)call->c);
        return 1;
    default:
        return 0;
    }
}
