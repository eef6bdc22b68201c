"""Story: the sentence of `app.story`, wrapped into a pane of its own."""

from __future__ import annotations

from app.panes.base import Pane
from app.panes.moment import Moment
from app.panes.row import Row, Sheet, Span, row, wrapped
from app.story import tell


def rows(now: Moment, width: int, height: int) -> Sheet:
    """What just happened."""
    regs = now.regs
    tint = "kernel" if regs is not None and not regs.cpl else "user"
    lines = wrapped(sentence(tell(now)), max(width - 2, 8))
    return Sheet([row(Span("▌ ", tint), Span(line)) for line in lines])


def sentence(text: str) -> str:
    """With a capital letter, unless it begins with a name."""
    return f"The {text[4:]}" if text.startswith("the ") else text


class Story(Pane, can_focus=False):
    """What just happened, in words."""

    label = "Story"

    def sheet(self, now: Moment, width: int, height: int) -> Sheet:
        return rows(now, width, height)

    def title(self, now: Moment) -> Row:
        return row(Span(self.label, "title"))
