/* A runtime of the engine and a context with all that a function finds in it. */
#include <unishare/platform.h>

#include "javascript.h"

/* Below the last frame that the engine allows there must be room for what it calls without asking. */
enum { STACK_MARGIN = 24 << 10 };

const char *handler_path(void)
{
    static const char *const paths[] = {"/app/handler.js", "/app/handler.mjs", "/app/handler.cjs"};

    for (size_t i = 0; i < COUNT(paths); i++)
        if (file_exists(paths[i]))
            return paths[i];
    return NULL;
}

static size_t usable_stack(void)
{
    size_t left = (size_t)__builtin_frame_address(0) - (size_t)unishare_boot_page->stack_bottom;

    return left > 2 * STACK_MARGIN ? left - STACK_MARGIN : left / 2;
}

JSContext *surroundings_new(void)
{
    JSRuntime *runtime = JS_NewRuntime2(&allocation, NULL);
    JSContext *context = runtime ? JS_NewContext(runtime) : NULL;

    if (!context)
        return NULL;
    JS_SetMaxStackSize(runtime, usable_stack());
    modules_define(context);
    commonjs_define(context);
    jobs_define(context);
    timers_define(context);
    console_define(context);
    text_define(context);
    random_define(context);
    request_define(context);
    builtins_define(context);
    return context;
}

void surroundings_free(JSContext *context)
{
    JSRuntime *runtime = JS_GetRuntime(context);

    jobs_forget(context);
    timers_forget(context);
    commonjs_forget(context);
    builtins_forget(context);
    JS_FreeContext(context);
    JS_FreeRuntime(runtime);
}
