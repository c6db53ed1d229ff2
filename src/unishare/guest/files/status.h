/* What stat() says of a node. Private to this library. */
#ifndef UNISHARE_FILES_STATUS_H
#define UNISHARE_FILES_STATUS_H

#include <sys/stat.h>

#include "tree.h"

/* Fill `into`; a node of NULL is the console. */
void status_of(const struct node *node, struct stat *into);

/* Access and change time, as utimensat takes them (NULL: now); 0, or -EINVAL. */
int status_set_times(struct node *node, const struct timespec *times);

#endif
