/*
 * What is known of the heap's pages: ranges that are not plainly taken and writable, by address, joined, never overlapping.
 *
 * The list lies apart from the pages that it is about: those may be unreachable, discarded, or written to by a guest that uses
 * them after it gave them back. A few ranges need no memory; beyond those the list has heap pages of its own. One thread: no
 * locks.
 */
#include <errno.h>

#include <unishare/abi.h>

#include "ranges.h"

void *memcpy(void *restrict, const void *restrict, size_t);
void *memmove(void *, const void *, size_t);

/* Setting one range cuts another in two; moving the list leaves its old pages free: three more at most. */
enum { FIRST_ROOM = 16, MOST_ADDED = 3 };

static struct range first_room[FIRST_ROOM];
static struct range *ranges = first_room;
static size_t count;
static size_t room = sizeof first_room; /* bytes */

/* The number of the first range that ends behind a page. */
static size_t find(page at)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (ranges[middle].end <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Put `fresh_count` ranges in place of those from number `from` to below `to`. */
static void splice(size_t from, size_t to, const struct range *fresh, size_t fresh_count)
{
    memmove(ranges + from + fresh_count, ranges + to, (count - to) * sizeof *ranges);
    memcpy(ranges + from, fresh, fresh_count * sizeof *ranges);
    count = count - (to - from) + fresh_count;
}

int ranges_reserve(void)
{
    size_t size = (2 * room + UNISHARE_PAGE_SIZE - 1) & ~(size_t)(UNISHARE_PAGE_SIZE - 1), before_room = room;
    struct range *before = ranges, *grown;

    if ((count + MOST_ADDED) * sizeof *ranges <= room)
        return 0;
    if (!(grown = pages_advance(size)))
        return -ENOMEM;
    memcpy(grown, ranges, count * sizeof *ranges);
    ranges = grown;
    room = size;
    if (before != first_room) {
        page first = (page)(((uintptr_t)before - (uintptr_t)pages_heap()) / UNISHARE_PAGE_SIZE);

        ranges_set(first, first + (page)(before_room / UNISHARE_PAGE_SIZE), FREE);
    }
    return 0;
}

/* Neighbours of one state become one range: the new one is written over both. */
void ranges_set(page first, page end, enum state state)
{
    size_t from = find(first), to = from, fresh_count = 0;
    struct range fresh[MOST_ADDED], middle = {first, end, state};

    if (first >= end)
        return;
    if (from && ranges[from - 1].end == first && ranges[from - 1].state == state)
        middle.first = ranges[--from].first;
    while (to < count && ranges[to].first < end)
        to++;
    if (to < count && ranges[to].first == end && ranges[to].state == state)
        end = middle.end = ranges[to++].end;
    for (size_t number = from; number < to; number++) {
        struct range old = ranges[number];

        if (old.state == state) {
            middle.first = old.first < middle.first ? old.first : middle.first;
            middle.end = old.end > middle.end ? old.end : middle.end;
        }
    }
    if (to > from && ranges[from].first < middle.first)
        fresh[fresh_count++] = (struct range){ranges[from].first, middle.first, ranges[from].state};
    if (state != WRITABLE)
        fresh[fresh_count++] = middle;
    if (to > from && ranges[to - 1].end > middle.end)
        fresh[fresh_count++] = (struct range){middle.end, ranges[to - 1].end, ranges[to - 1].state};
    splice(from, to, fresh, fresh_count);
}

struct range ranges_at(page at, page limit)
{
    size_t number = find(at);

    if (number == count)
        return (struct range){at, limit, WRITABLE};
    if (ranges[number].first <= at)
        return ranges[number];
    return (struct range){at, ranges[number].first < limit ? ranges[number].first : limit, WRITABLE};
}

struct range ranges_free(page wanted)
{
    for (size_t number = 0; number < count; number++)
        if (ranges[number].state >= FREE && ranges[number].end - ranges[number].first >= wanted)
            return ranges[number];
    return (struct range){0, 0, FREE};
}
