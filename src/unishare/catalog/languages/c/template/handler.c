/* Answers requests: see unishare/function.h. */
#include <unishare/function.h>

static int handle(const unishare_request *request, unishare_answer *answer)
{
    unishare_answer_printf(answer, "hello, ");
    unishare_answer_write(answer, request->data, request->size);
    unishare_answer_printf(answer, "\n");
    return 0;
}

int main(void)
{
    return unishare_serve(handle);
}
