"""Time: there and back is the identity, for State, registers and every byte of memory in use."""

from __future__ import annotations

import random

import pytest

from app.engine import Engine
from app.launch import Options, prepare
from app.position import Position
from app.resources import kernel_image
from app.state import state as states
from cpu.registers import Registers

Seen = tuple[Position, Registers | None, bytes, int]


def engine(program: str) -> Engine:
    start, blobs = prepare(Options(program=program))
    return Engine(start, kernel_image(), blobs)


def run_out(one: Engine) -> None:
    while one.run(0.05) == "running":
        pass


def seen(one: Engine) -> Seen:
    """All that a pane could show at the cursor."""
    view = one.view
    memory = hash(b"".join(bytes(one.machine.kernel.ram.frame(pfn)) for pfn in sorted(one.machine._frames())))
    return one.cursor, view.regs if view else None, states.encode(one.state), memory


def walk(one: Engine, step: str, count: int) -> list[Seen]:
    path = [seen(one)]
    while len(path) < count and getattr(one, step)(1):
        path.append(seen(one))
    return path


@pytest.mark.parametrize("program", ["hello", "pipe", "badptr", "signal"])
@pytest.mark.parametrize("step", ["step_microstep", "step_instruction", "step_syscall", "step_switch"])
def test_back_is_where_one_came_from(program: str, step: str) -> None:
    one = engine(program)
    run_out(one)
    one.go_to(one.length // 2)
    path = walk(one, step, 60)
    assert len(path) > 1
    for expected in reversed(path[:-1]):
        getattr(one, step)(-1)
        assert seen(one) == expected


@pytest.mark.parametrize("program", ["hello", "spaces"])
def test_from_power_on(program: str) -> None:
    """The boot code can be stepped too, before paging is on."""
    one = engine(program)
    assert one.at_start
    path = walk(one, "step_instruction", 45)
    assert path[-1][1] is not None
    assert path[-1][1].cr0 >> 31
    for expected in reversed(path[:-1]):
        assert one.step_instruction(-1)
        assert seen(one) == expected
    assert one.at_start
    assert not one.step_instruction(-1)
    assert not one.step_microstep(-1)


def test_stepping_gives_the_events_that_running_gives() -> None:
    whole, stepped = engine("spaces"), engine("spaces")
    run_out(whole)
    while stepped.step_microstep(1):
        pass
    while stepped.run(0.05) == "running":
        pass
    assert list(whole.log.rows()) == list(stepped.log.rows())


@pytest.mark.parametrize("seed", range(4))
def test_random_walks_meet_the_same_screens(seed: int) -> None:
    """Wherever a walk comes by again, by whatever keys, it finds what it found the first time."""
    rng = random.Random(seed)
    one = engine(rng.choice(["pipe", "signal", "args", "busy"]))
    if seed % 2:
        run_out(one)
    met: dict[Position, Seen] = {}
    moves = ["step_microstep", "step_instruction", "step_syscall", "step_switch", "step_event"]
    for _ in range(160):
        if rng.random() < 0.1:
            one.go_to(rng.randrange(one.length + 1))
        else:
            getattr(one, rng.choice(moves))(rng.choice((1, 1, -1)))
        now = seen(one)
        assert met.setdefault(now[0], now) == now


def test_a_checkpoint_is_transparent() -> None:
    one = engine("busy")
    run_out(one)
    assert len(one.machine.checkpoints) > 1
    end = seen(one)
    kept = list(one.machine.checkpoints)  # how many, depends on the host's speed
    for checkpoint in [*kept[:: max(len(kept) // 6, 1)], kept[-1]]:
        one.machine.load(checkpoint)
        assert one.machine.seq == checkpoint.seq
        one.machine.run_to_event(one.length)
    one._view = None
    assert seen(one) == end


def test_the_ends_of_time() -> None:
    one = engine("hello")
    run_out(one)
    assert one.finished == 0
    assert not one.step_instruction(1)
    assert not one.step_syscall(1)
    one.go_to(10**9)
    assert one.cursor.seq == one.length
    one.go_to(-5)
    assert one.at_start
    assert not one.step_syscall(-1)
