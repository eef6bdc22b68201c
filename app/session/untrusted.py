"""A stranger's database, opened so that nothing in it can do anything.

The file (and the write-ahead log beside it, after a crash) is copied into a private directory, the log is
folded in there, and the copy is opened read-only: no other file is ever named, created or changed. Triggers,
views and whatever else a schema may hold are refused by comparing it to the letter; after that only SELECT on
the session's own tables is allowed. A rollback journal is not copied: it can name other files. What the rows
say is `store`'s.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import tempfile
from pathlib import Path
from urllib.parse import quote

from app.session import schema
from app.session.schema import APPLICATION_ID, FORMAT, OLDEST, TABLES, Damaged, SessionError

MAGIC = b"SQLite format 3\0"
HEADER = 100
"""Bytes of the file's header (https://sqlite.org/fileformat2.html, section 1.3)."""
_BLOCK = 1 << 20
_COPIES = 5
"""How often a file that changes while it is copied (somebody records into it) is copied again."""
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: schema.MAX_BLOB + 65536,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 4096,
    sqlite3.SQLITE_LIMIT_COLUMN: 32,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 16,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 2,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 25_000,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 8,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 64,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 8,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}


def open_private(path: Path) -> tuple[sqlite3.Connection, int]:
    """A connection that can only read the session's tables, and the format. The file's structure is checked.

    SessionError."""
    try:
        directory = tempfile.mkdtemp(prefix="int80-")
    except OSError as error:
        raise SessionError(f"no temporary directory: {schema.one_line(error.strerror)}") from None
    try:
        copy = os.path.join(directory, "session")
        copy_session(path, copy)
        return connect(copy)
    finally:  # an open file needs no name any more
        shutil.rmtree(directory, ignore_errors=True)


def copy_session(path: Path, copy: str) -> None:
    """The file and its write-ahead log, as of one moment."""
    real = os.path.realpath(path)
    for _ in range(_COPIES):
        before = _marks(real)
        size = _copy_file(real, copy, schema.MAX_FILE_BYTES)
        if size < HEADER:  # no database: its log does not matter
            break
        try:
            _copy_file(real + "-wal", copy + "-wal", schema.MAX_FILE_BYTES - size)
        except (FileNotFoundError, IsADirectoryError):
            Path(copy + "-wal").unlink(missing_ok=True)  # of an earlier try
        if _marks(real) == before:
            break
    with open(copy, "rb") as file:
        check_header(file.read(HEADER))


def _marks(real: str) -> list[tuple[int, int, int]]:
    """What changes when somebody writes to the file or its log."""
    out = []
    for name in (real, real + "-wal"):
        try:
            status = os.stat(name)
        except FileNotFoundError:
            continue
        out.append((status.st_ino, status.st_size, status.st_mtime_ns))
    return out


def _copy_file(source: str, target: str, limit: int) -> int:
    """How many bytes it has. Never waits: what is not a regular file is refused."""
    _check_regular(os.stat(source).st_mode)  # opening a device may do something already
    fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(fd, "rb", buffering=0) as file, open(target, "wb", buffering=0) as out:
        _check_regular(os.fstat(fd).st_mode)
        size = 0
        while block := file.read(_BLOCK):
            size += len(block)
            if size > limit:
                raise SessionError(f"larger than {schema.MAX_FILE_BYTES >> 30} GiB")
            out.write(block)
    return size


def _check_regular(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError
    if not stat.S_ISREG(mode):
        raise SessionError("not a regular file")


def check_header(head: bytes) -> None:
    """SessionError unless the first 100 bytes are a session's that this int80 can read."""
    if not head:
        raise SessionError("the file is empty")
    if not head.startswith(MAGIC[: len(head)]):
        raise SessionError("not an int80 session")
    if len(head) < HEADER:
        raise SessionError("cut off: not even the file's header is there")
    if int.from_bytes(head[68:72], "big") != APPLICATION_ID:
        raise SessionError("not an int80 session but another SQLite database")
    number = _format(head)
    if number > FORMAT:
        raise SessionError(
            f"made by a newer int80 (session format {number}, this int80 reads format {FORMAT})"
        )
    if number < 1:
        raise Damaged(f"session format {number} does not exist")
    if number < OLDEST:
        raise SessionError(
            f"made by an older int80 (session format {number}, this int80 reads from format {OLDEST} on)"
        )


def _format(head: bytes) -> int:
    return int.from_bytes(head[60:64], "big")


def connect(copy: str) -> tuple[sqlite3.Connection, int]:
    """What `open_private` gives, of a copy that nobody else knows."""
    if has_log(copy):
        fold_in_log(copy)
    size = os.path.getsize(copy)
    with open(copy, "rb") as file:
        head = file.read(HEADER)
    check_header(head)
    page = int.from_bytes(head[16:18], "big")
    page = 65536 if page == 1 else page
    pages = int.from_bytes(head[28:32], "big")
    if size > schema.MAX_FILE_BYTES:
        raise Damaged("its write-ahead log makes it larger than a session can be")
    if size < pages * page and head[24:28] == head[92:96]:
        raise SessionError(f"cut off: {size} of {pages * page} bytes are there")
    database = sqlite3.connect(
        f"file:{quote(copy)}?mode=ro&immutable=1", uri=True, isolation_level=None, check_same_thread=False
    )
    try:
        _lock_down(database)
        _check_schema(database, _format(head))
        _check_structure(database)
        database.set_authorizer(_authorize)
        return database, _format(head)
    except BaseException:
        database.close()
        raise


def has_log(copy: str) -> bool:
    """Whether there is something in the write-ahead log beside it."""
    return os.path.exists(copy + "-wal") and os.path.getsize(copy + "-wal") > 0


def fold_in_log(copy: str) -> None:
    """Put the pages of the write-ahead log where they belong, as SQLite does after a crash."""
    database = sqlite3.connect(copy, isolation_level=None)
    try:
        _lock_down(database)
        mode = database.execute("PRAGMA journal_mode=DELETE").fetchone()
    finally:
        database.close()
    if mode != ("delete",):
        raise Damaged("its write-ahead log cannot be read")


def _lock_down(database: sqlite3.Connection) -> None:
    for limit, value in _LIMITS.items():
        database.setlimit(limit, value)
    for pragma in ("trusted_schema=OFF", "cell_size_check=ON", "mmap_size=0", "temp_store=MEMORY"):
        database.execute(f"PRAGMA {pragma}").fetchall()


def _check_schema(database: sqlite3.Connection, version: int) -> None:
    """Our tables and nothing else, each as we would create it: nothing of a stranger's SQL is ever run."""
    expected = {
        ("table", name, name, schema.create_statement(kind))
        for name, kind in TABLES.items()
        if version >= kind.SINCE
    }
    found = []
    for row in database.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"):
        found.append(row)
        if row not in expected:
            raise Damaged(f"it holds something that no session has: {schema.one_line(row[1])[:60]}")
    if len(found) != len(expected) or set(found) != expected:
        raise Damaged("a table is missing")


def _check_structure(database: sqlite3.Connection) -> None:
    """Every page where it belongs: no cycles, no page used twice, nothing beyond the end."""
    answer = database.execute("PRAGMA quick_check(1)").fetchone()
    if answer != ("ok",):
        found = schema.one_line(answer[0] if answer else "its structure cannot be read")
        raise Damaged(found.removeprefix("*** in database main *** "))


def _authorize(
    action: int, first: str | None, second: str | None, base: str | None, inner: str | None
) -> int:
    """SQLite asks while it compiles a statement."""
    if action == sqlite3.SQLITE_SELECT and inner is None:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_READ and inner is None and base in ("main", None) and first in TABLES:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY
