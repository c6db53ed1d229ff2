"""A virtual machine that hosts virtual machines: a stock kernel under an emulator, in it a launcher that this machine's client talks to.

In: a home with built images, the kind of host. Out: the launcher's control socket, and a shell. The first serial line is a shell's, the
second the launcher's (programs/bridge.c), the third the kernel's console.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hardware.emulators import Emulated, start
from hardware.initrd import Initrd
from hardware.kernel import Kernel
from hardware.serial_shell import Shell
from unishare.fleet.control import Control

PROGRAMS = Path(__file__).with_name("programs")
COMPILED = {"bridge": ["-static"], "frames": ["-static"], "holds": ["-static"], "task_type.so": ["-shared", "-fPIC"]}
ARGUMENTS = "console=ttyS2 quiet panic=-1 mitigations=off nokaslr tsc=reliable nowatchdog 8250.nr_uarts=4"
STOP_LIMIT_S = 60
# The home inside.
HOME = Path("/home")
POOL = HOME / "pool"
BRIDGE = "/bin/bridge /dev/ttyS1 /run/control"
INIT = r"""#!/bin/sh
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t tmpfs tmp /tmp; mount -t tmpfs run /run
mount -t debugfs debug /sys/kernel/debug
# The third line shares an interrupt with the first: nothing holds it open.
exec >/run/init.log 2>&1 </dev/null
dmesg -n 1
for module in @MODULES@; do insmod /modules/$module @PARAMETERS@ 2>/dev/null; done
export LD_PRELOAD=@PRELOAD@
/bin/unishare-monitor launch --control /run/control --pool @POOL@ &
unset LD_PRELOAD
while [ ! -e /run/control ]; do usleep 20000; done
@BRIDGE@
exec 3<>/dev/ttyS0
stty -F /dev/ttyS0 raw -echo
# Not in this process, whose children are all that others leave behind: busybox's read loses what it has of a line when a child ends.
while read -r line; do eval "$line" </dev/null; done <&3 >&3 2>/dev/null &
wait
"""


@dataclass(frozen=True)
class Host:
    """A kind of host: the emulator's name, and parameters of its KVM module."""

    name: str
    emulator: str
    parameters: str = ""
    # Times that everything may take longer than under QEMU.
    slowness: int = 1
    # Hostile guests of which the emulator does not do what the manuals say, and what it does.
    departures: Mapping[str, str] = field(default_factory=dict)


QEMU = {
    "aligns": "QEMU's processor does not check alignment: AC in RFLAGS is without effect",
    "wild-stack": "QEMU's processor raises #GP where a stack address out of any range is #SS (Intel SDM vol. 3, 6.15)",
}
HOSTS = {
    host.name: host
    for host in (
        Host("amd-v", "qemu", departures=QEMU),
        Host("amd-v-npt=0", "qemu", "npt=0", departures=QEMU),
        Host("vt-x", "bochs", slowness=20),
        Host("vt-x-eptad=0", "bochs", "eptad=0", slowness=20),
        Host("vt-x-ept=0", "bochs", "ept=0", slowness=20),
    )
}


@dataclass(frozen=True)
class VirtualMachine:
    """A running one."""

    host: Host
    control: Path
    shell: Shell

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Control]:
        """The launcher. Whoever fails may leave half a message on the line: it is set up anew, and what still runs is stopped."""
        try:
            async with await Control.connect(self.control) as control:
                yield control
        except BaseException:
            self.shell.run(f"killall bridge; sleep 1; {BRIDGE}")
            async with await Control.connect(self.control) as control:
                await asyncio.wait_for(control.stop_all(), STOP_LIMIT_S * self.host.slowness)
            raise

    def manifest(self, layout: str, name: str) -> str:
        """An image's manifest in it."""
        return str(HOME / "images" / layout / name / "manifest.json")

    def anonymous(self, pid: int) -> int:
        """Bytes of a process that belong to no file."""
        return 1024 * int(self.shell.run(f"awk '/^Anonymous:/ {{ print $2 }}' /proc/{pid}/smaps_rollup"))

    def frames(self, pids: Iterable[int]) -> dict[int, tuple[set[int], set[int]]]:
        """The frames of processes: of files, and anonymous ones that are theirs alone."""
        found = {}
        for line in self.shell.run(f"frames {' '.join(str(pid) for pid in pids)}").splitlines():
            pid, _, rest = line.partition(" file")
            of_files, _, own = rest.partition(" anonymous")
            found[int(pid)] = (set(map(int, of_files.split())), set(map(int, own.split())))
        return found


@contextmanager
def virtual_machine(
    host: Host, kernel: Kernel, monitor: Path, manifests: Iterable[Path], pool: Path
) -> Iterator[VirtualMachine]:
    """One with these images, until the block ends."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        root = _root(host, kernel, monitor, manifests, pool, folder)
        (folder / "initrd").write_bytes(root.archive())
        with start(Emulated(host.emulator, kernel.image, folder / "initrd", ARGUMENTS, folder)) as lines:
            shell = Shell(lines.shell, host.slowness)
            try:
                shell.wait_until_it_answers()
                yield VirtualMachine(host, lines.control, shell)
            except TimeoutError as error:
                raise TimeoutError(f"{error}; the console says: {lines.console.read_text(errors='replace')[-2000:]}") from error


def _root(host: Host, kernel: Kernel, monitor: Path, manifests: Iterable[Path], pool: Path, folder: Path) -> Initrd:
    root = Initrd()
    for name in ("proc", "sys", "dev", "tmp", "run"):
        root.folder(name)
    modules = " ".join(module.name for module in kernel.modules)
    preload = "/lib/task_type.so" if host.emulator == "qemu" else ""
    init = INIT
    for word, value in {
        "MODULES": modules,
        "PARAMETERS": host.parameters,
        "PRELOAD": preload,
        "POOL": str(POOL),
        "BRIDGE": BRIDGE,
    }.items():
        init = init.replace(f"@{word}@", value)
    root.file("init", init.encode(), 0o755)
    _busybox(root)
    for module in kernel.modules:
        root.copy(f"modules/{module.name}", module)
    for name, flags in COMPILED.items():
        source = PROGRAMS / f"{name.removesuffix('.so')}.c"
        subprocess.run(["gcc", "-O1", "-Wall", "-Wextra", "-Werror", *flags, "-o", folder / name, source], check=True)
        root.copy(f"lib/{name}" if name.endswith(".so") else f"bin/{name}", folder / name)
    _program(root, "bin/unishare-monitor", monitor)
    _home(root, manifests, pool)
    return root


def _busybox(root: Initrd) -> None:
    program = Path(shutil.which("busybox") or "/bin/busybox")
    root.copy("bin/busybox", program)
    names = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split()
    for name in names:
        if name != "busybox":
            root.link(f"bin/{name}", "busybox")


def _program(root: Initrd, name: str, source: Path) -> None:
    """A program with the shared objects that it needs."""
    root.copy(name, source)
    listed = subprocess.run(["ldd", source], capture_output=True, text=True, check=True).stdout
    for library in sorted(set(re.findall(r"/\S+\.so\S*", listed))):
        root.copy(library.removeprefix("/"), Path(library))


def _home(root: Initrd, manifests: Iterable[Path], pool: Path) -> None:
    """Images with what crash reports need, and the runs that they name."""
    root.copy(f"{POOL}/format".removeprefix("/"), pool / "format")
    runs: set[str] = set()
    for manifest in manifests:
        place = HOME / "images" / manifest.parent.parent.name / manifest.parent.name
        text = manifest.read_text()
        runs.update(re.findall(r'"([0-9a-f]{64})"', text))
        root.file(str(place / "manifest.json").removeprefix("/"), text.encode())
        if manifest.parent.name.startswith("hostile-"):
            elf = json.loads(text)["elf"]["file"]
            root.copy(str(place / elf).removeprefix("/"), manifest.parent / elf)
    for run in sorted(runs):
        if (file := pool / "runs" / run[:2] / run).exists():
            root.copy(str(POOL / "runs" / run[:2] / run).removeprefix("/"), file)


def missing_programs(host: Host) -> str | None:
    """Why this host cannot be had here; None when it can."""
    wanted = {"qemu": {"qemu-system-x86_64": "qemu-system-x86"}, "bochs": {"bochs-bin": "bochs", "xorriso": "xorriso"}}[
        host.emulator
    ]
    missing = [package for program, package in {**wanted, "busybox": "busybox-static"}.items() if shutil.which(program) is None]
    return f"apt-get install --no-install-recommends {' '.join(missing)}" if missing else None
