"""The line of a field: in its table, in the right one of an array of tables, or the nearest that there is."""

from __future__ import annotations

import pytest

from unishare.toolchain.recipes.toml_lines import line_of_field

TEXT = """\
# a recipe
name = "app"
run.heap = 4096

[build]
files = [
    "a.c",
]
[source]
provider = "debian"

[[example]]
request = "one"
[[example]]
request = "two"
status = 300
[files]
"/app/a.b" = "a"
"""


@pytest.mark.parametrize(
    ("parts", "line"),
    [
        (("name",), 2),
        (("run", "heap"), 3),
        (("build", "files", 0), 6),
        (("build", "nothing"), 5),
        (("source", "provider"), 10),
        (("source", "sha256"), 9),
        (("example", 0, "request"), 13),
        (("example", 1, "request"), 15),
        (("example", 1, "status"), 16),
        (("files", "/app/a.b"), 18),
        (("missing",), 1),
    ],
)
def test_the_line_of_a_field(parts: tuple[str | int, ...], line: int) -> None:
    assert line_of_field(TEXT, parts) == line
