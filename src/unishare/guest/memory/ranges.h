/* What is known of the heap's pages. Private to this library. */
#ifndef UNISHARE_MEMORY_RANGES_H
#define UNISHARE_MEMORY_RANGES_H

#include <stddef.h>
#include <stdint.h>

/* Pages are numbered from the heap's start. */
typedef uint32_t page;

/* Those that nobody has come last; CLEAN ones are zeros. */
enum state { WRITABLE, READABLE, UNREACHABLE, FREE, CLEAN };

/* Pages of one state, from `first` to below `end`. */
struct range {
    page first, end;
    enum state state;
};

/* Make room for what one `ranges_set` can add; 0, or -ENOMEM. */
int ranges_reserve(void);

/* Give pages a state. There must be room. */
void ranges_set(page first, page end, enum state state);

/* The range with a page; one of WRITABLE pages ends at `limit` at the latest. */
struct range ranges_at(page at, page limit);

/* The first FREE or CLEAN range of at least that many pages; `end` is 0 if there is none. */
struct range ranges_free(page count);

/* Of pages.c: the heap's start, the end of the range that grows in place, in bytes from there, and pages from the heap's
 * untouched end; NULL at its limit. */
char *pages_heap(void);
size_t pages_break_end(void);
void *pages_advance(size_t size);

#endif
