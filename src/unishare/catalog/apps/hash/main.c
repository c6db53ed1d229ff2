/* XXH64 and XXH3 of each line. */
#include <string.h>
#include <xxhash.h>

#include <unishare/function.h>

static int handle(const unishare_request *request, unishare_answer *answer)
{
    const char *at = (const char *)request->data, *end = at + request->size;

    while (at <= end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t size = (size_t)((stop ? stop : end) - at);

        unishare_answer_printf(answer, "%016llx %016llx\n", (unsigned long long)XXH64(at, size, 0),
                               (unsigned long long)XXH3_64bits(at, size));
        at += size + 1;
    }
    return 0;
}

int main(void)
{
    return unishare_serve(handle);
}
