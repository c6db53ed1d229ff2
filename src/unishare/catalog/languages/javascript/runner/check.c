/*
 * Looking at a function without running it, when it is built: a request is the archive of the image's files, the answer what is
 * wrong with them. The engine that reads the files is the one that will run them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "javascript.h"

enum { SCRIPTS_MAX = 512 };

/* Scripts that were looked at or are still to be. */
static char *scripts[SCRIPTS_MAX];
static size_t script_count;

static void remember(char *path)
{
    for (size_t i = 0; i < script_count; i++) {
        if (!strcmp(scripts[i], path)) {
            free(path);
            return;
        }
    }
    if (script_count < SCRIPTS_MAX)
        scripts[script_count++] = path;
    else
        free(path);
}

/* Remember what a script requires by a relative path. What is not there may never be asked for: running it tells. */
static void remember_required(JSContext *context, const char *path)
{
    struct file file;

    if (!file_open(path, &file))
        return;
    for (const char *at = file.text; (at = strstr(at, "require(")); at++) {
        const char *name = at + sizeof "require(" - 1, *end = *name && strchr("\"'", *name) ? strchr(name + 1, *name) : NULL;
        char text[PATH_ROOM], *found;

        if (!end || name[1] != '.' || (size_t)(end - name) > sizeof text)
            continue;
        memcpy(text, name + 1, (size_t)(end - name - 1));
        text[end - name - 1] = 0;
        if ((found = module_path(context, path, text))) {
            remember(strdup(found));
            js_free(context, found);
        } else {
            JS_FreeValue(context, JS_GetException(context));
        }
    }
    file_close(&file);
}

/* Whether what a module imports is exported, and it exports a function or what may be one. All modules are linked before the
 * first is run, and that first one is made to throw. */
static int check_module(JSContext *context, const char *path, JSModuleDef *module)
{
    char root[PATH_ROOM + sizeof "import ''; import '" CHECK_STOP "';"];
    JSValue done, error, exports;
    int known = 0;

    if (modules_unknown_exports())
        return 1;
    snprintf(root, sizeof root, "import '%s'; import '%s';", CHECK_STOP, path);
    done = jobs_settle(context, JS_Eval(context, root, strlen(root), "/app/check", JS_EVAL_TYPE_MODULE));
    if (!JS_IsException(done)) {
        JS_FreeValue(context, done);
        return 1;
    }
    error = JS_GetException(context);
    if (!JS_IsNumber(error)) {
        JS_Throw(context, error);
        return 0;
    }
    exports = JS_GetModuleNamespace(context, module);
    for (int i = 0; i < 2 && !JS_IsException(exports); i++) {
        JSAtom name = JS_NewAtom(context, i ? "handle" : "default");

        known |= JS_HasProperty(context, exports, name) > 0;
        JS_FreeAtom(context, name);
    }
    if (!known && !JS_IsException(exports))
        JS_ThrowTypeError(context, NO_FUNCTION_IN_MODULE, path);
    JS_FreeValue(context, exports);
    return known;
}

static int check_script(JSContext *context, const char *path, int is_handler)
{
    const char *ending = strrchr(path, '.');
    enum kind kind = KIND_JSON;
    int is_right = 1;
    JSValue value = ending && !strcmp(ending, ".json") ? source_data(context, path, KIND_JSON)
                                                       : source_compile(context, path, is_handler, &kind);

    if (JS_IsException(value))
        return 0;
    if (kind == KIND_MODULE && is_handler)
        is_right = check_module(context, path, module_of_compiled(context, value, path));
    else if (kind == KIND_SCRIPT)
        remember_required(context, path);
    JS_FreeValue(context, value);
    return is_right;
}

static void to_answer(void *to, const char *text, size_t size)
{
    unishare_answer_write(to, text, size);
}

static int check(const unishare_request *request, unishare_answer *answer)
{
    JSContext *context;
    const char *handler;
    int status = 0;

    files_use(request->data, request->size);
    modules_check_only(1);
    if (!(handler = handler_path())) {
        unishare_answer_printf(answer, "no handler: put \"/app/handler.js\" = \"handler.js\" into [files] of app.toml\n");
        return FAILED;
    }
    if (!(context = surroundings_new()))
        return FAILED;
    remember(strdup(handler));
    for (size_t i = 0; i < script_count && !status; i++)
        status = check_script(context, scripts[i], i == 0) ? 0 : FAILED;
    if (status)
        error_write(context, to_answer, answer);
    while (script_count)
        free(scripts[--script_count]);
    surroundings_free(context);
    return status;
}

int check_serve(void)
{
    return unishare_serve(check);
}
