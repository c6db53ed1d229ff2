/*
 * The guest's side of the channel on this machine, under its sanitizers, and a tender that plays back what it is told to.
 *
 * In, on stdin: steps, each a 32-bit number and, if it is not negative, that many bytes: a message as it is received. A negative
 * one is the errno that a receiving call returns. Out, on stdout: what was sent, each with its length before it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <unishare/function.h>
#include <unishare/memory.h>
#include <unishare/platform.h>

/* Of no account here: there is one allocator for the sanitizers and another in guests. */
void unishare_malloc_give_back(int clear);
void unishare_malloc_give_back(int clear)
{
    (void)clear;
}

enum { HEAP = 6 << 20, READY = 1 << 20, STACK_BELOW = 1 << 20 };

const struct unishare_boot *unishare_boot_page;
static struct unishare_boot boot = {.magic = UNISHARE_ABI_MAGIC, .abi_version = UNISHARE_ABI_VERSION};

static void must(int holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "harness: %s\n", what);
    abort();
}

static int64_t receive(uint8_t *into, uint64_t room, int is_soon)
{
    int32_t step;

    must(room == UNISHARE_MESSAGE_MAX, "less room than a message can need");
    if (fread(&step, sizeof step, 1, stdin) != 1)
        return 0;
    if (step < 0)
        return step == -EAGAIN && !is_soon ? receive(into, room, is_soon) : step;
    must((uint64_t)step <= room && fread(into, 1, (size_t)step, stdin) == (size_t)step, "the script ends in a message");
    return step;
}

static int64_t discard(uint64_t start, uint64_t size)
{
    uint64_t here = (uint64_t)__builtin_frame_address(0);

    must(start % UNISHARE_PAGE_SIZE == 0, "discards from within a page");
    if (start >= boot.heap_start && start + size <= boot.heap_start + HEAP)
        return madvise((void *)start, size, MADV_DONTNEED) ? -errno : 0;
    must(start == boot.stack_bottom && start + size <= here, "discards live stack, or what is not its own");
    return 0;
}

static int64_t hypercall(uint64_t number, uint64_t a, uint64_t b, uint64_t c)
{
    uint32_t length = (uint32_t)b;

    (void)c;
    switch (number) {
    case UNISHARE_CALL_CHANNEL_SEND:
        must(b <= UNISHARE_MESSAGE_MAX, "a message too long");
        fwrite(&length, sizeof length, 1, stdout);
        fwrite((void *)a, 1, b, stdout);
        return (int64_t)b;
    case UNISHARE_CALL_CHANNEL_RECEIVE:
    case UNISHARE_CALL_CHANNEL_RECEIVE_SOON:
        return receive((uint8_t *)a, b, number == UNISHARE_CALL_CHANNEL_RECEIVE_SOON);
    case UNISHARE_CALL_HEAP_GROW:
        if (a > HEAP)
            return -ENOMEM;
        mprotect((void *)boot.heap_start, a, PROT_READ | PROT_WRITE);
        return (int64_t)a;
    case UNISHARE_CALL_DISCARD:
        return discard(a, b);
    case UNISHARE_CALL_POLL:
    case UNISHARE_CALL_RESET:
        return 0;
    default:
        return -ENOSYS;
    }
}

static int function(const unishare_request *request, unishare_answer *answer)
{
    int32_t status = 0, number = 0;
    uint8_t how = request->size ? request->data[0] : 0;

    must(request->data[request->size] == 0, "no zero byte behind the request");
    if (request->size >= 9) {
        memcpy(&status, request->data + 1, sizeof status);
        memcpy(&number, request->data + 5, sizeof number);
    }
    if (how == 'e')
        unishare_answer_write(answer, request->data, request->size);
    if (how == 'p')
        unishare_answer_printf(answer, "%0*d", number, 7);
    for (int32_t i = 0; how == 'w' && i < number; i++)
        unishare_answer_write(answer, request->data, request->size);
    if (how == 'c') {
        unishare_answer_write(answer, request->data, request->size);
        unishare_answer_clear(answer);
        unishare_answer_write(answer, "cleared", 7);
    }
    if (how == 'n')
        unishare_answer_write(answer, NULL, 0);
    if (how == 'g')
        boot.generation++;
    return status;
}

int main(int argc, char **argv)
{
    char *heap = mmap(NULL, HEAP, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint64_t here = (uint64_t)__builtin_frame_address(0);

    (void)argv;
    mprotect(heap, READY, PROT_READ | PROT_WRITE);
    boot.hypercall = (uint64_t)hypercall;
    boot.heap_start = (uint64_t)heap;
    boot.heap_ready = READY;
    boot.heap_limit = HEAP;
    boot.stack_bottom = (here - STACK_BELOW) & ~(uint64_t)(UNISHARE_PAGE_SIZE - 1);
    boot.flags = argc > 1 ? UNISHARE_BOOT_RESET : 0;
    unishare_boot_page = &boot;
    return unishare_serve(function);
}
