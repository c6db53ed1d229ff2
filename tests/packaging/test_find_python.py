"""Which interpreter `make setup` builds its virtual environment on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "packaging" / "find-python"
# An interpreter as the script asks it: is it new enough, and (with pathlib) can everyone reach it?
PYTHON = "#!/bin/sh\ncase $2 in *pathlib*) exit {private};; *) exit {old};; esac\n"


def put(folder: Path, name: str, *, private: bool = False, old: bool = False) -> Path:
    program = folder / name
    program.write_text(PYTHON.format(private=int(private), old=int(old)))
    program.chmod(0o755)
    return program


def find(folder: Path, python: str = "") -> subprocess.CompletedProcess[str]:
    # The folder alone is the PATH, but for the few programs of the script itself.
    (folder / "id").write_text("#!/bin/sh\necho somebody\n")
    (folder / "id").chmod(0o755)
    return subprocess.run(
        ["/bin/sh", str(SCRIPT)], capture_output=True, text=True, check=False, env={"PATH": str(folder), "PYTHON": python}
    )  # fmt: skip


def test_one_that_others_cannot_run_is_passed_over(tmp_path: Path) -> None:
    put(tmp_path, "python3", private=True)
    expected = put(tmp_path, "python3.12")
    done = find(tmp_path)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, str(expected), "")


def test_an_old_one_is_passed_over(tmp_path: Path) -> None:
    put(tmp_path, "python3", old=True)
    expected = put(tmp_path, "python3.11")
    assert find(tmp_path).stdout.strip() == str(expected)


def test_the_one_that_was_asked_for_is_taken_or_refused(tmp_path: Path) -> None:
    put(tmp_path, "python3")
    own = put(tmp_path, "mine", private=True)
    assert find(tmp_path, str(own)).stdout.strip() == str(own)
    put(tmp_path, "mine", old=True)
    done = find(tmp_path, str(own))
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: PYTHON={own} is no Python >= 3.11")


@pytest.mark.skipif(
    Path("/usr/bin/python3").exists(), reason="this machine's own /usr/bin/python3 is found before it comes to that"
)
def test_a_private_one_is_taken_with_a_warning_where_there_is_no_other(tmp_path: Path) -> None:
    own = put(tmp_path, "python3", private=True)
    done = find(tmp_path)
    assert done.stdout.strip() == str(own)
    assert "only somebody can run" in done.stderr
