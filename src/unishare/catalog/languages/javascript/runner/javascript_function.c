/*
 * The main program of every function written in JavaScript: /app/handler.js is run once and sets module.exports to a function
 * from a request to an answer. A library, so that all of them share its pages with the interpreter's.
 *
 * Duktape keeps text as CESU-8, and reads some byte strings that are not UTF-8 as symbols; so bytes become text, and text bytes,
 * through its own TextDecoder and TextEncoder.
 */
#include <duktape.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <unishare/function.h>

#define HANDLER "/app/handler.js"

/* The value stack between requests. */
enum { FUNCTION, DECODER, ENCODER, STACK_BASE };
enum { FAILED = 1 };

static duk_context *context;

/* Answer with a failure's text, and let the console tell it too. */
static int fail(unishare_answer *answer, const char *text)
{
    fprintf(stderr, "%s\n", text);
    unishare_answer_clear(answer);
    unishare_answer_printf(answer, "%s\n", text);
    return FAILED;
}

/* Replace the top, text or bytes, by bytes. Throws if it is neither. */
static void to_bytes(duk_context *duk)
{
    if (duk_is_null_or_undefined(duk, -1)) {
        duk_pop(duk);
        duk_push_fixed_buffer(duk, 0);
    } else if (duk_is_string(duk, -1) && !duk_is_symbol(duk, -1)) {
        duk_dup(duk, ENCODER);
        duk_insert(duk, -2);
        duk_push_string(duk, "encode");
        duk_insert(duk, -2);
        duk_call_prop(duk, -3, 1);
        duk_remove(duk, -2);
    } else if (!duk_is_buffer_data(duk, -1)) {
        (void)duk_type_error(duk, HANDLER ": the answer must be text, a Uint8Array, or {answer, status}");
    }
}

/* Leave the answer's bytes and its status on the stack, whatever form the function gave them. Throws if it is none. */
static void take_apart(duk_context *duk)
{
    double status = 0;

    if (duk_is_object(duk, -1) && !duk_is_buffer_data(duk, -1) && !duk_is_callable(duk, -1)) {
        if (duk_get_prop_string(duk, -1, "status"))
            status = duk_to_number(duk, -1);
        duk_pop(duk);
        duk_get_prop_string(duk, -1, "answer");
        duk_remove(duk, -2);
    }
    if (!(status >= 0 && status <= 255 && status == (int)status))
        (void)duk_range_error(duk, HANDLER ": the status must be a whole number from 0 to 255");
    to_bytes(duk);
    duk_push_int(duk, (int)status);
}

/* In: the request's bytes. Out: the answer's bytes, its status. */
static duk_ret_t ask(duk_context *duk, void *unused)
{
    duk_idx_t bytes = duk_normalize_index(duk, -1);

    (void)unused;
    duk_push_string(duk, "decode");
    duk_dup(duk, bytes);
    duk_call_prop(duk, DECODER, 1);
    duk_dup(duk, FUNCTION);
    duk_insert(duk, -2);
    duk_push_buffer_object(duk, bytes, 0, duk_get_length(duk, bytes), DUK_BUFOBJ_UINT8ARRAY);
    duk_call(duk, 2);
    take_apart(duk);
    return 2;
}

static int handle(const unishare_request *request, unishare_answer *answer)
{
    duk_size_t size;
    void *bytes;
    int status;

    bytes = duk_push_fixed_buffer(context, request->size);
    if (request->size)
        memcpy(bytes, request->data, request->size);
    if (duk_safe_call(context, ask, NULL, 1, 2) == DUK_EXEC_SUCCESS) {
        bytes = duk_get_buffer_data(context, -2, &size);
        unishare_answer_write(answer, bytes, size);
        status = duk_get_int(context, -1);
    } else {
        status = fail(answer, duk_safe_to_stacktrace(context, -2));
    }
    duk_set_top(context, STACK_BASE);
    return status;
}

/* print(...) and console.log(...): to the instance's console. */
static duk_ret_t print(duk_context *duk)
{
    duk_push_string(duk, " ");
    duk_insert(duk, 0);
    duk_join(duk, duk_get_top(duk) - 1);
    puts(duk_safe_to_string(duk, -1));
    return 0;
}

/* A file's bytes, and how many; NULL with errno if it cannot be read. */
static char *read_file(const char *name, size_t *size)
{
    struct stat facts;
    char *bytes = NULL;
    FILE *file = fopen(name, "rb");

    if (!file)
        return NULL;
    if (fstat(fileno(file), &facts) == 0 && (bytes = malloc((size_t)facts.st_size + 1)))
        *size = fread(bytes, 1, (size_t)facts.st_size, file);
    fclose(file);
    return bytes;
}

static void define_globals(void)
{
    duk_push_c_function(context, print, DUK_VARARGS);
    duk_put_global_string(context, "print");
    duk_eval_string_noresult(context, "var module = {exports: {}}, exports = module.exports, console = {log: print, error: print};");
}

/* Run the handler's file; 0 if that fails, and the console says why. */
static int run_handler(void)
{
    size_t size;
    char *text = read_file(HANDLER, &size);
    int failed;

    if (!text) {
        fprintf(stderr, HANDLER ": %s\n", strerror(errno));
        return 0;
    }
    duk_push_string(context, HANDLER);
    failed = duk_pcompile_lstring_filename(context, 0, text, size) != 0 || duk_pcall(context, 0) != 0;
    free(text);
    if (failed)
        fprintf(stderr, "%s\n", duk_safe_to_stacktrace(context, -1));
    duk_set_top(context, 0);
    return !failed;
}

/* Leaves FUNCTION, DECODER and ENCODER on the stack; 0 if there is no function, and the console says why. */
static int load(void)
{
    if (!run_handler())
        return 0;
    duk_eval_string(context, "module.exports");
    if (!duk_is_callable(context, FUNCTION)) {
        fprintf(stderr, HANDLER ": module.exports must be a function\n");
        return 0;
    }
    duk_eval_string(context, "new TextDecoder()");
    duk_eval_string(context, "new TextEncoder()");
    return 1;
}

/* Twice: what has a finaliser is freed by the second. */
static void collect(void)
{
    duk_gc(context, 0);
    duk_gc(context, DUK_GC_COMPACT);
}

/* Duktape calls this where it cannot throw: without memory, say. */
static void give_up(void *unused, const char *text)
{
    (void)unused;
    fprintf(stderr, "javascript: %s\n", text ? text : "fatal error");
    exit(FAILED);
}

int main(void)
{
    if (!(context = duk_create_heap(NULL, NULL, NULL, NULL, give_up)))
        return FAILED;
    define_globals();
    unishare_when_quiet(collect);
    return load() ? unishare_serve(handle) : FAILED;
}
