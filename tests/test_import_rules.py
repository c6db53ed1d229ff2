"""The folders are the pipeline: a room imports only rooms before it, and no two files import each other in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "unishare"
# In the order in which data flows. What a room may import: itself, and what stands before it.
ROOMS = (
    "errors",
    "unfinished",
    "state",
    "settings",
    "monitor_program",
    "formats",
    "toolchain.recipes",
    "toolchain.tools",
    "toolchain.sources",
    "toolchain.objects",
    "toolchain.map",
    "toolchain.link",
    "toolchain.build",
    "pool",
    "fleet",
    "host",
    "inspect",
    "evaluation",
    "cli",
    "__main__",
)
# What a room must not import though it stands before it.
FORBIDDEN = {
    "formats": ("state", "settings", "monitor_program"),
    "host": ("toolchain", "pool", "fleet"),
}


def modules() -> dict[str, Path]:
    """All modules of the package, by the name under `unishare`."""
    found = {}
    for file in SOURCE.rglob("*.py"):
        parts = file.relative_to(SOURCE).with_suffix("").parts
        if parts[0] in ("catalog", "guest"):
            continue
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


MODULES = modules()


def imports(module: str, *, at_load: bool) -> Iterator[str]:
    """The modules of ours that a module imports; `at_load`: only those that its loading needs."""
    tree = ast.parse(MODULES[module].read_text())
    nodes = statements(tree) if at_load else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "unishare":
            origin = (node.module or "").removeprefix("unishare").removeprefix(".")
            for alias in node.names:
                name = f"{origin}.{alias.name}".lstrip(".")
                yield name if name in MODULES else origin


def statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """What is executed when a module is loaded, without what only a type checker reads."""
    for node in tree.body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node


def room(module: str) -> str:
    """The room a module stands in."""
    return next((name for name in ROOMS if module == name or module.startswith(f"{name}.")), "")


@pytest.mark.parametrize("module", sorted(name for name in MODULES if name not in ("", "toolchain")))
def test_a_room_imports_only_rooms_before_it(module: str) -> None:
    own = room(module)
    assert own, f"{module} stands in no room: put it into one, or add the room to ROOMS and docs/architecture.md"
    for target in imports(module, at_load=False):
        if target in ("", "toolchain"):
            continue
        there = room(target)
        assert ROOMS.index(there) <= ROOMS.index(own), f"{module} imports {target}, which stands after it"
        assert not target.startswith(FORBIDDEN.get(own.split(".")[0], ("-",))), f"{module} imports {target}"


def test_evaluation_is_loaded_only_when_asked_for() -> None:
    for module in MODULES:
        if module.startswith("cli"):
            assert not [name for name in imports(module, at_load=True) if name.startswith("evaluation")], module


def test_no_circle_of_files() -> None:
    done: set[str] = set()

    def walk(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, "circle: " + " -> ".join([*path[path.index(module) :], module])
        if module not in done:
            for target in imports(module, at_load=False):
                if target != module:
                    walk(target, (*path, module))
            done.add(module)

    for module in sorted(MODULES):
        walk(module, ())


def test_the_architecture_page_names_every_room() -> None:
    page = (SOURCE.parents[1] / "docs" / "architecture.md").read_text()
    for name in ROOMS:
        assert f"`{name.replace('.', '/')}" in page or ("." not in name and f"`{name}" in page), (
            f"docs/architecture.md does not name {name}"
        )
