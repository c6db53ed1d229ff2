/*
 * isatty, in place of musl's (src/unistd/isatty.c).
 *
 * musl's standard output is line-buffered if the console answers TIOCGWINSZ (src/stdio/__stdout_write.c), and it must be: what
 * was printed has to reach the console in order, and before a crash. musl's isatty asks the same question, but nothing here is
 * a terminal: programs must not begin to print colours.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int isatty(int descriptor)
{
    if (fcntl(descriptor, F_GETFD) >= 0)
        errno = ENOTTY;
    return 0;
}
