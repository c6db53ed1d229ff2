/* Calls that move bytes of what is open, and positions in it. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <unishare/files.h>

#include "descriptors.h"

/* What is open for reading or writing (`mode`, or O_RDWR); NULL with `*error`. */
static struct description *open_for(int descriptor, int mode, int64_t *error)
{
    struct description *open = descriptor_lookup(descriptor);
    int granted = open ? open->flags & O_ACCMODE : 0;

    if (!open || (granted != mode && granted != O_RDWR)) {
        *error = -EBADF;
        return NULL;
    }
    if (open->node && open->node->kind == FOLDER_NODE) {
        *error = -EISDIR;
        return NULL;
    }
    return open;
}

static int is_device(const struct description *open)
{
    return !open->node || open->node->kind == DEVICE_NODE;
}

static enum device device_of(const struct description *open)
{
    return open->node ? open->node->device : CONSOLE_DEVICE;
}

static int64_t read_from(const struct description *open, void *into, size_t size, uint64_t offset)
{
    return is_device(open) ? device_read(device_of(open), into, size) : content_read(open->node, into, size, offset);
}

static int64_t write_to(const struct description *open, const void *from, size_t size, uint64_t offset)
{
    return is_device(open) ? device_write(device_of(open), from, size) : content_write(open->node, from, size, offset);
}

int64_t unishare_files_read(int descriptor, void *into, size_t size)
{
    int64_t done = 0;
    struct description *open = open_for(descriptor, O_RDONLY, &done);

    if (!open)
        return done;
    done = read_from(open, into, size, open->position);
    if (done > 0 && !is_device(open))
        open->position += (uint64_t)done;
    return done;
}

int64_t unishare_files_write(int descriptor, const void *from, size_t size)
{
    int64_t done = 0;
    struct description *open = open_for(descriptor, O_WRONLY, &done);

    if (!open)
        return done;
    if (open->flags & O_APPEND && !is_device(open))
        open->position = open->node->size;
    done = write_to(open, from, size, open->position);
    if (done > 0 && !is_device(open))
        open->position += (uint64_t)done;
    return done;
}

int64_t unishare_files_read_at(int descriptor, void *into, size_t size, int64_t offset)
{
    int64_t error = 0;
    struct description *open = offset < 0 ? NULL : open_for(descriptor, O_RDONLY, &error);

    if (!open)
        return offset < 0 ? -EINVAL : error;
    return open->node ? read_from(open, into, size, (uint64_t)offset) : -ESPIPE;
}

/* As on Linux, what is open for appending is appended to, whatever the offset. */
int64_t unishare_files_write_at(int descriptor, const void *from, size_t size, int64_t offset)
{
    int64_t error = 0;
    struct description *open = offset < 0 ? NULL : open_for(descriptor, O_WRONLY, &error);

    if (!open)
        return offset < 0 ? -EINVAL : error;
    if (!open->node)
        return -ESPIPE;
    return write_to(open, from, size, open->flags & O_APPEND ? open->node->size : (uint64_t)offset);
}

int64_t unishare_files_seek(int descriptor, int64_t offset, int whence)
{
    struct description *open = descriptor_lookup(descriptor);
    int64_t from;

    if (!open)
        return -EBADF;
    if (!open->node)
        return -ESPIPE;
    if (whence < SEEK_SET || whence > SEEK_END)
        return -EINVAL;
    if (open->node->kind == DEVICE_NODE)
        return 0;
    from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? (int64_t)open->position : (int64_t)open->node->size;
    if (__builtin_add_overflow(from, offset, &from) || from < 0)
        return -EINVAL;
    open->position = (uint64_t)from;
    return from;
}

int64_t unishare_files_truncate_open(int descriptor, int64_t size)
{
    struct description *open = descriptor_lookup(descriptor);

    if (size < 0)
        return -EINVAL;
    if (!open)
        return -EBADF;
    if (is_device(open) || open->node->kind != FILE_NODE || (open->flags & O_ACCMODE) == O_RDONLY)
        return -EINVAL;
    return content_resize(open->node, (uint64_t)size);
}
