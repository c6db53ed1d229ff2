// The floor guest: the least that is an instance. It says READY, gives an empty answer to every request, and ends when the
// channel is closed. What an instance costs above this is what its image costs (docs/benchmarks.md).
//
// Position-independent, one page. rdi = boot page. It keeps: r12 = hypercall, rbx = a message buffer at the bottom of the stack.

    .section .rodata.unishare_floor, "a"
    .balign 4096
    .globl unishare_floor
unishare_floor:
    mov     r12, [rdi + {BOOT_HYPERCALL}]
    mov     rbx, [rdi + {BOOT_STACK_BOTTOM}]
    mov     dword ptr [rbx], {MESSAGE_READY}    // the rest of the header is zero: fresh memory
.Lsend_header:
    mov     edi, {CALL_CHANNEL_SEND}
    mov     rsi, rbx
    mov     edx, {HEADER}
    call    r12
.Lreceive:
    mov     edi, {CALL_CHANNEL_RECEIVE}
    mov     rsi, rbx
    mov     edx, {MESSAGE_MAX}
    call    r12
    test    rax, rax
    jle     .Lend
    cmp     dword ptr [rbx], {MESSAGE_REQUEST}
    jne     .Lreceive
    test    dword ptr [rbx + {MESSAGE_FLAGS}], {MESSAGE_MORE}
    jnz     .Lreceive
    mov     dword ptr [rbx], {MESSAGE_REPLY}    // id and status (0) stay as they came
    jmp     .Lsend_header
.Lend:
    mov     edi, {CALL_EXIT}
    xor     esi, esi
    call    r12
    ud2
    .balign 4096, 0xcc
    .previous
