/* Files and folders as a tree of nodes, and paths through it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <unishare/clock.h>
#include <unishare/console.h>
#include <unishare/platform.h>

#include "tree.h"

struct node *tree_current;
static struct node *root;
static uint64_t last_number, last_place;
static int archive_is_read;

/*
 * When `node` changes: now. The archive's files have no time, so that two instances hold the same tree, byte for byte.
 * Before a snapshot nothing may change, for it would be in every instance: the console says so, and then none is taken.
 */
int64_t tree_time_of_change(const struct node *node)
{
    static const char why[] = " was written before the snapshot\n";

    if (!archive_is_read)
        return 0;
    if (unishare_boot_page->flags & UNISHARE_BOOT_SNAPSHOT) {
        unishare_console_write(node->name, node->name_length);
        unishare_console_write(why, sizeof why - 1);
    }
    return (int64_t)unishare_clock_real();
}

/* Before a snapshot nothing has been read either: the time of day would be in it. */
int64_t tree_time_of_access(void)
{
    return !archive_is_read || unishare_boot_page->flags & UNISHARE_BOOT_SNAPSHOT ? 0 : (int64_t)unishare_clock_real();
}

static struct node *new_node(const char *name, size_t length, enum kind kind)
{
    struct node *node = calloc(1, sizeof *node);

    if (!node || !(node->name = malloc(length + 1))) {
        free(node);
        return NULL;
    }
    node->kind = kind;
    node->mode = kind == FOLDER_NODE ? 0755 : kind == FILE_NODE ? 0644 : 0666;
    node->number = ++last_number;
    node->name_length = length;
    memcpy(node->name, name, length);
    node->name[length] = 0;
    node->changed = tree_time_of_change(node);
    node->accessed = tree_time_of_access();
    return node;
}

struct node *tree_root(void)
{
    struct node *devices;

    if (root)
        return root;
    if (!(root = new_node("", 0, FOLDER_NODE)))
        return NULL;
    root->parent = root;
    tree_current = root;
    tree_use(root);
    tree_add(root, "tmp", 3, FOLDER_NODE);
    if ((devices = tree_add(root, "dev", 3, FOLDER_NODE)))
        devices_add(devices);
    if (unishare_image->files_size)
        archive_read(root, (const uint8_t *)unishare_image->files_start, unishare_image->files_size);
    archive_is_read = 1;
    return root;
}

void tree_begin_image(void)
{
    archive_is_read = 0;
}

void tree_end_image(void)
{
    archive_is_read = 1;
}

struct node *tree_child(const struct node *folder, const char *name, size_t length)
{
    for (struct node *child = folder->children; child; child = child->next)
        if (child->name_length == length && !memcmp(child->name, name, length))
            return child;
    return NULL;
}

/* New children come first, so that a listing that has begun never meets them. */
static void link_child(struct node *folder, struct node *node)
{
    node->parent = folder;
    node->place = ++last_place;
    node->next = folder->children;
    folder->children = node;
    folder->changed = tree_time_of_change(folder);
}

struct node *tree_add(struct node *folder, const char *name, size_t length, enum kind kind)
{
    struct node *node = new_node(name, length, kind);

    if (node)
        link_child(folder, node);
    return node;
}

static void unlink_child(struct node *node)
{
    struct node **link = &node->parent->children;

    while (*link != node)
        link = &(*link)->next;
    *link = node->next;
    node->parent->changed = tree_time_of_change(node);
}

/* A removed folder still leads to its parent by "..", so it holds it. */
void tree_remove(struct node *node)
{
    unlink_child(node);
    node->removed = 1;
    tree_use(node->parent);
    tree_use(node);
    tree_release(node);
}

int tree_move(struct node *node, struct node *folder, const char *name, size_t length)
{
    char *copy = malloc(length + 1);

    if (!copy)
        return -ENOMEM;
    memcpy(copy, name, length);
    copy[length] = 0;
    unlink_child(node);
    free(node->name);
    node->name = copy;
    node->name_length = length;
    link_child(folder, node);
    return 0;
}

void tree_use(struct node *node)
{
    node->users++;
}

void tree_release(struct node *node)
{
    while (!--node->users && node->removed) {
        struct node *parent = node->parent;

        content_free(node);
        free(node->name);
        free(node);
        node = parent;
    }
}

/* The last part of a path begins here: what it means to those who make, move or remove something. */
static enum last last_part(const char *name, size_t length)
{
    if (length == 1 && *name == '.')
        return THIS_FOLDER;
    return length == 2 && name[0] == '.' && name[1] == '.' ? PARENT_FOLDER : ORDINARY;
}

int tree_find(struct node *from, const char *path, struct found *found)
{
    struct node *at = *path == '/' ? tree_root() : from;

    if (!at)
        return -ENOMEM;
    if (!*path)
        return -ENOENT;
    if (strnlen(path, PATH_MOST + 1) > PATH_MOST)
        return -ENAMETOOLONG;
    *found = (struct found){.node = at, .folder = at, .last = ROOT_FOLDER};
    for (path += strspn(path, "/"); *path; path += strspn(path, "/")) {
        size_t length = strcspn(path, "/");

        if (!found->node)
            return -ENOENT;
        if (found->node->kind != FOLDER_NODE)
            return -ENOTDIR;
        if (length > NAME_MOST)
            return -ENAMETOOLONG;
        *found = (struct found){.folder = found->node, .name = path, .length = length, .last = last_part(path, length)};
        if (found->last == PARENT_FOLDER)
            found->node = found->folder->parent;
        else if (found->last == THIS_FOLDER)
            found->node = found->folder;
        else
            found->node = tree_child(found->folder, path, length);
        path += length;
        found->slash = *path == '/';
    }
    return 0;
}
