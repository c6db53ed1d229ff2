"""Guests of these tests, as an app each: those that do what a guest may not, and what must be said of them on every KVM; and functions.

The first word of `argv` chooses where a guest that goes wrong has more than one way.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SOURCE = """
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <unishare/abi.h>
#include <unishare/platform.h>
{before}
int main(int argc, char **argv)
{{
    (void)argc; (void)argv;
    {body}
}}
"""
RECIPE = """name = "hostile-{name}"
libraries = ["musl-core"]
[build]
flags = ["-fno-optimize-sibling-calls", "-w"]
"""
# What a handler of exception 14 is entered with, forged: a fault at an address of the guest's choice.
FORGED = (
    "uint64_t *top = (uint64_t *)(UNISHARE_INSTANCE_BASE + 0x3000);"
    " uint64_t frame[6] = {4, 0xbad0, 0x33, 2, 0xbad8, 0x2b}; memcpy(top - 6, frame, sizeof frame);"
    ' __asm__ volatile("mov %0, %%rsp; jmp *%1" : : "r"(top - 6), "r"(UNISHARE_INSTANCE_BASE + 0x100 + 14 * 4)); return 0;'
)


@dataclass(frozen=True)
class Guest:
    """Code in main, its exit code (None: it answers READY and stays), what the report says, code before main, more ways to run it."""

    body: str
    code: int
    says: str = ""
    before: str = ""
    ways: tuple[str, ...] = ("",)
    layouts: tuple[str, ...] = ("aligned", "aslr")
    # It is told in the same words everywhere.
    alike: bool = True


def _asm(text: str, *inputs: str) -> str:
    return f'__asm__ volatile("{text}" : : {", ".join(inputs)} : "memory"); return 0;'


PROTECTION = "general protection fault"
# One `int n; ret` for each vector, four bytes each.
VECTORS = '__asm__(".globl all\\nall:\\n.set n, 0\\n.rept 256\\n.byte 0xcd, n, 0xc3, 0x90\\n.set n, n + 1\\n.endr"); extern char all[];'
GUESTS: dict[str, Guest] = {
    "reads": Guest(_asm("mov (%0), %%rax", '"r"(0x10000000UL)'), 139, "read or write of 0x10000000"),
    "writes": Guest(_asm("mov %%rax, (%0)", '"r"(0x10000000UL)'), 139, "a write to 0x10000000"),
    "jumps": Guest(_asm("jmp *%0", '"r"(0x10000000UL)'), 139, "a jump to 0x10000000"),
    "out-of-range": Guest(_asm("mov (%0), %%rax", '"r"(0x123456789abcdef0UL)'), 139, PROTECTION),
    "no-stack": Guest(_asm("xor %%esp, %%esp; push %%rax"), 139, "a write to 0xfffffffffffffff8"),
    "wild-stack": Guest(_asm("mov %0, %%rsp; push %%rax", '"r"(0x8123456789abcdf0UL)'), 135, "stack address out of any range"),
    # Not every kernel says where a page is that its owner may not use.
    "denied-stack": Guest(
        "char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); mprotect(page, 4096, PROT_NONE);"
        + _asm("mov %0, %%rsp; push %%rax", '"r"(page + 4096)'),
        139, "rights forbid", "#include <sys/mman.h>", alike=False,
    ),
    "fault-stack": Guest(
        _asm("mov %0, %%rsp; push %%rax; ud2", '"r"(UNISHARE_INSTANCE_BASE + 0x3000)'), 132, "does not exist", layouts=("aligned",)
    ),
    "own-text": Guest("*(volatile char *)(void *)main = 1; return 0;", 139, "not writable"),
    "boot-page": Guest("*(volatile char *)unishare_boot_page = 1; return 0;", 139, "a write to"),
    "guard": Guest("return *(volatile char *)(unishare_boot_page->stack_bottom - 1);", 139, "overrun"),
    "below-heap": Guest(
        "*(volatile char *)(unishare_boot_page->heap_start - 0x1000) = 1; return 0;", 139, "a write to", layouts=("aslr",)
    ),
    "divides": Guest(_asm("xor %%ecx, %%ecx; xor %%edx, %%edx; mov $1, %%eax; div %%ecx"), 136, "division"),
    "undefined": Guest(_asm("ud2"), 132, "does not exist"),
    "halts": Guest(_asm("hlt"), 139, PROTECTION),
    "masks": Guest(_asm("cli"), 139, PROTECTION),
    "ports": Guest(_asm("mov $0x3f8, %%edx; out %%al, (%%dx)"), 139, PROTECTION),
    "reads-registers": Guest(_asm("mov %%cr3, %%rax"), 139, PROTECTION),
    "model-specific": Guest(_asm("mov $0xc0000080, %%ecx; rdmsr"), 139, PROTECTION),
    "breakpoint": Guest(_asm("int3"), 133, "breakpoint"),
    "calls-linux": Guest(_asm("mov $39, %%eax; syscall"), 132, "system call instruction"),
    "interrupts": Guest(
        "((void (*)(void))(void *)(all + 4 * atoi(argv[1])))(); return 0;", 139, PROTECTION, VECTORS,
        ("0", "1", "2", "4", "6", "8", "13", "14", "18", "31", "32", "128", "255"),
    ),
    "steps": Guest(_asm("pushf; orl $0x100, (%%rsp); popf; nop; nop"), 133, "trap flag"),
    "aligns": Guest(
        "char room[16]; "
        + _asm("pushf; orl $0x40000, (%%rsp); popf; mov (%0), %%rax", '"r"(((uintptr_t)room & ~7UL) + 1)'),
        135, "misaligned",
    ),
    "privileges": Guest(_asm("pushf; orl $0x3000, (%%rsp); popf; cli"), 139, PROTECTION),
    "loads-stack-segment": Guest(_asm("xor %%eax, %%eax; mov %%eax, %%ss"), 139, PROTECTION),
    "loads-any-segment": Guest(_asm("mov $0x4b, %%eax; mov %%eax, %%es"), 139, PROTECTION),
    "loads-tables": Guest("char table[10] = {0}; " + _asm("lidt (%0)", '"r"(table)'), 139, PROTECTION),
    # A guest that says of itself what only its tender may say.
    "jumps-to-handler": Guest(
        _asm("jmp *%0", '"r"(UNISHARE_INSTANCE_BASE + 0x100 + 14 * 4)'), 139, "into the hypercall page", layouts=("aligned",)
    ),
    "forges-a-frame": Guest(FORGED, 139, "into the hypercall page", layouts=("aligned",)),
    "uses-a-handlers-port": Guest(_asm("out %%al, $0x8e"), 139, PROTECTION),
    "reads-a-port": Guest(_asm("in $0x55, %%al"), 139, PROTECTION),
}  # fmt: skip


# Takes memory in pieces until it has as many MiB as it is asked for, or there is no more; answers with the KiB it got.
GROWING = """
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unishare/function.h>

static void *map_piece(void)
{
    void *piece = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return piece == MAP_FAILED ? NULL : piece;
}

static int handle(const unishare_request *request, unishare_answer *answer)
{
    unsigned long wanted = strtoul((const char *)request->data, NULL, 10) << 10, got = 0;
    for (char *piece; got < wanted && (piece = map_piece()); got += 64)
        memset(piece, 1, 1 << 16);
    unishare_answer_printf(answer, "%lu", got);
    return 0;
}

int main(void) { return unishare_serve(handle); }
"""
FUNCTION_RECIPE = """name = "{name}"
libraries = ["unishare-invoke"]
{state}
[build]
defines = ["_GNU_SOURCE"]
flags = ["-w", "-O1", "-mfsgsbase"]
"""
STATELESS = 'state = "none"'
FORGETFUL = Path(__file__).parents[1] / "integration" / "forgetful.c"
# Functions that do nothing wrong: whether each keeps state, and its source.
FUNCTIONS = {
    "growing": ("", GROWING),
    "forgetful": (STATELESS, FORGETFUL.read_text()),
    "stateful": ("", FORGETFUL.read_text()),
}


def project(folder: Path) -> None:
    """Write all of them as apps."""
    for name, (state, source) in FUNCTIONS.items():
        _app(folder, name, source, FUNCTION_RECIPE.format(name=name, state=state))
    for name, guest in GUESTS.items():
        _app(folder, f"hostile-{name}", SOURCE.format(before=guest.before, body=guest.body), RECIPE.format(name=name))


def _app(folder: Path, name: str, source: str, recipe: str) -> None:
    app = folder / "apps" / name
    app.mkdir(parents=True)
    (app / "main.c").write_text(source)
    (app / "app.toml").write_text(recipe)
