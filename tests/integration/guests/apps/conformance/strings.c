/* Strings and bytes; after the subjects of musl's libc-test. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <wchar.h>

#include "check.h"

enum { ROOM = 300, ALIGNMENTS = 16, LENGTHS = 80 };

/* Copies, fills and searches of all small lengths at all alignments, beside a byte loop. */
static void check_alignments(void)
{
    static unsigned char from[ROOM], into[ROOM], expected[ROOM];
    int wrong = 0;

    for (int i = 0; i < ROOM; i++)
        from[i] = (unsigned char)(i * 31 + 1);
    for (int source = 0; source < ALIGNMENTS; source++)
        for (int target = 0; target < ALIGNMENTS; target++)
            for (int length = 0; length < LENGTHS; length++) {
                memset(into, 0x55, ROOM);
                memset(expected, 0x55, ROOM);
                for (int i = 0; i < length; i++)
                    expected[target + i] = from[source + i];
                wrong += memcpy(into + target, from + source, (size_t)length) != into + target || memcmp(into, expected, ROOM) != 0;
                for (int i = 0; i < length; i++)
                    expected[target + i] = (unsigned char)length;
                wrong += memset(into + target, length, (size_t)length) != into + target || memcmp(into, expected, ROOM) != 0;
            }
    CHECK(!wrong);
    for (int shift = -40; shift <= 40; shift++) {
        for (int i = 0; i < ROOM; i++)
            into[i] = expected[i] = (unsigned char)i;
        for (int i = 0; i < 100; i++)
            expected[100 + shift + i] = (unsigned char)(100 + i);
        memmove(into + 100 + shift, into + 100, 100);
        wrong += memcmp(into, expected, ROOM) != 0;
    }
    CHECK(!wrong);
}

static void check_lengths(void)
{
    char text[LENGTHS + ALIGNMENTS + 1];
    int wrong = 0;

    for (int start = 0; start < ALIGNMENTS; start++)
        for (int length = 0; length < LENGTHS; length++) {
            memset(text, 'a', sizeof text);
            text[start + length] = 0;
            wrong += strlen(text + start) != (size_t)length || strnlen(text + start, 200) != (size_t)length;
            wrong += strchr(text + start, 0) != text + start + length || memchr(text + start, 0, 200) != text + start + length;
            wrong += strchr(text + start, 'b') != NULL;
            if (length) {
                text[start + length - 1] = 'b';
                wrong += strchr(text + start, 'b') != text + start + length - 1 || strrchr(text + start, 'b') != text + start + length - 1;
            }
        }
    CHECK(!wrong);
}

static void check_search(void)
{
    const char *text = "the quick brown fox jumps over the lazy dog";
    char parts[] = "a,b;;c", *rest, *part = parts;

    CHECK(strstr(text, "fox") == text + 16 && strstr(text, "the lazy") == text + 31 && !strstr(text, "fax") && strstr(text, "") == text);
    CHECK(strstr("aaaaaaaaab", "aaab") && strstr("abababac", "ababac") && !strstr("aaaaaaa", "aaaaaaaab"));
    CHECK((char *)memmem(text, 43, "over", 4) == text + 26 && !memmem(text, 43, "overt", 5) && memmem(text, 0, "", 0) == text);
    CHECK(strcspn(text, "q") == 4 && strspn("aabbc", "ab") == 4 && strpbrk(text, "xyz") == text + 18 && strcspn("abc", "") == 3);
    CHECK(!strcasecmp("HeLLo", "hEllO") && strcasecmp("a", "b") < 0 && !strncasecmp("ABCd", "abcE", 3) && strcasestr(text, "FOX") == text + 16);
    CHECK(strcmp("a\x80", "a\x01") > 0 && memcmp("\x80", "\x01", 1) > 0 && strncmp("abcd", "abce", 3) == 0);
    CHECK(!strcmp(strtok_r(parts, ",", &rest), "a") && !strcmp(strtok_r(NULL, ";", &rest), "b") && !strcmp(strtok_r(NULL, ";", &rest), "c"));
    CHECK(!strtok_r(NULL, ";", &rest));
    strcpy(parts, "x::y");
    CHECK(!strcmp(strsep(&part, ":"), "x") && !strcmp(strsep(&part, ":"), "") && !strcmp(strsep(&part, ":"), "y") && !part);
    CHECK(strverscmp("a9", "a10") < 0 && strverscmp("1.0", "1.0") == 0 && strverscmp("000", "00") < 0);
}

static void check_copies(void)
{
    char into[8] = "zzzzzzz", *copy;

    CHECK(strncpy(into, "ab", 5) == into && !memcmp(into, "ab\0\0\0zz", 7));
    CHECK(strlcpy(into, "abcdefghij", sizeof into) == 10 && !strcmp(into, "abcdefg"));
    into[3] = 0;
    CHECK(strlcat(into, "xyz", sizeof into) == 6 && !strcmp(into, "abcxyz") && strlcat(into, "12345", sizeof into) == 11);
    CHECK(!strcmp(into, "abcxyz1") && stpcpy(into, "hi") == into + 2 && stpncpy(into, "hi", 5) == into + 2);
    CHECK(!strcmp(strcat(strcpy(into, "ab"), "cd"), "abcd") && !strcmp(strncat(into, "efgh", 2), "abcdef"));
    CHECK((copy = strdup("copied")) && !strcmp(copy, "copied") && (free(copy), copy = strndup("copied", 3)) && !strcmp(copy, "cop"));
    free(copy);
    CHECK(memccpy(into, "ab:cd", ':', 5) == into + 3 && !memccpy(into, "abcde", ':', 5) && memrchr("a:b:c", ':', 5));
    for (int error = 0; error < 134; error++)
        CHECK(*strerror(error));
    CHECK(!strcmp(strerror(EILSEQ), "Illegal byte sequence") && !strcmp(strsignal(11), "Segmentation fault"));
}

static void check_wide(void)
{
    wchar_t wide[16];
    char narrow[16];
    mbstate_t state = {0};

    CHECK(mbstowcs(wide, "gr\xc3\xbc\xc3\x9f", 16) == 4 && wide[2] == 0xfc && wide[3] == 0xdf);
    CHECK(wcstombs(narrow, L"\x20ac\x1f600", sizeof narrow) == 7 && !strcmp(narrow, "\xe2\x82\xac\xf0\x9f\x98\x80"));
    CHECK(mbrtowc(wide, "\xe2\x82", 2, &state) == (size_t)-2 && mbrtowc(wide, "\xac", 1, &state) == 1 && *wide == 0x20ac);
    CHECK(mbstowcs(wide, "\xc0\x80", 16) == (size_t)-1 && errno == EILSEQ && mbstowcs(wide, "\xed\xa0\x80", 16) == (size_t)-1);
    CHECK(wcslen(L"abc") == 3 && !wcscmp(wcscpy(wide, L"abc"), L"abc") && wcschr(L"abc", 'b') && wcstol(L"-0x10", NULL, 0) == -16);
}

void check_strings(void)
{
    check_alignments();
    check_lengths();
    check_search();
    check_copies();
    check_wide();
}
