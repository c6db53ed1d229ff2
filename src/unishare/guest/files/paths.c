/* The calls that take a path. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <unishare/files.h>

#include "descriptors.h"
#include "status.h"

enum { EXECUTABLE = 0111 };

static unsigned mask = 022;

unsigned path_mode(unsigned wanted)
{
    return wanted & PERMISSIONS & ~mask;
}

unsigned unishare_files_mask(unsigned wanted)
{
    unsigned before = mask;

    mask = wanted & 0777;
    return before;
}

int64_t path_find(int folder, const char *path, struct found *found)
{
    int64_t error = 0;
    struct node *from = *path == '/' ? NULL : descriptor_folder(folder, &error);

    return error ? error : tree_find(from, path, found);
}

struct node *path_existing(int folder, const char *path, int64_t *error)
{
    struct found found;

    if ((*error = path_find(folder, path, &found)))
        return NULL;
    if (!found.node)
        *error = -ENOENT;
    else if (found.slash && found.node->kind != FOLDER_NODE)
        *error = -ENOTDIR;
    return *error ? NULL : found.node;
}

int64_t unishare_files_status(int folder, const char *path, struct stat *into)
{
    int64_t error;
    struct node *node = path_existing(folder, path, &error);

    if (node)
        status_of(node, into);
    return error;
}

int64_t unishare_files_status_open(int descriptor, struct stat *into)
{
    struct description *open = descriptor_lookup(descriptor);

    if (!open)
        return -EBADF;
    status_of(open->node, into);
    return 0;
}

/* As for root: everything but running what nobody may run. */
int64_t unishare_files_access(int folder, const char *path, int mode)
{
    int64_t error;
    struct node *node;

    if (mode & ~(R_OK | W_OK | X_OK))
        return -EINVAL;
    if (!(node = path_existing(folder, path, &error)))
        return error;
    return mode & X_OK && node->kind != FOLDER_NODE && !(node->mode & EXECUTABLE) ? -EACCES : 0;
}

int64_t unishare_files_set_mode(int folder, const char *path, unsigned mode)
{
    int64_t error;
    struct node *node = path_existing(folder, path, &error);

    if (node)
        node->mode = mode & PERMISSIONS;
    return error;
}

int64_t unishare_files_set_mode_open(int descriptor, unsigned mode)
{
    struct description *open = descriptor_lookup(descriptor);

    if (!open || !open->node)
        return open ? -EINVAL : -EBADF;
    open->node->mode = mode & PERMISSIONS;
    return 0;
}

int64_t unishare_files_set_times(int folder, const char *path, const struct timespec *times)
{
    int64_t error = 0;
    struct description *open = path ? NULL : descriptor_lookup(folder);
    struct node *node = path ? path_existing(folder, path, &error) : open ? open->node : NULL;

    if (!path && !open)
        return -EBADF;
    if (!node)
        return error;
    return status_set_times(node, times);
}

int64_t unishare_files_truncate(const char *path, int64_t size)
{
    int64_t error;
    struct node *node;

    if (size < 0)
        return -EINVAL;
    if (!(node = path_existing(AT_FDCWD, path, &error)))
        return error;
    if (node->kind != FILE_NODE)
        return node->kind == FOLDER_NODE ? -EISDIR : -EINVAL;
    return content_resize(node, (uint64_t)size);
}

int64_t unishare_files_make_folder(int folder, const char *path, unsigned mode)
{
    struct found found;
    struct node *node;
    int64_t error = path_find(folder, path, &found);

    if (error)
        return error;
    if (found.node)
        return -EEXIST;
    if (found.folder->removed)
        return -ENOENT;
    if (!(node = tree_add(found.folder, found.name, found.length, FOLDER_NODE)))
        return -ENOSPC;
    node->mode = path_mode(mode);
    return 0;
}

/* Why the last part of a path cannot be removed, whatever it is; 0 if it can. */
static int64_t unremovable(const struct found *found, int remove_folder)
{
    if (!remove_folder)
        return found->last == ORDINARY ? 0 : -EISDIR;
    switch (found->last) {
    case THIS_FOLDER:
        return -EINVAL;
    case PARENT_FOLDER:
        return -ENOTEMPTY;
    case ROOT_FOLDER:
        return -EBUSY;
    default:
        return 0;
    }
}

int64_t unishare_files_remove(int folder, const char *path, int remove_folder)
{
    struct found found;
    struct node *node;
    int64_t error = path_find(folder, path, &found);

    if (error || (error = unremovable(&found, remove_folder)))
        return error;
    if (!(node = found.node))
        return -ENOENT;
    if (node->kind == FOLDER_NODE && !remove_folder)
        return -EISDIR;
    if (node->kind != FOLDER_NODE && (remove_folder || found.slash))
        return -ENOTDIR;
    if (node->children)
        return -ENOTEMPTY;
    tree_remove(node);
    return 0;
}

static int is_above(const struct node *folder, const struct node *node)
{
    for (; node != node->parent; node = node->parent)
        if (node == folder)
            return 1;
    return node == folder;
}

/* Whether what `from` found can be what `to` found; 0, or -errno in the order in which Linux looks. */
static int64_t check_rename(const struct found *from, const struct found *to)
{
    if (from->last != ORDINARY || to->last != ORDINARY)
        return -EBUSY;
    if (!from->node)
        return -ENOENT;
    if (from->node->kind != FOLDER_NODE && (from->slash || to->slash))
        return -ENOTDIR;
    if (is_above(from->node, to->folder))
        return -EINVAL;
    if (to->node && is_above(to->node, from->folder))
        return -ENOTEMPTY;
    if (to->node == from->node)
        return 0;
    if (to->node && (to->node->kind == FOLDER_NODE) != (from->node->kind == FOLDER_NODE))
        return to->node->kind == FOLDER_NODE ? -EISDIR : -ENOTDIR;
    if (to->folder->removed)
        return -ENOENT;
    return to->node && to->node->children ? -ENOTEMPTY : 0;
}

int64_t unishare_files_rename(int from_folder, const char *from_path, int to_folder, const char *to_path)
{
    struct found from, to;
    int64_t error;

    if ((error = path_find(from_folder, from_path, &from)) || (error = path_find(to_folder, to_path, &to)))
        return error;
    if ((error = check_rename(&from, &to)) || to.node == from.node)
        return error;
    if ((error = tree_move(from.node, to.folder, to.name, to.length)))
        return error;
    if (to.node)
        tree_remove(to.node);
    return 0;
}

static void change_folder(struct node *folder)
{
    tree_use(folder);
    tree_release(tree_current);
    tree_current = folder;
}

int64_t unishare_files_change_folder(const char *path)
{
    int64_t error;
    struct node *node = path_existing(AT_FDCWD, path, &error);

    if (!node)
        return error;
    if (node->kind != FOLDER_NODE)
        return -ENOTDIR;
    change_folder(node);
    return 0;
}

int64_t unishare_files_change_folder_open(int descriptor)
{
    int64_t error;
    struct node *node = descriptor_folder(descriptor, &error);

    if (node)
        change_folder(node);
    return error;
}

/* Written from the end, folder by folder; then moved to the front. */
int64_t unishare_files_current_folder(char *into, size_t size)
{
    size_t at = size;

    if (!tree_root())
        return -ENOMEM;
    for (const struct node *node = tree_current; node != node->parent; node = node->parent)
        if (node->removed)
            return -ENOENT;
    if (size < 2)
        return -ERANGE;
    into[--at] = 0;
    for (const struct node *node = tree_current; node != node->parent; node = node->parent) {
        if (at < node->name_length + 1)
            return -ERANGE;
        at -= node->name_length;
        memcpy(into + at, node->name, node->name_length);
        into[--at] = '/';
    }
    if (at == size - 1)
        into[--at] = '/';
    memmove(into, into + at, size - at);
    return (int64_t)(size - at);
}
