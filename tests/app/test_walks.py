"""Random walks through time: a place looks the same whichever way one comes to it, in every pane.

Over all own programs and a pipeline of busybox, by every kind of step, on a machine that is being run by the
walk itself, and on a recording.
"""

from __future__ import annotations

import os
import random

import pytest

from app.breakpoints import Breakpoint
from app.engine import Engine
from app.position import ALL_DONE, START, Position
from cpu.events import TrapTaken
from tests.app.pictures import BUSYBOX, PIPELINE, PROGRAMS, Panes, engine_for, moment, run_to_the_end

MOVES = 14
AT_ONCE = 5
"""Presses of one key at most."""
BEGIN = 36
"""Events before the first program begins."""
STEPS = ("instruction", "microstep", "syscall", "switch", "event", "signal", "message", "mark")
WORDS = ("write", "page copied", "sigchld", "0xb", "nowhere to be found")
BOUNDED = ("timeline",)
"""What shows how long the log is by now."""


def engine_of(program: str) -> Engine:
    if program != "busybox":
        return engine_for(program)
    if not BUSYBOX.exists():
        reason = f"{BUSYBOX} is missing"
        if os.environ.get("INT80_REQUIRE_ORACLE") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return engine_for(str(BUSYBOX), *PIPELINE)


def recording_of(engine: Engine) -> Engine:
    """The same as it would be played."""
    machine = engine.machine
    kernel = machine.kernel
    return Engine(kernel.start, kernel.image, kernel.blobs, engine.log, list(machine.inputs), live=False)


class Walk:
    """An engine, what was seen at each place so far, and the keys that were pressed."""

    def __init__(self, engine: Engine, rng: random.Random, growing: bool) -> None:
        self.engine, self.rng, self.growing = engine, rng, growing
        self.panes = Panes()
        self.seen: dict[Position, dict[tuple[str, int], object]] = {}
        self.keys: list[str] = []

    def look(self) -> None:
        """All panes show here what they showed before, and the State is what the kernel's tables say."""
        engine = self.engine
        picture: dict[tuple[str, int], object] = {
            key: rows
            for key, rows in self.panes.pictures(moment(engine), 80, 20).items()
            if not (self.growing and key[0] in BOUNDED)
        }
        if engine.breakpoints:
            picture = {key: rows for key, rows in picture.items() if key[0] not in ("cpu", "source", "traps")}
        known = self.seen.setdefault(engine.cursor, picture)
        for key, rows in picture.items():
            assert rows == known.setdefault(key, rows), (key, engine.cursor, self.keys)
        view = engine.view
        assert view is not None
        if engine.cursor.microstep == ALL_DONE and view.seq == engine.cursor.seq:
            assert engine.state.machine == engine.machine.kernel.describe(), (engine.cursor, self.keys)

    def press(self, kind: str, direction: int) -> bool:
        engine = self.engine
        self.keys.append(f"{kind}{direction:+d}")
        match kind:
            case "search":
                moved = engine.search(self.rng.choice(WORDS), direction)
            case "breakpoint":
                moved = engine.step_breakpoint(direction)
            case _:
                moved = bool(getattr(engine, f"step_{kind}")(direction))
        while engine.seeking is not None and engine.run(0.1) != "waiting":
            pass
        engine.seeking = None
        return moved

    def there_and_back(self, kind: str) -> None:
        """As often on as back: at the place where one was."""
        engine = self.engine
        places = [engine.cursor]
        for _ in range(self.rng.randrange(1, AT_ONCE + 1)):
            if not self.press(kind, 1) or engine.cursor == places[-1]:
                break
            places.append(engine.cursor)
        for place in reversed(places[:-1]):
            self.press(kind, -1)
            assert engine.cursor == place, self.keys

    def set_breakpoint(self) -> None:
        engine = self.engine
        view = engine.view
        assert view is not None
        points = [Breakpoint("code", view.regs.eip), Breakpoint("sys", 4), Breakpoint("gate", 14)]
        engine.toggle_breakpoint(self.rng.choice(points))

    def move(self) -> None:
        engine, rng = self.engine, self.rng
        what = rng.random()
        if what < 0.5:
            kind, direction = rng.choice((*STEPS, "search", "follow")), rng.choice((1, 1, -1))
            for _ in range(rng.randrange(1, AT_ONCE + 1)):
                self.press(kind, direction)
        elif what < 0.7:
            self.there_and_back(rng.choice(STEPS))
        elif what < 0.8:
            self.set_breakpoint()
            self.press("breakpoint", rng.choice((1, -1)))
        elif what < 0.95:
            place = rng.randrange(engine.length + 1)
            self.keys.append(f"go to {place}")
            engine.go_to(place)
        else:
            self.keys.append("end")
            engine.go_end()


@pytest.mark.parametrize("how", ["growing", "recording"])
@pytest.mark.parametrize("program", [*PROGRAMS, "busybox"])
def test_a_place_looks_the_same_from_every_side(program: str, how: str) -> None:
    engine = engine_of(program)
    if how != "growing":
        run_to_the_end(engine)
        engine = recording_of(engine)
        engine.go_to(BEGIN)
    else:
        engine.step_switch(1)
    walk = Walk(engine, random.Random(f"{program} {how}"), how == "growing")
    for _ in range(MOVES):
        walk.look()
        walk.move()
    engine.breakpoints.clear()
    for place in walk.rng.sample(sorted(walk.seen), len(walk.seen)):
        walk.keys.append(f"back to {place}")
        engine.cursor = place  # as the opposite of a step does
        walk.look()


@pytest.mark.parametrize("program", ["pipe"])
def test_every_event_from_both_sides(program: str) -> None:
    """From the start to the end event by event, and back: the same."""
    engine = engine_for(program)
    run_to_the_end(engine)
    panes = Panes()
    engine.go_to(BEGIN)
    seen = []
    while not engine.at_end:
        seen.append((engine.cursor, panes.pictures(moment(engine), 60, 16)))
        engine.step_event(1)
        engine.step_event(1)
    engine.go_end()
    for cursor, picture in reversed(seen):
        while engine.cursor.seq > cursor.seq:
            engine.step_event(-1)
        assert engine.cursor == cursor
        assert panes.pictures(moment(engine), 60, 16) == picture


def test_typed_keys_are_where_they_were() -> None:
    """A program that reads the console, with what was typed: the past holds still while it goes on."""
    engine_of("busybox")
    engine = engine_for(str(BUSYBOX), "cat")
    for keys in (b"one\n", b"two\n", b"\x04"):
        while engine.run(0.05) == "running":
            pass
        engine.type_keys(keys)
    for _ in range(200):
        if engine.run(0.05) == "finished":
            break
    assert engine.finished == 0
    walk = Walk(engine, random.Random(4), False)
    for _ in range(MOVES):
        walk.look()
        walk.move()
    played = Walk(recording_of(engine), random.Random(5), False)
    played.seen = {place: picture for place, picture in walk.seen.items() if place != START}
    for place in sorted(played.seen)[::3]:
        played.engine.cursor = place
        for key, rows in played.panes.pictures(moment(played.engine), 80, 20).items():
            if key[0] != "console":
                assert rows == walk.seen[place].get(key, rows), (key, place)


def test_a_trap_is_found_at_its_first_microstep() -> None:
    """Every trap of a run: its microsteps one by one, and the instruction that led to it."""
    engine = engine_for("badptr")
    run_to_the_end(engine)
    traps = [record.seq for record in engine.log.records(BEGIN) if type(record.event) is TrapTaken]
    for seq in random.Random(1).sample(traps, 8):
        engine.go_to(seq + 1)
        while engine.cursor.seq > seq:
            last = engine.cursor
            engine.step_microstep(-1)
            assert engine.cursor.before(last)
        engine.step_microstep(1)
        assert engine.cursor.microstep == 0
        engine.step_instruction(-1)
        engine.step_instruction(1)
        assert engine.cursor.seq > seq
