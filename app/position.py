"""Where in time: how many events have been applied, which microstep of a trap is done, which tick it is."""

from __future__ import annotations

from typing import NamedTuple

ALL_DONE = -1
"""`Position.microstep` outside of a trap, and behind its last hardware microstep."""


class Position(NamedTuple):
    """A place to be. Positions are reached by running, so they are in order of time as they are made.

    `seq` events of the log are applied to the State. `microstep` counts the hardware microsteps of
    the trap that is the last of them. `tick` is the machine's clock.
    """

    seq: int
    microstep: int
    tick: int

    def before(self, other: Position) -> bool:
        return self.key < other.key

    @property
    def key(self) -> tuple[int, int, int]:
        return self.seq, self.microstep if self.microstep >= 0 else 1 << 16, self.tick


START = Position(0, ALL_DONE, 0)
