/* A QR code: two characters a module. */
#include <qrencode.h>

#include <unishare/function.h>

static int handle(const unishare_request *request, unishare_answer *answer)
{
    QRcode *code = QRcode_encodeData((int)request->size, request->data, 0, QR_ECLEVEL_M);

    if (!code) {
        unishare_answer_printf(answer, "nothing to encode, or too much\n");
        return 1;
    }
    for (int y = 0; y < code->width; y++) {
        for (int x = 0; x < code->width; x++)
            unishare_answer_write(answer, code->data[y * code->width + x] & 1 ? "##" : "  ", 2);
        unishare_answer_write(answer, "\n", 1);
    }
    QRcode_free(code);
    return 0;
}

int main(void)
{
    return unishare_serve(handle);
}
