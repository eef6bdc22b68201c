"""Notes into the file of a session that is there already: a checked private copy takes the file's place.

Either the file has the new notes or it is what it was. Its events are not touched: what a killed recording
left in the write-ahead log is first put where it belongs, by SQLite, as at any opening.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from collections.abc import Iterable
from pathlib import Path

import msgspec

from app.notes import Note
from app.session import schema, untrusted
from app.session.schema import Damaged, NoteRow, SessionError
from app.session.store import Session, identity, naming
from app.session.target import Target

_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


class NotesFile:
    """The notes in the file of an opened session. `write` may be called from any one thread at a time."""

    def __init__(self, session: Session) -> None:
        self.path = session.path
        self.name = schema.one_line(session.path)
        self._format = session.format
        self._identity = session.identity()
        self._known = session.note_rows()

    def write(self, notes: Iterable[Note]) -> None:
        """These are the notes from now on. SessionError if they could not be written: then nothing was."""
        rows = _rows(notes)
        with naming(self.path):
            if self._format < NoteRow.SINCE:
                raise SessionError(
                    f"an older int80 made it (format {self._format}): no notes can be put into it"
                )
            real = os.path.realpath(self.path)
            if not os.stat(real).st_mode & _WRITABLE or not os.access(real, os.W_OK):
                raise SessionError("notes cannot be written: it is read-only")
            target = Target(self.path)
            try:
                self._replace(target, rows)
            finally:
                _remove(target.temporary)
                target.release()
        self._known = rows

    def _replace(self, target: Target, rows: list[NoteRow]) -> None:
        real, copy = target.real, target.temporary
        if untrusted.has_log(real):
            self._settle(real, copy)
        target.create_temporary()
        os.chmod(copy, stat.S_IRUSR | stat.S_IWUSR)
        untrusted.copy_session(Path(real), copy)
        before = os.stat(real)
        self._check(copy, self._known)
        _put(copy, rows)
        self._check(copy, rows)
        _settle_on_disk(copy, before)
        if _version(os.stat(real)) != _version(before):
            raise SessionError("notes cannot be written: somebody else writes to it")
        target.place()
        _sync(os.path.dirname(real))

    def _settle(self, real: str, copy: str) -> None:
        """Fold in the log of a killed recording, once a copy of both has been found in order."""
        if os.path.lexists(real + "-journal"):
            raise SessionError("notes cannot be written: a rollback journal lies beside it")
        try:
            untrusted.copy_session(Path(real), copy)
            self._check(copy, self._known)
            untrusted.fold_in_log(real)
        finally:
            _remove(copy)

    def _check(self, copy: str, rows: list[NoteRow]) -> None:
        """SessionError unless it is the session that was opened, with these notes."""
        database, _ = untrusted.connect(copy)
        try:
            if identity(database) != self._identity:
                raise SessionError("notes cannot be written: it is another session than the one opened")
            found = database.execute(schema.select_statement(NoteRow)).fetchall()
        finally:
            database.close()
        if [one[:-1] for one in found] != [msgspec.structs.astuple(row) for row in rows]:
            raise SessionError("notes cannot be written: its notes have been changed since it was opened")


def _rows(notes: Iterable[Note]) -> list[NoteRow]:
    return [NoteRow(number, one.branch, *one.place, one.kind, one.text) for number, one in enumerate(notes)]


def _put(copy: str, rows: list[NoteRow]) -> None:
    database = sqlite3.connect(copy, isolation_level=None)
    try:
        database.execute("PRAGMA journal_mode=OFF").fetchall()
        database.execute("BEGIN IMMEDIATE")
        database.execute(f"DELETE FROM {NoteRow.TABLE}")
        for row in rows:
            values = msgspec.structs.astuple(row)
            try:
                msgspec.convert(values, NoteRow)
            except msgspec.ValidationError as error:
                raise Damaged(f"table {NoteRow.TABLE}: {schema.one_line(error)}") from None
            statement = schema.insert_statement(NoteRow)
            database.execute(statement, (*values, schema.digest(NoteRow, values)))
        database.execute("COMMIT")
    finally:
        database.close()


def _settle_on_disk(copy: str, as_before: os.stat_result) -> None:
    """All of it is on the disk, for those whose the file was."""
    with contextlib.suppress(PermissionError):
        os.chown(copy, as_before.st_uid, as_before.st_gid)
    os.chmod(copy, stat.S_IMODE(as_before.st_mode))
    _sync(copy)


def _remove(copy: str) -> None:
    for name in (copy, copy + "-wal", copy + "-shm", copy + "-journal"):
        Path(name).unlink(missing_ok=True)


def _version(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _sync(name: str) -> None:
    fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
