"""Who gets how much of the processor, with which schedule; and that a person may choose who runs next."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from app.engine import Engine
from app.launch import Options, prepare
from app.resources import kernel_image
from kernel.events import InputArrived, TaskSwitched
from kernel.kernel import Input
from tests.oracle.harness import HERE, int80

SHARES = HERE / "programs" / "shares.c"


def shares(path: Path, *options: str) -> dict[str, list[int]]:
    done = int80("exec", [path], options=["--uid", "0", *options])
    assert done.status == 0, done
    lines = [line.split() for line in done.output.decode().splitlines()]
    return {name: [int(count) for count in counts] for name, *counts in lines}


def test_classes_share_the_processor_as_in_linux(build: Callable[[Path, str], Path]) -> None:
    found = shares(build(SHARES, "glibc"))
    one, other, nicer = found["nice"]
    assert one / other == pytest.approx(1, rel=0.05)
    assert one / nicer == pytest.approx(1024 / 335, rel=0.1)
    assert found["rr"][2] == 0
    assert min(found["rr"][:2]) > 0
    assert found["fifo"][:2] == [0, 0]
    busy, idle = found["idle"]
    assert busy / idle == pytest.approx(1024 / 3, rel=0.1)
    reserved, rest = found["deadline"]
    assert reserved / (reserved + rest) == pytest.approx(0.2, abs=0.02)


def test_a_drawn_schedule_is_another_one_but_always_the_same(build: Callable[[Path, str], Path]) -> None:
    path = build(SHARES, "glibc")
    drawn = shares(path, "--schedule", "7")
    assert drawn == shares(path, "--schedule", "7") != shares(path, "--schedule", "8")
    one, other, nicer = drawn["nice"]
    assert one > 2 * nicer
    assert other > 2 * nicer


def engine(inputs: list[Input] | None = None) -> Engine:
    start, blobs = prepare(Options("spaces"))
    return Engine(start, kernel_image(), blobs, inputs=inputs)


def run_on(one: Engine) -> None:
    one.go_end()
    while one.run(10) == "running":
        pass


def test_who_runs_next_is_an_input_and_begins_another_future() -> None:
    first = engine()
    run_on(first)
    usual = first.log.digest()
    forks = [r.seq for r in first.log.records() if type(r.event).__name__ == "TaskCreated"]
    first.go_to(forks[-1] + 1)
    child = first.log.record(forks[-1]).event.child  # type: ignore[union-attr]
    before = [first.log.record(seq) for seq in range(first.cursor.seq)]
    assert first.run_next(99)
    assert first.run_next(0)
    assert first.run_next(child) == ""
    run_on(first)
    assert [first.log.record(seq) for seq in range(len(before))] == before
    assert any(isinstance(r.event, InputArrived) for r in first.log.records(len(before)))
    arrived = next(r.seq for r in first.log.records() if isinstance(r.event, InputArrived))
    chosen = next(r.event for r in first.log.records(arrived) if isinstance(r.event, TaskSwitched))
    assert chosen.next == child
    assert first.log.digest() != usual
    assert first.state.halted == 0
    again = engine(list(first.machine.inputs))
    run_on(again)
    assert again.log.digest() == first.log.digest()
    first.go_to(len(before) + 2)
    assert first.view is not None  # the new future can be gone back in, too
