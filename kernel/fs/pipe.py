"""Pipes: a ring of pages between those who write and those who read (man 7 pipe, Linux's fs/pipe.c).

A pipe has as many slots as its capacity has pages. A write first tries to put what does not fill a page
into the last page that is in use; the rest takes new slots, a page at a time. From that follow the rules of
the manual: up to PIPE_BUF (4096) bytes go in at once or not at all, and a pipe of small writes can be full
before 65536 bytes.

Each end sleeps on its own queue, `pipe:ID:read` and `pipe:ID:write`. A named pipe's open sleeps on
`fifo:INODE`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errno import ERESTARTSYS, Errno
from kernel.abi.files import (
    O_ACCMODE,
    O_DIRECT,
    O_NONBLOCK,
    O_RDONLY,
    O_RDWR,
    O_WRONLY,
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLOUT,
    POLLRDNORM,
    POLLWRNORM,
    S_IFIFO,
)
from kernel.abi.process import CAP_SYS_RESOURCE
from kernel.abi.signal import POLL_IN, POLL_OUT, SI_USER, SIGPIPE
from kernel.capabilities import capable
from kernel.errors import Blocked, KernelError
from kernel.events import PipeCreated, PipeEndsChanged, PipeRead, PipeResized, PipeWritten
from kernel.fs import fasync
from kernel.fs.iov import IovIter
from kernel.signals.state import send_signal, signal_pending
from kernel.tables import Inode, OpenFile, Pipe, SigInfo
from kernel.wait import wake_up

if TYPE_CHECKING:
    from kernel.kernel import Kernel

PAGE = 4096
PIPE_MAX_SIZE = 1 << 20
"""What a user may have (man 5 proc, pipe-max-size)."""
MAX_CAPACITY = 1 << 24
"""What root may have: a machine's memory is finite."""
FILL = 0x1FFF
"""The bits of a slot that say up to where it is filled."""
SEALED = 1 << 16
"""Of a slot: later writes put nothing more into it."""
PACKET = 1 << 17
"""Of a slot: what one read does not take of it is lost (O_DIRECT)."""


def create_pipe(k: Kernel) -> Pipe:
    """A pipe without open ends, and an inode of the same number for `fstat`."""
    pipe = _new_pipe(k)
    cred = k.task.cred
    inode = Inode(ino=pipe.id, mode=S_IFIFO | 0o600, uid=cred.fsuid, gid=cred.fsgid, pipe=pipe.id)
    inode.atime = inode.mtime = inode.ctime = inode.btime = k.now
    k.tables.inodes[pipe.id] = inode
    return pipe


def pipe_of_fifo(k: Kernel, inode: Inode) -> Pipe:
    """The pipe behind a named pipe; a new one for the first who opens it."""
    if not inode.pipe:
        pipe = _new_pipe(k, inode.ino)
        inode.pipe = pipe.id
    return k.tables.pipes[inode.pipe]


def _new_pipe(k: Kernel, fifo: int = 0) -> Pipe:
    pipe = Pipe(id=k.new_id(), fifo=fifo)
    k.tables.pipes[pipe.id] = pipe
    k.emit(PipeCreated(pipe.id, pipe.capacity, fifo))
    return pipe


def _reads(flags: int) -> bool:
    return flags & O_ACCMODE in (O_RDONLY, O_RDWR)


def _writes(flags: int) -> bool:
    return flags & O_ACCMODE in (O_WRONLY, O_RDWR)


def add_end(k: Kernel, file: OpenFile) -> None:
    """A new open file is an end of the pipe, or both."""
    pipe = k.tables.pipes[file.object]
    if _reads(file.flags):
        pipe.readers += 1
        pipe.read_opens += 1
    if _writes(file.flags):
        pipe.writers += 1
        pipe.write_opens += 1
    k.emit(PipeEndsChanged(pipe.id, pipe.readers, pipe.writers))
    if pipe.fifo:
        wake_up(k, f"fifo:{pipe.fifo}")


def remove_end(k: Kernel, file: OpenFile) -> None:
    """An open file is gone. The last writer's end is end of file for readers, the last reader's EPIPE."""
    pipe = k.tables.pipes[file.object]
    pipe.readers -= _reads(file.flags)
    pipe.writers -= _writes(file.flags)
    gone = not pipe.readers and not pipe.writers
    if gone:
        del k.tables.pipes[pipe.id]
        inode = k.tables.inodes.get(pipe.fifo)
        if inode is not None:
            inode.pipe = 0
    k.emit(PipeEndsChanged(pipe.id, pipe.readers, pipe.writers))
    if not gone and (not pipe.readers or not pipe.writers):
        wake_up(k, f"pipe:{pipe.id}:read")
        wake_up(k, f"pipe:{pipe.id}:write")
        _tell(k, pipe, POLL_IN)
        _tell(k, pipe, POLL_OUT)


def _tell(k: Kernel, pipe: Pipe, reason: int) -> None:
    """Those who asked for SIGIO hear of it: of POLL_IN at the readers' end, of POLL_OUT at the writers'."""
    if k.tables.asyncs:
        fasync.tell(k, "pipe", pipe.id, reason)


def wait_for_partner(k: Kernel, file: OpenFile) -> None:
    """Opening a named pipe waits until the other end is opened (man 7 fifo). Called again after each wake-up.

    `Task.progress` is [file, how often the other end had been opened when the waiting began]. Who does not
    wait for a writer keeps that number as its position: until one comes, the pipe is not hung up.
    """
    pipe = k.tables.pipes[file.object]
    access = file.flags & O_ACCMODE
    partners = pipe.writers if access == O_RDONLY else pipe.readers
    opens = pipe.write_opens if access == O_RDONLY else pipe.read_opens
    if not k.task.progress:
        if partners or access == O_RDWR:
            return
        if file.flags & O_NONBLOCK and access == O_RDONLY:
            file.pos = opens
            return
        k.task.progress = [file.id, opens]
    if opens != k.task.progress[1]:
        return
    if signal_pending(k, k.task):
        raise KernelError(ERESTARTSYS)
    raise Blocked(f"fifo:{pipe.fifo}")


# --- reading and writing ------------------------------------------------------------------------------------


def is_full(pipe: Pipe) -> bool:
    return len(pipe.slots) * PAGE >= pipe.capacity


def read_pipe(k: Kernel, file: OpenFile, to: IovIter, _at: int | None) -> int:
    """What is there, at most what is wanted; waits only for the first byte. 0 is end of file."""
    pipe = k.tables.pipes[file.object]
    if not to.count:
        return 0
    if not pipe.slots:
        _tell(k, pipe, POLL_OUT)
        if not pipe.writers:
            return 0
        if file.flags & O_NONBLOCK:
            raise KernelError(Errno.EAGAIN)
        raise Blocked(f"pipe:{pipe.id}:read")
    was_full = is_full(pipe)
    done = gone = 0
    while to.count and pipe.slots:
        slot = pipe.slots[0]
        held = (slot & FILL) - pipe.head
        chunk = min(held, to.count)
        if to.give(k, pipe.data[gone : gone + chunk]) < chunk:
            break  # the piece stays in the pipe as a whole
        done += chunk
        gone += held if slot & PACKET else chunk
        pipe.head += chunk
        if slot & PACKET or chunk == held:
            del pipe.slots[0]
            pipe.head = 0
        if slot & PACKET:
            break
    if not gone:
        raise KernelError(Errno.EFAULT)
    _taken(k, pipe, gone, was_full)
    return done


def _taken(k: Kernel, pipe: Pipe, count: int, was_full: bool) -> None:
    """The slots are as they shall be; so many bytes of them are gone."""
    pipe.data = pipe.data[count:]
    k.emit(PipeRead(pipe.id, count))
    if was_full and not is_full(pipe):
        wake_up(k, f"pipe:{pipe.id}:write")
    _tell(k, pipe, POLL_OUT)


def write_pipe(k: Kernel, file: OpenFile, source: IovIter, _at: int | None) -> int:
    """All of it, waiting for room as often as needed (`Task.progress` is [bytes already in]).

    A signal, a fault or the readers' end in the middle gives the count so far, if that is not 0.
    """
    pipe = k.tables.pipes[file.object]
    before = k.task.progress[0] if k.task.progress else 0
    if not source.count:
        return 0
    source.advance(before)
    pieces: list[bytes] = []
    error: int = 0
    if not pipe.readers:
        _broken_pipe(k)
        error = Errno.EPIPE
    elif not before:
        error = _merge(k, pipe, source, pieces)
    while source.count and not error:
        if is_full(pipe):
            error = Errno.EAGAIN
            break
        wanted = min(PAGE, source.count)
        data = source.take(k, wanted)
        if len(data) < wanted:
            error = Errno.EFAULT  # the page is given back, with what it had of the data
            break
        pieces.append(data)
        pipe.slots.append(len(data) | (SEALED | PACKET if file.flags & O_DIRECT else 0))
    done = before
    if pieces:
        data = b"".join(pieces)
        done += len(data)
        pipe.data += data
        k.emit(PipeWritten(pipe.id, data))
        wake_up(k, f"pipe:{pipe.id}:read")
    _tell(k, pipe, POLL_IN)
    if error == Errno.EAGAIN and not file.flags & O_NONBLOCK and not (done and signal_pending(k, k.task)):
        k.task.progress = [done] if done else []
        raise Blocked(f"pipe:{pipe.id}:write")
    if error and not done:
        raise KernelError(error)
    return done


def _merge(k: Kernel, pipe: Pipe, source: IovIter, pieces: list[bytes]) -> int:
    """Put what does not fill a page into the last page in use, if it fits there; 0 or EFAULT."""
    chunk = source.count % PAGE
    if not chunk or not pipe.slots or pipe.slots[-1] & SEALED or pipe.slots[-1] + chunk > PAGE:
        return 0
    data = source.take(k, chunk)
    if len(data) < chunk:
        return Errno.EFAULT
    pieces.append(data)
    pipe.slots[-1] += chunk
    return 0


def _broken_pipe(k: Kernel) -> None:
    task = k.task
    send_signal(k, task, SigInfo(SIGPIPE, SI_USER, pid=task.tgid, uid=task.cred.uid), shared=False)


# --- what splice, tee and sendfile need ---------------------------------------------------------------------


def wait_for_data(k: Kernel, pipe: Pipe, nonblock: bool) -> bool:
    """Whether there is any; False is end of file. EAGAIN, or Blocked until there is."""
    if pipe.slots or not pipe.writers:
        return bool(pipe.slots)
    if nonblock:
        raise KernelError(Errno.EAGAIN)
    raise Blocked(f"pipe:{pipe.id}:read")


def wait_for_room(k: Kernel, pipe: Pipe, nonblock: bool) -> None:
    """There is a free slot. EPIPE with SIGPIPE without a reader, EAGAIN, or Blocked until there is one."""
    if not pipe.readers:
        _broken_pipe(k)
        raise KernelError(Errno.EPIPE)
    if not is_full(pipe):
        return
    if nonblock:
        raise KernelError(Errno.EAGAIN)
    raise Blocked(f"pipe:{pipe.id}:write")


def room(pipe: Pipe) -> int:
    """How many slots are free."""
    return max(pipe.capacity // PAGE - len(pipe.slots), 0)


def consume(k: Kernel, pipe: Pipe, count: int) -> None:
    """The first `count` bytes leave the pipe."""
    if not count:
        return
    was_full = is_full(pipe)
    left = count
    while left:
        held = (pipe.slots[0] & FILL) - pipe.head
        if held > left:
            pipe.head += left
            break
        del pipe.slots[0]
        pipe.head = 0
        left -= held
    _taken(k, pipe, count, was_full)


def put(k: Kernel, pipe: Pipe, pieces: list[bytes], flags: int = SEALED) -> int:
    """Each piece, at most a page, gets a slot of its own; how many bytes that were."""
    data = b"".join(pieces)
    if data:
        pipe.slots += [len(piece) | flags for piece in pieces]
        pipe.data += data
        k.emit(PipeWritten(pipe.id, data))
        wake_up(k, f"pipe:{pipe.id}:read")
        _tell(k, pipe, POLL_IN)
    return len(data)


def set_capacity(k: Kernel, pipe: Pipe, size: int) -> int:
    """F_SETPIPE_SZ: a power of two of pages. EBUSY if what is in it would not fit, EPERM above 1 MiB."""
    if size > 1 << 31:
        raise KernelError(Errno.EINVAL)
    capacity = max(PAGE, 1 << max(size - 1, 0).bit_length())
    limit = MAX_CAPACITY if capable(k, CAP_SYS_RESOURCE) else max(PIPE_MAX_SIZE, pipe.capacity)
    if capacity > limit:
        raise KernelError(Errno.EPERM)
    if len(pipe.slots) * PAGE > capacity:
        raise KernelError(Errno.EBUSY)
    was_full = is_full(pipe)
    if capacity != pipe.capacity:
        pipe.capacity = capacity
        k.emit(PipeResized(pipe.id, capacity))
    if was_full and not is_full(pipe):
        wake_up(k, f"pipe:{pipe.id}:write")
    return capacity


def poll_pipe(k: Kernel, file: OpenFile) -> tuple[int, tuple[str, ...]]:
    """poll's bits, and the queues that tell of a change."""
    pipe = k.tables.pipes[file.object]
    mask = 0
    queues: tuple[str, ...] = ()
    if _reads(file.flags):
        queues += (f"pipe:{pipe.id}:read",)
        if pipe.slots:
            mask |= POLLIN | POLLRDNORM
        if not pipe.writers and pipe.write_opens != file.pos:
            mask |= POLLHUP
    if _writes(file.flags):
        queues += (f"pipe:{pipe.id}:write",)
        if not is_full(pipe):
            mask |= POLLOUT | POLLWRNORM
        if not pipe.readers:
            mask |= POLLERR
    return mask, queues
