/* Promises: running the job queue, waiting for a value, and rejections that nobody handles. */
#include <string.h>

#include "javascript.h"

enum { UNHANDLED_MAX = 16 };

/* The first rejections that nobody has handled so far; what does not fit is counted only. */
static struct {
    JSValue promise, reason;
} unhandled[UNHANDLED_MAX];
static size_t unhandled_count;

static void track(JSContext *context, JSValueConst promise, JSValueConst reason, bool is_handled, void *unused)
{
    (void)unused;
    if (!is_handled) {
        if (unhandled_count < UNHANDLED_MAX) {
            unhandled[unhandled_count].promise = JS_DupValue(context, promise);
            unhandled[unhandled_count++].reason = JS_DupValue(context, reason);
        }
        return;
    }
    for (size_t i = 0; i < unhandled_count; i++) {
        if (!JS_IsStrictEqual(context, unhandled[i].promise, promise))
            continue;
        JS_FreeValue(context, unhandled[i].promise);
        JS_FreeValue(context, unhandled[i].reason);
        unhandled[i] = unhandled[--unhandled_count];
        return;
    }
}

void jobs_define(JSContext *context)
{
    unhandled_count = 0;
    JS_SetHostPromiseRejectionTracker(JS_GetRuntime(context), track, NULL);
}

void jobs_forget(JSContext *context)
{
    while (unhandled_count) {
        JS_FreeValue(context, unhandled[--unhandled_count].promise);
        JS_FreeValue(context, unhandled[unhandled_count].reason);
    }
}

/* Run the queue to its end; -1 with an exception if a job threw (what `queueMicrotask` was given, say). */
static int run_all(JSContext *context)
{
    int more;

    while ((more = JS_ExecutePendingJob(JS_GetRuntime(context), &context)) > 0)
        ;
    return more;
}

/* A promise for a value that is none but has a `then`, as `await` would make it. Takes `value`. */
static JSValue adopt(JSContext *context, JSValue value)
{
    JSValue then = JS_IsObject(value) && !JS_IsPromise(value) ? JS_GetPropertyStr(context, value, "then") : JS_UNDEFINED;
    JSValue resolving[2], promise, done;
    int wanted = JS_IsFunction(context, then), failed = JS_IsException(then);

    JS_FreeValue(context, then);
    if (failed) {
        JS_FreeValue(context, value);
        return JS_EXCEPTION;
    }
    if (!wanted)
        return value;
    promise = JS_NewPromiseCapability(context, resolving);
    if (!JS_IsException(promise)) {
        done = JS_Call(context, resolving[0], JS_UNDEFINED, 1, (JSValueConst *)&value);
        JS_FreeValue(context, done);
        JS_FreeValue(context, resolving[0]);
        JS_FreeValue(context, resolving[1]);
    }
    JS_FreeValue(context, value);
    return promise;
}

/* Run jobs and timers until nothing of either could change `value` any more; -1 with an exception. */
static int run_until_settled(JSContext *context, JSValueConst value)
{
    for (;;) {
        int timers;

        if (run_all(context) < 0)
            return -1;
        if (JS_PromiseState(context, value) != JS_PROMISE_PENDING)
            return 0;
        timers = timers_run_next(context);
        if (timers < 0)
            return -1;
        if (!timers) {
            if (allocation_has_failed())
                JS_ThrowOutOfMemory(context);
            else
                JS_ThrowTypeError(context, "the promise is never settled: no timer and no job is left that could do it");
            return -1;
        }
    }
}

JSValue jobs_settle(JSContext *context, JSValue value)
{
    JSValue result;

    if (JS_IsException(value)) {
        /* What the function left in the queue is run all the same: the next request shall not find it there. */
        JSValue error = JS_GetException(context);

        if (run_all(context) < 0)
            JS_FreeValue(context, JS_GetException(context));
        return JS_Throw(context, error);
    }
    value = adopt(context, value);
    if (JS_IsException(value))
        return value;
    if (run_until_settled(context, value) < 0) {
        JS_FreeValue(context, value);
        return JS_EXCEPTION;
    }
    if (!JS_IsPromise(value)) {
        result = value;
    } else {
        result = JS_PromiseResult(context, value);
        if (JS_PromiseState(context, value) == JS_PROMISE_REJECTED)
            result = JS_Throw(context, result);
        JS_FreeValue(context, value);
    }
    if (!JS_IsException(result) && unhandled_count) {
        JS_FreeValue(context, result);
        result = JS_Throw(context, JS_DupValue(context, unhandled[0].reason));
    }
    return result;
}
