/* The tree of files, folders and devices. Private to this library. */
#ifndef UNISHARE_FILES_TREE_H
#define UNISHARE_FILES_TREE_H

#include <stddef.h>
#include <stdint.h>

enum { NAME_MOST = 255, PATH_MOST = 4095, BLOCK = 4096, PERMISSIONS = 07777 };

enum kind { FILE_NODE, FOLDER_NODE, DEVICE_NODE };

enum device { NULL_DEVICE, ZERO_DEVICE, FULL_DEVICE, RANDOM_DEVICE, CONSOLE_DEVICE, INPUT_DEVICE, OUTPUT_DEVICE, ERROR_DEVICE };

struct node {
    struct node *parent, *next, *children; /* next: the parent's next older child */
    enum kind kind;
    enum device device;
    unsigned mode;  /* permission bits: shown, not enforced */
    unsigned users; /* open descriptions, the current folder, removed children: a removed node lives until the last has gone */
    int removed;
    uint64_t number;
    uint64_t place; /* among its siblings: later ones have a higher one, and come first in a listing */
    int64_t changed, accessed; /* nanoseconds since 1970 */
    /* Content: the archive's bytes below `base_size`, overlaid by blocks that were written. */
    const uint8_t *base;
    uint64_t base_size, size;
    uint8_t **blocks;
    size_t block_count;
    size_t name_length;
    char *name;
};

/* What a path's last part is: rename, rmdir and unlink refuse some. */
enum last { ORDINARY, THIS_FOLDER, PARENT_FOLDER, ROOT_FOLDER };

/* Where a path leads: its node, NULL if only the last part is missing, and that part, which ends at `length`. */
struct found {
    struct node *node, *folder;
    const char *name;
    size_t length;
    enum last last;
    int slash; /* the path ends in one: it means a folder */
};

/* The root; the archive is read when first asked for. NULL without memory. */
struct node *tree_root(void);

/* Between these, what is added is the image's own: it has no time, and changes nothing. */
void tree_begin_image(void);
void tree_end_image(void);

/* The time for `node->changed` when it changes, and for `node->accessed`. */
int64_t tree_time_of_change(const struct node *node);
int64_t tree_time_of_access(void);

/* Follow a path from a folder; 0, or -errno if a part before the last is missing or no folder. */
int tree_find(struct node *from, const char *path, struct found *found);

/* A new node in a folder, with the permissions that its kind has by default; NULL without memory. */
struct node *tree_add(struct node *folder, const char *name, size_t length, enum kind kind);
struct node *tree_child(const struct node *folder, const char *name, size_t length);

/* Take a node out of its folder; it is freed once nobody uses it. */
void tree_remove(struct node *node);

/* Move a node to another folder and name; -ENOMEM leaves it where it was. */
int tree_move(struct node *node, struct node *folder, const char *name, size_t length);

void tree_use(struct node *node);
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

/* Fill the folder /dev. */
void devices_add(struct node *folder);

/* What reading and writing a device does; bytes, or -errno. */
int64_t device_read(enum device device, void *into, size_t size);
int64_t device_write(enum device device, const void *from, size_t size);

#endif
