/* System calls on memory: pages of the heap. Nothing can be made executable: the tender would not allow it. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <unishare/files.h>
#include <unishare/memory.h>
#include <unishare/platform.h>

#include "calls.h"

enum { OFFSET_IN_PAGE = 4095, PROT_SEM = 8, RIGHTS = PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM };

/* The processor cannot make a page writable but not readable. */
static enum unishare_rights rights_of(long protection)
{
    return protection & PROT_WRITE ? UNISHARE_PAGES_WRITE : protection & PROT_READ ? UNISHARE_PAGES_READ : UNISHARE_PAGES_NONE;
}

/* Why a file cannot be mapped; 0 if it can. A mapping is a copy of it: private ones behave as they should, shared ones as if
 * nobody else wrote, so those cannot be writable. */
static long unmappable(const struct call *call)
{
    struct stat about;
    int64_t error = unishare_files_status_open((int)call->e, &about), flags;

    if (error)
        return error;
    flags = unishare_files_control((int)call->e, F_GETFL, 0);
    if ((flags & O_ACCMODE) == O_WRONLY)
        return -EACCES;
    if (call->d & MAP_SHARED && call->c & PROT_WRITE)
        return (flags & O_ACCMODE) == O_RDONLY ? -EACCES : -EOPNOTSUPP;
    return S_ISREG(about.st_mode) || unishare_files_read_at((int)call->e, &about, 1, 0) == 1 ? 0 : -ENODEV;
}

static long map(const struct call *call)
{
    size_t size = (size_t)call->b;
    int is_file = !(call->d & MAP_ANONYMOUS);
    void *pages = (void *)call->a;
    long error = 0;

    if (!size || call->f & OFFSET_IN_PAGE || !(call->d & (MAP_SHARED | MAP_PRIVATE)))
        return -EINVAL;
    if (call->c & PROT_EXEC)
        return -EACCES;
    if (is_file && (error = unmappable(call)))
        return error;
    if (call->d & MAP_FIXED)
        error = call->a & OFFSET_IN_PAGE ? -EINVAL : unishare_pages_replace(pages, size);
    else if (!(pages = unishare_pages_take(size)))
        error = -ENOMEM;
    if (error)
        return error;
    if (is_file)
        error = unishare_files_read_at((int)call->e, pages, size, call->f);
    if (error >= 0)
        error = unishare_pages_protect(pages, size, rights_of(call->c));
    if (error < 0) {
        unishare_pages_give(pages, size);
        return error;
    }
    return (long)pages;
}

static long unmap(long start, size_t size)
{
    return start & OFFSET_IN_PAGE || !size ? -EINVAL : unishare_pages_give((void *)start, size);
}

static long protect(long start, size_t size, long protection)
{
    if (start & OFFSET_IN_PAGE || protection & ~RIGHTS)
        return -EINVAL;
    if (!size)
        return 0;
    return protection & PROT_EXEC ? -EACCES : unishare_pages_protect((void *)start, size, rights_of(protection));
}

static long remap(const struct call *call)
{
    void *moved;

    if (call->a & OFFSET_IN_PAGE || !call->c || call->d & ~MREMAP_MAYMOVE)
        return -EINVAL;
    moved = unishare_pages_resize((void *)call->a, (size_t)call->b, (size_t)call->c, (int)call->d & MREMAP_MAYMOVE);
    return moved ? (long)moved : -ENOMEM;
}

/* Both kinds of advice are obeyed at once: pages that may be lost are worth nothing to their owner. Other advice is refused, as
 * by a kernel that was built without it; so is all advice in an instance of a snapshot, whose discarded pages are not zeros. */
static long advise(long start, size_t size, long advice)
{
    size_t whole = (size + OFFSET_IN_PAGE) & ~(size_t)OFFSET_IN_PAGE;

    if (unishare_boot_page->generation || (advice != MADV_DONTNEED && advice != MADV_FREE) || start & OFFSET_IN_PAGE
        || whole < size)
        return -EINVAL;
    return unishare_pages_discard((void *)start, whole);
}

int memory_call(const struct call *call, long *result)
{
    switch (call->number) {
    case SYS_mmap:
        *result = map(call);
        return 1;
    case SYS_munmap:
        *result = unmap(call->a, (size_t)call->b);
        return 1;
    case SYS_mremap:
        *result = remap(call);
        return 1;
    case SYS_brk:
        *result = (long)unishare_pages_break((void *)call->a);
        return 1;
    case SYS_mprotect:
        *result = protect(call->a, (size_t)call->b, call->c);
        return 1;
    case SYS_msync: /* a mapping is nobody else's */
        *result = 0;
        return 1;
    case SYS_madvise:
        *result = advise(call->a, (size_t)call->b, call->c);
        return 1;
    default:
        return 0;
    }
}
