"""The page on the guest's C interfaces is what its headers say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_is_what_the_headers_say() -> None:
    command = [sys.executable, str(ROOT / "packaging" / "c-reference"), "--print"]
    page = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    assert (ROOT / "docs" / "c-api.md").read_text(encoding="utf-8") == page, "make c-reference writes it again"


def test_it_has_every_function_of_every_public_header() -> None:
    page = (ROOT / "docs" / "c-api.md").read_text(encoding="utf-8")
    for header in (ROOT / "src" / "unishare" / "guest").glob("*/include/unishare/*.h"):
        assert f"<unishare/{header.name}>" in page, f"{header.name} is not in packaging/c-reference"
    for name in (
        "unishare_serve",
        "unishare_answer_printf",
        "unishare_files_open",
        "unishare_pages_protect",
        "UNISHARE_CALL_PROTECT",
    ):
        assert name in page
