"""Streams: what the host gave the first program as standard input, output and error, other than a terminal.

Seen from the guest a stream is a pipe, a regular file or /dev/null, as its `mode` says. Input arrives from
outside in pieces and is kept here; of a regular file all of it stays, so that programs can seek in it.
Output leaves as an event and never waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.files import (
    O_NONBLOCK,
    POLLHUP,
    POLLIN,
    POLLOUT,
    POLLRDNORM,
    POLLWRNORM,
    S_IFIFO,
    S_IFMT,
    S_IFREG,
)
from kernel.errors import Blocked, KernelError
from kernel.events import StreamWritten
from kernel.fs.iov import IovIter
from kernel.tables import OpenFile, Stream
from kernel.wait import wake_up

if TYPE_CHECKING:
    from kernel.kernel import Kernel

CHUNK = 65536


def stream_input(k: Kernel, number: int, data: bytes) -> None:
    """What arrived for stream `number` from outside (the event is out already); b'' is its end."""
    stream = k.tables.streams[number]
    if data:
        stream.data += data
    else:
        stream.eof = True
    wake_up(k, f"stream:{number}")


def is_regular(stream: Stream) -> bool:
    return stream.mode & S_IFMT == S_IFREG


def is_pipe(stream: Stream) -> bool:
    return stream.mode & S_IFMT == S_IFIFO


def read_stream(k: Kernel, file: OpenFile, to: IovIter, at: int | None) -> int:
    """As from a pipe; from a regular file all that is wanted unless the file ends before."""
    stream = k.tables.streams[file.object]
    if not to.count:
        return 0
    regular = is_regular(stream)
    start = (file.pos if at is None else at) if regular else 0
    available = max(0, len(stream.data) - start)
    if not stream.eof and available < (to.count if regular else 1):
        if file.flags & O_NONBLOCK and not regular:
            raise KernelError(Errno.EAGAIN)
        raise Blocked(f"stream:{file.object}")
    data = stream.data[start : start + min(to.count, available)]
    copied = to.give(k, data)
    if data and not copied:
        raise KernelError(Errno.EFAULT)
    if not regular:
        stream.data = stream.data[copied:]
    elif at is None:
        file.pos += copied
    return copied


def write_stream(k: Kernel, file: OpenFile, source: IovIter, _at: int | None) -> int:
    """Leaves at once, wherever the file's position is."""
    done = 0
    while source.count:
        wanted = min(source.count, CHUNK)
        data = source.take(k, wanted)
        if data:
            done += len(data)
            k.emit(StreamWritten(file.object, data))
        if len(data) < wanted:
            if not done:
                raise KernelError(Errno.EFAULT)
            break
    file.pos += done
    return done


def poll_stream(k: Kernel, file: OpenFile) -> tuple[int, tuple[str, ...]]:
    """poll's bits, and the queue that tells of a change."""
    stream = k.tables.streams[file.object]
    queues = (f"stream:{file.object}",)
    always = POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM
    if not is_pipe(stream):
        return always, queues
    if file.object:
        return POLLOUT | POLLWRNORM, queues
    mask = POLLIN | POLLRDNORM if stream.data else 0
    return mask | (POLLHUP if stream.eof else 0), queues
