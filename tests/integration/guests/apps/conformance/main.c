/* What a C programmer expects of a hosted implementation: `conformance` checks it all, `conformance HOW` ends in that way. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

int failures;

static void first(void)
{
    puts("registered first");
}

static void second(void)
{
    puts("registered second");
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
    printf("%d failures\n", failures);
    return failures ? 1 : 42;
}
