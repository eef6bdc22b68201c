"""Parts of files: fallocate, reads and writes with flags, and advice (Linux's fs/open.c, mm/fadvise.c).

What is advised changes nothing here: every page is in memory already, or is fetched when it is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.files import (
    FALLOC_FL_COLLAPSE_RANGE,
    FALLOC_FL_INSERT_RANGE,
    FALLOC_FL_KEEP_SIZE,
    FALLOC_FL_PUNCH_HOLE,
    FALLOC_FL_UNSHARE_RANGE,
    FALLOC_FL_WRITE_ZEROES,
    FALLOC_FL_ZERO_RANGE,
    O_APPEND,
    RWF_APPEND,
    RWF_ATOMIC,
    RWF_DONTCACHE,
    RWF_DSYNC,
    RWF_HIPRI,
    RWF_NOAPPEND,
    RWF_NOWAIT,
    RWF_SYNC,
    S_IFBLK,
    S_IFDIR,
    S_IFIFO,
    S_IFLNK,
    S_IFMT,
    S_IFREG,
    SYNC_FILE_RANGE_ALL,
)
from kernel.errors import KernelError
from kernel.fs import inotify, ramfs, vfs
from kernel.fs.files import get_file
from kernel.fs.iov import IovIter, import_iovec
from kernel.fs.operations import Move, can_seek, check_read, check_write, is_readable, is_writable
from kernel.tables import OpenFile
from kernel.uaccess import signed

if TYPE_CHECKING:
    from kernel.kernel import Kernel

MODES = (
    0,
    FALLOC_FL_UNSHARE_RANGE,
    FALLOC_FL_ZERO_RANGE,
    FALLOC_FL_PUNCH_HOLE,
    FALLOC_FL_COLLAPSE_RANGE,
    FALLOC_FL_INSERT_RANGE,
    FALLOC_FL_WRITE_ZEROES,
)
"""Of which one, beside FALLOC_FL_KEEP_SIZE."""
RWF_SUPPORTED = (
    RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND | RWF_NOAPPEND | RWF_ATOMIC | RWF_DONTCACHE
)
WITHOUT_FLAGS = ("signalfd", "proc")
"""Kinds that know no flags at all: they have no `read_iter`, or none that looks at flags."""
ADVICE = 6
"""POSIX_FADV_* go from 0 to 5."""


def _long(low: int, high: int) -> int:
    return signed(high) << 32 | low


# --- fallocate ----------------------------------------------------------------------------------------------


def sys_fallocate(
    k: Kernel, fd: int, mode: int, offset_low: int, offset_high: int, len_low: int, len_high: int
) -> int:
    """As tmpfs does: space can be had, and holes made; the rest is EOPNOTSUPP. Checks as `vfs_fallocate`."""
    file = get_file(k, fd)
    offset, length = _long(offset_low, offset_high), _long(len_low, len_high)
    if offset < 0 or length <= 0:
        raise KernelError(Errno.EINVAL)
    keep = bool(mode & FALLOC_FL_KEEP_SIZE)
    what = mode & ~FALLOC_FL_KEEP_SIZE
    if what not in MODES or (what == FALLOC_FL_PUNCH_HOLE and not keep):
        raise KernelError(Errno.EOPNOTSUPP)
    if keep and what in MODES[4:]:
        raise KernelError(Errno.EOPNOTSUPP)
    if not is_writable(file):
        raise KernelError(Errno.EBADF)
    kind = vfs.get_inode(k, file.inode).mode & S_IFMT if file.inode else 0
    if kind == S_IFIFO:
        raise KernelError(Errno.ESPIPE)
    if kind == S_IFDIR:
        raise KernelError(Errno.EISDIR)
    if kind not in (S_IFREG, S_IFBLK):
        raise KernelError(Errno.ENODEV)
    if offset + length > ramfs.MAX_LFS:
        raise KernelError(Errno.EFBIG)
    if file.kind != "file" or what not in (0, FALLOC_FL_PUNCH_HOLE):
        raise KernelError(Errno.EOPNOTSUPP)
    inode = k.tables.inodes[file.inode]
    ramfs.remove_privileges(k, inode)
    if what:
        ramfs.punch_hole(k, inode, offset, offset + length)
    else:
        ramfs.allocate(k, inode, offset, offset + length, keep)
    inotify.modified(k, file)
    return 0


# --- preadv2, pwritev2 --------------------------------------------------------------------------------------


def _check_flags(file: OpenFile, flags: int, reading: bool) -> None:
    """`kiocb_set_rw_flags`: EOPNOTSUPP for what this kind of file cannot do."""
    if not flags:
        return
    if flags & ~RWF_SUPPORTED:
        raise KernelError(Errno.EOPNOTSUPP)
    if flags & RWF_APPEND and flags & RWF_NOAPPEND:
        raise KernelError(Errno.EINVAL)
    if flags & RWF_NOWAIT and file.kind not in ("pipe", "eventfd", "null", "zero", "random"):
        raise KernelError(Errno.EOPNOTSUPP)
    if flags & (RWF_ATOMIC | RWF_DONTCACHE) or (flags & ~RWF_HIPRI and file.kind in WITHOUT_FLAGS):
        raise KernelError(Errno.EOPNOTSUPP)


def _vector(
    k: Kernel, file: OpenFile, move: Move, vector: IovIter, position: int | None, flags: int, reading: bool
) -> int:
    """One read or write whose flags hold for it alone."""
    if not vector.count:
        return 0
    _check_flags(file, flags, reading)
    kept = file.flags
    if flags & RWF_NOWAIT:
        file.flags |= 0o4000
    if not reading and flags & RWF_APPEND:
        file.flags |= O_APPEND
    if not reading and flags & RWF_NOAPPEND:
        file.flags &= ~O_APPEND
    try:
        return move(k, file, vector, position)
    finally:
        file.flags = kept


def _position(k: Kernel, fd: int, low: int, high: int) -> tuple[OpenFile, int | None]:
    """The file and where in it: -1 is its own position."""
    position = _long(low, high)
    if position == -1:
        return get_file(k, fd), None
    if position < 0:
        raise KernelError(Errno.EINVAL)
    file = get_file(k, fd)
    if not can_seek(k, file):
        raise KernelError(Errno.ESPIPE)
    return file, position


def sys_preadv2(k: Kernel, fd: int, vec: int, vlen: int, pos_low: int, pos_high: int, flags: int) -> int:
    file, position = _position(k, fd, pos_low, pos_high)
    read = check_read(file)
    done = _vector(k, file, read, import_iovec(k, vec, vlen), position, flags, True)
    inotify.accessed(k, file)
    return done


def sys_pwritev2(k: Kernel, fd: int, vec: int, vlen: int, pos_low: int, pos_high: int, flags: int) -> int:
    file, position = _position(k, fd, pos_low, pos_high)
    write = check_write(file)
    done = _vector(k, file, write, import_iovec(k, vec, vlen), position, flags, False)
    return inotify.modified(k, file, done)


# --- advice -------------------------------------------------------------------------------------------------


def _kind(k: Kernel, file: OpenFile) -> int:
    if file.kind == "stream":
        return k.tables.streams[file.object].mode & S_IFMT
    return vfs.get_inode(k, file.inode).mode & S_IFMT if file.inode else 0


def sys_readahead(k: Kernel, fd: int, offset_low: int, offset_high: int, count: int) -> int:
    file = get_file(k, fd)
    if not is_readable(file):
        raise KernelError(Errno.EBADF)
    if _kind(k, file) not in (S_IFREG, S_IFBLK) or file.kind == "proc":
        raise KernelError(Errno.EINVAL)
    return 0


def _fadvise(k: Kernel, fd: int, length: int, advice: int) -> int:
    file = get_file(k, fd)
    if _kind(k, file) == S_IFIFO:
        raise KernelError(Errno.ESPIPE)
    if length < 0 or advice >= ADVICE:
        raise KernelError(Errno.EINVAL)
    return 0


def sys_fadvise64(k: Kernel, fd: int, offset_low: int, offset_high: int, length: int, advice: int) -> int:
    return _fadvise(k, fd, length, advice)


def sys_fadvise64_64(
    k: Kernel, fd: int, offset_low: int, offset_high: int, len_low: int, len_high: int, advice: int
) -> int:
    return _fadvise(k, fd, _long(len_low, len_high), advice)


def sys_sync_file_range(
    k: Kernel, fd: int, offset_low: int, offset_high: int, nbytes_low: int, nbytes_high: int, flags: int
) -> int:
    file = get_file(k, fd)
    offset, count = _long(offset_low, offset_high), _long(nbytes_low, nbytes_high)
    if flags & ~SYNC_FILE_RANGE_ALL or offset < 0 or count < 0 or offset + count > ramfs.MAX_LFS:
        raise KernelError(Errno.EINVAL)
    if _kind(k, file) not in (S_IFREG, S_IFBLK, S_IFDIR, S_IFLNK):
        raise KernelError(Errno.ESPIPE)
    return 0
