"""What to do about a compiler's complaint: the library that has a missing header, or that the guest has nothing of the kind.

Called after something failed, with the catalogue's recipes; nothing is downloaded for a hint.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

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


def for_missing_header(
    output: str, libraries: Iterable[LibraryRecipe], holds: Callable[[LibraryRecipe, str], bool]
) -> str | None:
    """What to do about a header that the compiler did not find. `holds`: whether a library's public folders, unpacked, have it."""
    found = _MISSING.search(output)
    if found is None:
        return None
    header = found[1]
    if header in CXX_HEADERS:
        return NO_CXX_LIBRARY
    recipes = list(libraries)
    names = [recipe.name for recipe in recipes if holds(recipe, header)] or [
        recipe.name for recipe in recipes if _sounds_like(recipe.name, header)
    ]
    return (
        f"{header} belongs to {' or '.join(names[:3])}: add it to `libraries` (app) or `link.needs` (library)."
        if names
        else None
    )


def for_missing_symbol(symbol: str, libraries: Iterable[str]) -> str | None:
    """What to do about a symbol that no library compiled so far defines."""
    absent = next((why for why, names in ABSENT.items() if symbol in names.split()), None)
    if absent is not None:
        return f"{symbol}: {absent}."
    if _CXX_RUNTIME.match(symbol):
        return NO_CXX_LIBRARY
    names = [name for name in libraries if _sounds_like(name, symbol)]
    return (
        f"{symbol} sounds like {' or '.join(names[:3])}: add it to `libraries` (app) or `link.needs` (library)."
        if names
        else None
    )


def _sounds_like(library: str, word: str) -> bool:
    """Whether a header or symbol begins with a library's name, whatever `lib`, digits and case there are: sqlite3.h, but not XML_Parse."""
    beginning = re.split(r"[/._]", word.lower().removeprefix("lib"))[0]
    if beginning == library.lower().removeprefix("lib"):
        return True
    stem, first = (re.sub(r"[^a-z]", "", text) for text in (library.lower().removeprefix("lib"), beginning))
    return len(stem) >= 3 and (first == stem or (len(first) > 3 and first.startswith(stem)))
