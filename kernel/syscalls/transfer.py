"""Data from file to file inside the kernel: sendfile, splice, tee, vmsplice, copy_file_range.

Linux's fs/splice.c and the ends of fs/read_write.c. A pipe's slots are moved or filled as there: what is
spliced in from a file takes a slot per page of the file, and later writes put nothing more into those. Unlike
in Linux the pages are copied: who changes a page after `vmsplice` does not change what is in the pipe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel import uaccess
from kernel.abi.errno import Errno
from kernel.abi.files import (
    MAX_RW_COUNT,
    O_APPEND,
    O_NONBLOCK,
    SPLICE_F_ALL,
    SPLICE_F_NONBLOCK,
)
from kernel.errors import Blocked, KernelError
from kernel.fs import inotify, pipe, procfs, ramfs, stream
from kernel.fs.files import get_file
from kernel.fs.iov import IovIter, KernelIter, import_iovec
from kernel.fs.operations import OPERATIONS, can_seek, is_readable, is_writable
from kernel.tables import OpenFile, Pipe

if TYPE_CHECKING:
    from kernel.kernel import Kernel

WORD = (1 << 64) - 1
CHUNK = 16 * pipe.PAGE
"""sendfile and pipes of the host move so much at a time, as Linux does (the pipe inside)."""
GIVES = ("file", "zero", "full", "random", "tty", "stream", "proc", "socket")
"""Kinds with a `splice_read`."""
TAKES = ("file", "null", "zero", "random", "tty", "stream", "proc", "socket")
"""Kinds with a `splice_write`."""


# --- ends ---------------------------------------------------------------------------------------------------


def _pipe_of(k: Kernel, file: OpenFile) -> Pipe | None:
    return k.tables.pipes[file.object] if file.kind == "pipe" else None


def _is_pipe(k: Kernel, file: OpenFile) -> bool:
    """Also one of the host's."""
    if file.kind == "stream":
        return stream.is_pipe(k.tables.streams[file.object])
    return file.kind == "pipe"


def _gives(file: OpenFile) -> bool:
    """Whether it can be spliced from. Of /proc not what is about a process (fs/proc/base.c)."""
    return file.kind in GIVES and not (file.kind == "proc" and procfs.is_of_process(file.inode))


def _read(k: Kernel, file: OpenFile, count: int, at: int | None) -> bytes:
    """Up to `count` bytes from a place of a file. KernelError, Blocked."""
    read = OPERATIONS[file.kind].read
    if read is None or not _gives(file):
        raise KernelError(Errno.EINVAL)
    to = KernelIter(size=count)
    read(k, file, to, at)
    return to.data


def _write(k: Kernel, file: OpenFile, data: bytes, at: int | None) -> int:
    write = OPERATIONS[file.kind].write
    if write is None or file.kind not in TAKES:
        raise KernelError(Errno.EINVAL)
    return write(k, file, KernelIter(data), at)


class _Place:
    """Where in a file to move from or to: an offset in user memory, or else the file's own position."""

    def __init__(self, k: Kernel, file: OpenFile, address: int, width: int = 8) -> None:
        self._k = k
        self._file = file
        self._address = address
        self._width = width
        self.at = file.pos
        if address:
            self.at = int.from_bytes(uaccess.copy_from_user(k, address, width), "little", signed=True)

    def check(self) -> None:
        """ESPIPE for an offset where there are none, EINVAL if it is negative."""
        if self._address and not can_seek(self._k, self._file):
            raise KernelError(Errno.ESPIPE)
        if self.at < 0:
            raise KernelError(Errno.EINVAL)

    def reach(self) -> int | None:
        """What the kind's read or write gets as its position."""
        return self.at if self._address or can_seek(self._k, self._file) else None

    def advance(self, count: int) -> None:
        self.at += count

    def keep(self) -> None:
        """Where it goes on: to user memory, or the file's position."""
        if self._address:
            data = self.at.to_bytes(self._width, "little", signed=True)
            uaccess.copy_to_user(self._k, self._address, data)
        elif can_seek(self._k, self._file):
            self._file.pos = self.at


# --- sendfile -----------------------------------------------------------------------------------------------


def _sendfile(k: Kernel, out_fd: int, in_fd: int, offset: int, count: int, width: int) -> int:
    highest = ramfs.MAX_NON_LFS if width == 4 and offset else ramfs.MAX_LFS
    if offset:  # EFAULT comes before all else
        uaccess.copy_from_user(k, offset, width)
    source = get_file(k, in_fd)
    if not is_readable(source):
        raise KernelError(Errno.EBADF)
    place = _Place(k, source, offset, width)
    place.check()
    count = min(count, MAX_RW_COUNT)
    target = get_file(k, out_fd)
    if not is_writable(target):
        raise KernelError(Errno.EBADF)
    if place.at + count > highest:
        if place.at >= highest:
            raise KernelError(Errno.EOVERFLOW)
        count = highest - place.at
    one = _pipe_of(k, target)
    if one is not None:
        moved = _file_to_pipe(k, source, place, one, count, bool(target.flags & O_NONBLOCK))
    else:
        moved = _file_to_file(k, source, place, target, _Place(k, target, 0), count)
    place.keep()
    return _told(k, source, target, moved)


def _told(k: Kernel, source: OpenFile, target: OpenFile, moved: int) -> int:
    """Who watches the two hears of it; `moved`."""
    inotify.accessed(k, source, moved)
    return inotify.modified(k, target, moved)


def _file_to_file(
    k: Kernel, source: OpenFile, place: _Place, target: OpenFile, target_place: _Place, count: int
) -> int:
    """Chunk by chunk; once something was moved neither errors nor waiting count (`do_splice_direct`)."""
    if target.flags & O_APPEND or not can_seek(k, source):
        raise KernelError(Errno.EINVAL)
    if not _gives(source) or target.kind not in TAKES:
        raise KernelError(Errno.EINVAL)
    done = 0
    while done < count:
        try:
            data = _read(k, source, min(count - done, CHUNK), place.reach())
            moved = _write(k, target, data, target_place.reach()) if data else 0
        except KernelError:
            if not done:
                raise
            break
        except Blocked:
            if not done:
                raise
            moved = k.task.progress[0] if k.task.progress else 0
            data = b""
        place.advance(moved)
        target_place.advance(moved)
        done += moved
        if not data or moved < len(data):
            break
    target_place.keep()
    return done


def sys_sendfile64(k: Kernel, out_fd: int, in_fd: int, offset: int, count: int) -> int:
    return _sendfile(k, out_fd, in_fd, offset, count, 8)


def sys_sendfile(k: Kernel, out_fd: int, in_fd: int, offset: int, count: int) -> int:
    return _sendfile(k, out_fd, in_fd, offset, count, 4)


# --- splice -------------------------------------------------------------------------------------------------


def sys_splice(k: Kernel, fd_in: int, off_in: int, fd_out: int, off_out: int, length: int, flags: int) -> int:
    if not length:
        return 0
    if flags & ~SPLICE_F_ALL:
        raise KernelError(Errno.EINVAL)
    source, target = get_file(k, fd_in), get_file(k, fd_out)
    from_pipe, to_pipe = _is_pipe(k, source), _is_pipe(k, target)
    if (from_pipe and off_in) or (to_pipe and off_out):
        raise KernelError(Errno.ESPIPE)
    target_place = _Place(k, target, off_out)
    place = _Place(k, source, off_in)
    if not is_readable(source) or not is_writable(target):
        raise KernelError(Errno.EBADF)
    length = min(length, MAX_RW_COUNT)
    nonblock = bool(flags & SPLICE_F_NONBLOCK)
    if from_pipe and to_pipe:
        nonblock = nonblock or bool((source.flags | target.flags) & O_NONBLOCK)
        return _pipe_to_pipe(k, source, target, length, nonblock)
    if from_pipe:
        if off_out and not can_seek(k, target):
            raise KernelError(Errno.EINVAL)
        if target.flags & O_APPEND or target_place.at < 0 or target.kind not in TAKES:
            raise KernelError(Errno.EINVAL)
        moved = _pipe_to_file(k, source, target, target_place, length, nonblock)
        target_place.keep()
        return _told(k, source, target, moved)
    if not to_pipe or (off_in and not can_seek(k, source)) or place.at < 0:
        raise KernelError(Errno.EINVAL)
    nonblock = nonblock or bool(target.flags & O_NONBLOCK)
    one = _pipe_of(k, target)
    if one is None:
        data = _read(k, source, min(length, CHUNK), place.reach())
        moved = _write(k, target, data, None) if data else 0
        place.advance(moved)
    else:
        moved = _file_to_pipe(k, source, place, one, length, nonblock)
    place.keep()
    return _told(k, source, target, moved)


def _file_to_pipe(k: Kernel, source: OpenFile, place: _Place, one: Pipe, count: int, nonblock: bool) -> int:
    """As much as there are free slots for; waits for the first of them (`splice_file_to_pipe`)."""
    pipe.wait_for_room(k, one, nonblock)
    free = pipe.room(one)
    data = _read(k, source, min(count, free * pipe.PAGE), place.reach())
    first = pipe.PAGE - place.at % pipe.PAGE if source.kind == "file" else pipe.PAGE
    pieces = [data[:first], *(data[at : at + pipe.PAGE] for at in range(first, len(data), pipe.PAGE))]
    moved = pipe.put(k, one, [piece for piece in pieces[:free] if piece])
    place.advance(moved)
    return moved


def _pipe_to_file(
    k: Kernel, source: OpenFile, target: OpenFile, place: _Place, length: int, nonblock: bool
) -> int:
    """What is there; waits for the first byte only."""
    data, one = _look(k, source, length, nonblock)
    moved = _write(k, target, data, place.reach()) if data else 0
    if one is not None:
        pipe.consume(k, one, moved)
    place.advance(moved)
    return moved


def _look(k: Kernel, source: OpenFile, length: int, nonblock: bool) -> tuple[bytes, Pipe | None]:
    """What a pipe holds, still in it; what came from the host's is taken and has no `Pipe`."""
    one = _pipe_of(k, source)
    if one is None:
        return _read(k, source, min(length, CHUNK), None), None
    there = pipe.wait_for_data(k, one, nonblock or bool(source.flags & O_NONBLOCK))
    return one.data[:length] if there else b"", one


def _pipe_to_pipe(k: Kernel, source: OpenFile, target: OpenFile, length: int, nonblock: bool) -> int:
    """Slot by slot (`splice_pipe_to_pipe`)."""
    one, other = _pipe_of(k, source), _pipe_of(k, target)
    if one is not None and one is other:
        raise KernelError(Errno.EINVAL)
    if other is None:
        data, one = _look(k, source, length, nonblock)
        moved = _write(k, target, data, None) if data else 0
        if one is not None:
            pipe.consume(k, one, moved)
        return moved
    if one is None:
        pipe.wait_for_room(k, other, nonblock)
        data = _read(k, source, min(length, pipe.room(other) * pipe.PAGE), None)
        return pipe.put(k, other, [data[at : at + pipe.PAGE] for at in range(0, len(data), pipe.PAGE)], 0)
    if not pipe.wait_for_data(k, one, nonblock):
        return 0
    pipe.wait_for_room(k, other, nonblock)
    moved = _link(k, one, other, length, sealed=False)
    pipe.consume(k, one, moved)
    return moved


def _link(k: Kernel, one: Pipe, other: Pipe, length: int, sealed: bool) -> int:
    """The first slots of a pipe into another one as well; a part of a slot is `sealed` in any case."""
    at = 0
    for number, slot in enumerate(one.slots[: pipe.room(other)]):
        held = (slot & pipe.FILL) - (0 if number else one.head)
        taken = min(held, length - at)
        if not taken:
            break
        flags = slot & ~pipe.FILL | (pipe.SEALED if sealed or taken < held else 0)
        pipe.put(k, other, [one.data[at : at + taken]], flags)
        at += taken
    return at


def sys_tee(k: Kernel, fdin: int, fdout: int, length: int, flags: int) -> int:
    if flags & ~SPLICE_F_ALL:
        raise KernelError(Errno.EINVAL)
    if not length:
        return 0
    source, target = get_file(k, fdin), get_file(k, fdout)
    if not is_readable(source) or not is_writable(target):
        raise KernelError(Errno.EBADF)
    one, other = _pipe_of(k, source), _pipe_of(k, target)
    if one is None or other is None or one is other:
        raise KernelError(Errno.EINVAL)
    nonblock = bool(flags & SPLICE_F_NONBLOCK or (source.flags | target.flags) & O_NONBLOCK)
    if not pipe.wait_for_data(k, one, nonblock):
        return 0
    pipe.wait_for_room(k, other, nonblock)
    return _link(k, one, other, length, sealed=True)


def sys_vmsplice(k: Kernel, fd: int, iov: int, nr_segs: int, flags: int) -> int:
    if flags & ~SPLICE_F_ALL:
        raise KernelError(Errno.EINVAL)
    file = get_file(k, fd)
    if not is_writable(file) and not is_readable(file):
        raise KernelError(Errno.EBADF)
    memory = import_iovec(k, iov, nr_segs)
    if not memory.count:
        return 0
    one = _pipe_of(k, file)
    if one is None:
        raise KernelError(Errno.EBADF)
    nonblock = bool(flags & SPLICE_F_NONBLOCK)
    if is_writable(file):
        return _memory_to_pipe(k, memory, one, nonblock)
    if not pipe.wait_for_data(k, one, nonblock):
        return 0
    moved = memory.give(k, one.data[: memory.count])
    if not moved:
        raise KernelError(Errno.EFAULT)
    pipe.consume(k, one, moved)
    return moved


def _memory_to_pipe(k: Kernel, memory: IovIter, one: Pipe, nonblock: bool) -> int:
    """A slot per page of user memory (`iter_to_pipe`)."""
    pipe.wait_for_room(k, one, nonblock)
    pieces: list[bytes] = []
    for _ in range(pipe.room(one)):
        wanted = min(memory.to_page_end(), memory.count)
        data = memory.take(k, wanted) if wanted else b""
        if data:
            pieces.append(data)
        if len(data) < wanted or not wanted:
            break
    if not pieces:
        raise KernelError(Errno.EFAULT)
    return pipe.put(k, one, pieces)


# --- copy_file_range ----------------------------------------------------------------------------------------


def sys_copy_file_range(
    k: Kernel, fd_in: int, off_in: int, fd_out: int, off_out: int, length: int, flags: int
) -> int:
    source, target = get_file(k, fd_in), get_file(k, fd_out)
    place, target_place = _Place(k, source, off_in), _Place(k, target, off_out)
    if flags:
        raise KernelError(Errno.EINVAL)
    if "dir" in (source.kind, target.kind):
        raise KernelError(Errno.EISDIR)
    if source.kind not in ("file", "proc") or target.kind not in ("file", "proc"):
        raise KernelError(Errno.EINVAL)
    if not is_readable(source) or not is_writable(target) or target.flags & O_APPEND:
        raise KernelError(Errno.EBADF)
    if source.kind == "proc" or target.kind == "proc":
        raise KernelError(Errno.EXDEV)
    inode, other = k.tables.inodes[source.inode], k.tables.inodes[target.inode]
    if inode.dev != other.dev:
        raise KernelError(Errno.EXDEV)
    if any((one.at & WORD) + length > WORD for one in (place, target_place)):
        raise KernelError(Errno.EOVERFLOW)
    place.check()
    target_place.check()
    count = max(min(length, inode.size - place.at), 0)
    if inode is other and target_place.at < place.at + count and place.at < target_place.at + count:
        raise KernelError(Errno.EINVAL)
    count = min(count, MAX_RW_COUNT)
    moved = _file_to_file(k, source, place, target, target_place, count) if count else 0
    place.keep()
    if not count:
        target_place.keep()
    return _told(k, source, target, moved)
