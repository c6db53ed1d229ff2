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

/* SplitMix64's finaliser over the boot page's seed: no state, so no page is written. */
uint64_t unishare_seed(unsigned purpose)
{
    uint64_t halves[2], mixed;

    __builtin_memcpy(halves, unishare_boot_page->random, sizeof halves);
    mixed = halves[0] + 0x9e3779b97f4a7c15u * (purpose + 1u);
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
    return (mixed ^ mixed >> 31) ^ halves[1];
}
