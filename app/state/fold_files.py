"""Descriptors, open files, pipes, terminals, streams: what leads where and what is in it."""

from __future__ import annotations

from app.state.handlers import Handlers
from app.state.state import Output, State, Traffic, Transfer, append_output, resize_output
from kernel import events as e
from kernel.describe import (
    EventfdView,
    FileView,
    InotifyView,
    MountView,
    MqueueView,
    PipeView,
    PtyView,
    SocketView,
    TimerfdView,
)
from kernel.kernel import ORDERS

TRANSFER_SHOWN = 256
"""Bytes of the last transfer that are kept to be shown."""


def descriptor_table_created(state: State, event: e.DescriptorTableCreated) -> None:
    tables = state.machine.fdtables
    tables[event.fdtable] = dict(tables[event.source]) if event.source else {}


def descriptor_table_dropped(state: State, event: e.DescriptorTableDropped) -> None:
    del state.machine.fdtables[event.fdtable]


def descriptor_table_unshared(state: State, event: e.DescriptorTableUnshared) -> None:
    state.machine.tasks[event.task].fdtable = event.fdtable


def file_opened(state: State, event: e.FileOpened) -> None:
    state.machine.files[event.file] = FileView(event.kind, event.flags, event.inode, event.object, event.path)
    if event.kind == "epoll":
        state.machine.epolls[event.object] = {}
    elif event.kind == "inotify":
        state.machine.inotifies.setdefault(event.object, InotifyView({}, []))


def file_closed(state: State, event: e.FileClosed) -> None:
    file = state.machine.files.pop(event.file)
    match file.kind:
        case "eventfd":
            del state.machine.eventfds[file.object]
        case "timerfd":
            del state.machine.timerfds[file.object]
        case "signalfd":
            del state.machine.signalfds[file.object]
        case "epoll":
            del state.machine.epolls[file.object]
        case "inotify":
            del state.machine.inotifies[file.object]


def file_flags_set(state: State, event: e.FileFlagsSet) -> None:
    state.machine.files[event.file].flags = event.flags


def descriptor_installed(state: State, event: e.DescriptorInstalled) -> None:
    state.machine.fdtables[event.fdtable][event.fd] = event.file


def descriptor_closed(state: State, event: e.DescriptorClosed) -> None:
    del state.machine.fdtables[event.fdtable][event.fd]


def pipe_created(state: State, event: e.PipeCreated) -> None:
    state.machine.pipes[event.pipe] = PipeView(b"", 0, 0, event.capacity, event.fifo)
    state.traffic[event.pipe] = Traffic()


def _put_in(state: State, kind: str, number: int, data: bytes) -> None:
    """The current task has put data into a channel."""
    traffic = state.traffic[number]
    traffic.bytes_in += len(data)
    traffic.writes += 1
    state.transfer = Transfer(state.events_seen, state.pid, f"{kind}:{number}", False, data[:TRANSFER_SHOWN])


def _taken_out(state: State, kind: str, number: int, data: bytes) -> None:
    """And has taken some out."""
    traffic = state.traffic[number]
    traffic.bytes_out += len(data)
    traffic.reads += 1
    state.transfer = Transfer(state.events_seen, state.pid, f"{kind}:{number}", True, data[:TRANSFER_SHOWN])


def pipe_written(state: State, event: e.PipeWritten) -> None:
    state.machine.pipes[event.pipe].data += event.data
    _put_in(state, "pipe", event.pipe, event.data)


def pipe_read(state: State, event: e.PipeRead) -> None:
    pipe = state.machine.pipes[event.pipe]
    data, pipe.data = pipe.data[: event.count], pipe.data[event.count :]
    _taken_out(state, "pipe", event.pipe, data)


def pipe_ends_changed(state: State, event: e.PipeEndsChanged) -> None:
    if not event.readers and not event.writers:
        del state.machine.pipes[event.pipe], state.traffic[event.pipe]
        return
    pipe = state.machine.pipes[event.pipe]
    pipe.readers = event.readers
    pipe.writers = event.writers


def pipe_resized(state: State, event: e.PipeResized) -> None:
    state.machine.pipes[event.pipe].capacity = event.capacity


def file_locks_set(state: State, event: e.FileLocksSet) -> None:
    if event.locks:
        state.machine.locks[event.inode] = event.locks
    else:
        state.machine.locks.pop(event.inode, None)


def eventfd_set(state: State, event: e.EventfdSet) -> None:
    state.machine.eventfds[event.eventfd] = EventfdView(event.count, event.semaphore)


def timerfd_set(state: State, event: e.TimerfdSet) -> None:
    state.machine.timerfds[event.timerfd] = TimerfdView(event.clock, event.expires, event.interval)


def timerfd_expired(state: State, event: e.TimerfdExpired) -> None:
    """When it was due last stays; only whoever looks starts it again."""


def signalfd_set(state: State, event: e.SignalfdSet) -> None:
    state.machine.signalfds[event.signalfd] = event.mask


def epoll_watched(state: State, event: e.EpollWatched) -> None:
    state.machine.epolls[event.epoll][f"{event.fd}:{event.file}"] = (event.events, event.data)


def epoll_unwatched(state: State, event: e.EpollUnwatched) -> None:
    del state.machine.epolls[event.epoll][f"{event.fd}:{event.file}"]


def disk_requested(state: State, event: e.DiskRequested) -> None:
    queue = state.machine.disk
    queue[len(queue)] = (event.first, event.count, event.write)


def disk_completed(state: State, event: e.DiskCompleted) -> None:
    queue = list(state.machine.disk.values())
    state.machine.disk = dict(enumerate(queue[1:]))


def inotify_watched(state: State, event: e.InotifyWatched) -> None:
    state.machine.inotifies[event.inotify].watches[event.wd] = (event.inode, event.mask)


def inotify_unwatched(state: State, event: e.InotifyUnwatched) -> None:
    del state.machine.inotifies[event.inotify].watches[event.wd]


def inotify_queued(state: State, event: e.InotifyQueued) -> None:
    queued = (event.wd, event.mask, event.cookie, event.name)
    state.machine.inotifies[event.inotify].queued.append(queued)


def inotify_read(state: State, event: e.InotifyRead) -> None:
    del state.machine.inotifies[event.inotify].queued[: event.count]


def terminal_written(state: State, event: e.TerminalWritten) -> None:
    append_output(state.terminals.setdefault(event.terminal, Output()), event.data)


def terminal_resized(state: State, event: e.TerminalResized) -> None:
    if event.terminal not in state.machine.ptys:
        resize_output(state.terminals.setdefault(event.terminal, Output()), event.rows, event.columns)


def pty_created(state: State, event: e.PtyCreated) -> None:
    state.machine.ptys[event.pty] = PtyView()
    state.pty_traffic[event.pty] = Traffic()


def pty_ends_changed(state: State, event: e.PtyEndsChanged) -> None:
    if not event.masters and not event.slaves:
        del state.machine.ptys[event.pty], state.pty_traffic[event.pty]
        return
    pty = state.machine.ptys[event.pty]
    pty.masters = event.masters
    pty.slaves = event.slaves


def pty_typed(state: State, event: e.PtyTyped) -> None:
    traffic = state.pty_traffic[event.pty]
    traffic.bytes_in += len(event.data)
    traffic.writes += 1
    _moved(state, f"tty:{event.pty}", False, event.data)


def pty_written(state: State, event: e.PtyWritten) -> None:
    state.machine.ptys[event.pty].outgoing += event.data
    _moved(state, f"tty:{event.pty}", False, event.data)


def pty_read(state: State, event: e.PtyRead) -> None:
    pty = state.machine.ptys[event.pty]
    data = pty.outgoing[: event.count]
    pty.outgoing = pty.outgoing[event.count :]
    traffic = state.pty_traffic[event.pty]
    traffic.bytes_out += event.count
    traffic.reads += 1
    _moved(state, f"tty:{event.pty}", True, data)


def _moved(state: State, channel: str, taken: bool, data: bytes) -> None:
    state.transfer = Transfer(state.events_seen, state.pid, channel, taken, data[:TRANSFER_SHOWN])


def stream_written(state: State, event: e.StreamWritten) -> None:
    append_output(state.streams.setdefault(event.stream, Output()), event.data)


def input_arrived(state: State, event: e.InputArrived) -> None:
    if event.device in ORDERS:
        return
    device = f"{event.device}:{event.number}"
    state.arrived[device] = state.arrived.get(device, 0) + len(event.data)


def file_written(state: State, event: e.FileWritten) -> None:
    state.written[event.inode] = state.written.get(event.inode, 0) + event.count


def inode_created(state: State, event: e.InodeCreated) -> None:
    state.paths[event.inode] = event.path


def name_removed(state: State, event: e.NameRemoved) -> None:
    if state.paths.get(event.inode) == event.path:
        del state.paths[event.inode]


def mounted(state: State, event: e.Mounted) -> None:
    view = MountView(event.parent, event.path, event.type, event.source, event.flags)
    state.machine.mounts[event.mount] = view


def mount_flags_set(state: State, event: e.MountFlagsSet) -> None:
    state.machine.mounts[event.mount].flags = event.flags


def unmounted(state: State, event: e.Unmounted) -> None:
    del state.machine.mounts[event.mount]


def socket_created(state: State, event: e.SocketCreated) -> None:
    state.machine.sockets[event.socket] = SocketView(event.type)
    state.traffic[event.socket] = Traffic()


def socket_bound(state: State, event: e.SocketBound) -> None:
    state.machine.sockets[event.socket].name = event.name


def socket_listening(state: State, event: e.SocketListening) -> None:
    state.machine.sockets[event.socket].backlog = event.backlog


def socket_connected(state: State, event: e.SocketConnected) -> None:
    sockets = state.machine.sockets
    sockets[event.socket].peer = event.peer
    if event.listener:
        sockets[event.peer].peer = event.socket
        sockets[event.listener].pending.append(event.peer)


def socket_accepted(state: State, event: e.SocketAccepted) -> None:
    state.machine.sockets[event.listener].pending.remove(event.socket)


def socket_sent(state: State, event: e.SocketSent) -> None:
    state.machine.sockets[event.socket].queue.append((event.data, event.files))
    _put_in(state, "socket", event.socket, event.data)


def socket_received(state: State, event: e.SocketReceived) -> None:
    queue = state.machine.sockets[event.socket].queue
    data = b"".join(data for data, _files in queue[: event.messages])
    del queue[: event.messages]
    if event.count:
        first, _files = queue[0]
        data += first[: event.count]
        queue[0] = (first[event.count :], ())
    _taken_out(state, "socket", event.socket, data)


def socket_shutdown(state: State, event: e.SocketShutdown) -> None:
    state.machine.sockets[event.socket].shut = event.how


def socket_closed(state: State, event: e.SocketClosed) -> None:
    sockets = state.machine.sockets
    del sockets[event.socket], state.traffic[event.socket]
    for other in sockets.values():
        if other.peer == event.socket:
            other.peer = 0


def message_queue_created(state: State, event: e.MessageQueueCreated) -> None:
    state.machine.mqueues[event.mqueue] = MqueueView(event.name, event.maxmsg, event.msgsize)
    state.traffic[event.mqueue] = Traffic()


def message_queue_sent(state: State, event: e.MessageQueueSent) -> None:
    messages = state.machine.mqueues[event.mqueue].messages
    place = next((n for n, (other, _) in enumerate(messages) if other < event.priority), len(messages))
    messages.insert(place, (event.priority, event.data))
    _put_in(state, "mqueue", event.mqueue, event.data)


def message_queue_received(state: State, event: e.MessageQueueReceived) -> None:
    _priority, data = state.machine.mqueues[event.mqueue].messages.pop(0)
    _taken_out(state, "mqueue", event.mqueue, data)


def message_queue_notify_set(state: State, event: e.MessageQueueNotifySet) -> None:
    one = state.machine.mqueues[event.mqueue]
    one.notify_task, one.notify_signo = event.task, event.signo


def message_queue_removed(state: State, event: e.MessageQueueRemoved) -> None:
    del state.machine.mqueues[event.mqueue], state.traffic[event.mqueue]


HANDLERS: Handlers = {
    e.DescriptorTableCreated: descriptor_table_created,
    e.DescriptorTableDropped: descriptor_table_dropped,
    e.DescriptorTableUnshared: descriptor_table_unshared,
    e.FileOpened: file_opened,
    e.FileClosed: file_closed,
    e.FileFlagsSet: file_flags_set,
    e.DescriptorInstalled: descriptor_installed,
    e.DescriptorClosed: descriptor_closed,
    e.PipeCreated: pipe_created,
    e.PipeWritten: pipe_written,
    e.PipeRead: pipe_read,
    e.PipeEndsChanged: pipe_ends_changed,
    e.PipeResized: pipe_resized,
    e.FileLocksSet: file_locks_set,
    e.EventfdSet: eventfd_set,
    e.MessageQueueCreated: message_queue_created,
    e.MessageQueueSent: message_queue_sent,
    e.MessageQueueReceived: message_queue_received,
    e.MessageQueueNotifySet: message_queue_notify_set,
    e.MessageQueueRemoved: message_queue_removed,
    e.SocketCreated: socket_created,
    e.SocketBound: socket_bound,
    e.SocketListening: socket_listening,
    e.SocketConnected: socket_connected,
    e.SocketAccepted: socket_accepted,
    e.SocketSent: socket_sent,
    e.SocketReceived: socket_received,
    e.SocketShutdown: socket_shutdown,
    e.SocketClosed: socket_closed,
    e.TimerfdSet: timerfd_set,
    e.TimerfdExpired: timerfd_expired,
    e.SignalfdSet: signalfd_set,
    e.EpollWatched: epoll_watched,
    e.EpollUnwatched: epoll_unwatched,
    e.DiskRequested: disk_requested,
    e.DiskCompleted: disk_completed,
    e.InotifyWatched: inotify_watched,
    e.InotifyUnwatched: inotify_unwatched,
    e.InotifyQueued: inotify_queued,
    e.InotifyRead: inotify_read,
    e.TerminalWritten: terminal_written,
    e.TerminalResized: terminal_resized,
    e.PtyCreated: pty_created,
    e.PtyEndsChanged: pty_ends_changed,
    e.PtyTyped: pty_typed,
    e.PtyWritten: pty_written,
    e.PtyRead: pty_read,
    e.StreamWritten: stream_written,
    e.InputArrived: input_arrived,
    e.FileWritten: file_written,
    e.InodeCreated: inode_created,
    e.NameRemoved: name_removed,
    e.Mounted: mounted,
    e.MountFlagsSet: mount_flags_set,
    e.Unmounted: unmounted,
}
