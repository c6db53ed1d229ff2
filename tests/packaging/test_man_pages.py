"""Manual pages are made from the commands, all of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from unishare.cli.commands import COMMANDS

SCRIPT = Path(__file__).resolve().parents[2] / "packaging" / "man-pages"


def test_every_command_has_a_page(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(SCRIPT), str(tmp_path / "man1")], check=True, timeout=120)
    pages = {page.stem for page in (tmp_path / "man1").iterdir()}
    assert pages >= {"unishare", *(f"unishare-{command}" for command in COMMANDS), "unishare-pool-gc"}
    invoke = (tmp_path / "man1" / "unishare-invoke.1").read_text()
    assert ".nf\nExamples:\n  unishare invoke" in invoke
    assert invoke.count(".nf") == invoke.count(".fi") == 1
    assert "\x08" not in "".join(page.read_text() for page in (tmp_path / "man1").iterdir())
