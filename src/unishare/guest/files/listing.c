/*
 * Listing folders. A position says which entry was the last: entries go in falling order of their places, and new ones get
 * higher places, so that removing, adding or renaming while a folder is read neither skips an entry that stays nor shows one
 * twice.
 */
#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <unishare/files.h>

#include "descriptors.h"

enum { BEFORE_SELF = 0, BEFORE_PARENT = 1, BEFORE_CHILDREN = 2 };

/* The entry behind a position, and its name; NULL at the end. */
static const struct node *entry_behind(const struct node *folder, uint64_t position, const char **name)
{
    const struct node *child = folder->children;

    if (position == BEFORE_SELF || position == BEFORE_PARENT) {
        *name = position == BEFORE_SELF ? "." : "..";
        return position == BEFORE_SELF ? folder : folder->parent;
    }
    while (child && position > BEFORE_CHILDREN && child->place >= position - BEFORE_CHILDREN)
        child = child->next;
    if (child)
        *name = child->name;
    return child;
}

/* The position behind an entry. Places begin with 1. */
static uint64_t position_behind(const struct node *entry, uint64_t position)
{
    return position < BEFORE_CHILDREN ? position + 1 : BEFORE_CHILDREN + entry->place;
}

static unsigned char type_of(const struct node *node)
{
    return node->kind == FOLDER_NODE ? DT_DIR : node->kind == FILE_NODE ? DT_REG : DT_CHR;
}

int64_t unishare_files_list(int descriptor, void *into, size_t size)
{
    struct description *open = descriptor_lookup(descriptor);
    const struct node *entry;
    const char *name = "";
    size_t done = 0;

    if (!open)
        return -EBADF;
    if (!open->node || open->node->kind != FOLDER_NODE)
        return -ENOTDIR;
    if (open->node->removed)
        return -ENOENT;
    while ((entry = entry_behind(open->node, open->position, &name))) {
        size_t length = (offsetof(struct dirent, d_name) + strlen(name) + 1 + 7) & ~(size_t)7;
        struct dirent *at = (struct dirent *)((char *)into + done);

        if (done + length > size)
            return done ? (int64_t)done : -EINVAL;
        open->position = position_behind(entry, open->position);
        at->d_ino = entry->number;
        at->d_off = (off_t)open->position;
        at->d_reclen = (unsigned short)length;
        at->d_type = type_of(entry);
        strcpy(at->d_name, name);
        done += length;
    }
    return (int64_t)done;
}
