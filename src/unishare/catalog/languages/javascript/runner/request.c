/*
 * The request, as a module's function gets it: an object that decodes what it is asked for. Where text is wanted it stands for
 * its text, methods of texts included. It is over when its answer is there; what was taken from it stays.
 *
 * The current request is known to the context, and nowhere else: a variable that each request changes would be a page of each
 * instance.
 */
#include <stdlib.h>

#include "javascript.h"

static JSClassID request_class;
static const JSClassDef definition = {.class_name = "Request"};
/* What the object of an earlier request leads to. */
static const struct request over;

void request_begin(JSContext *context, struct request *request, const unishare_request *received)
{
    *request = (struct request){received, JS_UNDEFINED};
    JS_SetContextOpaque(context, request);
}

void request_end(JSContext *context)
{
    struct request *request = JS_GetContextOpaque(context);

    if (JS_IsObject(request->object))
        JS_SetOpaque(request->object, (void *)&over);
    JS_FreeValue(context, request->object);
    JS_SetContextOpaque(context, NULL);
}

static const unishare_request *received(JSContext *context)
{
    const struct request *request = JS_GetContextOpaque(context);

    return request->received;
}

JSValue request_text(JSContext *context)
{
    const unishare_request *request = received(context);

    return JS_NewStringLen(context, (const char *)request->data, request->size);
}

JSValue request_bytes(JSContext *context)
{
    const unishare_request *request = received(context);

    return JS_NewUint8ArrayCopy(context, request->data, request->size);
}

/* Outside a request there is none but those that are over. */
static int is_over(JSContext *context, JSValueConst this)
{
    void *opaque = JS_GetOpaque2(context, this, request_class);

    if (opaque == &over)
        JS_ThrowTypeError(context, "the request is over: keep its text or bytes, not the request");
    return !opaque || opaque == &over;
}

static JSValue text(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    (void)count, (void)arguments;
    return is_over(context, this) ? JS_EXCEPTION : request_text(context);
}

static JSValue json(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    const unishare_request *request;

    (void)count, (void)arguments;
    if (is_over(context, this))
        return JS_EXCEPTION;
    request = received(context);
    return JS_ParseJSON(context, (const char *)request->data, request->size, "<request>");
}

static JSValue bytes(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    (void)count, (void)arguments;
    return is_over(context, this) ? JS_EXCEPTION : request_bytes(context);
}

static JSValue array_buffer(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    const unishare_request *request;

    (void)count, (void)arguments;
    if (is_over(context, this))
        return JS_EXCEPTION;
    request = received(context);
    return JS_NewArrayBufferCopy(context, request->data, request->size);
}

static JSValue size(JSContext *context, JSValueConst this)
{
    return is_over(context, this) ? JS_EXCEPTION : JS_NewInt64(context, (int64_t)received(context)->size);
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
    struct request *request = JS_GetContextOpaque(context);
    JSValue object = JS_NewObjectClass(context, request_class);

    if (!JS_IsException(object)) {
        JS_SetOpaque(object, request);
        request->object = JS_DupValue(context, object);
    }
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
