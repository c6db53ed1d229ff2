"""`unishare inspect` and `unishare sizes`: what an image is made of, where an instance lies, and what layouts cost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from unishare.cli.names import app_argument, image_argument
from unishare.cli.session import Session, bytes_text, json_option, pass_session, print_json, print_table

if TYPE_CHECKING:
    from unishare.fleet.messages import Bases, Instance, Stats
    from unishare.formats.manifest import Manifest


@click.command()
@image_argument("image", metavar="IMAGE-OR-INSTANCE")
@click.option("--why", is_flag=True, help="List library pages that are not the shared ones, and what makes them differ.")
@json_option
@pass_session
def inspect(session: Session, image: str, why: bool, as_json: bool) -> None:
    """Show an image's extents: address, size, rights, library, and who else shares each of them.

    For an aslr image also what each library shares under random addresses, and what is private to every instance. Given the name
    of a running instance: its state, what it costs, and where its modules lie.

    \b
    Examples:
      unishare inspect sql
      unishare inspect sql --why
      unishare inspect aslr:sql
      unishare inspect sql-1
    """
    from unishare.fleet.references import resolve
    from unishare.formats.manifest import Manifest
    from unishare.inspect.random_addresses import as_json as shares_as_json
    from unishare.inspect.sharing import label, pages_of, users_of_pages
    from unishare.pool.store import Pool

    instance = asyncio.run(_instance(session, image))
    if instance is not None:
        _print_instance(*instance, as_json)
        return
    reference = resolve(image, session.settings)
    manifest = Manifest.read(reference.manifest)
    pool = Pool.open(session.settings.pool)
    if why:
        _explain(session, manifest, pool, as_json)
        return
    users = users_of_pages(pool.images())
    rows = []
    for extent in manifest.extents:
        others = {user for page in pages_of(extent) for user in users.get(page, set())} - {label(manifest)}
        rows.append({**extent.model_dump(exclude={"module", "frame"}), "shared_with": sorted(others)})
    if as_json:
        found = {"image": label(manifest), "entry": manifest.entry, "extents": rows}
        print_json({**found, "random_addresses": shares_as_json(manifest)} if manifest.modules else found)
        return
    print_table(
        ["address", "pages#", "rights", "library", "section", "shared with"],
        [
            [row["address"], row["pages"], row["rights"], row["library"] or "-", row["section"], _others(row["shared_with"])]
            for row in rows
        ],
        title=f"{label(manifest)}: entry {manifest.entry}, {bytes_text(sum(row['pages'] for row in rows) * 4096)}",
    )
    if manifest.modules:
        _print_shares(manifest)


@click.command()
@app_argument("apps", metavar="[APP...]", nargs=-1)
@json_option
@pass_session
def sizes(session: Session, apps: tuple[str, ...], as_json: bool) -> None:
    """Compare layouts: bytes on disk, sections, pages, and what the pooled image adds to the disk.

    Shows what is built of APPs (default: the catalogue and the project). Build first: unishare build --all --layout default, dce, aligned.
    """
    from unishare.inspect.sizes import compare, geometric_means, ratios_of_apps
    from unishare.toolchain.recipes.catalog import Catalog

    rows = compare(session.settings, apps or Catalog.from_here().app_names())
    ratios = ratios_of_apps(rows)
    if as_json:
        print_json({"rows": [row.__dict__ for row in rows], "ratios": geometric_means(ratios)})
        return
    adds = ratios.get("aligned adds/dce loaded", {})
    print_table(
        ["app", "layout", "file#", "loaded#", "text#", "rodata#", "data#", "bss#", "holes#", "pages#", "adds#", "adds/dce#", "tables#"],
        [
            [row.app, row.layout,
             *(bytes_text(value) for value in (row.file, row.loaded, row.text, row.rodata, row.data, row.bss, row.holes)), row.pages,
             bytes_text(row.added), f"{adds[row.app]:.2f}" if row.layout == "aligned" and row.app in adds else "-", bytes_text(row.tables)]
            for row in rows
        ],
    )  # fmt: skip
    for name, value in geometric_means(ratios).items():
        click.echo(f"{name}: {value:.3f} (geometric mean, at most {max(ratios[name].values()):.3f})")
    click.echo("loaded: the file without symbols and debug information; holes: headers and padding in it")
    click.echo("adds: the pooled image's manifest and own runs; tables: KVM page tables, divided by images of the same shape")


async def _instance(session: Session, name: str) -> tuple[Instance, Stats, Bases] | None:
    """The instance of that name, what it costs and where it lies; None when there is none."""
    from unishare.fleet import launcher

    control = await launcher.running_or_none(session.settings)
    if control is None:
        return None
    async with control:
        for instance in await control.list():
            if instance.instance == name:
                return instance, await control.stats(name), await control.bases(name)
    return None


def _print_instance(instance: Instance, cost: Stats, bases: Bases, as_json: bool) -> None:
    if as_json:
        print_json({"instance": instance.instance, "state": instance.state, "memory": cost.model_dump(), **bases.model_dump()})
        return
    click.echo(
        f"{instance.instance}: {instance.state} under {instance.tender} after {instance.invocations} requests; "
        f"{bytes_text(cost.own)} of its own, {bytes_text(cost.page_tables)} of page tables, "
        f"{bytes_text(cost.pss)} when what it shares is divided among those who share it"
    )
    how = "linked there" if not bases.random else "drawn" if bases.seed is None else f"drawn from the seed {bases.seed}"
    print_table(
        ["module", "base#", "symbols in"],
        [[module.module, module.base, module.file or "(its file is gone)"] for module in bases.modules],
        title=f"{instance.instance}: addresses {how}; 'unishare gdb {instance.instance}' loads symbols there",
    )


def _print_shares(manifest: Manifest) -> None:
    from unishare.inspect.random_addresses import shares, totals

    print_table(
        ["library", "shared code#", "shared constants#", "tables#", "data#", "in the instance's frames#"],
        [
            [row.library, row.shared_code, row.shared_constants, row.tables, row.data, _numbers(row.frames)]
            for row in shares(manifest)
        ],
        title="random addresses: pages of each library",
    )
    found = totals(manifest)
    click.echo(
        f"shared: {found.shared_code:.1%} of code bytes, {found.shared_read_only:.1%} of read-only bytes "
        f"({bytes_text(found.shared_pages * 4096)}); an instance's own: {found.read_only_frames} frames of tables and "
        f"{found.writable_frames} of data, for {found.relocations} relocations"
    )


def _numbers(frames: Sequence[int]) -> str:
    """`0, 3-5`: every stretch of them."""
    text: list[str] = []
    for frame in frames:
        if frame - 1 not in frames:
            text.append(str(frame))
        elif frame + 1 not in frames:
            text[-1] += f"-{frame}"
    return ", ".join(text) or "-"


def _explain(session: Session, manifest: object, pool: object, as_json: bool) -> None:
    from unishare.formats.manifest import Manifest
    from unishare.inspect.why import unequal_pages
    from unishare.pool.store import Pool

    assert isinstance(manifest, Manifest) and isinstance(pool, Pool)
    found, total = unequal_pages(manifest, pool, session.settings.image_folder(manifest.layout, manifest.name))
    if as_json:
        print_json({"library_pages": total, "unequal": [row.__dict__ for row in found]})
        return
    if found:
        print_table(
            ["address", "library", "section", "first difference", "in", "word here", "word there"],
            [[row.address, row.library, row.section, row.offset, row.symbol, row.here, row.there] for row in found],
        )
    equal = total - len(found)
    click.echo(f"{equal} of {total} read-only library pages are the shared ones" + (f" ({equal / total:.1%})" if total else ""))


def _others(names: list[str]) -> str:
    shown = ", ".join(names[:4])
    return f"{shown} and {len(names) - 4} more" if len(names) > 4 else shown or "-"
