/* System calls on open files. */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

#include <unishare/files.h>

#include "calls.h"

/* Linux, Documentation/admin-guide/devices.txt: 5, 1 is /dev/console. */
enum { TERMINAL_MAJOR = 5 };

/* Move several buffers; stops at the first short one. */
static long each(int descriptor, const struct iovec *vector, int count, int write)
{
    long done = 0;

    if (count < 0 || count > 1024)
        return -EINVAL;
    for (int i = 0; i < count; i++) {
        int64_t part = write ? unishare_files_write(descriptor, vector[i].iov_base, vector[i].iov_len)
                             : unishare_files_read(descriptor, vector[i].iov_base, vector[i].iov_len);

        if (part < 0)
            return done ? done : part;
        done += part;
        if ((size_t)part < vector[i].iov_len)
            break;
    }
    return done;
}

/* None is a terminal, but the console has a size, if an unknown one: so the C library does not hold back lines (terminal.c). */
static long control_device(int descriptor, long request, struct winsize *size)
{
    struct stat about;
    int64_t error = unishare_files_status_open(descriptor, &about);

    if (error)
        return error;
    if (request != TIOCGWINSZ || !S_ISCHR(about.st_mode) || about.st_rdev != makedev(TERMINAL_MAJOR, 1))
        return -ENOTTY;
    *size = (struct winsize){0};
    return 0;
}

int file_call(const struct call *call, long *result)
{
    int descriptor = (int)call->a;

    switch (call->number) {
    case SYS_read:
        *result = unishare_files_read(descriptor, (void *)call->b, (size_t)call->c);
        return 1;
    case SYS_write:
        *result = unishare_files_write(descriptor, (const void *)call->b, (size_t)call->c);
        return 1;
    case SYS_readv:
        *result = each(descriptor, (const struct iovec *)call->b, (int)call->c, 0);
        return 1;
    case SYS_writev:
        *result = each(descriptor, (const struct iovec *)call->b, (int)call->c, 1);
        return 1;
    case SYS_pread64:
        *result = unishare_files_read_at(descriptor, (void *)call->b, (size_t)call->c, call->d);
        return 1;
    case SYS_pwrite64:
        *result = unishare_files_write_at(descriptor, (const void *)call->b, (size_t)call->c, call->d);
        return 1;
    case SYS_lseek:
        *result = unishare_files_seek(descriptor, call->b, (int)call->c);
        return 1;
    case SYS_close:
        *result = unishare_files_close(descriptor);
        return 1;
    case SYS_fstat:
        *result = unishare_files_status_open(descriptor, (struct stat *)call->b);
        return 1;
    case SYS_ftruncate:
        *result = unishare_files_truncate_open(descriptor, call->b);
        return 1;
    case SYS_getdents64:
        *result = unishare_files_list(descriptor, (void *)call->b, (size_t)call->c);
        return 1;
    case SYS_fcntl:
        *result = unishare_files_control(descriptor, (int)call->b, call->c);
        return 1;
    case SYS_dup:
        *result = unishare_files_duplicate(descriptor, 0, 0, 0);
        return 1;
    case SYS_dup2:
        *result = unishare_files_duplicate(descriptor, (int)call->b, 1, 0);
        return 1;
    case SYS_dup3:
        *result = descriptor == (int)call->b || call->c & ~O_CLOEXEC
                      ? -EINVAL
                      : unishare_files_duplicate(descriptor, (int)call->b, 1, (int)call->c & O_CLOEXEC);
        return 1;
    case SYS_fchmod:
        *result = unishare_files_set_mode_open(descriptor, (unsigned)call->b);
        return 1;
    case SYS_fsync: /* memory is as safe as it will ever be */
    case SYS_fdatasync:
    case SYS_flock: /* and nobody else locks */
        *result = unishare_files_control(descriptor, F_GETFD, 0);
        *result = *result < 0 ? *result : 0;
        return 1;
    case SYS_ioctl:
        *result = control_device(descriptor, call->b, (struct winsize *)call->c);
        return 1;
    default:
        return 0;
    }
}
