/*
 * The parts of the surroundings that are written in JavaScript. Each is one expression that gives an object, and is compiled
 * when a function first uses it: who does not use it pays with an entry in a table.
 */
#include <string.h>

#include "javascript.h"

enum part { INSPECT, CLONE, URL, PARTS };

extern const char builtin_inspect[], builtin_inspect_end[], builtin_clone[], builtin_clone_end[], builtin_url[],
    builtin_url_end[];

/* What globals come from which part. */
static const struct {
    const char *name;
    enum part part;
} lazy[] = {{"structuredClone", CLONE}, {"URL", URL}, {"URLSearchParams", URL}};

/* The calls of console that are rare. */
static const char *const console_names[] = {"dir",   "table",    "trace", "assert",  "count",  "countReset",
                                            "group", "groupEnd", "time",  "timeEnd", "timeLog"};

static JSValue parts[PARTS];
static int is_loaded[PARTS];

static JSValue load(JSContext *context, enum part part)
{
    const char *start = part == INSPECT ? builtin_inspect : part == CLONE ? builtin_clone : builtin_url;
    const char *end = part == INSPECT ? builtin_inspect_end : part == CLONE ? builtin_clone_end : builtin_url_end;
    JSValue value;

    if (!is_loaded[part]) {
        value = JS_Eval(context, start, (size_t)(end - start), BUILTIN_FILE, JS_EVAL_TYPE_GLOBAL);
        if (JS_IsException(value))
            return value;
        parts[part] = value;
        is_loaded[part] = 1;
    }
    return parts[part];
}

void builtins_load(JSContext *context)
{
    JSValue global = JS_GetGlobalObject(context);

    load(context, INSPECT);
    for (size_t i = 0; i < COUNT(lazy); i++)
        JS_FreeValue(context, JS_GetPropertyStr(context, global, lazy[i].name));
    JS_FreeValue(context, global);
}

JSValue builtin_format(JSContext *context)
{
    JSValue part = load(context, INSPECT);

    return JS_IsException(part) ? part : JS_GetPropertyStr(context, part, "format");
}

/* A global that is asked for the first time: from now on it is an ordinary property. */
static JSValue get(JSContext *context, JSValueConst this, int magic)
{
    JSValue part = load(context, lazy[magic].part), value, global;

    (void)this;
    if (JS_IsException(part))
        return part;
    value = JS_GetPropertyStr(context, part, lazy[magic].name);
    global = JS_GetGlobalObject(context);
    JS_DefinePropertyValueStr(context, global, lazy[magic].name, JS_DupValue(context, value),
                              JS_PROP_WRITABLE | JS_PROP_CONFIGURABLE);
    JS_FreeValue(context, global);
    return value;
}

static JSValue set(JSContext *context, JSValueConst this, JSValueConst value, int magic)
{
    JSValue global = JS_GetGlobalObject(context);
    int done = JS_DefinePropertyValueStr(context, global, lazy[magic].name, JS_DupValue(context, value), JS_PROP_C_W_E);

    (void)this;
    JS_FreeValue(context, global);
    return done < 0 ? JS_EXCEPTION : JS_UNDEFINED;
}

static JSValue console_call(JSContext *context, JSValueConst this, int count, JSValueConst *arguments, int magic)
{
    JSValue part = load(context, INSPECT), calls, function, result;

    if (JS_IsException(part))
        return part;
    calls = JS_GetPropertyStr(context, part, "console");
    function = JS_GetPropertyStr(context, calls, console_names[magic]);
    result = JS_Call(context, function, this, count, arguments);
    JS_FreeValue(context, function);
    JS_FreeValue(context, calls);
    return result;
}

static const JSCFunctionListEntry globals[] = {
    JS_CGETSET_MAGIC_DEF("structuredClone", get, set, 0),
    JS_CGETSET_MAGIC_DEF("URL", get, set, 1),
    JS_CGETSET_MAGIC_DEF("URLSearchParams", get, set, 2),
};
static const JSCFunctionListEntry console_functions[] = {
    JS_CFUNC_MAGIC_DEF("dir", 0, console_call, 0),      JS_CFUNC_MAGIC_DEF("table", 0, console_call, 1),
    JS_CFUNC_MAGIC_DEF("trace", 0, console_call, 2),    JS_CFUNC_MAGIC_DEF("assert", 0, console_call, 3),
    JS_CFUNC_MAGIC_DEF("count", 0, console_call, 4),    JS_CFUNC_MAGIC_DEF("countReset", 0, console_call, 5),
    JS_CFUNC_MAGIC_DEF("group", 0, console_call, 6),    JS_CFUNC_MAGIC_DEF("groupEnd", 0, console_call, 7),
    JS_CFUNC_MAGIC_DEF("time", 0, console_call, 8),     JS_CFUNC_MAGIC_DEF("timeEnd", 0, console_call, 9),
    JS_CFUNC_MAGIC_DEF("timeLog", 0, console_call, 10),
};

void builtins_define(JSContext *context)
{
    JSValue global = JS_GetGlobalObject(context), console = JS_GetPropertyStr(context, global, "console");

    JS_SetPropertyFunctionList(context, global, globals, COUNT(globals));
    JS_SetPropertyFunctionList(context, console, console_functions, COUNT(console_functions));
    JS_FreeValue(context, console);
    JS_FreeValue(context, global);
}

void builtins_forget(JSContext *context)
{
    for (int i = 0; i < PARTS; i++)
        if (is_loaded[i])
            JS_FreeValue(context, parts[i]);
    memset(is_loaded, 0, sizeof is_loaded);
}
