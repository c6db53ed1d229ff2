/* System calls about the process: there is one, with one thread and one user. */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include <unishare/clock.h>
#include <unishare/console.h>
#include <unishare/files.h>
#include <unishare/platform.h>
#include <unishare/random.h>

#include "calls.h"

enum { PROCESS = 1, SIGNALLED = 128, FUTEX_WAIT = 0, FUTEX_COMMAND = 0x7f };

struct interval {
    int64_t seconds, nanoseconds;
};

static long set_thread_pointer(long address)
{
    if (unishare_boot_page->flags & UNISHARE_BOOT_NO_WRFSBASE)
        return (long)unishare_hypercall(UNISHARE_CALL_SET_FS_BASE, (uint64_t)address, 0, 0);
    __asm__ volatile("wrfsbase %0" : : "r"(address) : "memory");
    return 0;
}

static long name_system(struct utsname *into)
{
    memset(into, 0, sizeof *into);
    strcpy(into->sysname, "unishare");
    strcpy(into->nodename, "unikernel");
    strcpy(into->release, "1.0");
    strcpy(into->version, "1");
    strcpy(into->machine, "x86_64");
    return 0;
}

/* With one thread, waiting for another's word without a time limit is for ever: say so and end rather than hang. */
static long wait_on_futex(const struct call *call)
{
    static const char message[] = "unishare: deadlock: a lock is waited for that no other thread can open\n";
    const struct interval *limit = (const struct interval *)call->d;

    if ((call->b & FUTEX_COMMAND) != FUTEX_WAIT)
        return 0;
    if (*(volatile int *)call->a != (int)call->c)
        return -EAGAIN;
    if (!limit) {
        unishare_console_write(message, sizeof message - 1);
        unishare_exit(SIGNALLED);
    }
    unishare_sleep((uint64_t)limit->seconds * 1000000000u + (uint64_t)limit->nanoseconds);
    return -ETIMEDOUT;
}

/* One processor, the first. */
static long get_affinity(unsigned char *set, size_t size)
{
    if (size < sizeof(long))
        return -EINVAL;
    memset(set, 0, size);
    *set = 1;
    return sizeof(long);
}

/* What limits this process has in truth: descriptors, stack, heap, no core files. Only that of descriptors can be set. */
static struct rlimit limit_of(long resource)
{
    rlim_t most = RLIM_INFINITY;

    if (resource == RLIMIT_NOFILE)
        return (struct rlimit){(rlim_t)unishare_files_limit(-1), UNISHARE_FILES_DESCRIPTORS};
    if (resource == RLIMIT_STACK)
        most = unishare_boot_page->stack_top - unishare_boot_page->stack_bottom;
    else if (resource == RLIMIT_DATA)
        most = unishare_boot_page->heap_limit;
    else if (resource == RLIMIT_CORE)
        most = 0;
    return (struct rlimit){most, most};
}

static long limit(long process, long resource, const struct rlimit *wanted, struct rlimit *before)
{
    struct rlimit now = limit_of(resource);

    if (process && process != PROCESS)
        return -ESRCH;
    if (resource < 0 || resource >= RLIM_NLIMITS || (wanted && wanted->rlim_cur > wanted->rlim_max))
        return -EINVAL;
    if (wanted && wanted->rlim_max > now.rlim_max)
        return -EPERM;
    if (wanted && resource == RLIMIT_NOFILE)
        unishare_files_limit((int)wanted->rlim_cur);
    else if (wanted && (wanted->rlim_cur != now.rlim_cur || wanted->rlim_max != now.rlim_max))
        return -EPERM;
    if (before)
        *before = now;
    return 0;
}

int process_call(const struct call *call, long *result)
{
    *result = 0;
    switch (call->number) {
    case SYS_exit:
    case SYS_exit_group:
        unishare_exit((int)call->a);
    case SYS_set_thread_area:
        *result = set_thread_pointer(call->a);
        return 1;
    case SYS_arch_prctl: /* ARCH_SET_FS */
        *result = call->a == 0x1002 ? set_thread_pointer(call->b) : -EINVAL;
        return 1;
    case SYS_futex:
        *result = wait_on_futex(call);
        return 1;
    case SYS_getrandom:
        *result = (long)unishare_random_fill((void *)call->a, (size_t)call->b);
        return 1;
    case SYS_uname:
        *result = name_system((struct utsname *)call->a);
        return 1;
    case SYS_sched_getaffinity:
        *result = get_affinity((unsigned char *)call->c, (size_t)call->b);
        return 1;
    case SYS_prlimit64:
        *result = limit(call->a, call->b, (const struct rlimit *)call->c, (struct rlimit *)call->d);
        return 1;
    case SYS_getrlimit:
        *result = limit(0, call->a, NULL, (struct rlimit *)call->b);
        return 1;
    case SYS_setrlimit:
        *result = limit(0, call->a, (const struct rlimit *)call->b, NULL);
        return 1;
    case SYS_getpid:
    case SYS_gettid:
    case SYS_set_tid_address:
        *result = PROCESS;
        return 1;
    case SYS_getppid:
    case SYS_getuid:
    case SYS_geteuid:
    case SYS_getgid:
    case SYS_getegid:
    case SYS_sched_yield:
        return 1;
    default:
        return 0;
    }
}
