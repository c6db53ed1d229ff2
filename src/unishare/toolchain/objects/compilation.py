"""From source files to objects: which files, which flags, one compiler run a file."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path

from unishare.errors import BadInputError, BuildError
from unishare.toolchain.objects.function_order import order_flags
from unishare.toolchain.recipes.reading import line_of
from unishare.toolchain.recipes.recipe import AppRecipe, LibraryRecipe
from unishare.toolchain.tools.commands import Tools
from unishare.toolchain.tools.compiler import HOUSE_FLAGS, LANGUAGE_FLAGS, VARIANT_FLAGS, Compiler, Variant

ERROR_LINES = 25
ASSEMBLER = {".s", ".S"}
OBJECT = ".o"
# What gcc(1) compiles as C, C++ or assembler; it hands a file of any other name to the linker.
COMPILED = {".c", ".cc", ".cpp", ".cxx", ".C", OBJECT, *ASSEMBLER}


@dataclass(frozen=True)
class Unit:
    """What is compiled together: a library's or an app's files, with their flags.

    `flags` name only folders that `prefixes` map to names without a machine's paths, so that objects do not depend on where
    the sources lie.
    """

    owner: str
    recipe: Path
    root: Path
    files: tuple[str, ...]
    language: str
    flags: tuple[str, ...]
    prefixes: tuple[tuple[str, str], ...]
    # Folders whose files the inputs of its key count, hidden ones left out; and files that they count.
    covered: tuple[Path, ...] = ()
    # Functions whose code comes first, in this order (function_order.py).
    order: tuple[str, ...] = ()


def matching(recipe: AppRecipe | LibraryRecipe, root: Path, files: Sequence[str], exclude: Sequence[str]) -> tuple[str, ...]:
    """The files below `root` that globs name, in order; a glob that finds nothing is an error."""
    excluded = {path for pattern in exclude for path in _matches(recipe, root, pattern)}
    found: set[str] = set()
    for pattern in files:
        paths = _matches(recipe, root, pattern)
        if not paths:
            raise BadInputError(
                f"{recipe.file}:{line_of(recipe.file, pattern)}: field `build.files`: {pattern!r} matches no file in the source",
                f"The source is {root}.",
            )
        found.update(paths)
    chosen = tuple(sorted(found - excluded))
    # A file that is named is meant: a header may be a library when it is compiled with its own definition.
    if odd := [file for file in chosen if Path(file).suffix not in COMPILED and file not in files]:
        raise BadInputError(
            f"{recipe.file}:{line_of(recipe.file, files[0])}: field `build.files`: takes {odd[0]}, which is no source file",
            f"Name files that are compiled ({' '.join(sorted(COMPILED))}), such as '*.c', or add it to build.exclude.",
        )
    return chosen


def _matches(recipe: AppRecipe | LibraryRecipe, root: Path, pattern: str) -> list[str]:
    try:
        return _glob(root, pattern)
    except (ValueError, IndexError, NotImplementedError) as error:  # pathlib's words for a pattern that is none
        where = f"{recipe.file}:{line_of(recipe.file, pattern)}"
        raise BadInputError(f"{where}: field `build.files`: {pattern!r} is not a pattern: {error}") from None


def _glob(root: Path, pattern: str) -> list[str]:
    paths = [path for path in root.glob(pattern) if path.is_file()]
    outside = [path for path in paths if not path.resolve().is_relative_to(root.resolve())]
    if outside:
        raise BadInputError(f"{outside[0]} leads outside its source {root}", "A source may not link to files elsewhere.")
    return [str(path.relative_to(root)) for path in paths]


@dataclass(frozen=True)
class Compiled:
    """A compilation's object and what the compiler said though it went well."""

    object: Path
    warnings: str


class CompilationError(BuildError):
    """A file that does not compile; `output` is all that the compiler said."""

    def __init__(self, message: str, hint: str, output: str) -> None:
        super().__init__(message, hint)
        self.output = output


def submit(
    unit: Unit, variant: Variant, compiler: Compiler, tools: Tools, pool: Executor, into: Path
) -> list[Future[Compiled]]:
    """Start compiling every file of a unit; the results come in the files' order."""
    return [
        pool.submit(_compile, unit, file, variant, compiler, tools, into / f"{number:04}.o")
        for number, file in enumerate(unit.files)
    ]


def _compile(unit: Unit, file: str, variant: Variant, compiler: Compiler, tools: Tools, output: Path) -> Compiled:
    if file.endswith(OBJECT):
        return Compiled(unit.root / file, "")
    maps = [f"-ffile-prefix-map={path}={name}" for path, name in _prefixes(unit)]
    language = () if Path(file).suffix in ASSEMBLER else LANGUAGE_FLAGS[unit.language]
    driver = compiler.driver(unit.language)
    flags = [*HOUSE_FLAGS, *language, *VARIANT_FLAGS[variant], *order_flags(unit.order), *maps, *unit.flags]
    flags += _dependencies(output)
    code, text = tools.run([driver, *flags, "-c", file, "-o", str(output)], unit.root)
    if code:
        raise CompilationError(
            f"{unit.owner}: {file} does not compile:\n{_first_errors(text)}", f"The recipe is {unit.recipe}.", text
        )
    return Compiled(output, text.strip())


def _prefixes(unit: Unit) -> list[tuple[str, str]]:
    """Also those that symbolic links lead to, for the compiler asks where it is. It takes the last one that fits: the longest must come
    last."""
    resolved = [(os.path.realpath(path), name) for path, name in unit.prefixes]
    return sorted(dict.fromkeys([*unit.prefixes, *resolved]), key=lambda pair: len(pair[0]))


def _dependencies(output: Path) -> list[str]:
    """Let the compiler note which files it reads, and the assembler, which alone knows those of .incbin and .include."""
    compiler, assembler = (str(output.with_suffix(f".{part}.d")) for part in ("cc", "as"))
    return ["-MD", "-MF", compiler, "-MT", "object", "-Xassembler", "--MD", "-Xassembler", assembler]


def _first_errors(text: str) -> str:
    """The compiler's first errors with what they point at: one screen."""
    lines = text.strip().splitlines()
    first = next((index for index, line in enumerate(lines) if re.search(r"\b(error|Error|fatal)\b", line)), 0)
    shown = lines[first : first + ERROR_LINES]
    more = len(lines) - first - len(shown)
    return "\n".join([*shown, *([f"... and {more} more lines"] if more > 0 else [])])
