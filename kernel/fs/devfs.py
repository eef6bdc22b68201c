"""Devices without a machine behind them: null, zero, full, random. And which device number is what.

Numbers: Documentation/admin-guide/devices.txt. Terminals have their own room, `tty`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.files import S_IFCHR, S_IFLNK
from kernel.errors import KernelError
from kernel.fs.iov import IovIter
from kernel.fs.ramfs import add_name, new_inode
from kernel.tables import Inode, OpenFile

if TYPE_CHECKING:
    from kernel.kernel import Kernel

CHUNK = 4096


def makedev(major: int, minor: int) -> int:
    """`st_rdev` of a device (include/linux/kdev_t.h: new_encode_dev)."""
    return minor & 0xFF | major << 8 | (minor & ~0xFF) << 12


def major(dev: int) -> int:
    return dev >> 8 & 0xFFF


def minor(dev: int) -> int:
    return dev & 0xFF | dev >> 12 & 0xFFF00


NULL, ZERO, FULL, RANDOM, URANDOM = (makedev(1, number) for number in (3, 5, 7, 8, 9))
TTY, CONSOLE, PTMX = (makedev(5, number) for number in (0, 1, 2))
HDA0 = makedev(3, 0)
TTY0, TTY1 = makedev(4, 0), makedev(4, 1)
PTS = 136


def device_of(terminal: int) -> int:
    """Device number of a terminal: 0 is the first virtual console, N is /dev/pts/N-1."""
    return makedev(PTS, terminal - 1) if terminal else TTY1


KINDS: dict[int, str] = {
    NULL: "null",
    ZERO: "zero",
    FULL: "full",
    RANDOM: "random",
    URANDOM: "random",
    TTY: "tty",
    CONSOLE: "tty",
    TTY0: "tty",
    TTY1: "tty",
    PTMX: "ptmx",
}
"""`OpenFile.kind` by device number; others are ENXIO to open."""

NODES: tuple[tuple[str, int, int], ...] = (
    ("null", NULL, 0o666),
    ("zero", ZERO, 0o666),
    ("full", FULL, 0o666),
    ("random", RANDOM, 0o666),
    ("urandom", URANDOM, 0o666),
    ("tty", TTY, 0o666),
    ("console", CONSOLE, 0o600),
    ("ptmx", PTMX, 0o666),
    ("tty0", TTY0, 0o620),
    ("tty1", TTY1, 0o600),
)

LINKS: tuple[tuple[str, str], ...] = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
)
"""What udev or an initial script makes on other systems."""


def make_nodes(k: Kernel, directory: Inode) -> None:
    """The entries of /dev."""
    for name, target in LINKS:
        link = new_inode(k, S_IFLNK | 0o777)
        link.target, link.size = target, len(target)
        add_name(k, directory, name, link)
    for name, rdev, mode in NODES:
        add_name(k, directory, name, new_inode(k, S_IFCHR | mode, rdev=rdev))


def read_null(_k: Kernel, _file: OpenFile, _to: IovIter, _at: int | None) -> int:
    return 0


def read_zero(k: Kernel, _file: OpenFile, to: IovIter, _at: int | None) -> int:
    return _fill(k, to, bytes)


def read_random(k: Kernel, _file: OpenFile, to: IovIter, _at: int | None) -> int:
    return _fill(k, to, k.entropy)


def write_null(_k: Kernel, _file: OpenFile, source: IovIter, _at: int | None) -> int:
    """Takes everything and looks at nothing, so that a bad buffer is no error."""
    return source.count


def write_full(_k: Kernel, _file: OpenFile, _source: IovIter, _at: int | None) -> int:
    raise KernelError(Errno.ENOSPC)


def write_random(k: Kernel, _file: OpenFile, source: IovIter, _at: int | None) -> int:
    """Read and forgotten: entropy from outside would have to be recorded."""
    done = 0
    while source.count:
        data = source.take(k, CHUNK)
        if not data:
            if not done:
                raise KernelError(Errno.EFAULT)
            break
        done += len(data)
    return done


def _fill(k: Kernel, to: IovIter, source: Callable[[int], bytes]) -> int:
    done = 0
    while to.count:
        length = min(to.count, CHUNK)
        copied = to.give(k, source(length))
        done += copied
        if copied < length:
            if not done:
                raise KernelError(Errno.EFAULT)
            break
    return done
