// Memory for C++ objects, and what a compiler without exceptions still calls.
#include <stddef.h>
#include <stdlib.h>

void *operator new(size_t size)
{
    void *memory = malloc(size ? size : 1);

    // Without exceptions there is no other way to say so.
    if (!memory)
        abort();
    return memory;
}

void *operator new[](size_t size)
{
    return operator new(size);
}

void operator delete(void *memory) noexcept
{
    free(memory);
}

void operator delete[](void *memory) noexcept
{
    free(memory);
}

void operator delete(void *memory, size_t) noexcept
{
    free(memory);
}

void operator delete[](void *memory, size_t) noexcept
{
    free(memory);
}

extern "C" [[noreturn]] void __cxa_pure_virtual()
{
    abort();
}
