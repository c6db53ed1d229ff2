/* require: scripts as Node's modules are, each run once, with `exports`, `require` and `module` of its own. */
#include <string.h>

#include "javascript.h"

static JSValue scripts; /* module objects by path */

/* Run a script that was compiled with its wrapper. */
static JSValue call_script(JSContext *context, const char *path, JSValue compiled, JSValueConst module)
{
    JSValue function = JS_EvalFunction(context, compiled), result;
    JSValue arguments[5] = {JS_GetPropertyStr(context, module, "exports"), require_function(context, path),
                            JS_DupValue(context, module), JS_NewString(context, path),
                            JS_NewStringLen(context, path, (size_t)(strrchr(path, '/') - path))};

    result = JS_Call(context, function, arguments[0], COUNT(arguments), (JSValueConst *)arguments);
    for (size_t i = 0; i < COUNT(arguments); i++)
        JS_FreeValue(context, arguments[i]);
    JS_FreeValue(context, function);
    return result;
}

/* Run a script for the first time. The module object is known before, so that scripts may require each other. */
static JSValue run_script(JSContext *context, const char *path)
{
    enum kind kind;
    JSValue compiled = source_compile(context, path, 0, &kind), module, result;

    if (JS_IsException(compiled))
        return compiled;
    if (kind == KIND_MODULE) {
        JS_FreeValue(context, compiled);
        return JS_ThrowTypeError(context, "%s is a module: it is there for import, not for require", path);
    }
    module = JS_NewObject(context);
    JS_SetPropertyStr(context, module, "exports", JS_NewObject(context));
    JS_SetPropertyStr(context, scripts, path, JS_DupValue(context, module));
    result = call_script(context, path, compiled, module);
    if (!JS_IsException(result)) {
        JS_FreeValue(context, result);
        return module;
    }
    JS_FreeValue(context, module);
    JS_SetPropertyStr(context, scripts, path, JS_UNDEFINED);
    return result;
}

JSValue require_path(JSContext *context, const char *path)
{
    const char *ending = strrchr(path, '.');
    JSValue module, exports;

    if (ending && !strcmp(ending, ".json"))
        return source_data(context, path, KIND_JSON);
    module = JS_GetPropertyStr(context, scripts, path);
    if (!JS_IsObject(module) && !JS_IsException(module))
        module = run_script(context, path);
    if (JS_IsException(module))
        return module;
    exports = JS_GetPropertyStr(context, module, "exports");
    JS_FreeValue(context, module);
    return exports;
}

static JSValue require(JSContext *context, JSValueConst this, int count, JSValueConst *arguments, int magic, JSValueConst *data)
{
    const char *base = JS_ToCString(context, data[0]), *name = count ? JS_ToCString(context, arguments[0]) : NULL;
    char *path = base && name ? module_path(context, base, name) : NULL;
    JSValue value = JS_EXCEPTION;

    (void)this, (void)magic;
    if (path)
        value = require_path(context, path);
    else if (!count)
        JS_ThrowTypeError(context, "require needs a path");
    js_free(context, path);
    JS_FreeCString(context, name);
    JS_FreeCString(context, base);
    return value;
}

JSValue require_function(JSContext *context, const char *path)
{
    JSValue data = JS_NewString(context, path);
    JSValue function = JS_NewCFunctionData2(context, require, "require", 1, 0, 1, (JSValueConst *)&data);

    JS_FreeValue(context, data);
    return function;
}

void commonjs_define(JSContext *context)
{
    scripts = JS_NewObject(context);
}

void commonjs_forget(JSContext *context)
{
    JS_FreeValue(context, scripts);
    scripts = JS_UNDEFINED;
}
