"""What flows between the steps of a generated function: bytes of a known shape.

A step says which shape it takes and which it gives; a pipeline is a walk over these. Every shape is also each wider one: numbers
are text, and text is bytes.
"""

from __future__ import annotations

import enum

# More numbers than this no shape holds, so that generated C needs no allocation for them.
NUMBERS_MAX = 256


class Shape(enum.Enum):
    """What the bytes between two steps look like."""

    BYTES = "any bytes"
    TEXT = "printable ASCII and newlines"
    NUMBERS = "one to 256 unsigned 32-bit numbers in decimal, one space between them"
    RECORDS = "lines `word,number,number`, each ended by a newline"
    PAIRS = "lines `key=value`, each ended by a newline"


_WIDER = {Shape.NUMBERS: Shape.TEXT, Shape.RECORDS: Shape.TEXT, Shape.PAIRS: Shape.TEXT, Shape.TEXT: Shape.BYTES}


def fits(given: Shape, taken: Shape) -> bool:
    """Whether bytes of one shape may go where another is taken."""
    shape: Shape | None = given
    while shape is not None:
        if shape is taken:
            return True
        shape = _WIDER.get(shape)
    return False
