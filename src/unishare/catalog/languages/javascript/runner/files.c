/*
 * The image's own files: a USTAR archive (POSIX.1-1988, as guest/files reads it), walked where it lies. A handler is parsed in
 * place: neither a copy of it nor a tree of the files becomes private memory of the instance.
 */
#include <stdlib.h>
#include <string.h>

#include "javascript.h"

enum { RECORD = 512, SIZE_AT = 124, TYPE_AT = 156, NAME_SIZE = 100, SIZE_SIZE = 12 };

static const uint8_t *archive;
static size_t archive_size;

void files_use(const uint8_t *start, size_t size)
{
    archive = start;
    archive_size = size;
}

static size_t octal(const uint8_t *digits)
{
    size_t value = 0;

    for (int i = 0; i < SIZE_SIZE && digits[i] >= '0' && digits[i] <= '7'; i++)
        value = value * 8 + (size_t)(digits[i] - '0');
    return value;
}

/* A file's offset in the archive and its size; 0 if it is not there. Names have no first slash. */
static int find(const char *path, size_t *offset, size_t *size)
{
    const char *name = *path == '/' ? path + 1 : path;
    size_t at = 0;

    if (strlen(name) >= NAME_SIZE)
        return 0;
    while (archive_size - at >= RECORD && archive[at]) {
        const uint8_t *record = archive + at;

        *size = octal(record + SIZE_AT);
        *offset = at += RECORD;
        if (*size > archive_size - at)
            return 0;
        if ((record[TYPE_AT] == '0' || !record[TYPE_AT]) && !strncmp((const char *)record, name, NAME_SIZE))
            return 1;
        at += (*size + RECORD - 1) / RECORD * RECORD;
        if (at > archive_size)
            return 0;
    }
    return 0;
}

int file_exists(const char *path)
{
    size_t offset, size;

    return find(path, &offset, &size);
}

int file_open(const char *path, struct file *file)
{
    size_t offset;

    *file = (struct file){0};
    if (!find(path, &offset, &file->size))
        return 0;
    file->text = (const char *)archive + offset;
    /* Records are filled up with zero bytes: only a file that ends with its record has none. */
    if (file->size % RECORD)
        return 1;
    if (!(file->copy = malloc(file->size + 1)))
        return 0;
    memcpy(file->copy, file->text, file->size);
    file->copy[file->size] = 0;
    file->text = file->copy;
    return 1;
}

void file_close(struct file *file)
{
    free(file->copy);
    *file = (struct file){0};
}
