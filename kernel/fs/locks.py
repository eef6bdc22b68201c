"""Locks on files, by agreement only (man 2 fcntl, advisory record locking, man 2 flock; Linux's fs/locks.c).

Three kinds: `posix` locks on ranges belong to a process (its descriptor table), `ofd` locks on ranges to an
open file, and `flock` locks, on whole files, to an open file too. The first two know each other, the third
stands apart. Who waits sleeps on `lock:INODE` or `flock:INODE` and tries again whenever something changes
there; what a posix lock waits for is in `Task.progress`, so that a deadlock is seen before it happens.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from kernel.abi.errno import Errno
from kernel.abi.files import F_UNLCK, F_WRLCK
from kernel.errors import Blocked, KernelError
from kernel.events import FileLocksSet
from kernel.tables import FileLock, OpenFile, Task
from kernel.wait import wake_up

if TYPE_CHECKING:
    from kernel.kernel import Kernel

MAX_OFFSET = (1 << 63) - 1
MAX_LOCKS = 16384
"""Of the whole machine: ENOLCK beyond."""
_LOOKS = 10
"""How long a chain of waiting processes is followed (MAX_DEADLK_ITERATIONS)."""


def _overlap(one: FileLock, other: FileLock) -> bool:
    return one.start <= other.end and other.start <= one.end


def _same_owner(one: FileLock, other: FileLock) -> bool:
    return one.kind == other.kind and one.owner == other.owner


def conflict(k: Kernel, ino: int, wanted: FileLock) -> FileLock | None:
    """The first lock that stands in the way."""
    for lock in k.tables.locks.get(ino, ()):
        if (lock.kind == "flock") != (wanted.kind == "flock") or _same_owner(lock, wanted):
            continue
        if _overlap(lock, wanted) and F_WRLCK in (lock.type, wanted.type):
            return lock
    return None


def _changed(k: Kernel, ino: int, locks: list[FileLock]) -> None:
    if locks:
        k.tables.locks[ino] = locks
    else:
        k.tables.locks.pop(ino, None)
    told = tuple((lock.kind, lock.owner, lock.pid, lock.type, lock.start, lock.end) for lock in locks)
    k.emit(FileLocksSet(ino, told))
    wake_up(k, f"lock:{ino}")
    wake_up(k, f"flock:{ino}")


def set_lock(k: Kernel, ino: int, wanted: FileLock, wait: bool) -> None:
    """Lock, change or unlock a range. EAGAIN or waiting if another's lock is in the way; EDEADLK; ENOLCK."""
    if wanted.type != F_UNLCK:
        blocker = conflict(k, ino, wanted)
        if blocker is not None:
            if not wait:
                raise KernelError(Errno.EAGAIN)
            if wanted.kind == "posix" and _deadlock(k, wanted, blocker):
                raise KernelError(Errno.EDEADLK)
            k.task.progress = [ino, wanted.owner, wanted.type, wanted.start, wanted.end]
            raise Blocked(f"lock:{ino}")
    before = k.tables.locks.get(ino, [])
    after = _with(before, wanted)
    if len(after) > len(before) and sum(map(len, k.tables.locks.values())) >= MAX_LOCKS:
        raise KernelError(Errno.ENOLCK)
    if after != before:
        _changed(k, ino, after)


def _with(locks: list[FileLock], wanted: FileLock) -> list[FileLock]:
    """The locks after this one: its owner's others are cut, alike neighbours become one."""
    kept: list[FileLock] = []
    made = msgspec.structs.replace(wanted)
    for lock in locks:
        if not _same_owner(lock, wanted):
            kept.append(lock)
        elif lock.type == wanted.type and lock.start <= made.end + 1 and made.start <= lock.end + 1:
            made.start, made.end = min(made.start, lock.start), max(made.end, lock.end)
            made.file = lock.file
        elif not _overlap(lock, wanted):
            kept.append(lock)
        else:
            if lock.start < wanted.start:
                kept.append(msgspec.structs.replace(lock, end=made.start - 1))
            if lock.end > wanted.end:
                kept.append(msgspec.structs.replace(lock, start=made.end + 1))
    if made.type != F_UNLCK:
        kept.append(made)
    return sorted(kept, key=lambda lock: (lock.kind, lock.start, lock.owner))


def _deadlock(k: Kernel, wanted: FileLock, blocker: FileLock) -> bool:
    """Whether the owner of what is in the way waits, however indirectly, for the one who asks."""
    for _ in range(_LOOKS):
        if blocker.kind != "posix":
            return False
        waiting = _request_of(k, blocker.owner)
        if waiting is None:
            return False
        ino, request = waiting
        following = conflict(k, ino, request)
        if following is None:
            return False
        if following.kind == "posix" and following.owner == wanted.owner:
            return True
        blocker = following
    return False


def _request_of(k: Kernel, owner: int) -> tuple[int, FileLock] | None:
    for ino, request in waiting_requests(k):
        if request.kind == "posix" and request.owner == owner:
            return ino, request
    return None


def waiting_requests(k: Kernel) -> Iterator[tuple[int, FileLock]]:
    """The locks on ranges that tasks sleep for, each with its inode."""
    for task in k.tables.tasks.values():
        if task.wait is not None and task.wait.on[0].startswith("lock:") and len(task.progress) == 5:
            ino, owner, kind, start, end = task.progress
            by = "posix" if owner == task.fdtable else "ofd"
            yield ino, FileLock(by, owner, task.tgid, kind, start, end)


def set_flock(k: Kernel, ino: int, file: OpenFile, task: Task, kind: int, wait: bool) -> None:
    """Lock or unlock a whole file. The old lock is given back before a different one is asked for."""
    locks = k.tables.locks.get(ino, [])
    mine = [lock for lock in locks if lock.kind == "flock" and lock.owner == file.id]
    if mine and mine[0].type == kind:
        return
    if mine:
        _changed(k, ino, [lock for lock in locks if lock not in mine])
    if kind == F_UNLCK:
        return
    wanted = FileLock("flock", file.id, task.tgid, kind, 0, MAX_OFFSET, file.id)
    if conflict(k, ino, wanted) is not None:
        if not wait:
            raise KernelError(Errno.EAGAIN)
        raise Blocked(f"flock:{ino}")
    if sum(map(len, k.tables.locks.values())) >= MAX_LOCKS:
        raise KernelError(Errno.ENOLCK)
    _changed(k, ino, [*k.tables.locks.get(ino, []), wanted])


def release_process(k: Kernel, file: OpenFile, fdtable: int) -> None:
    """A descriptor is closed: the process's locks on that file are gone, by whichever they were made."""
    _release(k, file.inode, "posix", fdtable)


def release_file(k: Kernel, file: OpenFile) -> None:
    """An open file is closed: its own locks are gone."""
    _release(k, file.inode, "ofd", file.id)
    _release(k, file.inode, "flock", file.id)


def _release(k: Kernel, ino: int, kind: str, owner: int) -> None:
    locks = k.tables.locks.get(ino)
    if locks is None:
        return
    kept = [lock for lock in locks if lock.kind != kind or lock.owner != owner]
    if len(kept) < len(locks):
        _changed(k, ino, kept)
