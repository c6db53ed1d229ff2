"""Every binding, type and visibility of the gABI and its GNU extensions, in every layout: what it means, or that it is refused by name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from toolchain.project import Project, library_sections
from unishare.errors import BadInputError, UnishareError
from unishare.formats.elf import ElfFile, Symbol
from unishare.toolchain.objects.symbol_rules import refusal

LAYOUTS = ("default", "dce", "aligned", "aslr")
LOADER = Path(__file__).with_name("aslr_loader.py")
CXX = 'language = "c++"'
# Vague linkage: a function's, a template's and an inline variable, in whoever includes this.
SHARED_HEADER = """
inline int &counter() { static int count = 40; return count; }
template <class T> struct Box { static T value; };
template <class T> T Box<T>::value = 100;
inline int whole = 1000;
inline int next() { return ++counter() + ++Box<int>::value + ++whole; }
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def cxx_app(project: Project, name: str, code: str, libraries: list[str], flags: str = "") -> None:
    project.app(name, code, libraries, more=f"[build]\n{CXX}\nflags = [{flags}]")


def call(project: Project, app: str, symbol: str, seed: int = 1) -> int:
    """Call a function of an aslr image, loaded at random bases."""
    command = [sys.executable, LOADER, project.settings.image_folder("aslr", app), symbol, "0", str(seed)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return int(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)


def slots(project: Project, app: str, layout: str, at: int) -> list[str]:
    """The functions in the image table's slots, by name, without the idle ones."""
    folder = project.settings.image_folder(layout, app)
    elf = ElfFile.read(folder / "image.elf")
    if layout != "aslr":
        table = next(section for section in elf.sections if section.name == ".unishare.image")
        content = elf.content(table)[at : at + 64 * 8]
        targets = [("", int.from_bytes(content[place : place + 8], "little")) for place in range(0, 512, 8)]
        modules = {"": elf}
    else:
        from unishare.formats.image import read_facts
        from unishare.formats.relocations import MODULE_RECORD

        facts = read_facts(folder)
        names = [module.name for module in facts.modules or []]
        modules = {module.name: ElfFile.read(folder / module.file) for module in facts.modules or []}
        start = next(one.value for one in elf.symbols() if one.name == "unishare_image_table") + at
        records = MODULE_RECORD.iter_unpack((folder / "relocations.bin").read_bytes())
        found = {offset: (names[target], addend) for module, target, offset, addend in records if module == 0}
        targets = [found[start + 8 * slot] for slot in range(64)]
    called = [_function(modules[module], value) for module, value in targets]
    return [name for name in called if name != "unishare_boot_nothing"]


def _function(elf: ElfFile, value: int) -> str:
    return next(one.name for one in elf.symbol_table(2) if one.value == value and one.type == 2)


@pytest.mark.parametrize("flags", ["", '"-fgnu-unique"'])
def test_a_variable_that_libraries_and_app_define_is_one(project: Project, flags: str) -> None:
    unique = f"flags = [{flags}]"
    for name in ("first", "second"):
        code = f'{SHARED_HEADER} extern "C" int {name}() {{ return next(); }}'
        project.library(name, code, more=f"{CXX}\n{unique}")
    code = (
        SHARED_HEADER
        + 'extern "C" { int first(); int second(); int all(int) { next(); first(); return second(); } } int main() { return all(0); }'
    )
    cxx_app(project, "one", code, ["first", "second"], flags)
    for layout in LAYOUTS:
        project.build(["one"], layout)
    assert call(project, "one", "all") == 43 + 103 + 1003


def test_a_librarys_pages_do_not_depend_on_the_apps_template_instances(project: Project) -> None:
    project.library("mine", f'{SHARED_HEADER} extern "C" int mine() {{ return next(); }}', more=CXX)
    body = 'extern "C" int mine(); int main() {{ return mine() + {0}; }}'
    cxx_app(project, "plain", body.format("0"), ["mine"])
    cxx_app(
        project, "more", SHARED_HEADER + "short filler[900];" + body.format("next() + Box<short>::value + filler[3]"), ["mine"]
    )
    project.build(["plain", "more"], "aligned")
    plain, more = (library_sections(project.elf(name), "mine") for name in ("plain", "more"))
    assert plain and plain == more


RUNTIME = """
int registered; void *handles[8];
int __cxa_atexit(void (*function)(void *), void *object, void *handle) { (void)function; (void)object; handles[registered++] = handle; return 0; }
"""
GLOBAL = "struct {0} {{ int value; {0}() : value(1) {{}} ~{0}(); }}; {0}::~{0}() {{ value = 0; }} {0} {0}_object;"


def test_globals_with_destructors_link_everywhere_and_each_unit_has_a_handle(project: Project) -> None:
    project.library("runtime", RUNTIME)
    project.library(
        "mine", GLOBAL.format("Mine") + 'extern "C" int mine() { return Mine_object.value; }', ["runtime"], more=CXX
    )
    cxx_app(
        project,
        "one",
        GLOBAL.format("Own") + 'extern "C" int mine(); int main() { return mine() + Own_object.value; }',
        ["mine"],
    )
    cxx_app(project, "two", 'extern "C" int mine(); int main() { return mine(); }', ["mine"])
    for layout in LAYOUTS:
        project.build(["one", "two"], layout)
    assert library_sections(project.elf("one"), "mine") == library_sections(project.elf("two"), "mine")
    handles = {one.value for one in project.elf("one").symbol_table(2) if one.name == "__dso_handle"}
    assert len(handles) == 2


def test_constructors_run_in_one_order_in_all_layouts_and_destructors_in_the_opposite(project: Project) -> None:
    def unit(name: str) -> str:
        calls = [("late", ""), ("early", "(101)"), ("middle", "(200)")]
        code = f"int {name}_count; int {name}(int i) {{ return i; }}"
        for when, priority in calls:
            for kind in ("constructor", "destructor"):
                code += f" __attribute__(({kind}{priority})) static void {name}_{when}_{kind}(void) {{ {name}_count++; }}"
        return code

    project.library("base", unit("base"))
    project.library("aside", unit("aside"))
    project.library("user", unit("user"), ["base"])
    project.app(
        "one", unit("app") + "int user(int); int aside(int); int main(void) { return user(1) + aside(1); }", ["user", "aside"]
    )
    for layout in LAYOUTS:
        project.build(["one"], layout)
    order = [f"{name}_{when}_" for name in ("base", "user", "aside", "app") for when in ("early", "middle", "late")]
    for layout in LAYOUTS:
        assert slots(project, "one", layout, 0x100) == [f"{name}constructor" for name in order], layout
        # The C library calls them from the last one on.
        assert slots(project, "one", layout, 0x300) == [f"{name}destructor" for name in order], layout


# Assembler for a library that defines or uses `thing`, and what the layouts say: None where images are built.
def defined(directives: str, section: str = ".data") -> str:
    return f"{section}\n{directives}\nthing: .quad 5\n.size thing, 8\n"


ACCEPTED = {
    "STB_LOCAL": ".data\nthing_local: .quad 5\n.globl thing\nthing: .quad 5\n",
    "STB_GLOBAL": defined(".globl thing\n.type thing, @object"),
    "STB_WEAK": defined(".weak thing\n.type thing, @object"),
    "STB_GNU_UNIQUE": defined(".type thing, @gnu_unique_object"),
    "STT_NOTYPE": defined(".globl thing\n.type thing, @notype"),
    "STT_FUNC": defined(".globl thing\n.type thing, @function", ".text"),
    "STT_COMMON": ".comm thing, 8, 8\n",
    "STV_PROTECTED": defined(".globl thing\n.protected thing"),
    "STV_HIDDEN": defined(".globl thing\n.hidden thing"),
    "STV_INTERNAL": defined(".globl thing\n.internal thing"),
    "SHN_ABS": ".globl thing\nthing = 0x1234\n",
}
REFUSED = {
    "STT_GNU_IFUNC": (
        ".text\n.globl thing\n.type thing, @gnu_indirect_function\nthing: ret\n",
        "thing is chosen at run time (an ifunc)",
    ),
    "STT_GNU_IFUNC, local": (
        ".text\n.type hidden, @gnu_indirect_function\nhidden: ret\n.globl thing\nthing: call hidden\nret\n",
        "hidden is chosen at run time",
    ),
    "STT_TLS": (
        '.section .tdata,"awT",@progbits\n.globl thing\n.type thing, @tls_object\nthing: .quad 5\n',
        "thread-local data",
    ),
    "a version": (
        ".data\n.globl old\nold: .quad 5\n.symver old, thing@V1\n.globl thing\nthing: .quad 6\n",
        "thing@V1 is one version of a symbol",
    ),
    "SHN_X86_64_LCOMMON": (".largecomm thing, 8, 8\n", "thing lies in the reserved section 0xff02"),
    ".ctors": ('.section .ctors,"aw",@progbits\n.quad 0\n.data\n.globl thing\nthing: .quad 5\n', "section .ctors"),
    ".preinit_array": (
        '.section .preinit_array,"aw"\n.quad 0\n.data\n.globl thing\nthing: .quad 5\n',
        "section .preinit_array",
    ),
}


def assembler_library(project: Project, text: str) -> None:
    recipe = project.library("mine", "")
    recipe.write_text(recipe.read_text().replace("*.c", "*.s"))
    (recipe.parent / "mine-source" / "mine.s").write_text(f'{text}.section .note.GNU-stack,"",@progbits\n')


@pytest.mark.parametrize("kind", ACCEPTED)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_symbols_that_images_hold(project: Project, layout: str, kind: str) -> None:
    assembler_library(project, ACCEPTED[kind])
    code = "extern char thing[]; void *volatile place; int found(int i) { place = thing; return (long)place == 0x1234; } int main(void) { return found(0); }"
    project.app("one", code, ["mine"])
    project.build(["one"], layout)
    if layout == "aslr":
        assert call(project, "one", "found") == (kind == "SHN_ABS")


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("layout", ["aligned", "aslr"])
def test_symbols_and_sections_that_images_cannot_hold(project: Project, layout: str, kind: str) -> None:
    text, said = REFUSED[kind]
    assembler_library(project, text)
    project.app("one", "extern char thing[]; int main(void) { return thing[0]; }", ["mine"])
    with pytest.raises(BadInputError) as caught:
        project.build(["one"], layout)
    assert said in caught.value.message and caught.value.hint


@pytest.mark.parametrize(("binding", "kind", "section"), [(3, 0, 1), (9, 1, 1), (11, 2, 1), (15, 0, 1), (1, 7, 1), (1, 9, 1), (1, 15, 1), (1, 1, 0xFF00), (1, 1, 0xFFFE)])  # fmt: skip
def test_numbers_that_mean_something_elsewhere_are_refused(binding: int, kind: int, section: int) -> None:
    assert refusal(Symbol("x", binding, section, 0, 0, kind, reserved=section >= 0xFF00)) is not None


def test_hidden_symbols_of_two_libraries_are_the_same_component(project: Project) -> None:
    for name in ("first", "second"):
        project.library(
            name, f'__attribute__((visibility("hidden"))) int common_name; int {name}(int i) {{ return i + common_name; }}'
        )
    project.app("one", "int first(int), second(int); int main(void) { return first(1) + second(1); }", ["first", "second"])
    messages = set()
    for layout in LAYOUTS:
        with pytest.raises(UnishareError) as caught:
            project.build(["one"], layout)
        messages.add(caught.value.message.replace("\n", " "))
    assert len(messages) == 1 and "common_name: defined by first" in messages.pop()
