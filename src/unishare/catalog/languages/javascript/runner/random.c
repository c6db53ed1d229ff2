/*
 * crypto.getRandomValues, crypto.randomUUID and Math.random. The engine would seed Math.random from the clock once; here every
 * request that asks begins with fresh bytes of the host, so that copies of one instance do not repeat each other's numbers.
 */
#include <stdio.h>
#include <string.h>

#include <unishare/random.h>

#include "javascript.h"

enum { VALUES_MAX = 65536, PORTION = 256, MANTISSA = 52 };

static uint64_t state[2];
static int is_seeded;

void random_new_request(void)
{
    if (is_seeded) /* else nothing is written, and no page becomes this instance's */
        is_seeded = 0;
}

static int fill(uint8_t *into, size_t size)
{
    while (size) {
        size_t portion = size < PORTION ? size : PORTION;

        if (unishare_random_fill(into, portion) < 0)
            return 0;
        into += portion;
        size -= portion;
    }
    return 1;
}

static JSValue random_values(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    size_t offset, length, element, size;
    JSValue buffer;
    uint8_t *bytes;
    int type = count ? JS_GetTypedArrayType(arguments[0]) : -1;

    (void)this;
    if (type < 0 || type >= JS_TYPED_ARRAY_FLOAT16)
        return JS_ThrowTypeError(context, "crypto.getRandomValues needs a typed array of whole numbers");
    buffer = JS_GetTypedArrayBuffer(context, arguments[0], &offset, &length, &element);
    if (JS_IsException(buffer))
        return buffer;
    bytes = JS_GetArrayBuffer(context, &size, buffer);
    JS_FreeValue(context, buffer);
    if (length > VALUES_MAX)
        return JS_ThrowDOMException(context, "QuotaExceededError", "crypto.getRandomValues fills up to %d bytes, not %zu",
                                    VALUES_MAX, length);
    if (length && (!bytes || !fill(bytes + offset, length)))
        return JS_ThrowInternalError(context, "the host gave no random bytes");
    return JS_DupValue(context, arguments[0]);
}

/* RFC 9562, version 4. */
static JSValue random_uuid(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    uint8_t bytes[16];
    char text[37], *at = text;

    (void)this, (void)count, (void)arguments;
    if (!fill(bytes, sizeof bytes))
        return JS_ThrowInternalError(context, "the host gave no random bytes");
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < sizeof bytes; i++)
        at += sprintf(at, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", bytes[i]);
    return JS_NewString(context, text);
}

/* xorshift128+ (Vigna, "Further scramblings of Marsaglia's xorshift generators", 2014): fast and even, not secret. */
static uint64_t next(void)
{
    uint64_t a = state[0], b = state[1];

    state[0] = b;
    a ^= a << 23;
    state[1] = a ^ b ^ a >> 18 ^ b >> 5;
    return state[1] + b;
}

static JSValue math_random(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    (void)this, (void)count, (void)arguments;
    if (!is_seeded) {
        if (!fill((uint8_t *)state, sizeof state))
            return JS_ThrowInternalError(context, "the host gave no random bytes");
        state[0] |= !(state[0] | state[1]);
        is_seeded = 1;
    }
    return JS_NewFloat64(context, (double)(next() >> (64 - MANTISSA)) / (double)(1ULL << MANTISSA));
}

static const JSCFunctionListEntry crypto_functions[] = {
    JS_CFUNC_DEF("getRandomValues", 1, random_values),
    JS_CFUNC_DEF("randomUUID", 0, random_uuid),
    JS_PROP_STRING_DEF("[Symbol.toStringTag]", "Crypto", JS_PROP_CONFIGURABLE),
};
static const JSCFunctionListEntry global_objects[] = {
    JS_OBJECT_DEF("crypto", crypto_functions, COUNT(crypto_functions), JS_PROP_WRITABLE | JS_PROP_CONFIGURABLE),
};

void random_define(JSContext *context)
{
    JSValue global = JS_GetGlobalObject(context), math = JS_GetPropertyStr(context, global, "Math");

    JS_SetPropertyFunctionList(context, global, global_objects, COUNT(global_objects));
    JS_DefinePropertyValueStr(context, math, "random", JS_NewCFunction(context, math_random, "random", 0),
                              JS_PROP_WRITABLE | JS_PROP_CONFIGURABLE);
    JS_FreeValue(context, math);
    JS_FreeValue(context, global);
}
