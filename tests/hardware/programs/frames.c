/*
 * frames PID...: one line a process: its pid and the frame numbers of all present pages of its mappings, file-backed and anonymous apart.
 *   PID file FRAME FRAME ... anonymous FRAME ...
 * Of anonymous ones those that nobody else maps: not what a parent left to its children, nor the kernel's page of zeros.
 * From /proc/PID/pagemap (admin-guide/mm/pagemap.rst): bits 0 to 54 are the frame, 56 says mapped here alone, 61 file page or shared,
 * 63 present.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define PAGE 4096UL
#define FRAME ((1ULL << 55) - 1)
#define PRESENT (1ULL << 63)
#define ALONE (1ULL << 56)
#define FILE_PAGE (1ULL << 61)

static void list(const char *pid, int of_files)
{
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%s/maps", pid);
    FILE *maps = fopen(path, "r");
    snprintf(path, sizeof path, "/proc/%s/pagemap", pid);
    FILE *pagemap = fopen(path, "r");
    if (!maps || !pagemap)
        exit(1);
    while (fgets(line, sizeof line, maps)) {
        unsigned long start, end;
        if (sscanf(line, "%lx-%lx", &start, &end) != 2 || start >= 1UL << 47)
            continue;
        fseek(pagemap, (long)(start / PAGE * 8), SEEK_SET);
        for (; start < end; start += PAGE) {
            uint64_t entry;
            if (fread(&entry, sizeof entry, 1, pagemap) != 1)
                break;
            if (entry & PRESENT && !(entry & FILE_PAGE) == !of_files && (of_files || entry & ALONE))
                printf(" %llu", (unsigned long long)(entry & FRAME));
        }
    }
    fclose(maps);
    fclose(pagemap);
}

int main(int count, char **words)
{
    for (int i = 1; i < count; i++) {
        printf("%s file", words[i]);
        list(words[i], 1);
        printf(" anonymous");
        list(words[i], 0);
        printf("\n");
    }
    return count < 2;
}
