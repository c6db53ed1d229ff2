# Calls of COUNT functions, SPACING bytes apart, in four ways. Callers, functions, slots and tables lie in sections of their own, which
# the link places megabytes apart, as modules are. Compiled once for each CASE.

#define JOIN(a, b) a##b
#define NAME(a, b) JOIN(a, b)
#define FUNCTIONS NAME(functions_, CASE)
#define SLOTS NAME(slots_, CASE)
#define PLT NAME(plt_, CASE)
#define TABLE NAME(table_, CASE)

# Call sites are 16 bytes apart, so that the length of a call does not count, and go through the functions in an order that no
# prefetcher follows. STRIDE and COUNT have no common divisor.
#define STRIDE 37
#define TARGET(i) (((i) * STRIDE) % COUNT)

    .section .unishare_functions, "ax"
    .balign 4096
FUNCTIONS:
    .rept COUNT
1:  lea 1(%rax), %rax
    ret
    .fill SPACING - (. - 1b), 1, 0xcc
    .endr

# What the loader fills in: data, never executed.
    .section .unishare_slots, "aw"
    .balign 4096
SLOTS:
    .set i, 0
    .rept COUNT
    .quad FUNCTIONS + i * SPACING
    .set i, i + 1
    .endr

# Shared code: as the linker's own entries under -z now (.plt.got).
    .section .unishare_plt, "ax"
    .balign 4096
PLT:
    .set i, 0
    .rept COUNT
    jmp *SLOTS + i * 8(%rip)
    .balign 8, 0xcc
    .set i, i + 1
    .endr

# Private code, one for each instance: as in the published method.
    .section .unishare_table, "ax"
    .balign 4096
TABLE:
    .set i, 0
    .rept COUNT
    jmp FUNCTIONS + i * SPACING
    .balign 8, 0xcc
    .set i, i + 1
    .endr

    .macro caller name, prefix:vararg
    .section .unishare_callers, "ax"
    .balign 4096
    .globl \name
    .type \name, @function
\name:
    xor %eax, %eax
    sub $8, %rsp
    .set i, 0
    .endm
    .macro finish
    add $8, %rsp
    ret
    .endm

    caller NAME(direct_, CASE)
    .rept COUNT
    call FUNCTIONS + TARGET(i) * SPACING
    .balign 16
    .set i, i + 1
    .endr
    finish
    caller NAME(plt_entry_, CASE)
    .rept COUNT
    call PLT + TARGET(i) * 8
    .balign 16
    .set i, i + 1
    .endr
    finish
    caller NAME(slot_, CASE)
    .rept COUNT
    call *SLOTS + TARGET(i) * 8(%rip)
    .balign 16
    .set i, i + 1
    .endr
    finish
    caller NAME(jump_table_, CASE)
    .rept COUNT
    call TABLE + TARGET(i) * 8
    .balign 16
    .set i, i + 1
    .endr
    finish

    .section .note.GNU-stack, "", @progbits
