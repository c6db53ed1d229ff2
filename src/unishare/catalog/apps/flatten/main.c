/* Flattens JSON: one line for each value that is no container, as path = value. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include <unishare/function.h>

enum { PATH_ROOM = 512 };

static void flatten(unishare_answer *answer, const json_t *value, const char *path)
{
    char inner[PATH_ROOM];

    if (json_is_object(value)) {
        const char *key;
        json_t *member;

        json_object_foreach ((json_t *)value, key, member) {
            snprintf(inner, sizeof inner, "%s.%s", path, key);
            flatten(answer, member, inner);
        }
    } else if (json_is_array(value)) {
        size_t index;
        json_t *member;

        json_array_foreach (value, index, member) {
            snprintf(inner, sizeof inner, "%s[%zu]", path, index);
            flatten(answer, member, inner);
        }
    } else {
        char *text = json_dumps(value, JSON_ENCODE_ANY);

        unishare_answer_printf(answer, "%s = %s\n", path, text ? text : "?");
        free(text);
    }
}

static int handle(const unishare_request *request, unishare_answer *answer)
{
    json_error_t error;
    json_t *document = json_loadb((const char *)request->data, request->size, 0, &error);

    if (!document) {
        unishare_answer_printf(answer, "line %d, column %d: %s\n", error.line, error.column, error.text);
        return 1;
    }
    flatten(answer, document, "$");
    json_decref(document);
    return 0;
}

int main(void)
{
    return unishare_serve(handle);
}
