/* The calls that take a path. */
#include <errno.h>
#include <string.h>

#include <unishare/files.h>

#include "status.h"
#include "tree.h"

enum { NANOSECONDS = 1000000000 };

void status_of(const struct node *node, struct stat *into)
{
    memset(into, 0, sizeof *into);
    into->st_blksize = BLOCK;
    into->st_nlink = 1;
    if (!node) {
        into->st_mode = S_IFCHR | 0620;
        return;
    }
    into->st_dev = 1;
    into->st_ino = node->number;
    into->st_mode = node->is_folder ? S_IFDIR | 0755 : S_IFREG | 0644;
    into->st_size = (off_t)node->size;
    into->st_blocks = (blkcnt_t)((node->size + 511) / 512);
    into->st_mtim.tv_sec = node->changed / NANOSECONDS;
    into->st_mtim.tv_nsec = node->changed % NANOSECONDS;
    into->st_atim = into->st_ctim = into->st_mtim;
}

/* A path's node; or NULL with `*error`. */
static struct node *existing(const char *path, int64_t *error)
{
    char name[NAME_ROOM];
    struct node *node, *folder;

    *error = tree_find(path, &node, &folder, name);
    return *error ? NULL : node;
}

int64_t unishare_files_status(const char *path, struct stat *into)
{
    int64_t error;
    struct node *node = existing(path, &error);

    if (node)
        status_of(node, into);
    return error;
}

int64_t unishare_files_access(const char *path)
{
    int64_t error;

    existing(path, &error);
    return error;
}

int64_t unishare_files_truncate(const char *path, int64_t size)
{
    int64_t error;
    struct node *node = existing(path, &error);

    if (!node)
        return error;
    if (node->is_folder)
        return -EISDIR;
    return size < 0 ? -EINVAL : content_resize(node, (uint64_t)size);
}

int64_t unishare_files_make_folder(const char *path)
{
    char name[NAME_ROOM];
    struct node *node, *folder;
    int error = tree_find(path, &node, &folder, name);

    if (!error)
        return -EEXIST;
    if (!folder)
        return error;
    return tree_add(folder, name, strlen(name), 1) ? 0 : -ENOSPC;
}

static void drop(struct node *node)
{
    tree_detach(node);
    node->removed = 1;
    tree_release(node);
}

int64_t unishare_files_remove(const char *path, int folder)
{
    int64_t error;
    struct node *node = existing(path, &error);

    if (!node)
        return error;
    if (!folder && node->is_folder)
        return -EISDIR;
    if (folder && !node->is_folder)
        return -ENOTDIR;
    if (node == node->parent || node == tree_current)
        return -EBUSY;
    if (node->children)
        return -ENOTEMPTY;
    drop(node);
    return 0;
}

int64_t unishare_files_rename(const char *from, const char *to)
{
    char name[NAME_ROOM];
    struct node *target, *folder, *node;
    int64_t error;

    if (!(node = existing(from, &error)))
        return error;
    error = tree_find(to, &target, &folder, name);
    if (error && !folder)
        return error;
    if (target == node)
        return 0;
    if (node == node->parent || (target && target == target->parent))
        return -EBUSY;
    if (target && target->is_folder != node->is_folder)
        return target->is_folder ? -EISDIR : -ENOTDIR;
    if (target && target->children)
        return -ENOTEMPTY;
    if (target) {
        folder = target->parent;
        strcpy(name, target->name);
    }
    for (struct node *above = folder; above != above->parent; above = above->parent)
        if (above == node)
            return -EINVAL;
    if (target)
        drop(target);
    return tree_move(node, folder, name);
}

int64_t unishare_files_change_folder(const char *path)
{
    int64_t error;
    struct node *node = existing(path, &error);

    if (!node)
        return error;
    if (!node->is_folder)
        return -ENOTDIR;
    tree_current = node;
    return 0;
}

/* Written from the end, folder by folder; then moved to the front. */
int64_t unishare_files_current_folder(char *into, size_t size)
{
    size_t at = size;

    if (!tree_root())
        return -ENOMEM;
    if (size < 2)
        return -ERANGE;
    into[--at] = 0;
    for (struct node *node = tree_current; node != node->parent; node = node->parent) {
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
