"""What pages of several programs have in common: equal, equal at the same address, equal but for relocated fields; and what many instances of them
would take. Counts of pages; everything is computed from the files, as they are before they run.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from unishare.formats.addresses import PAGE
from unishare.inspect.memory_image import MemoryImage, Page
from unishare.inspect.relocated_fields import RelocatedFields

DIGEST = 16


@dataclass
class Counts:
    """Pages of a file, a section or a library. Each of the last three counts pages that another of the files has too (of one file alone: that it
    has more than once); `masked` those that are equal after relocated fields are ignored, the equal ones among them."""

    pages: int = 0
    zero: int = 0
    equal: int = 0
    same_address: int = 0
    masked: int = 0


@dataclass(frozen=True)
class Needs:
    """Bytes that `instances` of each file take: each its own, merged by content, and if equal libraries were aligned."""

    instances: int
    unshared: int
    ideal_ksm: int
    aligned: int


@dataclass(frozen=True)
class Equality:
    """All that is said about a set of files."""

    files: dict[str, Counts]
    sections: dict[str, Counts]
    libraries: dict[str, Counts]
    needs: Needs
    guessed: list[str]
    classes: dict[str, str]

    def to_json(self) -> dict[str, object]:
        """For programs; without the picture's classes."""
        fields = asdict(self)
        del fields["classes"]
        return fields


@dataclass(frozen=True)
class _ComparedPage:
    """One page, as it is compared."""

    file: int
    page: Page
    content: bytes
    masked: bytes


def compare(images: Sequence[MemoryImage], instances: int) -> Equality:
    """Compare files with each other; a single one with itself."""
    fields = [RelocatedFields(image) for image in images]
    pages = [
        _ComparedPage(number, page, _digest(page.content), _digest(fields[number].masked(page.address, page.content)))
        for number, image in enumerate(images)
        for page in image.pages
        if page.content is not None
    ]
    alone = len(images) == 1
    is_equal = _elsewhere(pages, lambda candidate: candidate.content, alone)
    is_same_address = _elsewhere(
        pages, lambda candidate: candidate.content + candidate.page.address.to_bytes(8, "little"), alone
    )
    is_masked = _elsewhere(pages, lambda candidate: candidate.masked, alone)
    files, sections, libraries = (
        {image.name: Counts() for image in images},
        defaultdict[str, Counts](Counts),
        defaultdict[str, Counts](Counts),
    )
    classes = dict.fromkeys((image.name for image in images), "")
    for number, compared in enumerate(pages):
        name = images[compared.file].name
        same = is_same_address[number] and not alone
        for counts in (files[name], sections[compared.page.section], libraries[compared.page.library]):
            counts.pages += 1
            counts.equal += is_equal[number]
            counts.same_address += same
            counts.masked += is_masked[number] or is_equal[number]
        classes[name] += "=" if same else "c" if is_equal[number] else "m" if is_masked[number] else "."
    for image in images:
        for section, count in image.zero.items():
            for counts in (files[image.name], sections[section]):
                counts.pages += count
                counts.zero += count
        classes[image.name] += "0" * image.zeros
    guessed = [image.name for image, field in zip(images, fields, strict=True) if field.guessed]
    return Equality(files, dict(sections), dict(libraries), _needs(images, pages, instances), guessed, classes)


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=DIGEST).digest()


def _elsewhere(pages: Sequence[_ComparedPage], key: Callable[[_ComparedPage], bytes], alone: bool) -> list[bool]:
    """For each page, whether another file (of one alone: another of its pages) has one of the same key."""
    if alone:
        times = Counter(key(compared) for compared in pages)
        return [times[key(compared)] > 1 for compared in pages]
    files: dict[bytes, set[int]] = defaultdict(set)
    for page in pages:
        files[key(page)].add(page.file)
    return [len(files[key(compared)]) > 1 for compared in pages]


def _needs(images: Sequence[MemoryImage], pages: Sequence[_ComparedPage], instances: int) -> Needs:
    """Ideal KSM keeps each content once. Aligned: each named library once, at its largest; what belongs to none, each content once but for fields."""
    total = sum(image.count for image in images) * instances
    largest: dict[str, int] = {}
    of_file: Counter[tuple[int, str]] = Counter()
    nameless: set[bytes] = set()
    for compared in pages:
        if compared.page.library == "(unknown)":
            nameless.add(compared.masked)
        else:
            of_file[compared.file, compared.page.library] += 1
    for (_, library), count in of_file.items():
        largest[library] = max(largest.get(library, 0), count)
    distinct = len({page.content for page in pages})
    aligned = min(distinct, sum(largest.values()) + len(nameless))
    return Needs(instances, total * PAGE, distinct * PAGE, aligned * PAGE)
