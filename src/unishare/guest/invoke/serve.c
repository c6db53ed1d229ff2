/*
 * Serving requests over the channel.
 *
 * A request is received straight to where the function reads it, and an answer sent from where it was written: every copy would
 * be private pages of every instance. Both lie in pages of their own, not in the C heap, so that an instance which has nothing
 * to do can give them back whole, whatever the function has allocated meanwhile.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <unishare/function.h>
#include <unishare/memory.h>
#include <unishare/platform.h>

#include "snapshot.h"

/* The C library's allocator (musl-malloc-overlay/give_back.h). */
void unishare_malloc_give_back(int clear);

enum { HEADER = sizeof(struct unishare_message), PAYLOAD_MAX = UNISHARE_MESSAGE_MAX - HEADER, OVERFLOWN = 255 };

/* Below the waiting frame: the red zone, and what a call of the tender pushes. */
enum { LIVE_STACK = 512 };

/* Bytes that grow. The first HEADER bytes are room for a message's header, so that sending copies nothing. */
struct buffer {
    uint8_t *data;
    size_t size, room;
};

struct unishare_answer {
    struct buffer buffer;
    int failed;
};

/* Make room for `more` further bytes; 0 without memory. */
static int reserve(struct buffer *buffer, size_t more)
{
    size_t wanted = buffer->size + more, room = 2 * buffer->room > wanted ? 2 * buffer->room : wanted;
    uint8_t *data;

    if (wanted < more)
        return 0;
    if (wanted <= buffer->room)
        return 1;
    room = (room + UNISHARE_PAGE_SIZE - 1) & ~(size_t)(UNISHARE_PAGE_SIZE - 1);
    data = buffer->data ? unishare_pages_resize(buffer->data, buffer->room, room, 1) : unishare_pages_take(room);
    if (!data)
        return 0;
    buffer->data = data;
    buffer->room = room;
    return 1;
}

/* Give memory back that an exceptional request needed. */
static void reset(struct buffer *buffer)
{
    if (buffer->room > 2 * UNISHARE_MESSAGE_MAX) {
        unishare_pages_give(buffer->data, buffer->room);
        *buffer = (struct buffer){0};
    }
    buffer->size = 0;
}

void unishare_answer_write(unishare_answer *answer, const void *data, size_t size)
{
    struct buffer *buffer = &answer->buffer;

    if (!reserve(buffer, size)) {
        answer->failed = 1;
        return;
    }
    if (size) /* memcpy(3) wants an address even for nothing */
        memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
}

void unishare_answer_printf(unishare_answer *answer, const char *format, ...)
{
    char text[512];
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length < 0) {
        answer->failed = 1;
    } else if ((size_t)length < sizeof text) {
        unishare_answer_write(answer, text, (size_t)length);
    } else if (!reserve(&answer->buffer, (size_t)length + 1)) {
        answer->failed = 1;
    } else {
        va_start(arguments, format);
        vsnprintf((char *)answer->buffer.data + answer->buffer.size, (size_t)length + 1, format, arguments);
        va_end(arguments);
        answer->buffer.size += (size_t)length;
    }
}

void unishare_answer_clear(unishare_answer *answer)
{
    answer->buffer.size = HEADER;
    answer->failed = 0;
}

static void (*collect_garbage)(void);

void unishare_when_quiet(void (*collect)(void))
{
    collect_garbage = collect;
}

/* Everything that was touched for earlier requests and is not needed to wait for the next one. Neither buffer holds anything
 * now. */
static void give_back(struct buffer *request, struct buffer *answer)
{
    uintptr_t live = ((uintptr_t)__builtin_frame_address(0) - LIVE_STACK) & ~(uintptr_t)(UNISHARE_PAGE_SIZE - 1);

    if (collect_garbage)
        collect_garbage();
    unishare_malloc_give_back(snapshot_is_wanted() || unishare_boot_page->generation);
    unishare_pages_drop_unchanged(request->data, request->room);
    unishare_pages_discard(request->data, request->room);
    unishare_pages_discard(answer->data, answer->room);
    unishare_pages_give_back();
    unishare_pages_discard((void *)unishare_boot_page->stack_bottom, live - unishare_boot_page->stack_bottom);
}

/* The first part of the next request. A guest that waits for long gives memory back first, once. */
static int64_t await(struct buffer *request, struct buffer *answer)
{
    uint64_t part = (uint64_t)request->data;
    /* Snapshots are taken in a call that waits without a limit. */
    uint64_t call = snapshot_is_wanted() ? UNISHARE_CALL_CHANNEL_RECEIVE : UNISHARE_CALL_CHANNEL_RECEIVE_SOON;
    int64_t got = unishare_hypercall(call, part, UNISHARE_MESSAGE_MAX, 0);

    if (got != -EAGAIN)
        return got;
    give_back(request, answer);
    while (unishare_hypercall(UNISHARE_CALL_POLL, 1, UINT64_MAX, 0) == -EINTR)
        ;
    return unishare_hypercall(UNISHARE_CALL_CHANNEL_RECEIVE, part, UNISHARE_MESSAGE_MAX, 0);
}

/*
 * Receive all parts of the next request behind each other; 0 when there will be no more, -1 without memory for it. Each part
 * arrives with its header where the last one ended, and is closed up over the header.
 */
static int receive(struct buffer *request, struct buffer *answer, struct unishare_message *header)
{
    for (;;) {
        uint8_t *part;
        int64_t got;

        if (!reserve(request, UNISHARE_MESSAGE_MAX + 1))
            return -1;
        part = request->data + request->size;
        got = request->size ? unishare_hypercall(UNISHARE_CALL_CHANNEL_RECEIVE, (uint64_t)part, UNISHARE_MESSAGE_MAX, 0)
                            : await(request, answer);
        if (got == -EINTR)
            continue;
        if (got < HEADER)
            return 0;
        memcpy(header, part, HEADER);
        memmove(part, part + HEADER, (size_t)got - HEADER);
        request->size += (size_t)got - HEADER;
        request->data[request->size] = 0;
        if (header->kind == UNISHARE_MESSAGE_REQUEST && !(header->flags & UNISHARE_MESSAGE_MORE))
            return 1;
    }
}

/* Send an answer in parts. Each header is written over the end of the part before it, which has been sent already. */
static void reply(struct buffer *answer, uint64_t id, int status)
{
    size_t left = answer->size - HEADER;
    uint8_t *at = answer->data;
    struct unishare_message header = {.kind = UNISHARE_MESSAGE_REPLY, .id = id, .status = status};

    do {
        size_t part = left < PAYLOAD_MAX ? left : PAYLOAD_MAX;

        left -= part;
        header.flags = left ? UNISHARE_MESSAGE_MORE : 0;
        memcpy(at, &header, HEADER);
        if (unishare_hypercall(UNISHARE_CALL_CHANNEL_SEND, (uint64_t)at, HEADER + part, 0) < 0)
            return;
        at += part;
    } while (left);
}

/* Say why the instance ends. Written at once: there may be no memory for a stream's buffer. */
static int out_of_memory(void)
{
    static const char why[] = "unishare: a request needs more memory than this instance has; start it with more (--memory)\n";

    write(STDERR_FILENO, why, sizeof why - 1);
    return OVERFLOWN;
}

/* A status as it is told: one that an exit code cannot hold must not become another, or 0, which is good. */
static int told(int status)
{
    static const char why[] = "unishare: the function's status is not one of 0 to 255: it is told as 255\n";

    if (status >= 0 && status <= 255)
        return status;
    write(STDERR_FILENO, why, sizeof why - 1);
    return OVERFLOWN;
}

/* What a function printed reaches the console before the next wait, also without an end of line. */
static void flush_output(void)
{
    if (__fpending(stdout))
        fflush(stdout);
}

/* Let nothing stay of what the buffers held, and the free memory: a snapshot will be taken. */
static void leave_nothing(struct buffer *request, struct buffer *answer)
{
    snapshot_prepare();
    give_back(request, answer);
}

int unishare_serve(unishare_function function)
{
    struct unishare_message header = {.kind = UNISHARE_MESSAGE_READY};
    struct unishare_answer answer = {{0}, 0};
    struct buffer request = {0};
    uint64_t generation = unishare_boot_page->generation;
    int got;

    flush_output();
    if (snapshot_is_wanted())
        snapshot_make_room();
    /* Address space only. Were it taken for the first request, that would write to a page that is a snapshot's until then. */
    reserve(&answer.buffer, HEADER);
    if (snapshot_is_wanted())
        leave_nothing(&request, &answer.buffer);
    unishare_hypercall(UNISHARE_CALL_CHANNEL_SEND, (uint64_t)&header, HEADER, 0);
    while ((got = receive(&request, &answer.buffer, &header)) > 0) {
        int status;

        if (generation != unishare_boot_page->generation) {
            generation = unishare_boot_page->generation;
            snapshot_resumed();
        }
        if (!reserve(&answer.buffer, HEADER))
            return out_of_memory();
        unishare_answer_clear(&answer);
        status = function(&(unishare_request){request.data, request.size}, &answer);
        if (answer.failed) {
            unishare_answer_clear(&answer);
            status = OVERFLOWN;
        }
        flush_output();
        reply(&answer.buffer, header.id, told(status));
        reset(&request);
        reset(&answer.buffer);
        if (unishare_boot_page->flags & UNISHARE_BOOT_RESET)
            unishare_hypercall(UNISHARE_CALL_RESET, 0, 0, 0);
        if (snapshot_is_wanted())
            leave_nothing(&request, &answer.buffer);
    }
    return got ? out_of_memory() : 0;
}
