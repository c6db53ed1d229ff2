/* bzip2: the request's first byte is c to compress the rest or d to decompress it. */
#include <stdlib.h>
#include <bzlib.h>

#include <unishare/function.h>

static int fail(unishare_answer *answer, const char *what)
{
    unishare_answer_clear(answer);
    unishare_answer_printf(answer, "%s\n", what);
    return 1;
}

static int compress(const unishare_request *request, unishare_answer *answer)
{
    unsigned size = (unsigned)request->size + (unsigned)request->size / 100 + 601;
    char *packed = malloc(size);
    int result = packed ? BZ2_bzBuffToBuffCompress(packed, &size, (char *)request->data, (unsigned)request->size, 1, 0, 0)
                        : BZ_MEM_ERROR;

    if (result == BZ_OK)
        unishare_answer_write(answer, packed, size);
    free(packed);
    return result == BZ_OK ? 0 : fail(answer, "compression failed");
}

static int decompress(const unishare_request *request, unishare_answer *answer)
{
    bz_stream stream = {.next_in = (char *)request->data, .avail_in = (unsigned)request->size};
    int result;

    if (BZ2_bzDecompressInit(&stream, 0, 1) != BZ_OK)
        return fail(answer, "out of memory");
    do {
        char chunk[4096];

        stream.next_out = chunk;
        stream.avail_out = sizeof chunk;
        result = BZ2_bzDecompress(&stream);
        unishare_answer_write(answer, chunk, sizeof chunk - stream.avail_out);
    } while (result == BZ_OK && (stream.avail_in || !stream.avail_out));
    BZ2_bzDecompressEnd(&stream);
    return result == BZ_STREAM_END ? 0 : fail(answer, "damaged data");
}

static int handle(const unishare_request *request, unishare_answer *answer)
{
    unishare_request rest = {request->data + 1, request->size - 1};

    if (!request->size || (*request->data != 'c' && *request->data != 'd'))
        return fail(answer, "the first byte is c or d");
    return *request->data == 'c' ? compress(&rest, answer) : decompress(&rest, answer);
}

int main(void)
{
    return unishare_serve(handle);
}
