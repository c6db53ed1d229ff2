"""Populations as folders and as code: the same for the same seed, different in every part, made of what the catalogue has."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from unishare.errors import BadInputError
from unishare.evaluation.population.expression import ExpressionLanguage, draw_expression
from unishare.evaluation.population.pipeline import LONGEST, SHORTEST, Draw, function
from unishare.evaluation.population.project import BASE_LIBRARIES, GeneratedFunction
from unishare.evaluation.population.registry import INTAKES, LIBRARY_STEPS, PLAIN_STEPS
from unishare.evaluation.population.shapes import Shape, fits
from unishare.evaluation.population.step import Step
from unishare.evaluation.population.write import Population, write
from unishare.toolchain.recipes.catalog import Catalog
from unishare.toolchain.recipes.closure import libraries_of

ALL_STEPS: tuple[type[Step], ...] = (*INTAKES, *PLAIN_STEPS, *LIBRARY_STEPS)
SAMPLE = 400


def sample(seed: int) -> list[GeneratedFunction]:
    return [function(seed, number, Draw(seed, number).code) for number in range(SAMPLE)]


def tree(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def written(folder: Path, seed: int, count: int) -> dict[str, bytes]:
    write(folder, Population(seed=seed, count=count), lambda *_: None)
    return tree(folder)


# The folder.


def test_the_same_seed_gives_the_same_bytes_and_a_larger_population_begins_with_the_smaller(tmp_path: Path) -> None:
    small, again, large = (written(tmp_path / name, 3, count) for name, count in (("a", 20), ("b", 20), ("c", 30)))
    assert small == again
    del small["population.json"]
    assert small.items() <= large.items()


@pytest.mark.parametrize("flags", [["-O"], ["-OO"], ["-X", "utf8=0"], ["-I"]])
def test_how_the_interpreter_is_called_changes_no_byte(tmp_path: Path, flags: list[str]) -> None:
    program = (
        f"import sys; sys.path[:0] = {[path for path in sys.path if path]!r}\n"
        "from pathlib import Path\nfrom unishare.evaluation.population.write import Population, write\n"
        f"write(Path({str(tmp_path / 'there')!r}), Population(seed=3, count=40), lambda *_: None)"
    )
    subprocess.run([sys.executable, *flags, "-c", program], check=True)
    assert tree(tmp_path / "there") == written(tmp_path / "here", 3, 40)


def test_another_seed_gives_other_functions(tmp_path: Path) -> None:
    def without_names(files: dict[str, bytes]) -> set[str]:
        return {re.sub(r"p\d+-\d{4}", "", text.decode("latin-1")) for file, text in files.items() if file.endswith("main.c")}

    assert not without_names(written(tmp_path / "a", 3, 20)) & without_names(written(tmp_path / "b", 4, 20))


def test_a_catalogue_reads_the_folder_and_every_request_has_its_answer(tmp_path: Path) -> None:
    written(tmp_path / "folder", 5, 60)
    catalog = Catalog([tmp_path / "folder"])
    for name in Population(seed=5, count=60).names():
        app = catalog.app(name)
        assert libraries_of(catalog, app)
        # They keep nothing between requests (test_oracle.py asks each twice), so they start from snapshots.
        assert app.state == "none" and app.wanted_snapshots is not None
        assert [one.status == 0 for one in app.example] == [True, True, False]
        assert all((one.request is None) != (one.request_hex is None) for one in app.example)
        assert all((one.answer is None) != (one.answer_hex is None) for one in app.example)


def test_a_folder_that_is_no_population_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    with pytest.raises(BadInputError, match="not a population"):
        written(tmp_path / "thesis", 1, 1)
    (tmp_path / "thesis" / "population.json").write_text("{}")
    with pytest.raises(BadInputError, match=r"population\.json"):
        written(tmp_path / "thesis", 1, 1)
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "years of work"


def test_a_population_is_replaced_as_a_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    written(tmp_path / "folder", 1, 5)
    assert written(tmp_path / "folder", 2, 3) == written(tmp_path / "other", 2, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "other"]


# The functions.


def test_functions_differ_in_code_and_not_only_in_constants() -> None:
    shapes = Counter(
        re.sub(r"\b(0x[0-9a-f]+|\d+)u?(ll)?\b|\"[^\"\n]*\"|'.'|p\d+-\d+", "?", made.source()) for made in sample(6)
    )
    assert max(shapes.values()) == 1


def test_pipelines_have_the_promised_length_and_every_step_takes_what_it_gets() -> None:
    for made in sample(7):
        assert SHORTEST <= len(made.steps) <= LONGEST
        shape = Shape.BYTES
        for step in made.steps:
            assert fits(shape, step.takes)
            shape = step.gives


def test_every_step_is_drawn_and_most_functions_call_libraries() -> None:
    drawn = [made for seed in (8, 9) for made in sample(seed)]
    assert {type(step) for made in drawn for step in made.steps} == set(ALL_STEPS)
    sets = Counter(tuple(made.libraries[len(BASE_LIBRARIES) :]) for made in drawn)
    assert sets[()] < 0.2 * len(drawn)
    assert len(sets) > 0.3 * len(drawn)


def test_there_are_many_kinds_of_work_on_many_libraries() -> None:
    assert len(ALL_STEPS) >= 16
    assert len({library for step in ALL_STEPS for library in step.libraries}) >= 16


@pytest.mark.parametrize("step", ALL_STEPS, ids=lambda step: step.__name__)
def test_the_catalogue_has_the_libraries_of_a_step(step: type[Step]) -> None:
    missing = {*BASE_LIBRARIES, *step.libraries} - set(Catalog().library_names())
    assert not missing, f"{step.__name__} needs {', '.join(missing)}: write the recipe, or take the step off the registry"


@pytest.mark.parametrize("intake", INTAKES, ids=lambda intake: intake.__name__)
def test_an_intake_takes_good_requests_and_refuses_bad_ones(intake: type[Step]) -> None:
    for number in range(100):
        draw = Draw(10, number)
        made = GeneratedFunction("one", intake(draw.code), [])  # type: ignore[arg-type]
        assert [one.status == 0 for one in made.answers(draw.requests)] == [True, True, False]


def test_expressions_mean_the_same_in_sql_and_python() -> None:
    import sqlite3

    database = sqlite3.connect(":memory:")
    random = Draw(11, 0).code
    for _ in range(300):
        expression = draw_expression(random, ["x", "i"], random.randint(0, 7))
        x, i = random.randint(0, 2**32 - 1), random.randint(0, 300)
        query = f"SELECT {expression.text(ExpressionLanguage.SQL)} FROM (SELECT ? AS x, ? AS i)"
        assert database.execute(query, (x, i)).fetchone() == (expression.evaluate({"x": x, "i": i}),)
