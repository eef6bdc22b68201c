"""fold: how one event changes the State.

One handler per event type and room, found by the event's type; the rooms are `fold_*.py`. The State is
changed in place: whoever wants an earlier one goes back by `app.history`.
"""

from __future__ import annotations

from app.log import Event
from app.state import fold_files, fold_lives, fold_memory, fold_signals, fold_tasks, fold_trace
from app.state.handlers import Handlers, joined
from app.state.state import State

HANDLERS: Handlers = joined(
    fold_tasks.HANDLERS,
    fold_memory.HANDLERS,
    fold_files.HANDLERS,
    fold_lives.HANDLERS,
    fold_signals.HANDLERS,
    fold_trace.HANDLERS,
)


class FoldError(Exception):
    """An event that does not fit what came before: the log is not one that a machine wrote."""


def fold(state: State, tick: int, pid: int, event: Event) -> None:
    """Let `event`, published at `tick` while task `pid` ran, change the State.

    While a handler runs, `state.events_seen` is the event's own number. FoldError leaves the State undefined.
    """
    state.tick = tick
    state.pid = pid
    try:
        HANDLERS[type(event)](state, event)
    except (LookupError, ValueError) as error:
        name = type(event).__name__
        raise FoldError(
            f"event {state.events_seen} ({name}) does not fit what came before: {error!r}"
        ) from error
    state.events_seen += 1
