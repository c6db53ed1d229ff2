"""Identifiers say what they hold, in the field's terms: `library`, `section`, `cached`, not which sentence they came from."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src" / "unishare"
EMPTY = {"one", "some", "kept", "made", "gathered", "homeless", "thing", "stuff", "utils", "helpers", "manager"}


def identifiers(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Everything that a file gives a name to, and the line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name


def test_no_name_is_empty() -> None:
    found = [
        f"{file.relative_to(SOURCE)}:{line}: {name}"
        for file in sorted(SOURCE.rglob("*.py"))
        for line, name in identifiers(ast.parse(file.read_text()))
        if name.strip("_") in EMPTY
    ]
    assert not found, "\n".join(found)


def test_no_two_classes_have_one_name() -> None:
    places: dict[str, list[str]] = {}
    for file in sorted(SOURCE.rglob("*.py")):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(str(file.relative_to(SOURCE)))
    assert not {name: files for name, files in places.items() if len(files) > 1}
