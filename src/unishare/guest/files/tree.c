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
static uint64_t last_number;
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

static struct node *new_node(const char *name, size_t length, int is_folder)
{
    struct node *node = calloc(1, sizeof *node);

    if (!node || !(node->name = malloc(length + 1))) {
        free(node);
        return NULL;
    }
    node->is_folder = is_folder;
    node->number = ++last_number;
    node->name_length = length;
    memcpy(node->name, name, length);
    node->name[length] = 0;
    node->changed = tree_time_of_change(node);
    return node;
}

struct node *tree_root(void)
{
    if (root)
        return root;
    if (!(root = new_node("", 0, 1)))
        return NULL;
    root->parent = root;
    tree_current = root;
    tree_add(root, "tmp", 3, 1);
    if (unishare_image->files_size)
        archive_read(root, (const uint8_t *)unishare_image->files_start, unishare_image->files_size);
    archive_is_read = 1;
    return root;
}

struct node *tree_child(const struct node *folder, const char *name, size_t length)
{
    for (struct node *child = folder->children; child; child = child->next)
        if (child->name_length == length && !memcmp(child->name, name, length))
            return child;
    return NULL;
}

static void link_child(struct node *folder, struct node *node)
{
    node->parent = folder;
    node->next = folder->children;
    folder->children = node;
    folder->changed = tree_time_of_change(folder);
}

struct node *tree_add(struct node *folder, const char *name, size_t length, int is_folder)
{
    struct node *node = new_node(name, length, is_folder);

    if (node)
        link_child(folder, node);
    return node;
}

/* Take a node out of its folder; it stays in memory. */
void tree_detach(struct node *node)
{
    struct node **link = &node->parent->children;

    while (*link != node)
        link = &(*link)->next;
    *link = node->next;
    node->parent->changed = tree_time_of_change(node);
}

/* Move a node to another folder and name; -ENOMEM leaves it where it was. */
int tree_move(struct node *node, struct node *folder, const char *name)
{
    char *copy = strdup(name);

    if (!copy)
        return -ENOMEM;
    tree_detach(node);
    free(node->name);
    node->name = copy;
    node->name_length = strlen(copy);
    link_child(folder, node);
    return 0;
}

/* Free a removed node that nobody has open. */
void tree_release(struct node *node)
{
    if (!node->removed || node->users)
        return;
    content_free(node);
    free(node->name);
    free(node);
}

int tree_find(const char *path, struct node **found, struct node **folder, char name[NAME_ROOM])
{
    struct node *at = tree_root();

    *found = *folder = NULL;
    if (!at)
        return -ENOMEM;
    if (!*path)
        return -ENOENT;
    if (*path != '/')
        at = tree_current;
    for (;;) {
        size_t length;
        struct node *child;

        path += strspn(path, "/");
        if (!*path) {
            *found = at;
            return 0;
        }
        length = strcspn(path, "/");
        if (!at->is_folder)
            return -ENOTDIR;
        if (length >= NAME_ROOM)
            return -ENAMETOOLONG;
        if (length == 2 && path[0] == '.' && path[1] == '.') {
            child = at->parent;
        } else if (length == 1 && *path == '.') {
            child = at;
        } else if (!(child = tree_child(at, path, length))) {
            if (path[length + strspn(path + length, "/")])
                return -ENOENT;
            *folder = at;
            memcpy(name, path, length);
            name[length] = 0;
            return -ENOENT;
        }
        at = child;
        path += length;
        if (*path == '/' && !at->is_folder)
            return -ENOTDIR;
    }
}
