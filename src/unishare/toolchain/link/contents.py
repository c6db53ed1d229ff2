"""What a layout arranges, and the parts of a linker script that all layouts have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from unishare.formats.addresses import APP_BASE, APP_END, PAGE
from unishare.formats.sections import INPUT_PATTERNS, Kind
from unishare.toolchain.map.zones import Window

# The image table's page (abi.h): the table, then the slots for constructors and destructors, at the same addresses in all images.
TABLE_SLOTS = 64
CONSTRUCTORS_AT = 0x100
DESTRUCTORS_AT = 0x300
TABLE_SIZE = 0x500


@dataclass(frozen=True)
class LibraryPart:
    """A library in an image: the object's name for the linker, and its windows (empty without a map)."""

    name: str
    object: str
    windows: Mapping[Kind, Window]


@dataclass(frozen=True)
class LinkContents:
    """All that goes into one image. Names of objects are relative to the folder that the linker runs in."""

    app_objects: Sequence[str]
    libraries: Sequence[LibraryPart]
    constructors: int
    destructors: int
    thread_local: bool


# Segments of the app's own part.
APP_SEGMENTS = (("image", "PT_LOAD FLAGS(4)"), ("code", "PT_LOAD FLAGS(5)"), ("data", "PT_LOAD FLAGS(6)"))


def input_sections(objects: Sequence[str], kind: Kind) -> str:
    """The input sections of a kind, of some objects."""
    return " ".join(f'"{name}"({INPUT_PATTERNS[kind]})' for name in objects)


def app_sections(contents: LinkContents, objects: Sequence[str], extra: str = "") -> list[str]:
    """The app region: image table, constants and files; code; data. `objects` are those whose sections go there.

    Borders are aligned between sections, not by them: an empty section takes its alignment with it."""
    thread_local = _thread_local(contents)
    return [
        f".unishare.image {APP_BASE:#x} : {{ {_table(contents)} }} :image",
        f".rodata : {{ {input_sections(objects, Kind.RODATA)} *(.got .got.plt) }} :image",
        *thread_local,
        f". = ALIGN({PAGE}); .unishare.files : {{ KEEP(*(.unishare.files)) }} :image",
        f". = ALIGN({PAGE}); .text : {{ KEEP(*(.text.unishare_entry)) {input_sections(objects, Kind.TEXT)} }} :code",
        f". = ALIGN({PAGE}); .data : {{ {input_sections(objects, Kind.DATA)} }} :data",
        f".bss : {{ {input_sections(objects, Kind.BSS)} {extra}}} :data",
        f'ASSERT(. <= {APP_END:#x}, "unishare: the app is larger than its window")',
    ]


def discarded() -> str:
    """What no image holds: unwind tables (nothing unwinds) and notes."""
    return "/DISCARD/ : { *(.eh_frame .eh_frame_hdr .note .note.* .comment .gnu.*) }"


def segments(names: Sequence[tuple[str, str]]) -> str:
    """The PHDRS command."""
    return "PHDRS {\n" + "\n".join(f"  {name} {rest};" for name, rest in names) + "\n}"


def app_segments(contents: LinkContents) -> list[tuple[str, str]]:
    """The app's own segments, with one for thread-local data where there is any."""
    return [*APP_SEGMENTS, *([("tls", "PT_TLS FLAGS(4)")] if contents.thread_local else [])]


def _table(contents: LinkContents) -> str:
    """The image table; unused slots name a function that does nothing, so that the C library's loop is the same everywhere."""
    return " ".join(
        [
            "KEEP(*(.unishare.image))",
            f". = {CONSTRUCTORS_AT:#x}; __preinit_array_start = .; __preinit_array_end = .; __init_array_start = .;",
            *_calls(contents, ".init_array"),
            _idle(TABLE_SLOTS - contents.constructors),
            "__init_array_end = .;",
            f". = {DESTRUCTORS_AT:#x}; __fini_array_start = .;",
            *_calls(contents, ".fini_array"),
            _idle(TABLE_SLOTS - contents.destructors),
            f"__fini_array_end = .; . = {TABLE_SIZE:#x};",
        ]
    )


def _calls(contents: LinkContents, section: str) -> Iterator[str]:
    """Constructors in the order of all layouts: a library's after those of what it needs, the app's last, and of each in the order of
    their priorities. Destructors are called in the opposite order, from the last slot on."""
    for name in [*(library.object for library in contents.libraries), *contents.app_objects]:
        yield f'KEEP("{name}"(SORT_BY_INIT_PRIORITY({section}.*))) KEEP("{name}"({section}))'


def _idle(slots: int) -> str:
    return " ".join(["QUAD(unishare_boot_nothing)"] * slots)


def _thread_local(contents: LinkContents) -> list[str]:
    if not contents.thread_local:
        return ["unishare_tls_start = 0; unishare_tls_file_size = 0; unishare_tls_memory_size = 0; unishare_tls_alignment = 0;"]
    return [
        ".tdata ALIGN(64) : { *(.tdata .tdata.*) } :image :tls",
        ".tbss : { *(.tbss .tbss.*) } :image :tls",
        "unishare_tls_start = ADDR(.tdata); unishare_tls_file_size = SIZEOF(.tdata);",
        "unishare_tls_alignment = MAX(64, MAX(ALIGNOF(.tdata), ALIGNOF(.tbss)));",
        "unishare_tls_memory_size = ADDR(.tbss) + SIZEOF(.tbss) - ADDR(.tdata);",
    ]
