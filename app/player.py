"""Time by itself: how fast it goes, and what one frame of it does with the engine. Knows no screen.

By steps the cursor makes microsteps, through the past as at its end. By time it follows the clock that the
events had, but where nothing happens for long it waits a moment only. At full speed the machine runs in
slices; in the past the cursor then moves many events at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from app.position import Position

if TYPE_CHECKING:
    from app.log import Log

SPEEDS = ("1/16", "1/8", "1/4", "1/2", "1", "2", "4", "8", "16", "32", "64")
"""Times the usual speed."""
USUAL = SPEEDS.index("1")
STEPS_A_SECOND = 4
"""Microsteps at the usual speed."""
TICKS_A_SECOND = 1_000_000_000
"""Of guest time at the usual speed: as it was."""
IDLE = 1.0
"""Seconds that a stretch without events takes at most by time, at the usual speed."""
LAST_SHOWN = 1.0
"""Seconds that the end is in sight before it begins again, at the usual speed."""
STEPS, TIME = "steps", "time"
SLICE = 0.004
"""Seconds that the engine may have between two looks at the keyboard."""
PAST_EVENTS = 400
"""Events that one frame at full speed passes over in the past."""
RUNNING, WAITING, FINISHED = "running", "waiting", "finished"


class Stretch(NamedTuple):
    """What is played of a session: from `first` to `last`, and then from `first` again if `loop`."""

    first: Position
    last: Position
    loop: bool


class Playable(Protocol):
    """What playing needs of an engine."""

    cursor: Position
    seeking: Callable[[Any], bool] | None
    found: bool
    log: Log
    broken: str

    @property
    def length(self) -> int: ...
    @property
    def live(self) -> bool: ...
    def step_microstep(self, direction: int) -> bool: ...
    def go_to(self, seq: int) -> None: ...
    def go_to_place(self, place: Position) -> None: ...
    def go_end(self) -> None: ...
    def run(self, seconds: float) -> str: ...


class Player:
    """`on` while time goes by itself; `speed` is an index into SPEEDS, `by` STEPS or TIME."""

    def __init__(self) -> None:
        self.on = False
        self.full = False
        """As fast as it goes, whatever `speed` says: a run to the end, or a program that reads keys."""
        self.speed = USUAL
        self.by = STEPS
        self.stretch: Stretch | None = None
        """What is played; None for all there is."""
        self._due = 0.0
        """Steps that should have been made, or ticks that should have passed."""
        self._shown = 0.0
        """Seconds that the end has been in sight."""
        self.outcome = FINISHED
        self.found = False
        """Playing ended because what a step was looking for was found."""
        self._seeking = False

    def start(self, full: bool = False, seeking: bool = False) -> None:
        """Let time go by. With `seeking` only until the engine has found what a step looks for."""
        self.on, self.full, self._seeking, self._due = True, full or seeking, seeking, 0.0
        self.found = False
        self.outcome = RUNNING

    def stop(self) -> None:
        self.on = self.full = self._seeking = False

    def change(self, direction: int) -> None:
        self.speed = min(max(self.speed + direction, 0), len(SPEEDS) - 1)
        self.full = False

    def usual(self) -> None:
        self.change(USUAL - self.speed)

    @property
    def factor(self) -> float:
        return 2.0 ** (self.speed - USUAL)

    @property
    def text(self) -> str:
        """For the header; '' while time stands at the usual speed."""
        if not self.on:
            return ""
        if self.outcome == WAITING:
            return "waiting"
        if self.full:
            return "looking" if self._seeking else "running"
        return self.speed_text

    @property
    def speed_text(self) -> str:
        return f"{SPEEDS[self.speed]}x" + (" time" if self.by == TIME else "")

    def frame(self, engine: Playable, elapsed: float) -> str:
        """One frame, `elapsed` seconds after the last: running, waiting (for keys or time) or finished."""
        if engine.seeking is not None:
            self.outcome = self._seek(engine)
        elif self.full:
            self.outcome = self._full(engine)
        else:
            self.outcome = self._timed(engine, elapsed)
        return self.outcome

    def at_last(self, cursor: Position) -> bool:
        """Whether all that is to be played has been."""
        return self.stretch is not None and not cursor.before(self.stretch.last)

    def _seek(self, engine: Playable) -> str:
        """Run on until what a step looks for has happened."""
        outcome = engine.run(SLICE)
        if engine.seeking is not None or outcome == WAITING:
            return outcome
        self.found = engine.found or engine.cursor.seq < engine.length or outcome != FINISHED
        return FINISHED if self._seeking else RUNNING

    def _timed(self, engine: Playable, elapsed: float) -> str:
        """What is due at this speed, within what is to be played."""
        elapsed *= self.factor
        stretch = self.stretch
        if stretch is None or engine.cursor.before(stretch.last):
            self._shown = 0.0
            outcome = (self._time if self.by == TIME else self._steps)(engine, elapsed)
            if stretch is not None and not engine.cursor.before(stretch.last):
                engine.go_to_place(stretch.last)
                return RUNNING
            return outcome
        if not stretch.loop:
            return FINISHED
        self._shown += elapsed
        if self._shown >= LAST_SHOWN:
            self._due = 0.0
            engine.go_to_place(stretch.first)
        return RUNNING

    def _steps(self, engine: Playable, elapsed: float) -> str:
        self._due = min(self._due + elapsed * STEPS_A_SECOND, 8.0)
        while self._due >= 1:
            self._due -= 1
            if not self._step(engine):
                return self._at_the_end(engine)
            if self.at_last(engine.cursor):
                break
        return RUNNING

    def _step(self, engine: Playable) -> bool:
        """A microstep; an event where the machine cannot be run again."""
        if not engine.broken and engine.step_microstep(1):
            return True
        if not engine.broken or engine.cursor.seq >= engine.length:
            return False
        engine.go_to(engine.cursor.seq + 1)
        return True

    def _time(self, engine: Playable, elapsed: float) -> str:
        """Pass over the events whose time has come; a pause between two is no longer than IDLE."""
        log, cursor = engine.log, engine.cursor
        last = self.stretch.last.seq if self.stretch is not None else engine.length
        if cursor.seq >= engine.length:
            return self._at_the_end(engine)
        self._due += elapsed * TICKS_A_SECOND
        seq, tick = cursor.seq, log.record(cursor.seq - 1).tick if cursor.seq else 0
        deadline = time.monotonic() + SLICE
        while seq < last and time.monotonic() < deadline:
            record = log.record(seq)
            pause = min(record.tick - tick, int(IDLE * TICKS_A_SECOND))
            if pause > self._due:
                break
            self._due -= pause
            seq, tick = seq + 1, record.tick
        else:
            self._due = min(self._due, TICKS_A_SECOND)
        if self.stretch is not None and seq >= last:
            engine.go_to_place(self.stretch.last)
        elif seq > cursor.seq:
            engine.go_to(seq)
        return RUNNING

    def _full(self, engine: Playable) -> str:
        if engine.cursor.seq < engine.length:
            engine.go_to(min(engine.cursor.seq + PAST_EVENTS, engine.length))
            return RUNNING
        return self._at_the_end(engine)

    def _at_the_end(self, engine: Playable) -> str:
        return engine.run(SLICE) if engine.live else FINISHED
