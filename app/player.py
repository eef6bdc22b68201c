"""Time by itself: how fast it goes, and what one frame of it does with the engine. Knows no screen.

At a number of steps a second the cursor makes microsteps, through the past as at its end. At full speed the
machine runs in slices; in the past the cursor then moves many events at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from app.position import Position

SPEEDS: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 0)
"""Microsteps a second; 0 is as fast as the machine goes."""
FIRST_SPEED = 2
SLICE = 0.004
"""Seconds that the engine may have between two looks at the keyboard."""
PAST_EVENTS = 400
"""Events that one frame at full speed passes over in the past."""
RUNNING, WAITING, FINISHED = "running", "waiting", "finished"


class Playable(Protocol):
    """What playing needs of an engine."""

    cursor: Position
    seeking: Callable[[Any], bool] | None
    found: bool

    @property
    def length(self) -> int: ...
    @property
    def live(self) -> bool: ...
    def step_microstep(self, direction: int) -> bool: ...
    def go_to(self, seq: int) -> None: ...
    def go_end(self) -> None: ...
    def run(self, seconds: float) -> str: ...


class Player:
    """`on` while time goes by itself; `speed` is an index into SPEEDS."""

    def __init__(self) -> None:
        self.on = False
        self.full = False
        """As fast as it goes, whatever `speed` says: a run to the end, or a program that reads keys."""
        self.speed = FIRST_SPEED
        self._due = 0.0
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

    @property
    def rate(self) -> int:
        return 0 if self.full else SPEEDS[self.speed]

    @property
    def text(self) -> str:
        """For the header; '' while time stands."""
        if not self.on:
            return ""
        if self.outcome == WAITING:
            return "waiting"
        return self.speed_text

    @property
    def speed_text(self) -> str:
        return f"{self.rate}/s" if self.rate else "looking" if self._seeking else "running"

    def frame(self, engine: Playable, elapsed: float) -> str:
        """One frame, `elapsed` seconds after the last: running, waiting (for keys or time) or finished."""
        if engine.seeking is not None:
            self.outcome = self._seek(engine)
        else:
            self.outcome = self._full(engine) if not self.rate else self._steps(engine, elapsed)
        return self.outcome

    def _seek(self, engine: Playable) -> str:
        """Run on until what a step looks for has happened."""
        outcome = engine.run(SLICE)
        if engine.seeking is not None or outcome == WAITING:
            return outcome
        self.found = engine.found or engine.cursor.seq < engine.length or outcome != FINISHED
        return FINISHED if self._seeking else RUNNING

    def _steps(self, engine: Playable, elapsed: float) -> str:
        self._due = min(self._due + elapsed * self.rate, 8.0)
        while self._due >= 1:
            self._due -= 1
            if not engine.step_microstep(1):
                return self._at_the_end(engine)
        return RUNNING

    def _full(self, engine: Playable) -> str:
        if engine.cursor.seq < engine.length:
            engine.go_to(min(engine.cursor.seq + PAST_EVENTS, engine.length))
            return RUNNING
        return self._at_the_end(engine)

    def _at_the_end(self, engine: Playable) -> str:
        return engine.run(SLICE) if engine.live else FINISHED
