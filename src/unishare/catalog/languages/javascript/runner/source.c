/*
 * From a file to something that can run. A file of JavaScript is a module or a script, and nothing but its text says which: the
 * likelier of both is tried first, and the other one if that does not parse.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "javascript.h"

/* Parameters as Node's modules have them. Two lines from WRAPPER_LINE on, so that the file's first line is 1: the engine takes
 * 0 for no number. */
static const char WRAPPER_HEAD[] = "(function (exports, require, module, __filename, __dirname)\n{\n", WRAPPER_TAIL[] = "\n})";
enum { WRAPPER_LINE = -1 };

static int has_suffix(const char *path, const char *suffix)
{
    size_t length = strlen(path), wanted = strlen(suffix);

    return length >= wanted && !strcmp(path + length - wanted, suffix);
}

/* Whether a word at `at` begins a statement, so far as the character before it tells. */
static int begins_statement(const char *text, const char *at)
{
    while (at > text && (at[-1] == ' ' || at[-1] == '\t'))
        at--;
    return at == text || strchr("\n\r;}/", at[-1]);
}

static int has_statement(const char *text, const char *word, const char *followers)
{
    for (const char *at = text; (at = strstr(at, word)); at++)
        if (begins_statement(text, at) && strchr(followers, at[strlen(word)]) && at[strlen(word)])
            return 1;
    return 0;
}

/* A guess: words in comments and texts are taken for statements. */
static int looks_like_module(const char *text)
{
    return has_statement(text, "export", " \t{*") || has_statement(text, "import", " \t{*\"'");
}

static JSValue compile_wrapped(JSContext *context, const char *path, const struct file *file)
{
    size_t size = sizeof WRAPPER_HEAD - 1 + file->size + sizeof WRAPPER_TAIL - 1;
    JSEvalOptions options = {.version = JS_EVAL_OPTIONS_VERSION,
                             .eval_flags = JS_EVAL_TYPE_GLOBAL | JS_EVAL_FLAG_COMPILE_ONLY,
                             .filename = path,
                             .line_num = WRAPPER_LINE};
    char *text = malloc(size + 1);
    JSValue compiled;

    if (!text)
        return JS_ThrowOutOfMemory(context);
    memcpy(text, WRAPPER_HEAD, sizeof WRAPPER_HEAD - 1);
    memcpy(text + sizeof WRAPPER_HEAD - 1, file->text, file->size);
    memcpy(text + size - (sizeof WRAPPER_TAIL - 1), WRAPPER_TAIL, sizeof WRAPPER_TAIL);
    compiled = JS_Eval2(context, text, size, &options);
    free(text);
    return compiled;
}

static JSValue compile_as(JSContext *context, const char *path, const struct file *file, int module, int global)
{
    int type = module ? JS_EVAL_TYPE_MODULE : JS_EVAL_TYPE_GLOBAL;

    if (!module && !global)
        return compile_wrapped(context, path, file);
    return JS_Eval(context, file->text, file->size, path, type | JS_EVAL_FLAG_COMPILE_ONLY);
}

static int is_syntax_error(JSContext *context, JSValueConst error)
{
    JSValue name = JS_GetPropertyStr(context, error, "name");
    const char *text = JS_IsException(name) ? NULL : JS_ToCString(context, name);
    int yes = text && !strcmp(text, "SyntaxError");

    JS_FreeCString(context, text);
    JS_FreeValue(context, name);
    return yes;
}

/* Try the other kind; when that does not parse either, what was wrong at first is the error. */
static JSValue compile_otherwise(JSContext *context, const char *path, const struct file *file, int module, int global)
{
    JSValue error = JS_GetException(context), compiled;

    if (!is_syntax_error(context, error))
        return JS_Throw(context, error);
    compiled = compile_as(context, path, file, module, global);
    if (JS_IsException(compiled)) {
        JS_FreeValue(context, JS_GetException(context));
        return JS_Throw(context, error);
    }
    JS_FreeValue(context, error);
    return compiled;
}

JSValue source_compile(JSContext *context, const char *path, int global, enum kind *kind)
{
    struct file file;
    size_t valid;
    int module;
    JSValue compiled;

    if (!file_open(path, &file))
        return file_exists(path) ? JS_ThrowOutOfMemory(context) : JS_ThrowReferenceError(context, "%s is not there", path);
    valid = utf8_valid(file.text, file.size);
    if (valid < file.size) {
        JS_ThrowSyntaxError(context, "byte 0x%02x here is not UTF-8", (unsigned)(unsigned char)file.text[valid]);
        error_place(context, path, &file, valid);
        file_close(&file);
        return JS_EXCEPTION;
    }
    module = has_suffix(path, ".mjs") || (!has_suffix(path, ".cjs") && looks_like_module(file.text));
    compiled = compile_as(context, path, &file, module, global);
    if (JS_IsException(compiled) && !has_suffix(path, ".mjs") && !has_suffix(path, ".cjs")) {
        compiled = compile_otherwise(context, path, &file, !module, global);
        module ^= !JS_IsException(compiled);
    }
    file_close(&file);
    *kind = module ? KIND_MODULE : KIND_SCRIPT;
    return compiled;
}

JSValue source_data(JSContext *context, const char *path, enum kind kind)
{
    struct file file;
    JSValue value;

    if (!file_open(path, &file))
        return file_exists(path) ? JS_ThrowOutOfMemory(context) : JS_ThrowReferenceError(context, "%s is not there", path);
    if (kind == KIND_JSON)
        value = JS_ParseJSON(context, file.text, file.size, path);
    else if (kind == KIND_TEXT)
        value = JS_NewStringLen(context, file.text, file.size);
    else
        value = JS_NewUint8ArrayCopy(context, (const uint8_t *)file.text, file.size);
    file_close(&file);
    return value;
}
