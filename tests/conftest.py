"""Fixtures that several areas share: homes in temporary folders, and built images for those who run real monitors."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest

from unishare.host.doctor import kvm_problem
from unishare.settings import Settings

# How many inputs a property test tries: a look by default, hours on demand (pytest tests/fuzz --hypothesis-profile long).
hypothesis.settings.register_profile("short", max_examples=200, deadline=None, derandomize=True)
hypothesis.settings.register_profile("long", max_examples=200_000, deadline=None)
hypothesis.settings.load_profile("short")


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
