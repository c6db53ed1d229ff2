"""Who shares what: counted from manifests, page by page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from unishare.formats.manifest import Extent, Manifest
from unishare.pool.images import AddedImage

Page = tuple[str, int]


@dataclass(frozen=True)
class ImageSharing:
    """One image's pages that come from the pool, and how many of them another image uses too."""

    id: str
    name: str
    layout: str
    pages: int
    shared: int


def pages_of(extent: Extent) -> list[Page]:
    """The pool's pages behind an extent."""
    return [(extent.run, extent.first + page) for page in range(extent.pages)] if extent.run else []


def users_of_pages(images: Iterable[AddedImage]) -> dict[Page, set[str]]:
    """For each page of the pool, the images (layout:name) that map it."""
    users: dict[Page, set[str]] = defaultdict(set)
    for image in images:
        for extent in image.manifest.extents:
            for page in pages_of(extent):
                users[page].add(label(image.manifest))
    return users


def label(manifest: Manifest) -> str:
    """How an image is named among those of several layouts."""
    return f"{manifest.layout}:{manifest.name}"


def summarise(images: Sequence[AddedImage]) -> list[ImageSharing]:
    """One line an image."""
    users = users_of_pages(images)
    rows = []
    for image in images:
        pages = [page for extent in image.manifest.extents for page in pages_of(extent)]
        shared = sum(len(users[page]) > 1 for page in pages)
        rows.append(ImageSharing(image.id, image.manifest.name, image.manifest.layout, len(pages), shared))
    return rows
