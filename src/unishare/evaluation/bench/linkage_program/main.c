// Times one way of calling in one case: linkage CASE WAY MILLISECONDS. Prints calls a second.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TEXT_SIZE 65536

typedef void caller(void);
typedef unsigned long reading(const unsigned char *, size_t);

extern caller direct_few, plt_entry_few, slot_few, jump_table_few, direct_many, plt_entry_many, slot_many, jump_table_many;
extern reading direct_text, plt_entry_text, slot_text, jump_table_text;

static const struct {
    const char *name;
    caller *few, *many;
    reading *text;
} ways[] = {
    {"direct", direct_few, direct_many, direct_text},
    {"plt", plt_entry_few, plt_entry_many, plt_entry_text},
    {"slot", slot_few, slot_many, slot_text},
    {"table", jump_table_few, jump_table_many, jump_table_text},
};

static unsigned char text[TEXT_SIZE];
static unsigned long calls_of_text;
static volatile unsigned long sink;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

// Words, numbers and signs in turn, always the same ones; and how many calls reading them takes.
static void write_text(void)
{
    unsigned state = 1;
    calls_of_text = 1;
    for (size_t at = 0; at < TEXT_SIZE; at++) {
        state = state * 1664525 + 1013904223;
        unsigned drawn = state >> 24;
        text[at] = (unsigned char)(drawn < 40 ? ' ' : drawn < 200 ? 'a' + drawn % 26 : drawn < 240 ? '0' + drawn % 10 : '.');
        calls_of_text += 2 + (drawn < 40 ? 2 : drawn < 200);
    }
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    for (size_t way = 0; way < sizeof ways / sizeof *ways; way++) {
        if (strcmp(ways[way].name, argv[2]))
            continue;
        int is_text = !strcmp(argv[1], "text");
        caller *call = !strcmp(argv[1], "few") ? ways[way].few : ways[way].many;
        double calls = is_text ? (double)(write_text(), calls_of_text) : call == ways[way].few ? COUNT_FEW : COUNT_MANY;
        double limit = atof(argv[3]) / 1e3, done = 0, started = 0, spent = 0;
        // The first pass warms caches and predictors, and is thrown away.
        for (int pass = 0; pass < 2; pass++) {
            started = now();
            for (done = 0; (spent = now() - started) < (pass ? limit : limit / 4);) {
                for (int repeat = 0; repeat < (is_text ? 1 : 64); repeat++) {
                    if (is_text)
                        sink = ways[way].text(text, TEXT_SIZE);
                    else
                        call();
                    done += calls;
                }
            }
        }
        printf("%.0f\n", done / spent);
        return 0;
    }
    return 2;
}
