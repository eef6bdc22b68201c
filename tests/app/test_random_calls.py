"""Whatever a program asks for, the kernel takes it: nothing is raised, nothing of the host is touched.

And what it did is told by its events, comes out the same when it is run again in other pieces, and looks the
same when one goes back to it.

`python -m tests.app.test_random_calls SECONDS SEED` goes on for longer, with other programs.
"""

from __future__ import annotations

import io
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import pytest

from app.engine import Engine
from app.history import History
from app.story import TELLERS
from app.tracing import Tracer
from cpu.core import NEVER
from cpu.disasm import disassemble
from kernel.describe import Description, describe
from kernel.table import Row
from tests.app.machine import ASSETS, HELLO, Machine
from tests.app.random_calls import ROWS, Writer
from tests.app.test_agreement import differences

MOST_STEPS = 1500
"""Rest points of one run, if it does not end by itself."""
HARMLESS = (
    "object.",
    "sys._getframe",
    "import",
    "compile",
    "exec",
    "marshal.",
    "code.",
    "gc.",
    "builtins.id",
)
"""Audit events of Python's that have nothing to do with the host."""
IMAGE = ASSETS / "disk" / "hda0.img"
Calls = list[tuple[Row, int]]

_watched: list[str] | None = None


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if _watched is not None and not event.startswith(HARMLESS):
        _watched.append(f"{event} {arguments}")


sys.addaudithook(_audit)


@contextmanager
def touching_nothing() -> Iterator[None]:
    """What Python would have to ask the host for is an error."""
    global _watched
    _watched = []
    try:
        yield
        assert not _watched, _watched[:5]
    finally:
        _watched = None


class Watched(Machine):
    """A machine that remembers where in its log it rested."""

    def __init__(self, program: bytes) -> None:
        super().__init__("random", program, IMAGE.read_bytes())
        self.rests = [0]


@cache
def warm_up() -> None:
    """What is imported when it is first needed has been."""
    disassemble(b"\x90", 0)
    machine = Machine("hello", HELLO.read_bytes())
    while machine.step():
        pass


def run(program: bytes, slices: random.Random | None, compare: int = 0) -> Watched:
    warm_up()
    machine = Watched(program)
    kernel = machine.kernel
    with touching_nothing():
        for step in range(MOST_STEPS):
            rest = kernel.step(NEVER if slices is None else kernel.core.ticks + slices.randrange(1, 4000))
            machine.rests.append(len(machine.log))
            if not machine.goes_on(rest):
                break
            if compare and step % compare == 0:
                held = describe(kernel)
                assert machine.state.machine == held, differences(machine.state.machine, held)
    held = describe(kernel)
    assert machine.state.machine == held, differences(machine.state.machine, held)
    return machine


def check(calls: Calls) -> Counter[int]:
    """All of it, for one program; how often it made each call."""
    program = Writer().program(calls)
    machine = run(program, None, compare=9)
    log, length = machine.log, len(machine.log)
    again = run(program, random.Random(len(calls)))
    common = min(length, len(again.log))  # the number of steps may have ended one earlier
    assert list(log.rows(0, common)) == list(again.log.rows(0, common))
    tracer = Tracer(io.StringIO())
    for tick, pid, event in log.rows():
        tracer.sink(tick, pid, event)
        teller = TELLERS.get(type(event))
        assert teller is None or teller(event, machine.state)
    kernel = machine.kernel
    engine = Engine(kernel.start, kernel.image, kernel.blobs, log, [], live=False)
    rng = random.Random(length)
    places = [rng.choice(machine.rests) for _ in range(6)]
    seen: dict[int, Description] = {}
    for place in (*places, *places[::-1]):
        engine.go_to(place)
        view = engine.view
        if view is not None and view.seq == place:
            picture = engine.machine.kernel.describe()
            assert engine.state.machine == picture
            assert seen.setdefault(place, picture) == picture
    assert History(log).state_at(length) == machine.state
    return machine.state.calls


def some_calls(seed: int, fewest: int, most: int) -> Calls:
    rng = random.Random(seed)
    return [(rng.choice(ROWS), rng.getrandbits(32)) for _ in range(rng.randrange(fewest, most))]


@pytest.mark.parametrize("seed", range(12))
def test_any_calls_are_taken_told_repeated_and_taken_back(seed: int) -> None:
    """Not by Hypothesis: what it draws hangs on which modules happen to be loaded."""
    check(some_calls(seed, 70, 110))


def test_most_calls_are_made_and_many_succeed() -> None:
    """Else the test above would say little."""
    made: Counter[int] = Counter()
    failed: Counter[int] = Counter()
    for seed in range(12):
        machine = run(Writer().program(some_calls(seed, 100, 101)), None)
        made.update(machine.state.calls)
        failed.update(machine.state.errors)
    assert len(made) > len(ROWS) * 3 // 5
    assert failed.total() < made.total() * 3 // 4


def main(seconds: float, seed: int) -> None:
    end = time.monotonic() + seconds
    done = bad = 0
    while time.monotonic() < end:
        begun = time.monotonic()
        try:
            check(some_calls(seed + done, 20, 140))
        except Exception as error:
            bad += 1
            where = traceback.format_exc().splitlines()[-5:-1]
            print(f"seed {seed + done}: {type(error).__name__}: {str(error)[:1500]}", *where, sep="\n")
        if time.monotonic() - begun > 8:
            print(f"seed {seed + done} took {time.monotonic() - begun:.1f} s", flush=True)
        done += 1
    print(f"{done} programs, {bad} failed")


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
