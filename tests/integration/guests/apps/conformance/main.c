/* What a C programmer expects of a hosted implementation: `conformance` checks it all, `conformance HOW` ends in that way. */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <unishare/platform.h>

#include "check.h"

int failures;
static volatile int zero;

static void first(void)
{
    puts("registered first");
}

static void second(void)
{
    puts("registered second");
}

/* What the tender must refuse: execution, and memory that is not the heap's. */
static int misuse_protect(void)
{
    static const uint64_t rights[] = {2, 4, 5, 7, 8, 1 << 24 | 3, 1ull << 32 | 3};
    const struct unishare_boot *boot = unishare_boot_page;
    const uint64_t others[] = {(uint64_t)end & ~4095ull, (uint64_t)boot, boot->hypercall, boot->heap_start + boot->heap_limit, 0};

    for (size_t i = 0; i < sizeof rights / sizeof *rights; i++)
        CHECK(unishare_hypercall(UNISHARE_CALL_PROTECT, boot->heap_start, 4096, rights[i]) == -EINVAL);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        CHECK(unishare_hypercall(UNISHARE_CALL_PROTECT, others[i], 4096, 3) == -EINVAL);
    CHECK(unishare_hypercall(UNISHARE_CALL_PROTECT, boot->heap_start, boot->heap_limit + 4096, 3) == -EINVAL);
    CHECK(unishare_hypercall(UNISHARE_CALL_PROTECT, boot->heap_start, 0 - 4096ull, 3) == -EINVAL);
    CHECK(unishare_hypercall(UNISHARE_CALL_PROTECT, boot->heap_start + 1, 4096, 3) == -EINVAL);
    return failures ? 1 : 29;
}

/* Past the checks of the process tender's hypercall page, to the system call itself: the filter is left. 30 where there is none. */
static int jump_to_protect(void)
{
    static const unsigned char mprotect_now[] = {0xb8, 10, 0, 0, 0, 0x0f, 0x05};
    const char *page = (const char *)unishare_boot_page->hypercall, *at = memmem(page, 4096, mprotect_now, sizeof mprotect_now);
    long result;

    if (!at)
        return 30;
    __asm__ volatile("call *%1" : "=a"(result) : "r"(at), "D"(unishare_boot_page->heap_start), "S"(4096l), "d"(7l) : "rcx", "r11", "memory");
    printf("FAILURE: mprotect returned %ld\n", result);
    return 31;
}

int end(const char *how)
{
    if (!strcmp(how, "abort"))
        abort();
    if (!strcmp(how, "assert"))
        assert(!"that holds");
    if (!strcmp(how, "atexit")) {
        atexit(first);
        atexit(second);
        exit(23);
    }
    if (!strcmp(how, "_exit")) {
        atexit(first);
        _exit(24);
    }
    if (!strcmp(how, "buffered")) {
        printf("no newline, still written");
        return 25;
    }
    if (!strcmp(how, "null")) {
        puts("a line before the fault");
        fputs("and one on stderr\n", stderr);
        puts("another line");
        return *(volatile int *)(intptr_t)zero;
    }
    if (!strcmp(how, "raise")) {
        printf("no newline before the signal; ");
        raise(SIGTERM);
    }
    if (!strcmp(how, "none") || !strcmp(how, "read-only")) {
        int page = 4096, rights = *how == 'n' ? PROT_NONE : PROT_READ;
        volatile char *pages = mmap(NULL, 2 * (size_t)page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        pages[page] = 1;
        printf("%d", mprotect((void *)(pages + page), (size_t)page, rights));
        puts(rights == PROT_READ && pages[page] == 1 ? " readable" : "");
        pages[page - 1] = 1;
        pages[page] = 1;
        puts("FAILURE: written");
    }
    if (!strcmp(how, "heap")) {
        size_t size = (size_t)15 << 30, half = size / 2;
        volatile char *block = malloc(size);

        CHECK(block && (block[0] = 1) && (block[half] = 2) && (block[size - 1] = 3) && block[0] + block[half] + block[size - 1] == 6);
        printf("%d GiB\n", (int)(size >> 30));
        return 28;
    }
    if (!strcmp(how, "hypercall"))
        return misuse_protect();
    if (!strcmp(how, "jump"))
        return jump_to_protect();
    if (!strcmp(how, "zone")) {
        time_t now = 0;

        setenv("TZ", "Mars/Olympus", 1);
        fputs(ctime(&now), stdout);
        return 27;
    }
    return 26;
}

int main(int argc, char **argv)
{
    if (argc == 2)
        return end(argv[1]);
    check_surroundings(argc, argv);
    check_files();
    check_memory();
    check_library();
    check_time();
    check_signals();
    check_platform();
    check_strings();
    check_numbers();
    check_algorithms();
    check_mathematics();
    printf("%d failures\n", failures);
    return failures ? 1 : 42;
}
