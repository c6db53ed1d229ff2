/*
 * The heap's pages: first fit over the free ranges, else from the untouched end.
 *
 * Pages from the untouched end are zero already, and so are those that were discarded; other free ones are cleared when they
 * are taken again. A function that frees and takes the same pages while it is busy should pay for neither system calls nor page
 * faults: so only much is discarded at once, the rest when the instance has nothing to do. One thread: no locks.
 */
#include <errno.h>
#include <stdint.h>

#include <unishare/memory.h>
#include <unishare/platform.h>

#include "ranges.h"

void *memcpy(void *restrict, const void *restrict, size_t);
void *memset(void *, int, size_t);

/* From here on pages are discarded when they are given back: clearing them later would cost as much. */
enum { LARGE = 1 << 20 };

static size_t used;      /* bytes from heap_start to the untouched end */
static size_t ready;     /* bytes that the tender has made usable */
static size_t break_end; /* the growing range's end, in bytes from heap_start */
static size_t in_snapshot; /* what a snapshot has pages of, in bytes from heap_start */
static int break_begun;
static int held;

static size_t round_to_pages(size_t size)
{
    return (size + UNISHARE_PAGE_SIZE - 1) & ~(size_t)(UNISHARE_PAGE_SIZE - 1);
}

char *pages_heap(void)
{
    return (char *)unishare_boot_page->heap_start;
}

static page page_of(size_t offset)
{
    return (page)(offset / UNISHARE_PAGE_SIZE);
}

static char *address_of(page number)
{
    return pages_heap() + (size_t)number * UNISHARE_PAGE_SIZE;
}

/* Move the untouched end up by `size` bytes; NULL if the limit does not allow it, else where it was. */
void *pages_advance(size_t size)
{
    if (held || size > unishare_boot_page->heap_limit - used)
        return NULL;
    if (!ready)
        ready = unishare_boot_page->heap_ready;
    if (used + size > ready) {
        int64_t grown = unishare_hypercall(UNISHARE_CALL_HEAP_GROW, used + size, 0, 0);

        if (grown < 0)
            return NULL;
        ready = (size_t)grown;
    }
    used += size;
    return pages_heap() + used - size;
}

/* Whole pages of the heap: their numbers in `range`; 0 if they are not, or end behind the limit. */
static int in_heap(const void *start, size_t size, struct range *range)
{
    size_t offset = (size_t)((const char *)start - pages_heap());

    if (offset > unishare_boot_page->heap_limit || size > unishare_boot_page->heap_limit - offset)
        return 0;
    range->first = page_of(offset);
    range->end = page_of(offset + size);
    return 1;
}

/* It can grow only while nothing else was taken from the untouched end behind it. Whole pages: the C library asks for those. */
void *unishare_pages_break(void *wanted)
{
    size_t end = break_begun ? break_end : used;

    break_begun = 1;
    if ((char *)wanted > pages_heap() + end && end == used
        && pages_advance(round_to_pages((size_t)((char *)wanted - pages_heap()) - end)))
        end = used;
    break_end = end;
    return pages_heap() + end;
}

size_t pages_break_end(void)
{
    return break_end;
}

/* Take pages of one free range again. */
static void *reuse(page first, page end, enum state state)
{
    ranges_set(first, end, WRITABLE);
    if (state == CLEAN)
        return address_of(first);
    return memset(address_of(first), 0, (size_t)(end - first) * UNISHARE_PAGE_SIZE);
}

int unishare_pages_discard(void *start, size_t size)
{
    return size ? (int)unishare_hypercall(UNISHARE_CALL_DISCARD, (uint64_t)start, size, 0) : 0;
}

void *unishare_pages_take(size_t size)
{
    size_t wanted = round_to_pages(size);
    struct range found;

    if (held || !wanted || wanted < size)
        return NULL;
    if (wanted <= used && !ranges_reserve() && (found = ranges_free(page_of(wanted))).end)
        return reuse(found.first, found.first + page_of(wanted), found.state);
    return pages_advance(wanted);
}

static const unsigned char rights[] = {
    [WRITABLE] = UNISHARE_PAGES_WRITE, [READABLE] = UNISHARE_PAGES_READ, [UNREACHABLE] = UNISHARE_PAGES_NONE,
    [FREE] = UNISHARE_PAGES_WRITE,     [CLEAN] = UNISHARE_PAGES_WRITE,
};

/* Give taken pages another state, telling the tender of those that it has to know of; 0, or the tender's -errno. */
static int change(page first, page end, enum state state)
{
    while (first < end) {
        struct range old = ranges_at(first, end);
        page to = old.end < end ? old.end : end;

        if (rights[old.state] != rights[state]) {
            int64_t error = unishare_hypercall(UNISHARE_CALL_PROTECT, (uint64_t)address_of(first),
                                               (uint64_t)(to - first) * UNISHARE_PAGE_SIZE, rights[state]);

            if (error < 0)
                return (int)error;
        }
        if (ranges_reserve())
            return -ENOMEM;
        ranges_set(first, to, state);
        first = to;
    }
    return 0;
}

/* From that page on: behind what is in the snapshot that the instance began from. */
static int discarding_clears(page first)
{
    return !unishare_boot_page->generation || first >= page_of(in_snapshot);
}

int unishare_pages_give(void *start, size_t size)
{
    enum state state = FREE;
    struct range given;

    if (!in_heap(start, round_to_pages(size), &given))
        return -EINVAL;
    if (given.end > page_of(used))
        given.end = page_of(used);
    if (given.first >= given.end)
        return 0;
    if (size >= LARGE && discarding_clears(given.first)
        && !unishare_pages_discard(start, (size_t)(given.end - given.first) * UNISHARE_PAGE_SIZE))
        state = CLEAN;
    return change(given.first, given.end, state);
}

/* What ends at the untouched end becomes part of it. */
void unishare_pages_give_back(void)
{
    struct range range = {0, 0, WRITABLE};

    for (page at = 0; at < page_of(used); at = range.end) {
        range = ranges_at(at, page_of(used));
        if (range.state == FREE
            && !unishare_pages_discard(address_of(range.first), (size_t)(range.end - range.first) * UNISHARE_PAGE_SIZE)) {
            if (discarding_clears(range.first))
                ranges_set(range.first, range.end, CLEAN);
            range = ranges_at(at, page_of(used));
        }
    }
    if (range.state == CLEAN) {
        ranges_set(range.first, range.end, WRITABLE);
        used = (size_t)range.first * UNISHARE_PAGE_SIZE;
    }
    if (unishare_boot_page->flags & UNISHARE_BOOT_SNAPSHOT)
        in_snapshot = used;
}

/* The end of the taken pages from `first` on, `end` at most. */
static page taken_until(page first, page end)
{
    while (first < end) {
        struct range next = ranges_at(first, end);

        if (next.state >= FREE)
            break;
        first = next.end;
    }
    return first < end ? first : end;
}

int unishare_pages_protect(void *start, size_t size, enum unishare_rights wanted_rights)
{
    static const unsigned char states[] = {
        [UNISHARE_PAGES_NONE] = UNREACHABLE,
        [UNISHARE_PAGES_READ] = READABLE,
        [UNISHARE_PAGES_WRITE] = WRITABLE,
    };
    struct range wanted;
    page until;
    int error;

    if (!in_heap(start, round_to_pages(size), &wanted))
        return -EACCES;
    until = taken_until(wanted.first, wanted.end < page_of(used) ? wanted.end : page_of(used));
    if ((error = change(wanted.first, until, states[wanted_rights])))
        return error;
    return until < wanted.end ? -ENOMEM : 0;
}

int unishare_pages_replace(void *start, size_t size)
{
    struct range wanted;
    int error;

    if (!in_heap(start, round_to_pages(size), &wanted) || wanted.end > page_of(used))
        return -ENOMEM;
    if ((error = change(wanted.first, wanted.end, WRITABLE)))
        return error;
    memset(start, 0, round_to_pages(size));
    return 0;
}

/* Whether all of these pages are taken and writable. */
static int plain(struct range range)
{
    struct range found = ranges_at(range.first, range.end);

    return found.state == WRITABLE && found.end >= range.end;
}

/* Make a range that ends at page `end` longer where it is, into the untouched end or a free range; 0 if something else is
 * there. */
static int extend(page end, page more)
{
    struct range behind = ranges_at(end, page_of(used));

    if (held)
        return 0;
    if (end == page_of(used))
        return pages_advance((size_t)more * UNISHARE_PAGE_SIZE) != NULL;
    if (behind.state < FREE || behind.end - end < more || ranges_reserve())
        return 0;
    reuse(end, end + more, behind.state);
    return 1;
}

void *unishare_pages_resize(void *start, size_t old_size, size_t new_size, int may_move)
{
    size_t old = round_to_pages(old_size), wanted = round_to_pages(new_size);
    struct range range;
    void *moved;

    if (wanted < new_size || !wanted || !old || !in_heap(start, old, &range) || range.end > page_of(used) || !plain(range))
        return NULL;
    if (wanted <= old)
        return unishare_pages_give((char *)start + wanted, old - wanted) ? NULL : start;
    if (extend(range.end, page_of(wanted - old)))
        return start;
    if (!may_move || !(moved = unishare_pages_take(wanted)))
        return NULL;
    memcpy(moved, start, old);
    unishare_pages_give(start, old);
    return moved;
}

/* They are the tender's, not the memory's: a snapshot does not hold them. */
void unishare_pages_restore_rights(void)
{
    page end = page_of(used);

    for (page first = 0; first < end;) {
        struct range range = ranges_at(first, end);

        if (range.state == READABLE || range.state == UNREACHABLE)
            unishare_hypercall(UNISHARE_CALL_PROTECT, (uint64_t)address_of(range.first),
                               (uint64_t)(range.end - range.first) * UNISHARE_PAGE_SIZE, rights[range.state]);
        first = range.end;
    }
}

void unishare_pages_hold(int hold)
{
    held = hold;
}
