"""Scenario files: all that come with the package are sound; a wrong field is named with file and place."""

from __future__ import annotations

from pathlib import Path

import pytest

from unishare.errors import BadInputError, NotFoundError
from unishare.evaluation.run.plan import plan, size_of
from unishare.evaluation.run.preparation import needs
from unishare.evaluation.run.product import REQUEST_FIELDS, lacks, start_options
from unishare.evaluation.scenario import SIZES, Configuration, find_scenario, read_scenario, scenario_names

SOUND = """
scenario = "mine"
kind = "growth"
title = "t"
question = "q"
full = { instances = 10, functions = 10, step = 5 }
quick = { instances = 4, functions = 4, step = 2 }
tiny = { instances = 2, functions = 2, step = 1 }
[[configuration]]
layout = "dce"
sharing = "copy"
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "mine.toml"
    file.write_text(text)
    return file


def test_all_scenarios_are_sound_in_all_sizes() -> None:
    names = scenario_names()
    assert set(names) == {"memory", "growth", "tlb", "sizes", "speed", "start", "libraries", "deduplication", "scale", "peers"}
    scenarios = [find_scenario(name) for name in names]
    assert [scenario.scenario for scenario in scenarios] == names
    for size in SIZES:
        parts = plan(scenarios, size)  # type: ignore[arg-type]
        assert [part.round for part in parts] == sorted(part.round for part in parts)
        assert len({part.name.stem + part.name.scenario for part in parts}) == len(parts), "two parts would share a file"
        assert all(part.seconds() > 0 for part in parts)
    assert needs(plan(scenarios, "full")).functions[7, "aslr"] == 1000


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('layout = "dce"', 'layout = "dec"', r"configuration\.0\.layout"),
        ("step = 5", "steps = 5", r"full\.step"),
        ("instances = 10", "instances = 1001", r"full\.instances"),
        ('kind = "growth"', 'kind = "shrinkage"', "shrinkage"),
        ('question = "q"', 'question = "q"\nanswer = 1', "answer"),
        ('title = "t"', 'title = "t', "not TOML"),
        (
            'sharing = "copy"',
            'sharing = "copy"\n[[configuration]]\nlayout = "dce"\nsharing = "copy"',
            "two configurations are the same: dce",
        ),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in SOUND
    file = written(tmp_path, SOUND.replace(old, new, 1))
    with pytest.raises(BadInputError, match=said) as failure:
        read_scenario(file)
    assert str(file) in failure.value.message


def test_a_file_of_ones_own_is_a_scenario(tmp_path: Path) -> None:
    scenario = find_scenario(str(written(tmp_path, SOUND)))
    assert [part.name.configuration for part in plan([scenario], "full")] == ["dce"]
    assert size_of(scenario, "full", 3).functions == 3
    with pytest.raises(BadInputError, match=r"No such file"):
        find_scenario(str(tmp_path / "nothing.toml"))
    with pytest.raises(NotFoundError, match="no scenario 'memroy'"):
        find_scenario("memroy")


def test_titles_tell_configurations_apart() -> None:
    assert Configuration(floor=True).title == "floor process"
    assert Configuration(layout="aslr", tender="kvm", park=True).title == "pool aslr parked kvm"
    assert Configuration(layout="dce", sharing="ksm", ksm="published").title == "dce+ksm published"


def test_an_option_that_the_product_lacks_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lacks(Configuration()) is None
    monkeypatch.setattr(
        "unishare.evaluation.run.product.REQUEST_FIELDS", (("park", False, "no_such_field", True), *REQUEST_FIELDS[:0])
    )
    assert "park = True" in (lacks(Configuration(park=True)) or "")


def test_what_is_measured_unparked_stays_so() -> None:
    assert start_options(Configuration(tender="kvm"), None)["park_ms"] == 0
    assert start_options(Configuration(tender="kvm", park=True), None)["park_ms"] > 0
    assert start_options(Configuration(give_back=False), None)["quiet_ms"] == 0
    assert "sharing must be pool" in (lacks(Configuration(sharing="copy", start="snapshot")) or "")
