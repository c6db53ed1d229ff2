/* The image's archive: USTAR (POSIX.1-1988), read where it lies; nothing is copied but names. */
#include <errno.h>
#include <string.h>

#include "tree.h"

enum { RECORD = 512, NAME_AT = 0, MODE_AT = 100, SIZE_AT = 124, TYPE_AT = 156, PREFIX_AT = 345 };
enum { NAME_SIZE = 100, MODE_SIZE = 8, SIZE_SIZE = 12, PREFIX_SIZE = 155 };

static uint64_t octal(const uint8_t *digits, size_t count)
{
    uint64_t value = 0;

    for (size_t i = 0; i < count && digits[i] >= '0' && digits[i] <= '7'; i++)
        value = value * 8 + (uint64_t)(digits[i] - '0');
    return value;
}

/* Append a field that ends at its size or at a zero byte; the new length. */
static size_t append(char *path, size_t length, const uint8_t *field, size_t size)
{
    size_t count = strnlen((const char *)field, size);

    memcpy(path + length, field, count);
    return length + count;
}

/* The folder that a path lies in, made on the way; `*rest` becomes its last part. */
static struct node *folder_of(struct node *at, const char **rest)
{
    const char *slash;

    while (at && at->kind == FOLDER_NODE && (slash = strchr(*rest, '/'))) {
        size_t length = (size_t)(slash - *rest);

        if (length) {
            struct node *child = tree_child(at, *rest, length);

            at = child ? child : tree_add(at, *rest, length, FOLDER_NODE);
        }
        *rest = slash + 1;
    }
    return at;
}

static int add_entry(struct node *root, const uint8_t *record, const uint8_t *data, uint64_t size)
{
    char path[PREFIX_SIZE + 1 + NAME_SIZE + 1];
    const char *rest = path;
    size_t length = append(path, 0, record + PREFIX_AT, PREFIX_SIZE);
    struct node *folder, *file;
    int is_folder = record[TYPE_AT] == '5';

    if (length)
        path[length++] = '/';
    length = append(path, length, record + NAME_AT, NAME_SIZE);
    path[length] = 0;
    if (!(folder = folder_of(root, &rest)))
        return -ENOMEM;
    if (folder->kind != FOLDER_NODE)
        return -EIO;
    if (!*rest || (is_folder && tree_child(folder, rest, strlen(rest))))
        return 0;
    if (!(file = tree_add(folder, rest, strlen(rest), is_folder ? FOLDER_NODE : FILE_NODE)))
        return -ENOMEM;
    file->mode = (unsigned)octal(record + MODE_AT, MODE_SIZE) & PERMISSIONS;
    file->base = data;
    file->base_size = file->size = is_folder ? 0 : size;
    return 0;
}

int archive_read(struct node *root, const uint8_t *archive, size_t size)
{
    size_t at = 0;

    while (size - at >= RECORD && archive[at]) {
        const uint8_t *record = archive + at;
        uint64_t length = octal(record + SIZE_AT, SIZE_SIZE);
        int error;

        at += RECORD;
        if (length > size - at)
            return -EIO;
        if ((record[TYPE_AT] == '0' || record[TYPE_AT] == 0 || record[TYPE_AT] == '5')
            && (error = add_entry(root, record, archive + at, length)))
            return error;
        at += (size_t)((length + RECORD - 1) / RECORD * RECORD);
        if (at > size)
            break;
    }
    return 0;
}
