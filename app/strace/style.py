"""How much a trace shows, and in which form: what strace's options -s, -x, -v, -y and their like ask for.

The formatters read `current()`; whoever wants another style than `PLAIN` formats inside of `using(style)`.
Handing it to each of the functions, of which hardly any looks at it, would drown them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from kernel.captured import SHOWN, Extent

Names = Callable[[int], str | None]


@dataclass(frozen=True, slots=True)
class Style:
    """`limit` bytes of a string, elements of an array. `name_fd` knows the file behind a descriptor, as it is
    to be shown: `</etc/passwd>`."""

    limit: int = SHOWN
    hexadecimal: str = ""
    """Strings in hexadecimal: "non-ascii" where they hold other than ASCII, "all", "" for never."""
    verbose: bool = False
    """Structures and arrays in full."""
    raw: frozenset[str] = frozenset()
    """Calls whose arguments are shown as numbers."""
    name_fd: Names | None = None

    @property
    def extent(self) -> Extent:
        """What has to be taken of memory for it."""
        return Extent(self.limit, self.verbose)


PLAIN = Style()
_style = PLAIN


def current() -> Style:
    return _style


@contextmanager
def using(style: Style) -> Iterator[None]:
    """Everything formatted inside is in this style."""
    global _style
    before, _style = _style, style
    try:
        yield
    finally:
        _style = before


def descriptor(fd: int) -> str:
    """`3`, or with its file: `3</etc/passwd>`."""
    return f"{fd}{file_behind(fd)}" if fd >= 0 else str(fd)


def file_behind(fd: int) -> str:
    """`</etc/passwd>`; '' where that is not asked for, or not known."""
    return (_style.name_fd(fd) or "") if _style.name_fd is not None else ""
