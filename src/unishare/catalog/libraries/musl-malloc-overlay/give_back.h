/*
 * The last lines of musl's malloc.c (musl-malloc.toml appends the #include): whole pages inside free chunks go back to the
 * host, and so does a heap apart from the first in which nothing is allocated any more.
 *
 * Called when the instance has nothing to do (guest/invoke). malloc.c itself does this only for what it frees in chunks of more
 * than RECLAIM bytes. A chunk's head, with its sizes and its links, stays; so does what lies in the page of the next one. With
 * `clear`, that becomes zeros: as it is in a snapshot, so that the page may be the same again.
 */
int unishare_pages_discard(void *start, size_t size);

/* Every request writes to the heads of the lists of free chunks, 1552 bytes: they shall lie in one page, not across two. */
extern __typeof__(mal) mal __attribute__((aligned(2048)));

/* A page that is clear already is not written to: it may be the snapshot's. */
static void clear_words(uintptr_t at, uintptr_t end)
{
    for (; at < end; at += sizeof(size_t))
        if (*(size_t *)at)
            *(size_t *)at = 0;
}

static void give_back_chunk(struct chunk *c, int clear)
{
    uintptr_t begin = (uintptr_t)(c + 1), end = (uintptr_t)NEXT_CHUNK(c);
    uintptr_t first = begin + PAGE_SIZE - 1 & -PAGE_SIZE, last = end & -PAGE_SIZE;

    if (first < last)
        unishare_pages_discard((void *)first, last - first);
    else
        first = last = end;
    if (!clear)
        return;
    clear_words(begin, first);
    clear_words(last, end);
}

/* Whether a free chunk fills a heap apart from the first. Those begin at a page, with room for a head that nothing uses, and
 * end at one, with the head of a chunk of no size. */
static int fills_heap(struct chunk *c)
{
    uintptr_t begin = (uintptr_t)CHUNK_TO_MEM(c) - SIZE_ALIGN, end = (uintptr_t)CHUNK_TO_MEM(NEXT_CHUNK(c));

    return c->psize == C_INUSE && NEXT_CHUNK(c)->csize == C_INUSE && begin >= mal.brk && !(begin % PAGE_SIZE)
           && !(end % PAGE_SIZE);
}

static void give_back_heap(struct chunk *c)
{
    char *begin = (char *)CHUNK_TO_MEM(c) - SIZE_ALIGN, *end = CHUNK_TO_MEM(NEXT_CHUNK(c));

    unbin(c, bin_index(CHUNK_SIZE(c)));
    if (mal.end == end)
        mal.end = NULL;
    mal.mmap_step = 0;
    __munmap(begin, end - begin);
}

/* They are in the list of chunks that large, or in the last one. */
static void give_back_heaps(void)
{
    struct chunk *next;

    for (int i = bin_index(PAGE_SIZE - 2 * SIZE_ALIGN); i < 64; i++) {
        if (!(mal.binmap & 1ULL << i))
            continue;
        for (struct chunk *c = mal.bins[i].head; c != BIN_TO_CHUNK(i); c = next) {
            next = c->next;
            if (fills_heap(c))
                give_back_heap(c);
        }
    }
}

void unishare_malloc_give_back(int clear)
{
    give_back_heaps();
    for (int i = clear ? 0 : bin_index(PAGE_SIZE); i < 64; i++) {
        if (!(mal.binmap & 1ULL << i))
            continue;
        for (struct chunk *c = mal.bins[i].head; c != BIN_TO_CHUNK(i); c = c->next)
            give_back_chunk(c, clear);
    }
}
