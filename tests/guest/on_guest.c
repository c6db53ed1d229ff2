/* The driver on the guest's C, and a tender of a few lines below it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>

#include <unishare/memory.h>
#include <unishare/platform.h>

#include "syscall_driver.h"

enum { HEAP = 64 << 20, READY = 1 << 20 };

const struct unishare_boot *unishare_boot_page;
const struct unishare_image_table *unishare_image;

static struct unishare_boot boot = {.magic = UNISHARE_ABI_MAGIC, .abi_version = UNISHARE_ABI_VERSION};
static struct unishare_image_table image = {.magic = UNISHARE_IMAGE_MAGIC};

long __unishare_syscall(long number, long a, long b, long c, long d, long e, long f);

static int64_t hypercall(uint64_t number, uint64_t a, uint64_t b, uint64_t c)
{
    struct timespec now;

    switch (number) {
    case UNISHARE_CALL_EXIT:
        exit((int)a);
    case UNISHARE_CALL_CONSOLE_WRITE:
        return (int64_t)fwrite((void *)a, 1, b, stderr);
    case UNISHARE_CALL_CLOCK:
        clock_gettime(a ? CLOCK_REALTIME : CLOCK_MONOTONIC, &now);
        memcpy((void *)b, &now, sizeof now);
        return 0;
    case UNISHARE_CALL_RANDOM:
        return getrandom((void *)a, b, 0);
    case UNISHARE_CALL_HEAP_GROW: /* pages behind what is usable fault */
        if (a > HEAP)
            return -ENOMEM;
        mprotect((void *)boot.heap_start, a, PROT_READ | PROT_WRITE);
        return (int64_t)a;
    case UNISHARE_CALL_DISCARD:
        if (a < boot.heap_start || a + b > boot.heap_start + HEAP)
            return -EINVAL;
        return madvise((void *)a, b, MADV_DONTNEED) ? -errno : 0;
    case UNISHARE_CALL_PROTECT:
        if (a < boot.heap_start || a + b > boot.heap_start + HEAP || c > 3 || c == 2)
            return -EINVAL;
        return mprotect((void *)a, b, (int)c) ? -errno : 0;
    default:
        return -ENOSYS;
    }
}

void set_up(const char *folder)
{
    char *heap = mmap(NULL, HEAP, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    (void)folder;
    mprotect(heap, READY, PROT_READ | PROT_WRITE);
    boot.hypercall = (uint64_t)hypercall;
    boot.heap_start = (uint64_t)heap;
    boot.heap_ready = READY;
    boot.heap_limit = HEAP;
    unishare_boot_page = &boot;
    unishare_image = &image;
}

void begin(void)
{
}

void rest(void)
{
    unishare_pages_give_back();
}

long call(long number, long a, long b, long c, long d, long e, long f)
{
    return __unishare_syscall(number, a, b, c, d, e, f);
}
