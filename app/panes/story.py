"""Story: the sentence of `app.story`, wrapped into a pane of its own; above it what somebody noted there."""

from __future__ import annotations

from app.notes import CHAPTER, GLYPHS, NOTE, Note
from app.panes.base import Pane
from app.panes.moment import Moment
from app.panes.row import Row, Sheet, Span, row, wrapped
from app.story import tell


def rows(now: Moment, width: int, height: int) -> Sheet:
    """What just happened."""
    regs = now.regs
    tint = "kernel" if regs is not None and not regs.cpl else "user"
    room = max(width - 2, 8)
    noted = [
        row(Span(f"{GLYPHS[NOTE]} " if n == 0 else "  ", "mark"), Span(line, "mark"))
        for one in notes_at(now, NOTE)
        for n, line in enumerate(wrapped(one.text, room))
    ]
    lines = wrapped(sentence(tell(now)), room)
    return Sheet([*noted, *(row(Span("▌ ", tint), Span(line)) for line in lines)])


def notes_at(now: Moment, kind: str) -> list[Note]:
    """Those of the event that the cursor is at."""
    return [one for one in now.notes if one.kind == kind and one.place.seq == now.cursor.seq]


def sentence(text: str) -> str:
    """With a capital letter, unless it begins with a name."""
    return f"The {text[4:]}" if text.startswith("the ") else text


class Story(Pane, can_focus=False):
    """What just happened, in words."""

    label = "Story"

    def sheet(self, now: Moment, width: int, height: int) -> Sheet:
        return rows(now, width, height)

    def title(self, now: Moment) -> Row:
        chapters = (f" {GLYPHS[CHAPTER]} {one.text}" for one in notes_at(now, CHAPTER))
        return row(Span(self.label, "title"), Span("".join(chapters), "mark"))
