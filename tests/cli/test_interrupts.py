"""Ctrl-C at any moment of a command: exit code 130 and one word, never a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# Interrupts the process when a module is loaded, which is where a command spends its first moments.
AT_IMPORT = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have started the tests with interrupts ignored
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
from unishare.cli.entry import main
sys.argv = ["unishare", *{arguments!r}]
main()
"""
# Interrupts the process when the command is done and the interpreter ends.
AT_END = """
import atexit, os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))
from unishare.cli.entry import main
sys.argv = ["unishare", "--version"]
main()
"""


def run(program: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60,
        env={"UNISHARE_HOME": str(home), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip


@pytest.mark.parametrize(
    "module", ["unishare.cli.failures", "click", "unishare.settings", "unishare.cli.instances", "asyncio", "unishare.fleet"]
)
def test_an_interrupt_while_modules_are_loaded(tmp_path: Path, module: str) -> None:
    done = run(AT_IMPORT.format(module=module, arguments=["ps"]), tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


def test_an_interrupt_while_the_interpreter_ends(tmp_path: Path) -> None:
    done = run(AT_END, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("unishare ")
