/*
 * Pages of the heap: what the C library asks for with mmap, munmap, mprotect, mremap and brk. Addresses and sizes in bytes; a
 * range is whole pages from a page-aligned address on. Calls return 0 or -errno.
 */
#ifndef UNISHARE_MEMORY_H
#define UNISHARE_MEMORY_H

#include <stddef.h>

/* What may be done with pages; numbers as PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE. */
enum unishare_rights { UNISHARE_PAGES_NONE = 0, UNISHARE_PAGES_READ = 1, UNISHARE_PAGES_WRITE = 3 };

/* Take zeroed, writable pages; NULL when the heap's limit is reached. */
void *unishare_pages_take(size_t size);

/* Give pages back: any part of what was taken, or was given back before. -EINVAL outside the heap, -ENOMEM if it cannot be
 * noted. */
int unishare_pages_give(void *start, size_t size);

/* Let pages of the heap or of the stack cost the host nothing until they are touched; what they hold is lost. They become
 * zeros, or what they were in the snapshot that the instance began from. */
int unishare_pages_discard(void *start, size_t size);

/* Discard what was given back. For an instance that has nothing to do: taking it again costs a page fault a page. */
void unishare_pages_give_back(void);

/* Let pages of the C library's heap that hold again what they held in the instance's snapshot be the snapshot's. `room`,
 * outside that heap, is overwritten: from a page-aligned address on, the more the fewer calls. For an instance that has nothing
 * to do. */
void unishare_pages_drop_unchanged(void *room, size_t size);

/* Change what may be done with pages that are taken: -ENOMEM if some are not, -EACCES outside the heap, -ENOSYS where the
 * tender cannot do it. */
int unishare_pages_protect(void *start, size_t size, enum unishare_rights rights);

/* Tell the tender again what may be done with pages: after a start from a snapshot, and after a reset. */
void unishare_pages_restore_rights(void);

/* Zeroed, writable pages at this address, in place of what was there; -ENOMEM where the heap has not yet reached. */
int unishare_pages_replace(void *start, size_t size);

/* Move the end of the one range that grows in place, as brk does; the end afterwards, which is the old one if it cannot be
 * moved. It never shrinks. */
void *unishare_pages_break(void *wanted);

/* Make a range larger or smaller, moving it if `may_move`; NULL if it cannot be done, the old range then stays. All of it must
 * be taken and writable. */
void *unishare_pages_resize(void *start, size_t old_size, size_t new_size, int may_move);

/* While held, no pages are handed out: an allocator then has only what was freed to it. */
void unishare_pages_hold(int held);

#endif
