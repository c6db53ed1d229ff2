/* Sorting, searching, random numbers, patterns; after the subjects of musl's libc-test. */
#include <errno.h>
#include <fnmatch.h>
#include <regex.h>
#include <search.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

enum { MOST = 1000 };

static int by_number(const void *left, const void *right)
{
    int a = *(const int *)left, b = *(const int *)right;

    return (a > b) - (a < b);
}

static int by_text(const void *left, const void *right)
{
    return strcmp(left, right);
}

static void check_sorting(void)
{
    static int numbers[MOST];
    char words[5][7] = {"pear", "apple", "fig", "cherry", "banana"};
    long sum, other;

    for (int count = 0; count < MOST; count += 1 + count / 7) {
        sum = other = 0;
        srand((unsigned)count);
        for (int i = 0; i < count; i++)
            sum += numbers[i] = rand() % (count / 2 + 1);
        qsort(numbers, (size_t)count, sizeof *numbers, by_number);
        for (int i = 0; i < count; i++)
            other += numbers[i];
        CHECK(sum == other);
        for (int i = 1; i < count; i++)
            CHECK(numbers[i - 1] <= numbers[i]);
    }
    qsort(words, 5, sizeof *words, by_text);
    CHECK(!strcmp(words[0], "apple") && !strcmp(words[2], "cherry") && !strcmp(words[4], "pear"));
    CHECK(bsearch("fig", words, 5, sizeof *words, by_text) == words[3] && !bsearch("kiwi", words, 5, sizeof *words, by_text));
}

static void check_tables(void)
{
    void *root = NULL;
    char keys[100][8];

    CHECK(hcreate(200));
    for (int i = 0; i < 100; i++) {
        snprintf(keys[i], sizeof keys[i], "key%d", i);
        CHECK(hsearch((ENTRY){keys[i], (void *)(intptr_t)(i + 1)}, ENTER));
        CHECK(tsearch(keys[i], &root, by_text));
    }
    for (int i = 0; i < 100; i++) {
        ENTRY *found = hsearch((ENTRY){keys[i], NULL}, FIND);

        CHECK(found && (intptr_t)found->data == i + 1 && tfind(keys[i], &root, by_text) && tdelete(keys[i], &root, by_text));
    }
    CHECK(!hsearch((ENTRY){"none", NULL}, FIND) && !root);
    hdestroy();
}

/* Where a pattern matches: "(first,end)" of each group; "no", or "bad" if it cannot be compiled. */
static int matches(const char *pattern, int flags, const char *text, const char *expected)
{
    regex_t compiled;
    regmatch_t groups[4];
    char got[100] = "";

    if (regcomp(&compiled, pattern, flags)) {
        strcpy(got, "bad");
    } else {
        if (regexec(&compiled, text, 4, groups, 0))
            strcpy(got, "no");
        else
            for (int i = 0; i < 4 && groups[i].rm_so >= 0; i++)
                snprintf(got + strlen(got), sizeof got - strlen(got), "(%d,%d)", (int)groups[i].rm_so, (int)groups[i].rm_eo);
        regfree(&compiled);
    }
    if (!strcmp(got, expected))
        return 1;
    printf("/%s/ on \"%s\": expected %s, got %s\n", pattern, text, expected, got);
    return 0;
}

static void check_patterns(void)
{
    CHECK(matches("a(b|cd)*e", REG_EXTENDED, "xabcdbe", "(1,7)(5,6)") && matches("^$", 0, "", "(0,0)") && matches("^a$", 0, "ab", "no"));
    CHECK(matches("x*", REG_EXTENDED, "aaa", "(0,0)") && matches("(a+)(b+)?", REG_EXTENDED, "caab", "(1,4)(1,3)(3,4)"));
    CHECK(matches("[[:digit:]]+[^0-9]", REG_EXTENDED, "ab123c", "(2,6)") && matches("a{2,3}", REG_EXTENDED, "aaaa", "(0,3)"));
    CHECK(matches("\\(a\\)\\1", 0, "xaa", "(1,3)(1,2)") && matches("HELLO", REG_ICASE, "say hello", "(4,9)"));
    CHECK(matches("a|ab|abc", REG_EXTENDED, "abcd", "(0,3)") && matches("a.c", REG_NEWLINE, "a\nc", "no"));
    CHECK(matches("^b", REG_NEWLINE, "a\nb", "(2,3)") && matches("a**", 0, "a", "(0,1)") && matches("[]a]", 0, "]", "(0,1)"));
    CHECK(matches("(", REG_EXTENDED, "", "bad") && matches("[a", 0, "", "bad") && matches("a{2,1}", REG_EXTENDED, "", "bad"));
    CHECK(matches("[[:nope:]]", 0, "", "bad") && matches("\\", 0, "", "bad") && matches("\xc3\xbc+", REG_EXTENDED, "a\xc3\xbc\xc3\xbc", "(1,5)"));
    CHECK(!fnmatch("*.c", "main.c", 0) && fnmatch("*.c", "main.h", 0) && !fnmatch("[!a-c]?", "dx", 0) && !fnmatch("a\\*", "a*", 0));
    CHECK(fnmatch("*", "a/b", FNM_PATHNAME) && !fnmatch("*/b", "a/b", FNM_PATHNAME) && fnmatch("*", ".a", FNM_PERIOD));
}

static void check_random(void)
{
    unsigned short state[3] = {0x330e, 0, 0};
    int first, second;

    srand(1);
    first = rand();
    srand(1);
    CHECK(first == rand() && first >= 0 && (second = rand()) != first);
    srand48(0);
    CHECK(drand48() == erand48(state) && (srandom(7), first = (int)random()) >= 0 && (srandom(7), first == (int)random()));
}

static void check_division(void)
{
    div_t parts = div(-7, 2);
    lldiv_t wide = lldiv(INT64_MIN, 10);

    CHECK(parts.quot == -3 && parts.rem == -1 && wide.quot == INT64_MIN / 10 && wide.rem == -8 && labs(-5) == 5);
    CHECK(!strcmp(getenv("SET"), "by the recipe") && !putenv("PUT=1") && !strcmp(getenv("PUT"), "1") && setenv("", "x", 1) == -1 && errno == EINVAL);
    CHECK(a64l("v/") == 123 && !strcmp(l64a(123), "v/"));
}

void check_algorithms(void)
{
    check_sorting();
    check_tables();
    check_patterns();
    check_random();
    check_division();
}
