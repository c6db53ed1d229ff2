/* What stat() says of a node. Private to this library. */
#ifndef UNISHARE_FILES_STATUS_H
#define UNISHARE_FILES_STATUS_H

#include <sys/stat.h>

#include "tree.h"

/* Fill `into`; a node of NULL is the console. */
void status_of(const struct node *node, struct stat *into);

#endif
