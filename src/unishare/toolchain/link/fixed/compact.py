"""Layouts `default` and `dce`: everything one after the other from the app's base, as unikernels are linked today."""

from __future__ import annotations

from unishare.toolchain.link.contents import LinkContents, app_sections, app_segments, discarded, segments


def script(contents: LinkContents) -> str:
    """One text, one rodata, one data, one bss."""
    objects = [*contents.app_objects, *(library.object for library in contents.libraries)]
    body = [*app_sections(contents, objects), discarded()]
    # The image table names it by an expression, which --gc-sections does not count as a use.
    roots = "ENTRY(unishare_entry) EXTERN(unishare_boot_nothing)"
    return "\n".join([roots, segments(app_segments(contents)), "SECTIONS {", *body, "}", ""])
