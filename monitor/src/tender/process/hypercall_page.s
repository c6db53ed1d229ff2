// The hypercall page of the process tender: one page, the same physical frame in every instance, and the only code besides
// the guest's that stays in the address space.
//
// It holds three things: the hypercalls of abi.h as direct Linux system calls (offset 0 is boot->hypercall), the fault
// handler, and the departure: the last steps of the monitor, which cannot run from memory that they unmap.
// Position-independent. It is linked into the monitor only to be copied from there (page.rs), and runs at
// UNISHARE_INSTANCE_BASE with the boot page one page above it and the signal page two pages above it.
//
// The sandbox (sandbox.rs) allows system calls only from this page, and only with the arguments seen here. Names in braces
// come from hypercall_page.rs.

    .section .rodata.unishare_hypercall_page, "a"
    .balign 4096
    .globl unishare_hypercall_page
unishare_hypercall_page:

// int64_t hypercall(rdi = number, rsi = a, rdx = b, rcx = c)
.Lhypercall:
    cmp     rdi, {LAST_CALL}
    ja      .Lunknown
    lea     rax, [rip + .Lcalls]
    movsxd  rdi, dword ptr [rax + rdi * 4]
    add     rax, rdi
    jmp     rax

    .balign 4
.Lcalls:
    .long   .Lexit - .Lcalls
    .long   .Lconsole_write - .Lcalls
    .long   .Lclock - .Lcalls
    .long   .Lrandom - .Lcalls
    .long   .Lpoll - .Lcalls
    .long   .Lchannel_receive - .Lcalls
    .long   .Lchannel_send - .Lcalls
    .long   .Lheap_grow - .Lcalls
    .long   .Lset_fs_base - .Lcalls
    .long   .Ldiscard - .Lcalls
    .long   .Lchannel_receive_soon - .Lcalls
    .long   .Lreset - .Lcalls
    .long   .Lprotect - .Lcalls

.Lunknown:
    mov     rax, -{ENOSYS}
    ret
.Linvalid:
    mov     rax, -{EINVAL}
    ret
.Ltoo_long:
    mov     rax, -{EMSGSIZE}
    ret

.Lexit:
    movzx   edi, sil
    mov     eax, {SYS_exit_group}
    syscall
    ud2

.Lconsole_write:
    mov     edi, {CONSOLE_FD}
    mov     eax, {SYS_write}
    syscall
    ret

// The ABI counts 0 = monotonic, 1 = real; Linux the other way round.
.Lclock:
    cmp     rsi, 1
    ja      .Linvalid
    mov     edi, esi
    xor     edi, 1
    mov     rsi, rdx
    mov     eax, {SYS_clock_gettime}
    syscall
    ret

.Lrandom:
    cmp     rdx, {RANDOM_MAX}
    ja      .Linvalid
    mov     rdi, rsi
    mov     rsi, rdx
    xor     edx, edx
    mov     eax, {SYS_getrandom}
    syscall
    ret

// On the guest's stack: struct timespec at 0, struct pollfd at 16.
.Lpoll:
    cmp     rsi, 1
    ja      .Linvalid
    sub     rsp, 24
    mov     dword ptr [rsp + 16], {CHANNEL_FD}
    mov     dword ptr [rsp + 20], {POLLIN}
    lea     rdi, [rsp + 16]
    mov     rax, rdx
    xor     edx, edx
    cmp     rax, -1
    je      1f
    mov     ecx, 1000000000
    div     rcx
    mov     [rsp], rax
    mov     [rsp + 8], rdx
    mov     rdx, rsp
1:  xor     r10d, r10d
    mov     r8d, 8
    mov     eax, {SYS_ppoll}
    syscall
    add     rsp, 24
    ret

// MSG_TRUNC makes the kernel return the message's true length, also when it did not fit. The socket's own time limit ends each wait: then
// one without a limit follows, or an instance that nobody asks would wake up again and again. Snapshots are taken and begin in this call.
.Lchannel_receive:
    mov     edi, {CHANNEL_FD}
    mov     r10d, {MSG_TRUNC}
    xor     r8d, r8d
    xor     r9d, r9d
    mov     eax, {SYS_recvfrom}
    syscall
    .globl unishare_received
unishare_received:
    cmp     rax, -{EAGAIN}
    je      2f
.Lreceived:
    test    rax, rax
    js      1f
    cmp     rax, rdx
    ja      .Ltoo_long
1:  ret
2:  push    rsi
    push    rdx
    mov     rax, {CHANNEL_FD} | {POLLIN} << 32
    push    rax
    mov     rdi, rsp
    mov     esi, 1
    xor     edx, edx
    xor     r10d, r10d
    mov     r8d, 8
    mov     eax, {SYS_ppoll}
    syscall
    pop     rax
    pop     rdx
    pop     rsi
    jmp     .Lchannel_receive

.Lchannel_receive_soon:
    mov     edi, {CHANNEL_FD}
    mov     r10d, {MSG_TRUNC}
    xor     r8d, r8d
    xor     r9d, r9d
    mov     eax, {SYS_recvfrom}
    syscall
    jmp     .Lreceived

// An empty message would be taken for a closed channel.
.Lchannel_send:
    lea     rax, [rdx - 1]
    cmp     rax, {MESSAGE_MAX} - 1
    ja      .Ltoo_long
    mov     edi, {CHANNEL_FD}
    mov     r10d, {MSG_NOSIGNAL}
    xor     r8d, r8d
    xor     r9d, r9d
    mov     eax, {SYS_sendto}
    syscall
    ret

// The whole heap is mapped without reservation before the guest starts: growing it is only a question of the limit.
.Lheap_grow:
    mov     rax, [rip + unishare_hypercall_page + {BOOT_HEAP_LIMIT}]
    cmp     rsi, rax
    ja      1f
    test    dword ptr [rip + unishare_hypercall_page + {BOOT_PAGE} + {BOOT_FLAGS}], {SNAPSHOT}
    jz      2f
    // No more than it asks for, in steps, and noted: under KVM an instance of the snapshot has so much in its first memory slot.
    add     rsi, {HEAP_STEP} - 1
    and     rsi, -{HEAP_STEP}
    cmp     rsi, rax
    cmovb   rax, rsi
    mov     [rip + unishare_hypercall_page + {HEAP_GROWN}], rax
2:  ret
1:  mov     rax, -{ENOMEM}
    ret

.Lset_fs_base:
    mov     edi, {ARCH_SET_FS}
    mov     eax, {SYS_arch_prctl}
    syscall
    ret

// Inside the heap, and never executable: the sandbox sees to that again.
.Lprotect:
    cmp     rcx, {PROTECT_MAX}
    ja      .Linvalid
    cmp     rcx, {PROTECT_MAX} - 1      // writing without reading
    je      .Linvalid
    mov     rax, rsi
    sub     rax, [rip + unishare_hypercall_page + {BOOT_HEAP_START}]
    jb      .Linvalid
    mov     rdi, [rip + unishare_hypercall_page + {BOOT_HEAP_LIMIT}]
    sub     rdi, rax
    jb      .Linvalid
    cmp     rdx, rdi
    ja      .Linvalid
    mov     rdi, rsi
    mov     rsi, rdx
    mov     edx, ecx
    mov     eax, {SYS_mprotect}
    syscall
    ret

// Only what the boot page calls stack or heap, and whole pages of it.
.Ldiscard:
    mov     rdi, rsi
    mov     rsi, rdx
    mov     rax, rdi
    or      rax, rsi
    test    eax, {PAGE} - 1
    jnz     .Linvalid
    mov     rax, rdi
    add     rax, rsi
    jc      .Linvalid
    lea     r8, [rip + unishare_hypercall_page]
    cmp     rdi, [r8 + {BOOT_STACK_BOTTOM}]
    jb      1f
    cmp     rax, [r8 + {BOOT_STACK_TOP}]
    jbe     2f
1:  mov     rdx, [r8 + {BOOT_HEAP_START}]
    cmp     rdi, rdx
    jb      .Linvalid
    add     rdx, [r8 + {BOOT_HEAP_LIMIT}]
    cmp     rax, rdx
    ja      .Linvalid
2:  mov     edx, {MADV_DONTNEED}
    mov     eax, {SYS_madvise}
    syscall
    ret
// Drop every page that was written since the snapshot, then wait as it did. From the first call of madvise on there is no stack: what
// it held is gone. The ranges are in the boot page, which the guest cannot write.
.Lreset:
    lea     rbx, [rip + unishare_hypercall_page + {BOOT_PAGE}]
    test    dword ptr [rbx + {BOOT_FLAGS}], {RESET}
    jz      .Lunknown
    // The heap's rights as in a new instance: the guest restores those of its snapshot (memory/pages.c).
    mov     rdi, [rip + unishare_hypercall_page + {BOOT_HEAP_START}]
    mov     rsi, [rip + unishare_hypercall_page + {BOOT_HEAP_LIMIT}]
    mov     edx, {PROTECT_MAX}
    mov     eax, {SYS_mprotect}
    syscall
    test    rax, rax
    jnz     2f
    mov     r12d, [rbx + {BOOT_RESETS}]
    mov     r13d, [rbx + {BOOT_RESETS_OFFSET}]
    add     r13, rbx
1:  test    r12d, r12d
    jz      .Lresume
    mov     rdi, [r13]
    mov     rsi, [r13 + 8]
    mov     edx, {MADV_DONTNEED}
    mov     eax, {SYS_madvise}
    syscall
    test    rax, rax
    jnz     2f
    add     r13, 16
    dec     r12d
    jmp     1b
2:  mov     edi, 70                     // memory that cannot be reset must not be used again
    mov     eax, {SYS_exit_group}
    syscall
    ud2

// Wait for a request as a snapshot did: its registers are in the boot page, all others are as in a new process.
.Lresume:
    lea     rbx, [rip + unishare_hypercall_page + {BOOT_PAGE}]
    lea     rsp, [rip + .Lflags]        // a page that cannot be written: popfq only reads
    popfq
    mov     eax, -1
    mov     edx, eax
    xrstor  [rip + .Linitial_state]
    ldmxcsr [rbx + {WAITING} + {WAITING_MXCSR}]
    fldcw   [rbx + {WAITING} + {WAITING_X87_CONTROL}]
    xor     eax, eax
    test    dword ptr [rbx + {BOOT_FLAGS}], {NO_WRFSBASE}
    jnz     1f
    wrgsbase rax
1:  mov     rsi, [rbx + {WAITING} + {WAITING_FS_BASE}]
    mov     edi, {ARCH_SET_FS}
    mov     eax, {SYS_arch_prctl}
    syscall
    mov     rsi, [rbx + {WAITING} + {WAITING_RECEIVE_ADDRESS}]
    mov     rdx, [rbx + {WAITING} + {WAITING_RECEIVE_BYTES}]
    mov     rsp, [rbx + {WAITING} + {WAITING_RSP}]
    mov     rbp, [rbx + {WAITING} + {WAITING_RBP}]
    mov     r12, [rbx + {WAITING} + {WAITING_R12}]
    mov     r13, [rbx + {WAITING} + {WAITING_R13}]
    mov     r14, [rbx + {WAITING} + {WAITING_R14}]
    mov     r15, [rbx + {WAITING} + {WAITING_R15}]
    mov     rbx, [rbx + {WAITING} + {WAITING_RBX}]
    jmp     .Lchannel_receive

    .balign 8
.Lflags:
    .quad   0x202                       // interrupts, and the flag that is always 1

// An XSAVE area whose header names no component: XRSTOR puts all of them into their initial state, and takes MXCSR from here (Intel SDM
// vol. 1, 13.8).
    .balign 64
.Linitial_state:
    .zero   24
    .long   0x1f80
    .zero   484
    .zero   64

// The handler of every fault signal: rdi = signal, rdx = ucontext_t, on the alternate stack in the signal page. It builds
// one CRASH message at the bottom of that page, below the kernel's frame, sends it and ends the process.
//   0: struct unishare_message (24 bytes)   24: struct unishare_crash up to its stack (168)   192: bytes of the stack
// Every byte that is sent is written here first: the guest may have scribbled over the page, but that spoils only its own
// report.
    .globl unishare_fault
unishare_fault:
    cld
    mov     r15d, edi
    mov     r14, rdx
    lea     rbx, [rip + unishare_hypercall_page + {SIGNAL_PAGE}]
    xor     eax, eax
    mov     rdi, rbx
    mov     ecx, 24
    rep     stosq
    mov     dword ptr [rbx], {MESSAGE_CRASH}

    lea     rdi, [rip + unishare_hypercall_page + {RECORD}]
    mov     r13, [r14 + 168]            // RIP
    cmp     r15d, {SIGSYS}
    jne     1f
    // A system call of the guest's own. The processor would have called it #UD, had it no `syscall`; RIP is behind it.
    mov     r15d, {SIGILL}
    mov     dword ptr [rdi], 6
    sub     r13, 2
    jmp     2f
1:  mov     rax, [r14 + 200]            // exception number
    mov     [rdi], eax
    mov     rax, [r14 + 192]            // error code
    mov     [rdi + 4], eax
    cmp     dword ptr [rdi], 14
    jne     2f
    mov     rax, [r14 + 216]            // CR2
    mov     [rdi + 8], rax
2:  mov     [rdi + 16], r13
    mov     r12, [r14 + 160]            // RSP
    mov     [rdi + 24], r12
    mov     rax, [r14 + 120]            // rbp
    mov     [rdi + 32], rax
    mov     rax, [r14 + 176]            // rflags
    mov     [rdi + 40], rax
    mov     rax, [r14 + 144]            // rax
    mov     [rdi + 48], rax
    mov     rax, [r14 + 128]            // rbx
    mov     [rdi + 56], rax
    mov     rax, [r14 + 152]            // rcx
    mov     [rdi + 64], rax
    mov     rax, [r14 + 136]            // rdx
    mov     [rdi + 72], rax
    mov     rax, [r14 + 112]            // rsi
    mov     [rdi + 80], rax
    mov     rax, [r14 + 104]            // rdi
    mov     [rdi + 88], rax
    mov     rax, [r14 + 40]            // r8
    mov     [rdi + 96], rax
    mov     rax, [r14 + 48]            // r9
    mov     [rdi + 104], rax
    mov     rax, [r14 + 56]            // r10
    mov     [rdi + 112], rax
    mov     rax, [r14 + 64]            // r11
    mov     [rdi + 120], rax
    mov     rax, [r14 + 72]            // r12
    mov     [rdi + 128], rax
    mov     rax, [r14 + 80]            // r13
    mov     [rdi + 136], rax
    mov     rax, [r14 + 88]            // r14
    mov     [rdi + 144], rax
    mov     rax, [r14 + 96]            // r15
    mov     [rdi + 152], rax

    // The stack is copied only where memory surely is: in the stack or in the heap (a thread's stack).
    lea     rbp, [rip + unishare_hypercall_page]
    mov     rax, [rbp + {BOOT_STACK_TOP}]
    cmp     r12, [rbp + {BOOT_STACK_BOTTOM}]
    jb      3f
    cmp     r12, rax
    jb      4f
3:  mov     rax, [rbp + {BOOT_HEAP_START}]
    cmp     r12, rax
    jb      5f
    add     rax, [rbp + {BOOT_HEAP_LIMIT}]
    cmp     r12, rax
    jae     5f
4:  sub     rax, r12                    // bytes above RSP
    mov     ecx, 1024
    cmp     rax, rcx
    cmovb   rcx, rax
    mov     rax, rsp                    // and no more than fit below the kernel's frame
    lea     rdx, [rip + unishare_hypercall_page + {STACK_COPY}]
    sub     rax, rdx
    jb      5f
    cmp     rax, rcx
    cmovb   rcx, rax
    mov     [rdi + 160], ecx
    mov     rdi, rdx
    mov     rsi, r12
    rep     movsb

5:  mov     edx, [rbx + 24 + 160]
    add     edx, 192
    mov     rsi, rbx
    mov     edi, {CHANNEL_FD}
    mov     r10d, {MSG_NOSIGNAL}
    xor     r8d, r8d
    xor     r9d, r9d
    mov     eax, {SYS_sendto}
    syscall
    lea     edi, [r15 + 128]
    mov     eax, {SYS_exit_group}
    syscall

// The handler never returns; the kernel wants a return address all the same.
    .globl unishare_fault_return
unishare_fault_return:
    ud2

// The departure: rdi = boot page, rsi = entry, rdx = stack top, r8 = address and r9 = length of what to unmap, r12 and r13
// of a second part (length 0: none). Without an entry (0) the guest goes on where the boot page says that it waits. All in 64-bit addresses above the guest's 2 GiB.
    .globl unishare_depart
unishare_depart:
    mov     r14, rdi
    mov     r15, rsi
    mov     rbp, rdx
    mov     edi, {WORD_FD}              // the sandbox is in force: there is nothing more to say
    mov     eax, {SYS_close}
    syscall
    mov     edi, {ARCH_SET_FS}
    xor     esi, esi
    mov     eax, {SYS_arch_prctl}
    syscall
    mov     rdi, r8
    mov     rsi, r9
    mov     eax, {SYS_munmap}
    syscall
    test    rax, rax
    jnz     1f
    test    r13, r13
    jz      2f
    mov     rdi, r12
    mov     rsi, r13
    mov     eax, {SYS_munmap}
    syscall
    test    rax, rax
    jz      2f
1:  mov     edi, 70
    mov     eax, {SYS_exit_group}
    syscall
2:  test    r15, r15
    jz      .Lresume
    mov     rsp, rbp
    push    r15
    mov     rdi, r14
    xor     eax, eax
    xor     ebx, ebx
    xor     ecx, ecx
    xor     edx, edx
    xor     esi, esi
    xor     ebp, ebp
    xor     r8d, r8d
    xor     r9d, r9d
    xor     r10d, r10d
    xor     r11d, r11d
    xor     r12d, r12d
    xor     r13d, r13d
    xor     r14d, r14d
    xor     r15d, r15d
    pxor    xmm0, xmm0
    pxor    xmm1, xmm1
    pxor    xmm2, xmm2
    pxor    xmm3, xmm3
    pxor    xmm4, xmm4
    pxor    xmm5, xmm5
    pxor    xmm6, xmm6
    pxor    xmm7, xmm7
    pxor    xmm8, xmm8
    pxor    xmm9, xmm9
    pxor    xmm10, xmm10
    pxor    xmm11, xmm11
    pxor    xmm12, xmm12
    pxor    xmm13, xmm13
    pxor    xmm14, xmm14
    pxor    xmm15, xmm15
    ret

    .globl unishare_hypercall_page_end
unishare_hypercall_page_end:
    .balign 4096, 0xcc
    .previous
