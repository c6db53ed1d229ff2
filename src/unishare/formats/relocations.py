"""The relocation records of an `aslr` image (docs/formats/aslr.md), little-endian, without padding.

A module record, in an image folder: module, target module (u32 each), byte offset in the module (u64), addend (i64). A frame record,
in the pool: byte offset in the private frames, target module (u32 each), addend (i64).
"""

from __future__ import annotations

import struct

MODULE_RECORD = struct.Struct("<IIQq")
FRAME_RECORD = struct.Struct("<IIq")
