/* gzip and gunzip, chosen by the request's first bytes. */
#include <string.h>
#include <zlib.h>

#include <unishare/function.h>

enum { GZIP_FORMAT = 16, LEVEL = 6, MEMORY_LEVEL = 5, WINDOW_BITS = 13, READ_WINDOW_BITS = 15, CHUNK = 4096 };

static int fail(unishare_answer *answer, const char *what)
{
    unishare_answer_clear(answer);
    unishare_answer_printf(answer, "%s\n", what);
    return 1;
}

/* Run a stream to its end, appending what comes out. */
static int run(z_stream *stream, int (*step)(z_stream *, int), unishare_answer *answer)
{
    unsigned char chunk[CHUNK];
    int result;

    do {
        stream->next_out = chunk;
        stream->avail_out = sizeof chunk;
        result = step(stream, Z_FINISH);
        unishare_answer_write(answer, chunk, sizeof chunk - stream->avail_out);
    } while (result == Z_OK || (result == Z_BUF_ERROR && stream->avail_out == 0));
    return result;
}

static int handle(const unishare_request *request, unishare_answer *answer)
{
    z_stream stream = {.next_in = (unsigned char *)request->data, .avail_in = (unsigned)request->size};
    int result;

    if (request->size > 2 && request->data[0] == 0x1f && request->data[1] == 0x8b) {
        if (inflateInit2(&stream, READ_WINDOW_BITS + GZIP_FORMAT) != Z_OK)
            return fail(answer, "out of memory");
        result = run(&stream, inflate, answer);
        inflateEnd(&stream);
        return result == Z_STREAM_END ? 0 : fail(answer, stream.msg ? stream.msg : "the data ends too early");
    }
    if (deflateInit2(&stream, LEVEL, Z_DEFLATED, WINDOW_BITS + GZIP_FORMAT, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
        return fail(answer, "out of memory");
    result = run(&stream, deflate, answer);
    deflateEnd(&stream);
    return result == Z_STREAM_END ? 0 : fail(answer, "compression failed");
}

int main(void)
{
    return unishare_serve(handle);
}
