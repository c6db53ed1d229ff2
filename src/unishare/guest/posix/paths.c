/* System calls that take a path; their *at forms only with the current folder or absolute paths. */
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>

#include <unishare/files.h>

#include "calls.h"

/* The forms relative to a folder as the plain ones; 0 if the folder matters. */
static int as_plain(const struct call *call, struct call *plain)
{
    static const struct { short at, plain; } forms[] = {
        {SYS_openat, SYS_open}, {SYS_mkdirat, SYS_mkdir}, {SYS_newfstatat, SYS_stat}, {SYS_faccessat, SYS_access},
        {SYS_readlinkat, SYS_readlink}, {SYS_fchmodat, SYS_chmod}, {SYS_fchownat, SYS_chown},
    };

    for (unsigned i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (forms[i].at != call->number)
            continue;
        *plain = (struct call){forms[i].plain, call->b, call->c, call->d, call->e, call->f, 0};
        return call->a == AT_FDCWD || *(const char *)call->b == '/';
    }
    return 0;
}

static int plain_call(const struct call *call, long *result)
{
    const char *path = (const char *)call->a;

    switch (call->number) {
    case SYS_open:
        *result = unishare_files_open(path, (int)call->b);
        return 1;
    case SYS_creat:
        *result = unishare_files_open(path, O_CREAT | O_WRONLY | O_TRUNC);
        return 1;
    case SYS_stat:
    case SYS_lstat:
        *result = unishare_files_status(path, (struct stat *)call->b);
        return 1;
    case SYS_access:
    case SYS_chmod:
    case SYS_chown:
    case SYS_lchown:
        *result = unishare_files_access(path);
        return 1;
    case SYS_readlink:
        *result = unishare_files_access(path);
        *result = *result ? *result : -EINVAL;
        return 1;
    case SYS_truncate:
        *result = unishare_files_truncate(path, call->b);
        return 1;
    case SYS_mkdir:
        *result = unishare_files_make_folder(path);
        return 1;
    case SYS_rmdir:
        *result = unishare_files_remove(path, 1);
        return 1;
    case SYS_unlink:
        *result = unishare_files_remove(path, 0);
        return 1;
    case SYS_rename:
        *result = unishare_files_rename(path, (const char *)call->b);
        return 1;
    case SYS_chdir:
        *result = unishare_files_change_folder(path);
        return 1;
    case SYS_getcwd:
        *result = unishare_files_current_folder((char *)call->a, (size_t)call->b);
        return 1;
    default:
        return 0;
    }
}

int path_call(const struct call *call, long *result)
{
    struct call plain;

    if (plain_call(call, result))
        return 1;
    if (as_plain(call, &plain))
        return plain_call(&plain, result);
    switch (call->number) {
    case SYS_unlinkat:
        if (call->a != AT_FDCWD && *(const char *)call->b != '/')
            return 0;
        *result = unishare_files_remove((const char *)call->b, (int)call->c & AT_REMOVEDIR);
        return 1;
    case SYS_renameat:
        if (call->a != AT_FDCWD || call->c != AT_FDCWD)
            return 0;
        *result = unishare_files_rename((const char *)call->b, (const char *)call->d);
        return 1;
    case SYS_utimensat:
        *result = 0;
        return 1;
    case SYS_umask:
        *result = 022;
        return 1;
    default:
        return 0;
    }
}
