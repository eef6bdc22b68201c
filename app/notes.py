"""Notes and chapters: what a teacher writes to places in time. A note is a text, a chapter has a title.

Chapters count as marks of the timeline, and `g` knows them by their titles. Where they are kept is for
others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec

from app.position import ALL_DONE, START, Position
from cpu.events import ENTRIES
from cpu.interrupts import microsteps

if TYPE_CHECKING:
    from app.branches import Branches
    from app.log import Log

NOTE, CHAPTER = "note", "chapter"
MOST = 300
MAX_TEXT = 500
MAX_TITLE = 60
GLYPHS = {NOTE: "•", CHAPTER: "§"}
STARTS, ENDS = ("start", "s", "begin"), ("end", "e")


class Note(msgspec.Struct, frozen=True):
    """`kind` is NOTE or CHAPTER."""

    place: Position
    kind: str
    text: str
    branch: int = 0
    """The oldest one that has this place."""


class Notes:
    """All of a session, in the order of time. `changed` counts what has been done to them."""

    def __init__(self, notes: Iterable[Note] = ()) -> None:
        self.every: tuple[Note, ...] = tuple(notes)
        self.changed = 0

    def __len__(self) -> int:
        return len(self.every)

    def __iter__(self) -> Iterator[Note]:
        return iter(self.every)

    def add(self, note: Note) -> str:
        """Why it cannot be, '' when it is done."""
        if why := self.why_not(note):
            return why
        self._become((*self.every, note))
        return ""

    def rewrite(self, note: Note, text: str) -> str:
        """Another text at the same place: why it cannot be, '' when it is done."""
        other = msgspec.structs.replace(note, text=text)
        if why := self.why_not(other, note):
            return why
        self._become(other if one is note else one for one in self.every)
        return ""

    def remove(self, note: Note) -> None:
        self._become(one for one in self.every if one is not note)

    def forget_branch(self, number: int) -> None:
        """A branch is no more."""
        if any(one.branch == number for one in self.every):
            self._become(one for one in self.every if one.branch != number)

    def on(self, branches: Branches) -> tuple[Note, ...]:
        """Those of the branch that the engine is on, and of what it shares with others."""
        ends = dict(line(branches))
        return tuple(
            one for one in self.every if one.branch in ends and not ends[one.branch].before(one.place)
        )

    def why_not(self, note: Note, instead: Note | None = None) -> str:
        """Why these have no room for one more, or for another one `instead`, in a few words."""
        others = [one for one in self.every if one is not instead]
        if len(others) >= MOST:
            return f"a session has {MOST} notes at most"
        if wrong := wrong_text(note.kind, note.text):
            return wrong
        same = [one for one in others if one.kind == note.kind and one.text.lower() == note.text.lower()]
        if note.kind == CHAPTER and same:
            return f"there is a chapter of this title already, at event {same[0].place.seq}"
        if any((one.place, one.branch) == (note.place, note.branch) for one in same):
            return "this is noted here already"
        return ""

    def _become(self, notes: Iterable[Note]) -> None:
        self.every = tuple(sorted(notes, key=lambda one: one.place.key))
        self.changed += 1


def line(branches: Branches) -> Iterator[tuple[int, Position]]:
    """The branch that the engine is on and those that it comes from, with the end of what it has of each."""
    branch, end = branches.here, Position(1 << 62, ALL_DONE, 0)
    yield branch.number, end
    while (origin := branch.origin) is not None:
        end = min(end, Position(origin.seq, ALL_DONE, origin.tick), key=lambda one: one.key)
        branch = branches.all[origin.parent]
        yield branch.number, end


def branch_of(place: Position, branches: Branches) -> int:
    """The oldest branch that has this place of the one that the engine is on."""
    return [number for number, end in line(branches) if not end.before(place)][-1]


def titled(notes: Iterable[Note], title: str) -> Note | None:
    """The chapter of this title."""
    wanted = title.strip().lower()
    return next((one for one in notes if one.kind == CHAPTER and one.text.lower() == wanted), None)


def next_chapter(notes: Iterable[Note], here: Position, direction: int) -> Note | None:
    """The first one behind a place, or the last one before it."""
    chapters = [one for one in notes if one.kind == CHAPTER]
    if direction > 0:
        return next((one for one in chapters if here.before(one.place)), None)
    return next((one for one in reversed(chapters) if one.place.before(here)), None)


def wrong_text(kind: str, text: str) -> str:
    """What is wrong with a note's text or a chapter's title, '' for nothing."""
    what, most = ("title", MAX_TITLE) if kind == CHAPTER else ("text", MAX_TEXT)
    if not text.strip():
        return f"a {kind} needs a {what}"
    if text != text.strip():
        return f"blanks around a {what} are none of it"
    if len(text) > most:
        return f"{len(text)} characters: a {kind}'s {what} has {most} at most"
    if not text.isprintable():
        return f"a {what} is one line of printable characters"
    if kind == CHAPTER and _is_place(text):
        return f"{text} is a place for g already: give the chapter another title"
    return ""


def _is_place(text: str) -> bool:
    return parse_place(text, 1 << 62) is not None


def parse_place(text: str, length: int) -> int | None:
    """`start`, `end`, `50%` or an event's number, as a number of events; None if it is none of them."""
    word = text.strip().lower().replace(",", "").replace("_", "")
    if word in STARTS:
        return 0
    if word in ENDS:
        return length
    if word.endswith("%"):
        try:
            part = float(word[:-1])
        except ValueError:
            return None
        return round(length * part / 100) if 0 <= part <= 100 else None
    if not word.isascii() or not word.isdigit() or len(word) > 18:
        return None
    number = int(word)
    return number if number <= length else None


def place_named(text: str, log: Log, notes: Iterable[Note]) -> Position | None:
    """Where `g` goes: a place by number, or a chapter by its title."""
    seq = parse_place(text, len(log))
    if seq is not None:
        return Position(seq, ALL_DONE, log.record(seq - 1).tick) if seq else START
    chapter = titled(notes, text)
    return fitting(chapter.place, log) if chapter is not None else None


def fitting(place: Position, log: Log) -> Position:
    """The place as this log can have it: within the event's microsteps, and before the next event."""
    seq = min(place.seq, len(log))
    record = log.record(seq - 1) if seq else None
    steps = len(microsteps(record.event)) if record is not None and isinstance(record.event, ENTRIES) else 0
    begun = record.tick if record is not None else 0
    if 0 <= place.microstep < steps:
        return Position(seq, place.microstep, begun)
    last = log.record(seq).tick if 0 < seq < len(log) else begun
    return Position(seq, ALL_DONE, min(max(place.tick, begun), max(last, begun)))
