/*
 * The main program of every function written in JavaScript, on QuickJS-ng. Private to this library.
 *
 * Each file does one job; none but main.c and check.c knows the order of things. Values are QuickJS's: a `JSValue` that a
 * function returns is the caller's to free, a `JSValueConst` is borrowed.
 */
#ifndef UNISHARE_JAVASCRIPT_H
#define UNISHARE_JAVASCRIPT_H

#include <quickjs.h>
#include <stddef.h>
#include <stdint.h>

#include <unishare/function.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { PATH_ROOM = 256, FAILED = 1 };

/* files.c: the image's own files, read where they lie. */
struct file {
    const char *text; /* a zero byte follows it */
    size_t size;
    char *copy; /* what file_close frees: NULL if the file is read in place */
};

void files_use(const uint8_t *archive, size_t size);
int file_exists(const char *path);
/* 1, or 0 if there is no such file or no memory for it. */
int file_open(const char *path, struct file *file);
void file_close(struct file *file);

/* utf8.c */
/* The bytes of the longest beginning that is valid UTF-8. */
size_t utf8_valid(const char *text, size_t size);
/* How many bytes at the end begin a character that more bytes could complete. */
size_t utf8_incomplete(const char *text, size_t size);
/* Half surrogates, which UTF-8 cannot hold, become U+FFFD, in place. */
void utf8_replace_surrogates(char *text, size_t size);

/* source.c: from a file to a compiled module, a compiled script, or the value of a file of data. */
enum kind { KIND_MODULE, KIND_SCRIPT, KIND_JSON, KIND_TEXT, KIND_BYTES };

/* A JavaScript file compiled, not run: a module, or a script (`global`: its names are everybody's; otherwise a function of the
 * CommonJS wrapper's parameters). Which of both it is goes to `kind`. */
JSValue source_compile(JSContext *context, const char *path, int global, enum kind *kind);
/* The value of a file that is data. */
JSValue source_data(JSContext *context, const char *path, enum kind kind);

/* modules.c: import. */
void modules_define(JSContext *context);
/* With 1, modules are compiled and found but nothing is run. */
void modules_check_only(int yes);
/* Whether a script was imported since then: what it exports is not known before it runs. */
int modules_unknown_exports(void);
/* When nothing is to be run, importing this ends a module's evaluation before it begins. */
#define CHECK_STOP "check:stop"
/* The file that `name` means in the file `base`, for js_free; NULL with an exception. */
char *module_path(JSContext *context, const char *base, const char *name);
/* The module that was compiled from `path`, with its `import.meta`. */
JSModuleDef *module_of_compiled(JSContext *context, JSValueConst compiled, const char *path);

/* commonjs.c: require. */
void commonjs_define(JSContext *context);
void commonjs_forget(JSContext *context);
/* `require`, as the file `path` has it. */
JSValue require_function(JSContext *context, const char *path);
/* `module.exports` of the script `path`, which is run if it was not yet. */
JSValue require_path(JSContext *context, const char *path);

/* jobs.c: promises and what waits for them. */
void jobs_define(JSContext *context);
/* Run all jobs, and timers for as long as `value` is a promise that is not settled. Its value, or an exception. Takes `value`.
 */
JSValue jobs_settle(JSContext *context, JSValue value);
void jobs_forget(JSContext *context);

/* allocation.c */
extern const JSMallocFunctions allocation;
/* Whether the engine found no memory for something in this request. */
int allocation_has_failed(void);
void allocation_new_request(void);

/* timers.c */
void timers_define(JSContext *context);
/* Sleep until the next timer is due, and run it. 0 if there is none, -1 with an exception. */
int timers_run_next(JSContext *context);
void timers_forget(JSContext *context);

/* console.c, text.c, random.c */
void console_define(JSContext *context);
void text_define(JSContext *context);
void random_define(JSContext *context);
void random_new_request(void);

/* builtins.c: parts of the surroundings that are written in JavaScript, and compiled when first used. */
#define BUILTIN_FILE "<built-in>"
void builtins_define(JSContext *context);
void builtins_forget(JSContext *context);
/* Compile all of them now. */
void builtins_load(JSContext *context);
/* A function of the built-in part that formats values for the console. */
JSValue builtin_format(JSContext *context);

/* request.c and answer.c */
void request_define(JSContext *context);
struct request {
    const unishare_request *received;
    JSValue object; /* what stands for it, once there is that */
};

/* The current request of a context, until request_end. */
void request_begin(JSContext *context, struct request *request, const unishare_request *received);
void request_end(JSContext *context);
/* What a module's function gets. */
JSValue request_object(JSContext *context);
/* What a script's function gets: text, and a Uint8Array. */
JSValue request_text(JSContext *context);
JSValue request_bytes(JSContext *context);
/* Write what the function returned, and return the status; -1 with an exception. */
int answer_write(JSContext *context, JSValueConst value, unishare_answer *answer);

/* errors.c */
typedef void error_sink(void *to, const char *text, size_t size);
/* Take the pending exception and write it as people should read it: message, source line or stack, what to do. */
void error_write(JSContext *context, error_sink *sink, void *to);
/* Let the pending exception say where in a file it is: at `offset` bytes. */
void error_place(JSContext *context, const char *path, const struct file *file, size_t offset);

/* surroundings.c */
/* The handler among the files, or NULL. */
const char *handler_path(void);
/* A context with everything that a function finds. NULL without memory. */
JSContext *surroundings_new(void);
void surroundings_free(JSContext *context);

/* complete.c */
/* Make all that would be made when it is first used. */
void surroundings_complete(JSContext *context);

#define NO_FUNCTION_IN_MODULE                                                                                                  \
    "%s exports no function: write `export default function (request) {...}` or `export function handle(request) {...}`"

/* check.c */
int check_serve(void);

#endif
