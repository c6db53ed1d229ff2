"""The addresses of fixed layouts: abi.h's regions, in bytes. abi.h is the truth; a test compares."""

APP_BASE = 0x00400000
APP_END = 0x08000000
INSTANCE_BASE = 0x08000000
INSTANCE_END = 0x20000000
STACK_OFFSET = 0x4000
LIBRARY_BASE = 0x20000000
LIBRARY_END = 0x7F000000
PAGE = 4096
ZONE = 2 << 20
# The monitor's RANDOM_HEAP_LIMIT (image/mod.rs): a heap is address space, not memory.
RANDOM_HEAP_LIMIT = 64 << 30


def heap_limit(random: bool, stack: int) -> int:
    """Bytes that a heap can have under random addresses, or beside a stack under fixed ones, with a guard page between."""
    return RANDOM_HEAP_LIMIT if random else INSTANCE_END - INSTANCE_BASE - STACK_OFFSET - PAGE - stack


def round_up(value: int, step: int) -> int:
    """The next multiple of `step` that is not below `value`."""
    return -(-value // step) * step
