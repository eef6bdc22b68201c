"""Structures as strace shows them: `{st_mode=S_IFREG|0644, st_size=12, ...}`.

One function for each, by subject. `STRUCTS` has a function from bytes to text for every structure of the
system call table that stands alone, `ITEMS` for those that come in arrays.
"""

from __future__ import annotations

from collections.abc import Callable

from app.strace.structs import files, numbers, processes, scheduling, signals, sockets, terminals, time
from app.strace.text import elements_of
from kernel.abi.structs import EpollEvent, Pollfd

STRUCTS: dict[str, Callable[[bytes], str]] = {
    **numbers.STRUCTS,
    **files.STRUCTS,
    **time.STRUCTS,
    **processes.STRUCTS,
    **scheduling.STRUCTS,
    **signals.STRUCTS,
    **terminals.STRUCTS,
    **sockets.STRUCTS,
}
"""Text of a structure by its name in the table."""

ITEMS: dict[str, tuple[int, Callable[[bytes], str]]] = {
    "pollfd": (Pollfd.SIZE, files.pollfd),
    "epoll_event": (EpollEvent.SIZE, files.epoll_event),
    "sembuf": (6, sockets.sembuf),
    "futex_waitv": (24, scheduling.futex_waitv),
    "gid16": (2, lambda data: numbers.uid16(int.from_bytes(data, "little"))),
    "gid32": (4, lambda data: numbers.user_id(int.from_bytes(data, "little"))),
}
"""Size and text of what comes in arrays."""


def items(data: bytes, of: str, how_many: int, where: int) -> str:
    """An array, of which no more elements than the style allows are shown, and no more than were taken."""
    size, show = ITEMS[of]
    parts = [data[at : at + size] for at in range(0, len(data) - size + 1, size)]
    return elements_of([show(part) for part in parts], how_many, where, size)
