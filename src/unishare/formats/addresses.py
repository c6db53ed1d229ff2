"""The addresses of fixed layouts: abi.h's regions, in bytes. abi.h is the truth; a test compares."""

APP_BASE = 0x00400000
APP_END = 0x08000000
LIBRARY_BASE = 0x20000000
LIBRARY_END = 0x7F000000
PAGE = 4096
ZONE = 2 << 20


def round_up(value: int, step: int) -> int:
    """The next multiple of `step` that is not below `value`."""
    return -(-value // step) * step
