"""The recorder's side of SQLite: rows in, everything held to the limits that a reader will hold it to.

Belongs to the worker's thread of `recorder`, which says when; nothing else touches the connection.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version

import msgspec

from app.branches import Stored
from app.frozen import Answer
from app.notes import Note
from app.session import content, schema
from app.session.content import StoredCheckpoint
from app.session.schema import (
    APPLICATION_ID,
    FORMAT,
    MAX_CONTENT,
    MAX_CONTENT_TOTAL,
    MAX_LOG_BYTES,
    MAX_RECORDED_BYTES,
    MAX_STATE,
    MAX_TEXT,
    PAGE,
    ROWS,
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
)
from app.session.target import Target
from app.state.state import Milestone
from kernel.kernel import Input, Start

LOG_PAGES = 4096
"""Length that the write-ahead log reaches before SQLite moves its pages into the file."""
LEANING = 15
"""Keyframes that lean on one."""
FRAME_LEVEL = 1
"""Of compression: there are thousands of frames, and they change while the machine runs."""


class Writer:
    """`create`, then `write` any number of times, `seal` when all went well, and `close` in any case."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._database: sqlite3.Connection | None = None
        self._rows: Counter[str] = Counter()
        self._events = 0
        self._bytes = 0
        self._log_bytes = 0
        self._base: tuple[int, bytes, int] = 0, b"", LEANING
        """The last keyframe that stands alone: its seq, itself, and how many lean on it."""
        self._known: dict[bytes, int] = {}
        self._last: tuple[dict[int, bytes], dict[int, int]] = ({}, {})

    # The file.

    def create(self, start: Start, image: bytes, blobs: Mapping[str, bytes]) -> None:
        """A session without events, under its name only when it is complete; then open it for more."""
        self._target.create_temporary()
        try:
            self._connect(self._target.temporary)
            # Nobody knows this file yet: no journal.
            self._pragmas("journal_mode=OFF", f"application_id={APPLICATION_ID}", f"user_version={FORMAT}")
            self.write((lambda: self._fill(start, image, blobs),))
            self._disconnect()
            self._target.place()
        finally:
            self._disconnect()
            self._target.remove_temporary()
        database = self._connect(self._target.real)
        # Exclusive: no shared memory beside the file, and nobody else in it.
        self._pragmas("locking_mode=EXCLUSIVE", "synchronous=NORMAL", f"wal_autocheckpoint={LOG_PAGES}")
        if database.execute("PRAGMA journal_mode=WAL").fetchone() != ("wal",):
            raise SessionError("cannot be written: no write-ahead log is possible there")

    def write(self, jobs: Iterable[Callable[[], None]]) -> None:
        """All of the jobs in one transaction."""
        database = self._open()
        database.execute("BEGIN IMMEDIATE")
        for job in jobs:
            job()
        database.execute("COMMIT")

    def seal(self) -> None:
        """Fold the write-ahead log in: one file remains."""
        database = self._open()
        self._pragmas("synchronous=FULL", "wal_checkpoint(TRUNCATE)")
        if database.execute("PRAGMA journal_mode=DELETE").fetchone() != ("delete",):
            raise SessionError("cannot be written: its write-ahead log stays")

    def close(self) -> None:
        """An open transaction is lost."""
        self._disconnect()
        self._target.release()

    def _connect(self, path: str) -> sqlite3.Connection:
        self._database = sqlite3.connect(path, isolation_level=None, timeout=1.0)
        return self._database

    def _disconnect(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            raise SessionError("cannot be written: it is closed")
        return self._database

    def _pragmas(self, *pragmas: str) -> None:
        for pragma in pragmas:
            self._open().execute(f"PRAGMA {pragma}").fetchall()

    # Its contents.

    def _fill(self, start: Start, image: bytes, blobs: Mapping[str, bytes]) -> None:
        database = self._open()
        for kind in ROWS:
            database.execute(schema.create_statement(kind))
        packed = content.encode_start(start)
        content.decode_start(packed)
        key = hashlib.sha256(image).hexdigest()
        files = {**blobs, key: image}
        content.check_files(start, files)
        if sum(map(len, files.values())) > MAX_CONTENT_TOTAL:
            raise Damaged(f"its guest files are more than {MAX_CONTENT_TOTAL >> 20} MiB")
        self._insert(Header, 1, _version(), packed, key)
        for name, data in files.items():
            if hashlib.sha256(data).hexdigest() != name:
                raise Damaged(f"guest file {name[:12]} has other contents")
            if len(data) > MAX_CONTENT:
                raise Damaged(f"a guest file of more than {MAX_CONTENT >> 20} MiB")
            self._insert(FileRow, self._rows[FileRow.TABLE], name, len(data), content.pack(data))

    def inputs(self, inputs: Iterable[Input]) -> None:
        for one in inputs:
            self._insert(InputRow, self._rows[InputRow.TABLE], content.encode_input(one))

    def answers(self, answers: Iterable[Answer]) -> None:
        for one in answers:
            self._insert(HostRow, self._rows[HostRow.TABLE], *content.encode_answer(one))

    def chunk(self, first: int, count: int, data: bytes) -> None:
        self._log_bytes += content.check_chunk(count, data, f"the chunk at event {first}")
        if self._log_bytes > MAX_LOG_BYTES:
            raise SessionError("the recording ends here: more events than a session can hold")
        self._insert(ChunkRow, first, count, data)
        self._events = first + count

    def keyframe(self, seq: int, data: bytes) -> None:
        """Most lean on one of the last few, which they are much like."""
        raw = content.unpack(data, MAX_STATE, "a keyframe")
        base, base_raw, leaning = self._base
        if leaning < LEANING:
            self._base = base, base_raw, leaning + 1
            data = content.pack_leaning(raw, base_raw, base)
        else:
            self._base = seq, raw, 0
        self._insert(KeyframeRow, seq, data)

    def checkpoint(self, checkpoint: StoredCheckpoint) -> None:
        """Frames that the last one has are not looked at again, those that any has are not stored again."""
        frames, numbers = self._last
        known = {
            pfn: numbers[pfn] if frames.get(pfn) is data else self._frame(data)
            for pfn, data in checkpoint.frames.items()
        }
        self._last = (dict(checkpoint.frames), known)
        self._insert(
            CheckpointRow,
            self._rows[CheckpointRow.TABLE],
            checkpoint.seq,
            checkpoint.tick,
            content.pack(checkpoint.tables),
            checkpoint.cpu,
            content.encode_frame_list(known),
        )

    def _frame(self, data: bytes) -> int:
        if len(data) != PAGE:
            raise Damaged(f"a frame of {len(data)} bytes")
        key = hashlib.blake2b(data, digest_size=16).digest()
        number = self._known.get(key)
        if number is None:
            number = self._known[key] = len(self._known)
            self._insert(FrameRow, number, content.pack(data, FRAME_LEVEL))
        return number

    def milestone(self, milestone: Milestone) -> None:
        text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in milestone.text)[:MAX_TEXT]
        number = self._rows[MilestoneRow.TABLE]
        self._insert(MilestoneRow, number, milestone.seq, milestone.tick, milestone.pid, milestone.kind, text)

    def branches(self, branches: Iterable[Stored]) -> None:
        """All that there are now: they take the place of those from before."""
        self._open().execute(f"DELETE FROM {BranchRow.TABLE}")
        for one in branches:
            row = content.encode_branch(one)
            content.decode_branch(row)
            self._insert(BranchRow, *msgspec.structs.astuple(row))

    def notes(self, notes: Iterable[Note]) -> None:
        """All that there are now: they take the place of those from before."""
        self._open().execute(f"DELETE FROM {NoteRow.TABLE}")
        for number, one in enumerate(notes):
            self._insert(NoteRow, number, one.branch, *one.place, one.kind, one.text)

    def finish(self, status: int) -> None:
        counted = {field: self._rows[field] for field in schema.columns(Ending)[3:]}
        self._insert(Ending, 1, status, self._events, *counted.values())

    def _insert(self, kind: type[Row], *values: int | str | bytes) -> None:
        try:
            msgspec.convert(values, kind, builtin_types=(bytes,))
        except msgspec.ValidationError as error:
            raise Damaged(f"table {kind.TABLE}: {schema.one_line(error)}") from None
        self._bytes += sum(len(value) for value in values if isinstance(value, bytes))
        if self._bytes > MAX_RECORDED_BYTES:
            raise SessionError(f"the recording ends here: it has reached {MAX_RECORDED_BYTES >> 30} GiB")
        self._open().execute(schema.insert_statement(kind), (*values, schema.digest(kind, values)))
        self._rows[kind.TABLE] += 1


def _version() -> str:
    try:
        return version("int80")
    except PackageNotFoundError:
        return "unknown"
