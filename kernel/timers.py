"""Timers that are not a task's sleep: what is to happen at which tick (Linux's hrtimers).

`Tables.timers` leads from a name such as `timerfd:12` to the tick at which it is due. The timer's interrupt
takes out what is due and tells the room that the name's first word says; whoever wants it again starts it
again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel import policy, posix_timers
from kernel.fs import timerfd

if TYPE_CHECKING:
    from kernel.kernel import Kernel

EXPIRED: dict[str, Callable[[Kernel, int], None]] = {
    "timerfd": timerfd.expired,
    "posix": posix_timers.expired,
    "period": policy.period_begins,
}
"""What to call with the number behind the colon."""


def run_timers(k: Kernel) -> None:
    """Tell of every timer that is due, the earliest first."""
    timers = k.tables.timers
    for name, tick in sorted(timers.items(), key=lambda item: item[1]):
        if tick <= k.now and timers.get(name) == tick:
            del timers[name]
            kind, _, number = name.partition(":")
            EXPIRED[kind](k, int(number))
