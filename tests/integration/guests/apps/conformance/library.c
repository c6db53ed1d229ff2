/* The C library: formats, numbers, sorting, jumps, locale. */
#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static int printed_as(const char *expected, const char *format, double value)
{
    char text[64];

    return snprintf(text, sizeof text, format, value) == (int)strlen(expected) && !strcmp(text, expected);
}

static int by_value(const void *one, const void *two)
{
    return *(const int *)one - *(const int *)two;
}

static void jump(jmp_buf *back)
{
    longjmp(*back, 7);
}

void check_library(void)
{
    int numbers[500], sorted = 1, wanted = 77;
    char *end, text[16];
    jmp_buf back;
    volatile int jumped = 0;

    CHECK(printed_as("3.14", "%.2f", 3.14159) && printed_as("1e+100", "%g", 1e100) && printed_as("-inf", "%f", -INFINITY));
    CHECK(printed_as("0x1.8p+1", "%a", 3.0) && printed_as("0.1000000000000000055511", "%.22f", 0.1));
    CHECK(snprintf(text, sizeof text, "%s", "longer than the room there is") == 29 && strlen(text) == 15);
    CHECK(strtod("  -1.5e3x", &end) == -1500.0 && *end == 'x' && strtod("0x10p1", NULL) == 32.0 && isnan(strtod("nan", NULL)));
    errno = 0;
    CHECK(strtod("1e999", NULL) == HUGE_VAL && errno == ERANGE);
    errno = 0;
    CHECK(strtol("99999999999999999999", NULL, 10) == 0x7fffffffffffffff && errno == ERANGE && strtol("-0x1f", NULL, 0) == -31);
    for (int i = 0; i < 500; i++)
        numbers[i] = (i * 7919) % 500;
    qsort(numbers, 500, sizeof *numbers, by_value);
    for (int i = 0; i < 500; i++)
        sorted = sorted && numbers[i] == i;
    CHECK(sorted && *(int *)bsearch(&wanted, numbers, 500, sizeof *numbers, by_value) == 77);
    if (setjmp(back))
        jumped = 1;
    else
        jump(&back);
    CHECK(jumped);
    CHECK(isalpha('z') && !isalpha('1') && !isalpha(0xe4) && toupper('q') == 'Q' && isspace('\t') && isxdigit('F'));
    CHECK(setlocale(LC_ALL, "C") && *localeconv()->decimal_point == '.');
    CHECK(!strcmp(strerror(ENOENT), "No such file or directory") && fabs(sin(1.0) - 0.8414709848078965) < 1e-15);
}
