/*
 * The contract between a guest and whatever runs it (the tender): one header, no other.
 *
 * Who reads it: the guest platform libraries (C), the monitor (the Rust mirror in monitor/src/abi.rs, whose test compiles this
 * header and compares every offset), and people who write a tender or a guest of their own.
 *
 * A guest is entered at its ELF entry point, at ring 3, with RDI = address of `struct unishare_boot` and RSP = its
 * `stack_top`, 16-byte aligned. There is no return address: a guest ends with UNISHARE_CALL_EXIT.
 *
 * Growth rule: a call number keeps its meaning for ever; new calls get new numbers, an unknown number returns
 * -UNISHARE_ENOSYS. New boot fields go at the end and raise `abi_version`'s minor half.
 */
#ifndef UNISHARE_ABI_H
#define UNISHARE_ABI_H

#include <stdint.h>

#define UNISHARE_ABI_MAGIC 0x4552414853494e55ULL /* "UNISHARE", little-endian */
#define UNISHARE_ABI_VERSION 0x00010001u         /* major << 16 | minor; another major is refused */
#define UNISHARE_PAGE_SIZE 4096u

/*
 * Where things are in fixed layouts (default, dce, aligned). Everything lies in the low 2 GiB, so that -mcmodel=small code
 * reaches it, and what an instance touches first lies in one 1 GiB, so that it needs one page directory.
 */
#define UNISHARE_APP_BASE 0x00400000ULL      /* the app's own sections; first page: the image table */
#define UNISHARE_APP_END 0x08000000ULL
#define UNISHARE_INSTANCE_BASE 0x08000000ULL /* hypercall page, boot page, stack, heap */
#define UNISHARE_INSTANCE_END 0x20000000ULL
#define UNISHARE_LIBRARY_BASE 0x20000000ULL  /* library zones of the global map, each a multiple of 2 MiB */
#define UNISHARE_LIBRARY_END 0x7f000000ULL

/* Memory, in bytes. Inside the instance region, in this order, for fixed layouts:
 * +0x0000 hypercall page (r-x), +0x1000 boot page (r--), +0x2000 tender's own page (TSS or signal page; never the guest's),
 * +0x3000 guard, +0x4000 stack (rw-) of `stack` bytes, then a guard page, then the heap (rw-). */
#define UNISHARE_STACK_OFFSET 0x4000ULL

/* Hypercall numbers: the function at boot->hypercall is called with the System V convention,
 *   int64_t hypercall(uint64_t number, uint64_t a, uint64_t b, uint64_t c)
 * It clobbers what a C function may clobber and returns >= 0, or -errno with Linux's errno numbers. Pointers must lie in the
 * guest's memory: otherwise -EFAULT. */
typedef int64_t (*unishare_hypercall_fn)(uint64_t number, uint64_t a, uint64_t b, uint64_t c);

enum unishare_call {
    /* a = exit code 0..255. Never returns. */
    UNISHARE_CALL_EXIT = 0,
    /* a = address, b = bytes (any count). Writes to the instance's console. Returns bytes written. */
    UNISHARE_CALL_CONSOLE_WRITE = 1,
    /* a = 0 monotonic, 1 real time (as CLOCK_MONOTONIC, CLOCK_REALTIME); b = address of a {int64 seconds, int64 nanoseconds}
     * that is written. Returns 0, -EINVAL, -EFAULT. A guest with boot->tsc_hz != 0 need not call it. */
    UNISHARE_CALL_CLOCK = 2,
    /* a = address, b = bytes <= 256. Fills from the kernel's random source. Returns bytes. */
    UNISHARE_CALL_RANDOM = 3,
    /* Waits until the channel has a message or the time has passed. a = 1: wait for the channel too, 0: only sleep;
     * b = timeout in nanoseconds, UINT64_MAX = for ever. Returns 1 if the channel is readable, 0 on timeout. */
    UNISHARE_CALL_POLL = 4,
    /* a = address, b = bytes of room. Takes the next channel message (header and data), waiting for it. Returns its length in
     * bytes; 0 if the other side has gone (the guest should exit); -EMSGSIZE if it did not fit (it is lost). */
    UNISHARE_CALL_CHANNEL_RECEIVE = 5,
    /* a = address, b = bytes <= UNISHARE_MESSAGE_MAX. Sends one message. Returns bytes. */
    UNISHARE_CALL_CHANNEL_SEND = 6,
    /* a = wanted heap size in bytes from boot->heap_start. Makes at least that much usable. Returns the usable size in
     * bytes, or -ENOMEM past boot->heap_limit. The first boot->heap_ready bytes need no call. */
    UNISHARE_CALL_HEAP_GROW = 7,
    /* a = FS base. Only for hosts where WRFSBASE is not available (boot->flags). Returns 0. */
    UNISHARE_CALL_SET_FS_BASE = 8,
    /* a = address, b = bytes, both multiples of the page size, all of it in the stack or all of it in the usable heap. What the
     * pages hold is lost: they cost the host nothing until they are touched again, and then they are zeros, or with
     * boot->generation what they were in the snapshot. Returns 0 or -EINVAL. Since 1.1. */
    UNISHARE_CALL_DISCARD = 9,
    /* Like CHANNEL_RECEIVE, but returns -EAGAIN when no message has come for the instance's quiet time, which whoever starts it
     * chooses: the moment to give memory back. Since 1.1. */
    UNISHARE_CALL_CHANNEL_RECEIVE_SOON = 10,
    /* Only with UNISHARE_BOOT_RESET: forget all that was written since the snapshot and wait for the next request, as the
     * snapshot did. Does not return here but from the snapshot's UNISHARE_CALL_CHANNEL_RECEIVE. -UNISHARE_ENOSYS without the
     * flag. */
    UNISHARE_CALL_RESET = 11,
    /* a = address, b = bytes, both of whole pages of the usable heap; c = 0: nothing may be done with them, 1: reading, 3:
     * reading and writing. Never executing. A forbidden access is a page fault. Returns 0, -EINVAL, -ENOMEM if the host cannot
     * keep track. */
    UNISHARE_CALL_PROTECT = 12,
};

/* The channel carries messages whose borders are kept (one datagram each): this header, then data. Longer payloads are sent as
 * several messages of one id, all but the last with UNISHARE_MESSAGE_MORE. */
#define UNISHARE_MESSAGE_MAX 65536u /* bytes, header included */
#define UNISHARE_MESSAGE_MORE 1u

enum unishare_message_kind {
    UNISHARE_MESSAGE_REQUEST = 1, /* to the guest: a part of a request */
    UNISHARE_MESSAGE_REPLY = 2,   /* from the guest: a part of the answer to request `id`; `status` in the last part */
    UNISHARE_MESSAGE_READY = 3,   /* from the guest, once: it waits for requests from now on */
    UNISHARE_MESSAGE_CRASH = 4,   /* from the tender, never from a well-behaved guest: struct unishare_crash */
};

struct unishare_message {
    uint32_t kind;
    uint32_t flags;
    uint64_t id;
    int32_t status; /* of a reply: 0 = good, 1..255 = the function's own error code */
    uint32_t reserved;
};

#define UNISHARE_BOOT_NO_WRFSBASE 1u /* boot->flags: use UNISHARE_CALL_SET_FS_BASE */
#define UNISHARE_BOOT_SNAPSHOT 2u /* a snapshot will be taken where this guest waits: leave nothing of a request in memory */
#define UNISHARE_BOOT_RESET 4u /* call UNISHARE_CALL_RESET after each answer */

/* Where a snapshot was taken: the registers that a C function keeps, at the hypercall UNISHARE_CALL_CHANNEL_RECEIVE, whose
 * return address is at `rsp`. For the tender; the guest has no use for it. */
struct unishare_waiting {
    uint64_t rsp, rbx, rbp, r12, r13, r14, r15;
    uint64_t fs_base;
    uint64_t receive_address; /* the call's arguments */
    uint64_t receive_bytes;
    uint32_t mxcsr;
    uint32_t x87_control;
};

/* The boot page: one read-only page. Offsets in it are from its start. */
struct unishare_boot {
    uint64_t magic;
    uint32_t abi_version;
    uint32_t flags;
    uint64_t hypercall; /* address of the hypercall function */
    uint64_t stack_bottom; /* lowest usable address */
    uint64_t stack_top;
    uint64_t heap_start; /* page-aligned */
    uint64_t heap_ready; /* bytes usable at once */
    uint64_t heap_limit; /* bytes that HEAP_GROW can reach */
    uint64_t tsc_hz; /* 0: ask UNISHARE_CALL_CLOCK */
    uint64_t tsc_start; /* TSC when the two clocks below were read */
    uint64_t monotonic_start; /* nanoseconds */
    uint64_t realtime_start; /* nanoseconds since 1970 */
    uint64_t image_base; /* base added to image addresses: 0 in fixed layouts */
    uint8_t random[32]; /* fresh seed for this instance */
    uint32_t argc;
    uint32_t argv_offset; /* argc strings, each NUL-terminated, one after another */
    uint32_t envc;
    uint32_t env_offset; /* envc "NAME=value" strings, likewise */
    /* From version 1.1 on. */
    uint64_t generation; /* 0: the guest was started; else it began from a snapshot, and this number is this instance's alone */
    struct unishare_waiting waiting; /* of a snapshot */
    uint32_t resets; /* ranges of memory that UNISHARE_CALL_RESET drops: {uint64 address, uint64 bytes} each */
    uint32_t resets_offset;
};

/* The image table: what differs per app, at one place, so that library pages stay equal. The linker script puts it at the
 * start of the app's region (section .unishare.image); the entry stub hands its address to unishare_boot_enter(boot, table). */
#define UNISHARE_IMAGE_MAGIC 0x454c424154494e55ULL
struct unishare_image_table {
    uint64_t magic;
    uint64_t main; /* int main(int, char **, char **) */
    uint64_t tls_start; /* initial TLS data, its bytes in the file, in memory, its alignment; all 0 without TLS */
    uint64_t tls_file_size;
    uint64_t tls_memory_size;
    uint64_t tls_alignment;
    uint64_t files_start; /* the read-only files archive (guest/files: format), page-aligned; 0 without */
    uint64_t files_size; /* bytes */
};

/* What the tender reports of a fault (UNISHARE_MESSAGE_CRASH's data). Registers as the processor had them. */
struct unishare_crash {
    uint32_t exception; /* x86 exception number: 14 #PF, 13 #GP, 6 #UD, 0 #DE ... (Intel SDM vol. 3, 6.15) */
    uint32_t error_code;
    uint64_t fault_address; /* CR2, of a #PF; ~0 if it is not known */
    uint64_t rip, rsp, rbp, rflags;
    uint64_t rax, rbx, rcx, rdx, rsi, rdi;
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    uint32_t stack_bytes; /* how many of `stack` are valid, from RSP upwards */
    uint32_t reserved;
    uint8_t stack[1024];
};

#endif
