/* The tree of files and folders. Private to this library. */
#ifndef UNISHARE_FILES_TREE_H
#define UNISHARE_FILES_TREE_H

#include <stddef.h>
#include <stdint.h>

enum { NAME_ROOM = 256, BLOCK = 4096 };

struct node {
    struct node *parent, *next, *children; /* next: the parent's next child */
    int is_folder;
    unsigned users; /* open descriptors; a removed node lives until the last is closed */
    int removed;
    uint64_t number;
    int64_t changed; /* nanoseconds since 1970 */
    /* Content: the archive's bytes below `base_size`, overlaid by blocks that were written. */
    const uint8_t *base;
    uint64_t base_size, size;
    uint8_t **blocks;
    size_t block_count;
    size_t name_length;
    char *name;
};

/* The root; the archive is read when first asked for. NULL without memory. */
struct node *tree_root(void);

/* The time for `node->changed`. */
int64_t tree_time_of_change(const struct node *node);

/* Find a path's node. On 0: `*found` is it. On -ENOENT with `*folder` set: only the last part is missing, it is `name`. */
int tree_find(const char *path, struct node **found, struct node **folder, char name[NAME_ROOM]);

/* A new node in a folder; NULL without memory. */
struct node *tree_add(struct node *folder, const char *name, size_t length, int is_folder);
struct node *tree_child(const struct node *folder, const char *name, size_t length);
void tree_detach(struct node *node);
int tree_move(struct node *node, struct node *folder, const char *name);
void tree_release(struct node *node);

/* Where relative paths begin. */
extern struct node *tree_current;

/* Fill the tree from a USTAR archive; 0, or -errno. */
int archive_read(struct node *root, const uint8_t *archive, size_t size);

/* Content; bytes, or -errno. */
int64_t content_read(const struct node *file, void *into, size_t size, uint64_t offset);
int64_t content_write(struct node *file, const void *from, size_t size, uint64_t offset);
int content_resize(struct node *file, uint64_t size);
void content_free(struct node *file);

#endif
