/* Descriptors: opening, closing, duplicating. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <unishare/files.h>

#include "descriptors.h"
#include "zones.h"

enum { FIRST_ROOM = 8, STATUS_FLAGS = O_APPEND | O_NONBLOCK };

struct slot {
    struct description *open;
    int close_on_exec;
};

static struct description console = {.flags = O_RDWR, .users = 1};
static struct slot *table; /* grown when a descriptor beyond the console is opened */
static unsigned char console_closed[STDERR_FILENO + 1];
static int table_size;
static int limit = UNISHARE_FILES_DESCRIPTORS;

struct description *descriptor_lookup(int descriptor)
{
    if (descriptor >= 0 && descriptor < table_size && table[descriptor].open)
        return table[descriptor].open;
    if (descriptor >= 0 && descriptor <= STDERR_FILENO && !console_closed[descriptor])
        return &console;
    return NULL;
}

struct node *descriptor_folder(int descriptor, int64_t *error)
{
    struct description *open;

    *error = 0;
    if (descriptor == AT_FDCWD) {
        if (!tree_root())
            *error = -ENOMEM;
        return tree_current;
    }
    if (!(open = descriptor_lookup(descriptor)))
        *error = -EBADF;
    else if (!open->node || open->node->kind != FOLDER_NODE)
        *error = -ENOTDIR;
    else
        return open->node;
    return NULL;
}

/* Make room for a descriptor in the table; 0, or -ENOMEM. */
static int reserve(int descriptor)
{
    int size = table_size ? table_size : FIRST_ROOM;
    struct slot *grown;

    if (descriptor < table_size)
        return 0;
    while (size <= descriptor)
        size *= 2;
    if (!(grown = realloc(table, (size_t)size * sizeof *grown)))
        return -ENOMEM;
    memset(grown + table_size, 0, (size_t)(size - table_size) * sizeof *grown);
    table = grown;
    table_size = size;
    return 0;
}

/* A free descriptor from `least` on, with room for it in the table; or -errno. */
static int free_descriptor(int least)
{
    int descriptor = least, error;

    while (descriptor_lookup(descriptor))
        descriptor++;
    if (descriptor >= limit)
        return -EMFILE;
    return (error = reserve(descriptor)) ? error : descriptor;
}

/* The node that an open() means, made if it is missing and wanted; NULL with `*error`. */
static struct node *node_to_open(int folder, const char *path, int flags, unsigned mode, int64_t *error)
{
    struct found found;
    struct node *node;
    int writes = (flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC;

    *error = path_find(folder, path, &found);
    if ((*error == -ENOENT || (!*error && !found.node)) && !(flags & O_CREAT) && zones_provide(path))
        *error = path_find(folder, path, &found);
    if (*error)
        return NULL;
    node = found.node;
    if (flags & O_CREAT && found.slash && found.last == ORDINARY)
        *error = -EISDIR;
    else if (node && flags & O_CREAT && flags & O_EXCL)
        *error = -EEXIST;
    else if (!node && !(flags & O_CREAT))
        *error = -ENOENT;
    else if (!node && found.folder->removed)
        *error = -ENOENT;
    else if (node && node->kind == FOLDER_NODE && (writes || flags & O_CREAT))
        *error = -EISDIR;
    else if (node && node->kind != FOLDER_NODE && (flags & O_DIRECTORY || found.slash))
        *error = -ENOTDIR;
    else if (!node && !(node = tree_add(found.folder, found.name, found.length, FILE_NODE)))
        *error = -ENOSPC;
    else if (!found.node)
        node->mode = path_mode(mode);
    return *error ? NULL : node;
}

/* The descriptor that /dev/stdin, /dev/stdout or /dev/stderr stand for; -1 for all else. */
static int standard_descriptor(const struct node *node)
{
    if (node->kind != DEVICE_NODE || node->device < INPUT_DEVICE)
        return -1;
    return (int)node->device - INPUT_DEVICE;
}

int64_t unishare_files_open(int folder, const char *path, int flags, unsigned mode)
{
    int64_t error;
    struct node *node;
    struct description *opened;
    int descriptor;

    if ((flags & (O_CREAT | O_DIRECTORY)) == (O_CREAT | O_DIRECTORY))
        return -EINVAL;
    if ((descriptor = free_descriptor(0)) < 0)
        return descriptor;
    if (!(opened = calloc(1, sizeof *opened)))
        return -ENOMEM;
    if (!(node = node_to_open(folder, path, flags, mode, &error)) || standard_descriptor(node) >= 0) {
        free(opened);
        return node ? unishare_files_duplicate(standard_descriptor(node), 0, 0, flags & O_CLOEXEC) : error;
    }
    if (flags & O_TRUNC && node->kind == FILE_NODE)
        content_resize(node, 0);
    *opened = (struct description){.node = node, .flags = flags & ~O_CLOEXEC, .users = 1};
    tree_use(node);
    table[descriptor] = (struct slot){opened, flags & O_CLOEXEC};
    return descriptor;
}

int64_t unishare_files_close(int descriptor)
{
    struct description *open = descriptor_lookup(descriptor);

    if (!open)
        return -EBADF;
    if (descriptor < table_size)
        table[descriptor] = (struct slot){NULL, 0};
    if (descriptor <= STDERR_FILENO)
        console_closed[descriptor] = 1;
    if (open == &console || --open->users)
        return 0;
    tree_release(open->node);
    free(open);
    return 0;
}

int64_t unishare_files_duplicate(int descriptor, int at_least, int exactly, int close_on_exec)
{
    struct description *open = descriptor_lookup(descriptor);
    int into = at_least;

    if (!open)
        return -EBADF;
    if (at_least < 0 || at_least >= limit)
        return exactly ? -EBADF : -EINVAL;
    if (exactly && at_least == descriptor)
        return descriptor;
    if ((into = exactly ? reserve(at_least) : free_descriptor(at_least)) < 0)
        return into;
    if (exactly) {
        into = at_least;
        unishare_files_close(into);
    }
    open->users++;
    table[into] = (struct slot){open, close_on_exec};
    return into;
}

int64_t unishare_files_control(int descriptor, int command, long argument)
{
    struct description *open = descriptor_lookup(descriptor);

    if (!open)
        return -EBADF;
    switch (command) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        return unishare_files_duplicate(descriptor, argument > limit ? limit : (int)argument, 0, command == F_DUPFD_CLOEXEC);
    case F_GETFL:
        return open->flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_NOCTTY);
    case F_SETFL:
        open->flags = (open->flags & ~STATUS_FLAGS) | ((int)argument & STATUS_FLAGS);
        return 0;
    case F_GETFD: /* kept, though there is no exec */
        return descriptor < table_size && table[descriptor].close_on_exec ? FD_CLOEXEC : 0;
    case F_SETFD:
        if (reserve(descriptor))
            return -ENOMEM;
        table[descriptor].close_on_exec = argument & FD_CLOEXEC;
        return 0;
    case F_SETLK: /* there is nobody to lock out */
    case F_SETLKW:
        return 0;
    case F_GETLK:
        ((struct flock *)argument)->l_type = F_UNLCK;
        return 0;
    default:
        return -EINVAL;
    }
}

int64_t unishare_files_limit(int most)
{
    int before = limit;

    if (most > UNISHARE_FILES_DESCRIPTORS)
        return -EPERM;
    if (most >= 0)
        limit = most;
    return before;
}
