/*
 * The last lines of musl's malloc.c (musl-malloc.toml appends the #include): whole pages inside free chunks go back to the
 * host.
 *
 * Called when the instance has nothing to do (guest/invoke). malloc.c itself does this only for what it frees in chunks of more
 * than RECLAIM bytes. A chunk's head, with its sizes and its links, stays; so does what lies in the page of the next one.
 */
int unishare_pages_discard(void *start, size_t size);

void unishare_malloc_give_back(void)
{
    for (int i = bin_index(PAGE_SIZE); i < 64; i++) {
        if (!(mal.binmap & 1ULL << i))
            continue;
        for (struct chunk *c = mal.bins[i].head; c != BIN_TO_CHUNK(i); c = c->next) {
            uintptr_t start = (uintptr_t)(c + 1) + PAGE_SIZE - 1 & -PAGE_SIZE;
            uintptr_t end = (uintptr_t)NEXT_CHUNK(c) & -PAGE_SIZE;

            if (start < end)
                unishare_pages_discard((void *)start, end - start);
        }
    }
}
