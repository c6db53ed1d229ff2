"""What this machine offers for building and running: one check per thing, with the remedy where it is missing.

Out: `Check`s, read-only probes only. Called by `unishare doctor`, and by whoever has to choose a tender.
"""

from __future__ import annotations

import fcntl
import grp
import os
import platform
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from unishare.host.kvm_kind import costs, kvm_kind

State = Literal["ok", "limited", "missing"]
KVM_DEVICE = Path("/dev/kvm")
# Requests of <linux/kvm.h>.
KVM_GET_API_VERSION = 0xAE00
KVM_CREATE_VM = 0xAE01
KVM_API_VERSION = 12
FLEET = 1000
# Per instance: console, channel and control ends in the launcher.
DESCRIPTORS_EACH = 6
PROCESSES_EACH = 2
# Above the kernel's default of 65530 nothing here goes; an instance has some tens of mappings.
MAPPINGS_WANTED = 4096
BYTES_EACH = 1 << 20


@dataclass(frozen=True)
class Check:
    """`missing` means that something does not work at all, `limited` that something works less well."""

    name: str
    state: State
    found: str
    matters: str
    remedy: str | None = None


def kvm_problem() -> str | None:
    """Why /dev/kvm cannot be used; None when it can."""
    if not KVM_DEVICE.exists():
        return "this machine has no /dev/kvm"
    try:
        device = os.open(KVM_DEVICE, os.O_RDWR | os.O_CLOEXEC)
    except PermissionError:
        return "this user may not open /dev/kvm"
    except OSError as error:
        return f"/dev/kvm cannot be opened: {error.strerror}"
    try:
        return _failure(device)
    finally:
        os.close(device)


def _failure(device: int) -> str | None:
    """Why an open /dev/kvm is of no use. Only trying tells: another hypervisor may hold the processor."""
    try:
        version = fcntl.ioctl(device, KVM_GET_API_VERSION)
    except OSError as error:
        return f"/dev/kvm does not answer: {error.strerror}"
    if version != KVM_API_VERSION:
        return f"/dev/kvm speaks API version {version}, not {KVM_API_VERSION}"
    try:
        os.close(fcntl.ioctl(device, KVM_CREATE_VM))
    except OSError as error:
        return f"/dev/kvm makes no virtual machine: {error.strerror}"
    return None


def check_host() -> list[Check]:
    """All checks, in the order in which a person would want to mend things."""
    probes: Iterable[Callable[[], Check]] = (
        _machine,
        _kvm,
        _seccomp,
        _fsgsbase,
        _monitor,
        _compiler,
        _linker,
        _sources,
        _memory,
        _ksm,
        _mappings,
        _processes,
        _descriptors,
        _frames,
    )
    return [*(probe() for probe in probes), *_kvm_costs()]


def _kvm_costs() -> list[Check]:
    """What each virtual machine pays for, where there are any."""
    if kvm_problem() is not None:
        return []
    return [
        Check(cost.name, "limited" if cost.costs else "ok", cost.found, cost.matters, cost.remedy if cost.costs else None)
        for cost in costs()
    ]


def _machine() -> Check:
    machine, release = platform.machine(), platform.release()
    fits = machine == "x86_64" and platform.system() == "Linux"
    found = f"{platform.system()} {release} on {machine}"
    return Check(
        "machine",
        "ok" if fits else "missing",
        found,
        "unikernels are x86-64 code",
        None if fits else "use an x86-64 Linux host",
    )


def _kvm() -> Check:
    problem = kvm_problem()
    matters = "the kvm tender confines each instance in a virtual machine"
    if problem is None:
        kind = kvm_kind()
        return Check("kvm", "ok" if kind.nested_paging else "limited", f"/dev/kvm is usable: {kind.name}", matters, kind.remedy)
    remedy = "switch hardware virtualisation on, and 'modprobe kvm_intel' or 'kvm_amd'; until then the process tender is used"
    if "may not" in problem:
        remedy = f"{_kvm_remedy(KVM_DEVICE.stat())}; until then the process tender is used"
    return Check("kvm", "limited", problem, matters, remedy)


def _kvm_remedy(device: os.stat_result) -> str:
    """How a user gets at the device: by its group, if it has one that is meant for that."""
    if device.st_gid == 0 or device.st_mode & 0o060 != 0o060:
        return "as root give a group rights to it ('chgrp kvm /dev/kvm && chmod 660 /dev/kvm') and this user to that group"
    return f"add this user to the group {grp.getgrgid(device.st_gid).gr_name}, then log in again"


def _seccomp() -> Check:
    actions = Path("/proc/sys/kernel/seccomp/actions_avail")
    there = actions.exists() and "trap" in actions.read_text()
    matters = "the process tender confines each instance with a seccomp filter"
    if there:
        return Check("seccomp", "ok", "filters are available", matters)
    return Check("seccomp", "missing", "no seccomp filters", matters, "use a kernel with CONFIG_SECCOMP_FILTER")


def _fsgsbase() -> Check:
    there = "fsgsbase" in _cpu_flags()
    matters = "guests set their thread pointer without a call to the tender"
    if there:
        return Check("fsgsbase", "ok", "the processor has it", matters)
    return Check(
        "fsgsbase",
        "limited",
        "the processor lacks it",
        matters,
        "nothing to do: guests ask the tender instead, a little slower",
    )


def _cpu_flags() -> set[str]:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            return set(line.partition(":")[2].split())
    return set()


def _monitor() -> Check:
    from unishare.errors import UnishareError
    from unishare.monitor_program import monitor_program

    matters = "it loads and runs instances"
    try:
        return Check("monitor", "ok", str(monitor_program()), matters)
    except UnishareError as error:
        return Check("monitor", "missing", error.message, matters, error.hint)


def _compiler() -> Check:
    return _programs("compiler", ("gcc", "g++"), "libraries are compiled from source", "gcc g++")


def _linker() -> Check:
    wanted = ("ld", "objcopy", "objdump", "nm", "ar")
    return _programs("linker", wanted, "images are linked by GNU ld under generated scripts", "binutils")


def _sources() -> Check:
    wanted = ("apt-get", "xz", "bzip2", "tclsh", "make")
    return _programs("sources", wanted, "upstream sources come as Debian source packages", "apt xz-utils bzip2 tcl make")


def _programs(name: str, wanted: tuple[str, ...], matters: str, packages: str) -> Check:
    missing = [program for program in wanted if shutil.which(program) is None]
    if missing:
        return Check(name, "missing", f"not found: {', '.join(missing)}", matters, f"apt-get install {packages}")
    return Check(name, "ok", _version(wanted[0]), matters)


def _version(program: str) -> str:
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=10, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return program
    return (done.stdout.splitlines() or [program])[0].strip()


def _memory() -> Check:
    from unishare.host.memory import available

    free = available()
    found = f"{free / (1 << 30):.1f} GiB available"
    enough = free >= FLEET * BYTES_EACH * 6
    matters = f"{FLEET} unshared instances take about 5 GiB, shared ones a fraction"
    return Check("memory", "ok" if enough else "limited", found, matters, None if enough else "run fewer instances with -n")


def _ksm() -> Check:
    folder = Path("/sys/kernel/mm/ksm")
    matters = "only for comparing load-time sharing with the kernel's page merging"
    if not folder.is_dir():
        return Check("ksm", "limited", "not in this kernel", matters, "use a kernel with CONFIG_KSM to compare")
    running = (folder / "run").read_text().strip() == "1"
    if not running:
        return Check("ksm", "ok", "there, switched off", matters)
    remedy = "unless others need it: 'echo 0 > /sys/kernel/mm/ksm/run'"
    return Check("ksm", "limited", "running: it reads and compares pages that instances share already", matters, remedy)


def _mappings() -> Check:
    limit = int(Path("/proc/sys/vm/max_map_count").read_text())
    enough = limit >= MAPPINGS_WANTED
    matters = "an instance has some tens of mappings"
    return Check(
        "mappings",
        "ok" if enough else "limited",
        f"vm.max_map_count = {limit}",
        matters,
        None if enough else "sysctl vm.max_map_count=65530",
    )


def _processes() -> Check:
    limit = int(Path("/proc/sys/kernel/pid_max").read_text())
    enough = limit >= FLEET * PROCESSES_EACH * 4
    matters = "an instance is a process, under KVM with a kernel thread beside it"
    remedy = None if enough else "sysctl kernel.pid_max=4194304"
    return Check("processes", "ok" if enough else "limited", f"kernel.pid_max = {limit}", matters, remedy)


def _descriptors() -> Check:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = hard == resource.RLIM_INFINITY or hard >= FLEET * DESCRIPTORS_EACH
    matters = f"a launcher holds some descriptors per instance; {FLEET} need about {FLEET * DESCRIPTORS_EACH}"
    remedy = None if enough else f"raise the hard limit of open files (ulimit -Hn) to {FLEET * DESCRIPTORS_EACH}"
    return Check("open files", "ok" if enough else "limited", f"soft {soft}, hard {hard}", matters, remedy)


def _frames() -> Check:
    from unishare.host.frames import frames_visible

    matters = "tests and benchmarks that compare page frames read them from /proc/PID/pagemap"
    if frames_visible():
        return Check("page frames", "ok", "/proc/self/pagemap shows frame numbers", matters)
    return Check(
        "page frames", "limited", "/proc/self/pagemap hides frame numbers", matters, "run those as root (CAP_SYS_ADMIN)"
    )
