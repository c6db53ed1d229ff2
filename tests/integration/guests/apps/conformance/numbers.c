/* Numbers as text, both ways: printf, scanf, strtol, strtod; after the subjects of musl's libc-test. */
#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

/* Whether printf writes what is expected. */
static int prints(const char *expected, const char *format, ...)
{
    char text[512];
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length == (int)strlen(expected) && !strcmp(text, expected))
        return 1;
    printf("expected \"%s\", printed \"%s\"\n", expected, text);
    return 0;
}

static void check_printed_integers(void)
{
    CHECK(prints("-1 4294967295 ffffffff FFFFFFFF 37777777777", "%d %u %x %X %o", -1, -1, -1, -1, -1));
    CHECK(prints("-128 255 -32768 65535", "%hhd %hhu %hd %hu", 128, 255, 32768, 65535));
    CHECK(prints("9223372036854775807 -9223372036854775808", "%lld %lld", LLONG_MAX, LLONG_MIN));
    CHECK(prints("18446744073709551615 ffffffffffffffff", "%zu %jx", (size_t)-1, UINTMAX_MAX));
    CHECK(prints("[    5][5    ][00005][+5][ 5]", "[%5d][%-5d][%05d][%+d][% d]", 5, 5, 5, 5, 5));
    CHECK(prints("[  007][007  ][0x2a][052][]", "[%5.3d][%-5.3d][%#x][%#o][%.0d]", 7, 7, 42, 42, 0));
    CHECK(prints("[   +42][-00042]", "[%+*d][%0*d]", 6, 42, 6, -42) && prints("[42  ]", "[%*d]", -4, 42));
    CHECK(prints("%c% x(null)", "%%c%% %s%s", "x", (char *)NULL) && prints("[ab   ][   ab][a]", "[%-5s][%5s][%.1s]", "ab", "ab", "ab"));
    CHECK(prints("0 0x1", "%p %p", (void *)0, (void *)1));
    CHECK(prints("b a", "%2$s %1$s", "a", "b") && prints("1 01 3", "%1$d %1$02d %2$d", 1, 3));
    CHECK(prints("\xe2\x82\xac!", "%lc%ls", 0x20ac, L"!"));
}

static void check_printed_reals(void)
{
    CHECK(prints("0 1 -1 0.1 1e+06 1e-05 123456 1.23457e+06", "%g %g %g %g %g %g %g %g", 0., 1., -1., .1, 1e6, 1e-5, 123456., 1234567.));
    CHECK(prints("0.5 0 2 2 4", "%.1f %.0f %.0f %.0f %.0f", .45 + .05, .5, 1.5, 2.5, 3.5)); /* half to even */
    CHECK(prints("1.797693134862315708145274237317e+308", "%.30e", DBL_MAX) && prints("4.94066e-324", "%g", 4.9406564584124654e-324));
    CHECK(prints("1.0000000000000000000000000000000000", "%.34f", 1.) && prints("99999999999999991611392.000000", "%f", 1e23));
    CHECK(prints("inf -inf nan INF", "%f %f %f %F", INFINITY, -INFINITY, fabs((double)NAN), INFINITY));
    CHECK(prints("0x1p+0 0x1.999999999999ap-4 -0x0p+0", "%a %a %a", 1., .1, -0.) && prints("0x1.8p+1", "%.1a", 3.));
    CHECK(prints("[  1.5][1.5  ][001.5][+1.5][1.]", "[%5.1f][%-5.1f][%05.1f][%+.1f][%#.0f]", 1.5, 1.5, 1.5, 1.5, 1.));
    CHECK(prints("3.14159265358979323851", "%.20Lf", 3.14159265358979323851L) && prints("1.18973e+4932", "%Lg", LDBL_MAX));
    CHECK(prints("100000 1e+06 100000.", "%g %g %#g", 100000., 1000000., 100000.));
}

static void check_scanned(void)
{
    int a = 0, b = 0, read = 0;
    long long wide = 0;
    unsigned byte = 0;
    double real = 0;
    float small = 0;
    char word[16] = "", set[16] = "", *made = NULL;

    CHECK(sscanf(" 12 -0x1f", "%d%i", &a, &b) == 2 && a == 12 && b == -31);
    CHECK(sscanf("0777 9", "%i %o", &a, &byte) == 1 && a == 511 && sscanf("ff", "%x", &byte) == 1 && byte == 255);
    CHECK(sscanf("1234", "%2d%2d", &a, &b) == 2 && a == 12 && b == 34 && sscanf("9223372036854775807", "%lld", &wide) == 1);
    CHECK(wide == LLONG_MAX && sscanf("1.5e3 0x1p-1", "%lf%f", &real, &small) == 2 && real == 1500. && small == .5f);
    CHECK(sscanf("word other", "%15s%n", word, &read) == 1 && !strcmp(word, "word") && read == 4);
    CHECK(sscanf("abc123", "%[a-z]%[^x]", word, set) == 2 && !strcmp(word, "abc") && !strcmp(set, "123"));
    CHECK(sscanf("k=v", "%*[^=]=%ms", &made) == 1 && !strcmp(made, "v") && sscanf("", "%d", &a) == EOF && sscanf("x", "%d", &a) == 0);
    free(made);
    CHECK(sscanf("infinity nan", "%lf%f", &real, &small) == 2 && isinf(real) && isnan(small) && sscanf("1e", "%lf", &real) == 0);
}

static int converts(const char *text, int base, long expected, int error, size_t used)
{
    char *end;
    long value;

    errno = 0;
    value = strtol(text, &end, base);
    return value == expected && errno == error && (size_t)(end - text) == used;
}

static void check_conversions(void)
{
    char *end;

    CHECK(converts("  +42abc", 10, 42, 0, 5) && converts("0x", 16, 0, 0, 1) && converts("zz", 36, 35 * 36 + 35, 0, 2));
    CHECK(converts("9223372036854775808", 10, LONG_MAX, ERANGE, 19) && converts("-9223372036854775808", 10, LONG_MIN, 0, 20));
    CHECK(converts("-9223372036854775809", 10, LONG_MIN, ERANGE, 20) && converts("08", 0, 0, 0, 1));
    CHECK(strtoul("-1", NULL, 10) == ULONG_MAX && strtoull("18446744073709551615", NULL, 10) == ULLONG_MAX && atoi("12x") == 12);
    CHECK(strtod("2.2250738585072011e-308", NULL) == 2.2250738585072011e-308 && strtod("1.7976931348623157e308", NULL) == DBL_MAX);
    CHECK(strtod("0.1", NULL) == .1 && strtod("1e23", NULL) == 1e23 && strtod("9007199254740993", NULL) == 9007199254740992.);
    CHECK(strtod("0x1.fffffffffffffp1023", NULL) == DBL_MAX && strtod("4.9e-324", NULL) > 0 && strtod(".5.5", &end) == .5 && *end == '.');
    CHECK(strtof("3.4028235e38", NULL) == FLT_MAX && strtof("16777217", NULL) == 16777216.f && strtold("1e4000", NULL) > 1e308L);
    for (double value = 1e-300; value < 1e300; value *= 1.37e3) {
        char text[64];

        snprintf(text, sizeof text, "%.17g", value);
        CHECK(strtod(text, NULL) == value);
    }
}

void check_numbers(void)
{
    check_printed_integers();
    check_printed_reals();
    check_scanned();
    check_conversions();
}
