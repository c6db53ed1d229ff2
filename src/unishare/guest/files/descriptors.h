/* Open files. Private to this library. */
#ifndef UNISHARE_FILES_DESCRIPTORS_H
#define UNISHARE_FILES_DESCRIPTORS_H

#include "tree.h"

/* What an open() made; descriptors that were duplicated share it. A node of NULL is the console. */
struct description {
    struct node *node;
    uint64_t position;
    int flags;
    unsigned users;
};

/* What a descriptor has open; NULL if nothing. */
struct description *descriptor_lookup(int descriptor);

/* The folder that a descriptor or AT_FDCWD names; NULL with `*error`. */
struct node *descriptor_folder(int descriptor, int64_t *error);

/* The node that a path leads to; NULL with `*error`. */
struct node *path_existing(int folder, const char *path, int64_t *error);

/* Follow a path from the folder that a descriptor names; 0, or -errno. */
int64_t path_find(int folder, const char *path, struct found *found);

/* Permissions of something new. */
unsigned path_mode(unsigned wanted);

#endif
