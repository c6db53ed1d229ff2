// A small library that a text is given to, one character a call: how its caller reaches it is chosen when the caller is compiled.
#pragma once

#include <stddef.h>

enum kind { SPACE, LETTER, DIGIT, OTHER };

typedef struct {
    const unsigned char *at, *end;
} reader;

typedef struct {
    unsigned long words, hash, numbers;
} totals;

int library_next(reader *from);
enum kind library_kind(int character);
unsigned long library_mix(unsigned long hash, int character);
void library_word(totals *all, unsigned long hash);
void library_number(totals *all, unsigned long value);
