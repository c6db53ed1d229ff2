/*
 * import: names relative to the file that says them, files of the image only. What Node or a package manager would
 * find elsewhere is refused by name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "javascript.h"

static int check_only, unknown_exports;

void modules_check_only(int yes)
{
    check_only = yes;
    unknown_exports = 0;
}

int modules_unknown_exports(void)
{
    return unknown_exports;
}

/* The modules of Node that people import most, without "node:". */
static int is_of_node(const char *name)
{
    static const char *const names[] = {
        "assert",   "buffer",         "child_process",  "cluster", "crypto", "dns",  "events",     "fs",      "http",
        "http2",    "https",          "module",         "net",     "os",     "path", "perf_hooks", "process", "querystring",
        "readline", "stream",         "string_decoder", "timers",  "tls",    "tty",  "url",        "util",    "v8",
        "vm",       "worker_threads", "zlib",
    };

    if (!strncmp(name, "node:", 5))
        return 1;
    for (size_t i = 0; i < COUNT(names); i++) {
        size_t length = strlen(names[i]);

        if (!strncmp(name, names[i], length) && (!name[length] || name[length] == '/'))
            return 1;
    }
    return 0;
}

/* `folder of base` + `name` without "." and ".."; 0 if it does not fit or leaves the root. */
static int join(const char *base, const char *name, char path[PATH_ROOM])
{
    const char *slash = strrchr(base, '/');
    size_t length = *name == '/' || !slash ? 0 : (size_t)(slash - base);

    if (length >= PATH_ROOM)
        return 0;
    memcpy(path, base, length);
    while (*name) {
        size_t part = strcspn(name, "/");

        if (part == 2 && !memcmp(name, "..", 2)) {
            while (length && path[--length] != '/')
                ;
        } else if (part && !(part == 1 && *name == '.')) {
            if (length + part + 1 >= PATH_ROOM)
                return 0;
            path[length++] = '/';
            memcpy(path + length, name, part);
            length += part;
        }
        name += part + (name[part] == '/');
    }
    path[length] = 0;
    return 1;
}

/* Complete a path as Node would: an ending left out, or a folder's index. */
static int complete(char path[PATH_ROOM])
{
    static const char *const endings[] = {"", ".js", ".mjs", ".cjs", ".json", "/index.js"};
    size_t length = strlen(path);

    for (size_t i = 0; i < COUNT(endings); i++) {
        if (length + strlen(endings[i]) >= PATH_ROOM)
            continue;
        strcpy(path + length, endings[i]);
        if (file_exists(path))
            return 1;
    }
    path[length] = 0;
    return 0;
}

char *module_path(JSContext *context, const char *base, const char *name)
{
    char path[PATH_ROOM];

    if (*name == '.' || *name == '/') {
        if (join(base, name, path) && complete(path))
            return js_strdup(context, path);
        JS_ThrowReferenceError(context, "cannot find '%s': it is not in the image; put it into [files] of app.toml", name);
    } else if (is_of_node(name)) {
        JS_ThrowReferenceError(context, "'%s' is a module of Node, which is not there", name);
    } else {
        JS_ThrowReferenceError(context,
                               "'%s' is a package, and there are none: copy its files into the project and import them by a "
                               "relative path, such as './vendor/%s.js'",
                               name, name);
    }
    return NULL;
}

/* Let the pending exception point to where a file says `name` in quotes: the engine does not tell where an import stands. */
static void point_to(JSContext *context, const char *base, const char *name)
{
    size_t length = strlen(name);
    struct file file;

    if (!file_open(base, &file))
        return;
    for (const char *at = file.text; (at = strstr(at, name)); at++) {
        if (at > file.text && strchr("\"'`", at[-1]) && at[length] == at[-1]) {
            error_place(context, base, &file, (size_t)(at - 1 - file.text));
            break;
        }
    }
    file_close(&file);
}

static char *import_path(JSContext *context, const char *base, const char *name, void *unused)
{
    char *path = check_only && !strcmp(name, CHECK_STOP) ? js_strdup(context, name) : module_path(context, base, name);

    (void)unused;
    if (!path)
        point_to(context, base, name);
    return path;
}

static int ends_with(const char *path, const char *suffix)
{
    size_t length = strlen(path), wanted = strlen(suffix);

    return length >= wanted && !strcmp(path + length - wanted, suffix);
}

/* What `with {type: ...}` says, or the file's ending. -1 with an exception. */
static int kind_of(JSContext *context, const char *path, JSValueConst attributes)
{
    int kind = ends_with(path, ".json") ? KIND_JSON : KIND_MODULE;
    JSValue type = JS_IsObject(attributes) ? JS_GetPropertyStr(context, attributes, "type") : JS_UNDEFINED;
    const char *text = JS_IsString(type) ? JS_ToCString(context, type) : NULL;

    if (text) {
        kind = !strcmp(text, "json") ? KIND_JSON : !strcmp(text, "text") ? KIND_TEXT : !strcmp(text, "bytes") ? KIND_BYTES : -1;
        if (kind < 0)
            JS_ThrowTypeError(context, "%s: imports have the types json, text and bytes, not %s", path, text);
    }
    JS_FreeCString(context, text);
    JS_FreeValue(context, type);
    return kind;
}

static int export_value(JSContext *context, JSModuleDef *module)
{
    JSValue value = JS_GetModulePrivateValue(context, module);
    JSPropertyEnum *names = NULL;
    uint32_t count = 0;
    int failed = 0;

    if (JS_IsObject(value) && !JS_GetOwnPropertyNames(context, &names, &count, value, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY)) {
        for (uint32_t i = 0; i < count && !failed; i++) {
            const char *name = JS_AtomToCString(context, names[i].atom);

            /* Names that were added after the module was made are no exports of it: that is no failure. */
            if (name && strcmp(name, "default")
                && JS_SetModuleExport(context, module, name, JS_GetProperty(context, value, names[i].atom)))
                JS_FreeValue(context, JS_GetException(context));
            failed = !name;
            JS_FreeCString(context, name);
        }
        JS_FreePropertyEnum(context, names, count);
    }
    return failed ? -1 : JS_SetModuleExport(context, module, "default", value);
}

/* A module whose default export is `value`, and with `named` whose other exports are the value's own properties. Takes it. */
static JSModuleDef *module_of(JSContext *context, const char *path, JSValue value, int named)
{
    JSModuleDef *module;
    JSPropertyEnum *names = NULL;
    uint32_t count = 0;

    if (JS_IsException(value))
        return NULL;
    if (!(module = JS_NewCModule(context, path, export_value))) {
        JS_FreeValue(context, value);
        return NULL;
    }
    JS_AddModuleExport(context, module, "default");
    if (named && JS_IsObject(value)
        && !JS_GetOwnPropertyNames(context, &names, &count, value, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY)) {
        for (uint32_t i = 0; i < count; i++) {
            const char *name = JS_AtomToCString(context, names[i].atom);

            if (name && strcmp(name, "default"))
                JS_AddModuleExport(context, module, name);
            JS_FreeCString(context, name);
        }
        JS_FreePropertyEnum(context, names, count);
    }
    JS_SetModulePrivateValue(context, module, value);
    return module;
}

JSModuleDef *module_of_compiled(JSContext *context, JSValueConst compiled, const char *path)
{
    JSModuleDef *module = JS_VALUE_GET_PTR(compiled);
    char url[PATH_ROOM + sizeof "file://"];
    JSValue meta = JS_GetImportMeta(context, module);

    snprintf(url, sizeof url, "file://%s", path);
    if (!JS_IsException(meta))
        JS_DefinePropertyValueStr(context, meta, "url", JS_NewString(context, url), JS_PROP_C_W_E);
    JS_FreeValue(context, meta);
    return module;
}

static JSModuleDef *load(JSContext *context, const char *path, void *unused, JSValueConst attributes)
{
    int kind = kind_of(context, path, attributes);
    enum kind parsed;
    JSValue compiled;
    JSModuleDef *module;

    (void)unused;
    if (kind < 0)
        return NULL;
    if (kind != KIND_MODULE)
        return module_of(context, path, source_data(context, path, (enum kind)kind), 0);
    if (check_only && !strcmp(path, CHECK_STOP)) {
        parsed = KIND_MODULE;
        compiled = JS_Eval(context, "throw 0", 7, path, JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
    } else {
        compiled = source_compile(context, path, 0, &parsed);
    }
    if (JS_IsException(compiled))
        return NULL;
    if (parsed == KIND_SCRIPT) {
        unknown_exports |= check_only;
        JS_FreeValue(context, compiled);
        return module_of(context, path, check_only ? JS_UNDEFINED : require_path(context, path), 1);
    }
    module = module_of_compiled(context, compiled, path);
    JS_FreeValue(context, compiled); /* the context keeps its modules */
    return module;
}

void modules_define(JSContext *context)
{
    JS_SetModuleLoaderFunc2(JS_GetRuntime(context), import_path, load, NULL, NULL);
}
