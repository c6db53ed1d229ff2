"""The C that steps have in common; a generated function gets what its code names, and what that needs."""

from __future__ import annotations

import re

from unishare.evaluation.population.c_text import fill
from unishare.evaluation.population.shapes import NUMBERS_MAX

_WORD = re.compile(r"\b[a-z_]+\b")

# The name it is used by -> its source, each behind what it needs.
_HELPERS: dict[str, str] = {
    "bytes": """
        struct bytes {
            unsigned char *data;
            size_t size, room;
        };
    """,
    "reserve": """
        /* Make room for more bytes and one zero behind them. */
        static void reserve(struct bytes *bytes, size_t more)
        {
            size_t wanted = bytes->size + more + 1;

            if (wanted > bytes->room) {
                bytes->room = wanted * 2;
                bytes->data = realloc(bytes->data, bytes->room);
                if (!bytes->data)
                    abort();
            }
        }
    """,
    "append": """
        static void append(struct bytes *bytes, const void *data, size_t size)
        {
            reserve(bytes, size);
            if (size)
                memcpy(bytes->data + bytes->size, data, size);
            bytes->size += size;
            bytes->data[bytes->size] = 0;
        }
    """,
    "append_text": """
        static void append_text(struct bytes *bytes, const char *text)
        {
            append(bytes, text, strlen(text));
        }
    """,
    "refuse": """
        /* Put an error message in the place of what was written. */
        static void refuse(struct bytes *out, const char *message)
        {
            out->size = 0;
            append_text(out, message);
        }
    """,
    "append_byte": """
        static void append_byte(struct bytes *bytes, int byte)
        {
            unsigned char one = (unsigned char)byte;

            append(bytes, &one, 1);
        }
    """,
    "append_number": """
        static void append_number(struct bytes *bytes, uint32_t value)
        {
            char digits[10];
            int at = 10;

            do {
                digits[--at] = (char)('0' + value % 10);
                value /= 10;
            } while (value);
            append(bytes, digits + at, (size_t)(10 - at));
        }
    """,
    "append_hexadecimal": """
        static void append_hexadecimal(struct bytes *bytes, uint64_t value, int digits)
        {
            reserve(bytes, (size_t)digits);
            while (digits--)
                bytes->data[bytes->size++] = (unsigned char)"0123456789abcdef"[value >> (4 * digits) & 15];
            bytes->data[bytes->size] = 0;
        }
    """,
    "append_digest": """
        static void append_digest(struct bytes *bytes, const unsigned char *digest, size_t size)
        {
            for (size_t i = 0; i < size; i++)
                append_hexadecimal(bytes, digest[i], 2);
        }
    """,
    "numbers": """
        struct numbers {
            size_t count;
            uint32_t at[@max@];
        };
    """,
    "read_numbers": """
        static void read_numbers(const struct bytes *in, struct numbers *numbers)
        {
            uint32_t value = 0;

            numbers->count = 0;
            for (size_t i = 0; i <= in->size && numbers->count < @max@; i++) {
                if (i < in->size && in->data[i] != ' ') {
                    value = value * 10 + (in->data[i] - '0');
                } else {
                    numbers->at[numbers->count++] = value;
                    value = 0;
                }
            }
        }
    """,
    "write_numbers": """
        static void write_numbers(const struct numbers *numbers, struct bytes *out)
        {
            for (size_t i = 0; i < numbers->count; i++) {
                if (i)
                    append_byte(out, ' ');
                append_number(out, numbers->at[i]);
            }
        }
    """,
    "next_word": """
        /* The next run of bytes that are neither spaces nor newlines, from *at on; its length, 0 at the end. */
        static size_t next_word(const struct bytes *in, size_t *at)
        {
            size_t end;

            while (*at < in->size && (in->data[*at] == ' ' || in->data[*at] == '\\n'))
                ++*at;
            for (end = *at; end < in->size && in->data[end] != ' ' && in->data[end] != '\\n'; end++)
                ;
            return end - *at;
        }
    """,
    "line_length": """
        /* The length of the line at `at`, without its newline. */
        static size_t line_length(const struct bytes *in, size_t at)
        {
            const void *end = in->size > at ? memchr(in->data + at, '\\n', in->size - at) : NULL;

            return end ? (size_t)((const unsigned char *)end - (in->data + at)) : in->size - at;
        }
    """,
    "record": """
        struct record {
            const unsigned char *word;
            size_t length;
            uint32_t first, second;
        };
    """,
    "next_record": """
        /* Read the record at *at and go on behind it; 0 at the end. */
        static int next_record(const struct bytes *in, size_t *at, struct record *record)
        {
            size_t end = *at + line_length(in, *at), i;

            if (*at >= in->size)
                return 0;
            record->word = in->data + *at;
            record->first = record->second = 0;
            for (i = *at; in->data[i] != ','; i++)
                ;
            record->length = i - *at;
            for (i++; in->data[i] != ','; i++)
                record->first = record->first * 10 + (in->data[i] - '0');
            for (i++; i < end; i++)
                record->second = record->second * 10 + (in->data[i] - '0');
            *at = end + 1;
            return 1;
        }
    """,
    "write_record": """
        static void write_record(struct bytes *out, const struct record *record)
        {
            append(out, record->word, record->length);
            append_byte(out, ',');
            append_number(out, record->first);
            append_byte(out, ',');
            append_number(out, record->second);
            append_byte(out, '\\n');
        }
    """,
    "rotate": """
        static uint32_t rotate(uint32_t value, int by)
        {
            return value << by | value >> (32 - by);
        }
    """,
    "read_file": """
        /* Read a file of the image; 0 when it cannot be read. */
        static int read_file(const char *path, struct bytes *into)
        {
            FILE *file = fopen(path, "rb");
            size_t got;

            if (!file)
                return 0;
            do {
                reserve(into, 512);
                got = fread(into->data + into->size, 1, 512, file);
                into->size += got;
            } while (got);
            into->data[into->size] = 0;
            return fclose(file) == 0;
        }
    """,
}


def sources(code: str) -> str:
    """The helpers that code names, and those that they name."""
    wanted: list[str] = []
    texts = [code]
    for name, source in reversed(_HELPERS.items()):
        if any(name in _words(text) for text in texts):
            wanted.insert(0, source)
            texts.append(source)
    return "\n".join(fill(source, max=NUMBERS_MAX) for source in wanted)


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text))
