"""Sockets as open files: made, closed, polled, and what room they have (Linux's net/core/sock.c).

A message counts against its sender's SO_SNDBUF until it is read, with what Linux takes for it: a header, and
memory in powers of two or pages. A sender that found no room is woken when three quarters are free.

Who waits sleeps on `socket:ID:read` or `socket:ID:write`; for room in another one's queue on that one's
`socket:ID:peer`.

Open files that are passed along (SCM_RIGHTS) are held by the message that has them. Sockets that only hold
each other so are found when one is closed (net/unix/garbage.c) and their messages given up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel import uaccess
from kernel.abi.errno import Errno
from kernel.abi.files import (
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLOUT,
    POLLRDHUP,
    POLLRDNORM,
    POLLWRBAND,
    POLLWRNORM,
    S_IFSOCK,
)
from kernel.abi.ipc import SO_RCVBUF, SO_SNDBUF, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM
from kernel.abi.signal import POLL_HUP, POLL_IN, POLL_OUT
from kernel.abi.tty import FIONREAD, TIOCOUTQ
from kernel.errors import KernelError
from kernel.events import SocketClosed, SocketCreated, SocketReceived, SocketShutdown
from kernel.fs import fasync
from kernel.fs.ramfs import release_inode
from kernel.tables import Inode, Message, OpenFile, Socket
from kernel.wait import wake_up

if TYPE_CHECKING:
    from kernel.kernel import Kernel

CLOSED, LISTENING, ESTABLISHED = 0, 1, 2
"""`Socket.state`. A socket of datagrams is ESTABLISHED while it is connected."""
RCV_SHUTDOWN, SEND_SHUTDOWN, SHUTDOWN_MASK = 1, 2, 3
ABSTRACT = -1
"""`Socket.bound` of a name that is in no file system."""
MAX_SOCKETS = 8192
DEFAULT_BUFFER = 212_992
"""net.core.wmem_default and rmem_default; the most that setsockopt gives is twice as much."""
NOBODY = 65534

_PAGE = 4096
_INFO, _SKB = 320, 256
"""sizeof(struct skb_shared_info) and struct sk_buff, aligned, on x86-64."""
SKB_MAX_HEAD = _PAGE - _INFO
SKB_MAX_ALLOC = 4 * _PAGE - _INFO
SKB_FRAGS = 32768


def is_connection(one: Socket) -> bool:
    return one.type in (SOCK_STREAM, SOCK_SEQPACKET)


def create(k: Kernel, kind: int) -> Socket:
    """A socket without a file. ENFILE when there are too many."""
    if len(k.tables.sockets) >= MAX_SOCKETS:
        raise KernelError(Errno.ENFILE)
    one = Socket(k.new_id(), kind)
    k.tables.sockets[one.id] = one
    k.emit(SocketCreated(one.id, kind))
    return one


def add_inode(k: Kernel, one: Socket) -> None:
    """An inode of the same number, for `fstat`."""
    cred = k.task.cred
    inode = Inode(ino=one.id, mode=S_IFSOCK | 0o777, uid=cred.fsuid, gid=cred.fsgid)
    inode.atime = inode.mtime = inode.ctime = inode.btime = k.now
    k.tables.inodes[one.id] = inode


def own_cred(k: Kernel) -> list[int]:
    task = k.task
    return [task.tgid, task.cred.euid, task.cred.egid]


def tell(k: Kernel, one: Socket, reason: int) -> None:
    """Those who asked for SIGIO hear of it."""
    if k.tables.asyncs:
        fasync.tell(k, "socket", one.id, reason)


def readable(k: Kernel, one: Socket) -> None:
    """Something is in its queue (`sk_data_ready`)."""
    wake_up(k, f"socket:{one.id}:read")
    tell(k, one, POLL_IN)


def changed(k: Kernel, one: Socket) -> None:
    """Who waits for anything at the socket looks again (`sk_state_change`)."""
    wake_up(k, f"socket:{one.id}:read")
    wake_up(k, f"socket:{one.id}:write")


def take_error(one: Socket) -> int:
    error, one.error = one.error, 0
    return error


def raise_error(one: Socket) -> None:
    """`sock_error`: what has happened to it meanwhile, once."""
    if one.error:
        raise KernelError(take_error(one))


# --- room ---------------------------------------------------------------------------------------------------


def _rounded(size: int) -> int:
    return max(512, 1 << (size - 1).bit_length())


def memory_of(kind: int, size: int) -> int:
    """What a message of `size` bytes takes (`skb->truesize`)."""
    if kind == SOCK_STREAM:
        paged = max(0, size - SKB_MAX_HEAD)
        paged = min(size, -(-paged // _PAGE) * _PAGE)
    else:
        paged = -(-max(0, size - SKB_MAX_ALLOC) // _PAGE) * _PAGE
    head = -(-max(0, size - paged) // 64) * 64
    return _rounded(head + _INFO) + _SKB + -(-paged // _PAGE) * _PAGE


def send_buffer(one: Socket) -> int:
    return one.options.get(SO_SNDBUF, DEFAULT_BUFFER)


def receive_buffer(one: Socket) -> int:
    return one.options.get(SO_RCVBUF, DEFAULT_BUFFER)


def has_room(one: Socket) -> bool:
    """Worth to be told of (`unix_writable`)."""
    return one.state != LISTENING and one.memory * 4 <= send_buffer(one)


def is_full(one: Socket) -> bool:
    """No more connections or strangers' messages go into its queue (`unix_recvq_full`)."""
    return len(one.pending) + len(one.queue) > one.backlog


def give_back(k: Kernel, message: Message) -> None:
    """A message was read or is gone: its sender has that much room again (`sock_wfree`)."""
    k.tables.socket_memory -= message.memory
    sender = k.tables.sockets.get(message.sender)
    if sender is None:
        return
    sender.memory -= message.memory
    if has_room(sender) and not sender.closed:
        wake_up(k, f"socket:{sender.id}:write")
        if sender.no_space:
            sender.no_space = False
            tell(k, sender, POLL_OUT)


def taken(k: Kernel, one: Socket, messages: int, count: int = 0) -> None:
    """The first `messages` leave the queue, then the first `count` bytes of the next."""
    gone = one.queue[:messages]
    del one.queue[:messages]
    if count:
        one.queue[0].data = one.queue[0].data[count:]
    k.emit(SocketReceived(one.id, messages, count))
    for message in gone:
        give_back(k, message)
    if messages:
        tell_strangers(k, one)


def tell_strangers(k: Kernel, one: Socket) -> None:
    """There is room in its queue: for who sends to it, or wants to connect."""
    if one.type == SOCK_STREAM and one.state != LISTENING:
        return
    wake_up(k, f"socket:{one.id}:peer")
    for other in list(k.tables.sockets.values()):
        if other.peer == one.id and one.peer != other.id and not other.closed:
            wake_up(k, f"socket:{other.id}:write")


# --- files that are passed along ----------------------------------------------------------------------------


def hold(k: Kernel, numbers: list[int]) -> None:
    """A message has these open files from now on."""
    for number in numbers:
        k.tables.files[number].refs += 1
        k.tables.passed[number] = k.tables.passed.get(number, 0) + 1


def let_go(k: Kernel, numbers: list[int]) -> None:
    """No message has them any more; their references are still to be dropped, or are somebody else's now."""
    passed = k.tables.passed
    for number in numbers:
        passed[number] -= 1
        if not passed[number]:
            del passed[number]


def drop_messages(k: Kernel, one: Socket) -> None:
    """What nobody has read is gone."""
    queue, one.queue = one.queue, []
    for message in queue:
        give_back(k, message)
        let_go(k, message.files)
        k.tables.dropped.extend(message.files)


def _collect(k: Kernel) -> None:
    """Messages of sockets that nobody can reach any more: only other such messages have them."""
    t = k.tables
    alive = [number for number, file in t.files.items() if file.refs > t.passed.get(number, 0)]
    seen = set(alive)
    while alive:
        file = t.files[alive.pop()]
        if file.kind != "socket":
            continue
        one = t.sockets[file.object]
        for holder in (one, *(t.sockets[number] for number in one.pending)):
            for message in holder.queue:
                alive.extend(number for number in message.files if number not in seen)
                seen.update(message.files)
    for number in [number for number in t.passed if number not in seen]:
        file = t.files[number]
        if file.kind == "socket":
            one = t.sockets[file.object]
            count = len(one.queue)
            drop_messages(k, one)
            if count:
                k.emit(SocketReceived(one.id, count, 0))


# --- the end ------------------------------------------------------------------------------------------------


def release(k: Kernel, file: OpenFile) -> None:
    """The last descriptor is closed (`unix_release_sock`); what its messages held is in `Tables.dropped`."""
    _end(k, k.tables.sockets[file.object], False)
    if k.tables.passed:
        _collect(k)


def _end(k: Kernel, one: Socket, refused: bool) -> None:
    t = k.tables
    unread = bool(one.queue) or refused
    listened = one.state == LISTENING
    one.closed, one.file, one.state, one.shut = True, 0, CLOSED, SHUTDOWN_MASK
    drop_messages(k, one)
    k.emit(SocketClosed(one.id))
    peer = t.sockets.get(one.peer)
    wake_up(k, f"socket:{one.id}:peer")
    if peer is not None and not peer.closed and is_connection(one):
        if unread:
            peer.error = Errno.ECONNRESET
        if peer.shut != SHUTDOWN_MASK:
            peer.shut = SHUTDOWN_MASK
            k.emit(SocketShutdown(peer.id, peer.shut))
        changed(k, peer)
        tell(k, peer, POLL_HUP)
    for other in list(t.sockets.values()):
        if other.peer == one.id and not other.closed:
            wake_up(k, f"socket:{other.id}:write")
    one.peer = 0
    pending, one.pending = one.pending, []
    if listened:
        for number in pending:
            _end(k, t.sockets[number], True)
    bound, one.bound = one.bound, 0
    if bound > 0:
        release_inode(k, bound)
    forget(k, one.id)
    if peer is not None:
        forget(k, peer.id)


def forget(k: Kernel, number: int) -> None:
    """A closed socket goes once nobody has it for a peer."""
    sockets = k.tables.sockets
    if (
        number in sockets
        and sockets[number].closed
        and not any(other.peer == number for other in sockets.values())
    ):
        del sockets[number]


# --- poll, ioctl --------------------------------------------------------------------------------------------


def poll(k: Kernel, file: OpenFile) -> tuple[int, tuple[str, ...]]:
    """`unix_poll` and `unix_dgram_poll`."""
    one = k.tables.sockets[file.object]
    mask = POLLERR if one.error else 0
    if one.shut == SHUTDOWN_MASK:
        mask |= POLLHUP
    if one.shut & RCV_SHUTDOWN:
        mask |= POLLRDHUP | POLLIN | POLLRDNORM
    if one.queue or one.pending:
        mask |= POLLIN | POLLRDNORM
    if is_connection(one) and one.state == CLOSED:
        mask |= POLLHUP
    if has_room(one) and not (one.type != SOCK_STREAM and _peer_is_full(k, one)):
        mask |= POLLOUT | POLLWRNORM | POLLWRBAND
    else:
        one.no_space = True
    return mask, (f"socket:{one.id}:read", f"socket:{one.id}:write")


def _peer_is_full(k: Kernel, one: Socket) -> bool:
    peer = k.tables.sockets.get(one.peer)
    return peer is not None and peer.peer != one.id and is_full(peer)


def ioctl(k: Kernel, file: OpenFile, request: int, arg: int) -> int:
    """SIOCINQ: what can be read, of datagrams the first; SIOCOUTQ: the memory of what was not read."""
    one = k.tables.sockets[file.object]
    if request == FIONREAD:
        if one.state == LISTENING:
            raise KernelError(Errno.EINVAL)
        lengths = [len(message.data) for message in one.queue]
        uaccess.put_user32(k, arg, sum(lengths[:1] if one.type == SOCK_DGRAM else lengths))
    elif request == TIOCOUTQ:
        uaccess.put_user32(k, arg, one.memory)
    else:
        raise KernelError(Errno.ENOTTY)
    return 0
