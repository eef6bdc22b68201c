"""What several subjects need to take a call apart."""

from __future__ import annotations

from collections.abc import Callable

from app.strace.arguments import part
from app.strace.call import Call, Part
from app.strace.structs import signals as signal_structs
from app.strace.text import address, hexadecimal

Special = Callable[[Call], list[Part]]
Note = Callable[[Call], str | None]


def after(shown: str) -> Part:
    """A part that strace writes with its comma when the call returns."""
    return Part(shown, late=True, joint=", ")


def numbers(call: Call, places: range) -> list[Part]:
    """Some of the arguments, each by its kind."""
    return [part(call, place) for place in places]


def hexes(call: Call, first: int) -> list[Part]:
    """The arguments from `first` on as they are."""
    return [Part(hexadecimal(call.word(place))) for place in range(first, len(call.row.args))]


def sized_set(call: Call, place: int, size_place: int) -> Part:
    """A signal set is shown as far as its size says, if that is a size that a set may have.

    `rt_sigpending` gives any number of its bytes.
    """
    shown = part(call, place)
    size = call.word(size_place)
    if size == 8:
        return shown
    data = call.after(place) if shown.late else call.before(place)
    pending = call.row.name == "rt_sigpending" and 0 < size < 8
    if (size != 4 and not pending) or data is None:
        return Part(address(call.word(place)), shown.late)
    return Part(signal_structs.sigset(data[: min(size, 8)]), shown.late)
