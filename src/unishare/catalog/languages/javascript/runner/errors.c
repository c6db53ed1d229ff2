/*
 * How an exception is told. What a file cannot be parsed for is told with its place and its line; what happened while running
 * with the handler's frames; and where the surroundings lack what people know from elsewhere, with that.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "javascript.h"

enum { DEPTH_MAX = 3, WIDTH = 120 };

static const struct {
    const char *message, *hint;
} hints[] = {
    {"fetch is not defined", "a function has no network"},
    {"XMLHttpRequest is not defined", "a function has no network"},
    {"WebSocket is not defined", "a function has no network"},
    {"process is not defined", "this is not Node; see docs/javascript.md"},
    {"global is not defined", "write globalThis"},
    {"Buffer is not defined", "this is not Node: use Uint8Array, TextEncoder and TextDecoder, atob and btoa"},
    {"require is not defined", "a file with import or export is a module: write import"},
    {"module is not defined", "a file with import or export is a module: write export default"},
    {"exports is not defined", "a file with import or export is a module: write export"},
    {"__dirname is not defined", "there are no folders to read: import a file with {type: \"json\"}, \"text\" or \"bytes\""},
    {"window is not defined", "this is not a browser; write globalThis"},
    {"document is not defined", "this is not a browser"},
    {"localStorage is not defined", "this is not a browser; what is kept between requests is kept in variables"},
    {"Deno is not defined", "this is not Deno; see docs/javascript.md"},
    {"Bun is not defined", "this is not Bun; see docs/javascript.md"},
    {"Intl is not defined", "Intl is left out"},
    {"WebAssembly is not defined", "WebAssembly is left out"},
    {"Worker is not defined", "a function is one thread"},
    {"Response is not defined", "return text, bytes, an object for JSON, or {answer, status}"},
    {"out of memory", "give the instance more: heap in [run] of app.toml, or --memory"},
    {"Maximum call stack size exceeded", "if the recursion is meant: more stack, in [run] of app.toml"},
};

struct output {
    error_sink *sink;
    void *to;
};

static void put(struct output output, const char *text, size_t size)
{
    output.sink(output.to, text, size);
}

static void put_text(struct output output, const char *text)
{
    put(output, text, strlen(text));
}

void error_place(JSContext *context, const char *path, const struct file *file, size_t offset)
{
    JSValue error = JS_GetException(context);
    size_t line = 1, start = 0;
    char frame[PATH_ROOM + 64];

    for (size_t i = 0; i < offset; i++) {
        if (file->text[i] == '\n') {
            line++;
            start = i + 1;
        }
    }
    snprintf(frame, sizeof frame, "    at %s:%zu:%zu\n", path, line, offset - start + 1);
    JS_DefinePropertyValueStr(context, error, "stack", JS_NewString(context, frame), JS_PROP_C_W_E);
    JS_Throw(context, error);
}

/* Whether a stack begins with a place where no function is: a file that could not be parsed. `*end` is behind that line. */
static int parse_place(const char *stack, char path[PATH_ROOM], size_t *line, size_t *column, const char **end)
{
    const char *start = stack + 7, *stop = strchr(stack, '\n'), *colon;
    size_t length;

    if (strncmp(stack, "    at ", 7) || !stop || memchr(start, '(', (size_t)(stop - start)))
        return 0;
    for (colon = stop; colon > start && *--colon != ':';)
        ;
    for (length = (size_t)(colon - start); length && start[--length] != ':';)
        ;
    if (!length || length >= PATH_ROOM || sscanf(start + length, ":%zu:%zu", line, column) != 2)
        return 0;
    memcpy(path, start, length);
    path[length] = 0;
    *end = stop + 1;
    return file_exists(path);
}

/* The source line with a mark below `column`; of a long line, what is around it. */
static void put_line(struct output output, const char *path, size_t line, size_t column)
{
    struct file file;
    const char *at, *start, *end;

    if (!file_open(path, &file))
        return;
    for (at = file.text; line > 1 && (at = strchr(at, '\n')); line--)
        at++;
    if (at) {
        end = at + strcspn(at, "\r\n");
        column = column ? column - 1 : 0;
        start = column > WIDTH / 2 && end - at > WIDTH ? at + column - WIDTH / 2 : at;
        while (start > at && ((unsigned char)*start & 0xc0) == 0x80)
            start--;
        if (end > start + WIDTH)
            end = start + WIDTH;
        put(output, start, utf8_valid(start, (size_t)(end - start)));
        put_text(output, "\n");
        for (const char *mark = start; mark < at + column && mark < end; mark++)
            if (((unsigned char)*mark & 0xc0) != 0x80)
                put(output, *mark == '\t' ? "\t" : " ", 1);
        put_text(output, "^\n");
    }
    file_close(&file);
}

/* The frames of a stack but those of built-in parts. */
static void put_frames(struct output output, const char *stack)
{
    while (*stack) {
        size_t length = strcspn(stack, "\n");
        const char *builtin = strstr(stack, BUILTIN_FILE);

        if (length && !(builtin && builtin < stack + length)) {
            put(output, stack, length);
            put_text(output, "\n");
        }
        stack += length + (stack[length] == '\n');
    }
}

static void put_hint(struct output output, const char *message)
{
    for (size_t i = 0; i < COUNT(hints); i++) {
        if (strstr(message, hints[i].message)) {
            put_text(output, "hint: ");
            put_text(output, hints[i].hint);
            put_text(output, "\n");
            return;
        }
    }
}

/* A property as text for JS_FreeCString, or NULL; never an exception. */
static const char *text_property(JSContext *context, JSValueConst object, const char *name)
{
    JSValue value = JS_GetPropertyStr(context, object, name);
    const char *text = JS_IsString(value) ? JS_ToCString(context, value) : NULL;

    if (JS_IsException(value) || (!text && JS_HasException(context)))
        JS_FreeValue(context, JS_GetException(context));
    JS_FreeValue(context, value);
    return text;
}

static void put_error(JSContext *context, struct output output, JSValueConst error, int depth);

static void put_cause(JSContext *context, struct output output, JSValueConst error, int depth)
{
    JSValue cause = JS_GetPropertyStr(context, error, "cause"), errors = JS_GetPropertyStr(context, error, "errors"), item;

    if (JS_IsError(cause) && depth < DEPTH_MAX) {
        put_text(output, "caused by: ");
        put_error(context, output, cause, depth + 1);
    }
    for (uint32_t i = 0; i < DEPTH_MAX && depth < DEPTH_MAX && JS_IsArray(errors); i++) {
        item = JS_GetPropertyUint32(context, errors, i);
        if (JS_IsError(item)) {
            put_text(output, "one of them: ");
            put_error(context, output, item, depth + 1);
        }
        JS_FreeValue(context, item);
    }
    if (JS_IsException(cause) || JS_IsException(errors))
        JS_FreeValue(context, JS_GetException(context));
    JS_FreeValue(context, cause);
    JS_FreeValue(context, errors);
}

static void put_error(JSContext *context, struct output output, JSValueConst error, int depth)
{
    const char *message = JS_ToCString(context, error), *stack = text_property(context, error, "stack"), *rest = stack;
    char path[PATH_ROOM], place[PATH_ROOM + 48];
    size_t line, column;

    if (!message)
        JS_FreeValue(context, JS_GetException(context));
    if (stack && parse_place(stack, path, &line, &column, &rest)) {
        snprintf(place, sizeof place, "%s:%zu:%zu: ", path, line, column);
        put_text(output, place);
        put_text(output, message ? message : "SyntaxError");
        put_text(output, "\n");
        put_line(output, path, line, column);
    } else {
        put_text(output, message ? message : "an error whose text cannot be had");
        put_text(output, "\n");
    }
    if (rest)
        put_frames(output, rest);
    put_hint(output, message ? message : "");
    JS_FreeCString(context, stack);
    JS_FreeCString(context, message);
    put_cause(context, output, error, depth);
}

void error_write(JSContext *context, error_sink *sink, void *to)
{
    struct output output = {sink, to};
    JSValue error = JS_GetException(context);

    if (JS_IsError(error)) {
        put_error(context, output, error, 0);
    } else if (JS_IsNull(error) || JS_IsUninitialized(error)) {
        put_text(output, "out of memory\n"); /* not even for an exception */
        put_hint(output, "out of memory");
    } else {
        JSValue json = JS_IsObject(error) ? JS_JSONStringify(context, error, JS_UNDEFINED, JS_UNDEFINED) : JS_UNDEFINED;
        const char *text = JS_ToCString(context, JS_IsString(json) ? json : error);

        if (JS_IsException(json) || !text)
            JS_FreeValue(context, JS_GetException(context));
        put_text(output, "uncaught: ");
        put_text(output, text ? text : "a value without a text");
        put_text(output, "\n");
        JS_FreeCString(context, text);
        JS_FreeValue(context, json);
    }
    JS_FreeValue(context, error);
}
