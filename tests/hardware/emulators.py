"""Emulators of hosts with hardware virtualisation: QEMU for AMD-V with nested paging, Bochs for VT-x with EPT and its accessed bits."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# Before a command: it is killed when whoever started it ends, however that ends.
WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")
SOCKET_LIMIT_S = 30
MIB_OF = {"qemu": 3072, "bochs": 1024}


@dataclass(frozen=True)
class Emulated:
    """What to start, and a folder for what it needs."""

    emulator: str
    kernel: Path
    initrd: Path
    arguments: str
    folder: Path


@dataclass(frozen=True)
class Lines:
    """Serial lines: the console's file, and the sockets of the launcher and of the shell."""

    console: Path
    control: Path
    shell: Path


@contextmanager
def start(emulated: Emulated) -> Iterator[Lines]:
    """The machine, killed when the block ends."""
    folder = emulated.folder
    lines = Lines(folder / "console", folder / "control", folder / "shell")
    lines.console.touch()
    command = _qemu(emulated, lines) if emulated.emulator == "qemu" else _bochs(emulated, lines)
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            [*WITH_US, *command], stdin=subprocess.DEVNULL, stdout=said, stderr=said, env={**os.environ, "TERM": "xterm"}
        )
    try:
        deadline = time.monotonic() + SOCKET_LIMIT_S
        while not (lines.control.exists() and lines.shell.exists()):
            if process.poll() is not None or time.monotonic() > deadline:
                raise TimeoutError(f"{command[0]} did not start: {(folder / 'said').read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)
        if emulated.emulator == "bochs":
            threading.Thread(target=_discard_screen, args=(process, folder / "said"), daemon=True).start()
        yield lines
    finally:
        process.kill()
        process.wait()


# Time passes there by instructions, two nanoseconds each. By the clock of a busy machine timers come faster than an emulator that
# hardly runs can serve them, and then nothing else does.
# While the emulated processor waits, QEMU's main loop winds that time on. On a busy machine QEMU 7.2 sometimes misses that it has begun
# to wait: time stands still there, and no timer runs out (not even the serial line's, which hands over the last bytes of a message),
# until the main loop wakes for something else. The sockets of a user's network make it wake once a second; no device is on it.
def _qemu(emulated: Emulated, lines: Lines) -> list[str]:
    def line(path: Path) -> list[str]:
        return ["-serial", f"unix:{path},server=on,wait=off"]

    return [
        "qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-cpu", "max,+svm,+npt", "-smp", "1", "-icount", "shift=1",
        "-m", str(MIB_OF["qemu"]), "-display", "none", "-netdev", "user,id=heartbeat", "-no-reboot",
        "-kernel", str(emulated.kernel), "-initrd", str(emulated.initrd), "-append", emulated.arguments,
        *line(lines.shell), *line(lines.control), "-serial", f"file:{lines.console}",
    ]  # fmt: skip


BOCHS = """cpu: model=corei7_haswell_4770, count=1, ips=50000000, reset_on_triple_fault=0
memory: guest={mib}, host={mib}
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
plugin_ctrl: unmapped=1, biosdev=1, speaker=0, extfpuirq=1, parallel=0, serial=1, gameport=0, iodebug=0
ata0-master: type=cdrom, path={folder}/disc, status=inserted
boot: cdrom
com1: enabled=1, mode=socket-client, dev=127.0.0.1:{shell}
com2: enabled=1, mode=socket-client, dev=127.0.0.1:{control}
com3: enabled=1, mode=file, dev={console}
display_library: term
log: {folder}/log
panic: action=fatal
error: action=report
info: action=ignore
debug: action=ignore
"""
BOOT_MENU = "default l\nprompt 0\ntimeout 1\nlabel l\n kernel /vmlinuz\n append initrd=/initrd {arguments} lpj=4000000\n"
SCREEN = re.compile(r'connected to screen "(/dev/pts/\d+)"')
LOADER = (Path("/usr/lib/ISOLINUX/isolinux.bin"), Path("/usr/lib/syslinux/modules/bios/ldlinux.c32"))


def _bochs(emulated: Emulated, lines: Lines) -> list[str]:
    """Bochs starts from a disc, and its serial lines are TCP's: each is passed on from a UNIX socket."""
    folder = emulated.folder
    tree = folder / "tree" / "isolinux"
    tree.mkdir(parents=True)
    for file in LOADER:
        (tree / file.name).write_bytes(file.read_bytes())
    (tree / "isolinux.cfg").write_text(BOOT_MENU.format(arguments=emulated.arguments))
    for name, source in {"vmlinuz": emulated.kernel, "initrd": emulated.initrd}.items():
        (folder / "tree" / name).symlink_to(source)
    subprocess.run(
        ["xorriso", "-as", "mkisofs", "-quiet", "-f", "-o", folder / "disc", "-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat",
         "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", folder / "tree"],
        check=True, capture_output=True,
    )  # fmt: skip
    ports = {name: _passed_on(path) for name, path in {"control": lines.control, "shell": lines.shell}.items()}
    settings = BOCHS.format(mib=MIB_OF["bochs"], folder=folder, console=lines.console, **ports)
    (folder / "bochsrc").write_text(settings)
    # Debian's Bochs has its debugger in, which waits for a command, and its display needs a terminal, which script(1) gives it.
    (folder / "commands").write_text("c\n")
    bochs = [*WITH_US, "bochs-bin", "-q", "-f", str(folder / "bochsrc"), "-rc", str(folder / "commands")]
    return ["script", "-qec", shlex.join(bochs), "/dev/null"]


def _discard_screen(bochs: subprocess.Popen[bytes], said: Path) -> None:
    """Read what Bochs shows: a Bochs with a debugger has a terminal of its own for that, and stands still when that is full."""
    while (found := SCREEN.search(said.read_text(errors="replace"))) is None:
        if bochs.poll() is not None:
            return
        time.sleep(0.1)
    screen = os.open(found[1], os.O_RDONLY | os.O_NOCTTY)
    # An error when Bochs ends.
    with contextlib.suppress(OSError):
        while os.read(screen, 65536):
            pass
    os.close(screen)


def _passed_on(path: Path) -> int:
    """Listen on a TCP port and on a UNIX socket, and pass bytes between those who connect. One at a time at the socket, as with QEMU."""
    port = socket.create_server(("127.0.0.1", 0))
    end = socket.socket(socket.AF_UNIX)
    end.bind(str(path))
    end.listen()
    threading.Thread(target=_pass_on, args=(port, end), daemon=True).start()
    return int(port.getsockname()[1])


def _pass_on(port: socket.socket, end: socket.socket) -> None:
    machine, _ = port.accept()
    client: list[socket.socket] = []

    def from_machine() -> None:
        while data := machine.recv(65536):
            # Nobody there: as with a line that nobody listens to.
            for one in client:
                try:
                    one.sendall(data)
                except OSError:
                    continue

    threading.Thread(target=from_machine, daemon=True).start()
    while True:
        connection, _ = end.accept()
        client[:] = [connection]
        try:
            while data := connection.recv(65536):
                machine.sendall(data)
        except OSError:
            continue
        finally:
            client.clear()
