/*
 * holds PID FILE: how many places in a process's memory hold any eight bytes that follow each other in a file of at most 64 KiB.
 * Only memory that belongs to the process is searched: not the processor's registers under KVM, nor what the kernel shows to all.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAGE = 4096, WINDOW = 8, MOST = 1 << 16 };

static uint64_t windows[MOST];
static unsigned char sieve[MOST];
static size_t known;

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static int learn(const char *path)
{
    static char text[MOST];
    FILE *file = fopen(path, "r");
    size_t bytes = file ? fread(text, 1, sizeof text, file) : 0;
    for (; known + WINDOW <= bytes; known++) {
        memcpy(&windows[known], text + known, WINDOW);
        sieve[windows[known] & (MOST - 1)] = 1;
    }
    qsort(windows, known, sizeof *windows, compare);
    return known == 0;
}

static unsigned long search(const char *bytes, size_t count)
{
    unsigned long found = 0;
    /* Zeros: memory that was never written, most of it. */
    if (count == 0 || (bytes[0] == 0 && !memcmp(bytes, bytes + 1, count - 1)))
        return 0;
    for (size_t i = 0; i + WINDOW <= count; i++) {
        uint64_t window;
        memcpy(&window, bytes + i, WINDOW);
        found += sieve[window & (MOST - 1)] && bsearch(&window, windows, known, sizeof *windows, compare);
    }
    return found;
}

int main(int count, char **words)
{
    char path[64], line[512], page[PAGE + WINDOW - 1];
    unsigned long found = 0, start, end;
    char rights[8];
    if (count != 3 || learn(words[2]))
        return 2;
    snprintf(path, sizeof path, "/proc/%s/maps", words[1]);
    FILE *maps = fopen(path, "r");
    snprintf(path, sizeof path, "/proc/%s/mem", words[1]);
    int memory = open(path, O_RDONLY);
    if (!maps || memory < 0)
        return 1;
    while (fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx %7s", &start, &end, rights) != 3 || rights[0] != 'r' || strstr(line, "[v") || strstr(line, "kvm"))
            continue;
        /* Each page with the first bytes of the next: a window may lie across. */
        for (; start < end; start += PAGE) {
            ssize_t got = pread(memory, page, end - start > PAGE ? sizeof page : PAGE, (off_t)start);
            found += search(page, got > 0 ? (size_t)got : 0);
        }
    }
    printf("%lu\n", found);
    return 0;
}
