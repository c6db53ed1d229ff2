/* Memory, time, signals, and what a program is started with. */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static volatile sig_atomic_t caught;

void check_surroundings(int argc, char **argv)
{
    unsigned char random[64] = {0}, other[64] = {0};
    char byte;

    CHECK(argc == 3 && !strcmp(argv[1], "two words") && !strcmp(argv[2], "") && !argv[3]);
    CHECK(getenv("SET") && !strcmp(getenv("SET"), "by the recipe") && !getenv("UNSET"));
    CHECK(setenv("NEW", "1", 0) == 0 && setenv("NEW", "2", 0) == 0 && !strcmp(getenv("NEW"), "1"));
    CHECK(unsetenv("NEW") == 0 && !getenv("NEW"));
    CHECK(getentropy(random, sizeof random) == 0 && getentropy(other, sizeof other) == 0 && memcmp(random, other, 64));
    CHECK(sysconf(_SC_PAGESIZE) == 4096 && sysconf(_SC_NPROCESSORS_ONLN) >= 1 && getpid() > 0);
    CHECK(read(0, &byte, 1) == 0 && getchar() == EOF && feof(stdin));
    CHECK(!isatty(99) && errno == EBADF);
    CHECK(!isatty(0) && (errno == ENOTTY || errno == EINVAL));
}

/* Take blocks until there are no more, and give them back; how much that was. */
static size_t all_there_is(void)
{
    size_t got = 0;
    void **chain = NULL, **next;

    errno = 0;
    while ((next = malloc(1 << 16))) {
        *next = chain;
        chain = next;
        got += 1 << 16;
    }
    CHECK(errno == ENOMEM);
    for (; chain; chain = next) {
        next = *chain;
        free(chain);
    }
    return got;
}

void check_memory(void)
{
    char *blocks[64], *whole, *part;
    size_t got;

    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 64; i++)
            CHECK((blocks[i] = malloc((size_t)1 << (i % 16))) && (*blocks[i] = (char)i, 1));
        for (int i = 0; i < 64; i++)
            CHECK((blocks[i] = realloc(blocks[i], 3000 + (size_t)i)) && *blocks[i] == (char)i);
        for (int i = 63; i >= 0; i--)
            free(blocks[i]);
    }
    CHECK((whole = malloc(8 << 20)) && (memset(whole, 1, 8 << 20), 1));
    CHECK((whole = realloc(whole, 10 << 20)) && whole[(8 << 20) - 1] == 1);
    free(whole);
    CHECK((whole = calloc(1, 4 << 20)) && !whole[0] && !whole[(4 << 20) - 1]);
    free(whole);
    CHECK((uintptr_t)(whole = aligned_alloc(4096, 8192)) % 4096 == 0);
    free(whole);
    CHECK(!malloc(SIZE_MAX / 2) && errno == ENOMEM && !calloc(SIZE_MAX / 2, 4) && errno == ENOMEM);
    got = all_there_is();
    CHECK(got > 8 << 20);
    CHECK(all_there_is() + (1 << 20) > got); /* it came back */
    CHECK((whole = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) != MAP_FAILED && !whole[99]);
    memset(whole, 1, 1 << 20);
    CHECK(madvise(whole + 4096, 8192, MADV_DONTNEED) == 0 && whole[4095] == 1 && !whole[4096] && !whole[12287] && whole[12288] == 1);
    CHECK(madvise(whole, 4096, MADV_FREE) == 0 && (whole[0] == 0 || whole[0] == 1));
    CHECK(madvise(whole + 1, 4096, MADV_DONTNEED) == -1 && errno == EINVAL);
    CHECK(madvise((void *)((uintptr_t)check_memory & ~(uintptr_t)4095), 4096, MADV_DONTNEED) == -1 && errno == EINVAL);
    CHECK(munmap(whole + (256 << 10), 256 << 10) == 0);
    CHECK((part = mmap(NULL, 128 << 10, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) != MAP_FAILED);
    for (int i = 0; i < 128 << 10; i += 64)
        CHECK(!part[i]);
    CHECK(munmap(part, 128 << 10) == 0 && munmap(whole, 1 << 20) == 0);
}

void check_time(void)
{
    struct timespec before, after, pause = {.tv_nsec = 2000000};
    struct tm parts;
    time_t day = 951782400, now = time(NULL);
    char text[40];

    CHECK(now > 1700000000 && clock() != (clock_t)-1);
    CHECK(clock_gettime(CLOCK_MONOTONIC, &before) == 0 && nanosleep(&pause, NULL) == 0);
    CHECK(clock_gettime(CLOCK_MONOTONIC, &after) == 0);
    CHECK((after.tv_sec - before.tv_sec) * 1000000000L + after.tv_nsec - before.tv_nsec >= pause.tv_nsec);
    for (int i = 0; i < 1000; i++) {
        before = after;
        clock_gettime(CLOCK_MONOTONIC, &after);
        CHECK(after.tv_sec > before.tv_sec || (after.tv_sec == before.tv_sec && after.tv_nsec >= before.tv_nsec));
    }
    CHECK(gmtime_r(&day, &parts) && strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %a %j", &parts));
    CHECK(!strcmp(text, "2000-02-29 00:00:00 Tue 060") && mktime(&parts) == day);
}

static void count(int number)
{
    caught += number;
}

static void count_with_origin(int number, siginfo_t *about, void *context)
{
    (void)context;
    caught += about->si_signo == number ? 1000 : 0;
}

void check_signals(void)
{
    struct sigaction action = {.sa_sigaction = count_with_origin, .sa_flags = SA_SIGINFO}, before;

    CHECK(signal(SIGUSR1, count) == SIG_DFL && raise(SIGUSR1) == 0 && caught == SIGUSR1);
    CHECK(signal(SIGUSR1, SIG_IGN) == count && raise(SIGUSR1) == 0 && caught == SIGUSR1);
    CHECK(raise(SIGCHLD) == 0 && kill(getpid(), 0) == 0 && kill(12345, SIGTERM) == -1 && errno == ESRCH);
    CHECK(sigaction(SIGUSR2, &action, &before) == 0 && before.sa_handler == SIG_DFL && raise(SIGUSR2) == 0 && caught > 1000);
    CHECK(signal(SIGKILL, SIG_IGN) == SIG_ERR && errno == EINVAL && raise(1000) == -1);
}
