"""Watching changes nothing: however a run is cut up, the log is the same to the byte."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from cpu.core import NEVER
from kernel.kernel import Halted, Idle, Kernel
from tests.app.machine import Machine
from tests.app.random_program import random_program

Way = Callable[[Kernel, random.Random], Idle | Halted | None]


def whole(kernel: Kernel, rng: random.Random) -> Idle | Halted | None:
    return kernel.step(NEVER)


def sliced(kernel: Kernel, rng: random.Random) -> Idle | Halted | None:
    return kernel.step(kernel.core.ticks + rng.randrange(1, 300))


def stepped(kernel: Kernel, rng: random.Random) -> Idle | Halted | None:
    return kernel.step_instruction()


def to_ticks(kernel: Kernel, rng: random.Random) -> Idle | Halted | None:
    return kernel.run_to(kernel.core.ticks + rng.randrange(1, 200))


def mixed(kernel: Kernel, rng: random.Random) -> Idle | Halted | None:
    return rng.choice((sliced, sliced, stepped, stepped, to_ticks))(kernel, rng)


def run(seed: int, way: Way, schedule: int = -1) -> Machine:
    machine = Machine("random", random_program(seed), schedule=schedule)
    rng = random.Random(seed)
    while machine.goes_on(way(machine.kernel, rng)):
        pass
    return machine


@pytest.mark.parametrize("seed", range(100, 116))
def test_slices_and_steps_give_the_same_log(seed: int) -> None:
    same_log_in_all_ways(seed, -1)


@pytest.mark.parametrize("seed", range(116, 124))
def test_so_they_do_where_the_schedule_is_drawn(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """There, interrupts enter between any two instructions of ring 3; with turns as short as these, often."""
    monkeypatch.setattr("kernel.policy.TIME_SLICE", 401)
    same_log_in_all_ways(seed, schedule=seed * 7)


def same_log_in_all_ways(seed: int, schedule: int) -> None:
    expected = run(seed, whole, schedule).log
    for way in (sliced, stepped, to_ticks, mixed):
        log = run(seed, way, schedule).log
        different = [
            pair for pair in zip(expected.records(), log.records(), strict=False) if pair[0] != pair[1]
        ]
        assert not different, (way.__name__, different[0])
        assert log.digest() == expected.digest(), way.__name__
