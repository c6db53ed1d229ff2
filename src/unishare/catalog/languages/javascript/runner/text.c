/* TextEncoder and TextDecoder, for UTF-8 and UTF-16LE (https://encoding.spec.whatwg.org). */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "javascript.h"

enum { PENDING_MAX = 3 };

struct decoder {
    int fatal, ignore_mark, is_utf16, past_start;
    size_t pending_size;
    char pending[PENDING_MAX];
};

static JSClassID encoder_class, decoder_class;

static void free_decoder(JSRuntime *runtime, JSValueConst value)
{
    js_free_rt(runtime, JS_GetOpaque(value, decoder_class));
}

static const JSClassDef encoder_definition = {.class_name = "TextEncoder"};
static const JSClassDef decoder_definition = {.class_name = "TextDecoder", .finalizer = free_decoder};

static JSValue new_encoder(JSContext *context, JSValueConst target, int count, JSValueConst *arguments)
{
    JSValue prototype = JS_GetPropertyStr(context, target, "prototype"), made;

    (void)count, (void)arguments;
    if (JS_IsException(prototype))
        return prototype;
    made = JS_NewObjectProtoClass(context, prototype, encoder_class);
    JS_FreeValue(context, prototype);
    return made;
}

static JSValue encode(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    size_t size = 0;
    const char *text = "";
    JSValue bytes;

    (void)this;
    if (count && !JS_IsUndefined(arguments[0]) && !(text = JS_ToCStringLen(context, &size, arguments[0])))
        return JS_EXCEPTION;
    bytes = JS_NewUint8ArrayCopy(context, (const uint8_t *)text, size);
    if (!JS_IsException(bytes)) {
        size_t length;

        utf8_replace_surrogates((char *)JS_GetUint8Array(context, &length, bytes), size);
    }
    if (*text || size)
        JS_FreeCString(context, text);
    return bytes;
}

/* The bytes that an ArrayBuffer or a view of one shows; 0 with an exception if `value` is neither. */
static int bytes_of(JSContext *context, JSValueConst value, const char **bytes, size_t *size)
{
    size_t offset = 0, length, element;
    JSValue buffer;

    if (JS_IsArrayBuffer(value)) {
        *bytes = (const char *)JS_GetArrayBuffer(context, size, value);
        return *bytes || !*size;
    }
    if (JS_GetTypedArrayType(value) < 0) {
        JS_ThrowTypeError(context, "this needs an ArrayBuffer or a typed array");
        return 0;
    }
    buffer = JS_GetTypedArrayBuffer(context, value, &offset, size, &element);
    if (JS_IsException(buffer))
        return 0;
    *bytes = (const char *)JS_GetArrayBuffer(context, &length, buffer);
    JS_FreeValue(context, buffer);
    if (*bytes)
        *bytes += offset;
    return *bytes || !*size;
}

static JSValue encode_into(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    size_t size, room, fits, units = 0;
    const char *text = count > 1 ? JS_ToCStringLen(context, &size, arguments[0]) : NULL;
    uint8_t *into = text ? JS_GetUint8Array(context, &room, arguments[1]) : NULL;
    JSValue result;

    (void)this;
    if (!into) {
        JS_FreeCString(context, text);
        return JS_HasException(context) ? JS_EXCEPTION : JS_ThrowTypeError(context, "encodeInto needs a text and a Uint8Array");
    }
    for (fits = size < room ? size : room; fits < size && fits && ((uint8_t)text[fits] & 0xc0) == 0x80; fits--)
        ;
    memcpy(into, text, fits);
    utf8_replace_surrogates((char *)into, fits);
    for (size_t i = 0; i < fits; i++)
        units += ((uint8_t)text[i] & 0xc0) == 0x80 ? 0 : (uint8_t)text[i] >= 0xf0 ? 2 : 1;
    JS_FreeCString(context, text);
    result = JS_NewObject(context);
    JS_SetPropertyStr(context, result, "read", JS_NewInt64(context, (int64_t)units));
    JS_SetPropertyStr(context, result, "written", JS_NewInt64(context, (int64_t)fits));
    return result;
}

static int option(JSContext *context, int count, JSValueConst *arguments, const char *name)
{
    JSValue value = count > 1 && JS_IsObject(arguments[1]) ? JS_GetPropertyStr(context, arguments[1], name) : JS_UNDEFINED;
    int yes = JS_ToBool(context, value);

    JS_FreeValue(context, value);
    return yes;
}

/* 0 UTF-8, 1 UTF-16LE, -1 with an exception. */
static int encoding_of(JSContext *context, int count, JSValueConst *arguments)
{
    static const char *const labels[] = {"utf-8", "utf8", "unicode-1-1-utf-8", "utf-16le", "utf-16"};
    const char *label;
    int found = -1;

    if (!count || JS_IsUndefined(arguments[0]))
        return 0;
    if (!(label = JS_ToCString(context, arguments[0])))
        return -1;
    for (int i = 0; i < (int)COUNT(labels); i++)
        if (!strcasecmp(label, labels[i]))
            found = i >= 3;
    if (found < 0)
        JS_ThrowRangeError(context, "TextDecoder knows utf-8 and utf-16le, not %s", label);
    JS_FreeCString(context, label);
    return found;
}

static JSValue new_decoder(JSContext *context, JSValueConst target, int count, JSValueConst *arguments)
{
    int encoding = encoding_of(context, count, arguments);
    struct decoder *decoder = encoding < 0 ? NULL : js_mallocz(context, sizeof *decoder);
    JSValue prototype, made;

    if (!decoder)
        return JS_EXCEPTION;
    decoder->is_utf16 = encoding;
    decoder->fatal = option(context, count, arguments, "fatal");
    decoder->ignore_mark = option(context, count, arguments, "ignoreBOM");
    prototype = JS_GetPropertyStr(context, target, "prototype");
    made = JS_IsException(prototype) ? prototype : JS_NewObjectProtoClass(context, prototype, decoder_class);
    if (JS_IsException(made))
        js_free(context, decoder);
    else
        JS_SetOpaque(made, decoder);
    JS_FreeValue(context, prototype);
    return made;
}

/* Text of bytes that are whole characters, or as good as they will ever be. */
static JSValue text_of(JSContext *context, const struct decoder *decoder, const char *bytes, size_t size)
{
    uint16_t *units;
    JSValue text;

    if (decoder->fatal && !decoder->is_utf16 && utf8_valid(bytes, size) < size)
        return JS_ThrowTypeError(context, "the bytes are not UTF-8");
    if (!decoder->is_utf16)
        return JS_NewStringLen(context, bytes, size);
    if (!(units = js_malloc(context, size + 2)))
        return JS_EXCEPTION;
    memcpy(units, bytes, size);
    if (size % 2)
        units[size / 2] = 0xfffd;
    text = JS_NewStringUTF16(context, units, (size + 1) / 2);
    js_free(context, units);
    return text;
}

/* Decode what was pending and what is new; `stream`: keep back what more bytes could complete. */
static JSValue decode_joined(JSContext *context, struct decoder *decoder, const char *bytes, size_t size, int stream)
{
    static const char marks[2][3] = {"\xef\xbb\xbf", "\xff\xfe"};
    size_t mark = decoder->is_utf16 ? 2 : 3, pending;

    pending = !stream ? 0 : decoder->is_utf16 ? size % 2 : utf8_incomplete(bytes, size);
    if (!decoder->past_start && !decoder->ignore_mark && size >= mark && !memcmp(bytes, marks[decoder->is_utf16], mark)) {
        bytes += mark;
        size -= mark;
    }
    size -= pending;
    decoder->past_start = stream && (decoder->past_start || size || !pending);
    memcpy(decoder->pending, bytes + size, pending);
    decoder->pending_size = pending;
    return text_of(context, decoder, bytes, size);
}

static JSValue decode(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    struct decoder *decoder = JS_GetOpaque2(context, this, decoder_class);
    const char *bytes = "";
    size_t size = 0;
    char *joined = NULL;
    JSValue text;

    if (!decoder || (count && !JS_IsUndefined(arguments[0]) && !bytes_of(context, arguments[0], &bytes, &size)))
        return JS_EXCEPTION;
    if (decoder->pending_size) {
        if (!(joined = js_malloc(context, decoder->pending_size + size)))
            return JS_EXCEPTION;
        memcpy(joined, decoder->pending, decoder->pending_size);
        memcpy(joined + decoder->pending_size, bytes, size);
        size += decoder->pending_size;
        bytes = joined;
    }
    text = decode_joined(context, decoder, bytes ? bytes : "", size, option(context, count, arguments, "stream"));
    js_free(context, joined);
    return text;
}

/* magic: 0 encoding, 1 fatal, 2 ignoreBOM. */
static JSValue decoder_property(JSContext *context, JSValueConst this, int magic)
{
    struct decoder *decoder = JS_GetOpaque2(context, this, decoder_class);

    if (!decoder)
        return JS_EXCEPTION;
    return magic ? JS_NewBool(context, magic == 1 ? decoder->fatal : decoder->ignore_mark)
                 : JS_NewString(context, decoder->is_utf16 ? "utf-16le" : "utf-8");
}

static JSValue encoder_encoding(JSContext *context, JSValueConst this)
{
    (void)this;
    return JS_NewString(context, "utf-8");
}

static const JSCFunctionListEntry encoder_members[] = {
    JS_CFUNC_DEF("encode", 0, encode),
    JS_CFUNC_DEF("encodeInto", 2, encode_into),
    JS_CGETSET_DEF("encoding", encoder_encoding, NULL),
    JS_PROP_STRING_DEF("[Symbol.toStringTag]", "TextEncoder", JS_PROP_CONFIGURABLE),
};
static const JSCFunctionListEntry decoder_members[] = {
    JS_CFUNC_DEF("decode", 0, decode),
    JS_CGETSET_MAGIC_DEF("encoding", decoder_property, NULL, 0),
    JS_CGETSET_MAGIC_DEF("fatal", decoder_property, NULL, 1),
    JS_CGETSET_MAGIC_DEF("ignoreBOM", decoder_property, NULL, 2),
    JS_PROP_STRING_DEF("[Symbol.toStringTag]", "TextDecoder", JS_PROP_CONFIGURABLE),
};

static void define_class(JSContext *context, JSClassID *id, const JSClassDef *definition, JSCFunction *constructor,
                         const JSCFunctionListEntry *members, int count)
{
    JSValue prototype = JS_NewObject(context), global = JS_GetGlobalObject(context), made;

    JS_NewClassID(JS_GetRuntime(context), id);
    JS_NewClass(JS_GetRuntime(context), *id, definition);
    JS_SetPropertyFunctionList(context, prototype, members, count);
    made = JS_NewCFunction2(context, constructor, definition->class_name, 0, JS_CFUNC_constructor, 0);
    JS_SetConstructor(context, made, prototype);
    JS_SetClassProto(context, *id, prototype);
    JS_DefinePropertyValueStr(context, global, definition->class_name, made, JS_PROP_WRITABLE | JS_PROP_CONFIGURABLE);
    JS_FreeValue(context, global);
}

void text_define(JSContext *context)
{
    define_class(context, &encoder_class, &encoder_definition, new_encoder, encoder_members, COUNT(encoder_members));
    define_class(context, &decoder_class, &decoder_definition, new_decoder, decoder_members, COUNT(decoder_members));
}
