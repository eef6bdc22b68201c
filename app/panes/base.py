"""The widgets under every pane: lines that are painted only when they change, and a pane's frame around them.

`Lines` keeps one strip per row and refreshes the rows that differ. `Pane` adds the title line, scrolling with
a position mark, the focus with something chosen in it, and what Enter does. What is in the rows comes from
the pane's own pure function.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from rich.segment import Segment
from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from app.panes.frame import Frame
from app.panes.moment import Moment
from app.panes.row import EMPTY, Row, Sheet, Span, cells, fit, row, text_of, width_of
from app.panes.rows_update import RowsUpdate

if TYPE_CHECKING:
    from app.tui import Int80


GAPS = re.compile(r"(^ +| {2,}| +$)")
"""Blanks that are not underlined."""


class Picked(Message):
    """Somebody wants to know about, or do, what `subject` names."""

    def __init__(self, subject: str) -> None:
        super().__init__()
        self.subject = subject


class Lines(Widget):
    """Rows on the screen. `show` repaints those that changed.

    There are no borders and no padding: the outer size, which Textual has at hand, is all there is.
    """

    def __init__(self, name: str) -> None:
        super().__init__(id=name)
        self.shown: list[Row] = []
        self.update: RowsUpdate | None = None
        """Where changed rows go while a frame is painted; None: to Textual."""
        self._strips: dict[int, Strip] = {}
        self._paint_name = ""

    @property
    def host(self) -> Int80:
        return cast("Int80", self.app)

    def show(self, rows: Sequence[Row]) -> None:
        """Make these the rows, the first one on top."""
        width, height = self.outer_size
        now = list(rows[:height])
        now += [EMPTY] * (height - len(now))
        before = self.shown
        if self._paint_name != self.host.paint_theme:
            self._paint_name = self.host.paint_theme
            before = []
        if len(before) != len(now):
            self.shown = now
            self._strips.clear()
            self.refresh()
            return
        changed = [y for y, one in enumerate(now) if one != before[y]]
        self.shown = now
        if not changed:
            return
        for y in changed:
            self._strips.pop(y, None)
        if self.update is None:
            self.refresh(*(Region(0, y, width, 1) for y in changed))
            return
        left, top, _, _ = self.region
        for y in changed:
            self.update.add(left, top + y, width, before[y], now[y])

    def forget(self) -> None:
        """Paint everything anew at the next `show`."""
        self.shown = []

    def render_lines(self, crop: Region) -> list[Strip]:
        """The rows as they are: there are no borders, padding or filters that Textual would have to add."""
        width = self.outer_size.width
        strips = [self._strip(y, width) for y in crop.line_range]
        if crop.column_span != (0, width):
            strips = [strip.crop(*crop.column_span) for strip in strips]
        return strips

    def render_line(self, y: int) -> Strip:
        return self._strip(y, self.outer_size.width)

    def _strip(self, y: int, width: int) -> Strip:
        strip = self._strips.get(y)
        if strip is None or strip.cell_length != width:
            one = fit(self.shown[y], width) if y < len(self.shown) else EMPTY
            paint = self.host.paint_styles
            segments = [Segment(span.text, paint.on_text(span.style)) for span in one]
            taken = width_of(one)
            if taken < width:
                segments.append(Segment(" " * (width - taken), paint.on_text("")))
            strip = self._strips[y] = Strip(segments, width)
        return strip

    def subject_at(self, x: int, y: int) -> str:
        """What the cell names, '' for nothing."""
        if not 0 <= y < len(self.shown):
            return ""
        for span in self.shown[y]:
            x -= cells(span.text)
            if x < 0:
                return span.subject
        return ""

    def on_click(self, event: events.Click) -> None:
        event.stop()
        self.clicked(event)

    def clicked(self, event: events.Click) -> None:
        """The mouse's button: what is under it is done or explained."""
        subject = self.subject_at(event.x, event.y)
        if subject:
            self.post_message(Picked(subject))


def marked(span: Span, style: str) -> list[Span]:
    """The words of a span with another style; gaps between and around them stay as they are."""
    parts = (part for part in GAPS.split(span.text) if part)
    return [
        span._replace(text=part)
        if part.isspace()
        else span._replace(text=part, style=f"{span.style} {style}")
        for part in parts
    ]


class Pane(Lines, can_focus=True):
    """A pane with its frame. A subclass says what its title and its sheet are."""

    label: ClassVar[str] = ""
    key: ClassVar[str] = ""
    """The key that brings it to the front, as it is shown."""
    views: ClassVar[tuple[str, ...]] = ()
    """Names of the pictures that take turns in this pane."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.frame = Frame("", "")
        self.view = 0
        self._now: Moment | None = None
        self._top: int | None = None
        """Where somebody scrolled to; None where the sheet says."""
        self._sheet = Sheet(())
        self._sheet_top = -1
        self._chosen = ""
        self._chosen_row = 0

    # What a subclass says.

    def sheet(self, now: Moment, width: int, height: int) -> Sheet:
        """All rows for this Moment."""
        return Sheet(())

    def title(self, now: Moment) -> Row:
        """What stands in the title line."""
        return row(Span(self.label, "title"))

    # Painting.

    @property
    def now(self) -> Moment | None:
        """What is shown; set, it is painted (as it comes with every frame, it is no reactive)."""
        return self._now

    @now.setter
    def now(self, now: Moment) -> None:
        self._now = now
        self.repaint()

    def on_resize(self) -> None:
        self._top = None
        self.repaint()

    def watch_has_focus(self, has_focus: bool) -> None:
        super().watch_has_focus(has_focus)
        self.repaint()

    def room(self) -> tuple[int, int]:
        """Columns and rows inside the frame and its margins."""
        margins = 3 if self.frame.left else 2
        return max(self.outer_size.width - margins, 0), max(self.outer_size.height - 1, 0)

    def body_height(self) -> int:
        """Rows that scroll."""
        return max(self.outer_size.height - 1 - len(self._sheet.head), 0)

    def repaint(self) -> None:
        now = self.now
        width, height = self.room()
        if now is None or not height or not self.is_attached or not self.display:
            return
        self._sheet = sheet = self.sheet(now, width, height)
        if sheet.top != self._sheet_top:
            self._sheet_top = sheet.top
            self._top = None
        top = self.top()
        body = [fit(one, width) for one in sheet.rows[top : top + self.body_height()]]
        if self.has_focus:
            body = self._with_choice(body, top)
        body = [*(fit(one, width) for one in sheet.head), *body][:height]
        body += [EMPTY] * (height - len(body))
        style = "focus" if self.has_focus else "rule"
        left = self.frame.left
        if left:
            body = [
                (Span(left[y] if y < len(left) else "│", "rule"), Span(" "), *one)
                for y, one in enumerate(body)
            ]
        else:
            body = [(Span(" "), *one) for one in body]
        self.show([self._rule(now, style), *body])

    def top(self) -> int:
        """The first row in sight."""
        last = max(len(self._sheet.rows) - self.body_height(), 0)
        return min(max(self._sheet.top if self._top is None else self._top, 0), last)

    def _rule(self, now: Moment, style: str) -> Row:
        width, top, height = self.outer_size.width, self.top(), self.body_height()
        line = self.frame.top or "─" * width
        head = (Span("▸ " if self.has_focus else " ", style), *self.title(now), Span(" "))
        count = len(self._sheet.rows)
        mark = f" {top + 1}–{min(top + height, count)} of {count} " if count > height else ""
        tail = f"{mark}─ {self.key} ─" if self.key else f"{mark}─" if mark else ""
        room = width - 2 - cells(tail)
        head = fit(head, max(room, 0))
        start = 2 + width_of(head)
        end = width - cells(tail)
        if end < start:
            return fit((Span(line[:2], style), *head), width)
        ends = (Span("─ ", style), Span(self.key, style if self.has_focus else "dim"), Span(" ─", style))
        tail_spans = ends if self.key else (Span("─" if mark else "", style),)
        return (Span(line[:2], style), *head, Span(line[start:end], style), Span(mark, "dim"), *tail_spans)

    # What is chosen, and what Enter does.

    def subjects(self) -> list[tuple[int, str]]:
        """Row number and name of everything in sight that can be explained, in reading order."""
        top, height = self.top(), self.body_height()
        found = []
        for n, one in enumerate(self._sheet.rows[top : top + height]):
            found += [(top + n, span.subject) for span in one if span.subject]
        return list(dict.fromkeys(found))

    def _with_choice(self, body: list[Row], top: int) -> list[Row]:
        known = self.subjects()
        if known and (self._chosen_row, self._chosen) not in known:
            same = [place for place in known if place[1] == self._chosen]
            self._chosen_row, self._chosen = (
                same[0] if same else min(known, key=lambda place: abs(place[0] - self._chosen_row))
            )
        out = []
        for n, one in enumerate(body):
            here = top + n == self._chosen_row
            spans: list[Span] = []
            for span in one:
                if span.subject and span.text.strip():
                    chosen = here and span.subject == self._chosen
                    spans += marked(span, "chosen" if chosen else "under")
                else:
                    spans.append(span)
            out.append(tuple(spans))
        return out

    def choose(self, down: int, right: int) -> None:
        """Move the choice to the next thing in a direction."""
        known = self.subjects()
        here = (self._chosen_row, self._chosen)
        if not known:
            self.scroll_by(down)
            return
        at = known.index(here) if here in known else 0
        if right:
            at = min(max(at + right, 0), len(known) - 1)
        else:
            others = [n for n, place in enumerate(known) if (place[0] - self._chosen_row) * down > 0]
            if not others:
                self.scroll_by(down)
                known = self.subjects()
                others = [n for n, place in enumerate(known) if (place[0] - self._chosen_row) * down > 0]
                if not others:
                    return
            column = self._column(*here)
            at = min(
                others,
                key=lambda n: (abs(known[n][0] - self._chosen_row), abs(self._column(*known[n]) - column)),
            )
        self._chosen_row, self._chosen = known[at]
        self.repaint()

    def picked(self, subject: str) -> None:
        """The mouse chose something. For panes that keep what was chosen."""

    def clicked(self, event: events.Click) -> None:
        """One click chooses, two explain; two where there is nothing, or one on the key's name, zoom."""
        subject = self.subject_at(event.x, event.y)
        label = self.outer_size.width - len(self.key) - 3
        if event.y == 0:
            zoom = event.chain > 1 or (self.key and event.x >= label)
            if zoom and self.can_focus:
                self.post_message(Picked(f"pane:{self.id}"))
        elif event.chain > 1:
            self.post_message(Picked(subject or f"pane:{self.id}"))
        elif subject:
            self._chosen_row = self.top() + event.y - 1 - len(self._sheet.head)
            self._chosen = subject
            self.picked(subject)
            self.repaint()

    def _column(self, number: int, subject: str) -> int:
        """Where in a row a subject begins."""
        at = 0
        for span in self._sheet.rows[number] if 0 <= number < len(self._sheet.rows) else ():
            if span.subject == subject:
                return at
            at += cells(span.text)
        return 0

    def chosen_subject(self) -> str:
        """What is chosen, if it is in sight."""
        return self._chosen if any(subject == self._chosen for _, subject in self.subjects()) else ""

    def explain(self) -> bool:
        """Enter. False where nothing is chosen."""
        subject = self.chosen_subject()
        if subject:
            self.post_message(Picked(subject))
        return bool(subject)

    def picture(self) -> tuple[object, ...]:
        """What moving the choice or scrolling can change."""
        return self._chosen_row, self._chosen, self.top(), self.has_focus, self.shown

    # Scrolling.

    def scroll_by(self, rows: int) -> None:
        last = max(len(self._sheet.rows) - self.body_height(), 0)
        self._top = min(max(self.top() + rows, 0), last)
        self.repaint()

    def page(self, direction: int) -> None:
        self.scroll_by(direction * max(self.body_height() - 1, 1))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.scroll_by(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.scroll_by(-3)

    def next_view(self) -> bool:
        """The next picture of this pane; False if it has only one."""
        if len(self.views) < 2:
            return False
        self.view = (self.view + 1) % len(self.views)
        self._top = None
        self.repaint()
        return True

    def visible_text(self) -> str:
        """What is on the screen, for tests and for the eye."""
        return "\n".join(text_of(one) for one in self.shown)
