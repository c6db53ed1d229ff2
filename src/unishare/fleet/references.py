"""What people may write for IMAGE, and which manifest that is.

An app's name (`gzip`, under the default layout or else the only layout it was built under), `LAYOUT:APP`, an image folder, or a
manifest. Called by the CLI, the benchmarks and the demo.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unishare.errors import NotFoundError
from unishare.formats.image import ELF_NAME, MANIFEST_NAME
from unishare.formats.layouts import DEFAULT_LAYOUT, LAYOUTS
from unishare.settings import Settings


@dataclass(frozen=True)
class ImageReference:
    """A built image: the name its instances get, and the description file that the monitor reads."""

    name: str
    manifest: Path

    @property
    def folder(self) -> Path:
        """Where the manifest's companions are."""
        return self.manifest.parent

    @property
    def elf(self) -> Path:
        """The linked program, for debuggers and analysis."""
        return self.folder / ELF_NAME


def resolve(image: str, settings: Settings) -> ImageReference:
    """Find an image; `NotFoundError` says how to get it."""
    path = Path(image)
    if path.is_file() and (path.suffix == ".json" or "/" in image):
        return ImageReference(path.absolute().parent.name, path.absolute())
    if (path / MANIFEST_NAME).is_file():
        return ImageReference(path.absolute().name, path.absolute() / MANIFEST_NAME)
    if "/" in image:
        raise NotFoundError(
            f"{image}: neither an image folder nor a manifest",
            f"an image folder holds {MANIFEST_NAME}; 'unishare build' makes one",
        )
    layout, _, app = image.rpartition(":")
    return _built(app, layout or None, settings)


def _built(app: str, layout: str | None, settings: Settings) -> ImageReference:
    layouts = [layout] if layout else [DEFAULT_LAYOUT, *LAYOUTS]
    for candidate in layouts:
        folder = settings.image_folder(candidate, app)
        if (folder / MANIFEST_NAME).is_file():
            return ImageReference(app, folder / MANIFEST_NAME)
    flag = f" --layout {layout}" if layout else ""
    _refuse_unknown(app)
    raise NotFoundError(f"the app {app!r} is not built{f' as {layout}' if layout else ''}", f"unishare build {app}{flag}")


def _refuse_unknown(app: str) -> None:
    """Say 'unknown app' rather than 'not built' for a name that the catalogue does not have either."""
    from unishare.toolchain.recipes.catalog import Catalog

    Catalog.from_here().app(app)
