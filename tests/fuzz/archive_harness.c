/* Reads archives from stdin (u32 size, bytes, and so on) with the guest's own reader, under the host's sanitizers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tree.h"

struct node *tree_child(const struct node *folder, const char *name, size_t length)
{
    for (struct node *child = folder->children; child; child = child->next)
        if (child->name_length == length && !memcmp(child->name, name, length))
            return child;
    return NULL;
}

struct node *tree_add(struct node *folder, const char *name, size_t length, enum kind kind)
{
    struct node *node = calloc(1, sizeof *node);

    node->name = malloc(length);
    memcpy(node->name, name, length);
    node->name_length = length;
    node->kind = kind;
    node->next = folder->children;
    folder->children = node;
    return node;
}

/* Touch every byte that a file is said to have, and forget the tree. */
static unsigned long consume(struct node *node)
{
    unsigned long sum = 1;

    for (uint64_t at = 0; at < node->base_size; at++)
        sum += node->base[at];
    for (struct node *child = node->children, *next; child; child = next) {
        next = child->next;
        sum += consume(child);
        free(child->name);
        free(child);
    }
    return sum;
}

int main(void)
{
    uint32_t size;
    unsigned long sum = 0, archives = 0;

    while (fread(&size, sizeof size, 1, stdin) == 1) {
        struct node root = {.kind = FOLDER_NODE};
        uint8_t *archive = malloc(size ? size : 1); /* of its exact size: the sanitizer sees a byte too many */

        if (fread(archive, 1, size, stdin) != size)
            return 2;
        archive_read(&root, archive, size);
        sum += consume(&root);
        free(archive);
        archives++;
    }
    printf("%lu %lu\n", archives, sum);
    return 0;
}
