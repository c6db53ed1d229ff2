/*
 * Leaves a request in every place that a guest can leave it in: heap, data, a mapping, a file, the stack, and all registers that C code
 * leaves alone. It answers with what it finds of a former request.
 */
#include <immintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>
#include <unishare/function.h>

static char in_data[64] = "nothing";
static char *in_heap;
static uint64_t drawn;

static void draw(void) { getrandom(&drawn, sizeof drawn, 0); }

__attribute__((noinline)) static void on_stack(const char *text)
{
    volatile char room[30000];
    for (unsigned i = 0; i < sizeof room; i++)
        room[i] = text[i % 32];
}

/* A bit for each kind of register that is not as in a new process: vectors, base, floats, MXCSR, floating-point status and control. */
static int in_registers(void)
{
    uint64_t vectors[8][2], vector = 0, base, floats;
    uint16_t status, control;
    uint32_t mxcsr;
    __asm__ volatile("movups %%xmm8, 0(%0)\nmovups %%xmm9, 16(%0)\nmovups %%xmm10, 32(%0)\nmovups %%xmm11, 48(%0)\n"
                     "movups %%xmm12, 64(%0)\nmovups %%xmm13, 80(%0)\nmovups %%xmm14, 96(%0)\nmovups %%xmm15, 112(%0)"
                     : : "r"(vectors) : "memory");
    __asm__ volatile("rdgsbase %0" : "=r"(base));
    __asm__ volatile("fnstsw %0" : "=a"(status));
    __asm__ volatile("fnstcw %0" : "=m"(control));
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    __asm__ volatile("movq %%mm3, %0\nemms" : "=r"(floats));
    for (int i = 0; i < 8; i++)
        vector |= vectors[i][0] | vectors[i][1];
    return (vector != 0) | (base != 0) << 1 | (floats != 0) << 2 | (mxcsr != 0x1f80) << 3 | ((status & 0x3f) != 0) << 4 |
           (control != 0x37f) << 5;
}

static void into_registers(const char *text)
{
    uint64_t word;
    uint32_t mxcsr = 0x7f80;
    uint16_t control = 0xf7f;
    memcpy(&word, text, 8);
    __asm__ volatile("movups (%0), %%xmm8\nmovups (%0), %%xmm9\nmovups (%0), %%xmm10\nmovups (%0), %%xmm11\n"
                     "movups (%0), %%xmm12\nmovups (%0), %%xmm13\nmovups (%0), %%xmm14\nmovups (%0), %%xmm15"
                     : : "r"(text) : "memory");
    __asm__ volatile("wrgsbase %0" : : "r"(word & 0x7fffffffffff));
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    __asm__ volatile("fldcw %0" : : "m"(control));
    __asm__ volatile("movq %0, %%mm3" : : "r"(word));
}

static int handle(const unishare_request *request, unishare_answer *answer)
{
    int registers = in_registers();
    char *mapping;
    FILE *file;

    unishare_answer_printf(answer, "%d %d %d %d %016llx", registers, strcmp(in_data, "nothing") != 0, in_heap != NULL,
                           access("/tmp/note", F_OK) == 0, (unsigned long long)drawn);
    if (request->size < 64)
        return 0;
    memcpy(in_data, request->data, 64);
    in_heap = malloc(100000);
    for (int i = 0; i < 100000; i++)
        in_heap[i] = (char)request->data[i % 32];
    mapping = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(mapping + 500000, request->data, request->size);
    file = fopen("/tmp/note", "w");
    fwrite(request->data, 1, request->size, file);
    fclose(file);
    on_stack((const char *)request->data);
    into_registers((const char *)request->data);
    return 0;
}

int main(void) { unishare_on_resume(draw); return unishare_serve(handle); }
