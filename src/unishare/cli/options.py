"""Options that several commands share, and the types of their values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from unishare.cli.numbers import SECONDS
from unishare.cli.session import note
from unishare.errors import HostLacksError
from unishare.fleet.messages import Sharing, StartRequest, Tender
from unishare.formats.addresses import PAGE
from unishare.formats.layouts import DEFAULT_LAYOUT, LAYOUTS
from unishare.formats.sizes import parse_size

if TYPE_CHECKING:
    from unishare.fleet.references import ImageReference


class ByteSize(click.ParamType[Any]):
    """`64M`, `1g`, `65536`: bytes, rounded up to whole pages."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            size = parse_size(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not 0 < size < 1 << 40:
            self.fail(f"{value!r} is out of range", param, ctx)
        return -(-size // PAGE) * PAGE


class Assignment(click.ParamType[Any]):
    """`NAME=value`."""

    name = "assignment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        key, equals, text = str(value).partition("=")
        if not equals or not key:
            self.fail(f"{value!r} is not NAME=value", param, ctx)
        return key, text


layout_option = click.option(
    "--layout", type=click.Choice(LAYOUTS), default=DEFAULT_LAYOUT, show_default=True, help="How images are linked."
)
layouts_option = click.option(
    "--layout", "layouts", type=click.Choice(LAYOUTS), multiple=True, default=(DEFAULT_LAYOUT,), show_default=True,
    help="How images are linked; may be repeated.",
)  # fmt: skip
tender_option = click.option(
    "--tender",
    type=click.Choice(["kvm", "process"]),
    help="What confines an instance: a virtual machine or a seccomp process. Default: kvm where /dev/kvm is usable.",
)
sharing_option = click.option(
    "--sharing",
    type=click.Choice(get_args(Sharing)),
    default="pool",
    show_default=True,
    help="How memory is filled: pages shared from the pool, private copies as stock monitors make them, or copies that the kernel may merge (KSM).",
)
time_limit_option = click.option("--time-limit", type=SECONDS, metavar="S", help="Seconds a request may take.")
cpu_limit_option = click.option(
    "--cpu-limit",
    type=click.IntRange(1, 1_000_000_000),
    metavar="S",
    help="Seconds of processor time in an instance's life. Default: no limit.",
)
log_limit_option = click.option(
    "--log-limit",
    type=ByteSize(),
    metavar="SIZE",
    help="What an instance's console may have, such as 1M. With --detach, of its log, whose older part is set aside once: 8M by"
    " default. In the foreground, of a file that it is redirected to: 64M.",
)
memory_option = click.option(
    "--memory", type=ByteSize(), metavar="SIZE", help="Heap of an instance, such as 64M. Default: the image's own."
)


seed_option = click.option(
    "--seed",
    type=click.IntRange(0, (1 << 64) - 1),
    metavar="N",
    help="Debugging only: draw an aslr image's addresses from N, so that they are the same again.",
)


gaps_option = click.option(
    "--gaps",
    type=click.IntRange(0, 100_000),
    metavar="PAGES",
    help="Pages between an aslr image's parts in all: more makes their distances harder to guess, and costs page tables. Default: 512.",
)


fresh_option = click.option(
    "--fresh", is_flag=True, help="Start the image itself, at addresses of a fresh draw, even if it has snapshots."
)


def with_snapshots(request: StartRequest, fresh: bool) -> StartRequest:
    """The request to start from a snapshot, if the image has some and nothing asks for an instance that is not like them."""
    changed = (request.memory, request.seed, request.gaps, request.argv, request.env)
    if fresh or request.manifest is None or request.sharing != "pool" or any(value is not None for value in changed):
        return request
    from unishare.formats.snapshot import snapshots_of

    found = [str(file) for file in snapshots_of(Path(request.manifest))]
    return request.model_copy(update={"snapshots": found}) if found else request


def refuse_useless_seed(image: ImageReference, seed: int | None) -> None:
    """A seed for an image of fixed addresses would promise what nobody keeps."""
    if seed is None:
        return
    from unishare.formats.manifest import Manifest

    layout = Manifest.read(image.manifest).layout
    if layout != "aslr":
        raise click.UsageError(
            f"--seed draws addresses again, and {image.name} is built as {layout}, whose addresses are fixed; "
            f"'unishare build {image.name} --layout aslr' makes aslr:{image.name}"
        )


def warn_of_seed(seed: int | None) -> None:
    """Say what a seed means, where the monitor's own warning goes to a log."""
    if seed is not None:
        note(
            f"warning: --seed {seed}: NOT RANDOM: whoever knows this number knows every address of the instances. "
            "For debugging only."
        )


def image_or_own(named: str | None) -> str:
    """The image that was named, or in a project folder the project's own."""
    if named is not None:
        return named
    from unishare.toolchain.recipes.catalog import Catalog

    own = Catalog.from_here().own_apps()
    if not own:
        raise click.UsageError("name an image; only in a project folder (one with app.toml) it can be left out")
    return own[0].name


def choose_tender(wanted: str | None) -> Tender:
    """The tender to use; says on stderr when it has to be the second best."""
    from unishare.host.doctor import kvm_problem

    if wanted == "process":
        return "process"
    problem = kvm_problem()
    if problem is None:
        return "kvm"
    if wanted == "kvm":
        raise HostLacksError(
            f"there is no kvm tender here: {problem}", "use --tender process; 'unishare doctor' says what to do"
        )
    note(f"note: using the process tender: {problem}")
    return "process"


def milliseconds(seconds: float | None) -> int | None:
    """The protocol's unit of time, at least 1."""
    return None if seconds is None else max(1, round(seconds * 1000))
