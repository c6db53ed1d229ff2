/* The text of the built-in parts that are written in JavaScript. A zero byte follows each, as the engine wants it. */
    .section .rodata.builtins, "a", @progbits

    .globl builtin_inspect, builtin_inspect_end
builtin_inspect:
    .incbin "builtin/inspect.js"
builtin_inspect_end:
    .byte 0

    .globl builtin_clone, builtin_clone_end
builtin_clone:
    .incbin "builtin/clone.js"
builtin_clone_end:
    .byte 0

    .globl builtin_url, builtin_url_end
builtin_url:
    .incbin "builtin/url.js"
builtin_url_end:
    .byte 0

    .section .note.GNU-stack, "", @progbits
