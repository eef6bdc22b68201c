"""Where a recording goes: what may be replaced, and how, so that the name always leads to a whole file.

A new session is built under a temporary name beside it and renamed. Only a session (or an empty file) is
replaced, and not one that is being recorded. Logs that a killed recording left behind go with it: SQLite
would take them for the new file's.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
import threading
from pathlib import Path

from app.session.schema import APPLICATION_ID, SessionError
from app.session.untrusted import HEADER, MAGIC

_LOCK_START, _LOCK_LENGTH = 0x4000_0002, 510
"""The bytes that SQLite locks in a file that it has open (`SHARED_FIRST` and `SHARED_SIZE` in its os.h)."""
_LEFTOVERS = {
    "-wal": (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83"),
    "-journal": (bytes.fromhex("d9d505f920a163d7"), bytes(8)),
}
"""Files that SQLite leaves beside a database, and how they begin."""

_recording: set[str] = set()
_recording_lock = threading.Lock()


class Target:
    """A claim on the file at `path` until `release`. OSError or SessionError when it cannot be written."""

    def __init__(self, path: Path) -> None:
        if not path.name or "\0" in str(path):
            raise SessionError("no name for a file")
        self.real = os.path.realpath(path)
        folder, name = os.path.split(self.real)
        self.temporary = os.path.join(folder, f".{name[:200]}.{secrets.token_hex(6)}.tmp")
        with _recording_lock:
            self._check()
            _recording.add(self.real)

    def release(self) -> None:
        with _recording_lock:
            _recording.discard(self.real)

    def create_temporary(self) -> None:
        """An empty file that nobody else made."""
        os.close(os.open(self.temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))

    def remove_temporary(self) -> None:
        try:
            os.unlink(self.temporary)
        except FileNotFoundError:
            pass

    def place(self) -> None:
        """The temporary file becomes the file."""
        _check_replaceable(self.real)
        leftovers = [name for name in map(self.real.__add__, _LEFTOVERS) if os.path.lexists(name)]
        for name in leftovers:
            _check_leftover(name)
        for name in leftovers:
            os.unlink(name)
        os.replace(self.temporary, self.real)

    def _check(self) -> None:
        if self.real in _recording:
            raise SessionError("is being recorded already")
        folder = os.path.dirname(self.real)
        if not os.path.isdir(folder):
            raise SessionError("there is no such directory")
        _check_replaceable(self.real)


def _check_replaceable(real: str) -> None:
    """SessionError unless nothing is there, or an empty file, or a session that nobody writes."""
    try:
        mode = os.stat(real).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        raise SessionError("is a directory")
    if not stat.S_ISREG(mode):
        raise SessionError("not a regular file")
    fd = os.open(real, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        head = os.read(fd, HEADER)
        if head and not (head.startswith(MAGIC) and head[68:72] == APPLICATION_ID.to_bytes(4, "big")):
            raise SessionError("is there already and not an int80 session; it stays as it is")
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, _LOCK_LENGTH, _LOCK_START)
        except (BlockingIOError, PermissionError):
            raise SessionError("is in use: somebody records into it or reads it") from None
    finally:
        os.close(fd)


def _check_leftover(name: str) -> None:
    """SessionError unless SQLite left it behind."""
    with open(name, "rb") as file:
        head = file.read(8)
    beginnings = _LEFTOVERS[name[name.rindex("-") :]]
    if head and not head.startswith(beginnings):
        raise SessionError(f"{os.path.basename(name)} is in the way")
