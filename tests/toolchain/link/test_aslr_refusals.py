"""What cannot be placed at random addresses is refused at build time: library, section, offset, and what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from toolchain.project import Project
from unishare.errors import BadInputError, BuildError, UnishareError

USE = "int alpha(int); int main(void) { return alpha(1); }"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def refusal(
    project: Project, code: str, kind: type[UnishareError], app: str = USE, before: Sequence[str] = ()
) -> tuple[str, str]:
    """Message and hint of building an app on a library of that code; nothing half-built stays."""
    project.library("alpha", code)
    project.app("bad", app, ["alpha"])
    with pytest.raises(kind) as caught:
        project.build([*before, "bad"], "aslr")
    assert not project.settings.image_folder("aslr", "bad").exists()
    return caught.value.message, caught.value.hint or ""


def test_a_relocation_in_code_names_library_section_offset_and_symbol(project: Project) -> None:
    code = 'int value; __asm__(".text\\n.globl alpha\\nalpha: nop\\nmovabs $value, %rax\\nret\\n");'
    message, hint = refusal(project, code, BadInputError)
    assert message.startswith("alpha: .text+0x3 is not position-independent: R_X86_64_64 against ")
    assert "-fPIC" in hint


@pytest.mark.parametrize(("directive", "name"), [(".quad", "R_X86_64_64"), (".long", "R_X86_64_32")])
def test_an_address_among_constants_is_refused_as_one_in_code(project: Project, directive: str, name: str) -> None:
    code = f'int value; int alpha(int i) {{ return i; }} __asm__(".section .rodata.table,\\"a\\"\\n.quad 1\\n{directive} value\\n.text\\n");'
    message, hint = refusal(project, code, BadInputError)
    assert message.startswith("alpha: .rodata") and "+0x8 is not position-independent: " + name in message
    assert "-fPIC" in hint


def test_another_librarys_data_reached_directly_is_refused_with_its_place(project: Project) -> None:
    project.library("beta", "int elsewhere = 5;")
    project.library("alpha", '__asm__(".text\\n.globl alpha\\nalpha: mov elsewhere(%rip), %eax\\nret\\n");', ["beta"])
    project.app("bad", USE, ["alpha", "beta"])
    with pytest.raises(BadInputError) as caught:
        project.build(["bad"], "aslr")
    assert "alpha: .text+0x2 is not position-independent: R_X86_64_PC32 against elsewhere" in caught.value.message
    assert "-fPIC" in str(caught.value.hint)


def test_a_librarys_thread_local_data_is_refused_with_its_sections(project: Project) -> None:
    message, hint = refusal(project, "__thread int each; int alpha(int i) { return each += i; }", BadInputError)
    assert "alpha has thread-local data (.tdata or .tbss)" in message
    assert "compile without it" in hint


def test_a_relocation_that_is_not_supported_names_its_type_and_place(project: Project) -> None:
    # Thread-local data that some other module would have: nothing of it is in this object but the relocation.
    code = "extern __thread int each; int alpha(int i) { return each += i; }"
    project.library("beta", "int each;")
    project.library("alpha", code, ["beta"])
    project.app("bad", USE, ["alpha", "beta"])
    with pytest.raises(UnishareError) as caught:
        project.build(["bad"], "aslr")
    found = caught.value
    assert re.match(r"alpha: \.[\w.]+\+0x[0-9a-f]+: relocation type R_X86_64_TPOFF64 is not supported", found.message), found
    assert "thread-local" in str(found.hint)


def test_symbols_defined_twice_name_both_libraries(project: Project) -> None:
    project.library("beta", "int alpha(int i) { return i; }")
    project.library("alpha", "int alpha(int i) { return i + 1; }")
    project.app("bad", USE, ["alpha", "beta"])
    with pytest.raises(BuildError) as caught:
        project.build(["bad"], "aslr")
    assert "alpha: defined by alpha (alpha.c:1) and by beta (beta.c:1)" in caught.value.message
    assert "exclude the file" in str(caught.value.hint)


def test_a_symbol_that_nobody_defines_names_its_user_and_who_could(project: Project) -> None:
    project.library("beta", "int other(int i) { return i; }")
    project.app("warm", "int other(int); int main(void) { return other(1); }", ["beta"])
    code = "int other(int); int alpha(int i) { return other(i); }"
    message, hint = refusal(project, code, BuildError, before=["warm"])
    assert "undefined symbol other: needed by alpha (alpha.c:1); beta could provide it" in message
    assert "beta" in hint


def test_an_app_that_is_not_position_independent_is_named_too(project: Project) -> None:
    app = 'int value; int main(void) { return 0; } __asm__(".text\\nmov $value, %eax\\n");'
    message, _ = refusal(project, "int alpha(int i) { return i; }", BadInputError, app)
    assert message.startswith("bad: .text") and "R_X86_64_32 against value" in message


def test_a_table_that_overflows_is_refused_with_its_limit(project: Project) -> None:
    many = "\n".join(f"__attribute__((constructor)) static void c{number}(void) {{ done++; }}" for number in range(65))
    message, hint = refusal(project, "static volatile int done;\n" + many + "\nint alpha(int i) { return i; }", UnishareError)
    assert "65 constructors" in message and "room for 64" in message and hint
