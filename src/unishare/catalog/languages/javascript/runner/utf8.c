/* UTF-8 as the Encoding standard and RFC 3629 have it: no surrogates, no longer forms, nothing above U+10FFFF. */
#include <string.h>

#include "javascript.h"

/* How many bytes the character takes that begins with `first`, and between which bounds its second byte lies; 0: none begins
 * so. */
static size_t length_of(unsigned char first, unsigned char *low, unsigned char *high)
{
    *low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    *high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (first < 0x80)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* How many of the first `size` bytes belong to one character that is whole, or may become so; 0: to none. */
static size_t character(const unsigned char *text, size_t size, int *whole)
{
    unsigned char low, high;
    size_t length = length_of(*text, &low, &high);

    if (!length)
        return 0;
    *whole = length <= size;
    for (size_t i = 1; i < length && i < size; i++) {
        if (text[i] < low || text[i] > high)
            return 0;
        low = 0x80;
        high = 0xbf;
    }
    return *whole ? length : size;
}

size_t utf8_valid(const char *text, size_t size)
{
    size_t at = 0;
    int whole;

    while (at < size) {
        size_t length;

        if ((unsigned char)text[at] < 0x80) {
            at++;
            continue;
        }
        length = character((const unsigned char *)text + at, size - at, &whole);
        if (!length || !whole)
            break;
        at += length;
    }
    return at;
}

size_t utf8_incomplete(const char *text, size_t size)
{
    for (size_t back = 1; back <= 3 && back <= size; back++) {
        const unsigned char *start = (const unsigned char *)text + size - back;
        int whole;

        if ((*start & 0xc0) == 0x80)
            continue;
        return *start >= 0x80 && character(start, back, &whole) && !whole ? back : 0;
    }
    return 0;
}

void utf8_replace_surrogates(char *text, size_t size)
{
    for (char *at = text; size - (size_t)(at - text) >= 3 && (at = memchr(at, 0xed, size - (size_t)(at - text) - 2)); at++)
        if ((unsigned char)at[1] >= 0xa0)
            memcpy(at, "\xef\xbf\xbd", 3);
}
