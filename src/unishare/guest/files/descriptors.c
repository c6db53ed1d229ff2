/* Open files: descriptors, positions, and the calls that take them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <unishare/console.h>
#include <unishare/files.h>

#include "status.h"
#include "tree.h"

enum { DESCRIPTORS = 256, CONSOLE_LAST = 2 };

/* What an open() made; descriptors that were duplicated share it. A node of NULL is the console. */
struct description {
    struct node *node;
    uint64_t position;
    int flags;
    unsigned users;
};

static struct description console = {.flags = O_RDWR, .users = 1};
static struct description **table; /* grown when a descriptor beyond the console is opened */
static unsigned char console_closed[CONSOLE_LAST + 1];
static int table_size;

static struct description *lookup(int descriptor)
{
    if (descriptor >= 0 && descriptor < table_size && table[descriptor])
        return table[descriptor];
    if (descriptor >= 0 && descriptor <= CONSOLE_LAST && !console_closed[descriptor])
        return &console;
    return NULL;
}

/* A free descriptor from `least` on, with room for it in the table; or -errno. */
static int free_descriptor(int least)
{
    int descriptor = least;

    while (lookup(descriptor))
        descriptor++;
    if (descriptor >= DESCRIPTORS)
        return -EMFILE;
    if (descriptor >= table_size) {
        int size = table_size ? table_size : 8;
        struct description **grown;

        while (size <= descriptor)
            size *= 2;
        if (!(grown = realloc(table, (size_t)size * sizeof *grown)))
            return -ENOMEM;
        memset(grown + table_size, 0, (size_t)(size - table_size) * sizeof *grown);
        table = grown;
        table_size = size;
    }
    return descriptor;
}

int64_t unishare_files_open(const char *path, int flags)
{
    char name[NAME_ROOM];
    struct node *node, *folder;
    struct description *made;
    int error = tree_find(path, &node, &folder, name), descriptor;

    if (error == -ENOENT && folder && flags & O_CREAT && !(flags & O_DIRECTORY)) {
        if (!(node = tree_add(folder, name, strlen(name), 0)))
            return -ENOSPC;
    } else if (error) {
        return error;
    } else if (flags & O_CREAT && flags & O_EXCL) {
        return -EEXIST;
    }
    if (node->is_folder && ((flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT))
        return -EISDIR;
    if (!node->is_folder && flags & O_DIRECTORY)
        return -ENOTDIR;
    if ((descriptor = free_descriptor(0)) < 0)
        return descriptor;
    if (!(made = calloc(1, sizeof *made)))
        return -ENOMEM;
    if (flags & O_TRUNC && !node->is_folder && (flags & O_ACCMODE) != O_RDONLY)
        content_resize(node, 0);
    *made = (struct description){.node = node, .flags = flags, .users = 1};
    node->users++;
    table[descriptor] = made;
    return descriptor;
}

int64_t unishare_files_close(int descriptor)
{
    struct description *open = lookup(descriptor);

    if (!open)
        return -EBADF;
    if (descriptor < table_size)
        table[descriptor] = NULL;
    if (descriptor <= CONSOLE_LAST)
        console_closed[descriptor] = 1;
    if (open == &console || --open->users)
        return 0;
    open->node->users--;
    tree_release(open->node);
    free(open);
    return 0;
}

int64_t unishare_files_duplicate(int descriptor, int at_least, int exactly)
{
    struct description *open = lookup(descriptor);
    int into;

    if (!open || at_least < 0)
        return -EBADF;
    if (exactly && at_least == descriptor)
        return descriptor;
    if (exactly && lookup(at_least))
        unishare_files_close(at_least);
    if ((into = free_descriptor(at_least)) < 0)
        return into;
    open->users++;
    table[into] = open;
    return into;
}

/* An open file that bytes can be moved to or from; or NULL with `*error`. */
static struct description *file_for(int descriptor, int wrong_mode, int64_t *error)
{
    struct description *open = lookup(descriptor);

    if (!open || (open->node && (open->flags & O_ACCMODE) == wrong_mode)) {
        *error = -EBADF;
        return NULL;
    }
    if (open->node && open->node->is_folder) {
        *error = -EISDIR;
        return NULL;
    }
    return open;
}

int64_t unishare_files_read(int descriptor, void *into, size_t size)
{
    int64_t done = 0;
    struct description *open = file_for(descriptor, O_WRONLY, &done);

    if (!open)
        return done;
    if (!open->node)
        return 0; /* nobody types at a unikernel's console */
    done = content_read(open->node, into, size, open->position);
    if (done > 0)
        open->position += (uint64_t)done;
    return done;
}

int64_t unishare_files_write(int descriptor, const void *from, size_t size)
{
    int64_t done = 0;
    struct description *open = file_for(descriptor, O_RDONLY, &done);

    if (!open)
        return done;
    if (!open->node)
        return unishare_console_write(from, size);
    if (open->flags & O_APPEND)
        open->position = open->node->size;
    done = content_write(open->node, from, size, open->position);
    if (done > 0)
        open->position += (uint64_t)done;
    return done;
}

int64_t unishare_files_read_at(int descriptor, void *into, size_t size, int64_t offset)
{
    int64_t error = 0;
    struct description *open = file_for(descriptor, O_WRONLY, &error);

    if (!open)
        return error;
    if (!open->node)
        return -ESPIPE;
    return offset < 0 ? -EINVAL : content_read(open->node, into, size, (uint64_t)offset);
}

int64_t unishare_files_write_at(int descriptor, const void *from, size_t size, int64_t offset)
{
    int64_t error = 0;
    struct description *open = file_for(descriptor, O_RDONLY, &error);

    if (!open)
        return error;
    if (!open->node)
        return -ESPIPE;
    return offset < 0 ? -EINVAL : content_write(open->node, from, size, (uint64_t)offset);
}

int64_t unishare_files_seek(int descriptor, int64_t offset, int whence)
{
    struct description *open = lookup(descriptor);
    int64_t from;

    if (!open)
        return -EBADF;
    if (!open->node)
        return -ESPIPE;
    if (whence < SEEK_SET || whence > SEEK_END)
        return -EINVAL;
    from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? (int64_t)open->position : (int64_t)open->node->size;
    if (__builtin_add_overflow(from, offset, &from) || from < 0)
        return -EINVAL;
    open->position = (uint64_t)from;
    return from;
}

int64_t unishare_files_control(int descriptor, int command, long argument)
{
    struct description *open = lookup(descriptor);

    if (!open)
        return -EBADF;
    switch (command) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        return unishare_files_duplicate(descriptor, (int)argument, 0);
    case F_GETFL:
        return open->flags & ~(O_CREAT | O_EXCL | O_TRUNC);
    case F_SETFL:
        open->flags = (open->flags & ~O_APPEND) | (int)(argument & O_APPEND);
        return 0;
    case F_GETFD: /* there is no exec */
    case F_SETFD:
    case F_SETLK: /* and nobody to lock out */
    case F_SETLKW:
        return 0;
    case F_GETLK:
        ((struct flock *)argument)->l_type = F_UNLCK;
        return 0;
    default:
        return -EINVAL;
    }
}

int64_t unishare_files_truncate_open(int descriptor, int64_t size)
{
    int64_t error = 0;
    struct description *open = file_for(descriptor, O_RDONLY, &error);

    if (!open)
        return error;
    return !open->node || size < 0 ? -EINVAL : content_resize(open->node, (uint64_t)size);
}

int64_t unishare_files_status_open(int descriptor, struct stat *into)
{
    struct description *open = lookup(descriptor);

    if (!open)
        return -EBADF;
    status_of(open->node, into);
    return 0;
}

/* Entries from the position on, as getdents64 gives them; the position counts entries, the first two being "." and "..". */
int64_t unishare_files_list(int descriptor, void *into, size_t size)
{
    struct description *open = lookup(descriptor);
    size_t done = 0;

    if (!open)
        return -EBADF;
    if (!open->node || !open->node->is_folder)
        return -ENOTDIR;
    for (;; open->position++) {
        const struct node *entry = open->node;
        const char *name = open->position ? ".." : ".";
        size_t length;
        struct dirent *at = (struct dirent *)((char *)into + done);

        if (open->position >= 2) {
            entry = open->node->children;
            for (uint64_t skip = open->position - 2; entry && skip; skip--)
                entry = entry->next;
            if (!entry)
                return (int64_t)done;
            name = entry->name;
        }
        length = (offsetof(struct dirent, d_name) + strlen(name) + 1 + 7) & ~(size_t)7;
        if (done + length > size)
            return done ? (int64_t)done : -EINVAL;
        at->d_ino = entry->number;
        at->d_off = (off_t)open->position + 1;
        at->d_reclen = (unsigned short)length;
        at->d_type = entry->is_folder ? DT_DIR : DT_REG;
        strcpy(at->d_name, name);
        done += length;
    }
}
