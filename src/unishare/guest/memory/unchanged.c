/*
 * Pages of the C library's heap that are again what they were in the snapshot which the instance began from.
 *
 * Counts of references go up and down, lists get an entry and lose it: what a request wrote to is its own page from then on,
 * but when the request is over it often holds the snapshot's bytes again. What a page held there is seen by discarding it; one
 * that differs is written back. No memory is touched meanwhile but these pages and the room for copies.
 */
#include <stdint.h>

#include <unishare/memory.h>
#include <unishare/platform.h>

#include "ranges.h"

void *memcpy(void *restrict, const void *restrict, size_t);

/* What an interpreter makes at its start comes first in the heap. To compare more than this would take longer than it is
 * worth. */
enum { COMPARED = 1 << 20 };

typedef uint64_t __attribute__((may_alias)) word;

static int differ(const word *left, const word *right)
{
    for (size_t i = 0; i < UNISHARE_PAGE_SIZE / sizeof(word); i++)
        if (left[i] != right[i])
            return 1;
    return 0;
}

static void drop(char *start, size_t size, char *copy)
{
    memcpy(copy, start, size);
    if (unishare_pages_discard(start, size))
        return;
    for (size_t at = 0; at < size; at += UNISHARE_PAGE_SIZE)
        if (differ((const word *)(start + at), (const word *)(copy + at)))
            memcpy(start + at, copy + at, UNISHARE_PAGE_SIZE);
}

void unishare_pages_drop_unchanged(void *room, size_t size)
{
    page end = (page)(pages_break_end() / UNISHARE_PAGE_SIZE), most = (page)(size / UNISHARE_PAGE_SIZE), to;

    if (!unishare_boot_page->generation || !most)
        return;
    if (end > COMPARED / UNISHARE_PAGE_SIZE)
        end = COMPARED / UNISHARE_PAGE_SIZE;
    for (page at = 0; at < end; at = to) {
        struct range range = ranges_at(at, end);

        to = range.end < at + most ? range.end : at + most;
        if (range.state == WRITABLE)
            drop(pages_heap() + (size_t)at * UNISHARE_PAGE_SIZE, (size_t)(to - at) * UNISHARE_PAGE_SIZE, room);
    }
}
