"""What to do about a header or symbol that is missing: the library that has it, or that the guest has nothing of the kind.

Called after something failed, with the catalogue's recipes; nothing is downloaded or compiled for a hint. What a library has is known
from its source where that was unpacked, from `provides` of its recipe, and at last from its name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from fnmatch import fnmatchcase

from unishare.toolchain.recipes.recipe import LibraryRecipe

_MISSING = re.compile(r"fatal error: (\S+): No such file or directory")
# ISO C++17, table 16 ("C++ library headers"), and C++20's; the headers of C are files of unishare-cxx.
CXX_HEADERS = frozenset(
    [
        "algorithm",
        "any",
        "array",
        "atomic",
        "barrier",
        "bit",
        "bitset",
        "charconv",
        "chrono",
        "codecvt",
        "compare",
        "complex",
        "concepts",
        "condition_variable",
        "coroutine",
        "deque",
        "exception",
        "execution",
        "filesystem",
        "format",
        "forward_list",
        "fstream",
        "functional",
        "future",
        "initializer_list",
        "iomanip",
        "ios",
        "iosfwd",
        "iostream",
        "istream",
        "iterator",
        "latch",
        "limits",
        "list",
        "locale",
        "map",
        "memory",
        "memory_resource",
        "mutex",
        "numbers",
        "numeric",
        "optional",
        "ostream",
        "queue",
        "random",
        "ranges",
        "ratio",
        "regex",
        "scoped_allocator",
        "semaphore",
        "set",
        "shared_mutex",
        "source_location",
        "span",
        "sstream",
        "stack",
        "stdexcept",
        "stop_token",
        "streambuf",
        "string",
        "string_view",
        "strstream",
        "syncstream",
        "system_error",
        "thread",
        "tuple",
        "type_traits",
        "typeindex",
        "typeinfo",
        "unordered_map",
        "unordered_set",
        "utility",
        "valarray",
        "variant",
        "vector",
        "version",
    ]
)
# What POSIX and C++ programs call and no guest has, by what it is for.
ABSENT = {
    "the guest has no network: a function gets its request from unishare_serve": (
        "socket socketpair bind listen accept accept4 connect send sendto sendmsg recv recvfrom recvmsg getsockopt setsockopt shutdown "
        "getsockname getpeername getaddrinfo freeaddrinfo gethostbyname getnameinfo inet_ntop inet_pton inet_addr if_nametoindex"
    ),
    "a guest has one thread": "pthread_create pthread_join pthread_detach thrd_create thrd_join pthread_cancel sem_init sem_wait sem_post",
    "a guest is one process": "fork vfork execve execv execvp execl execlp posix_spawn posix_spawnp waitpid wait popen pclose system daemon",
    "an image is linked as a whole: there is nothing to load while it runs": "dlopen dlsym dlclose dlerror",
}
_CXX_RUNTIME = re.compile(
    r"_ZNK?S|_ZS|_ZTIN?S|_Unwind_|__cxa_(throw|begin_catch|end_catch|rethrow|allocate_exception)|__gxx_personality|__dynamic_cast"
)
NO_CXX_LIBRARY = "There is no C++ standard library, no exceptions and no RTTI: unishare-cxx has new, delete and the headers of C (<cstring>)."
ADD = "add it to `libraries` (app) or `link.needs` (library)."
SHOWN = 3


def _nothing(recipe: LibraryRecipe, word: str) -> bool:
    return False


@dataclass(frozen=True)
class Guesses:
    """Which library could have something. `has_header`, `has_source`: whether its source, where it was unpacked, has a public header of
    that name, or compiles a file named like a symbol."""

    libraries: Callable[[], Iterable[LibraryRecipe]] = tuple
    has_header: Callable[[LibraryRecipe, str], bool] = _nothing
    has_source: Callable[[LibraryRecipe, str], bool] = _nothing

    def for_header(self, output: str) -> str | None:
        """What to do about a header that the compiler, by its output, did not find."""
        found = _MISSING.search(output)
        if found is None:
            return None
        header = found[1]
        if header in CXX_HEADERS:
            return NO_CXX_LIBRARY
        names, _ = self._having(header, self.has_header)
        return f"{header} belongs to {' or '.join(names[:SHOWN])}: {ADD}" if names else None

    def for_symbol(self, symbol: str) -> str | None:
        """What to do about a symbol that no library compiled so far defines."""
        absent = next((why for why, names in ABSENT.items() if symbol in names.split()), None)
        if absent is not None:
            return f"{symbol}: {absent}."
        if _CXX_RUNTIME.match(symbol):
            return NO_CXX_LIBRARY
        names, is_sure = self._having(symbol, self.has_source)
        verb = "belongs to" if is_sure else "sounds like"
        return f"{symbol} {verb} {' or '.join(names[:SHOWN])}: {ADD}" if names else None

    def _having(self, word: str, has: Callable[[LibraryRecipe, str], bool]) -> tuple[list[str], bool]:
        """The libraries that are likeliest to have something, the nearest by name first, and whether more than their names say so."""
        recipes = list(self.libraries())
        by_source = [recipe.name for recipe in recipes if has(recipe, word)]
        by_recipe = [recipe.name for recipe in recipes if any(fnmatchcase(word, pattern) for pattern in recipe.provides)]
        by_name = [recipe.name for recipe in recipes if _sounds_like(recipe.name, word)]
        return nearest_first(word, by_source or by_recipe or by_name), bool(by_source or by_recipe)


def nearest_first(word: str, names: Iterable[str]) -> list[str]:
    """Names of libraries, those that are most like a word first."""

    def distance(name: str) -> tuple[float, str]:
        return -SequenceMatcher(None, _letters(name), _letters(word)).ratio(), name

    return sorted(names, key=distance)


def fewest(providers: Mapping[str, Collection[str]]) -> list[str]:
    """Libraries that together provide all symbols, none that only repeats what others have."""
    left, chosen = dict(providers), []
    while left:
        counts: dict[str, int] = {}
        for names in left.values():
            for name in names:
                counts[name] = counts.get(name, 0) + 1
        most = max(counts.values())
        symbol = min(left)
        best = nearest_first(symbol, (name for name, count in counts.items() if count == most))[0]
        chosen.append(best)
        left = {symbol: names for symbol, names in left.items() if best not in names}
    return chosen


def _sounds_like(library: str, word: str) -> bool:
    """Whether a header or symbol begins with a library's name, whatever `lib`, digits and case there are: sqlite3.h, http_parser.h and
    lz4frame.h, but not XML_Parse."""
    beginning = re.split(r"[/._]", word.lower().removeprefix("lib"))[0]
    name = _letters(library)
    if beginning == name or (len(name) >= 3 and _letters(word).startswith(name)):
        return True
    stem, first = (re.sub(r"[^a-z]", "", text) for text in (name, beginning))
    return len(stem) >= 3 and (first == stem or (len(first) > 3 and first.startswith(stem)))


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower().removeprefix("lib"))
