/* Greets: the smallest function. */
#include <unishare/function.h>

static int handle(const unishare_request *request, unishare_answer *answer)
{
    unishare_answer_write(answer, "Hello, ", 7);
    unishare_answer_write(answer, request->size ? (const char *)request->data : "world", request->size ? request->size : 5);
    unishare_answer_write(answer, "!\n", 2);
    return 0;
}

int main(void)
{
    return unishare_serve(handle);
}
