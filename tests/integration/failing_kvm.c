/*
 * Preloaded into the monitor: KVM calls fail as on a host that has run out of something.
 *   FAILING_KVM   a file of three 64-bit words: the call that fails (an ioctl's request), how many of it succeed first, and its error.
 * All processes count together, and whoever writes the file changes what happens from then on; a request of 0 is none.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static volatile int64_t *plan;

__attribute__((constructor)) static void find(void)
{
    const char *path = getenv("FAILING_KVM");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *words = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    plan = words == MAP_FAILED ? 0 : words;
    close(file);
}

int ioctl(int descriptor, unsigned long request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    if (plan && (int64_t)(uint32_t)request == plan[0] && __sync_sub_and_fetch(&plan[1], 1) < 0) {
        errno = (int)plan[2];
        return -1;
    }
    return (int)syscall(SYS_ioctl, descriptor, request, argument);
}
