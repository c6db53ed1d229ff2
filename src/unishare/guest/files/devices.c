/* The devices of /dev that programs expect: none holds anything. */
#include <errno.h>
#include <string.h>

#include <unishare/console.h>
#include <unishare/random.h>

#include "tree.h"

struct name {
    char name[8];
    unsigned char length, device;
};

static const struct name names[] = {
    {"null", 4, NULL_DEVICE},     {"zero", 4, ZERO_DEVICE},      {"full", 4, FULL_DEVICE},
    {"random", 6, RANDOM_DEVICE}, {"urandom", 7, RANDOM_DEVICE}, {"console", 7, CONSOLE_DEVICE},
    {"stdin", 5, INPUT_DEVICE},   {"stdout", 6, OUTPUT_DEVICE},  {"stderr", 6, ERROR_DEVICE},
};

void devices_add(struct node *folder)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct node *node = tree_add(folder, names[i].name, names[i].length, DEVICE_NODE);

        if (node)
            node->device = names[i].device;
    }
}

int64_t device_read(enum device device, void *into, size_t size)
{
    switch (device) {
    case ZERO_DEVICE:
    case FULL_DEVICE:
        memset(into, 0, size);
        return (int64_t)size;
    case RANDOM_DEVICE:
        return unishare_random_fill(into, size);
    default: /* nobody types at a unikernel's console */
        return 0;
    }
}

int64_t device_write(enum device device, const void *from, size_t size)
{
    if (device == FULL_DEVICE)
        return -ENOSPC;
    return device < CONSOLE_DEVICE ? (int64_t)size : unishare_console_write(from, size);
}
