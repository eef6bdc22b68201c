"""The session as it stands into a new file: the trunk with all its events, the other branches, the notes."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from app.branches import TRUNK
from app.note_keys import NoteKeys
from app.recording import Recording
from app.session.schema import SessionError
from app.tellers.people import plural
from app.units import count

if TYPE_CHECKING:
    from app.engine import Engine


def save_session(engine: Engine, path: str) -> int:
    """The size of the file in bytes. SessionError if it could not be written: then there is none."""
    machine, kernel = engine.machine, engine.machine.kernel
    trunk = engine.branches.all[TRUNK].past
    assert trunk is not None
    start, image, blobs = kernel.start, kernel.image, kernel.blobs
    branches, notes = engine.branches, engine.notes
    recording = Recording(path, start, image, blobs, machine, trunk.history, branches, notes, trunk)
    try:
        recording.finish()
        return os.stat(path).st_size
    except SessionError:
        with suppress(OSError):
            os.unlink(path)
        raise


class Saving(NoteKeys, inherit_bindings=False):
    """Its methods are what actions call."""

    _told = False
    """Somebody knows that leaving loses notes."""

    def ask_save(self) -> None:
        from app.screens import dialogs

        self._stop()
        dialogs.ask_save(self)
        self.paint()

    def save_session(self, path: str) -> None:
        with self.guard():
            try:
                size = save_session(self.engine, path)
            except SessionError as error:
                self.say(str(error))
                return
            if self.keeper is None:
                self._kept_at = self.engine.notes.changed
            self.say(f"saved: {path}, {count(size)} bytes; int80 play {path} opens it")

    def leave(self) -> None:
        """Unless there are notes that are in no file, and somebody has not been told of that."""
        engine = self.engine
        kept = self.keeper is not None or engine.machine.follow is not None
        if not kept and engine.notes.changed != self._kept_at and len(engine.notes) and not self._told:
            self._told = True
            self.say(f"q again leaves without {plural(len(engine.notes), 'note')}: r saves the session")
        else:
            super().leave()
