/* What every platform library needs: this instance's boot page, the image's table, and the way to the tender. */
#ifndef UNISHARE_PLATFORM_H
#define UNISHARE_PLATFORM_H

#include <unishare/abi.h>

/* Set once, before anything else runs; never NULL afterwards. */
extern const struct unishare_boot *unishare_boot_page;
extern const struct unishare_image_table *unishare_image;

/* Call the tender. Returns >= 0 or -errno (abi.h says what each call means). */
static inline int64_t unishare_hypercall(uint64_t number, uint64_t a, uint64_t b, uint64_t c)
{
    return ((unishare_hypercall_fn)unishare_boot_page->hypercall)(number, a, b, c);
}

/* End this instance. */
_Noreturn static inline void unishare_exit(int code)
{
    unishare_hypercall(UNISHARE_CALL_EXIT, (uint64_t)(code & 255), 0, 0);
    __builtin_trap();
}

#endif
