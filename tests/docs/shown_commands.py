"""The commands that a Markdown page shows, and what it says they print."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROMPT = "$ "
PROGRAM = "unishare "


@dataclass
class Shown:
    """A command of a page, and the lines shown below it (none: only its success is promised)."""

    line: int
    command: str
    output: list[str] = field(default_factory=list)

    @property
    def fails(self) -> bool:
        """Whether the page shows it failing."""
        return any(line.startswith("error: ") for line in self.output)


def shown_commands(page: Path) -> Iterator[Shown]:
    """All commands after a `$ ` in unnamed blocks, and the lines of `sh` blocks that run unishare, in order."""
    text = page.read_text(encoding="utf-8")
    for block in FENCE.finditer(text):
        current = None
        for number, line in enumerate(block[2].splitlines(), text[: block.start(2)].count("\n") + 1):
            if not block[1] and line.startswith(PROMPT):
                if current:
                    yield current
                current = Shown(number, line.removeprefix(PROMPT))
            elif block[1] == "sh" and line.startswith(PROGRAM):
                yield Shown(number, line)
            elif current:
                current.output.append(line)
        if current:
            yield current


def shown_files(page: Path) -> Iterator[tuple[str, str]]:
    """Blocks whose first line is a comment with a path, such as `# apps/spell/app.toml`: the file and its text."""
    for block in FENCE.finditer(page.read_text(encoding="utf-8")):
        first, _, rest = block[2].partition("\n")
        if found := re.fullmatch(r"(?:#|//|/\*) ([\w./-]+/[\w.-]+)(?: \*/)?", first):
            yield found[1], rest
