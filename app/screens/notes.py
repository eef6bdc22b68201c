"""Questions about notes and chapters: which, with what text, and what to do with one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from app.notes import CHAPTER, GLYPHS, MAX_TEXT, MAX_TITLE, NOTE, Note, branch_of
from app.panes.row import short
from app.position import Position
from app.screens.popup import Ask, Choose, Item
from app.units import count

if TYPE_CHECKING:
    from app.note_keys import NoteKeys

LINE = 68
HINTS = {
    NOTE: f"a line of up to {MAX_TEXT} characters, which Story shows at this event",
    CHAPTER: f"a title of up to {MAX_TITLE} characters: ] and [ stop at it, g goes there by its name",
}


def ask_kind(app: NoteKeys, place: Position) -> None:
    """A note, or a chapter?"""
    items = [
        Item(NOTE, f"{GLYPHS[NOTE]} note: a text that Story shows here"),
        Item(CHAPTER, f"{GLYPHS[CHAPTER]} chapter: a title; ] and [ stop here, g goes here by its name"),
    ]

    def ask(kind: str | None) -> None:
        if kind is not None:
            branch = branch_of(place, app.engine.branches)
            ask_text(app, Note(place, kind, "", branch), None, lambda text: app.put_note(place, kind, text))

    app.push_screen(Choose(f"add at event {count(place.seq)}", items), ask)


def ask_text(app: NoteKeys, note: Note, instead: Note | None, then: Callable[[str], None]) -> None:
    """The words of a note: new ones, or others."""

    def check(text: str) -> str:
        return app.engine.notes.why_not(msgspec.structs.replace(note, text=text.strip()), instead)

    def go(text: str | None) -> None:
        if text is not None:
            then(text.strip())

    title = f"{note.kind} at event {count(note.place.seq)}"
    app.push_screen(Ask(title, HINTS[note.kind], check, note.text), go)


def show_list(app: NoteKeys) -> None:
    """All notes and chapters; one can be chosen."""
    known = {str(n): note for n, note in enumerate(app.engine.notes)}
    if not known:
        app.say("no notes and no chapters: a adds one here")
        return
    items = [
        Item(
            name,
            f"{GLYPHS[one.kind]} {count(one.place.seq):>7}  {short(one.text, LINE)}{elsewhere(app, one)}",
        )
        for name, one in known.items()
    ]
    app.push_screen(
        Choose("notes and chapters", items), lambda name: ask_what(app, known[name]) if name else None
    )


def elsewhere(app: NoteKeys, note: Note) -> str:
    """Which branch one is on that is not on this one."""
    branches = app.engine.branches
    return "" if note in app.engine.notes_here else f" (on {branches.all[note.branch].name})"


def ask_what(app: NoteKeys, note: Note) -> None:
    """What to do with one."""
    items = [Item("go", "go there"), Item("edit", "change its words"), Item("delete", "delete it")]

    def do(name: str | None) -> None:
        if name == "go":
            app.go_to_note(note)
        elif name == "edit":
            ask_text(app, note, note, lambda text: app.rewrite_note(note, text))
        elif name == "delete":
            app.remove_note(note)

    app.push_screen(Choose(f"{GLYPHS[note.kind]} {short(note.text, LINE)}", items), do)
