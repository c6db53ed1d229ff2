/*
 * What the engine and the surroundings make when it is first used, made at once: functions of objects that the language has,
 * parts that are written in JavaScript.
 *
 * For a snapshot only. There all of it is in pages that functions share, and no request has to make it, in pages of its own.
 */
#include <stdlib.h>

#include "javascript.h"

/* The language has some two thousand objects. What does not fit is made when it is first used, as without a snapshot. */
enum { OBJECTS = 4096, CLASSES = 256 };

struct found {
    JSValue objects[OBJECTS];
    size_t count;
};

/* Takes `value`. */
static void find(JSContext *context, struct found *found, JSValue value)
{
    int is_new = JS_IsObject(value) && found->count < OBJECTS;

    for (size_t i = 0; is_new && i < found->count; i++)
        is_new = JS_VALUE_GET_PTR(found->objects[i]) != JS_VALUE_GET_PTR(value);
    if (is_new)
        found->objects[found->count++] = value;
    else
        JS_FreeValue(context, value);
}

/* To ask for a property's descriptor makes its value; it calls no getter. */
static void find_properties(JSContext *context, struct found *found, JSValueConst object)
{
    JSPropertyEnum *names;
    uint32_t count;

    if (JS_GetOwnPropertyNames(context, &names, &count, object, JS_GPN_STRING_MASK | JS_GPN_SYMBOL_MASK) < 0)
        return;
    for (uint32_t i = 0; i < count; i++) {
        JSPropertyDescriptor property;

        if (JS_GetOwnProperty(context, &property, object, names[i].atom) <= 0)
            continue;
        find(context, found, property.value);
        find(context, found, property.getter);
        find(context, found, property.setter);
    }
    JS_FreePropertyEnum(context, names, count);
}

void surroundings_complete(JSContext *context)
{
    struct found *found = malloc(sizeof *found);

    if (!found)
        return;
    found->count = 0;
    builtins_load(context);
    find(context, found, JS_GetGlobalObject(context));
    /* No property leads to those of iterators and of the request. */
    for (JSClassID class = 1; class < CLASSES; class++)
        if (JS_IsRegisteredClass(JS_GetRuntime(context), class))
            find(context, found, JS_GetClassProto(context, class));
    for (size_t i = 0; i < found->count; i++) {
        find_properties(context, found, found->objects[i]);
        find(context, found, JS_GetPrototype(context, found->objects[i]));
    }
    while (found->count)
        JS_FreeValue(context, found->objects[--found->count]);
    free(found);
    /* What could not be made, will be when it is asked for: then it is an error. */
    JS_FreeValue(context, JS_GetException(context));
}
