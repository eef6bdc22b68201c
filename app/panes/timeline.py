"""Timeline: a lane per process over the whole log, what stands out, and the cursor. A click goes there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events

from app.finding import mark_of
from app.panes.base import Pane, Picked
from app.panes.moment import Moment, letter_style, task_name
from app.panes.row import Row, Sheet, Span, row
from app.state.state import IDLE, INIT, State
from app.units import count
from kernel import events as e

if TYPE_CHECKING:
    from app.log import Log

BLOCKS = 4096
"""Stretches of the log that are kept apart; when there are more, two become one."""
AT_ONCE = 20_000
"""Events read for one frame: a long log appears piece by piece instead of holding everything up."""
HEIGHTS = " ▁▂▃▄▅▆▇█"
MARKS = " ◆✕▲!"
LABEL = 4
LEGEND = "◆ new process or program   ▲ signal   ! fault   ✕ end"


class Lanes:
    """How often each task appears in each stretch of the log, and what stands out there."""

    def __init__(self) -> None:
        self.seen = 0
        self.size = 1
        """Events in a stretch."""
        self.counts: list[dict[int, int]] = []
        self.marks: list[int] = []
        self.letters = State()
        """Letters of all tasks of the log, those that come after the cursor too."""

    def follow(self, log: Log, at_most: int = AT_ONCE) -> bool:
        """Read on; False while there is more."""
        if len(log) < self.seen:
            self.__init__()  # type: ignore[misc]
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
            if isinstance(event, e.TaskCreated) and event.child not in (IDLE, INIT):
                self.letters.letters.setdefault(event.child, len(self.letters.letters))
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

    def columns(self, number: int) -> list[tuple[dict[int, int], int]]:
        """The log in `number` columns: events by task, and the mark."""
        found: list[tuple[dict[int, int], int]] = []
        blocks = len(self.counts)
        for column in range(number):
            first = column * blocks // number
            last = max((column + 1) * blocks // number, first + 1)
            total: dict[int, int] = {}
            mark = 0
            for n in range(first, min(last, blocks)):
                for pid, times in self.counts[n].items():
                    total[pid] = total.get(pid, 0) + times
                mark = max(mark, self.marks[n])
            found.append((total, mark))
        return found


def column_of(seq: int, length: int, columns: int) -> int:
    return min(seq * columns // max(length, 1), columns - 1)


def rows(now: Moment, width: int, height: int, lanes: Lanes) -> Sheet:
    """Lanes, and under them the line with marks and cursor."""
    columns = max(width - LABEL, 1)
    data = lanes.columns(columns)
    here = column_of(now.cursor.seq, now.length, columns)
    tasks = tasks_in(lanes)
    if len(tasks) > height - 1:
        return Sheet([who_row(lanes.letters, data, here), axis_row(data, here)])
    return Sheet([*(lane_row(lanes.letters, pid, data, here) for pid in tasks), axis_row(data, here)])


def tasks_in(lanes: Lanes) -> list[int]:
    """The tasks that anything is told of, in order of their letters."""
    totals: dict[int, int] = {}
    for counts in lanes.counts:
        for pid, times in counts.items():
            totals[pid] = totals.get(pid, 0) + times
    return sorted(
        (pid for pid in totals if pid > 1), key=lambda pid: lanes.letters.letters.get(pid, 1 << 30 | pid)
    )


def who_row(state: State, data: list[tuple[dict[int, int], int]], here: int) -> Row:
    """One lane for all, where there is no room for one each: the letter of whom most of a column is about."""
    spans = [Span(f"{'who':<{LABEL}}", "dim")]
    for column, (counts, _) in enumerate(data):
        pid = max((pid for pid in counts if pid > 1), key=lambda pid: counts[pid], default=0)
        style = letter_style(state, pid) if pid else "dim"
        text = task_name(state, pid)[:1] if pid else " "
        if column == here:
            spans.append(Span("│" if text == " " else text, f"{style} chosen"))
        elif spans[-1].style == style and len(spans) > 1:
            spans[-1] = Span(spans[-1].text + text, style)
        else:
            spans.append(Span(text, style))
    return tuple(spans)


def lane_row(state: State, pid: int, data: list[tuple[dict[int, int], int]], here: int) -> Row:
    style = letter_style(state, pid)
    text = "".join(HEIGHTS[-(-counts.get(pid, 0) * 8 // max(sum(counts.values()), 1))] for counts, _ in data)
    return row(
        Span(f"{task_name(state, pid):<{LABEL}}"[:LABEL], style + " bold"),
        Span(text[:here], style),
        Span("│" if text[here] == " " else text[here], style if text[here] == " " else f"{style} chosen"),
        Span(text[here + 1 :], style),
    )


def axis_row(data: list[tuple[dict[int, int], int]], here: int) -> Row:
    text = "".join(MARKS[mark] if mark else "─" for _, mark in data)
    cursor = "┴" if text[here] == "─" else text[here]
    return row(
        Span(" " * LABEL),
        Span(text[:here], "soft"),
        Span(cursor, "mark chosen"),
        Span(text[here + 1 :], "rule"),
    )


class Timeline(Pane, can_focus=False):
    """The whole log at a glance."""

    label = "Timeline"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.lanes = Lanes()

    def sheet(self, now: Moment, width: int, height: int) -> Sheet:
        if now.log is not None and not self.lanes.follow(now.log):
            self.set_timer(0.03, self.repaint)
        return rows(now, width, height, self.lanes)

    def title(self, now: Moment) -> Row:
        legend = f"  {LEGEND}" if self.size.width >= 110 else ""
        return row(
            Span("Timeline", "title"),
            Span(f" · event {count(now.cursor.seq)} of {count(now.length)}{legend}", "dim"),
        )

    def clicked(self, event: events.Click) -> None:
        now = self.now
        left = LABEL + (2 if self.frame.left else 1)
        columns = self.room()[0] - LABEL
        if now is None or event.y < 1 or event.x < left or columns < 1:
            return
        column = min(event.x - left, columns - 1)
        self.post_message(Picked(f"goto:{-(-column * now.length // columns)}"))
