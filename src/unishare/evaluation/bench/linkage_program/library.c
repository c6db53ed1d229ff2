#include "library.h"

int library_next(reader *from)
{
    return from->at < from->end ? *from->at++ : -1;
}

enum kind library_kind(int character)
{
    if (character == ' ' || character == '\n')
        return SPACE;
    if ((character | 32) >= 'a' && (character | 32) <= 'z')
        return LETTER;
    return character >= '0' && character <= '9' ? DIGIT : OTHER;
}

unsigned long library_mix(unsigned long hash, int character)
{
    return (hash ^ (unsigned long)character) * 0x100000001b3ul;
}

void library_word(totals *all, unsigned long hash)
{
    all->words++;
    all->hash ^= hash;
}

void library_number(totals *all, unsigned long value)
{
    all->numbers += value;
}
