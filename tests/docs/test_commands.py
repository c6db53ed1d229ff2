"""Every command that a page shows is run, in order, in a home of the page's own; what it prints is what is shown.

In shown output `...` stands for anything, and numbers of four and more digits (pids) for any number. Compiled objects come from the
home that `make` uses.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs.shown_commands import Shown, shown_commands, shown_files

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", "docs/cli.md", "docs/projects.md"]
PROGRESS = re.compile(r"^(library \S+|built|objects|archive \S+|note|pooled)?: .*\n", re.MULTILINE)
CHECKER = doctest.OutputChecker()
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
SECONDS = 300


def home_with_objects(folder: Path) -> Path:
    """A home that has what was downloaded and compiled before, and nothing else."""
    warm = Path(os.environ.get("UNISHARE_HOME", ROOT / ".state")).absolute()
    home = folder / ".local" / "share" / "unishare"
    home.mkdir(parents=True)
    for name in ("sources", "objects"):
        (warm / name).mkdir(parents=True, exist_ok=True)
        (home / name).symlink_to(warm / name)
    return home


def script(commands: list[Shown], folder: Path) -> str:
    """One shell for the whole page, so that `cd` holds; each command's output and exit code in files of their own."""
    lines = [f'unishare() {{ {sys.executable} -m unishare "$@"; }}']
    for number, shown in enumerate(commands):
        lines += [f"{{ {shown.command}\n}} >{folder}/{number}.out 2>{folder}/{number}.err", f"echo $? >{folder}/{number}.code"]
    return "\n".join([*lines, f"{sys.executable} -m unishare stop --all"])


def comparable(text: str, home: Path) -> str:
    """Text without what differs from machine to machine: the home, pids, the tender that there is, the rules of tables."""
    # A row of `ps`: process numbers begin at 300 when they begin anew (RESERVED_PIDS, kernel/pid.c).
    text = re.sub(r"^( \S+-\d+ +\S+ +)\d{3,}\b", r"\1NUMBER", text.replace(str(home), "~"), flags=re.MULTILINE)
    text = re.sub(r"\b\d{4,}\b", "NUMBER", text)
    return re.sub(r"\b(kvm|process)\b", "TENDER", re.sub(r"─+", "", text))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_what_its_commands_print(page: str, tmp_path: Path) -> None:
    commands = list(shown_commands(ROOT / page))
    home, work, results = tmp_path / "user", tmp_path / "work", tmp_path / "results"
    for folder in (home, work, results):
        folder.mkdir()
    for name, text in shown_files(ROOT / page):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text)
    environment = {**os.environ, "HOME": str(home), "UNISHARE_HOME": str(home_with_objects(home)), "COLUMNS": "160"}
    subprocess.run(
        ["bash", "-c", script(commands, results)], cwd=work, env=environment, stdin=subprocess.DEVNULL,
        timeout=SECONDS, check=False, capture_output=True,
    )  # fmt: skip
    for number, shown in enumerate(commands):
        out, err = ((results / f"{number}.{kind}").read_text(errors="replace") for kind in ("out", "err"))
        code = int((results / f"{number}.code").read_text())
        assert (code != 0) == shown.fails, f"{page}:{shown.line}: {shown.command}: exit code {code}\n{out}{err}"
        if shown.output:
            got = out + PROGRESS.sub("", err) if shown.fails else out
            wanted = "\n".join(shown.output) + "\n"
            same = CHECKER.check_output(comparable(wanted, home), comparable(got, home), FLAGS)
            assert same, f"{page}:{shown.line}: {shown.command} printed\n{got}\nand not\n{wanted}"


def test_pages_with_commands_are_known() -> None:
    """A page that shows commands is run, or it is said here why not."""
    elsewhere = {
        # gdb's own output, and an instance that it holds.
        "docs/debugging.md",
        # Minutes of building; tests/evaluation/population runs the commands with smaller numbers.
        "docs/population.md",
        # Minutes to an hour of measuring; tests/integration/test_evaluate.py runs small forms.
        "docs/evaluation.md",
        # A broken handler and a file of the reader's; tests/integration/test_javascript.py and test_snapshots.py run the same.
        "docs/javascript.md",
        "docs/snapshots.md",
    }
    pages = {str(page.relative_to(ROOT)) for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]}
    with_commands = {page for page in pages if any(True for _ in shown_commands(ROOT / page))}
    assert with_commands - elsewhere <= set(PAGES)
