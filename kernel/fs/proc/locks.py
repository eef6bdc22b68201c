"""/proc/locks, and the locks in fdinfo (fs/locks.c, `lock_get_status`): who holds what, who waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.files import F_RDLCK, F_UNLCK, F_WRLCK
from kernel.fs.devfs import major, minor
from kernel.fs.locks import MAX_OFFSET, conflict, waiting_requests
from kernel.tables import FileLock, Lease, OpenFile, Task

if TYPE_CHECKING:
    from kernel.kernel import Kernel

_KINDS = {"posix": "POSIX  ADVISORY ", "ofd": "OFDLCK ADVISORY ", "flock": "FLOCK  ADVISORY "}
_TYPES = {F_RDLCK: "READ", F_WRLCK: "WRITE", F_UNLCK: "UNLCK"}


def locks(k: Kernel) -> str:
    """Each with its number; behind it, marked ->, those who wait for it."""
    t = k.tables
    waiting = list(waiting_requests(k))
    lines = []
    number = 0
    for ino in sorted({*t.locks, *t.leases}):
        for lease in t.leases.get(ino, ()):
            number += 1
            lines.append(f"{number}: {_lease(k, ino, lease)}")
        for lock in t.locks.get(ino, ()):
            number += 1
            lines.append(f"{number}: {_lock(k, ino, lock)}")
            for other, request in waiting:
                if other == ino and conflict(k, ino, request) is lock:
                    lines.append(f"{number}: -> {_lock(k, ino, request)}")
    return "".join(lines)


def of_file(k: Kernel, task: Task, file: OpenFile) -> str:
    """Those that were made by this open file and are the task's."""
    ino = file.inode
    mine = [
        one
        for one in k.tables.locks.get(ino, ())
        if one.file == file.id and one.owner == (task.fdtable if one.kind == "posix" else file.id)
    ]
    mine.sort(key=lambda one: one.kind != "flock")
    lines = [_lock(k, ino, one) for one in mine]
    lines += [_lease(k, ino, one) for one in k.tables.leases.get(ino, ()) if one.file == file.id]
    return "".join(f"lock:\t{number}: {line}" for number, line in enumerate(lines, 1))


def _lock(k: Kernel, ino: int, lock: FileLock) -> str:
    pid = -1 if lock.kind == "ofd" else lock.pid
    end = "EOF" if lock.end >= MAX_OFFSET else str(lock.end)
    return f"{_KINDS[lock.kind]} {_TYPES[lock.type]} {pid} {_inode(k, ino)} {lock.start} {end}\n"


def _lease(k: Kernel, ino: int, lease: Lease) -> str:
    breaking = lease.ends >= 0 or lease.weakens >= 0
    state = "BREAKING  " if breaking else "ACTIVE    "
    kind = F_UNLCK if lease.ends >= 0 else F_RDLCK if lease.weakens >= 0 else lease.type
    file = k.tables.files.get(lease.file)
    pid = file.owner[1] if file is not None and file.owner else 0
    return f"LEASE  {state}{_TYPES[kind]} {pid} {_inode(k, ino)} 0 EOF\n"


def _inode(k: Kernel, ino: int) -> str:
    inode = k.tables.inodes.get(ino)
    dev = inode.dev if inode is not None else 0
    return f"{major(dev):02x}:{minor(dev):02x}:{ino}"
