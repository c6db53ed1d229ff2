/* Files of time zones. Private to this library. */
#ifndef UNISHARE_FILES_ZONES_H
#define UNISHARE_FILES_ZONES_H

#include "tree.h"

/* A path that leads to nothing: if a time zone's file is looked for there, make it and return 1. One that there is not is said
 * on the console, when the last place is looked at where musl looks. */
int zones_provide(const char *path);

#endif
