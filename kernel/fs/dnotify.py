"""F_NOTIFY: a signal when something happens in a directory, inotify's ancestor (fs/notify/dnotify).

`Tables.dnotifies` has by directory who asked: open file, descriptor table, descriptor, and for which events
(DN_* of man 2 fcntl). `kernel.fs.inotify` hears of everything and tells it here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.files import (
    DN_ACCESS,
    DN_ATTRIB,
    DN_CREATE,
    DN_DELETE,
    DN_MODIFY,
    DN_MULTISHOT,
    DN_RENAME,
    F_OWNER_PID,
    IN_ACCESS,
    IN_ATTRIB,
    IN_CREATE,
    IN_DELETE,
    IN_MODIFY,
    IN_MOVED_FROM,
    IN_MOVED_TO,
)
from kernel.abi.signal import POLL_MSG
from kernel.errors import KernelError
from kernel.fs import fasync
from kernel.tables import DirNotify, OpenFile

if TYPE_CHECKING:
    from kernel.kernel import Kernel

RENAMED = 1 << 28
"""FS_RENAME, which inotify does not know."""
EVENTS = {
    DN_ACCESS: IN_ACCESS,
    DN_MODIFY: IN_MODIFY,
    DN_CREATE: IN_CREATE | IN_MOVED_TO,
    DN_DELETE: IN_DELETE | IN_MOVED_FROM,
    DN_RENAME: RENAMED,
    DN_ATTRIB: IN_ATTRIB,
}


def notify(k: Kernel, file: OpenFile, fd: int, wanted: int) -> int:
    """fcntl's F_NOTIFY: more events for this file and descriptor table, or none at all. ENOTDIR."""
    if not wanted & 0x7FFF_FFFF & ~DN_MULTISHOT:
        flush(k, file, k.task.fdtable)
        return 0
    if file.kind != "dir":
        raise KernelError(Errno.ENOTDIR)
    mask = wanted & DN_MULTISHOT
    for flag, events in EVENTS.items():
        if wanted & flag:
            mask |= events
    fasync.own_if_nobody(k, file, F_OWNER_PID, k.task.tgid)
    asked = k.tables.dnotifies.setdefault(file.inode, [])
    mine = next((one for one in asked if (one.file, one.fdtable) == (file.id, k.task.fdtable)), None)
    if mine is not None:
        mine.fd, mine.mask = fd, mine.mask | mask
    else:
        asked.insert(0, DirNotify(file.id, k.task.fdtable, fd, mask))
    k.tables.watched.setdefault(file.inode, [])
    return 0


def happened(k: Kernel, ino: int, mask: int) -> None:
    """`mask` (IN_*, RENAMED) befell a directory, or something in it."""
    for one in list(k.tables.dnotifies.get(ino, ())):
        if one.mask & ~DN_MULTISHOT & mask:
            if not one.mask & DN_MULTISHOT:
                _remove(k, ino, one)
            fasync.send_sigio(k, k.tables.files[one.file], one.fd, POLL_MSG)


def flush(k: Kernel, file: OpenFile, fdtable: int) -> None:
    """A descriptor of that table for the file is closed, or nothing is to be told of it any more."""
    for one in list(k.tables.dnotifies.get(file.inode, ())):
        if (one.file, one.fdtable) == (file.id, fdtable):
            _remove(k, file.inode, one)


def _remove(k: Kernel, ino: int, one: DirNotify) -> None:
    asked = k.tables.dnotifies[ino]
    asked.remove(one)
    if not asked:
        del k.tables.dnotifies[ino]
        if not k.tables.watched.get(ino, True):
            del k.tables.watched[ino]
