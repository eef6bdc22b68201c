"""The one way out: events are published here, get their place in time, and go to one sink.

Position of an event: `seq` (how many came before), `tick` (the machine's clock) and `pid` (whom
the machine was running). Nobody who listens can change what exists: `seq` counts always.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Sink = Callable[[int, int, Any], None]
"""Called with tick, pid and the event; the n-th call is event n."""


def _nobody(tick: int, pid: int, event: Any) -> None:
    return None


class Bus:
    """`tick` is set by the core at every stop, `pid` by the kernel when it switches tasks."""

    __slots__ = ("pid", "seq", "sink", "tick")

    def __init__(self, sink: Sink | None = None) -> None:
        self.seq = 0
        self.tick = 0
        self.pid = 0
        self.sink: Sink = sink or _nobody

    def publish(self, event: Any) -> None:
        self.seq += 1
        self.sink(self.tick, self.pid, event)
