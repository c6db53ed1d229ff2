"""Starts by place in the fleet: how they are summed up, which limits are named first, and that the fleet ends in parts."""

from __future__ import annotations

import asyncio
import resource
from typing import Any

import pytest

from unishare.errors import HostLacksError
from unishare.evaluation.bench import scale


def test_tenths_of_the_fleet_in_order() -> None:
    found = scale.report([float(number) for number in range(100)], {})
    assert [row.configuration for row in found.rows][:2] == ["starts 1 to 10", "starts 11 to 20"]
    assert (found.rows[9].configuration, found.rows[9].median) == ("starts 91 to 100", 94.5)
    assert found.ratios["last/first"] == pytest.approx(94.5 / 4.5)


def test_a_fleet_that_the_host_cannot_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 2000))
    scale.check_host(2000 - scale.SPARE_DESCRIPTORS)
    with pytest.raises(HostLacksError, match="2000 file descriptors"):
        scale.check_host(2000)


def test_instances_end_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[int] = []
    stopped: list[str] = []

    class Control:
        async def stop(self, instance: str) -> None:
            stopped.append(instance)

    async def pause(_: float) -> None:
        pauses.append(len(stopped))

    monkeypatch.setattr(asyncio, "sleep", pause)
    names = [f"hello-{number}" for number in range(300)]
    control: Any = Control()
    asyncio.run(scale.end(control, names, lambda *_: None))
    assert stopped == names
    assert pauses == [128, 256, 300]
