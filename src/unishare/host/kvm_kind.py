"""Which KVM this host has, and what of its set-up costs every virtual machine memory or time.

Read from /sys and /proc below `root`, so that a test can show any host. Called by `doctor`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/")
ON = frozenset({"Y", "1"})


@dataclass(frozen=True)
class KvmKind:
    """`name` says it in words; `nested_paging` whether the processor translates a guest's addresses itself."""

    name: str
    nested_paging: bool
    remedy: str | None = None


@dataclass(frozen=True)
class Cost:
    """A setting of the host that costs each virtual machine something, and how to change it."""

    name: str
    found: str
    costs: bool
    matters: str
    remedy: str


def kvm_kind(root: Path = ROOT) -> KvmKind:
    """The module in use and what it was told to do."""
    hypervisor = " (on a host that is a virtual machine itself)" if "hypervisor" in _flags(root) else ""
    if (root / "sys/module/kvm_intel").is_dir():
        if not _on(root, "kvm_intel", "ept"):
            return KvmKind(f"VT-x without EPT{hypervisor}", False, _shadow_remedy("kvm_intel.ept"))
        bits = "with" if _on(root, "kvm_intel", "eptad") else "without"
        return KvmKind(f"VT-x with EPT, {bits} accessed and dirty bits{hypervisor}", True)
    if (root / "sys/module/kvm_amd").is_dir():
        if not _on(root, "kvm_amd", "npt"):
            return KvmKind(f"AMD-V without nested paging{hypervisor}", False, _shadow_remedy("kvm_amd.npt"))
        return KvmKind(f"AMD-V with nested paging{hypervisor}", True)
    if (root / "sys/module/kvm_pvm").is_dir():
        return KvmKind(
            "paravirtual, with shadow paging (kvm_pvm)",
            False,
            "nothing to do: this host's hypervisor gives it no hardware virtualisation",
        )
    return KvmKind(f"unknown: /dev/kvm without kvm_intel, kvm_amd or kvm_pvm{hypervisor}", False)


def _shadow_remedy(parameter: str) -> str:
    return f"shadow paging costs memory and time: load the module with {parameter}=1, if the processor has it"


def costs(root: Path = ROOT) -> list[Cost]:
    """Settings of the host that each virtual machine pays for."""
    return [_huge_page_threads(root), _debug_entries(root), _huge_pages(root)]


def _huge_page_threads(root: Path) -> Cost:
    setting = _read(root / "sys/module/kvm/parameters/nx_huge_pages")
    flaw = _read(root / "sys/devices/system/cpu/vulnerabilities/itlb_multihit")
    needed = bool(flaw) and not flaw.startswith("Not affected")
    return Cost(
        "kvm threads",
        f"kvm.nx_huge_pages = {setting or 'not there'}" + (", and this processor needs it" if needed else ""),
        setting not in ("", "never") and not needed,
        "a kernel thread for each virtual machine, about 16 KiB, splits huge pages that instances do not have",
        "start the kernel or load kvm with kvm.nx_huge_pages=never: this processor is not affected",
    )


def _debug_entries(root: Path) -> Cost:
    there = "debugfs" in _read(root / "proc/filesystems").split()
    return Cost(
        "kvm debugfs",
        "entries for each virtual machine" if there else "switched off",
        there,
        "debugfs holds about 55 KiB of counters for each virtual machine, mounted or not",
        "start the kernel with debugfs=off, where nobody debugs it",
    )


def _huge_pages(root: Path) -> Cost:
    setting = _read(root / "sys/kernel/mm/transparent_hugepage/enabled")
    chosen = setting.partition("[")[2].partition("]")[0] or "not in this kernel"
    return Cost(
        "huge pages", chosen, False, "instances go without them whatever is set: they would take 2 MiB for a first byte", ""
    )


def _on(root: Path, module: str, parameter: str) -> bool:
    return _read(root / "sys/module" / module / "parameters" / parameter) in ON


def _flags(root: Path) -> set[str]:
    for line in _read(root / "proc/cpuinfo").splitlines():
        if line.startswith("flags"):
            return set(line.partition(":")[2].split())
    return set()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
