/* The console: one hypercall. */
#include <unishare/console.h>
#include <unishare/platform.h>

int64_t unishare_console_write(const void *data, size_t size)
{
    return unishare_hypercall(UNISHARE_CALL_CONSOLE_WRITE, (uint64_t)data, size, 0);
}
