/* System calls that take a path. Plain forms are the *at forms from the current folder. */
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <unishare/files.h>

#include "calls.h"

enum { NANOSECONDS_A_MICROSECOND = 1000 };

/* One user, 0 in group 0: to give a file to another fails as it does in a user namespace that knows no other. */
static long set_owner(long owner, long group)
{
    return ((unsigned)owner && (unsigned)owner != ~0u) || ((unsigned)group && (unsigned)group != ~0u) ? -EINVAL : 0;
}

static long times_of_day(int folder, const char *path, const struct timeval *times)
{
    struct timespec converted[2];

    if (!times)
        return unishare_files_set_times(folder, path, NULL);
    for (int i = 0; i < 2; i++) {
        if (times[i].tv_usec < 0 || times[i].tv_usec >= 1000000)
            return -EINVAL;
        converted[i] = (struct timespec){times[i].tv_sec, times[i].tv_usec * NANOSECONDS_A_MICROSECOND};
    }
    return unishare_files_set_times(folder, path, converted);
}

/* What begins with a folder's descriptor, or AT_FDCWD, and a path. */
static int at_call(const struct call *call, long *result)
{
    int folder = (int)call->a;
    const char *path = (const char *)call->b;

    switch (call->number) {
    case SYS_openat:
        *result = unishare_files_open(folder, path, (int)call->c, (unsigned)call->d);
        return 1;
    case SYS_newfstatat:
        if ((int)call->d & AT_EMPTY_PATH && !*path && folder != AT_FDCWD)
            *result = unishare_files_status_open(folder, (struct stat *)call->c);
        else
            *result = unishare_files_status(folder, path, (struct stat *)call->c);
        return 1;
    case SYS_faccessat:
        *result = unishare_files_access(folder, path, (int)call->c);
        return 1;
    case SYS_fchmodat:
        *result = unishare_files_set_mode(folder, path, (unsigned)call->c);
        return 1;
    case SYS_fchownat:
        *result = unishare_files_access(folder, path, 0);
        *result = *result ? *result : set_owner(call->c, call->d);
        return 1;
    case SYS_readlinkat: /* there are no links */
        *result = unishare_files_access(folder, path, 0);
        *result = *result ? *result : -EINVAL;
        return 1;
    case SYS_mkdirat:
        *result = unishare_files_make_folder(folder, path, (unsigned)call->c);
        return 1;
    case SYS_unlinkat:
        *result = unishare_files_remove(folder, path, (int)call->c & AT_REMOVEDIR);
        return 1;
    case SYS_utimensat:
        *result = unishare_files_set_times(folder, path, (const struct timespec *)call->c);
        return 1;
    case SYS_futimesat:
        *result = times_of_day(folder, path, (const struct timeval *)call->c);
        return 1;
    default:
        return 0;
    }
}

/* A plain form as the *at form; 0 if it has none. */
static int as_at(const struct call *call, struct call *at)
{
    static const struct {
        short plain, at;
    } forms[] = {
        {SYS_open, SYS_openat},    {SYS_stat, SYS_newfstatat}, {SYS_lstat, SYS_newfstatat}, {SYS_access, SYS_faccessat},
        {SYS_chmod, SYS_fchmodat}, {SYS_chown, SYS_fchownat},  {SYS_lchown, SYS_fchownat},  {SYS_readlink, SYS_readlinkat},
        {SYS_mkdir, SYS_mkdirat},  {SYS_unlink, SYS_unlinkat}, {SYS_utimes, SYS_futimesat},
    };

    for (unsigned i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (forms[i].plain != call->number)
            continue;
        *at = (struct call){forms[i].at, AT_FDCWD, call->a, call->b, call->c, call->d, call->e};
        if (call->number == SYS_unlink || call->number == SYS_stat || call->number == SYS_lstat)
            at->c = call->number == SYS_unlink ? 0 : call->b, at->d = 0;
        return 1;
    }
    return 0;
}

int path_call(const struct call *call, long *result)
{
    const char *path = (const char *)call->a;
    struct call at;

    if (at_call(call, result))
        return 1;
    if (as_at(call, &at))
        return at_call(&at, result);
    switch (call->number) {
    case SYS_creat:
        *result = unishare_files_open(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, (unsigned)call->b);
        return 1;
    case SYS_truncate:
        *result = unishare_files_truncate(path, call->b);
        return 1;
    case SYS_rmdir:
        *result = unishare_files_remove(AT_FDCWD, path, 1);
        return 1;
    case SYS_rename:
        *result = unishare_files_rename(AT_FDCWD, path, AT_FDCWD, (const char *)call->b);
        return 1;
    case SYS_renameat:
        *result = unishare_files_rename((int)call->a, (const char *)call->b, (int)call->c, (const char *)call->d);
        return 1;
    case SYS_chdir:
        *result = unishare_files_change_folder(path);
        return 1;
    case SYS_fchdir:
        *result = unishare_files_change_folder_open((int)call->a);
        return 1;
    case SYS_getcwd:
        *result = unishare_files_current_folder((char *)call->a, (size_t)call->b);
        return 1;
    case SYS_umask:
        *result = unishare_files_mask((unsigned)call->a);
        return 1;
    case SYS_fchown:
        *result = unishare_files_seek((int)call->a, 0, 1) == -EBADF ? -EBADF : set_owner(call->b, call->c);
        return 1;
    default:
        return 0;
    }
}
