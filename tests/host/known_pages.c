/* A process with known pages. Steps come as bytes on stdin; each is answered with one byte when it is done.
 * p: writes 40 private pages   z: reads 24 pages that nobody wrote   s: maps and reads 32 pages of the file in argv[1] */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile char sink;

static void touch(char *pages, int count, int written)
{
    for (int page = 0; page < count; page++) {
        if (written)
            pages[page * 4096] = 1;
        else
            sink = pages[page * 4096];
    }
}

int main(int argc, char **argv)
{
    (void)argc;
    int file = open(argv[1], O_RDONLY);
    char *private = mmap(NULL, 40 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *zero = mmap(NULL, 24 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *shared = mmap(NULL, 32 * 4096, PROT_READ, MAP_SHARED, file, 0);
    char step = 0;
    if (write(1, "r", 1) != 1)
        return 1;
    while (read(0, &step, 1) == 1) {
        if (step == 'p')
            touch(private, 40, 1);
        if (step == 'z')
            touch(zero, 24, 0);
        if (step == 's')
            touch(shared, 32, 0);
        if (write(1, &step, 1) != 1)
            return 1;
    }
    return 0;
}
