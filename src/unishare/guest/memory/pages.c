/*
 * The heap's pages: first fit over a list of free ranges, kept by address, else from the untouched end.
 *
 * A free range's record lies in its own first bytes: those pages were written before, so it costs no further page. Pages from the
 * untouched end are zero already. Others are cleared when they are taken again, unless they were discarded: a range is dirty as a whole
 * or, behind its record, clean as a whole. A function that frees and takes the same pages while it is busy should pay for neither
 * system calls nor page faults, so small ranges are discarded only when the instance has nothing to do. One thread: no locks.
 */
#include <stdint.h>

#include <unishare/memory.h>
#include <unishare/platform.h>

void *memcpy(void *restrict, const void *restrict, size_t);
void *memset(void *, int, size_t);

struct range {
    struct range *next;
    size_t size;
    int dirty; /* of a clean range only this record is not zeros */
};

/* From here on a range is discarded at once: clearing it later would cost as much. */
enum { LARGE = 1 << 20 };

static struct range *free_ranges; /* ascending by address; those that touch each other differ in `dirty` */
static size_t used;               /* bytes from heap_start to the untouched end */
static size_t ready;              /* bytes that the tender has made usable */
static size_t break_end;          /* the growing range's end, in bytes from heap_start */
static int break_begun;

static size_t round_to_pages(size_t size)
{
    return (size + UNISHARE_PAGE_SIZE - 1) & ~(size_t)(UNISHARE_PAGE_SIZE - 1);
}

static char *heap(void)
{
    return (char *)unishare_boot_page->heap_start;
}

/* Move the untouched end up by `size` bytes; 0 if the limit does not allow it. */
static int advance(size_t size)
{
    if (size > unishare_boot_page->heap_limit - used)
        return 0;
    if (!ready)
        ready = unishare_boot_page->heap_ready;
    if (used + size > ready) {
        int64_t grown = unishare_hypercall(UNISHARE_CALL_HEAP_GROW, used + size, 0, 0);

        if (grown < 0)
            return 0;
        ready = (size_t)grown;
    }
    used += size;
    return 1;
}

int unishare_pages_discard(void *start, size_t size)
{
    return !size || unishare_hypercall(UNISHARE_CALL_DISCARD, (uint64_t)start, size, 0) == 0;
}

/* It can grow only while nothing else was taken from the untouched end behind it. Whole pages: the C library asks for those. */
void *unishare_pages_break(void *wanted)
{
    size_t end = break_begun ? break_end : used;

    break_begun = 1;
    if ((char *)wanted > heap() + end && end == used && advance(round_to_pages((size_t)((char *)wanted - heap()) - end)))
        end = used;
    break_end = end;
    return heap() + end;
}

/* Zeros for whoever takes the first `size` bytes of a free range, which has left the list. */
static void *clear(struct range *found, size_t size)
{
    return memset(found, 0, found->dirty ? size : sizeof *found);
}

void *unishare_pages_take(size_t size)
{
    size_t wanted = round_to_pages(size);

    if (!wanted || wanted < size)
        return NULL;
    for (struct range **link = &free_ranges; *link; link = &(*link)->next) {
        struct range *found = *link;

        if (found->size < wanted)
            continue;
        if (found->size == wanted) {
            *link = found->next;
        } else {
            struct range *rest = (struct range *)((char *)found + wanted);

            *rest = (struct range){found->next, found->size - wanted, found->dirty};
            *link = rest;
        }
        return clear(found, wanted);
    }
    return advance(wanted) ? heap() + used - wanted : NULL;
}

static int touches(const struct range *range)
{
    return range->next && (char *)range + range->size == (char *)range->next;
}

/* Join a range with the one behind it if they touch and are alike. */
static void join(struct range *range)
{
    struct range *behind = range->next;

    if (!touches(range) || range->dirty != behind->dirty)
        return;
    range->size += behind->size;
    range->next = behind->next;
    if (!range->dirty)
        *behind = (struct range){0};
}

void unishare_pages_give(void *start, size_t size)
{
    struct range *given = start, *before = NULL;
    int dirty;

    size = round_to_pages(size);
    if (!size || (char *)start < heap() || (char *)start + size > heap() + used)
        return;
    for (struct range *range = free_ranges; range && range < given; range = range->next)
        before = range;
    dirty = size < LARGE || !unishare_pages_discard(start, size);
    *given = (struct range){before ? before->next : free_ranges, size, dirty};
    *(before ? &before->next : &free_ranges) = given;
    join(given);
    if (before)
        join(before);
}

/* The last range goes back to the untouched end, if it reaches there. All others keep the page of their record. */
void unishare_pages_give_back(void)
{
    struct range **link = &free_ranges;

    while (*link) {
        struct range *range = *link;

        while (touches(range)) {
            range->size += range->next->size;
            range->next = range->next->next;
            range->dirty = 1;
        }
        if ((char *)range + range->size == heap() + used && unishare_pages_discard(range, range->size)) {
            used -= (size_t)(heap() + used - (char *)range);
            *link = NULL;
            return;
        }
        if (range->dirty && unishare_pages_discard((char *)range + UNISHARE_PAGE_SIZE, range->size - UNISHARE_PAGE_SIZE)) {
            memset(range + 1, 0, UNISHARE_PAGE_SIZE - sizeof *range);
            range->dirty = 0;
        }
        link = &range->next;
    }
}

void *unishare_pages_resize(void *start, size_t old_size, size_t new_size, int may_move)
{
    size_t old = round_to_pages(old_size), wanted = round_to_pages(new_size);
    void *moved;

    if (wanted < new_size || !wanted)
        return NULL;
    if (wanted <= old) {
        unishare_pages_give((char *)start + wanted, old - wanted);
        return start;
    }
    if ((char *)start + old == heap() + used && advance(wanted - old))
        return start;
    if (!may_move || !(moved = unishare_pages_take(wanted)))
        return NULL;
    memcpy(moved, start, old);
    unishare_pages_give(start, old);
    return moved;
}
