/*
 * From what a function returned to an answer: text as UTF-8, bytes as they are, nothing as nothing, anything else as JSON. An
 * object of `answer` and `status`, or one of them, is an answer with a status.
 */
#include <string.h>

#include "javascript.h"

enum { STATUS_MAX = 255 };

static int write_text(JSContext *context, JSValueConst value, unishare_answer *answer)
{
    size_t size;
    char *text = (char *)JS_ToCStringLen(context, &size, value);

    if (!text)
        return -1;
    utf8_replace_surrogates(text, size);
    unishare_answer_write(answer, text, size);
    JS_FreeCString(context, text);
    return 0;
}

static int write_json(JSContext *context, JSValueConst value, unishare_answer *answer)
{
    JSValue text = JS_JSONStringify(context, value, JS_UNDEFINED, JS_UNDEFINED);
    int failed;

    if (JS_IsException(text))
        return -1;
    if (JS_IsUndefined(text)) {
        JS_ThrowTypeError(
            context, "the function returned %s, which JSON cannot hold: return text, bytes, nothing, or what JSON can hold",
            JS_IsFunction(context, value) ? "a function" : "a symbol");
        return -1;
    }
    failed = write_text(context, text, answer);
    JS_FreeValue(context, text);
    return failed;
}

/* 1 if `value` was bytes, 0 if not, -1 with an exception. */
static int write_bytes(JSContext *context, JSValueConst value, unishare_answer *answer)
{
    size_t offset = 0, size, whole, element;
    JSValue buffer;
    uint8_t *bytes;

    if (JS_IsArrayBuffer(value)) {
        bytes = JS_GetArrayBuffer(context, &size, value);
    } else if (JS_GetTypedArrayType(value) >= 0) {
        buffer = JS_GetTypedArrayBuffer(context, value, &offset, &size, &element);
        if (JS_IsException(buffer))
            return -1;
        bytes = JS_GetArrayBuffer(context, &whole, buffer);
        JS_FreeValue(context, buffer);
    } else {
        return 0;
    }
    if (bytes && size)
        unishare_answer_write(answer, bytes + offset, size);
    return bytes || !size ? 1 : -1;
}

static int write_body(JSContext *context, JSValueConst value, unishare_answer *answer)
{
    int done;

    if (JS_IsUndefined(value) || JS_IsNull(value))
        return 0;
    if (JS_IsString(value))
        return write_text(context, value, answer);
    done = write_bytes(context, value, answer);
    return done ? (done < 0 ? -1 : 0) : write_json(context, value, answer);
}

/* Whether all that an object has is `answer` and a `status` that is a number. */
static int is_with_status(JSContext *context, JSValueConst value)
{
    JSPropertyEnum *names;
    uint32_t count;
    int yes, has_status = 0;

    if (!JS_IsObject(value) || JS_IsArray(value) || JS_IsFunction(context, value) || JS_IsArrayBuffer(value)
        || JS_GetTypedArrayType(value) >= 0)
        return 0;
    if (JS_GetOwnPropertyNames(context, &names, &count, value, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY) < 0)
        return -1;
    yes = count == 1 || count == 2;
    for (uint32_t i = 0; i < count && yes; i++) {
        const char *name = JS_AtomToCString(context, names[i].atom);

        yes = name && (!strcmp(name, "answer") || !strcmp(name, "status"));
        has_status |= yes && *name == 's';
        JS_FreeCString(context, name);
    }
    JS_FreePropertyEnum(context, names, count);
    if (yes && has_status) {
        JSValue status = JS_GetPropertyStr(context, value, "status");

        yes = JS_IsException(status) ? -1 : JS_IsNumber(status) || JS_IsUndefined(status);
        JS_FreeValue(context, status);
    }
    return yes;
}

int answer_write(JSContext *context, JSValueConst value, unishare_answer *answer)
{
    int with_status = is_with_status(context, value), failed;
    double status = 0;
    JSValue part;

    if (with_status < 0)
        return -1;
    if (!with_status)
        return write_body(context, value, answer);
    part = JS_GetPropertyStr(context, value, "status");
    failed = JS_IsException(part) || (!JS_IsUndefined(part) && JS_ToFloat64(context, &status, part));
    JS_FreeValue(context, part);
    if (failed)
        return -1;
    if (!(status >= 0 && status <= STATUS_MAX && status == (int)status)) {
        JS_ThrowRangeError(context, "the status must be a whole number from 0 to %d", STATUS_MAX);
        return -1;
    }
    part = JS_GetPropertyStr(context, value, "answer");
    failed = JS_IsException(part) || write_body(context, part, answer);
    JS_FreeValue(context, part);
    return failed ? -1 : (int)status;
}
