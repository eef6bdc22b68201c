"""One system call as the formatters see it: its row, its numbers, and what was captured of user memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from app.strace.text import signed
from kernel.abi.errno import errno_of
from kernel.capture import Items
from kernel.table import Arg, Kind, Row


@dataclass(frozen=True, slots=True)
class Call:
    """`exited` and `result` are None until the call has returned; `result` is signed."""

    row: Row
    args: tuple[int, ...]
    entered: Items
    exited: Items | None = None
    result: int | None = None

    @property
    def returned(self) -> bool:
        return self.result is not None

    @property
    def failed(self) -> bool:
        return self.result is not None and errno_of(self.result) != 0

    @property
    def value(self) -> int:
        """The result where it must be there: in what is shown of a call that succeeded."""
        return self.result or 0

    def word(self, place: int) -> int:
        """An argument as it was in its register."""
        return self.args[place]

    def number(self, place: int) -> int:
        """An argument as C's int."""
        return signed(self.args[place])

    def before(self, place: int) -> bytes | None:
        """What was taken of user memory when the call began."""
        return self.entered[place] if place < len(self.entered) else None

    def after(self, place: int) -> bytes | None:
        """What was taken of user memory when it returned."""
        return self.exited[place] if self.exited is not None and place < len(self.exited) else None

    def arg(self, place: int) -> Arg:
        return self.row.args[place]

    def wide(self, place: int) -> int:
        """The 64-bit number of which this argument is one half and the next the other."""
        low, high = self.args[place], self.args[place + 1]
        if self.row.args[place].kind is Kind.HIGH:
            low, high = high, low
        return low | high << 32


class Part(NamedTuple):
    """One argument's text. What is `late` strace knows only when the call returns, and all behind it is, too.

    The comma before the first late part is written early all the same, unless `joint` is given: what stands
    between this part and the one before it, late like the part itself.
    """

    text: str
    late: bool = False
    joint: str | None = None


def joined(shown: list[Part]) -> str:
    """Parts of one line, the first without what joins it to others."""
    texts = [part.text if at == 0 else f"{_joint(part)}{part.text}" for at, part in enumerate(shown)]
    return "".join(texts)


def early_half(shown: list[Part]) -> str:
    """What is known when the call begins, with the comma behind it if more will come."""
    late = first_late(shown)
    early = joined(shown[:late])
    return f"{early}, " if 0 < late < len(shown) and shown[late].joint is None else early


def late_half(shown: list[Part]) -> str:
    """The rest."""
    late = first_late(shown)
    rest = joined(shown[late:])
    return f"{shown[late].joint or ''}{rest}" if 0 < late < len(shown) else rest


def first_late(shown: list[Part]) -> int:
    """Index of the first part that is known only at the end, their number where all are known."""
    return next((at for at, part in enumerate(shown) if part.late), len(shown))


def _joint(part: Part) -> str:
    return ", " if part.joint is None else part.joint
