/*
 * Runs scripts of system calls and prints what each returned. Compiled twice from this text: with the guest's own C under the
 * host's sanitizers (GUEST), and plainly, for the kernel of this machine, confined to a folder. Both must print the same.
 *
 * stdin: a line a call, words separated by blanks; "end" ends a script, and the next one begins in a fresh process.
 * stdout: a line a call.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "syscall_driver.h"

enum { WORDS = 8, LINE = 8192, BUFFER = 1 << 20, SLOTS = 4, PAGE = 4096, LISTED = 2048 };

static FILE *script, *report;
static char buffer[BUFFER];
static char *mapped[SLOTS];
static sigjmp_buf fault;

static long number(const char *word)
{
    return word ? strtol(word, NULL, 0) : 0;
}

static void on_fault(int signal)
{
    siglongjmp(fault, signal);
}

static int by_text(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* All names of a folder with their types, sorted; each is removed, or renamed, before more are asked for, if that is wanted. */
static void list(int descriptor, const char *meanwhile)
{
    char *names[LISTED], renamed[300];
    size_t count = 0;
    long got;

    while ((got = call(SYS_getdents64, descriptor, (long)buffer, 512, 0, 0, 0)) > 0)
        for (long at = 0; at < got && count < LISTED; at += ((struct dirent *)(buffer + at))->d_reclen) {
            struct dirent *entry = (struct dirent *)(buffer + at);

            if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
                continue;
            asprintf(&names[count++], "%s:%d", entry->d_name, entry->d_type);
            snprintf(renamed, sizeof renamed, "x%s", entry->d_name);
            if (meanwhile && !strcmp(meanwhile, "removing"))
                call(SYS_unlinkat, descriptor, (long)entry->d_name, 0, 0, 0, 0);
            else if (meanwhile)
                call(SYS_renameat, descriptor, (long)entry->d_name, descriptor, (long)renamed, 0, 0);
        }
    qsort(names, count, sizeof *names, by_text);
    fprintf(report, "%ld", got);
    for (size_t i = 0; i < count; i++) {
        fprintf(report, " %s", names[i]);
        free(names[i]);
    }
    fputc('\n', report);
}

static void show_status(long result, const struct stat *about)
{
    if (result < 0)
        fprintf(report, "%ld\n", result);
    else if (S_ISREG(about->st_mode))
        fprintf(report, "file %o %ld %lu\n", about->st_mode & 07777, (long)about->st_size, (unsigned long)about->st_nlink);
    else
        fprintf(report, "%o\n", about->st_mode);
}

/* Read or write a byte of a mapping, or say that it cannot be done. */
static void touch(volatile char *at, int writing, char value)
{
    int signal = sigsetjmp(fault, 1);

    if (signal) {
        fputs("fault\n", report);
        return;
    }
    if (writing)
        *at = value;
    fprintf(report, "%d\n", *at);
}

static void print_bytes(long result)
{
    unsigned long sum = 5381;

    for (long at = 0; at < result; at++)
        sum = sum * 33 + (unsigned char)buffer[at];
    fprintf(report, "%ld %lx\n", result, result < 0 ? 0 : sum);
}

/* Calls on memory: each names a slot, and pages from its start. */
static int memory_line(char **word)
{
    long slot = number(word[1]) % SLOTS, offset = number(word[2]) * PAGE, size = number(word[3]) * PAGE, result;

    if (!strcmp(word[0], "mmap")) {
        result = call(SYS_mmap, 0, size, number(word[4]), MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        mapped[slot] = result < 0 ? NULL : (char *)result;
        fprintf(report, "%ld\n", result < 0 ? result : 0);
    } else if (!strcmp(word[0], "munmap")) {
        fprintf(report, "%ld\n", call(SYS_munmap, (long)mapped[slot] + offset, size, 0, 0, 0, 0));
    } else if (!strcmp(word[0], "mprotect")) {
        fprintf(report, "%ld\n", call(SYS_mprotect, (long)mapped[slot] + offset, size, number(word[4]), 0, 0, 0));
    } else if (!strcmp(word[0], "fixed")) {
        result = call(SYS_mmap, (long)mapped[slot] + offset, size, number(word[4]), MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        fprintf(report, "%ld\n", result < 0 ? result : result - (long)mapped[slot]);
    } else if (!strcmp(word[0], "mremap")) { /* all of a slot, to `offset` pages */
        result = call(SYS_mremap, (long)mapped[slot], size, offset, MREMAP_MAYMOVE, 0, 0);
        mapped[slot] = result < 0 ? mapped[slot] : (char *)result;
        fprintf(report, "%ld\n", result < 0 ? result : 0);
    } else if (!strcmp(word[0], "rest")) {
        rest();
        fputs("rested\n", report);
    } else if (!strcmp(word[0], "touch")) {
        touch(mapped[slot] + offset + number(word[3]), word[4] != NULL, word[4] ? (char)number(word[4]) : 0);
    } else {
        return 0;
    }
    return 1;
}

static int file_line(char **word)
{
    struct stat about;
    long result;

    if (!strcmp(word[0], "read") || !strcmp(word[0], "pread")) {
        memset(buffer, 0, (size_t)number(word[2]));
        result = *word[0] == 'r' ? call(SYS_read, number(word[1]), (long)buffer, number(word[2]), 0, 0, 0)
                                 : call(SYS_pread64, number(word[1]), (long)buffer, number(word[2]), number(word[3]), 0, 0);
        print_bytes(result);
    } else if (!strcmp(word[0], "write") || !strcmp(word[0], "pwrite")) {
        memset(buffer, (int)number(word[3]), (size_t)number(word[2]));
        result = *word[0] == 'w' ? call(SYS_write, number(word[1]), (long)buffer, number(word[2]), 0, 0, 0)
                                 : call(SYS_pwrite64, number(word[1]), (long)buffer, number(word[2]), number(word[4]), 0, 0);
        fprintf(report, "%ld\n", result);
    } else if (!strcmp(word[0], "stat")) {
        result = call(SYS_stat, (long)word[1], (long)&about, 0, 0, 0, 0);
        show_status(result, &about);
    } else if (!strcmp(word[0], "fstat")) {
        result = call(SYS_fstat, number(word[1]), (long)&about, 0, 0, 0, 0);
        show_status(result, &about);
    } else if (!strcmp(word[0], "list")) {
        list((int)number(word[1]), word[2]);
    } else if (!strcmp(word[0], "getcwd")) {
        result = call(SYS_getcwd, (long)buffer, number(word[1]), 0, 0, 0, 0);
        fprintf(report, "%ld %s\n", result, result > 0 ? buffer : "");
    } else {
        return 0;
    }
    return 1;
}

/* A call whose arguments are paths and numbers: a word that begins with a digit or a minus is a number. */
static void plain_line(char **word)
{
    static const struct { const char *name; long number; } calls[] = {
        {"open", SYS_open}, {"openat", SYS_openat}, {"close", SYS_close}, {"dup", SYS_dup}, {"dup2", SYS_dup2}, {"dup3", SYS_dup3},
        {"lseek", SYS_lseek}, {"truncate", SYS_truncate}, {"ftruncate", SYS_ftruncate}, {"mkdir", SYS_mkdir}, {"rmdir", SYS_rmdir},
        {"unlink", SYS_unlink}, {"unlinkat", SYS_unlinkat}, {"mkdirat", SYS_mkdirat}, {"rename", SYS_rename},
        {"renameat", SYS_renameat}, {"access", SYS_access}, {"chdir", SYS_chdir}, {"fchdir", SYS_fchdir}, {"fcntl", SYS_fcntl},
        {"chmod", SYS_chmod}, {"umask", SYS_umask}, {"readlink", SYS_readlink}, {"creat", SYS_creat},
    };
    long arguments[6] = {0}, result = -ENOSYS;

    for (int i = 1; i < 7 && word[i]; i++)
        arguments[i - 1] = strchr("-0123456789", *word[i]) ? number(word[i]) : !strcmp(word[i], "EMPTY") ? (long)"" : (long)word[i];
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (!strcmp(word[0], calls[i].name))
            result = call(calls[i].number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
    if (!strcmp(word[0], "fcntl") && number(word[2]) == F_GETFL && result >= 0)
        result &= ~0100000; /* O_LARGEFILE, which only the kernel adds */
    fprintf(report, "%ld\n", result);
}

static void run_line(char *line)
{
    char *word[WORDS + 1] = {NULL};

    word[0] = strtok(line, " \n");
    for (int i = 1; i < WORDS && word[i - 1]; i++)
        word[i] = strtok(NULL, " \n");
    if (word[0] && !memory_line(word) && !file_line(word))
        plain_line(word);
}

int main(int argc, char **argv)
{
    char line[LINE];
    struct rlimit limit = {256, 256};
    char **lines = NULL;
    size_t count = 0;

    script = fdopen(fcntl(0, F_DUPFD, 900), "r");
    report = fdopen(fcntl(1, F_DUPFD, 901), "w");
    signal(SIGSEGV, on_fault);
    setvbuf(report, NULL, _IOLBF, 0);
    set_up(argc > 1 ? argv[1] : NULL);
    setrlimit(RLIMIT_NOFILE, &limit);
    while (fgets(line, sizeof line, script)) {
        int status;
        pid_t child;

        if (strncmp(line, "end", 3)) {
            lines = realloc(lines, (count + 1) * sizeof *lines);
            lines[count++] = strdup(line);
            continue;
        }
        fflush(report);
        if (!(child = fork())) {
            begin();
            for (size_t i = 0; i < count; i++)
                run_line(lines[i]);
            fflush(report);
            _exit(0);
        }
        waitpid(child, &status, 0);
        fprintf(report, "end %d\n", status);
        for (size_t i = 0; i < count; i++)
            free(lines[i]);
        count = 0;
    }
    fflush(report);
    free(lines);
    return 0;
}
