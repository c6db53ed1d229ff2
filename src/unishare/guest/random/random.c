/* Random bytes: the tender hands out at most 256 a call. */
#include <unishare/platform.h>
#include <unishare/random.h>

enum { BYTES_A_CALL = 256 };

int64_t unishare_random_fill(void *into, size_t size)
{
    size_t done = 0;

    while (done < size) {
        size_t part = size - done < BYTES_A_CALL ? size - done : BYTES_A_CALL;
        int64_t got = unishare_hypercall(UNISHARE_CALL_RANDOM, (uint64_t)into + done, part, 0);

        if (got < 0)
            return got;
        done += (size_t)got;
    }
    return (int64_t)size;
}
