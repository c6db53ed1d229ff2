"""Peers: one whose readings cannot be true is measured again alone, and left out with its reason; each answers as ours do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from unishare.errors import UnishareError
from unishare.evaluation.kinds import peers
from unishare.evaluation.peers.programs import INTERPRETER, PEERS, Peer
from unishare.evaluation.run.memory_readings import ImpossibleReading
from unishare.evaluation.run.samples import Reading

FOUND = [Reading("memory each", "bytes", 1, subject="static")]


@pytest.mark.parametrize(("failures", "readings"), [(0, FOUND), (2, FOUND), (3, [])])
def test_what_cannot_be_true_is_measured_again_for_this_peer(
    monkeypatch: pytest.MonkeyPatch, failures: int, readings: list[Reading]
) -> None:
    calls = 0

    def measure(_: Peer, __: int) -> list[Reading]:
        nonlocal calls
        calls += 1
        if calls <= failures:
            raise ImpossibleReading("less than nothing", "again")
        return FOUND

    monkeypatch.setattr(peers, "_peer", measure)
    found, why = peers._possible(PEERS["static"], 3)
    assert (found, why) == (readings, None if readings else "less than nothing")


def test_what_does_not_work_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(_: Peer, __: int) -> list[Reading]:
        raise UnishareError("static: answered nothing")

    monkeypatch.setattr(peers, "_peer", measure)
    assert peers._possible(PEERS["static"], 3) == ([], "static: answered nothing")


def test_the_interpreter_is_no_script() -> None:
    assert Path(INTERPRETER).read_bytes()[:4] == b"\x7fELF"


@pytest.mark.parametrize("name", list(PEERS))
def test_a_peer_answers_and_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    peer = PEERS[name]
    monkeypatch.setattr(peers.Before, "read", lambda: None)
    if (why := peer.missing()) is not None:
        pytest.skip(why)
    with peers._instances(tmp_path, peer, 1) as (_, taken):
        assert len(taken) == 1
    assert not peers._of_program(tmp_path / "root" / "server") and not peers._descendants(os.getpid())
