"""The addresses of fixed layouts: abi.h's regions, in bytes. abi.h is the truth; a test compares."""

APP_BASE = 0x00400000
APP_END = 0x08000000
LIBRARY_BASE = 0x20000000
LIBRARY_END = 0x7F000000
PAGE = 4096
ZONE = 2 << 20
# What stack and heap of a fixed layout share: the instance region without what lies below the stack and the guard page above it. Under
# random addresses a heap has addresses of its own (image/mod.rs).
INSTANCE_ROOM = 0x20000000 - 0x08000000 - 0x4000 - PAGE
RANDOM_HEAP_LIMIT = 64 << 30


def round_up(value: int, step: int) -> int:
    """The next multiple of `step` that is not below `value`."""
    return -(-value // step) * step
