/*
 * Serving requests over the channel.
 *
 * A request is received straight to where the function reads it, and an answer sent from where it was written: every copy would be
 * private pages of every instance.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <unishare/function.h>
#include <unishare/platform.h>

#include "snapshot.h"

enum { HEADER = sizeof(struct unishare_message), PAYLOAD_MAX = UNISHARE_MESSAGE_MAX - HEADER, FIRST_ROOM = 2048, OVERFLOWN = 255 };

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
    size_t wanted = buffer->size + more, room = buffer->room ? buffer->room : FIRST_ROOM;
    uint8_t *data;

    if (wanted < more)
        return 0;
    if (wanted <= buffer->room)
        return 1;
    while (room < wanted)
        room *= 2;
    if (!(data = realloc(buffer->data, room)))
        return 0;
    buffer->data = data;
    buffer->room = room;
    return 1;
}

/* Give memory back that an exceptional request needed. */
static void reset(struct buffer *buffer)
{
    if (buffer->room > PAYLOAD_MAX) {
        free(buffer->data);
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

/*
 * Receive all parts of the next request behind each other; 0 when there will be no more, -1 without memory for it. Each part arrives with its header where
 * the last one ended, and is closed up over the header.
 */
static int receive(struct buffer *request, struct unishare_message *header)
{
    for (;;) {
        uint8_t *part;
        int64_t got;

        if (!reserve(request, UNISHARE_MESSAGE_MAX + 1))
            return -1;
        part = request->data + request->size;
        got = unishare_hypercall(UNISHARE_CALL_CHANNEL_RECEIVE, (uint64_t)part, UNISHARE_MESSAGE_MAX, 0);
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

/* Give the memory of both buffers back, then let nothing of what they held stay: a snapshot will be taken. */
static void leave_nothing(struct buffer *request, struct buffer *answer)
{
    free(request->data);
    free(answer->data);
    *request = *answer = (struct buffer){0};
    snapshot_prepare();
}

int unishare_serve(unishare_function function)
{
    struct unishare_message header = {.kind = UNISHARE_MESSAGE_READY};
    struct unishare_answer answer = {{0}, 0};
    struct buffer request = {0};
    uint64_t generation = unishare_boot_page->generation;
    int got;

    if (snapshot_is_wanted())
        leave_nothing(&request, &answer.buffer);
    unishare_hypercall(UNISHARE_CALL_CHANNEL_SEND, (uint64_t)&header, HEADER, 0);
    while ((got = receive(&request, &header)) > 0) {
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
        reply(&answer.buffer, header.id, status & 255);
        reset(&request);
        reset(&answer.buffer);
        if (unishare_boot_page->flags & UNISHARE_BOOT_RESET)
            unishare_hypercall(UNISHARE_CALL_RESET, 0, 0, 0);
        if (snapshot_is_wanted())
            leave_nothing(&request, &answer.buffer);
    }
    return got ? out_of_memory() : 0;
}
