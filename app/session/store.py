"""A session file, opened: everything in it checked before anybody uses it.

The events are decoded once at opening (a second for some million) and kept compressed; of the keyframes as
many are loaded as make any way short. Checkpoints are large, so they are read and checked when asked for;
`verify` asks for all. A recording that was cut off has what was written until then. Running and folding it
are for others: that the events fit together, or that a checkpoint makes a machine, is seen there.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import msgspec

from app.branches import MOST as MOST_BRANCHES
from app.branches import Stored
from app.frozen import Answer, Frozen
from app.history import History
from app.log import Log, LogError
from app.notes import Note, Notes, fitting
from app.position import Position
from app.session import content, schema
from app.session.content import StoredCheckpoint
from app.session.schema import (
    MAX_CONTENT,
    MAX_CONTENT_TOTAL,
    MAX_HOST_TOTAL,
    MAX_LOG_BYTES,
    MAX_STATE,
    BranchRow,
    CheckpointRow,
    ChunkRow,
    Damaged,
    Ending,
    FileRow,
    FrameRow,
    Header,
    HostRow,
    InputRow,
    KeyframeRow,
    MilestoneRow,
    NoteRow,
    Row,
    SessionError,
    select_statement,
)
from app.session.untrusted import open_private
from app.state.state import Milestone
from kernel.kernel import Input, Start

KEYFRAMES_LOADED = 128
"""Evenly spread, at most: each takes some milliseconds, and saves folding some thousand events."""

R = TypeVar("R", bound=Row)


def open_session(path: str | os.PathLike[str]) -> Session:
    """The session in this file. SessionError, one line with the file's name, if anything is wrong with it."""
    where = Path(path)
    with naming(where):
        if "\0" in str(where):
            raise FileNotFoundError
        session = Session(where, *open_private(where))
        try:
            session._load()
        except BaseException:
            session.close()
            raise
        return session


class Session:
    """What a file holds. Close it when done; use it from one thread at a time."""

    path: Path
    version: str
    """Of the int80 that recorded."""
    start: Start
    image: bytes
    """The kernel's ELF file."""
    blobs: dict[str, bytes]
    """Contents of guest files by SHA-256."""
    inputs: list[Input]
    host: Frozen
    """What was asked of mounted directories of the host."""
    log: Log
    history: History
    """Of `log`, with keyframes."""
    checkpoints: list[tuple[int, int]]
    """Seq and tick of each, in order; `load_checkpoint` takes the place in this list."""
    milestones: list[Milestone]
    branches: list[Stored]
    """Other futures, in the order in which they were begun."""
    notes: Notes
    finished: int | None
    """The first program's wait status if the recording was marked whole (-1: it had not ended), else None."""

    def __init__(self, path: Path, database: sqlite3.Connection, version: int) -> None:
        self.path = path
        self.format = version
        self._database = database
        self.closed = False
        self.blobs = {}
        self.inputs = []
        self.host = Frozen()
        self.log = Log()
        self.history = History(self.log)
        self.checkpoints = []
        self.milestones = []
        self.branches = []
        self.notes = Notes()
        self.finished = None

    def close(self) -> None:
        self.closed = True
        self._database.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def load_checkpoint(self, number: int) -> StoredCheckpoint:
        """The checkpoint at this place of `checkpoints`. SessionError when it is damaged."""
        if not 0 <= number < len(self.checkpoints):
            raise IndexError(f"no checkpoint {number}")
        with naming(self.path):
            for row in self._rows(CheckpointRow, number):
                return self._checkpoint(row)
            raise Damaged(f"checkpoint {number} is missing")

    def verify(self) -> None:
        """Read what opening leaves for later, too. SessionError if any of it is damaged."""
        with naming(self.path):
            for frame in self._rows(FrameRow):
                content.unpack_frame(frame.data)
        for number in range(len(self.checkpoints)):
            self.load_checkpoint(number)

    # Loading.

    def _load(self) -> None:
        header = self._only(Header)
        if header is None:
            raise Damaged("its header is missing")
        self.version = header.int80
        self.start = content.decode_start(header.start)
        self._load_files(header.image)
        self.inputs = [content.decode_input(row.data) for row in self._numbered(InputRow)]
        self._load_host()
        self._load_log()
        ending = self._only(Ending)
        cut_off = ending is None
        self._load_keyframes(cut_off)
        self._load_checkpoints(cut_off)
        self._load_milestones(cut_off)
        self._load_branches(cut_off)
        self._load_notes(cut_off)
        if ending is not None:
            self._check_ending(ending)
            self.finished = ending.status

    def _load_files(self, image: str) -> None:
        total = 0
        for row in self._numbered(FileRow):
            total += row.size
            if total > MAX_CONTENT_TOTAL:
                raise Damaged(f"its guest files are more than {MAX_CONTENT_TOTAL >> 20} MiB")
            data = content.unpack(row.data, row.size, "a guest file")
            if hashlib.sha256(data).hexdigest() != row.hash:
                raise Damaged(f"guest file {row.hash[:12]} has other contents")
            self.blobs[row.hash] = data
        if image not in self.blobs:
            raise Damaged("the kernel image is missing")
        content.check_files(self.start, self.blobs)
        self.image = self.blobs[image]
        if all(file.blob != image for file in self.start.files):
            del self.blobs[image]

    def _load_host(self) -> None:
        total = 0
        answers: list[Answer] = []
        asked: set[tuple[int, str, int]] = set()
        for row in self._numbered(HostRow):
            total += row.size
            if total > MAX_HOST_TOTAL:
                raise Damaged(f"what it has of the host is more than {MAX_HOST_TOTAL >> 20} MiB")
            if row.mount >= len(self.start.mounts):
                raise Damaged(f"an answer about mount {row.mount}, which the machine has not")
            answer = content.decode_answer(row.mount, row.path, row.chunk, row.errno, row.size, row.data)
            key = (answer.mount, answer.path, answer.chunk)
            if key in asked:
                raise Damaged("two answers to the same question")
            asked.add(key)
            answers.append(answer)
        self.host = Frozen((), answers)

    def _load_log(self) -> None:
        total = 0
        for row in self._rows(ChunkRow):
            at = len(self.log)
            if row.first != at:
                raise Damaged(f"the chunk at event {at} is missing")
            total += content.check_chunk(row.count, row.data, f"the chunk at event {at}")
            if total > MAX_LOG_BYTES:
                raise Damaged(f"its events unpack to more than {MAX_LOG_BYTES >> 30} GiB")
            if self.log.add_chunk(row.data) != row.count:
                raise Damaged(f"the chunk at event {at} has not the {row.count} events that it claims")

    def _load_keyframes(self, cut_off: bool) -> None:
        """All are checked as rows, some are decoded: each is only a shorter way to a State."""
        every = self._count(KeyframeRow) // KEYFRAMES_LOADED + 1
        total = 0
        base = KeyframeRow(0, b"")
        for place, row in enumerate(self._rows(KeyframeRow), 1):
            leans_on = content.leans_on(row.data)
            if leans_on < 0:
                base = row
            if self._within(row.seq, cut_off, "a keyframe") and not place % every:
                if leans_on >= 0:
                    row = _standing(row, base, leans_on)
                total += content.packed_size(row.data, MAX_STATE, "a keyframe")
                if total <= MAX_CONTENT_TOTAL:
                    self.history.add_keyframe(row.seq, row.data)

    def _load_checkpoints(self, cut_off: bool) -> None:
        """Those of a cut-off recording that were written before their last events do not count."""
        last = (0, 0)
        beyond = False
        for row in self._numbered(CheckpointRow):
            here = (row.seq, row.tick)
            if here < last:
                raise Damaged(f"checkpoint {row.number} is out of order")
            last = here
            beyond = beyond or not self._within(row.seq, cut_off, "a checkpoint")
            if not beyond:
                self.checkpoints.append(here)

    def _load_milestones(self, cut_off: bool) -> None:
        for row in self._numbered(MilestoneRow):
            if not row.text.isprintable():
                raise Damaged(f"milestone {row.number} is not printable")
            if self._within(row.seq, cut_off, "a milestone"):
                self.milestones.append(Milestone(row.seq, row.tick, row.pid, row.kind, row.text))

    def _load_branches(self, cut_off: bool) -> None:
        """Each begins within an earlier one. A cut-off recording may have lost where one begins."""
        known = {0: (len(self.log), len(self.inputs))}
        total = 0
        for row in self._rows(BranchRow):
            total += content.packed_size(row.inputs, MAX_CONTENT, "a branch's inputs")
            if total > MAX_CONTENT_TOTAL:
                raise Damaged(f"its branches' inputs are more than {MAX_CONTENT_TOTAL >> 20} MiB")
            one = content.decode_branch(row)
            if len(known) >= MOST_BRANCHES:
                raise Damaged("it has more branches than a session can have")
            events, inputs = known.get(row.parent, (-1, -1))
            if row.seq > events or row.shared > inputs or row.events < row.seq:
                if cut_off:
                    continue
                raise Damaged(f"branch {row.number} has no beginning")
            known[row.number] = row.events, row.shared + len(one.inputs)
            self.branches.append(one)

    def _load_notes(self, cut_off: bool) -> None:
        """Each is on a branch that is there, where that has events. A cut-off recording may have lost one."""
        known = {0: len(self.log), **{one.number: one.events for one in self.branches}}
        for row in self._numbered(NoteRow):
            if row.seq > known.get(row.branch, -1):
                if cut_off:
                    continue
                raise Damaged(f"note {row.number} is beyond the events that there are")
            place = Position(row.seq, row.microstep, row.tick)
            if not row.branch:
                place = fitting(place, self.log)
            if wrong := self.notes.add(Note(place, row.kind, row.text, row.branch)):
                raise Damaged(f"note {row.number}: {wrong}")

    def identity(self) -> bytes:
        """Tells a session from any other, whatever notes it has."""
        return identity(self._database)

    def note_rows(self) -> list[NoteRow]:
        """Its notes as they stand in the file."""
        return list(self._rows(NoteRow))

    def _within(self, seq: int, cut_off: bool, what: str) -> bool:
        """Whether the log goes that far. Damaged if it does not but is whole."""
        if seq <= len(self.log):
            return True
        if cut_off:
            return False
        raise Damaged(f"{what} is at event {seq}, of {len(self.log)}")

    def _check_ending(self, ending: Ending) -> None:
        counted = {
            kind.TABLE: self._count(kind)
            for kind in (
                FileRow,
                InputRow,
                HostRow,
                ChunkRow,
                KeyframeRow,
                FrameRow,
                CheckpointRow,
                MilestoneRow,
            )
        }
        if ending.events != len(self.log):
            raise Damaged(f"{len(self.log)} of {ending.events} events are there")
        for name, found in counted.items():
            expected = getattr(ending, name)
            if found != expected:
                raise Damaged(f"{found} of {expected} {name} are there")

    def _checkpoint(self, row: CheckpointRow) -> StoredCheckpoint:
        tables = content.unpack(row.tables, MAX_CONTENT, "a checkpoint's tables")
        content.decode_tables(tables)
        cpu = content.decode_cpu(row.cpu)
        if cpu.ticks != row.tick:
            raise Damaged(f"checkpoint {row.number} is of another tick")
        listed = content.decode_frame_list(row.frames, self.start.memory // schema.PAGE)
        contents: dict[int, bytes] = {}
        frames: dict[int, bytes] = {}
        for pfn, number in listed.items():
            if number not in contents:
                contents[number] = self._frame(number)
            frames[pfn] = contents[number]
        return StoredCheckpoint(row.seq, row.tick, tables, row.cpu, frames)

    def _frame(self, number: int) -> bytes:
        for row in self._rows(FrameRow, number):
            return content.unpack_frame(row.data)
        raise Damaged(f"frame {number} is missing")

    # Rows.

    def _rows(self, kind: type[R], key: int | None = None) -> Iterator[R]:
        """Rows in the order of their keys, or the one with `key`, each checked (struct and digest)."""
        if self.format < kind.SINCE:
            return
        statement = select_statement(kind, key is not None)
        for values in self._database.execute(statement, () if key is None else (key,)):
            fields, found = values[:-1], values[-1]
            try:
                row = msgspec.convert(fields, kind, builtin_types=(bytes,))
            except msgspec.ValidationError as error:
                raise Damaged(f"table {kind.TABLE}: {schema.one_line(error)}") from None
            if schema.digest(kind, fields) != found:
                raise Damaged(f"a row of table {kind.TABLE} is not as it was written")
            yield row

    def _numbered(self, kind: type[R]) -> Iterator[R]:
        """As `_rows`, for a table whose rows are numbered from 0 without gaps."""
        for number, row in enumerate(self._rows(kind)):
            if getattr(row, "number", None) != number:
                raise Damaged(f"row {number} of table {kind.TABLE} is missing")
            yield row

    def _only(self, kind: type[R]) -> R | None:
        """The one row of a table that has at most one: its key can only be 1."""
        found = list(self._rows(kind))
        return found[0] if found else None

    def _count(self, kind: type[Row]) -> int:
        names = schema.columns(kind)
        return sum(1 for _ in self._database.execute(f"SELECT {names[0]} FROM {kind.TABLE}"))


def identity(database: sqlite3.Connection) -> bytes:
    """Of the start and all events that a checked database has: 32 bytes."""
    total = hashlib.sha256()
    for table, key in ((Header, "id"), (ChunkRow, "first")):
        for (found,) in database.execute(f"SELECT digest FROM {table.TABLE} ORDER BY {key}"):
            total.update(found)
    return total.digest()


def _standing(row: KeyframeRow, base: KeyframeRow, leans_on: int) -> KeyframeRow:
    """A keyframe that leans on another, as one that does not."""
    if not base.data or base.seq != leans_on:
        raise Damaged(f"the keyframe at event {row.seq} leans on one that is not there")
    known = content.unpack(base.data, MAX_STATE, "a keyframe")
    return KeyframeRow(row.seq, content.pack(content.unpack_leaning(row.data, known), 1))


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Whatever goes wrong with the file becomes one line that names it."""
    name = schema.one_line(path)
    try:
        yield
    except (Damaged, LogError) as error:
        raise SessionError(f"{name}: damaged: {schema.one_line(error)}") from None
    except SessionError as error:
        raise SessionError(f"{name}: {error}") from None
    except FileNotFoundError:
        raise SessionError(f"{name}: no such file") from None
    except IsADirectoryError:
        raise SessionError(f"{name}: is a directory") from None
    except OSError as error:
        raise SessionError(f"{name}: {schema.one_line(error.strerror or error).lower()}") from None
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise SessionError(f"{name}: damaged: {schema.one_line(error)}") from None
    except UnicodeError:
        raise SessionError(f"{name}: damaged: some text in it is not UTF-8") from None
    except MemoryError:
        raise SessionError(f"{name}: damaged: it asks for more memory than there is") from None
