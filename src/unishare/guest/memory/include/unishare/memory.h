/* Pages of the heap: what the C library asks for with mmap. All sizes in bytes; zeroed, page-aligned. */
#ifndef UNISHARE_MEMORY_H
#define UNISHARE_MEMORY_H

#include <stddef.h>

/* Take zeroed pages; NULL when the heap's limit is reached. */
void *unishare_pages_take(size_t size);

/* Give pages back: any page-aligned part of what was taken. */
void unishare_pages_give(void *start, size_t size);

/* Let whole pages of the stack or the heap become zeros that cost nothing until they are touched; 0 if that cannot be done. Both numbers
 * are multiples of the page size. */
int unishare_pages_discard(void *start, size_t size);

/* Discard what was given. For an instance that has nothing to do: taking it again costs a page fault a page. */
void unishare_pages_give_back(void);

/* Move the end of the one range that grows in place, as brk does; the end afterwards, which is the old one if it cannot be moved.
 * It never shrinks. */
void *unishare_pages_break(void *wanted);

/* Make a range larger or smaller, moving it if `may_move`; NULL if it cannot be done, the old range then stays. */
void *unishare_pages_resize(void *start, size_t old_size, size_t new_size, int may_move);

#endif
