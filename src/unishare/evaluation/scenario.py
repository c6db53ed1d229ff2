"""A scenario of the evaluation: one small TOML file in `scenarios/`, checked before anything is measured.

A file says what is asked, of which configurations, and how large each of three sizes is: `full` is what is published, `quick` a look of
minutes, `tiny` a test of the machinery. Unknown keys are errors; an error names the file and the field.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from unishare.errors import BadInputError, NotFoundError
from unishare.fleet.messages import Sharing, Tender
from unishare.formats.layouts import LayoutName

FOLDER = Path(__file__).with_name("scenarios")
SIZES = ("full", "quick", "tiny")
SizeName = Literal["full", "quick", "tiny"]
# More at one moment, and ending them all can block the kernel's work queue for seccomp filters (docs/evaluation.md, Safety).
MOST_INSTANCES = 1000


class Strict(BaseModel):
    """Unknown keys are errors, and nothing changes after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Configuration(Strict):
    """How instances are built and run. `floor`: empty instances, which no sharing can make smaller.

    `start`: from the image, or from its snapshot. `state`: none: back to the snapshot after each answer. `park`: an idle machine
    is given back. `give_back`: freed memory goes back to the host.
    """

    name: str = ""
    layout: LayoutName = "default"
    tender: Tender = "process"
    sharing: Sharing = "pool"
    floor: bool = False
    start: Literal["image", "snapshot"] = "image"
    state: Literal["kept", "none"] = "kept"
    park: bool = False
    give_back: bool = True
    ksm: Literal["published", "aggressive"] = "aggressive"
    repeat: Annotated[int, Field(ge=1)] | None = None

    @property
    def title(self) -> str:
        """How figures and files name it."""
        if self.name:
            return self.name
        if self.floor:
            return f"floor parked {self.tender}" if self.park else f"floor {self.tender}"
        shared = {"pool": f"pool {self.layout}", "copy": self.layout, "ksm": f"{self.layout}+ksm"}[self.sharing]
        extras = [self.start] * (self.start == "snapshot") + ["reset"] * (self.state == "none") + ["parked"] * self.park
        extras += ["published"] * (self.sharing == "ksm" and self.ksm == "published")
        extras += ["keeping"] * (not self.give_back)
        return " ".join([shared, *extras, *(["kvm"] if self.tender == "kvm" else [])])


class Size(Strict):
    """How much is measured. `functions`: how many different ones the instances are of; 0: the catalogue's, as the scenario lists them."""

    instances: Annotated[int, Field(ge=1, le=MOST_INSTANCES)] = 1
    functions: Annotated[int, Field(ge=0, le=MOST_INSTANCES)] = 0
    rounds: Annotated[int, Field(ge=1, le=100)] = 1


class MemorySize(Size):
    """Seconds of requests as a trace shapes them, and seconds without any."""

    trace_s: Annotated[float, Field(ge=0)]
    idle_s: Annotated[float, Field(ge=0)]


class StepSize(Size):
    """Readings after each `step` instances."""

    step: Annotated[int, Field(ge=1)]


class ScaleSize(StepSize):
    """Beside N: `kinds`, numbers of different functions at a fixed fleet of `mixed` instances."""

    kinds: list[Annotated[int, Field(ge=1)]]
    mixed: Annotated[int, Field(ge=1, le=MOST_INSTANCES)]


class WorkSize(Size):
    """`requests` an instance answers; over `seconds` in all."""

    requests: Annotated[int, Field(ge=1)]
    seconds: Annotated[float, Field(ge=0)] = 0


class BurnSize(Size):
    """`limit_s`: how long KSM may take until it has converged."""

    limit_s: Annotated[float, Field(gt=0)]


class _Common(Strict):
    scenario: Annotated[str, Field(pattern=r"^[a-z]+$")]
    title: str
    question: str
    seed: int = 7
    configuration: list[Configuration] = []
    apps: list[str] = []

    @model_validator(mode="after")
    def _check(self) -> _Common:
        titles = [configuration.title for configuration in self.configuration]
        double = {title for title in titles if titles.count(title) > 1}
        if double:
            raise ValueError(f"two configurations are the same: {', '.join(sorted(double))}")
        return self


class GrowthScenario(_Common):
    kind: Literal["growth"]
    full: StepSize
    quick: StepSize
    tiny: StepSize


class MemoryScenario(_Common):
    kind: Literal["memory"]
    full: MemorySize
    quick: MemorySize
    tiny: MemorySize


class TlbScenario(_Common):
    kind: Literal["tlb"]
    full: WorkSize
    quick: WorkSize
    tiny: WorkSize


class SizesScenario(_Common):
    kind: Literal["sizes"]
    full: Size
    quick: Size
    tiny: Size


class SpeedScenario(_Common):
    kind: Literal["speed"]
    full: WorkSize
    quick: WorkSize
    tiny: WorkSize


class StartScenario(_Common):
    kind: Literal["start"]
    full: Size
    quick: Size
    tiny: Size


class LibrariesScenario(_Common):
    kind: Literal["libraries"]
    full: Size
    quick: Size
    tiny: Size


class DeduplicationScenario(_Common):
    kind: Literal["deduplication"]
    full: BurnSize
    quick: BurnSize
    tiny: BurnSize


class ScaleScenario(_Common):
    kind: Literal["scale"]
    full: ScaleSize
    quick: ScaleSize
    tiny: ScaleSize


class PeersScenario(_Common):
    """`peers`: what others run functions in, beside the configurations."""

    kind: Literal["peers"]
    peers: list[Literal["static", "crun", "wasmtime", "node", "python"]]
    full: Size
    quick: Size
    tiny: Size


Scenario = Annotated[
    GrowthScenario | MemoryScenario | TlbScenario | SizesScenario | SpeedScenario | StartScenario | LibrariesScenario
    | DeduplicationScenario | ScaleScenario | PeersScenario,
    Field(discriminator="kind"),
]  # fmt: skip
_ADAPTER: TypeAdapter[Scenario] = TypeAdapter(Scenario)


def read_scenario(file: Path) -> Scenario:
    """Read one file."""
    try:
        fields = tomllib.loads(file.read_text(encoding="utf-8"))
        return _ADAPTER.validate_python(fields)
    except OSError as error:
        raise BadInputError(f"{file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInputError(f"{file}: not TOML: {error}") from None
    except ValidationError as error:
        lines = [
            f"{file}: {_place(detail['loc'])}: {detail['msg'].removeprefix('Value error, ')}" for detail in error.errors()[:8]
        ]
        raise BadInputError("\n".join(lines), "docs/evaluation.md describes the fields of a scenario") from None


def scenario_names() -> list[str]:
    """The scenarios that come with the package, in the order in which they are measured."""
    return [file.stem.partition("-")[2] for file in sorted(FOLDER.glob("*.toml"))]


def find_scenario(name: str) -> Scenario:
    """By name, or a file of one's own."""
    if name.endswith(".toml"):
        return read_scenario(Path(name))
    files = {file.stem.partition("-")[2]: file for file in FOLDER.glob("*.toml")}
    if name not in files:
        raise NotFoundError(f"there is no scenario {name!r}", f"there are: {', '.join(scenario_names())}; or give a .toml file")
    return read_scenario(files[name])


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "the file"
