"""Writing a population: a catalogue folder with an app for each function, the same bytes for the same seed.

The folder appears as a whole: it is written beside its place and then takes it. What is there is only ever replaced when it is a
population too.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from unishare.errors import BadInputError
from unishare.evaluation.population.pipeline import Draw, function, name
from unishare.state import replace_folder
from unishare.unfinished import unfinished_folder

MARK = "population.json"
# Number of functions written, and to write.
Progress = Callable[[int, int], None]


class Population(BaseModel):
    """`population.json`: what the folder was written from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["unishare-population"] = "unishare-population"
    version: Literal[1] = 1
    seed: int
    count: int

    def names(self) -> list[str]:
        """The apps."""
        return [name(self.seed, number) for number in range(self.count)]


def write(folder: Path, population: Population, progress: Progress) -> None:
    """Write a population to a folder, which a catalogue then finds its apps in."""
    _refuse_strange(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with unfinished_folder(folder.parent) as temporary:
        fresh = temporary / "population"
        fresh.mkdir()
        for number in range(population.count):
            progress(number, population.count)
            _write_function(fresh / "apps", population.seed, number)
        (fresh / MARK).write_text(population.model_dump_json(indent=2) + "\n", encoding="utf-8")
        replace_folder(fresh, folder)
    progress(population.count, population.count)


def _write_function(apps: Path, seed: int, number: int) -> None:
    draw = Draw(seed, number)
    generated = function(seed, number, draw.code)
    folder = apps / generated.name
    folder.mkdir(parents=True)
    for file, content in generated.files(draw.requests).items():
        (folder / file).write_bytes(content)


def _refuse_strange(folder: Path) -> None:
    """Replace nothing that is not ours."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise BadInputError(f"{folder} is not a folder", "Give -o the name of a folder to make.")
    if not any(folder.iterdir()):
        folder.rmdir()
        return
    try:
        Population.model_validate_json((folder / MARK).read_bytes())
    except FileNotFoundError:
        raise BadInputError(
            f"{folder} holds files, but no {MARK}: it is not a population", "Give -o another folder, or empty this one."
        ) from None
    except ValidationError as error:
        raise BadInputError(
            f"{folder / MARK}: {error.errors()[0]['msg']}", "Give -o another folder, or remove this one."
        ) from None
