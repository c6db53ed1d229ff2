"""Generated C against its oracle: functions of steps that need no library, compiled for the host with sanitizers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from evaluation.population.host import HostCompiler
from unishare.evaluation.population.pipeline import Draw, function
from unishare.evaluation.population.registry import INTAKES, PLAIN_STEPS

PLAIN = [*(intake for intake in INTAKES if not intake.libraries), *PLAIN_STEPS]
FUNCTIONS = 60


@pytest.mark.parametrize("seed", [11, 12])
def test_the_c_answers_what_python_says(tmp_path: Path, seed: int) -> None:
    compiler = HostCompiler(tmp_path)

    def wrong(number: int) -> list[str]:
        draw = Draw(seed, number)
        return compiler.wrong_answers(function(seed, number, draw.code, PLAIN), draw.requests)

    with ThreadPoolExecutor(2) as workers:
        assert [line for lines in workers.map(wrong, range(FUNCTIONS)) for line in lines] == []


def test_a_wrong_oracle_is_noticed(tmp_path: Path) -> None:
    draw = Draw(1, 1)
    made = function(1, 1, draw.code, PLAIN)
    last = made.steps[-1]
    honest = last.evaluate
    last.evaluate = lambda data: honest(data) + b"!"  # type: ignore[method-assign]
    assert len(HostCompiler(tmp_path).wrong_answers(made, draw.requests)) == 2
