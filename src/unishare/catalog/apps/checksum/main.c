/* Adler-32 and CRC-32, and the size that zlib's format would have. */
#include <libdeflate.h>

#include <unishare/function.h>

static int handle(const unishare_request *request, unishare_answer *answer)
{
    unishare_answer_printf(answer, "%08x %08x\n", libdeflate_adler32(1, request->data, request->size),
                           libdeflate_crc32(0, request->data, request->size));
    return 0;
}

int main(void)
{
    return unishare_serve(handle);
}
