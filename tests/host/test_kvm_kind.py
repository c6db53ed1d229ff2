"""Hosts of every kind, as their /sys and /proc show them."""

from __future__ import annotations

from pathlib import Path

import pytest

from unishare.host.kvm_kind import costs, kvm_kind


def host(root: Path, **files: str) -> Path:
    """A root with these files; `__` in a name is a folder's end."""
    for name, content in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n")
    return root


@pytest.mark.parametrize(
    ("files", "said", "nested"),
    [
        (
            {"sys__module__kvm_intel__parameters__ept": "Y", "sys__module__kvm_intel__parameters__eptad": "Y"},
            "EPT, with accessed",
            True,
        ),
        (
            {"sys__module__kvm_intel__parameters__ept": "Y", "sys__module__kvm_intel__parameters__eptad": "N"},
            "without accessed",
            True,
        ),
        ({"sys__module__kvm_intel__parameters__ept": "N"}, "without EPT", False),
        ({"sys__module__kvm_amd__parameters__npt": "Y"}, "AMD-V with nested paging", True),
        ({"sys__module__kvm_amd__parameters__npt": "N"}, "AMD-V without nested paging", False),
        (
            {"sys__module__kvm_amd__parameters__npt": "1", "proc__cpuinfo": "flags : fpu hypervisor"},
            "virtual machine itself",
            True,
        ),
        ({"sys__module__kvm_pvm__version": "1"}, "paravirtual", False),
        ({}, "unknown", False),
    ],
)
def test_each_kind_is_named(tmp_path: Path, files: dict[str, str], said: str, nested: bool) -> None:
    kind = kvm_kind(host(tmp_path, **files))
    assert said in kind.name
    assert kind.nested_paging == nested


def test_shadow_paging_on_hardware_has_a_remedy(tmp_path: Path) -> None:
    kind = kvm_kind(host(tmp_path, sys__module__kvm_amd__parameters__npt="N"))
    assert kind.remedy is not None and "kvm_amd.npt=1" in kind.remedy


@pytest.mark.parametrize(
    ("setting", "flaw", "charged"),
    [
        ("Y", "Not affected", True),
        ("never", "Not affected", False),
        ("Y", "KVM: Mitigation: Split huge pages", False),
        ("", "", False),
    ],
)
def test_threads_that_nobody_needs_are_named(tmp_path: Path, setting: str, flaw: str, charged: bool) -> None:
    files = {
        "sys__module__kvm__parameters__nx_huge_pages": setting,
        "sys__devices__system__cpu__vulnerabilities__itlb_multihit": flaw,
    }
    (threads,) = (cost for cost in costs(host(tmp_path, **files)) if cost.name == "kvm threads")
    assert threads.costs == charged


def test_debugfs_costs_until_it_is_off(tmp_path: Path) -> None:
    def charged(root: Path) -> bool:
        return next(cost.costs for cost in costs(root) if cost.name == "kvm debugfs")

    assert charged(host(tmp_path / "on", proc__filesystems="nodev\tproc\nnodev\tdebugfs"))
    assert not charged(host(tmp_path / "off", proc__filesystems="nodev\tproc"))
