/*
 * Where musl's system calls arrive (catalog/libraries/musl-overlay/syscall_arch.h): each group looks whether it is one of its
 * own.
 *
 * An unsupported one returns ENOSYS, as an old kernel would, and is reported on the console, each once: people should learn
 * what their program wanted.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <unishare/console.h>

#include "calls.h"
#include "names.h"

enum { NUMBERS = 512 };

static uint64_t reported[NUMBERS / 64];

static void print(const char *text)
{
    unishare_console_write(text, strlen(text));
}

static void report(unsigned long number)
{
    if (number >= NUMBERS || reported[number / 64] >> number % 64 & 1)
        return;
    reported[number / 64] |= (uint64_t)1 << number % 64;
    print("unishare: the system call ");
    print(system_call_name(number));
    print(" is not supported (ENOSYS)\n");
}

long __unishare_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    const struct call call = {number, a, b, c, d, e, f};
    long result;

    if (file_call(&call, &result) || memory_call(&call, &result) || time_call(&call, &result) || path_call(&call, &result)
        || signal_call(&call, &result) || process_call(&call, &result))
        return result;
    report((unsigned long)number);
    return -ENOSYS;
}
