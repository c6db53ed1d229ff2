/*
 * A function: it gets requests and gives answers, one after another, for as long as its instance lives.
 *
 *     static int handle(const unishare_request *request, unishare_answer *answer)
 *     {
 *         unishare_answer_write(answer, request->data, request->size);
 *         return 0;
 *     }
 *
 *     int main(void) { return unishare_serve(handle); }
 */
#ifndef UNISHARE_FUNCTION_H
#define UNISHARE_FUNCTION_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A request's bytes. They are the function's until it returns, and a zero byte follows them: text can be read as a C string. */
typedef struct unishare_request {
    const uint8_t *data;
    size_t size;
} unishare_request;

typedef struct unishare_answer unishare_answer;

/* Returns the answer's status: 0 = good, 1..255 = the function's own error codes. */
typedef int (*unishare_function)(const unishare_request *request, unishare_answer *answer);

/* Tell the tender that the instance is ready, then answer requests until there will be no more. Returns main's exit code. */
int unishare_serve(unishare_function function);

/* Have a function called when no request has come for a short time, before free memory goes back to the host: the place to
 * collect garbage. Once, until the next request has been answered. */
void unishare_when_quiet(void (*collect)(void));

/* Append bytes, or text as printf would write it. An answer that is larger than memory ends with status 255. */
void unishare_answer_write(unishare_answer *answer, const void *data, size_t size);
void unishare_answer_printf(unishare_answer *answer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Many instances can begin from one snapshot of memory (docs/snapshots.md). What must differ between them, such as the state of
 * a random generator, is made anew by hooks. They run in the order in which they were added, 16 at most; -1 when there is no
 * room.
 *
 * resume: before the first request of an instance that began from a snapshot, and of every request where instances are reset.
 * snapshot: before a snapshot is taken, after each warm-up request: forget what requests left (collect garbage, empty caches).
 */
int unishare_on_resume(void (*hook)(void));
int unishare_on_snapshot(void (*hook)(void));

/*
 * For the runtime of a language, between its own start and the function's: from here on no memory is allocated in pages that
 * hold memory now. Functions share what the start wrote, and an allocation beside it would change the page for one of them.
 * Does nothing where no snapshot will be taken.
 */
void unishare_part_heap(void);

/* Throw away what was appended so far: for an error message in place of half an answer. */
void unishare_answer_clear(unishare_answer *answer);

#ifdef __cplusplus
}
#endif

#endif
