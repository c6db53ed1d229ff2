/*
 * setTimeout and its kin. Time passes only while an answer waits for a promise: then the guest sleeps until the next timer is
 * due. Timers that are left when the answer is there are dropped with it.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <unishare/clock.h>

#include "javascript.h"

enum { ARGUMENTS_MAX = 8, NANOSECONDS_A_MILLISECOND = 1000000 };

struct timer {
    struct timer *next; /* by time, then by age */
    uint64_t due;
    double repeat; /* milliseconds; below 0: once */
    int id, count;
    JSValue function, arguments[ARGUMENTS_MAX];
};

static struct timer *first;
static int last_id;

static void insert(struct timer *timer, double milliseconds)
{
    struct timer **at = &first;

    timer->due = unishare_clock_monotonic() + (uint64_t)(milliseconds * NANOSECONDS_A_MILLISECOND);
    while (*at && (*at)->due <= timer->due)
        at = &(*at)->next;
    timer->next = *at;
    *at = timer;
}

static void release(JSContext *context, struct timer *timer)
{
    JS_FreeValue(context, timer->function);
    for (int i = 0; i < timer->count; i++)
        JS_FreeValue(context, timer->arguments[i]);
    free(timer);
}

static struct timer *take(int id)
{
    for (struct timer **at = &first; *at; at = &(*at)->next) {
        struct timer *timer = *at;

        if (timer->id == id) {
            *at = timer->next;
            return timer;
        }
    }
    return NULL;
}

/* magic: 1 repeats, 2 takes no delay (setImmediate). */
static JSValue set(JSContext *context, JSValueConst this, int count, JSValueConst *arguments, int magic)
{
    int skipped = magic == 2 ? 1 : 2;
    double delay = 0;
    struct timer *timer;

    (void)this;
    if (!count || !JS_IsFunction(context, arguments[0]))
        return JS_ThrowTypeError(context, "a timer needs a function");
    if (magic != 2 && count > 1 && JS_ToFloat64(context, &delay, arguments[1]))
        return JS_EXCEPTION;
    if (!(delay >= 1 && delay <= INT32_MAX))
        delay = magic == 2 ? 0 : 1; /* HTML's and Node's rule for what is no delay */
    if (!(timer = calloc(1, sizeof *timer)))
        return JS_ThrowOutOfMemory(context);
    timer->id = ++last_id;
    timer->repeat = magic == 1 ? delay : -1;
    timer->function = JS_DupValue(context, arguments[0]);
    for (int i = skipped; i < count && timer->count < ARGUMENTS_MAX; i++)
        timer->arguments[timer->count++] = JS_DupValue(context, arguments[i]);
    insert(timer, delay);
    return JS_NewInt32(context, timer->id);
}

static JSValue clear(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    struct timer *timer;
    int32_t id = 0;

    (void)this;
    if (count && JS_IsNumber(arguments[0]) && JS_ToInt32(context, &id, arguments[0]))
        return JS_EXCEPTION;
    if ((timer = take(id)))
        release(context, timer);
    return JS_UNDEFINED;
}

int timers_run_next(JSContext *context)
{
    struct timer *timer = first;
    uint64_t now = unishare_clock_monotonic();
    JSValue result, function, arguments[ARGUMENTS_MAX];
    int count, failed;

    if (!timer)
        return 0;
    if (timer->due > now)
        unishare_sleep(timer->due - now);
    first = timer->next;
    /* The function may clear this timer, or let others take its place. */
    function = JS_DupValue(context, timer->function);
    count = timer->count;
    for (int i = 0; i < count; i++)
        arguments[i] = JS_DupValue(context, timer->arguments[i]);
    if (timer->repeat >= 0)
        insert(timer, timer->repeat);
    else
        release(context, timer);
    result = JS_Call(context, function, JS_UNDEFINED, count, (JSValueConst *)arguments);
    failed = JS_IsException(result);
    JS_FreeValue(context, result);
    JS_FreeValue(context, function);
    for (int i = 0; i < count; i++)
        JS_FreeValue(context, arguments[i]);
    return failed ? -1 : 1;
}

void timers_forget(JSContext *context)
{
    while (first) {
        struct timer *timer = first;

        first = timer->next;
        release(context, timer);
    }
}

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_MAGIC_DEF("setTimeout", 2, set, 0),   JS_CFUNC_MAGIC_DEF("setInterval", 2, set, 1),
    JS_CFUNC_MAGIC_DEF("setImmediate", 1, set, 2), JS_CFUNC_DEF("clearTimeout", 1, clear),
    JS_CFUNC_DEF("clearInterval", 1, clear),       JS_CFUNC_DEF("clearImmediate", 1, clear),
};

void timers_define(JSContext *context)
{
    JSValue global = JS_GetGlobalObject(context);

    JS_SetPropertyFunctionList(context, global, functions, COUNT(functions));
    JS_FreeValue(context, global);
}
