"""Compiles the guest's C for this machine, under its sanitizers, and runs scripts of system calls on it and on the kernel."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
GUEST = HERE.parents[1] / "src" / "unishare" / "guest"
LIBRARIES = ("abi", "boot", "console", "files", "invoke", "memory", "posix", "random", "time")
COMPILED = ("console", "files", "memory", "posix", "random", "time")
# These stand in for parts of musl, on which this machine's C library does not run.
STAND_INS = ("locale.c", "terminal.c", "users.c")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
# The kernel's side could not be confined to a folder here.
UNCONFINED = 77


def compile_guest(program: Path, sources: Sequence[Path], libraries: Sequence[str] = COMPILED) -> None:
    """Link sources of a test with the guest's libraries, as a program of this machine that notices a wrong access."""
    guest = [file for library in libraries for file in sorted((GUEST / library).glob("*.c")) if file.name not in STAND_INS]
    includes = [f"-I{GUEST / library / 'include'}" for library in LIBRARIES] + [f"-I{GUEST / library}" for library in libraries]
    command = ["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-g", "-O1", "-Wall", "-Wextra", "-Werror", *SANITIZERS, *includes]
    subprocess.run([*command, "-o", program, *sources, *guest], check=True)


class Driver:
    """One of the two programs; it runs a script at a time, each in a process of its own."""

    def __init__(self, command: Sequence[str | Path], errors: Path) -> None:
        self.errors = errors
        with errors.open("wb") as stream:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stream, text=True, bufsize=1
            )

    def run(self, script: Sequence[str]) -> list[str]:
        """What each line printed, then `end` and the process's status."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write("".join(f"{line}\n" for line in [*script, "end"]))
        self.process.stdin.flush()
        answers: list[str] = []
        while not answers or not answers[-1].startswith("end"):
            line = self.process.stdout.readline()
            assert line, f"the driver ended with {self.process.wait()}: {self.errors.read_text()[-3000:]}"
            answers.append(line.rstrip("\n"))
        return answers

    def close(self) -> None:
        """End the program."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=60)
