"""How often each task appears in each stretch of the log, and what stands out there: what Timeline draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.finding import mark_of
from app.state.state import IDLE, INIT, State
from kernel import events as e

if TYPE_CHECKING:
    from app.log import Log

BLOCKS = 2048
"""Stretches of the log that are kept apart; when there are more, two become one."""
AT_ONCE = 20_000
"""Events read for one frame: a long log appears piece by piece instead of holding everything up."""
FINE = 4096
"""A window of so many events is read from the log itself, however coarse the stretches are."""


class Column(NamedTuple):
    """Events by task, and the mark: only in the first of the columns that show the same stretch."""

    counts: dict[int, int]
    mark: int


class Lanes:
    """What has been read of a log."""

    def __init__(self) -> None:
        self.log: Log | None = None
        self.seen = 0
        self.size = 1
        """Events in a stretch."""
        self.counts: list[dict[int, int]] = []
        self.marks: list[int] = []
        self.letters = State()
        """Letters of all tasks of the log, those that come after the cursor too."""
        self.totals: dict[int, int] = {}
        """Events by task."""
        self.begin = 0
        """Where the first program is there: its execve has made it."""
        self._key: tuple[int, int, int, int] | None = None
        self._columns: list[Column] = []

    def follow(self, log: Log, at_most: int = AT_ONCE) -> bool:
        """Read on; False while there is more."""
        if log is not self.log:
            self.__init__()  # type: ignore[misc]
            self.log = log
        stop = min(len(log), self.seen + at_most)
        for _tick, pid, event in log.rows(self.seen, stop):
            block = self.seen // self.size
            if block == len(self.counts):
                if block >= BLOCKS:
                    self._halve()
                    block = self.seen // self.size
                if block == len(self.counts):
                    self.counts.append({})
                    self.marks.append(0)
            counts = self.counts[block]
            counts[pid] = counts.get(pid, 0) + 1
            self.totals[pid] = self.totals.get(pid, 0) + 1
            if isinstance(event, e.TaskCreated) and event.child not in (IDLE, INIT):
                self.letters.letters.setdefault(event.child, len(self.letters.letters))
            if isinstance(event, e.ProgramExecuted):
                self.begin = self.begin or self.seen
            mark = mark_of(event)
            if mark:
                self.marks[block] = max(self.marks[block], mark)
            self.seen += 1
        return self.seen == len(log)

    def _halve(self) -> None:
        counts, marks = self.counts, self.marks
        self.counts, self.marks = [], []
        for n in range(0, len(counts), 2):
            one = counts[n]
            if n + 1 < len(counts):
                for pid, times in counts[n + 1].items():
                    one[pid] = one.get(pid, 0) + times
            self.counts.append(one)
            self.marks.append(max(marks[n : n + 2]))
        self.size *= 2

    def columns(self, log: Log | None, first: int, last: int, number: int) -> list[Column]:
        """Events [first, last) of what has been read in `number` columns."""
        last = min(last, self.seen)
        key = first, last, number, self.seen if last == self.seen else 0
        if key != self._key:
            self._key = key
            if self.size > 1 and log is not None and 0 < last - first <= FINE:
                parts: list[dict[int, int]] = []
                marks: list[int] = []
                for _tick, pid, event in log.rows(first, last):
                    parts.append({pid: 1})
                    marks.append(mark_of(event))
                self._columns = _columns(parts, marks, 0, len(parts), number)
            else:
                blocks = first // self.size, -(-last // self.size)
                self._columns = _columns(self.counts, self.marks, *blocks, number)
        return self._columns


def _columns(
    counts: list[dict[int, int]], marks: list[int], first: int, last: int, number: int
) -> list[Column]:
    found: list[Column] = []
    length, before = last - first, -1
    for column in range(number):
        start = first + column * length // number
        end = min(max(first + (column + 1) * length // number, start + 1), len(counts))
        if start + 1 == end:
            found.append(Column(counts[start], marks[start] if start != before else 0))
        else:
            total: dict[int, int] = {}
            for one in counts[start:end]:
                for pid, times in one.items():
                    total[pid] = total.get(pid, 0) + times
            found.append(Column(total, max(marks[start:end], default=0)))
        before = start
    return found
