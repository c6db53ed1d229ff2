/* What stat() says of a node, and what can be changed of it beside its content. */
#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

#include <unishare/clock.h>

#include "status.h"

enum { NANOSECONDS = 1000000000, SECTOR = 512, MEMORY_MAJOR = 1, TERMINAL_MAJOR = 5 };

/* Linux' numbers (Documentation/admin-guide/devices.txt). */
static dev_t device_number(enum device device)
{
    static const unsigned char minors[] = {[NULL_DEVICE] = 3, [ZERO_DEVICE] = 5, [FULL_DEVICE] = 7, [RANDOM_DEVICE] = 9};

    return device < CONSOLE_DEVICE ? makedev(MEMORY_MAJOR, minors[device]) : makedev(TERMINAL_MAJOR, 1);
}

static struct timespec time_of(int64_t nanoseconds)
{
    return (struct timespec){.tv_sec = nanoseconds / NANOSECONDS, .tv_nsec = nanoseconds % NANOSECONDS};
}

void status_of(const struct node *node, struct stat *into)
{
    memset(into, 0, sizeof *into);
    into->st_blksize = BLOCK;
    into->st_nlink = 1;
    if (!node) {
        into->st_mode = S_IFCHR | 0620;
        into->st_rdev = device_number(CONSOLE_DEVICE);
        return;
    }
    into->st_dev = 1;
    into->st_ino = node->number;
    into->st_nlink = !node->removed;
    into->st_mode = (node->kind == FOLDER_NODE ? S_IFDIR : node->kind == FILE_NODE ? S_IFREG : S_IFCHR) | node->mode;
    if (node->kind == DEVICE_NODE)
        into->st_rdev = device_number(node->device);
    into->st_size = (off_t)node->size;
    into->st_blocks = (blkcnt_t)((node->size + SECTOR - 1) / SECTOR);
    into->st_mtim = into->st_ctim = time_of(node->changed);
    into->st_atim = time_of(node->accessed);
}

/* One of utimensat's two times: 0 and `*into`, or -EINVAL. */
static int wanted_time(const struct timespec *time, int64_t *into)
{
    if (!time || time->tv_nsec == UTIME_NOW)
        *into = (int64_t)unishare_clock_real();
    else if (time->tv_nsec < 0 || (time->tv_nsec >= NANOSECONDS && time->tv_nsec != UTIME_OMIT))
        return -EINVAL;
    else if (time->tv_nsec != UTIME_OMIT)
        *into = (int64_t)time->tv_sec * NANOSECONDS + time->tv_nsec;
    return 0;
}

int status_set_times(struct node *node, const struct timespec *times)
{
    int64_t accessed = node->accessed, changed = node->changed;

    if (wanted_time(times, &accessed) || wanted_time(times ? times + 1 : NULL, &changed))
        return -EINVAL;
    node->accessed = accessed;
    node->changed = changed;
    return 0;
}
