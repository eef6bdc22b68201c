"""The kernel's own description of itself, to be compared with what its events told.

`describe` reads the tables and, for pages, walks the real page tables in guest RAM. `app.state` builds the
same views from events alone and must arrive at an equal `Description` at every rest point. What no event
tells (credentials, inodes, file positions, terminals) is left out here and read from the machine by whoever
shows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from cpu.paging import ACCESSED, DIRTY, FRAME_MASK, NX, PRESENT
from cpu.ram import Ram
from kernel.abi.files import MS_RDONLY
from kernel.net.socket import LISTENING
from kernel.tables import Epoll, Mount, Socket, Space, Tables, Task, TaskState

if TYPE_CHECKING:
    from kernel.kernel import Kernel

RUNNABLE, SLEEPING, STOPPED, ZOMBIE, TRACED = (state.name.lower() for state in TaskState)
"""Names of a task's state in `TaskView.state`."""

BITS_NX = 1 << 12
"""No-execute in a page's `bits`, next to the low 12 bits of its entry."""

USER_DIRECTORIES = 3
"""PDPT entries of user space: 0 to 0xBFFFFFFF."""


class TaskView(msgspec.Struct, array_like=True):
    """A task. `state` is runnable, sleeping, stopped, zombie or traced
    (stopped for `tracer`); `on` are the wait queues it sleeps on.

    `pending` are the signals sent to this task alone, `shared_pending` (on the group's leader) those sent to
    the whole process: numbers in ascending order, as often as they are queued. `actions` has the handler
    address (1 for SIG_IGN) of each signal whose action is not the default; tasks with the same `sighand`
    share theirs. A zombie has no space, descriptors or actions any more.
    """

    pid: int
    tgid: int
    ppid: int
    comm: str
    state: str = RUNNABLE
    on: tuple[str, ...] = ()
    space: int = 0
    fdtable: int = 0
    syscall: int = -1
    exit_status: int = -1
    blocked: int = 0
    pending: tuple[int, ...] = ()
    shared_pending: tuple[int, ...] = ()
    actions: dict[int, int] = {}
    sighand: int = 0
    thread: int = 0
    tracer: int = 0


class VmaView(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A stretch [start, end) of an address space. `inode` 0 is anonymous; `offset` in pages."""

    start: int
    end: int
    prot: int
    flags: int
    inode: int = 0
    offset: int = 0
    name: str = ""


class SpaceView(msgspec.Struct, array_like=True):
    """An address space: `pages` leads from page address to (frame, bits), bits as in `PageMapped`."""

    id: int
    pgd: int
    brk: int = 0
    vmas: tuple[VmaView, ...] = ()
    pages: dict[int, tuple[int, int]] = {}


class FileView(msgspec.Struct, array_like=True):
    """An open file description. Fields as in `tables.OpenFile`."""

    kind: str
    flags: int
    inode: int
    object: int
    path: str


class PipeView(msgspec.Struct, array_like=True):
    """What is in a pipe, and how many open ends of each kind there are."""

    data: bytes
    readers: int
    writers: int
    capacity: int
    fifo: int = 0
    """Inode of a named pipe."""


class EventfdView(msgspec.Struct, array_like=True):
    count: int
    semaphore: bool


class TimerfdView(msgspec.Struct, array_like=True):
    """When it is due (a tick, -1 for never) and how often it repeats."""

    clock: int
    expires: int
    interval: int


class InotifyView(msgspec.Struct, array_like=True):
    """`watches` leads from a watch's number to inode and mask; `queued` are wd, mask, cookie, name."""

    watches: dict[int, tuple[int, int]]
    queued: list[tuple[int, int, int, str]]


class MountView(msgspec.Struct, array_like=True):
    """A mount: what, where, and in which other one (0 for the root). `flags` are MS_*."""

    parent: int
    path: str
    type: str
    source: str
    flags: int


class TimerView(msgspec.Struct, array_like=True, frozen=True):
    """A timer that sends signals. Fields as in `tables.PosixTimer`."""

    owner: int
    number: int
    clock: int
    signo: int
    expires: int
    interval: int


class PtyView(msgspec.Struct, array_like=True):
    """A pseudoterminal: what waits for its master, and how many open files of each side there are."""

    outgoing: bytes = b""
    masters: int = 0
    slaves: int = 0


class SocketView(msgspec.Struct, array_like=True):
    """A socket: `backlog` is -1 unless it listens; `queue` has the data of each message and open files."""

    type: int
    name: bytes = b""
    peer: int = 0
    backlog: int = -1
    pending: list[int] = []
    queue: list[tuple[bytes, tuple[int, ...]]] = []
    shut: int = 0


class MqueueView(msgspec.Struct, array_like=True):
    """A POSIX message queue: priority and text of each message, and who is told of the first one, by what."""

    name: str
    maxmsg: int
    msgsize: int
    messages: list[tuple[int, bytes]] = []
    notify_task: int = 0
    notify_signo: int = 0


class Description(msgspec.Struct, array_like=True):
    """All that events tell about the kernel's tables, keyed as there. `current` is a pid."""

    current: int = 0
    tasks: dict[int, TaskView] = {}
    spaces: dict[int, SpaceView] = {}
    fdtables: dict[int, dict[int, int]] = {}
    files: dict[int, FileView] = {}
    pipes: dict[int, PipeView] = {}
    ptys: dict[int, PtyView] = {}
    locks: dict[int, tuple[tuple[str, int, int, int, int, int], ...]] = {}
    """By inode, fields as in `tables.FileLock`."""
    timers: dict[int, TimerView] = {}
    eventfds: dict[int, EventfdView] = {}
    timerfds: dict[int, TimerfdView] = {}
    signalfds: dict[int, int] = {}
    """Masks."""
    epolls: dict[int, dict[str, tuple[int, int]]] = {}
    """What each set watches: `FD:FILE` to events and data."""
    mounts: dict[int, MountView] = {}
    inotifies: dict[int, InotifyView] = {}
    disk: dict[int, tuple[int, int, bool]] = {}
    """Requests of the disk by their place in the queue: first page, number of pages, whether to write."""
    sockets: dict[int, SocketView] = {}
    mqueues: dict[int, MqueueView] = {}


def describe(k: Kernel) -> Description:
    """The description of the machine as it stands; a copy that later changes do not touch."""
    t = k.tables
    return Description(
        current=t.current,
        tasks={pid: _task(t, task) for pid, task in t.tasks.items()},
        spaces={number: _space(k.ram, space) for number, space in t.spaces.items()},
        fdtables={number: dict(table.fds) for number, table in t.fdtables.items()},
        files={
            number: FileView(file.kind, file.flags, file.inode, file.object, file.path)
            for number, file in t.files.items()
        },
        pipes={
            number: PipeView(bytes(pipe.data), pipe.readers, pipe.writers, pipe.capacity, pipe.fifo)
            for number, pipe in t.pipes.items()
        },
        ptys={
            number: PtyView(terminal.outgoing, terminal.masters, terminal.slaves)
            for number, terminal in t.terminals.items()
            if terminal.pty
        },
        locks={
            ino: tuple((lock.kind, lock.owner, lock.pid, lock.type, lock.start, lock.end) for lock in locks)
            for ino, locks in t.locks.items()
        },
        timers={
            number: TimerView(one.owner, one.number, one.clock, one.signo, one.expires, one.interval)
            for number, one in t.posix_timers.items()
        },
        eventfds={number: EventfdView(one.count, one.semaphore) for number, one in t.eventfds.items()},
        timerfds={
            number: TimerfdView(one.clock, one.expires, one.interval) for number, one in t.timerfds.items()
        },
        signalfds={number: one.mask for number, one in t.signalfds.items()},
        epolls={number: _watched(t, one) for number, one in t.epolls.items()},
        mounts={number: _mount(t, mount) for number, mount in t.mounts.items()},
        disk=dict(enumerate(t.disk.requests if t.disk is not None else ())),
        inotifies={
            number: InotifyView(
                {wd: (watch.inode, watch.mask) for wd, watch in one.watches.items()},
                [(event.wd, event.mask, event.cookie, event.name) for event in one.queue],
            )
            for number, one in t.inotifies.items()
        },
        sockets={number: _socket(t, one) for number, one in t.sockets.items() if not one.closed},
        mqueues={
            number: MqueueView(
                one.name, one.maxmsg, one.msgsize, list(one.messages), one.notify_task, one.notify_signo
            )
            for number, one in t.mqueues.items()
        },
    )


def _socket(t: Tables, one: Socket) -> SocketView:
    peer = one.peer if one.peer and not t.sockets[one.peer].closed else 0
    backlog = one.backlog if one.state == LISTENING else -1
    queue = [(message.data, tuple(message.files)) for message in one.queue]
    return SocketView(one.type, one.name, peer, backlog, list(one.pending), queue, one.shut)


def _watched(t: Tables, epoll: Epoll) -> dict[str, tuple[int, int]]:
    items = [t.epoll_items[number] for number in epoll.items]
    return {f"{item.fd}:{item.file}": (item.events, item.data) for item in items}


def _mount(t: Tables, mount: Mount) -> MountView:
    system = t.filesystems[mount.dev]
    flags = mount.flags | system.flags & MS_RDONLY
    return MountView(mount.parent, mount.path, system.type, system.source, flags)


def _task(t: Tables, task: Task) -> TaskView:
    actions = t.sighands[task.sighand].actions if task.sighand in t.sighands else {}
    return TaskView(
        pid=task.pid,
        tgid=task.tgid,
        ppid=task.ppid,
        comm=task.comm,
        state=TaskState(task.state).name.lower(),
        on=tuple(task.wait.on) if task.wait is not None and task.state == TaskState.SLEEPING else (),
        space=task.space,
        fdtable=task.fdtable,
        syscall=task.syscall,
        exit_status=task.exit_status,
        blocked=task.blocked,
        pending=tuple(sorted(info.signo for info in task.pending)),
        shared_pending=tuple(sorted(info.signo for info in task.shared_pending)),
        actions={signo: action.handler for signo, action in actions.items() if action.handler},
        sighand=task.sighand,
        thread=task.thread,
        tracer=task.trace.tracer if task.trace is not None else 0,
    )


def _space(ram: Ram, space: Space) -> SpaceView:
    vmas = tuple(
        VmaView(vma.start, vma.end, vma.prot, vma.flags, vma.inode, vma.offset, vma.name)
        for vma in space.vmas
    )
    return SpaceView(space.id, space.pgd, space.brk, vmas, user_pages(ram, space.pgd))


def user_pages(ram: Ram, pgd: int) -> dict[int, tuple[int, int]]:
    """Every present user page under the PDPT in frame `pgd`: address to (frame, bits), ascending."""
    found: dict[int, tuple[int, int]] = {}
    for slot, pdpte in enumerate(ram.u64[pgd << 9 : (pgd << 9) + USER_DIRECTORIES]):
        if not pdpte & PRESENT:
            continue
        for index, pde in enumerate(_table(ram, pdpte)):
            if not pde & PRESENT:
                continue
            base = slot << 30 | index << 21
            for n, word in enumerate(_table(ram, pde)):
                if word & PRESENT:
                    found[base | n << 12] = ((word & FRAME_MASK) >> 12, page_bits(word))
    return found


def page_bits(word: int) -> int:
    """What `SpaceView.pages` and the page events carry of a PTE: no accessed, no dirty, NX as bit 12."""
    return word & 0xFFF & ~(ACCESSED | DIRTY) | (BITS_NX if word & NX else 0)


def _table(ram: Ram, entry: int) -> list[int]:
    """The 512 entries of the table that `entry` leads to."""
    at = (entry & FRAME_MASK) >> 3
    return ram.u64[at : at + 512].tolist()
