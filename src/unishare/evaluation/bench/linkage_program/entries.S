# What caller.c's calls go through: slots, entries that jump through slots, and entries that jump straight.

    .macro entry name
    .section .unishare_slots, "aw"
    .balign 8
    .globl slot_\name
slot_\name:
    .quad \name
    .section .unishare_plt, "ax"
    .globl plt_\name
plt_\name:
    jmp *slot_\name(%rip)
    .balign 8, 0xcc
    .section .unishare_table, "ax"
    .globl table_\name
table_\name:
    jmp \name
    .balign 8, 0xcc
    .endm

    entry library_next
    entry library_kind
    entry library_mix
    entry library_word
    entry library_number

    .section .note.GNU-stack, "", @progbits
