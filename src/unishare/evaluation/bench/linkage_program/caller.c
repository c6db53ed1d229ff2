// Counts words and numbers of a text with the library's functions. Compiled four times: WAY is how a call leaves this module. For
// `slot` the compiler itself is told to call through slots (-fno-plt), as it is for libraries of the layout aslr.

#include "library.h"

#define JOIN(a, b) a##b
#define NAME(a, b) JOIN(a, b)

// PREFIX leads to the function itself, or to an entry that jumps there (entries.S).
#define TEXT(a) TEXT_(a)
#define TEXT_(a) #a
#define IMPORT(type, name, ...) extern type NAME(via_, name)(__VA_ARGS__) __asm__(TEXT(NAME(PREFIX, name)));
#define CALL(name) NAME(via_, name)

IMPORT(int, library_next, reader *)
IMPORT(enum kind, library_kind, int)
IMPORT(unsigned long, library_mix, unsigned long, int)
IMPORT(void, library_word, totals *, unsigned long)
IMPORT(void, library_number, totals *, unsigned long)

unsigned long NAME(WAY, _text)(const unsigned char *text, size_t size)
{
    reader from = {text, text + size};
    totals all = {0, 0, 0};
    unsigned long hash = 0, value = 0;
    for (int character; (character = CALL(library_next)(&from)) >= 0;) {
        switch (CALL(library_kind)(character)) {
        case LETTER:
            hash = CALL(library_mix)(hash, character);
            break;
        case DIGIT:
            value = value * 10 + (unsigned long)(character - '0');
            break;
        case SPACE:
            CALL(library_word)(&all, hash);
            CALL(library_number)(&all, value);
            hash = value = 0;
            break;
        case OTHER:
            break;
        }
    }
    return all.words + all.hash + all.numbers;
}
