/* System calls on memory: pages of the heap. Protections cannot be changed: the tender set them before the guest began. */
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <unishare/abi.h>
#include <unishare/files.h>
#include <unishare/memory.h>

#include "calls.h"

/* A file's mapping is a copy of it: private ones behave as they should, shared ones as if nobody else wrote. */
static long map(const struct call *call)
{
    size_t size = (size_t)call->b;
    int flags = (int)call->d;
    void *pages;
    int64_t got = 0;

    if (flags & MAP_FIXED || call->c & PROT_EXEC || (flags & MAP_SHARED && !(flags & MAP_ANONYMOUS) && call->c & PROT_WRITE))
        return -EOPNOTSUPP;
    if (!size)
        return -EINVAL;
    if (!(pages = unishare_pages_take(size)))
        return -ENOMEM;
    if (!(flags & MAP_ANONYMOUS) && (got = unishare_files_read_at((int)call->e, pages, size, call->f)) < 0) {
        unishare_pages_give(pages, size);
        return got;
    }
    return (long)pages;
}

/* Both kinds of advice are obeyed at once: a page that may be lost is worth nothing to its owner. All other advice is refused, as by a kernel
 * that was built without. */
static long advise(const struct call *call)
{
    uintptr_t start = (uintptr_t)call->a, mask = UNISHARE_PAGE_SIZE - 1;
    size_t size = ((size_t)call->b + mask) & ~mask;

    if ((call->c != MADV_DONTNEED && call->c != MADV_FREE) || start & mask || size < (size_t)call->b)
        return -EINVAL;
    return unishare_pages_discard((void *)start, size) ? 0 : -EINVAL;
}

int memory_call(const struct call *call, long *result)
{
    void *moved;

    switch (call->number) {
    case SYS_mmap:
        *result = map(call);
        return 1;
    case SYS_munmap:
        unishare_pages_give((void *)call->a, (size_t)call->b);
        *result = 0;
        return 1;
    case SYS_mremap:
        moved = unishare_pages_resize((void *)call->a, (size_t)call->b, (size_t)call->c, (int)call->d & MREMAP_MAYMOVE);
        *result = moved ? (long)moved : -ENOMEM;
        return 1;
    case SYS_brk:
        *result = (long)unishare_pages_break((void *)call->a);
        return 1;
    case SYS_mprotect:
    case SYS_msync:
        *result = 0;
        return 1;
    case SYS_madvise:
        *result = advise(call);
        return 1;
    default:
        return 0;
    }
}
