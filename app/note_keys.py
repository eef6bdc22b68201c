"""What a person does with notes and chapters: adds one, lists them, goes there, changes them, keeps them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from app.by_hand import ByHand
from app.notes import CHAPTER, GLYPHS, Note, branch_of
from app.position import Position
from app.session.schema import SessionError
from app.tellers.people import plural
from app.units import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager


class Keeper(Protocol):
    """A file that notes are written into; SessionError where that cannot be."""

    name: str

    def write(self, notes: Iterable[Note]) -> None: ...


class NoteKeys(ByHand, inherit_bindings=False):
    """Its methods are what `actions` call."""

    keeper: Keeper | None = None
    """The file of a recording that is played; None: notes go into what is being recorded, or live with it."""
    not_kept = ""
    """Why the notes could not be written into the file, as a line that names it."""
    _kept_at = 0
    """`changed` of the notes that are in the file."""
    _keeping = False
    _leave_then = False
    """Somebody has left while the notes were being written."""
    _warned = False

    if TYPE_CHECKING:  # the App's

        def _stop(self) -> None: ...
        def _go(self, how: Callable[[], None]) -> None: ...
        def guard(self) -> AbstractContextManager[None]: ...

    def add_note(self) -> None:
        from app.screens import notes

        self._stop()
        notes.ask_kind(self, self.engine.cursor)
        self.paint()

    def list_notes(self) -> None:
        from app.screens import notes

        notes.show_list(self)

    def put_note(self, place: Position, kind: str, text: str) -> None:
        note = Note(place, kind, text, branch_of(place, self.engine.branches))
        if kind == CHAPTER:
            done = f"chapter {text} begins at event {count(place.seq)}: ] and [ stop there, g knows it"
        else:
            done = f"noted at event {count(place.seq)}: A lists the notes"
        self._noted(self.engine.notes.add(note), done)

    def rewrite_note(self, note: Note, text: str) -> None:
        self._noted(self.engine.notes.rewrite(note, text), f"{note.kind} changed")

    def remove_note(self, note: Note) -> None:
        self.engine.notes.remove(note)
        self._noted("", f"{note.kind} deleted")

    def go_to_note(self, note: Note) -> None:
        if note not in self.engine.notes_here:
            self.go_to_branch(note.branch)
            if self.engine.seeking is not None:
                self.say(f"{self.engine.branches.all[note.branch].name} runs again: then A leads to the note")
                return
        self._go(lambda: self.engine.go_to_place(note.place))
        self.say(f"{GLYPHS[note.kind]} {note.text}")

    # Keeping them.

    def _noted(self, why: str, done: str) -> None:
        """Say why it could not be, or what was done; then the file gets the notes."""
        self.say(why or done)
        self.paint()
        if not why:
            self._keep()

    def _keep(self) -> None:
        follow = self.engine.machine.follow if self.engine.live else None
        if self.keeper is not None and not self._keeping:
            self._keeping = True
            self.run_worker(self._write_notes(self.keeper), group="notes")
        elif follow is not None:
            try:
                follow()
            except SessionError as error:
                self.say(str(error))

    async def _write_notes(self, keeper: Keeper) -> None:
        """Until all that was done to the notes is in the file."""
        notes = self.engine.notes
        with self.guard():
            try:
                while self._kept_at != notes.changed:
                    changed = notes.changed
                    await asyncio.to_thread(keeper.write, notes.every)
                    self._kept_at = changed
                self.not_kept = ""
            except SessionError as error:
                self.not_kept = str(error)
                self.say(self._why_not_kept())
            finally:
                self._keeping = False
        self._warned = False
        if self._leave_then:
            self._leave_then = False
            self.leave()

    def _why_not_kept(self) -> str:
        return self.not_kept.removeprefix(f"{self.keeper.name if self.keeper is not None else ''}: ")

    def leave(self) -> None:
        """Unless notes would be lost that somebody has not been told of."""
        if self._keeping:
            self._leave_then = True
            self.say("the notes are being written")
        elif self.not_kept and not self._warned:
            self._warned = True
            notes = plural(len(self.engine.notes), "note")
            why = self._why_not_kept().removeprefix("notes cannot be written: ")
            self.say(f"q again leaves without {notes}: {why}")
        else:
            self.exit(0)
