/* Find and replace with Perl's regular expressions. The first line is s/PATTERN/REPLACEMENT/, the rest the text. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include <unishare/function.h>

static int fail(unishare_answer *answer, int error)
{
    unsigned char message[128];

    pcre2_get_error_message(error, message, sizeof message);
    unishare_answer_printf(answer, "%s\n", (char *)message);
    return 1;
}

static int replace(unishare_answer *answer, const pcre2_code *code, const char *text, size_t size, const char *with,
                   size_t with_size)
{
    PCRE2_SIZE room = 2 * size + 256;
    unsigned char *out = malloc(room);
    int found = out ? pcre2_substitute(code, (PCRE2_SPTR)text, size, 0, PCRE2_SUBSTITUTE_GLOBAL, NULL, NULL, (PCRE2_SPTR)with,
                                       with_size, out, &room)
                    : PCRE2_ERROR_NOMEMORY;

    if (found >= 0)
        unishare_answer_write(answer, out, room);
    free(out);
    return found < 0 ? fail(answer, found) : 0;
}

static int handle(const unishare_request *request, unishare_answer *answer)
{
    const char *text = (const char *)request->data, *middle, *last, *line = request->size ? strchr(text, '\n') : NULL;
    PCRE2_SIZE offset;
    pcre2_code *code;
    int error, status;

    if (!line || strncmp(text, "s/", 2) || !(middle = memchr(text + 2, '/', (size_t)(line - text - 2)))
        || !(last = memchr(middle + 1, '/', (size_t)(line - middle - 1)))) {
        unishare_answer_printf(answer, "the first line is s/PATTERN/REPLACEMENT/\n");
        return 1;
    }
    code = pcre2_compile((PCRE2_SPTR)(text + 2), (size_t)(middle - text - 2), PCRE2_UTF, &error, &offset, NULL);
    if (!code)
        return fail(answer, error);
    status =
        replace(answer, code, line + 1, request->size - (size_t)(line + 1 - text), middle + 1, (size_t)(last - middle - 1));
    pcre2_code_free(code);
    return status;
}

int main(void)
{
    return unishare_serve(handle);
}
