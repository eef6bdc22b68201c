"""eventfd: a counter of 64 bits as a file (man 2 eventfd, Linux's fs/eventfd.c).

A read takes all of it, or 1 of a semaphore, and waits at 0; a write adds and waits for room.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.files import O_NONBLOCK, POLLERR, POLLIN, POLLOUT
from kernel.errors import Blocked, KernelError
from kernel.events import EventfdSet
from kernel.fs.iov import IovIter
from kernel.tables import Eventfd, OpenFile
from kernel.wait import wake_up

if TYPE_CHECKING:
    from kernel.kernel import Kernel

MAX = (1 << 64) - 1


def create(k: Kernel, count: int, semaphore: bool) -> int:
    """A counter; its number."""
    one = Eventfd(k.new_id(), count, semaphore)
    k.tables.eventfds[one.id] = one
    k.emit(EventfdSet(one.id, count, semaphore))
    return one.id


def release(k: Kernel, file: OpenFile) -> None:
    del k.tables.eventfds[file.object]


def _set(k: Kernel, one: Eventfd, count: int) -> None:
    one.count = count
    k.emit(EventfdSet(one.id, count, one.semaphore))


def read(k: Kernel, file: OpenFile, to: IovIter, _at: int | None) -> int:
    one = k.tables.eventfds[file.object]
    if to.count < 8:
        raise KernelError(Errno.EINVAL)
    if not one.count:
        if file.flags & O_NONBLOCK:
            raise KernelError(Errno.EAGAIN)
        raise Blocked(f"eventfd:{one.id}:read")
    value = 1 if one.semaphore else one.count
    _set(k, one, one.count - value)
    wake_up(k, f"eventfd:{one.id}:write")
    if to.give(k, value.to_bytes(8, "little")) < 8:
        raise KernelError(Errno.EFAULT)
    return 8


def write(k: Kernel, file: OpenFile, source: IovIter, _at: int | None) -> int:
    """Each segment of a vector is a write of its own, and has to have 8 bytes."""
    done = k.task.progress[0] if k.task.progress else 0
    source.advance(done)
    while source.count:
        try:
            _add(k, file, source)
        except Blocked:
            k.task.progress = [done] if done else []
            raise
        except KernelError:
            if not done:
                raise
            break
        done += 8
    if not done:
        raise KernelError(Errno.EINVAL)
    return done


def _add(k: Kernel, file: OpenFile, source: IovIter) -> None:
    one = k.tables.eventfds[file.object]
    if source.segment() != 8:
        raise KernelError(Errno.EINVAL)
    data = source.take(k, 8)
    if len(data) < 8:
        raise KernelError(Errno.EFAULT)
    value = int.from_bytes(data, "little")
    if value == MAX:
        raise KernelError(Errno.EINVAL)
    if MAX - one.count <= value:
        if file.flags & O_NONBLOCK:
            raise KernelError(Errno.EAGAIN)
        raise Blocked(f"eventfd:{one.id}:write")
    if value:
        _set(k, one, one.count + value)
    wake_up(k, f"eventfd:{one.id}:read")


def poll(k: Kernel, file: OpenFile) -> tuple[int, tuple[str, ...]]:
    one = k.tables.eventfds[file.object]
    mask = POLLIN if one.count else 0
    if one.count == MAX:
        mask |= POLLERR
    if one.count < MAX - 1:
        mask |= POLLOUT
    return mask, (f"eventfd:{one.id}:read", f"eventfd:{one.id}:write")
