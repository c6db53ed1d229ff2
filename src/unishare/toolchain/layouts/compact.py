"""Layouts `default` and `dce`: everything one after the other from the app's base, as unikernels are linked today."""

from __future__ import annotations

from unishare.toolchain.layouts.contents import Contents, app_sections, app_segments, discarded, segments


def script(contents: Contents) -> str:
    """One text, one rodata, one data, one bss."""
    objects = [*contents.app_objects, *(library.object for library in contents.libraries)]
    body = [*app_sections(contents, objects), discarded()]
    return "\n".join(["ENTRY(unishare_entry)", segments(app_segments(contents)), "SECTIONS {", *body, "}", ""])
