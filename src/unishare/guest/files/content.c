/* A file's bytes: what the archive holds, overlaid block by block with what was written. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tree.h"

/* The block at an index if it was written. */
static uint8_t *written(const struct node *file, uint64_t index)
{
    return index < file->block_count ? file->blocks[index] : NULL;
}

/* Bytes of the archive that lie in a block; 0 behind its end. */
static size_t base_in_block(const struct node *file, uint64_t index)
{
    uint64_t start = index * BLOCK;

    if (start >= file->base_size)
        return 0;
    return file->base_size - start < BLOCK ? (size_t)(file->base_size - start) : BLOCK;
}

/* The block at an index, made writable: room in the list, then a copy of what was there. NULL without memory. */
static uint8_t *writable(struct node *file, uint64_t index)
{
    if (index >= file->block_count) {
        size_t count = file->block_count ? file->block_count : 8;
        uint8_t **blocks;

        if (index >= SIZE_MAX / sizeof *blocks / 2)
            return NULL;
        while (count <= index)
            count *= 2;
        if (!(blocks = realloc(file->blocks, count * sizeof *blocks)))
            return NULL;
        memset(blocks + file->block_count, 0, (count - file->block_count) * sizeof *blocks);
        file->blocks = blocks;
        file->block_count = count;
    }
    if (!file->blocks[index]) {
        size_t kept = base_in_block(file, index);

        if (!(file->blocks[index] = malloc(BLOCK)))
            return NULL;
        if (kept)
            memcpy(file->blocks[index], file->base + index * BLOCK, kept);
        memset(file->blocks[index] + kept, 0, BLOCK - kept);
    }
    return file->blocks[index];
}

int64_t content_read(const struct node *file, void *into, size_t size, uint64_t offset)
{
    uint8_t *at = into;

    if (offset >= file->size)
        return 0;
    if (size > file->size - offset)
        size = (size_t)(file->size - offset);
    for (size_t left = size; left;) {
        uint64_t index = offset / BLOCK;
        size_t start = offset % BLOCK, part = left < BLOCK - start ? left : BLOCK - start;
        const uint8_t *block = written(file, index);
        size_t base = base_in_block(file, index);

        if (block) {
            memcpy(at, block + start, part);
        } else {
            size_t from_base = start >= base ? 0 : base - start < part ? base - start : part;

            if (from_base)
                memcpy(at, file->base + offset, from_base);
            memset(at + from_base, 0, part - from_base);
        }
        at += part;
        offset += part;
        left -= part;
    }
    return (int64_t)size;
}

int64_t content_write(struct node *file, const void *from, size_t size, uint64_t offset)
{
    const uint8_t *at = from;
    size_t done = 0;

    if (offset + size < offset || offset + size > INT64_MAX)
        return -EFBIG;
    while (done < size) {
        size_t start = offset % BLOCK, part = size - done < BLOCK - start ? size - done : BLOCK - start;
        uint8_t *block = writable(file, offset / BLOCK);

        if (!block)
            break;
        memcpy(block + start, at + done, part);
        done += part;
        offset += part;
        if (offset > file->size)
            file->size = offset;
    }
    file->changed = tree_time_of_change(file);
    return done || !size ? (int64_t)done : -ENOSPC;
}

int content_resize(struct node *file, uint64_t size)
{
    if (size > INT64_MAX)
        return -EFBIG;
    if (size < file->size) {
        /* What is cut off must read as zeros if the file grows again. */
        if (size % BLOCK) {
            uint8_t *block = written(file, size / BLOCK);

            if (block)
                memset(block + size % BLOCK, 0, BLOCK - size % BLOCK);
        }
        for (uint64_t index = (size + BLOCK - 1) / BLOCK; index < file->block_count; index++) {
            free(file->blocks[index]);
            file->blocks[index] = NULL;
        }
        if (file->base_size > size)
            file->base_size = size;
    }
    file->size = size;
    file->changed = tree_time_of_change(file);
    return 0;
}

void content_free(struct node *file)
{
    for (size_t index = 0; index < file->block_count; index++)
        free(file->blocks[index]);
    free(file->blocks);
}
