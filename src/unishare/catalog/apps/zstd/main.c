/* Zstandard: the request's first byte is c to compress the rest or d to decompress it. */
#include <stdlib.h>
#include <zstd.h>

#include <unishare/function.h>

static int fail(unishare_answer *answer, const char *what)
{
    unishare_answer_clear(answer);
    unishare_answer_printf(answer, "%s\n", what);
    return 1;
}

static int compress(const unishare_request *request, unishare_answer *answer)
{
    size_t room = ZSTD_compressBound(request->size), size;
    void *packed = malloc(room);

    if (!packed)
        return fail(answer, "out of memory");
    size = ZSTD_compress(packed, room, request->data, request->size, 1);
    if (!ZSTD_isError(size))
        unishare_answer_write(answer, packed, size);
    free(packed);
    return ZSTD_isError(size) ? fail(answer, ZSTD_getErrorName(size)) : 0;
}

static int decompress(const unishare_request *request, unishare_answer *answer)
{
    unsigned long long room = ZSTD_getFrameContentSize(request->data, request->size);
    void *plain;
    size_t size;

    if (room == ZSTD_CONTENTSIZE_UNKNOWN || room == ZSTD_CONTENTSIZE_ERROR || !(plain = malloc(room + 1)))
        return fail(answer, "no frame, or one that does not say its size, or too large a one");
    size = ZSTD_decompress(plain, room, request->data, request->size);
    if (!ZSTD_isError(size))
        unishare_answer_write(answer, plain, size);
    free(plain);
    return ZSTD_isError(size) ? fail(answer, ZSTD_getErrorName(size)) : 0;
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
