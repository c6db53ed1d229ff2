/* Runs a handler written in JavaScript: /app/handler.js defines handle(request), which returns the answer. */
#include <jsi.h>
#include <stdio.h>
#include <string.h>

#include <unishare/function.h>

static js_State *state;

static int handle(const unishare_request *request, unishare_answer *answer)
{
    int failed;
    const char *text;

    js_getglobal(state, "handle");
    js_pushundefined(state);
    js_pushlstring(state, (const char *)request->data, (int)request->size);
    failed = js_pcall(state, 1);
    text = js_trystring(state, -1, "the answer is not a text");
    unishare_answer_write(answer, text, strlen(text));
    js_pop(state, 1);
    return failed ? 1 : 0;
}

/* A collection marks each object that it leaves, with 1 and 2 in turn. It shall be the same one whenever the instance waits: so
 * pages of objects that have not changed are the snapshot's again. */
static void collect(void)
{
    do
        js_gc(state, 0);
    while (state->gcmark != 1);
}

int main(void)
{
    state = js_newstate(NULL, NULL, JS_STRICT);
    if (!state || js_dofile(state, "/app/handler.js"))
        return 1;
    unishare_on_snapshot(collect);
    unishare_when_quiet(collect);
    return unishare_serve(handle);
}
