"""A shell at the other end of a serial line: one command at a time, its output and its end by a mark."""

from __future__ import annotations

import re
import shlex
import socket
import time
from pathlib import Path

MARK = "command-has-ended"
COMMAND_LIMIT_S = 120
START_LIMIT_S = 300
ASK_AGAIN_S = 2.0
# Characters of a file that one command writes: what comes while nobody reads is kept by the line, but not much of it.
WRITTEN_AT_ONCE = 2000


class Shell:
    """Commands to a shell that reads a serial line, which is a UNIX socket here."""

    def __init__(self, path: Path, slowness: int) -> None:
        self._slowness = slowness
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._got = b""
        self._number = 0

    def wait_until_it_answers(self) -> None:
        """Ask until there is an answer: the machine is starting. What it says before is thrown away."""
        deadline = time.monotonic() + START_LIMIT_S * self._slowness
        while True:
            self._number += 1
            self._send(f"echo {MARK} {self._number} $?")
            try:
                self._read(ASK_AGAIN_S * self._slowness)
            except TimeoutError:
                if time.monotonic() > deadline:
                    raise
            else:
                return

    def run(self, command: str) -> str:
        """Run one command; its output. Raises when it fails."""
        self._number += 1
        self._send(f"{command} 2>&1; echo {MARK} {self._number} $?")
        output, code = self._read(COMMAND_LIMIT_S * self._slowness)
        if code:
            raise AssertionError(f"{command}: ended with code {code}: {output}")
        return output

    def write(self, path: str, text: str) -> None:
        """Write a file there, of one line without an end."""
        assert "\n" not in text
        self.run(f": > {path}")
        for at in range(0, len(text), WRITTEN_AT_ONCE):
            self.run(f"printf %s {shlex.quote(text[at : at + WRITTEN_AT_ONCE])} >> {path}")

    def _send(self, line: str) -> None:
        self._socket.sendall(line.encode() + b"\n")

    def _read(self, limit_s: float) -> tuple[str, int]:
        # A terminal that echoes shows the command first, with the variable in place of the code.
        mark = re.compile(rf"{MARK} {self._number} (\d+)\r?\n".encode())
        deadline = time.monotonic() + limit_s
        while True:
            if found := mark.search(self._got):
                head, self._got = self._got[: found.start()], self._got[found.end() :]
                return head.decode(errors="replace").replace("\r", ""), int(found[1])
            self._socket.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                more = self._socket.recv(65536)
            except TimeoutError:
                raise TimeoutError(f"no answer within {limit_s:.0f} s, but {self._got[-500:]!r}") from None
            if not more:
                raise TimeoutError(f"the line was closed after {self._got[-500:]!r}")
            self._got += more
