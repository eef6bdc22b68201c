"""What lies where in a session file: one struct per table, and the limits of each field.

The SQL is made from the structs: the first field is the row's number and its key, the types are SQLite's.
Each row ends with a digest of its fields, so that damage is told from content; it is no defence against a
forger, the limits are. Writer and reader hold every row against its struct, so that what is written can be
read.

    header       one row: who made it, the machine's start, the kernel image's key
    files        contents of guest files and the kernel image, by SHA-256
    inputs       what came from outside, in order
    host         what was asked of mounted directories of the host, and the answers, in order
    chunks       the log: `count` events from `first` on
    keyframes    the State after `seq` events; most lean on an earlier one, which is their dictionary
    frames       contents of frames of guest memory; alike ones once
    checkpoints  the machine after `seq` events at `tick`; its frames by their numbers
    milestones   what can be searched for
    branches     other futures: where each leaves, what was put in, what must come of it
    notes        what a person has written to places in it
    ending       one row once the recording was marked whole, with how much of everything there must be

Packing of the blobs is `content`'s, the words in them the kernel's and the log's.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, ClassVar, TypeAlias, get_type_hints

import msgspec
from msgspec import Meta

from app.log import CHUNK_RECORDS
from app.notes import MAX_TEXT as MAX_NOTE
from app.notes import MOST as MAX_NOTES

APPLICATION_ID = int.from_bytes(b"int8", "big")
"""PRAGMA application_id: tells a session from other databases (`file` shows it)."""
FORMAT = 3
"""PRAGMA user_version. Fields may be added behind the last one of a packed struct without a new number."""
OLDEST = 2
"""Formats from here on can be read; what a table's `SINCE` says was not there before."""

MAX_FILE_BYTES = 4 << 30
"""Of a session file as a whole."""
MAX_RECORDED_BYTES = 3 << 30
"""Where a recording ends, so that it stays readable."""
MAX_BLOB = 65 << 20
"""A packed field."""
MAX_CONTENT = 64 << 20
"""An unpacked one: a guest file, the kernel's tables, one large event."""
MAX_CONTENT_TOTAL = 512 << 20
"""All guest files of a session, and all keyframes that are loaded."""
MAX_LOG_BYTES = 4 << 30
"""All events unpacked."""
MAX_STATE = 16 << 20
"""A keyframe unpacked."""
EVENTS_PER_BYTE = 8
"""More no packed chunk of real events has; what claims more only wants to take time."""
MAX_HOST_TOTAL = 512 << 20
"""All answers about the host unpacked."""
MAX_PATH = 1 << 16
MAX_ROWS = 1 << 20
MAX_TEXT = 4096
PAGE = 4096

Number: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_ROWS)]
Seq: TypeAlias = Annotated[int, Meta(ge=0, le=1 << 40)]
Tick: TypeAlias = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
Blob: TypeAlias = Annotated[bytes, Meta(max_length=MAX_BLOB)]
Sha256: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z", max_length=64)]


class SessionError(Exception):
    """Something is wrong with a session file. The message is one line that names the file."""


class Damaged(SessionError):
    """Something inside is not as it must be; who knows the file puts its name before this."""


class Row(msgspec.Struct, frozen=True, array_like=True):
    """A row of the table `TABLE`, which there is since format `SINCE`."""

    TABLE: ClassVar[str]
    SINCE: ClassVar[int] = OLDEST


class Header(Row, frozen=True):
    TABLE = "header"
    id: Annotated[int, Meta(ge=1, le=1)]
    int80: Annotated[str, Meta(max_length=64, pattern=r"^[ -~]*\Z")]
    """The version that recorded."""
    start: Annotated[bytes, Meta(max_length=16 << 20)]
    image: Sha256


class FileRow(Row, frozen=True):
    TABLE = "files"
    number: Annotated[int, Meta(ge=0, le=10_000)]
    hash: Sha256
    size: Annotated[int, Meta(ge=0, le=MAX_CONTENT)]
    data: Blob


class InputRow(Row, frozen=True):
    TABLE = "inputs"
    number: Number
    data: Annotated[bytes, Meta(max_length=17 << 20)]


class HostRow(Row, frozen=True):
    TABLE = "host"
    number: Number
    mount: Annotated[int, Meta(ge=0, lt=1 << 16)]
    path: Annotated[bytes, Meta(max_length=MAX_PATH)]
    chunk: Annotated[int, Meta(ge=-1, lt=1 << 45)]
    """-1 for what is in a directory."""
    errno: Annotated[int, Meta(ge=0, lt=512)]
    size: Annotated[int, Meta(ge=0, le=MAX_CONTENT)]
    data: Blob


class ChunkRow(Row, frozen=True):
    TABLE = "chunks"
    first: Seq
    count: Annotated[int, Meta(ge=1, le=CHUNK_RECORDS)]
    data: Blob


class KeyframeRow(Row, frozen=True):
    TABLE = "keyframes"
    seq: Seq
    data: Blob


class FrameRow(Row, frozen=True):
    TABLE = "frames"
    number: Annotated[int, Meta(ge=0, lt=1 << 32)]
    data: Annotated[bytes, Meta(max_length=2 * PAGE)]


class CheckpointRow(Row, frozen=True):
    TABLE = "checkpoints"
    number: Number
    seq: Seq
    tick: Tick
    tables: Blob
    cpu: Annotated[bytes, Meta(max_length=65536)]
    frames: Annotated[bytes, Meta(max_length=4 << 20)]


class MilestoneRow(Row, frozen=True):
    TABLE = "milestones"
    number: Number
    seq: Seq
    tick: Tick
    pid: Annotated[int, Meta(ge=0, lt=1 << 31)]
    kind: Annotated[str, Meta(max_length=64, pattern=r"^[a-z_]+\Z")]
    text: Annotated[str, Meta(max_length=MAX_TEXT)]


class BranchRow(Row, frozen=True):
    """Nothing in `Ending` tells how many there are: they come and go while somebody tries things."""

    TABLE = "branches"
    SINCE = 3
    number: Annotated[int, Meta(ge=1, le=1 << 20)]
    parent: Annotated[int, Meta(ge=0, le=1 << 20)]
    """0 for the log of this file."""
    seq: Seq
    tick: Tick
    shared: Number
    """Inputs of the parent's that it has too."""
    events: Seq
    hash: Sha256
    """Of all its events, those that it shares included (`Log.digest`)."""
    name: Annotated[str, Meta(min_length=1, max_length=64)]
    inputs: Blob


class NoteRow(Row, frozen=True):
    """Nothing in `Ending` tells how many there are: they come and go behind the recording."""

    TABLE = "notes"
    SINCE = 3
    number: Annotated[int, Meta(ge=0, lt=MAX_NOTES)]
    branch: Annotated[int, Meta(ge=0, le=1 << 20)]
    seq: Seq
    microstep: Annotated[int, Meta(ge=-1, lt=64)]
    tick: Tick
    kind: Annotated[str, Meta(pattern=r"^(note|chapter)\Z", max_length=16)]
    text: Annotated[str, Meta(min_length=1, max_length=MAX_NOTE)]


class Ending(Row, frozen=True):
    TABLE = "ending"
    id: Annotated[int, Meta(ge=1, le=1)]
    status: Annotated[int, Meta(ge=-1, le=0xFFFF)]
    """The first program's, as wait4 gives it; -1 when it had not ended."""
    events: Seq
    files: Number
    inputs: Number
    host: Number
    chunks: Number
    keyframes: Number
    frames: Annotated[int, Meta(ge=0, lt=1 << 32)]
    checkpoints: Number
    milestones: Number


ROWS: tuple[type[Row], ...] = (
    Header,
    FileRow,
    InputRow,
    HostRow,
    ChunkRow,
    KeyframeRow,
    FrameRow,
    CheckpointRow,
    MilestoneRow,
    BranchRow,
    NoteRow,
    Ending,
)
TABLES = {kind.TABLE: kind for kind in ROWS}
_SQL_TYPES = {int: "INTEGER", str: "TEXT", bytes: "BLOB"}


def columns(kind: type[Row]) -> tuple[str, ...]:
    """Names of the table's columns, the key first, without the digest."""
    return kind.__struct_fields__


def create_statement(kind: type[Row]) -> str:
    """The table's CREATE TABLE, to the letter as it must stand in a file's schema."""
    hints = get_type_hints(kind)
    parts = [f"{name} {_SQL_TYPES[hints[name]]} NOT NULL" for name in columns(kind)]
    parts[0] = f"{columns(kind)[0]} INTEGER PRIMARY KEY"
    return f"CREATE TABLE {kind.TABLE} ({', '.join(parts)}, digest BLOB NOT NULL)"


def insert_statement(kind: type[Row]) -> str:
    """With a place for each column and the digest."""
    return f"INSERT INTO {kind.TABLE} VALUES ({', '.join('?' * (len(columns(kind)) + 1))})"


def select_statement(kind: type[Row], by_key: bool = False) -> str:
    """All columns and the digest, of all rows in the order of the key, or with a place for one key."""
    names = columns(kind)
    which = f"WHERE {names[0]} = ?" if by_key else f"ORDER BY {names[0]}"
    return f"SELECT {', '.join(names)}, digest FROM {kind.TABLE} {which}"


def digest(kind: type[Row], values: tuple[int | str | bytes, ...]) -> bytes:
    """Of a row's fields and the table that they are in: 16 bytes of BLAKE2b."""
    total = hashlib.blake2b(kind.TABLE.encode(), digest_size=16)
    for value in values:
        data = value if isinstance(value, bytes) else str(value).encode()
        total.update(b"%d:" % len(data))
        total.update(data)
    return total.digest()


def one_line(text: object) -> str:
    """For a person's terminal: short, and nothing in it that is not printable."""
    line = " ".join(str(text).split())
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)[:300]
