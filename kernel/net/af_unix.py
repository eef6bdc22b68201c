"""AF_UNIX: names, connections and messages (man 7 unix, Linux's net/unix/af_unix.c).

A call that has to wait keeps in `Task.progress` how many bytes it has moved, the tick at which the waiting
ends (-1: never), and of a stream that is read whose bytes these were (SCM_CREDENTIALS).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.files import O_NONBLOCK, O_RDWR, S_IFMT, S_IFSOCK
from kernel.abi.ipc import (
    AF_UNIX,
    MSG_DONTWAIT,
    MSG_NOSIGNAL,
    MSG_OOB,
    MSG_PEEK,
    MSG_TRUNC,
    MSG_WAITALL,
    SO_PASSCRED,
    SO_RCVLOWAT,
    SO_RCVTIMEO,
    SO_SNDTIMEO,
    SOCK_DGRAM,
    SOCK_SEQPACKET,
    SOCK_STREAM,
    SOMAXCONN,
)
from kernel.abi.signal import POLL_HUP, POLL_IN, SI_USER, SIGPIPE
from kernel.errors import Blocked, KernelError
from kernel.events import (
    SocketAccepted,
    SocketBound,
    SocketConnected,
    SocketListening,
    SocketReceived,
    SocketSent,
    SocketShutdown,
)
from kernel.fs import directory, ramfs, vfs
from kernel.fs.files import open_file, put_dropped
from kernel.fs.iov import IovIter
from kernel.fs.names import decode_name
from kernel.net import scm
from kernel.net.scm import Control, Room
from kernel.net.socket import (
    ABSTRACT,
    CLOSED,
    ESTABLISHED,
    LISTENING,
    NOBODY,
    RCV_SHUTDOWN,
    SEND_SHUTDOWN,
    SHUTDOWN_MASK,
    SKB_FRAGS,
    SKB_MAX_HEAD,
    add_inode,
    changed,
    create,
    drop_messages,
    forget,
    hold,
    is_connection,
    is_full,
    let_go,
    memory_of,
    own_cred,
    raise_error,
    readable,
    send_buffer,
    taken,
    tell,
    tell_strangers,
)
from kernel.signals.state import send_signal, signal_pending
from kernel.tables import Message, OpenFile, SigInfo, Socket

if TYPE_CHECKING:
    from kernel.kernel import Kernel

_FAMILY = AF_UNIX.to_bytes(2, "little")
_MAX_NAME = 108
PART_OF_RAM = 4
"""All messages on their way take at most so large a part of the machine's memory: then ENOBUFS."""


def new_file(k: Kernel, one: Socket, flags: int) -> OpenFile:
    """The open file of a socket; `flags` may have O_NONBLOCK."""
    add_inode(k, one)
    file = open_file(k, "socket", O_RDWR | flags, one.id, one.id, f"socket:[{one.id}]")
    one.file = file.id
    return file


def connect_pair(k: Kernel, one: Socket, other: Socket) -> None:
    """socketpair: each is the other's peer."""
    for a, b in ((one, other), (other, one)):
        a.peer = b.id
        a.state = ESTABLISHED
        a.peer_cred = own_cred(k)
    k.emit(SocketConnected(one.id, other.id))
    k.emit(SocketConnected(other.id, one.id))


# --- waiting ------------------------------------------------------------------------------------------------


def _wait(k: Kernel, one: Socket, queue: str, option: int, nonblock: bool, *progress: int) -> None:
    """Sleep on `queue`, at most as long as SO_RCVTIMEO or SO_SNDTIMEO say. EAGAIN when that is over."""
    if nonblock:
        raise KernelError(Errno.EAGAIN)
    limit = one.options.get(option, 0)
    known = k.task.progress
    deadline = known[1] if known else k.now + limit if limit else -1
    if 0 <= deadline <= k.now:
        raise KernelError(Errno.EAGAIN)
    k.task.progress = [progress[0] if progress else 0, deadline, *progress[1:]]
    raise Blocked(queue, deadline=deadline, restart=Errno.EINTR if limit else 512)


def is_nonblock(file: OpenFile, flags: int) -> bool:
    return bool(file.flags & O_NONBLOCK or flags & MSG_DONTWAIT)


# --- names --------------------------------------------------------------------------------------------------


def address_of(one: Socket | None) -> bytes:
    """As getsockname gives it."""
    return _FAMILY + (one.name if one is not None else b"")


def _name_in(address: bytes) -> bytes:
    """`unix_validate_addr`: what is in sun_path, a path without its NUL. EINVAL."""
    if not 2 < len(address) <= 2 + _MAX_NAME or address[:2] != _FAMILY:
        raise KernelError(Errno.EINVAL)
    name = address[2:]
    return name if name[:1] == b"\0" else name.split(b"\0")[0]


def bind(k: Kernel, one: Socket, address: bytes) -> None:
    """A path, which becomes a file, an abstract name, or one that the kernel finds."""
    if address == _FAMILY:
        _autobind(k, one)
        return
    name = _name_in(address)
    if name[:1] == b"\0":
        if one.name:
            raise KernelError(Errno.EINVAL)
        if _find_abstract(k, name, one.type) is not None:
            raise KernelError(Errno.EADDRINUSE)
        one.bound = ABSTRACT
        _named(k, one, name)
        return
    try:
        found = directory.free_name(k, decode_name(name))
        if one.name:
            directory.writable_parent(k, found)
            raise KernelError(Errno.EINVAL)
        inode = directory.create(k, found, S_IFSOCK | 0o777)
    except KernelError as error:
        if error.errno == Errno.EEXIST:
            raise KernelError(Errno.EADDRINUSE) from None
        raise
    inode.opened += 1
    one.bound = inode.ino
    _named(k, one, name + b"\0")


def _named(k: Kernel, one: Socket, name: bytes) -> None:
    one.name = name
    k.emit(SocketBound(one.id, name))


def _autobind(k: Kernel, one: Socket) -> None:
    """A name of five hexadecimal digits, unless it has one. Linux begins somewhere, we at 1."""
    if one.name:
        return
    t = k.tables
    while True:
        t.autobind = (t.autobind + 1) & 0xFFFFF
        name = b"\0%05x" % t.autobind
        if _find_abstract(k, name, one.type) is None:
            one.bound = ABSTRACT
            _named(k, one, name)
            return


def _find_abstract(k: Kernel, name: bytes, kind: int) -> Socket | None:
    for other in k.tables.sockets.values():
        if other.bound == ABSTRACT and other.name == name and other.type == kind and not other.closed:
            return other
    return None


def find(k: Kernel, one: Socket, address: bytes) -> Socket:
    """Whom an address names (`unix_find_other`). ECONNREFUSED if nobody has it, EPROTOTYPE, EACCES."""
    name = _name_in(address)
    if name[:1] == b"\0":
        other = _find_abstract(k, name, one.type)
        if other is None:
            raise KernelError(Errno.ECONNREFUSED)
        return other
    found = vfs.walk(k, k.task, decode_name(name))
    inode = vfs.insist(k, found)
    vfs.need(k.task, inode, vfs.MAY_WRITE)
    if inode.mode & S_IFMT != S_IFSOCK:
        raise KernelError(Errno.ECONNREFUSED)
    for other in k.tables.sockets.values():
        if other.bound == inode.ino and not other.closed:
            if other.type != one.type:
                raise KernelError(Errno.EPROTOTYPE)
            ramfs.accessed(k, inode)
            return other
    raise KernelError(Errno.ECONNREFUSED)


def peer_of(k: Kernel, one: Socket) -> Socket:
    """ENOTCONN without one; it may be closed."""
    if not one.peer:
        raise KernelError(Errno.ENOTCONN)
    return k.tables.sockets[one.peer]


# --- connections --------------------------------------------------------------------------------------------


def connect(k: Kernel, file: OpenFile, address: bytes) -> None:
    one = k.tables.sockets[file.object]
    if len(address) < 2:
        raise KernelError(Errno.EINVAL)
    if one.type == SOCK_DGRAM:
        _connect_datagrams(k, one, address)
        return
    _name_in(address)
    if one.options.get(SO_PASSCRED):
        _autobind(k, one)
    listener = find(k, one, address)
    if listener.state != LISTENING or listener.shut & RCV_SHUTDOWN:
        raise KernelError(Errno.ECONNREFUSED)
    if is_full(listener):
        _wait(k, one, f"socket:{listener.id}:peer", SO_SNDTIMEO, is_nonblock(file, 0))
    if one.state != CLOSED:
        raise KernelError(Errno.EISCONN if one.state == ESTABLISHED else Errno.EINVAL)
    other = create(k, one.type)
    other.name = listener.name
    other.state = one.state = ESTABLISHED
    other.peer, one.peer = one.id, other.id
    one.peer_cred, other.peer_cred = list(listener.peer_cred), own_cred(k)
    if SO_PASSCRED in listener.options:
        other.options[SO_PASSCRED] = listener.options[SO_PASSCRED]
    if other.name:
        k.emit(SocketBound(other.id, other.name))
    listener.pending.append(other.id)
    k.emit(SocketConnected(one.id, other.id, listener.id))
    readable(k, listener)


def _connect_datagrams(k: Kernel, one: Socket, address: bytes) -> None:
    """Whom it sends to, and hears from alone. AF_UNSPEC: nobody in particular."""
    before = one.peer
    if address[:2] == b"\0\0":
        number = 0
    else:
        _name_in(address)
        if one.options.get(SO_PASSCRED):
            _autobind(k, one)
        other = find(k, one, address)
        if other.peer and other.peer != one.id:
            raise KernelError(Errno.EPERM)
        number = other.id
    one.peer = number
    one.state = ESTABLISHED if number else CLOSED
    k.emit(SocketConnected(one.id, number))
    if before and before != number:
        _disconnected(k, one, before)
    if number:
        peer = k.tables.sockets[number]
        if peer.peer == one.id:
            one.state = peer.state = ESTABLISHED


def _disconnected(k: Kernel, one: Socket, before: int) -> None:
    """What came from the old peer is gone, and that one hears of it (`unix_dgram_disconnected`)."""
    if one.queue:
        count = len(one.queue)
        drop_messages(k, one)
        k.emit(SocketReceived(one.id, count, 0))
        put_dropped(k)
    other = k.tables.sockets[before]
    if other.peer == one.id and not other.closed:
        other.error = Errno.ECONNRESET
        changed(k, other)
    forget(k, before)


def listen(k: Kernel, one: Socket, backlog: int) -> None:
    if not is_connection(one):
        raise KernelError(Errno.EOPNOTSUPP)
    if not one.name or one.state == ESTABLISHED:
        raise KernelError(Errno.EINVAL)
    backlog = min(backlog, SOMAXCONN)
    grown = backlog > one.backlog
    one.backlog = backlog
    one.state = LISTENING
    one.peer_cred = own_cred(k)
    k.emit(SocketListening(one.id, backlog))
    if grown:
        tell_strangers(k, one)


def accept(k: Kernel, file: OpenFile) -> Socket:
    """The first connection that waits, or waits for one."""
    one = k.tables.sockets[file.object]
    if not is_connection(one):
        raise KernelError(Errno.EOPNOTSUPP)
    if one.state != LISTENING:
        raise KernelError(Errno.EINVAL)
    raise_error(one)
    if not one.pending:
        if one.shut & RCV_SHUTDOWN:
            raise KernelError(Errno.EINVAL)
        _wait(k, one, f"socket:{one.id}:read", SO_RCVTIMEO, is_nonblock(file, 0))
    other = k.tables.sockets[one.pending.pop(0)]
    k.emit(SocketAccepted(one.id, other.id))
    tell_strangers(k, one)
    return other


def shutdown(k: Kernel, one: Socket, how: int) -> None:
    """0 receiving, 1 sending, 2 both; what the peer can do no more follows from it."""
    if how > 2:
        raise KernelError(Errno.EINVAL)
    mode = how + 1
    _shut(k, one, mode)
    peer = k.tables.sockets.get(one.peer)
    if peer is not None and is_connection(one) and not peer.closed:
        other = (SEND_SHUTDOWN if mode & RCV_SHUTDOWN else 0) | (RCV_SHUTDOWN if mode & SEND_SHUTDOWN else 0)
        _shut(k, peer, other)
        if other == SHUTDOWN_MASK:
            tell(k, peer, POLL_HUP)
        elif other & RCV_SHUTDOWN:
            tell(k, peer, POLL_IN)


def _shut(k: Kernel, one: Socket, mode: int) -> None:
    one.shut |= mode
    k.emit(SocketShutdown(one.id, one.shut))
    changed(k, one)


# --- sending ------------------------------------------------------------------------------------------------


def send(
    k: Kernel, file: OpenFile, source: IovIter, flags: int, control: Control, address: bytes = b""
) -> int:
    one = k.tables.sockets[file.object]
    if flags & MSG_OOB:
        raise KernelError(Errno.EOPNOTSUPP)
    nonblock = is_nonblock(file, flags)
    if one.type == SOCK_STREAM:
        return _send_stream(k, one, source, flags, nonblock, control, address)
    if one.type == SOCK_SEQPACKET:
        raise_error(one)
        if one.state != ESTABLISHED:
            raise KernelError(Errno.ENOTCONN)
        address = b""
    return _send_message(k, one, source, nonblock, control, address)


def _send_stream(
    k: Kernel, one: Socket, source: IovIter, flags: int, nonblock: bool, control: Control, address: bytes
) -> int:
    """All of it, in pieces, waiting for room as often as needed."""
    if address:
        raise KernelError(Errno.EISCONN if one.state == ESTABLISHED else Errno.EOPNOTSUPP)
    peer = peer_of(k, one)
    done = k.task.progress[0] if k.task.progress else 0
    source.advance(done)
    try:
        if one.shut & SEND_SHUTDOWN:
            raise KernelError(Errno.EPIPE)
        while source.count:
            size = min(source.count, (send_buffer(one) >> 1) - 64, SKB_MAX_HEAD + SKB_FRAGS)
            _need_room(k, one, nonblock, done)
            data = source.take(k, size)
            if len(data) < size:
                raise KernelError(Errno.EFAULT)
            if peer.closed or peer.shut & RCV_SHUTDOWN:
                raise KernelError(Errno.EPIPE)
            _queue(k, one, peer, data, control.files if not done else [], control.cred)
            done += size
    except KernelError as error:
        if done:
            return done
        if error.errno == Errno.EPIPE and not flags & MSG_NOSIGNAL:
            task = k.task
            info = SigInfo(SIGPIPE, SI_USER, pid=task.tgid, uid=task.cred.uid)
            send_signal(k, task, info, shared=False)
        raise
    return done


def _need_room(k: Kernel, one: Socket, nonblock: bool, done: int) -> None:
    """`sock_alloc_send_pskb`."""
    raise_error(one)
    if one.shut & SEND_SHUTDOWN:
        raise KernelError(Errno.EPIPE)
    if one.memory < send_buffer(one):
        if k.tables.socket_memory > k.ram.size // PART_OF_RAM:
            raise KernelError(Errno.ENOBUFS)
        return
    one.no_space = True
    if done and signal_pending(k, k.task):
        raise KernelError(Errno.EINTR)
    _wait(k, one, f"socket:{one.id}:write", SO_SNDTIMEO, nonblock, done)


def _send_message(
    k: Kernel, one: Socket, source: IovIter, nonblock: bool, control: Control, address: bytes
) -> int:
    """One message: all or nothing."""
    if address:
        _name_in(address)
    else:
        peer_of(k, one)
    if one.options.get(SO_PASSCRED):
        _autobind(k, one)
    size = source.count
    if size > send_buffer(one) - 32:
        raise KernelError(Errno.EMSGSIZE)
    _need_room(k, one, nonblock, 0)
    data = source.take(k, size)
    if len(data) < size:
        raise KernelError(Errno.EFAULT)
    other = find(k, one, address) if address else peer_of(k, one)
    if other.peer and other.peer != one.id and not other.closed:
        raise KernelError(Errno.EPERM)
    if other.closed:
        if one.type == SOCK_SEQPACKET:
            raise KernelError(Errno.EPIPE)
        one.peer = 0
        one.state = CLOSED
        _disconnected(k, one, other.id)
        raise KernelError(Errno.ECONNREFUSED)
    if other.shut & RCV_SHUTDOWN:
        raise KernelError(Errno.EPIPE)
    if other is not one and other.peer != one.id and is_full(other):
        one.no_space = True
        _wait(k, one, f"socket:{other.id}:peer", SO_SNDTIMEO, nonblock)
    _queue(k, one, other, data, control.files, control.cred)
    return size


def _queue(k: Kernel, one: Socket, other: Socket, data: bytes, files: list[int], cred: list[int]) -> None:
    if not cred and (one.options.get(SO_PASSCRED) or other.options.get(SO_PASSCRED) or not other.file):
        task = k.task
        cred = [task.tgid, task.cred.uid, task.cred.gid]
    memory = memory_of(one.type, len(data))
    hold(k, files)
    other.queue.append(Message(data, one.id, memory, one.name, list(files), list(cred)))
    one.memory += memory
    k.tables.socket_memory += memory
    k.emit(SocketSent(other.id, one.id, data, tuple(files)))
    readable(k, other)


# --- receiving ----------------------------------------------------------------------------------------------


class Received:
    """What a call got: bytes, MSG_* of the message, the sender's address (None: not told)."""

    __slots__ = ("address", "count", "flags")

    def __init__(self, count: int = 0, flags: int = 0, address: bytes | None = None) -> None:
        self.count = count
        self.flags = flags
        self.address = address


def receive(k: Kernel, file: OpenFile, to: IovIter, flags: int, room: Room | None = None) -> Received:
    """`room` None: control messages are not asked for (read, recv)."""
    one = k.tables.sockets[file.object]
    if flags & MSG_OOB:
        raise KernelError(Errno.EOPNOTSUPP if one.type != SOCK_STREAM else Errno.EINVAL)
    nonblock = is_nonblock(file, flags)
    if one.type == SOCK_STREAM:
        return _receive_stream(k, one, to, flags, nonblock, room)
    if one.type == SOCK_SEQPACKET and one.state != ESTABLISHED:
        raise KernelError(Errno.ENOTCONN)
    return _receive_message(k, one, to, flags, nonblock, room)


def _sender(k: Kernel, message: Message) -> bytes | None:
    """Its address, None if it has none (`unix_copy_addr`)."""
    sender = k.tables.sockets.get(message.sender)
    name = sender.name if sender is not None else message.name
    return _FAMILY + name if name else None


def _give_control(
    k: Kernel, one: Socket, control: Control, room: Room | None, flags: int, peek: bool
) -> None:
    """The receiver's descriptors for what was passed; the message's own references go, unless it stays."""
    scm.give(k, one, control, room, flags)
    if not peek:
        _drop(k, control.files)


def _drop(k: Kernel, numbers: list[int]) -> None:
    """A message that had these open files is gone."""
    if numbers:
        let_go(k, numbers)
        k.tables.dropped.extend(numbers)
        put_dropped(k)


def _receive_message(
    k: Kernel, one: Socket, to: IovIter, flags: int, nonblock: bool, room: Room | None
) -> Received:
    """One message, as far as there is room for it; the rest of it is lost."""
    raise_error(one)
    if not one.queue:
        if one.shut & RCV_SHUTDOWN and (one.type == SOCK_SEQPACKET or not nonblock):
            return Received()
        _wait(k, one, f"socket:{one.id}:read", SO_RCVTIMEO, nonblock)
    message = one.queue[0]
    peek = bool(flags & MSG_PEEK)
    out = Received(address=_sender(k, message))
    size = min(to.count, len(message.data))
    if size < len(message.data):
        out.flags |= MSG_TRUNC
    copied = to.give(k, message.data[:size])
    control = Control(message.files, message.cred)
    if not peek:
        taken(k, one, 1)
    if copied < size:
        if not peek:
            _drop(k, control.files)
        raise KernelError(Errno.EFAULT)
    _give_control(k, one, control, room, flags, peek)
    out.count = len(message.data) if flags & MSG_TRUNC else size
    return out


def _place_of(one: Socket, offset: int) -> tuple[int, int]:
    """The message that has the stream's byte `offset`, and where in it."""
    place = 0
    while place < len(one.queue) and offset >= len(one.queue[place].data):
        offset -= len(one.queue[place].data)
        place += 1
    return place, offset if place < len(one.queue) else 0


def _receive_stream(
    k: Kernel, one: Socket, to: IovIter, flags: int, nonblock: bool, room: Room | None
) -> Received:
    """What is there, at least SO_RCVLOWAT; with MSG_WAITALL all that is wanted (`unix_stream_read_generic`).

    Bytes of different senders are never given together if the receiver wants to know who they are, and no
    bytes from behind a message with descriptors.
    """
    if one.state != ESTABLISHED:
        raise KernelError(Errno.EINVAL)
    peek = bool(flags & MSG_PEEK)
    known = k.task.progress
    done = known[0] if known else 0
    cred = list(known[2:5])
    target = to.count if flags & MSG_WAITALL else min(one.options.get(SO_RCVLOWAT, 1), to.count)
    to.advance(done)
    out = Received()
    files: list[int] = []
    place, skip = _place_of(one, done) if peek else (0, 0)
    wants_cred = bool(one.options.get(SO_PASSCRED))
    while True:
        if place >= len(one.queue):
            if done >= (target or 1):
                break
            try:
                raise_error(one)
                if one.shut & RCV_SHUTDOWN:
                    break
                if done and (nonblock or signal_pending(k, k.task)):
                    break
                _wait(k, one, f"socket:{one.id}:read", SO_RCVTIMEO, nonblock, done, *cred)
            except KernelError:
                if done:
                    break
                raise
        message = one.queue[place]
        its = message.cred or [0, NOBODY, NOBODY]
        if wants_cred:
            if cred and cred != its:
                break
            cred = its
        out.address = out.address or _sender(k, message)
        size = min(to.count, len(message.data) - skip)
        if to.give(k, message.data[skip : skip + size]) < size:
            if not done:
                raise KernelError(Errno.EFAULT)
            break
        done += size
        skip = 0
        files = message.files
        if peek:
            place += 1
        else:
            message.files = []
            whole = size == len(message.data)
            taken(k, one, int(whole), 0 if whole else size)
            if not whole:
                break
        if files or not to.count:
            break
    _give_control(k, one, Control(files, cred), room, flags, peek)
    out.count = done
    return out


# --- as files -----------------------------------------------------------------------------------------------


def read(k: Kernel, file: OpenFile, to: IovIter, _at: int | None) -> int:
    return receive(k, file, to, 0).count if to.count else 0


def write(k: Kernel, file: OpenFile, source: IovIter, _at: int | None) -> int:
    return send(k, file, source, 0, Control())
