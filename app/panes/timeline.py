"""Timeline: a lane per process over the log, what stands out, notes, results of a search, and the cursor.

A click goes there. The whole log, or a window of it: half as long with each step of the zoom, and with the
cursor in sight. Of a short one the boot is only shown while the cursor is in it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from textual import events

from app.notes import CHAPTER, GLYPHS
from app.panes.base import Pane, Picked
from app.panes.lanes import Column, Lanes
from app.panes.moment import Moment, letter_style, task_name
from app.panes.results import Results
from app.panes.row import Row, Sheet, Span, row, short
from app.state.state import State
from app.units import count

HEIGHTS = " ▁▂▃▄▅▆▇█"
MARKS = " ◆✕▲!"
FOUND = "*"
"""In this column is what was searched for."""
LABEL = 4
LEGEND = "◆ new process or program   ▲ signal   ! fault   ✕ end"
TITLE = 30
"""Columns that the chapter's title may take in the header."""
WORDS = 20
"""The same for what was searched for."""
ROOMY = 120
"""Columns from which on the tick stands in the header."""
SHORT = 16
"""So many times as long as the boot a log is that is shown from its beginning: else the boot is left out."""
LEAST = 4
"""Events that a window has at least."""

Window = tuple[int, int]
"""The first event in sight, and the one behind the last."""


def window_of(seq: int, length: int, zoom: int, before: Window = (0, 0)) -> Window:
    """Where the window lies: where it was `before` if it has that length and the cursor is still in it."""
    size = max(length >> zoom, min(LEAST, length))
    if not zoom or size >= length:
        return 0, length
    if before[1] - before[0] == size and before[0] <= seq <= before[1] <= length:
        return before
    first = min(max(seq - size // 2, 0), length - size)
    return first, first + size


def column_of(seq: int, window: Window, columns: int) -> int:
    first, last = window
    return max(min((seq - first) * columns // max(last - first, 1), columns - 1), 0)


def event_of(column: int, window: Window, columns: int) -> int:
    """The event that a click on a column means."""
    first, last = window
    return first - (-column * (last - first) // columns)


def rows(
    now: Moment,
    width: int,
    height: int,
    lanes: Lanes,
    window: Window | None = None,
    found: Sequence[int] = (),
) -> Sheet:
    """Lanes, and under them the line with marks, notes, the places of what was `found`, and the cursor."""
    columns = max(width - LABEL, 1)
    window = window if window is not None else (0, now.length)
    data = lanes.columns(now.log, *window, columns)
    here = column_of(now.cursor.seq, window, columns)
    tasks = sorted(
        (pid for pid in lanes.totals if pid > 1),
        key=lambda pid: lanes.letters.letters.get(pid, 1 << 30 | pid),
    )
    axis = axis_row(data, here, noted(now, window, columns) | sought(found, window, columns))
    if len(tasks) > height - 1:
        return Sheet([who_row(lanes.letters, data, here), axis])
    return Sheet([*(lane_row(lanes.letters, pid, data, here) for pid in tasks), axis])


def noted(now: Moment, window: Window, columns: int) -> dict[int, str]:
    """Columns where somebody has written something: a chapter's mark where both kinds fall together."""
    found: dict[int, str] = {}
    for one in now.notes:
        if window[0] <= one.place.seq <= window[1]:
            column = column_of(one.place.seq, window, columns)
            if one.kind == CHAPTER or column not in found:
                found[column] = GLYPHS[one.kind]
    return found


def sought(found: Sequence[int], window: Window, columns: int) -> dict[int, str]:
    """Columns with something that was searched for; `found` ascends."""
    inside = found[bisect_left(found, window[0]) : bisect_right(found, window[1])]
    return dict.fromkeys((column_of(place, window, columns) for place in inside), FOUND)


def chapter_of(now: Moment) -> str:
    """The title of the chapter that the cursor is in, '' before the first."""
    begun = [one.text for one in now.notes if one.kind == CHAPTER and not now.cursor.before(one.place)]
    return begun[-1] if begun else ""


def who_row(state: State, data: list[Column], here: int) -> Row:
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


def lane_row(state: State, pid: int, data: list[Column], here: int) -> Row:
    style = letter_style(state, pid)
    text = "".join(
        HEIGHTS[-(-counts[pid] * 8 // sum(counts.values()))] if pid in counts else " " for counts, _ in data
    )
    return row(
        Span(f"{task_name(state, pid):<{LABEL}}"[:LABEL], style + " bold"),
        Span(text[:here], style),
        Span("│" if text[here] == " " else text[here], style if text[here] == " " else f"{style} chosen"),
        Span(text[here + 1 :], style),
    )


def axis_row(data: list[Column], here: int, notes: dict[int, str]) -> Row:
    marks = (MARKS[mark] if mark else "─" for _, mark in data)
    text = "".join(notes.get(column, mark) for column, mark in enumerate(marks))
    cursor = "┴" if text[here] == "─" else text[here]
    return row(
        Span(" " * LABEL),
        Span(text[:here], "soft"),
        Span(cursor, "mark chosen"),
        Span(text[here + 1 :], "rule"),
    )


class Timeline(Pane):
    """The log at a glance. With the focus, the arrows move the cursor by a column."""

    label = "Timeline"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.lanes = Lanes()
        self.results = Results()
        self.zoom = 0
        """So many times the window is half as long as the log."""
        self._window: Window = (0, 0)

    def sheet(self, now: Moment, width: int, height: int) -> Sheet:
        if now.log is not None:
            followed = self.lanes.follow(now.log), self.results.follow(now.log, now.search)
            if not all(followed):
                self.set_timer(0.03, self.repaint)
        return rows(now, width, height, self.lanes, self.window(now), self.results.places)

    def window(self, now: Moment) -> Window:
        self._window = window_of(now.cursor.seq, now.length, self.zoom, self._window)
        begin = self.lanes.begin
        if not self.zoom and 0 < begin <= now.cursor.seq and begin * SHORT > now.length:
            self._window = begin, now.length
        return self._window

    def zoom_by(self, direction: int) -> str:
        """Half as much, or twice as much; what is in sight now, in words."""
        now = self.now
        if now is None:
            return ""
        longest = (max(now.length // LEAST, 1)).bit_length() - 1
        self.zoom = min(max(self.zoom + direction, 0), longest)
        first, last = self.window(now)
        self.repaint()
        if not self.zoom:
            return "timeline: everything"
        return f"timeline: events {count(first)} to {count(last)}"

    def title(self, now: Moment) -> Row:
        legend = f"  {LEGEND}" if self.outer_size.width >= 110 else ""
        tick = f" · tick {count(now.cursor.tick)}" if self.outer_size.width < ROOMY else ""
        chapter = chapter_of(now)
        first, last = self.window(now)
        part = f" · showing {count(first)}–{count(last)}" if self.zoom else ""
        return row(
            Span("Timeline", "title"),
            Span(f" · event {count(now.cursor.seq)} of {count(now.length)}{tick}", "dim"),
            Span(f" · {GLYPHS[CHAPTER]} {short(chapter, TITLE)}" if chapter else "", "mark"),
            Span(part, "mark"),
            Span(self._found(now), "mark"),
            Span(legend, "dim"),
        )

    def _found(self, now: Moment) -> str:
        """What was searched for, and how often it has been met."""
        if not now.search:
            return ""
        places = len(self.results.places) if self.results.text == now.search else 0
        times = "once" if places == 1 else f"{count(places)}{'+' if self.results.full else ''} times"
        return f' · {FOUND} "{short(now.search, WORDS)}" {times}'

    def _columns(self) -> int:
        return self.room()[0] - LABEL

    def choose(self, down: int, right: int) -> None:
        """Left and right: to the column before or behind; up and down: zoom."""
        now, columns = self.now, self._columns()
        if now is None or columns < 1:
            return
        if down:
            self.host.say(self.zoom_by(-down))
            return
        window = self.window(now)
        width = max((window[1] - window[0]) // columns, 1)
        place = min(max(now.cursor.seq + right * width, 0), now.length)
        if place == now.cursor.seq:
            self.host.say(f"{self.label}: nothing further that way")
        self.post_message(Picked(f"goto:{place}"))

    def explain(self) -> bool:
        self.post_message(Picked("timeline"))
        return True

    def clicked(self, event: events.Click) -> None:
        left = LABEL + (2 if self.frame.left else 1)
        columns = self._columns()
        if self.now is None or event.y < 1 or event.x < left or columns < 1:
            return
        column = min(event.x - left, columns - 1)
        self.post_message(Picked(f"goto:{event_of(column, self.window(self.now), columns)}"))
