"""Do the symbols of an image fit together? The messages name libraries and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from unishare.errors import BuildError
from unishare.toolchain.link.symbols import check
from unishare.toolchain.objects.cache import UnitFacts, UnitObject


def unit(name: str, strong: Sequence[str] = (), undefined: Sequence[str] = (), weak: Sequence[str] = ()) -> UnitObject:
    facts = UnitFacts(
        digest=name, windows={}, constructors=0, destructors=0, thread_local=False,
        strong=list(strong), weak=list(weak), undefined=list(undefined),
    )  # fmt: skip
    return UnitObject(name, "1", Path(name), facts)


APP = unit("app", ["main"], ["parse"])


def failure(
    units: Sequence[UnitObject], entry: Sequence[str] = (), allowed: Sequence[str] = (), known: Sequence[UnitObject] = ()
) -> BuildError:
    with pytest.raises(BuildError) as caught:
        check(units, entry, allowed, known)
    return caught.value


def test_what_fits_is_accepted() -> None:
    check([APP, unit("parser", ["parse"], ["alloc"]), unit("libc", weak=["alloc"])], ["main"], [], [])


def test_what_the_linker_script_defines_is_not_missing() -> None:
    check([unit("libc", ["main"], ["__init_array_start", "__init_array_end", "unishare_image_table"])], ["main"], [], [])


def test_an_undefined_symbol_names_users_and_providers() -> None:
    error = failure([APP, unit("tool", [], ["parse"])], known=[unit("parser", ["parse"]), unit("other", weak=["parse"])])
    assert error.message == "undefined symbol parse: needed by app, tool; parser or other could provide it"
    assert error.hint == "Add to `libraries` (app) or `link.needs` (library): parser."


def test_an_undefined_symbol_that_nobody_has_says_so() -> None:
    error = failure([APP])
    assert error.message == "undefined symbol parse: needed by app"
    assert "No library compiled in this home so far defines it" in str(error.hint)


def test_an_allowed_symbol_may_be_missing() -> None:
    check([APP], ["main"], ["parse"], [])


def test_an_image_needs_a_main() -> None:
    error = failure([unit("libc", ["start"])], entry=["main"], known=[unit("lua-function", ["main"])])
    assert error.message == "undefined symbol main: needed by the image's entry; lua-function could provide it"


def test_main_may_be_a_librarys() -> None:
    check([unit("lua-function", ["main"])], ["main"], [], [])


def test_a_symbol_that_two_define_names_both() -> None:
    error = failure([unit("app", ["main", "a"]), unit("runner", ["main"]), unit("third", ["a"])])
    assert error.message.splitlines() == [
        "symbols are defined twice:",
        "a: defined by app and by third",
        "main: defined by app and by runner",
    ]
    assert "exclude the file" in str(error.hint)


def test_a_weak_and_a_strong_definition_go_together() -> None:
    check([unit("app", ["main", "hook"]), unit("libc", weak=["hook"])], ["main"], [], [])


def test_a_long_list_ends_after_one_screen() -> None:
    error = failure([unit("app", [], [f"s{number:02}" for number in range(50)])])
    assert len(error.message.splitlines()) == 13
    assert error.message.endswith("... and 38 more")
