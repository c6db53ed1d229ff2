/*
 * The engine's memory: the C library's, and whether there was once none. A job that finds no memory for the next one ends a
 * chain of promises without a word; what is known here tells that from a promise which nothing settles.
 */
#include <malloc.h>
#include <stdlib.h>

#include "javascript.h"

static int has_failed;

static void *noting(void *memory)
{
    if (!memory)
        has_failed = 1;
    return memory;
}

static void *take_clear(void *unused, size_t count, size_t size)
{
    (void)unused;
    return noting(calloc(count, size));
}

static void *take(void *unused, size_t size)
{
    (void)unused;
    return noting(malloc(size));
}

static void give(void *unused, void *memory)
{
    (void)unused;
    free(memory);
}

static void *resize(void *unused, void *memory, size_t size)
{
    (void)unused;
    return noting(realloc(memory, size));
}

static size_t usable_size(const void *memory)
{
    return malloc_usable_size((void *)memory);
}

const JSMallocFunctions allocation = {take_clear, take, give, resize, usable_size};

int allocation_has_failed(void)
{
    return has_failed;
}

void allocation_new_request(void)
{
    if (has_failed)
        has_failed = 0;
}
