/*
 * The heap's pages: first fit over a list of free ranges, kept by address and joined, else from the untouched end.
 *
 * A free range's record lies in its own first bytes: those pages were written before, so it costs no further page. Pages from the
 * untouched end are zero already; used ones are cleared when they are taken again. One thread: no locks.
 */
#include <stdint.h>

#include <unishare/memory.h>
#include <unishare/platform.h>

void *memcpy(void *restrict, const void *restrict, size_t);
void *memset(void *, int, size_t);

struct range {
    struct range *next;
    size_t size;
};

static struct range *free_ranges; /* ascending by address, never touching each other */
static size_t used;               /* bytes from heap_start to the untouched end */
static size_t ready;              /* bytes that the tender has made usable */
static size_t break_end;          /* the growing range's end, in bytes from heap_start */
static int break_begun;
static int held;

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
    if (held || size > unishare_boot_page->heap_limit - used)
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

void *unishare_pages_take(size_t size)
{
    size_t wanted = round_to_pages(size);

    if (held || !wanted || wanted < size)
        return NULL;
    for (struct range **link = &free_ranges; *link; link = &(*link)->next) {
        struct range *found = *link;

        if (found->size < wanted)
            continue;
        if (found->size == wanted) {
            *link = found->next;
        } else {
            struct range *rest = (struct range *)((char *)found + wanted);

            rest->next = found->next;
            rest->size = found->size - wanted;
            *link = rest;
        }
        return memset(found, 0, wanted);
    }
    return advance(wanted) ? heap() + used - wanted : NULL;
}

/* Join a range with the one behind it if they touch. */
static void join(struct range *range)
{
    if (range->next && (char *)range + range->size == (char *)range->next) {
        range->size += range->next->size;
        range->next = range->next->next;
    }
}

void unishare_pages_give(void *start, size_t size)
{
    struct range *given = start, *before = NULL;

    size = round_to_pages(size);
    if (!size || (char *)start < heap() || (char *)start + size > heap() + used)
        return;
    for (struct range *one = free_ranges; one && one < given; one = one->next)
        before = one;
    given->size = size;
    given->next = before ? before->next : free_ranges;
    *(before ? &before->next : &free_ranges) = given;
    join(given);
    if (before)
        join(before);
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

void unishare_pages_hold(int hold)
{
    held = hold;
}
