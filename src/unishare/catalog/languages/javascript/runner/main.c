/*
 * The main program of every function written in JavaScript: /app/handler.js is run once and gives a function from a request to
 * an answer. A library, so that all of them share its pages with the engine's.
 *
 *     module:  export default function (request) {...}      or   export function handle(request) {...}
 *     script:  module.exports = function (text, bytes) {...} or   function handle(text, bytes) {...}
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <unishare/platform.h>

#include "javascript.h"

/* A heap that is smaller is the function's: what it may never use is then not made in it. */
enum { RESERVE = 32 << 10, AMPLE = 4 << 20 };

static JSContext *context;
static JSValue function;
static int is_module;
static void *reserve; /* given up when memory is out, so that this can be told */

static void to_console(void *unused, const char *text, size_t size)
{
    (void)unused;
    /* A console that takes no more is no reason to fail. */
    if (write(STDERR_FILENO, text, size) < 0)
        return;
}

static void to_both(void *answer, const char *text, size_t size)
{
    to_console(NULL, text, size);
    unishare_answer_write(answer, text, size);
}

/* From how much more memory on than after the last whole collection of garbage another one is worth what it costs, in bytes. */
enum { WORTH = 256 << 10 };

/* Bytes that the engine had allocated after the last whole collection. In the runtime itself: who writes this has changed its
 * page already. */
static size_t collected(void)
{
    return (size_t)JS_GetRuntimeOpaque(JS_GetRuntime(context));
}

static void set_collected(size_t bytes)
{
    JS_SetRuntimeOpaque(JS_GetRuntime(context), (void *)bytes);
}

static size_t allocated(void)
{
    JSMemoryUsage usage;

    JS_ComputeMemoryUsage(JS_GetRuntime(context), &usage);
    return (size_t)usage.malloc_size;
}

static int fail(unishare_answer *answer)
{
    free(reserve);
    reserve = NULL;
    unishare_answer_clear(answer);
    error_write(context, to_both, answer);
    /* What memory ran out of may be garbage in circles. A collection writes to every object, so not after each mistake. */
    if (allocated() > collected() + WORTH)
        JS_RunGC(JS_GetRuntime(context));
    return FAILED;
}

static JSValue call(void)
{
    JSValue arguments[2], result;
    int count = is_module ? 1 : 2;

    arguments[0] = is_module ? request_object(context) : request_text(context);
    arguments[1] = is_module ? JS_UNDEFINED : request_bytes(context);
    result = JS_IsException(arguments[0]) || JS_IsException(arguments[1])
                 ? JS_EXCEPTION
                 : JS_Call(context, function, JS_UNDEFINED, count, (JSValueConst *)arguments);
    JS_FreeValue(context, arguments[0]);
    JS_FreeValue(context, arguments[1]);
    return result;
}

static int handle(const unishare_request *received, unishare_answer *answer)
{
    struct request request;
    JSValue value;
    int status;

    if (!reserve)
        reserve = malloc(RESERVE);
    request_begin(context, &request, received);
    random_new_request();
    allocation_new_request();
    value = jobs_settle(context, call());
    status = JS_IsException(value) ? -1 : answer_write(context, value, answer);
    JS_FreeValue(context, value);
    if (status < 0)
        status = fail(answer);
    timers_forget(context);
    jobs_forget(context);
    request_end(context);
    return status;
}

/* The first of an object's properties that is a function, else undefined. */
static JSValue function_of(JSValueConst object, const char *const names[2])
{
    for (int i = 0; i < 2; i++) {
        JSValue value = JS_GetPropertyStr(context, object, names[i]);

        if (JS_IsFunction(context, value))
            return value;
        if (JS_IsException(value))
            JS_FreeValue(context, JS_GetException(context));
        JS_FreeValue(context, value);
    }
    return JS_UNDEFINED;
}

static JSValue run_module(const char *path, JSValue compiled)
{
    static const char *const names[2] = {"default", "handle"};
    JSModuleDef *module = module_of_compiled(context, compiled, path);
    JSValue done = jobs_settle(context, JS_EvalFunction(context, compiled)), exports, found;

    if (JS_IsException(done))
        return done;
    JS_FreeValue(context, done);
    exports = JS_GetModuleNamespace(context, module);
    found = JS_IsException(exports) ? exports : function_of(exports, names);
    JS_FreeValue(context, exports);
    if (JS_IsUndefined(found))
        JS_ThrowTypeError(context, NO_FUNCTION_IN_MODULE, path);
    return JS_IsUndefined(found) ? JS_EXCEPTION : found;
}

static JSValue run_script(const char *path, JSValue compiled)
{
    static const char *const of_module[2] = {"exports", "exports"}, *const of_exports[2] = {"default", "handle"};
    static const char *const of_global[2] = {"handle", "handler"};
    JSValue global = JS_GetGlobalObject(context), module = JS_NewObject(context), exports = JS_NewObject(context), done, found;

    JS_SetPropertyStr(context, module, "exports", JS_DupValue(context, exports));
    JS_SetPropertyStr(context, global, "module", JS_DupValue(context, module));
    JS_SetPropertyStr(context, global, "exports", exports);
    JS_SetPropertyStr(context, global, "require", require_function(context, path));
    done = jobs_settle(context, JS_EvalFunction(context, compiled));
    found = JS_IsException(done) ? done : function_of(module, of_module);
    if (JS_IsUndefined(found)) {
        exports = JS_GetPropertyStr(context, module, "exports");
        found = JS_IsObject(exports) ? function_of(exports, of_exports) : JS_UNDEFINED;
        JS_FreeValue(context, exports);
    }
    if (JS_IsUndefined(found))
        found = function_of(global, of_global);
    JS_FreeValue(context, done);
    JS_FreeValue(context, module);
    JS_FreeValue(context, global);
    if (JS_IsUndefined(found))
        JS_ThrowTypeError(context,
                          "%s has no function: write `module.exports = function (text, bytes) {...}`, or "
                          "`export default function (request) {...}`",
                          path);
    return JS_IsUndefined(found) ? JS_EXCEPTION : found;
}

/* Run the handler's file and find its function; 0 if that fails, and the console says why. */
static int load(void)
{
    const char *path = handler_path();
    enum kind kind = KIND_SCRIPT;
    JSValue compiled;

    if (!path) {
        fprintf(stderr, "no handler: put \"/app/handler.js\" = \"handler.js\" into [files] of app.toml\n");
        return 0;
    }
    compiled = source_compile(context, path, 1, &kind);
    is_module = kind == KIND_MODULE;
    if (!JS_IsException(compiled))
        compiled = is_module ? run_module(path, compiled) : run_script(path, compiled);
    if (JS_IsException(compiled)) {
        free(reserve);
        error_write(context, to_console, NULL);
        return 0;
    }
    function = compiled;
    timers_forget(context);
    return 1;
}

/* Circles of garbage that loading left shall not be in every copy. */
static void collect_garbage(void)
{
    JSRuntime *runtime = JS_GetRuntime(context);
    size_t threshold = JS_GetGCThreshold(runtime);

    JS_RunGC(runtime);
    set_collected(allocated());
    /* Else the first request of a large function would begin with another one. */
    JS_SetGCThreshold(runtime, threshold > 2 * collected() ? threshold : 2 * collected());
}

/* What requests left in circles; what is in none was freed at once. A collection writes to every object, so not if there is
 * nothing more than before; most of these pages are the snapshot's again after it. */
static void collect_when_quiet(void)
{
    if (allocated() > collected())
        collect_garbage();
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "--check"))
        return check_serve();
    files_use((const uint8_t *)unishare_image->files_start, unishare_image->files_size);
    reserve = malloc(RESERVE);
    if (!(context = surroundings_new())) {
        fprintf(stderr, "javascript: there is not enough memory to begin; give the instance more (--memory)\n");
        return FAILED;
    }
    if (unishare_boot_page->flags & UNISHARE_BOOT_SNAPSHOT && unishare_boot_page->heap_limit >= AMPLE)
        surroundings_complete(context);
    unishare_part_heap();
    unishare_on_snapshot(collect_garbage);
    unishare_when_quiet(collect_when_quiet);
    if (!load())
        return FAILED;
    set_collected(allocated());
    return unishare_serve(handle);
}
