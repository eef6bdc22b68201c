"""Files: descriptors and what they lead to, pipes, streams, names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.state.state import State
from app.strace.text import flags
from app.tellers.people import open_file, plural, who, with_table
from app.tellers.quoting import data
from kernel import events as e
from kernel.abi import files as f
from kernel.abi.ipc import SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM
from kernel.abi.signal import signal_name

KINDS = {
    f.S_IFDIR: "directory",
    f.S_IFCHR: "character device",
    f.S_IFBLK: "block device",
    f.S_IFIFO: "named pipe",
    f.S_IFLNK: "symbolic link",
    f.S_IFSOCK: "socket",
    f.S_IFREG: "file",
}


def _table(event: e.DescriptorTableCreated, state: State) -> str:
    if not event.source:
        return "A table of descriptors is made, empty."
    copied = state.machine.fdtables.get(event.fdtable, {})
    fds = " ".join(map(str, sorted(copied)))
    return (
        f"{who(state)}'s table of descriptors is copied"
        + (f": {fds} lead to the same open files in both" if fds else "")
        + ", with one file position for both."
    )


def _opened(event: e.FileOpened, state: State) -> str:
    return f"An open file is made, with position 0 and flags of its own: {open_file(state, event.file)}."


def _installed(event: e.DescriptorInstalled, state: State) -> str:
    owner = with_table(state, event.fdtable)
    return (
        f"Descriptor {event.fd}{f' of {owner}' if owner else ''} leads to {open_file(state, event.file)} now."
    )


def _closed(event: e.DescriptorClosed, state: State) -> str:
    owner = with_table(state, event.fdtable)
    return f"Descriptor {event.fd}{f' of {owner}' if owner else ''} is closed: its number is free."


def _written(event: e.PipeWritten, state: State) -> str:
    pipe = state.machine.pipes.get(event.pipe)
    inside = len(pipe.data) if pipe is not None else 0
    return (
        f"{who(state)} puts {plural(len(event.data), 'byte')} into pipe {event.pipe}: {data(event.data)}."
        f" {inside:,} {'is' if inside == 1 else 'are'} in it."
    )


def _read(event: e.PipeRead, state: State) -> str:
    pipe = state.machine.pipes.get(event.pipe)
    left = len(pipe.data) if pipe is not None else 0
    last = state.transfer
    what = f": {data(last.data)}" if last is not None and last.taken and last.data else ""
    return (
        f"{who(state)} takes {plural(event.count, 'byte')} out of pipe {event.pipe}{what}."
        f" {f'{left:,} are left in it' if left else 'It is empty now'}."
    )


def _ends(event: e.PipeEndsChanged, state: State) -> str:
    told = (
        f"Pipe {event.pipe} has {plural(event.readers, 'open end')} to read from and {event.writers:,} to"
        " write to"
    )
    if not event.writers and event.readers:
        return f"{told}: without a writer, whoever finds it empty has reached the end of file."
    if not event.readers and event.writers:
        return f"{told}: without a reader, a write gets SIGPIPE and EPIPE."
    return f"{told}."


SOCKET_TYPES = {SOCK_STREAM: "a stream", SOCK_DGRAM: "datagrams", SOCK_SEQPACKET: "messages in their order"}


def _socket_name(name: bytes) -> str:
    text = name.lstrip(b"\0").rstrip(b"\0").decode(errors="replace")
    return f"@{text}, an abstract name" if name[:1] == b"\0" else text


def _connected(event: e.SocketConnected, state: State) -> str:
    if not event.peer:
        return f"Socket {event.socket} is connected with nobody any more."
    if event.listener:
        return (
            f"{who(state)} connects socket {event.socket}: its other end, socket {event.peer}, waits at"
            f" socket {event.listener} to be accepted."
        )
    return f"What is sent through socket {event.socket} goes to socket {event.peer} from now on."


def _sent(event: e.SocketSent, state: State) -> str:
    one = state.machine.sockets.get(event.socket)
    waiting = sum(len(data) for data, _files in one.queue) if one is not None else 0
    passed = f", with {plural(len(event.files), 'open file')} passed along" if event.files else ""
    return (
        f"{who(state)} sends {plural(len(event.data), 'byte')} to socket {event.socket}: {data(event.data)}"
        f"{passed}. {waiting:,} {'waits' if waiting == 1 else 'wait'} there to be received."
    )


def _received(event: e.SocketReceived, state: State) -> str:
    one = state.machine.sockets.get(event.socket)
    left = sum(len(data) for data, _files in one.queue) if one is not None else 0
    last = state.transfer
    what = f": {data(last.data)}" if last is not None and last.taken and last.data else ""
    parts = [plural(event.messages, "message")] if event.messages else []
    parts += [f"{plural(event.count, 'byte')} of one"] if event.count else []
    taken = " and ".join(parts)
    if one is not None and one.type == SOCK_STREAM and last is not None and last.taken:
        taken = plural(len(last.data), "byte")  # where one message ends and the next begins is not to be seen
    return (
        f"{who(state)} receives {taken} from socket {event.socket}{what}."
        f" {f'{left:,} bytes are left in it' if left else 'Nothing is left in it'}."
    )


def _shutdown(event: e.SocketShutdown, state: State) -> str:
    match event.how:
        case 1:
            return f"Socket {event.socket} receives nothing more: a read of it is at the end of file."
        case 2:
            return f"Socket {event.socket} sends nothing more: its peer reads the end of file."
    return f"Socket {event.socket} neither receives nor sends any more; what waits in it can still be read."


def _file_written(event: e.FileWritten, state: State) -> str:
    path = state.paths.get(event.inode, "") or next(
        (one.path for one in state.machine.files.values() if one.inode == event.inode and one.path),
        f"inode {event.inode}",
    )
    return (
        f"{who(state)} writes {plural(event.count, 'byte')} to {path} at offset {event.offset:,}, into the"
        " page cache."
    )


def _created(event: e.InodeCreated, state: State) -> str:
    kind = KINDS.get(event.mode & f.S_IFMT, "file")
    article = "A"
    if not event.path:
        return f"{article} {kind} without a name is made."
    device = kind.endswith("device") and event.path.count("/") == 1
    return f"{article} {kind} is made: {event.path.removeprefix('/') if device else event.path}."


def _queue_name(mqueue: int, state: State) -> str:
    one = state.machine.mqueues.get(mqueue)
    return f"/{one.name}" if one is not None else f"{mqueue}"


def _queued(event: e.MessageQueueSent, state: State) -> str:
    one = state.machine.mqueues.get(event.mqueue)
    waiting = len(one.messages) if one is not None else 0
    return (
        f"{who(state)} sends {plural(len(event.data), 'byte')} to message queue"
        f" {_queue_name(event.mqueue, state)}, with priority {event.priority}: {data(event.data)}."
        f" {plural(waiting, 'message')} {'waits' if waiting == 1 else 'wait'} there."
    )


def _unqueued(event: e.MessageQueueReceived, state: State) -> str:
    one = state.machine.mqueues.get(event.mqueue)
    last = state.transfer
    what = f": {data(last.data)}" if last is not None and last.taken and last.data else ""
    left = len(one.messages) if one is not None else 0
    return (
        f"{who(state)} receives the first message of queue {_queue_name(event.mqueue, state)}{what}."
        f" {plural(left, 'message') if left else 'Nothing'} {'is' if left < 2 else 'are'} left in it."
    )


def _told_of(event: e.MessageQueueNotifySet, state: State) -> str:
    name = _queue_name(event.mqueue, state)
    if not event.task:
        return f"Nobody is told any more when a message comes to the empty queue {name}."
    signal = signal_name(event.signo) if event.signo else "nothing, but nobody else can ask for it"
    return f"When a message comes to the empty queue {name}, who asked for it gets {signal}."


TELLERS: dict[type, Callable[[Any, State], str]] = {
    e.MessageQueueCreated: lambda ev, s: (
        f"{who(s)} makes message queue /{ev.name}, for {plural(ev.maxmsg, 'message')} of up to"
        f" {ev.msgsize:,} bytes."
    ),
    e.MessageQueueSent: _queued,
    e.MessageQueueReceived: _unqueued,
    e.MessageQueueNotifySet: _told_of,
    e.MessageQueueRemoved: lambda ev, s: (
        f"Message queue {ev.mqueue} has neither a name nor an open file any more, and is gone."
    ),
    e.SocketCreated: lambda ev, s: (
        f"{who(s)} makes socket {ev.socket}, for {SOCKET_TYPES.get(ev.type, 'messages')}."
    ),
    e.SocketBound: lambda ev, s: f"Socket {ev.socket} has a name now: {_socket_name(ev.name)}.",
    e.SocketListening: lambda ev, s: (
        f"Socket {ev.socket} listens: {plural(ev.backlog + 1, 'connection')} may wait to be accepted."
    ),
    e.SocketConnected: _connected,
    e.SocketAccepted: lambda ev, s: (
        f"{who(s)} accepts the connection that waited longest at socket {ev.listener}: socket {ev.socket}."
    ),
    e.SocketSent: _sent,
    e.SocketReceived: _received,
    e.SocketShutdown: _shutdown,
    e.SocketClosed: lambda ev, s: f"Socket {ev.socket} is gone, with what nobody has received from it.",
    e.DescriptorTableCreated: _table,
    e.DescriptorTableDropped: lambda ev, s: (
        f"{who(s)}'s table of descriptors is given back; every descriptor in it is closed."
    ),
    e.DescriptorTableUnshared: lambda ev, s: (
        f"{who(s)} shares its descriptors with nobody any more: it has a table of its own."
    ),
    e.FileOpened: _opened,
    e.FileClosed: lambda ev, s: "No descriptor leads to that open file any more: it is given back.",
    e.FileFlagsSet: lambda ev, s: f"An open file has other flags now: {flags(ev.flags, 'open')}.",
    e.DescriptorInstalled: _installed,
    e.DescriptorClosed: _closed,
    e.PipeCreated: lambda ev, s: (
        f"{'A pipe is made' if not ev.fifo else 'A named pipe is opened'}, number {ev.pipe}:"
        f" a buffer in the kernel with room for {ev.capacity:,} bytes."
    ),
    e.PipeWritten: _written,
    e.PipeRead: _read,
    e.PipeEndsChanged: _ends,
    e.StreamWritten: lambda ev, s: f"{who(s)} writes to stream {ev.stream}: {data(ev.data)}.",
    e.FileWritten: _file_written,
    e.InodeCreated: _created,
    e.NameRemoved: lambda ev, s: (
        f"The name {ev.path} is gone; its inode stays as long as somebody has it open."
    ),
    e.Mounted: lambda ev, s: (
        f"A file system of type {ev.type} is mounted on {ev.path}: what the directory held is covered."
    ),
    e.MountFlagsSet: lambda ev, s: f"{ev.path} is mounted with other flags: {ev.flags:#x}.",
    e.Unmounted: lambda ev, s: f"{ev.path} is mounted no more: what it covered is seen again.",
}
