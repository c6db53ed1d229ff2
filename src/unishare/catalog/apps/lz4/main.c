/* lz4: the request's first byte is c to compress the rest or d to decompress it. */
#include <stdlib.h>
#include <lz4frame.h>

#include <unishare/function.h>

static int fail(unishare_answer *answer, const char *what)
{
    unishare_answer_clear(answer);
    unishare_answer_printf(answer, "%s\n", what);
    return 1;
}

static int compress(const unishare_request *request, unishare_answer *answer)
{
    size_t room = LZ4F_compressFrameBound(request->size, NULL), size;
    void *packed = malloc(room);

    if (!packed)
        return fail(answer, "out of memory");
    size = LZ4F_compressFrame(packed, room, request->data, request->size, NULL);
    if (!LZ4F_isError(size))
        unishare_answer_write(answer, packed, size);
    free(packed);
    return LZ4F_isError(size) ? fail(answer, LZ4F_getErrorName(size)) : 0;
}

static int decompress(const unishare_request *request, unishare_answer *answer)
{
    LZ4F_dctx *context;
    size_t at = 0, hint = 1;

    if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)))
        return fail(answer, "out of memory");
    while (at < request->size && hint) {
        char chunk[4096];
        size_t made = sizeof chunk, used = request->size - at;

        hint = LZ4F_decompress(context, chunk, &made, request->data + at, &used, NULL);
        if (LZ4F_isError(hint))
            break;
        unishare_answer_write(answer, chunk, made);
        at += used;
    }
    LZ4F_freeDecompressionContext(context);
    return hint ? fail(answer, LZ4F_isError(hint) ? LZ4F_getErrorName(hint) : "the data ends too early") : 0;
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
