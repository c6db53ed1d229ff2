"""Words of others on a terminal: they must not move its cursor, change its title or answer for its keyboard."""

from __future__ import annotations

import codecs


class TerminalText:
    """Bytes of a guest as text, a chunk after the other."""

    def __init__(self) -> None:
        # A letter of several bytes may be cut by a chunk's end.
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")

    def text(self, chunk: bytes) -> str:
        """The chunk as `printable` text."""
        return printable(self._decoder.decode(chunk))


def printable(text: str) -> str:
    """Text with control characters (C0, DEL, C1: ECMA-48) shown as \\xNN, but for newlines and tabs."""
    return "".join(f"\\x{ord(letter):02x}" if _controls(letter) else letter for letter in text)


def _controls(letter: str) -> bool:
    return letter not in "\n\t" and (ord(letter) < 0x20 or 0x7F <= ord(letter) < 0xA0)
