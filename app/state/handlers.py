"""What a handler of one event type is, and how the rooms' tables become one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.state.state import State

Handler = Callable[[State, Any], None]
"""Changes the State in place. `Any` is the event of the type under which the handler stands in its table."""

Handlers = dict[type, Handler]


def joined(*rooms: Handlers) -> Handlers:
    """One table of all rooms; an event that concerns several goes to them in the order given."""
    table: Handlers = {}
    for room in rooms:
        for kind, handler in room.items():
            table[kind] = _one_after_the_other(table[kind], handler) if kind in table else handler
    return table


def _one_after_the_other(first: Handler, second: Handler) -> Handler:
    def both(state: State, event: Any) -> None:
        first(state, event)
        second(state, event)

    return both
