/* Hooks around snapshots, and memory that a snapshot may hold: nothing of the requests that warmed the instance up. */
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <unishare/function.h>
#include <unishare/memory.h>
#include <unishare/platform.h>

#include "snapshot.h"

enum { HOOKS = 16, LARGEST = 1 << 20, SMALLEST = 16, ROOM = 64 << 10 };

struct hooks {
    void (*run[HOOKS])(void);
    unsigned count;
};

static struct hooks on_resume, on_snapshot;

static int add(struct hooks *hooks, void (*hook)(void))
{
    if (hooks->count == HOOKS)
        return -1;
    hooks->run[hooks->count++] = hook;
    return 0;
}

static void run(const struct hooks *hooks)
{
    for (unsigned i = 0; i < hooks->count; i++)
        hooks->run[i]();
}

int unishare_on_resume(void (*hook)(void))
{
    return add(&on_resume, hook);
}

int unishare_on_snapshot(void (*hook)(void))
{
    return add(&on_snapshot, hook);
}

void snapshot_resumed(void)
{
    unishare_pages_restore_rights();
    run(&on_resume);
}

int snapshot_is_wanted(void)
{
    return (unishare_boot_page->flags & UNISHARE_BOOT_SNAPSHOT) != 0;
}

/*
 * Take all free memory from the allocator, whatever its inside looks like, and overwrite it: a list of pieces. While the heap
 * may not grow, malloc has nothing but what was freed; halving the size finds every piece of it.
 */
static void *take_free_memory(void)
{
    void *taken = NULL;

    unishare_pages_hold(1);
    for (size_t size = LARGEST; size >= SMALLEST; size /= 2) {
        void *piece;

        while ((piece = malloc(size))) {
            memset(piece, 0, malloc_usable_size(piece));
            *(void **)piece = taken;
            taken = piece;
        }
    }
    unishare_pages_hold(0);
    return taken;
}

/* Pieces of less than a page are never used again: what a request allocates and frees would leave other links of free pieces in
 * pages that are a snapshot's. */
static void overwrite_free_memory(void)
{
    void *next;

    for (void *taken = take_free_memory(); taken; taken = next) {
        next = *(void **)taken;
        *(void **)taken = NULL;
        if (malloc_usable_size(taken) >= UNISHARE_PAGE_SIZE)
            free(taken);
    }
}

/* What is taken is never freed. Whole pages of it cost nothing: they are zeros. */
void unishare_part_heap(void)
{
    if (snapshot_is_wanted())
        take_free_memory();
}

/* Free pages that nobody has written to cost nothing; the allocator would begin a heap elsewhere for a request that needs more
 * than is free. */
void snapshot_make_room(void)
{
    free(malloc(ROOM));
}

void snapshot_prepare(void)
{
    run(&on_snapshot);
    overwrite_free_memory();
}
