/*
 * console: a line for each call, written at once, so that what was said before a crash is there and in its order. Texts,
 * numbers and the like are written from here; anything else, and texts with %, by a built-in part in JavaScript.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "javascript.h"

static void write_all(int to, const char *text, size_t size)
{
    while (size) {
        ssize_t done = write(to, text, size);

        if (done <= 0)
            return;
        text += done;
        size -= (size_t)done;
    }
}

static int is_plain(JSContext *context, JSValueConst value)
{
    (void)context;
    return !JS_IsObject(value) && !JS_IsSymbol(value) && !JS_IsBigInt(value);
}

/* Whether the values can be joined as they are. */
static int are_plain(JSContext *context, int count, JSValueConst *values)
{
    const char *first;
    int has_format;

    for (int i = 0; i < count; i++)
        if (!is_plain(context, values[i]))
            return 0;
    if (count < 2 || !JS_IsString(values[0]))
        return 1;
    if (!(first = JS_ToCString(context, values[0])))
        return 1;
    has_format = strchr(first, '%') != NULL;
    JS_FreeCString(context, first);
    return !has_format;
}

/* Append a value's text to a line. */
static int append(JSContext *context, char **line, size_t *size, JSValueConst value)
{
    size_t length;
    const char *text = JS_ToCStringLen(context, &length, value);
    char *longer = text ? realloc(*line, *size + length + 1) : NULL;

    if (longer) {
        *line = longer;
        memcpy(longer + *size, text, length);
        utf8_replace_surrogates(longer + *size, length);
        *size += length;
        longer[(*size)++] = ' ';
    }
    JS_FreeCString(context, text);
    return longer != NULL;
}

static JSValue print_plain(JSContext *context, int to, int count, JSValueConst *values)
{
    char *line = NULL;
    size_t size = 0;
    int failed = 0;

    for (int i = 0; i < count && !failed; i++)
        failed = !append(context, &line, &size, values[i]);
    if (size)
        line[size - 1] = '\n';
    if (failed && !JS_HasException(context))
        JS_ThrowOutOfMemory(context);
    else if (!failed)
        write_all(to, size ? line : "\n", size ? size : 1);
    free(line);
    return failed ? JS_EXCEPTION : JS_UNDEFINED;
}

static JSValue print_formatted(JSContext *context, int to, int count, JSValueConst *values)
{
    JSValue format = builtin_format(context), text, result;

    if (JS_IsException(format))
        return format;
    text = JS_Call(context, format, JS_UNDEFINED, count, values);
    JS_FreeValue(context, format);
    if (JS_IsException(text))
        return text;
    result = print_plain(context, to, 1, (JSValueConst *)&text);
    JS_FreeValue(context, text);
    return result;
}

/* magic: the descriptor. */
static JSValue print(JSContext *context, JSValueConst this, int count, JSValueConst *values, int magic)
{
    (void)this;
    return are_plain(context, count, values) ? print_plain(context, magic, count, values)
                                             : print_formatted(context, magic, count, values);
}

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_MAGIC_DEF("log", 0, print, STDOUT_FILENO),   JS_CFUNC_MAGIC_DEF("info", 0, print, STDOUT_FILENO),
    JS_CFUNC_MAGIC_DEF("debug", 0, print, STDOUT_FILENO), JS_CFUNC_MAGIC_DEF("error", 0, print, STDERR_FILENO),
    JS_CFUNC_MAGIC_DEF("warn", 0, print, STDERR_FILENO),
};
static const JSCFunctionListEntry global_objects[] = {
    JS_OBJECT_DEF("console", functions, COUNT(functions), JS_PROP_WRITABLE | JS_PROP_CONFIGURABLE),
    JS_CFUNC_MAGIC_DEF("print", 0, print, STDOUT_FILENO),
};

void console_define(JSContext *context)
{
    JSValue global = JS_GetGlobalObject(context);

    JS_SetPropertyFunctionList(context, global, global_objects, COUNT(global_objects));
    JS_FreeValue(context, global);
}
