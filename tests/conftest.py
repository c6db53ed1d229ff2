"""Fixtures that several areas share: homes in temporary folders, and built images for those who run real monitors."""

from __future__ import annotations

from pathlib import Path

import pytest

from unishare.measure.host import kvm_problem
from unishare.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An empty home."""
    return Settings(tmp_path / "home")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs KVM, with the reason, where it cannot be had."""
    problem = kvm_problem()
    if problem is None:
        return
    for item in items:
        if item.get_closest_marker("kvm"):
            item.add_marker(pytest.mark.skip(reason=f"needs KVM: {problem}"))
