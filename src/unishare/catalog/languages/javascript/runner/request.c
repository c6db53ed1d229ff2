/*
 * The request, as a module's function gets it: an object that decodes what it is asked for. Where text is wanted it stands for
 * its text, methods of texts included. It is over when its answer is there; what was taken from it stays.
 */
#include <stdlib.h>

#include "javascript.h"

static const unishare_request *current;
static uintptr_t number; /* of the current request: what an object of an earlier one is known by */
static JSClassID request_class;
static const JSClassDef definition = {.class_name = "Request"};

void request_begin(const unishare_request *request)
{
    current = request;
    number++;
}

void request_end(void)
{
    current = NULL;
}

JSValue request_text(JSContext *context)
{
    return JS_NewStringLen(context, (const char *)current->data, current->size);
}

JSValue request_bytes(JSContext *context)
{
    return JS_NewUint8ArrayCopy(context, current->data, current->size);
}

static int is_over(JSContext *context, JSValueConst this)
{
    void *opaque = JS_GetOpaque2(context, this, request_class);

    if (opaque && current && (uintptr_t)opaque == number)
        return 0;
    if (opaque)
        JS_ThrowTypeError(context, "the request is over: keep its text or bytes, not the request");
    return 1;
}

static JSValue text(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    (void)count, (void)arguments;
    return is_over(context, this) ? JS_EXCEPTION : request_text(context);
}

static JSValue json(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    (void)count, (void)arguments;
    return is_over(context, this) ? JS_EXCEPTION
                                  : JS_ParseJSON(context, (const char *)current->data, current->size, "<request>");
}

static JSValue bytes(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    (void)count, (void)arguments;
    return is_over(context, this) ? JS_EXCEPTION : request_bytes(context);
}

static JSValue array_buffer(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    (void)count, (void)arguments;
    return is_over(context, this) ? JS_EXCEPTION : JS_NewArrayBufferCopy(context, current->data, current->size);
}

static JSValue size(JSContext *context, JSValueConst this)
{
    return is_over(context, this) ? JS_EXCEPTION : JS_NewInt64(context, (int64_t)current->size);
}

/* As a text has it: in UTF-16 units. */
static JSValue length(JSContext *context, JSValueConst this)
{
    JSValue whole = text(context, this, 0, NULL), units;

    if (JS_IsException(whole))
        return whole;
    units = JS_GetPropertyStr(context, whole, "length");
    JS_FreeValue(context, whole);
    return units;
}

static const JSCFunctionListEntry members[] = {
    JS_CFUNC_DEF("text", 0, text),          JS_CFUNC_DEF("json", 0, json),
    JS_CFUNC_DEF("bytes", 0, bytes),        JS_CFUNC_DEF("arrayBuffer", 0, array_buffer),
    JS_CFUNC_DEF("toString", 0, text),      JS_CFUNC_DEF("valueOf", 0, text),
    JS_CFUNC_DEF("toJSON", 0, text),        JS_CGETSET_DEF("size", size, NULL),
    JS_CGETSET_DEF("length", length, NULL), JS_PROP_STRING_DEF("[Symbol.toStringTag]", "Request", JS_PROP_CONFIGURABLE),
};

JSValue request_object(JSContext *context)
{
    JSValue object = JS_NewObjectClass(context, request_class);

    if (!JS_IsException(object))
        JS_SetOpaque(object, (void *)number);
    return object;
}

void request_define(JSContext *context)
{
    JSValue global = JS_GetGlobalObject(context), string = JS_GetPropertyStr(context, global, "String");
    JSValue of_strings = JS_GetPropertyStr(context, string, "prototype"), prototype = JS_NewObjectProto(context, of_strings);

    JS_NewClassID(JS_GetRuntime(context), &request_class);
    JS_NewClass(JS_GetRuntime(context), request_class, &definition);
    JS_SetPropertyFunctionList(context, prototype, members, COUNT(members));
    JS_SetClassProto(context, request_class, prototype);
    JS_FreeValue(context, of_strings);
    JS_FreeValue(context, string);
    JS_FreeValue(context, global);
}
