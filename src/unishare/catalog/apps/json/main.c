/*
 * JSON. The first line of a request is what to do, the rest is the document:
 *   get POINTER   the value at a JSON pointer (RFC 6901)
 *   merge PATCH   the document with a merge patch applied (RFC 7386)
 *   sort          the document with its keys in order
 */
#include <cJSON.h>
#include <cJSON_Utils.h>
#include <stdlib.h>
#include <string.h>

#include <unishare/function.h>

static int fail(unishare_answer *answer, const char *what, const char *where)
{
    unishare_answer_printf(answer, "%s: %.40s\n", what, where);
    return 1;
}

static int print(unishare_answer *answer, const cJSON *value)
{
    char *text = cJSON_PrintUnformatted(value);

    if (!text)
        return fail(answer, "out of memory", "");
    unishare_answer_printf(answer, "%s\n", text);
    cJSON_free(text);
    return 0;
}

static int get(unishare_answer *answer, cJSON *document, const char *pointer)
{
    const cJSON *value = cJSONUtils_GetPointerCaseSensitive(document, pointer);

    return value ? print(answer, value) : fail(answer, "nothing at", pointer);
}

static int merge(unishare_answer *answer, cJSON **document, const char *text)
{
    cJSON *patch = cJSON_Parse(text);

    if (!patch)
        return fail(answer, "the patch is not JSON", text);
    *document = cJSONUtils_MergePatchCaseSensitive(*document, patch);
    cJSON_Delete(patch);
    return print(answer, *document);
}

static int act(unishare_answer *answer, const char *command, cJSON **document)
{
    if (!strncmp(command, "get ", 4))
        return get(answer, *document, command + 4);
    if (!strncmp(command, "merge ", 6))
        return merge(answer, document, command + 6);
    if (!strcmp(command, "sort")) {
        cJSONUtils_SortObjectCaseSensitive(*document);
        return print(answer, *document);
    }
    return fail(answer, "the first line is get POINTER, merge PATCH or sort, not", command);
}

static int handle(const unishare_request *request, unishare_answer *answer)
{
    const char *text = (const char *)request->data, *end = request->size ? strchr(text, '\n') : NULL;
    char *command;
    cJSON *document;
    int status;

    if (!end)
        return fail(answer, "no document behind the first line", "");
    if (!(document = cJSON_Parse(end + 1)))
        return fail(answer, "not JSON from", cJSON_GetErrorPtr() ? cJSON_GetErrorPtr() : "");
    command = strndup(text, (size_t)(end - text));
    status = command ? act(answer, command, &document) : fail(answer, "out of memory", "");
    free(command);
    cJSON_Delete(document);
    return status;
}

int main(void)
{
    return unishare_serve(handle);
}
