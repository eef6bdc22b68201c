"""A directory of the host as a source of files: only ever read, and nothing outside of it can be reached.

Every path is walked from the directory's own descriptor, one name at a time, each opened relative to the last
without following links; a name is never `.` or `..` and holds no slash. Links, devices, fifos and sockets are
described, never opened. A file is opened by way of a descriptor that has been looked at (O_PATH), so nothing
can be put in its place in between, and it must be what its directory's listing said.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from kernel.abi.errno import Errno
from kernel.errors import KernelError
from kernel.fs.devfs import makedev
from kernel.fs.hostfs import CHUNK, HostEntry
from kernel.fs.names import decode_name, encode_name

MAX_ENTRIES = 200_000
"""Names in a directory; more are EOVERFLOW."""
MAX_TIME = 1 << 62
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_PATH = getattr(os, "O_PATH", os.O_RDONLY | os.O_NONBLOCK) | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_UNTOUCHED = getattr(os, "O_NOATIME", 0)
"""Reading leaves no trace, where the host lets us."""

Identity = tuple[int, int, int, int]


class HostTree:
    """The tree below `directory`. OSError if that is no directory that can be read."""

    def __init__(self, directory: str) -> None:
        self._top = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._seen: dict[str, Identity] = {}
        """Files by path, as the listing found them."""

    def listing(self, path: str) -> tuple[HostEntry, ...]:
        with _errors(), self._directory(path) as fd:
            out = [self._entry("", "", os.fstat(fd), fd)]
            own = _readable(fd, _DIRECTORY)
            try:
                names = os.listdir(own)
            finally:
                os.close(own)
            if len(names) > MAX_ENTRIES:
                raise KernelError(Errno.EOVERFLOW)
            for name in names:
                try:
                    status = os.stat(name, dir_fd=fd, follow_symlinks=False)
                    out.append(self._entry(path, name, status, fd))
                except FileNotFoundError:  # gone since
                    continue
            return tuple(out)

    def chunk(self, path: str, index: int) -> bytes:
        above, _, name = path.rpartition("/")
        with _errors(), self._directory(above) as directory:
            looked = os.open(encode_name(name), _PATH, dir_fd=directory)
            try:
                status = os.fstat(looked)
                if not stat.S_ISREG(status.st_mode) or _identity(status) != self._seen.get(path):
                    raise KernelError(Errno.ESTALE)
                fd = _readable(looked, _FILE)
            finally:
                os.close(looked)
            try:
                return _read(fd, index * CHUNK)
            finally:
                os.close(fd)

    @contextmanager
    def _directory(self, path: str) -> Iterator[int]:
        """A descriptor of the directory, as good for looking things up in as one can be."""
        fd = os.dup(self._top)
        try:
            for name in path.split("/") if path else ():
                if name in ("", ".", ".."):
                    raise KernelError(Errno.ENOENT)
                below = os.open(encode_name(name), _PATH | os.O_DIRECTORY, dir_fd=fd)
                os.close(fd)
                fd = below
            yield fd
        finally:
            os.close(fd)

    def _entry(self, path: str, name: str, status: os.stat_result, directory: int) -> HostEntry:
        mode = status.st_mode
        text = decode_name(os.fsencode(name))
        target = ""
        if stat.S_ISLNK(mode):
            target = decode_name(os.fsencode(os.readlink(name, dir_fd=directory)))
        if stat.S_ISREG(mode):
            self._seen[f"{path}/{text}" if path else text] = _identity(status)
        device = stat.S_ISCHR(mode) or stat.S_ISBLK(mode)
        several = status.st_nlink > 1 and not stat.S_ISDIR(mode)
        return HostEntry(
            text,
            mode,
            status.st_uid,
            status.st_gid,
            len(encode_name(target)) if target else status.st_size,
            _time(status.st_mtime_ns),
            status.st_nlink,
            makedev(os.major(status.st_rdev), os.minor(status.st_rdev)) if device else 0,
            target,
            f"{status.st_dev:x}:{status.st_ino:x}" if several else "",
            _time(status.st_atime_ns),
            _time(status.st_ctime_ns),
        )


def _time(nanoseconds: int) -> int:
    return max(-MAX_TIME, min(nanoseconds, MAX_TIME))


def _identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _readable(fd: int, flags: int) -> int:
    """Another descriptor of what an O_PATH one stands for, to read from."""
    path = f"/proc/self/fd/{fd}"
    flags &= ~os.O_NOFOLLOW
    try:
        return os.open(path, flags | _UNTOUCHED)
    except PermissionError:  # O_NOATIME is the owner's
        return os.open(path, flags)


def _read(fd: int, at: int) -> bytes:
    parts: list[bytes] = []
    left = CHUNK
    while left:
        data = os.pread(fd, left, at)
        if not data:
            break
        parts.append(data)
        left -= len(data)
        at += len(data)
    return b"".join(parts)


@contextmanager
def _errors() -> Iterator[None]:
    """The host's refusals as the guest's."""
    try:
        yield
    except OSError as error:
        known = error.errno in (Errno.EACCES, Errno.EPERM, Errno.ENOENT, Errno.ENAMETOOLONG)
        number = error.errno if known and error.errno is not None else Errno.EIO
        if error.errno in (Errno.ELOOP, Errno.ENOTDIR):  # no directory any more
            number = Errno.ESTALE
        raise KernelError(number) from None
