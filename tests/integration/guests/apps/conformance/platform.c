/* What the guest offers of Linux, or says that it does not: devices, limits, rights of memory, time zones, locales. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

enum { PAGE = 4096 };

static int is_zero(const unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bytes[i])
            return 0;
    return 1;
}

static void check_devices(void)
{
    unsigned char bytes[64];
    struct stat about;
    FILE *file;
    int device;

    CHECK((file = fopen("/dev/null", "r+")) && fputs("gone", file) >= 0 && fflush(file) == 0 && getc(file) == EOF && fclose(file) == 0);
    memset(bytes, 1, sizeof bytes);
    CHECK((device = open("/dev/zero", O_RDWR)) > 2 && read(device, bytes, 64) == 64 && is_zero(bytes, 64) && write(device, "x", 1) == 1);
    CHECK(close(device) == 0 && (device = open("/dev/urandom", O_RDONLY)) > 2 && read(device, bytes, 64) == 64 && !is_zero(bytes, 64));
    CHECK(close(device) == 0 && (device = open("/dev/random", O_RDONLY)) > 2 && read(device, bytes, 64) == 64 && close(device) == 0);
    CHECK((device = open("/dev/full", O_WRONLY)) > 2 && write(device, "x", 1) == -1 && errno == ENOSPC && close(device) == 0);
    CHECK((device = open("/dev/stdout", O_WRONLY)) > 2 && !isatty(device) && errno == ENOTTY && close(device) == 0);
    CHECK((device = open("/dev/stdin", O_RDONLY)) > 2 && read(device, bytes, 1) == 0 && close(device) == 0);
    CHECK(stat("/dev/null", &about) == 0 && S_ISCHR(about.st_mode) && about.st_rdev == (1 << 8 | 3) && open("/dev/sda", O_RDONLY) == -1);
}

static void check_limits(void)
{
    struct rlimit limit;
    struct itimerval timer = {.it_value.tv_sec = 1};

    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur == 256 && limit.rlim_max == 256 && sysconf(_SC_OPEN_MAX) == 256);
    for (long descriptor = 3; descriptor < sysconf(_SC_OPEN_MAX); descriptor++)
        close((int)descriptor);
    limit.rlim_cur = 300, limit.rlim_max = 300;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == -1 && errno == EPERM && dup2(0, 256) == -1 && errno == EBADF);
    CHECK(getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur == 0 && getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur >= PAGE);
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == -1 && errno == ENOSYS && (errno = 0, alarm(1) == 0) && errno == ENOSYS);
}

static volatile sig_atomic_t order;

static void note(int signal)
{
    order = order * 10 + (signal == SIGUSR1 ? 1 : 2);
}

static void check_masks(void)
{
    sigset_t set, before, waiting;

    signal(SIGUSR1, note);
    signal(SIGUSR2, note);
    CHECK(sigemptyset(&set) == 0 && sigaddset(&set, SIGUSR1) == 0 && sigprocmask(SIG_BLOCK, &set, &before) == 0);
    CHECK(raise(SIGUSR1) == 0 && raise(SIGUSR2) == 0 && order == 2 && sigpending(&waiting) == 0 && sigismember(&waiting, SIGUSR1));
    CHECK(sigprocmask(SIG_SETMASK, &before, &waiting) == 0 && order == 21 && sigismember(&waiting, SIGUSR1));
    CHECK(sigpending(&waiting) == 0 && !sigismember(&waiting, SIGUSR1));
    signal(SIGUSR1, SIG_DFL);
    signal(SIGUSR2, SIG_DFL);
}

/* Rights of memory; what a forbidden access does ends the guest, and so is the host's to see (test_conformance.py). */
static void check_rights(void)
{
    char *pages = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *more;

    CHECK(pages != MAP_FAILED && mprotect(pages, PAGE, PROT_NONE) == 0 && mprotect(pages + PAGE, PAGE, PROT_READ) == 0);
    CHECK(pages[PAGE] == 0 && (pages[2 * PAGE] = 7) && mprotect(pages, 2 * PAGE, PROT_READ | PROT_WRITE) == 0);
    CHECK((pages[0] = 1) && (pages[PAGE] = 2));
    CHECK(mprotect(pages, PAGE, PROT_READ | PROT_EXEC) == -1 && errno == EACCES);
    CHECK(mprotect((void *)&note, 1, PROT_READ | PROT_WRITE) == -1 && (errno == EACCES || errno == EINVAL));
    CHECK(munmap(pages + PAGE, PAGE) == 0 && munmap(pages + PAGE, PAGE) == 0 && mprotect(pages, 4 * PAGE, PROT_READ) == -1 && errno == ENOMEM);
    CHECK((more = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) != MAP_FAILED && more[0] == 0);
    CHECK(munmap(pages, 4 * PAGE) == 0 && munmap(pages, 4 * PAGE) == 0);
    CHECK(mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EACCES);
}

static int local_time_is(const char *zone, time_t time, const char *expected)
{
    struct tm parts;
    char text[64];

    setenv("TZ", zone, 1);
    tzset();
    if (!localtime_r(&time, &parts) || !strftime(text, sizeof text, "%F %T %Z %z", &parts))
        return 0;
    if (!strcmp(text, expected) && mktime(&parts) == time)
        return 1;
    printf("%s: expected %s, got %s\n", zone, expected, text);
    return 0;
}

static void check_zones(void)
{
    CHECK(local_time_is("Europe/Berlin", 1700000000, "2023-11-14 23:13:20 CET +0100"));
    CHECK(local_time_is("Europe/Berlin", 1720000000, "2024-07-03 11:46:40 CEST +0200"));
    CHECK(local_time_is("America/New_York", 1700000000, "2023-11-14 17:13:20 EST -0500"));
    CHECK(local_time_is("America/Argentina/Buenos_Aires", 1700000000, "2023-11-14 19:13:20 -03 -0300"));
    CHECK(local_time_is("Asia/Kolkata", 1700000000, "2023-11-15 03:43:20 IST +0530"));
    CHECK(local_time_is("Australia/Lord_Howe", 1705000000, "2024-01-12 06:06:40 +11 +1100"));
    CHECK(local_time_is("CET-1CEST,M3.5.0,M10.5.0/3", 1720000000, "2024-07-03 11:46:40 CEST +0200"));
    CHECK(local_time_is("UTC", 1700000000, "2023-11-14 22:13:20 UTC +0000"));
    CHECK(local_time_is(":Asia/Tokyo", 1700000000, "2023-11-15 07:13:20 JST +0900"));
    unsetenv("TZ");
    tzset();
}

static void check_locales(void)
{
    CHECK(!setlocale(LC_ALL, "de_DE.UTF-8") && !setlocale(LC_NUMERIC, "fr_FR") && !newlocale(LC_ALL_MASK, "de_DE.UTF-8", NULL));
    CHECK(setlocale(LC_ALL, "C.UTF-8") && !strcmp(setlocale(LC_CTYPE, NULL), "C.UTF-8") && setlocale(LC_ALL, "POSIX"));
    setenv("LANG", "de_DE.UTF-8", 1);
    CHECK(!setlocale(LC_ALL, ""));
    unsetenv("LANG");
    CHECK(setlocale(LC_ALL, "") && MB_CUR_MAX == 4);
}

/* Files of the image can be changed: the changes are this instance's own. */
static void check_bundled(void)
{
    char text[64] = "";
    struct stat about;
    FILE *file = fopen("/app/words", "a");

    CHECK(file && fputs("delta\n", file) >= 0 && fclose(file) == 0 && (file = fopen("/app/words", "r")));
    CHECK(file && fread(text, 1, sizeof text - 1, file) == 23 && !strcmp(text + 17, "delta\n") && fclose(file) == 0);
    CHECK(stat("/app/words", &about) == 0 && (about.st_mode & 07777) == 0444 && chmod("/app/words", 0600) == 0);
    CHECK(stat("/app/words", &about) == 0 && (about.st_mode & 07777) == 0600);
}

static void check_removing_while_reading(void)
{
    char path[32];
    DIR *folder;
    struct dirent *entry;
    int removed = 0;

    CHECK(mkdir("/tmp/many", 0755) == 0);
    for (int i = 0; i < 500; i++) {
        snprintf(path, sizeof path, "/tmp/many/%d", i);
        close(open(path, O_CREAT | O_WRONLY, 0600));
    }
    CHECK((folder = opendir("/tmp/many")) != NULL);
    while (folder && (entry = readdir(folder)))
        removed += entry->d_name[0] != '.' && unlinkat(dirfd(folder), entry->d_name, 0) == 0;
    CHECK(removed == 500 && closedir(folder) == 0 && rmdir("/tmp/many") == 0);
}

void check_platform(void)
{
    check_devices();
    check_limits();
    check_masks();
    check_rights();
    check_zones();
    check_locales();
    check_bundled();
    check_removing_while_reading();
}
