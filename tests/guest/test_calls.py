"""The guest's files and memory do what Linux does: cases that once went wrong, and random ones beside a real file system.

Longer: `pytest tests/guest --hypothesis-profile long`.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guest.harness import Driver

O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_DIRECTORY, O_CLOEXEC = (
    1, 2, 0o100, 0o200, 0o1000, 0o2000, 0o200000, 0o2000000,
)  # fmt: skip
AT_FDCWD, AT_REMOVEDIR = -100, 0x200
SLOTS, PAGES = 4, 8


def agree(on_guest: Driver, on_kernel: Driver, script: list[str]) -> list[str]:
    """Run a script on both; its answers, which must be the same."""
    guest, kernel = on_guest.run(script), on_kernel.run(script)
    table = "\n".join(
        f"{line:40} guest {ours:20} kernel {theirs}" for line, ours, theirs in zip(script, guest, kernel, strict=False)
    )
    assert guest == kernel, f"{table}\n{guest[-1]}\n{on_guest.errors.read_text()[-3000:]}"
    assert guest[-1] == "end 0"
    return guest


CASES = {
    "rename onto the current folder": ["mkdir /e 511", "mkdir /f 511", "chdir /e", "rename /f /e", "stat .", "getcwd 100", "mkdir x 511"],
    "remove the current folder": ["mkdir /e 511", "chdir /e", "rmdir /e", "getcwd 100", "stat ..", "open x 0x42 0", "chdir ..", "getcwd 9"],
    "remove a folder and its parent": ["mkdir /e 511", "mkdir /e/f 511", "chdir /e/f", "rmdir /e/f", "rmdir /e", "stat ..", "chdir ../.."],
    "rename over an open file": ["open a 0x42 420", "write 3 5 65", "open b 0x42 420", "rename b a", "lseek 3 0 0", "read 3 9", "fstat 3"],
    "unmap twice": ["mmap 0 0 4 3", "munmap 0 1 1", "munmap 0 1 1", "mmap 1 0 1 3", "mmap 2 0 1 3", "touch 1 0 0 1", "touch 2 0 0"],
    "unmap more than is there": ["mmap 0 0 4 3", "munmap 0 2 1", "munmap 0 0 4", "mmap 1 0 8 3", "touch 1 7 0", "touch 1 0 0"],
    "protect a hole": ["mmap 0 0 4 3", "munmap 0 2 1", "mprotect 0 0 4 0", "touch 0 0 0", "touch 0 3 0"],
    "a guard page": ["mmap 0 0 4 3", "mprotect 0 0 1 0", "touch 0 0 0 1", "touch 0 1 0 1", "mprotect 0 0 1 1", "touch 0 0 0", "touch 0 0 0 1"],
    "map without rights": ["mmap 0 0 4 0", "touch 0 0 0", "mprotect 0 0 2 3", "touch 0 0 0 7", "touch 0 2 0", "munmap 0 0 4"],
    "pages are zero again": ["mmap 0 0 2 3", "touch 0 0 9 5", "mprotect 0 0 1 0", "munmap 0 0 2", "mmap 1 0 2 3", "touch 1 0 9", "touch 1 0 0 1"],
    "a full table of descriptors": [*["dup 3"] * 5, "open a 0x42 420", *["dup 3"] * 254, "open b 0x42 420", "stat b", "close 9", "dup 3"],
    "duplicates out of range": ["open a 0x42 420", "dup2 3 255", "dup2 3 256", "dup2 3 -1", "fcntl 3 0 256", "fcntl 3 0 255"],
    "nobody may change what only root may": ["open a 0x42 292", "close 3", "open a 1", "write 3 1 1", "stat a", "chmod a 0", "open a 2"],
    "much is given back": ["mmap 0 0 300 3", "touch 0 299 0 5", "mprotect 0 7 9 0", "munmap 0 0 300", "mmap 1 0 300 3", "touch 1 299 0",
                           "touch 1 8 0 3", "munmap 1 1 299", "rest", "mmap 2 0 400 3", "touch 2 7 0", "touch 1 0 0"],
    "append": ["open a 0x42 420", "write 3 9 65", "open a 0x401", "write 4 1 66", "pwrite 4 1 67 0", "lseek 4 0 1", "lseek 3 0 0", "read 3 99"],
    "paths that end in a slash": ["mkdir d/ 511", "open f/ 0x42 420", "open f 0x42 420", "stat f/", "rename f g/", "rename d e/", "unlink f/", "rmdir e/"],
    "paths that end in a dot": ["mkdir d 511", "rmdir d/.", "rmdir d/..", "unlink .", "rename d .", "rename d/.. x", "mkdir . 511", "rmdir /"],
    "names that are too long": [f"stat {'x' * 256}", f"open {'x' * 256} 0x42 420", f"stat {'x' * 256}/a", f"mkdir {'./' * 2100}a 511"],
    "close-on-exec is kept": ["open a 0x80042 420", "fcntl 3 1", "dup 3", "fcntl 4 1", "fcntl 3 2 0", "fcntl 3 1", "fcntl 3 1030 9", "fcntl 9 1"],
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_it_does_what_linux_does(on_guest: Driver, on_kernel: Driver, case: list[str]) -> None:
    agree(on_guest, on_kernel, case)


@pytest.mark.parametrize("count", [3, 500])
def test_removing_while_reading_a_folder_removes_all(on_guest: Driver, on_kernel: Driver, count: int) -> None:
    made = [line for number in range(count) for line in (f"open d/f{number} 0x42 420", "close 3")]
    answers = agree(
        on_guest, on_kernel, ["mkdir d 511", *made, "open d 0", "list 3 removing", "lseek 3 0 0", "list 3", "rmdir d"]
    )
    assert len(answers[-5].split()) == count + 1
    assert answers[-3:] == ["0", "0", "end 0"]


def test_a_folder_that_grows_while_it_is_read_ends(on_guest: Driver) -> None:
    """Linux says nothing of entries that are new; every old one must come once, and reading must end."""
    made = [line for number in range(50) for line in (f"open d/f{number} 0x42 420", "close 3")]
    answers = on_guest.run(["mkdir d 511", *made, "open d 0", "list 3 renaming", "lseek 3 0 0", "list 3"])
    names = answers[-4].split()[1:]
    assert sorted(names) == sorted(f"f{number}:8" for number in range(50))
    assert sorted(answers[-2].split()[1:]) == sorted(f"xf{number}:8" for number in range(50))


names = st.sampled_from(["a", "b", "c", "d", "a", "b", ".", "..", "x" * 255])
paths = st.builds(
    lambda first, parts, last: first + "/".join(parts) + last,
    st.sampled_from(["", "", "/"]),
    st.lists(names, min_size=1, max_size=3),
    st.sampled_from(["", "", "", "/"]),
)
descriptors = st.sampled_from([3, 3, 4, 4, 5, 6, 7, -1, 255, 256])
folders = st.sampled_from([AT_FDCWD, 3, 4, 5])
counts = st.sampled_from([0, 1, 10, 4095, 4096, 4097, 9000])
offsets = st.sampled_from([0, 1, 5, 4095, 4096, 5000, 8192, 100_000, -1])
accesses = st.sampled_from([0, O_WRONLY, O_RDWR, O_RDWR])
wishes = st.sampled_from(
    [0, O_CREAT, O_CREAT, O_CREAT | O_EXCL, O_TRUNC, O_CREAT | O_TRUNC, O_APPEND | O_CREAT, O_DIRECTORY, O_CLOEXEC]
)
modes = st.sampled_from([0o644, 0o600, 0o444, 0, 0o777])


def line(name: str, *arguments: st.SearchStrategy[object]) -> st.SearchStrategy[list[str]]:
    return st.tuples(*arguments).map(lambda values: [" ".join([name, *map(str, values)])])


file_lines = st.one_of(
    line("open", paths, st.builds(int.__or__, accesses, wishes), modes),
    line("open", paths, st.just(O_RDWR | O_CREAT), modes),
    line("open", paths, st.just(O_DIRECTORY)),
    line("openat", folders, paths, st.builds(int.__or__, accesses, wishes), modes),
    line("close", descriptors),
    line("dup", descriptors),
    line("dup2", descriptors, descriptors),
    line("dup3", descriptors, descriptors, st.sampled_from([0, O_CLOEXEC])),
    line("read", descriptors, counts),
    line("pread", descriptors, counts, offsets),
    line("write", descriptors, counts, st.integers(1, 200)),
    line("pwrite", descriptors, counts, st.integers(1, 200), offsets),
    line("lseek", descriptors, offsets, st.sampled_from([0, 0, 1, 2, 99])).filter(
        lambda lines: "99" in lines[0] or "3" in lines[0]
    ),
    line("truncate", paths, offsets),
    line("ftruncate", descriptors, offsets),
    line("mkdir", paths, modes),
    line("mkdirat", folders, paths, modes),
    line("rmdir", paths),
    line("unlink", paths),
    line("unlinkat", folders, paths, st.sampled_from([0, AT_REMOVEDIR])),
    line("rename", paths, paths),
    line("renameat", folders, paths, folders, paths),
    line("access", paths, st.sampled_from([0, 1, 2, 4, 7, 8])),
    line("chdir", paths),
    line("fchdir", descriptors),
    line("getcwd", st.sampled_from([2, 8, 4000])),
    line("stat", paths),
    line("fstat", descriptors),
    line("chmod", paths, modes),
    line("umask", st.sampled_from([0o22, 0, 0o77])),
    line("readlink", paths, st.just("x"), st.just(9)),
    line("fcntl", descriptors, st.just(1)),
    line("fcntl", descriptors, st.just(3)),
    st.builds(lambda path: [f"open {path} {O_DIRECTORY}", "list 3", "list 4", "list 5"], paths),
)


@given(st.lists(file_lines, min_size=1, max_size=40).map(lambda parts: [line for part in parts for line in part]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_files_are_as_on_linux(on_guest: Driver, on_kernel: Driver, script: list[str]) -> None:
    agree(on_guest, on_kernel, script)


@st.composite
def memory_scripts(draw: st.DrawFn) -> list[str]:
    """Scripts that touch only what is mapped, and look at a hole only before something else can have been put there."""
    mapped: dict[int, list[bool]] = {}
    plain: set[int] = set()  # slots that are one mapping to Linux too, which does not join again all that it cut
    script: list[str] = []
    for _ in range(draw(st.integers(1, 40))):
        if draw(st.integers(0, 9)) == 0:
            script.append("rest")
        slot = draw(st.integers(0, SLOTS - 1))
        pages = mapped.get(slot, [])
        if not any(pages):
            size = draw(st.integers(1, PAGES))
            rights = draw(st.sampled_from([3, 3, 3, 1, 0, 2]))
            script.append(f"mmap {slot} 0 {size} {rights}")
            plain = plain | {slot} if rights == 3 else plain - {slot}
            mapped[slot] = [True] * size
            continue
        first = draw(st.integers(0, len(pages) - 1))
        size = draw(st.integers(1, len(pages) - first))
        whole = all(pages[first : first + size])
        match draw(st.sampled_from(["munmap", "mprotect", "fixed", "touch", "touch", "write", "mremap"])):
            case "munmap" if whole:
                script += [f"munmap {slot} {first} {size}"] * draw(st.integers(1, 2))
                script += [f"mprotect {slot} {first} {size} 3"] * draw(st.integers(0, 1))
                pages[first : first + size] = [False] * size
            case "mprotect" if whole:
                plain.discard(slot)
                script.append(f"mprotect {slot} {first} {size} {draw(st.sampled_from([0, 1, 3, 2, 8, 16]))}")
            case "fixed" if whole:
                plain.discard(slot)
                script.append(f"fixed {slot} {first} {size} {draw(st.sampled_from([0, 1, 3]))}")
            case "touch" if pages[first]:
                script.append(f"touch {slot} {first} {draw(st.sampled_from([0, 8, 4095]))}")
            case "write" if pages[first]:
                script.append(f"touch {slot} {first} {draw(st.sampled_from([0, 8, 4095]))} {draw(st.integers(1, 100))}")
            case "mremap" if all(pages) and slot in plain:
                wanted = draw(st.integers(1, 2 * PAGES))
                script.append(f"mremap {slot} {wanted} {len(pages)}")
                mapped[slot] = [True] * wanted
            case _:
                pass
    return script


@given(memory_scripts())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_memory_is_as_on_linux(on_guest: Driver, on_kernel: Driver, script: list[str]) -> None:
    agree(on_guest, on_kernel, script)
