"""gdb on real instances and images: symbols, lines and breakpoints at fixed and at random addresses."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from integration.conftest import build
from unishare.fleet import launcher
from unishare.fleet.control import Control
from unishare.fleet.messages import StartRequest
from unishare.inspect.gdb import command_file
from unishare.settings import Settings
from unishare.toolchain.recipes.catalog import Catalog

LAYOUTS = ("aligned", "aslr")
PPOLL = "271"
SLEEPER = """
#include <unistd.h>
#include <unishare/function.h>
static int handle(const unishare_request *request, unishare_answer *answer)
{
    (void)answer;
    for (int i = 0; i < 600; i++)
        usleep(100000);
    return (int)request->size;
}
int main(void) { return unishare_serve(handle); }
"""


@pytest.fixture(scope="module")
def gdb() -> str:
    found = shutil.which("gdb")
    if found is None:
        pytest.skip("gdb is not installed")
    return found


@pytest.fixture(scope="module")
def sleeper(home: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A function that waits with a time limit, built."""
    folder = tmp_path_factory.mktemp("sleeper")
    app = folder / "apps" / "test-sleeper"
    app.mkdir(parents=True)
    (app / "main.c").write_text(SLEEPER)
    (app / "app.toml").write_text('name = "test-sleeper"\nlibraries = ["unishare-invoke"]\n')
    build(home, Catalog([folder]), ("test-sleeper",), LAYOUTS)
    return home


def start_request(home: Settings, app: str, layout: str, tender: str) -> StartRequest:
    manifest = str(home.image_folder(layout, app) / "manifest.json")
    return StartRequest(manifest=manifest, tender="kvm" if tender == "kvm" else "process")


async def commands(control: Control, instance: str, pid: int | None, file: Path) -> Path:
    file.write_text(command_file(instance, await control.bases(instance), pid))
    return file


def ask(gdb: str, file: Path, *words: str) -> list[str]:
    return [gdb, "-nx", "-batch", "-x", str(file), *(part for one in words for part in ("-ex", one))]


async def said_by(command: list[str]) -> str:
    """What gdb prints, while the launcher can still be asked."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    return output.decode(errors="replace")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_breakpoint_in_a_library_shows_callers_and_lines(
    home: Settings, aslr_home: Settings, gdb: str, layout: str, tmp_path: Path
) -> None:
    async def act() -> str:
        async with launcher.private(home) as (control, _):
            one = (await control.start(start_request(home, "gzip", layout, "process")))[0]
            file = await commands(control, one.instance, one.pid, tmp_path / "commands.gdb")
            attached = tmp_path / "attached"
            command = ask(
                gdb, file, "break deflateInit2_", f"shell touch '{attached}'", "continue", "backtrace", "delete", "detach"
            )
            debugger = asyncio.create_task(said_by(command))
            while not attached.exists() and not debugger.done():
                await asyncio.sleep(0.05)
            # It is asked while gdb holds it, or runs it on: either way the breakpoint comes first.
            answer = await control.invoke(one.instance, b"hello", 60_000)
            assert answer.payload[:2] == b"\x1f\x8b"
            return await debugger

    said = asyncio.run(act())
    frames = [line for line in said.splitlines() if line.startswith("#")]
    assert "deflateInit2_" in frames[0] and "deflate.c:" in frames[0], said
    assert "handle" in frames[1] and "main.c:" in frames[1], said
    assert "unishare_serve" in frames[2] and "serve.c:" in frames[2], said


@pytest.mark.parametrize("layout", LAYOUTS)
def test_callers_are_found_from_inside_of_a_waiting_hypercall(sleeper: Settings, gdb: str, layout: str, tmp_path: Path) -> None:
    async def act() -> str:
        async with launcher.private(sleeper) as (control, _):
            one = (await control.start(start_request(sleeper, "test-sleeper", layout, "process")))[0]
            waiting = asyncio.create_task(control.invoke(one.instance, b"", 60_000))
            deadline = time.monotonic() + 20
            while not Path(f"/proc/{one.pid}/syscall").read_text().startswith(PPOLL) and time.monotonic() < deadline:
                await asyncio.sleep(0.01)
            said = await said_by(ask(gdb, await commands(control, one.instance, one.pid, tmp_path / "x.gdb"), "backtrace"))
            waiting.cancel()
            return said

    said = asyncio.run(act())
    for name in ("usleep", "handle", "unishare_serve", "unishare_boot_enter"):
        assert any(line.startswith("#") and f" {name} " in line for line in said.splitlines()), said


@pytest.mark.parametrize("layout", LAYOUTS)
def test_symbols_of_an_instance_under_any_tender(
    home: Settings, aslr_home: Settings, gdb: str, tender: str, layout: str, tmp_path: Path
) -> None:
    async def act() -> str:
        async with launcher.private(home) as (control, _):
            one = (await control.start(start_request(home, "gzip", layout, tender)))[0]
            file = await commands(control, one.instance, None, tmp_path / "x.gdb")
            return await said_by(ask(gdb, file, "info line deflateInit2_", "info symbol crc32"))

    said = asyncio.run(act())
    assert "Line 2" in said and 'of "deflate.c" starts at address' in said, said
    assert "crc32 in section .text" in said, said


def test_gdb_and_objdump_read_an_aligned_image(home: Settings, gdb: str) -> None:
    elf = home.image_folder("aligned", "gzip") / "image.elf"
    command = [gdb, "-batch", "-nx", "-ex", "info line inflate", "-ex", "info symbol inflate", str(elf)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, stdin=subprocess.DEVNULL).stdout
    assert "inflate.c" in said and "inflate in section .text.zlib" in said, said
    command = ["objdump", "-d", "-l", "--disassemble=inflateReset2", str(elf)]
    listed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert "<inflateReset2>:" in listed and "inflate.c:" in listed
