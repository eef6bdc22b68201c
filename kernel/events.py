"""What the kernel can be seen to do: a closed vocabulary of frozen structs.

Facts in the past tense with plain values and ids. Begin and end are two events. Every event that
changes a table is enough to change a model of that table in the same way: `app.state` folds them
and must agree with `Kernel.describe()` at every moment.
"""

from __future__ import annotations

import msgspec


class KernelEvent(msgspec.Struct, frozen=True, array_like=True, gc=False, tag_field="t"):
    """The base of every event of this floor. The pid on its record is the current task's."""


class Booted(KernelEvent, frozen=True, tag="Booted"):
    """Paging is on, the tables are loaded. `memory` in bytes, `epoch` in ns since 1970."""

    memory: int
    epoch: int


class TaskCreated(KernelEvent, frozen=True, tag="TaskCreated"):
    """`how` is boot, fork, vfork or clone; `ppid` its parent if not `parent`, who made it (-1: it is).

    Signal actions are `parent`'s: with its `sighand`, the very same.
    """

    child: int
    parent: int
    tgid: int
    how: str
    comm: str
    space: int
    fdtable: int
    thread: int
    blocked: int = 0
    sighand: int = 0
    ppid: int = -1


class TaskSwitched(KernelEvent, frozen=True, tag="TaskSwitched"):
    """The processor goes from `previous` to `next`; `voluntary` when the previous one sleeps or ended."""

    previous: int
    next: int
    voluntary: bool


class TaskBlocked(KernelEvent, frozen=True, tag="TaskBlocked"):
    """`on` are names of wait queues like `pipe:3:read`; `deadline` in ticks, -1 for none."""

    task: int
    on: tuple[str, ...]
    deadline: int


class TaskWoken(KernelEvent, frozen=True, tag="TaskWoken"):
    """`by` is the wait queue, `deadline` or `signal`."""

    task: int
    by: str


class TaskRequeued(KernelEvent, frozen=True, tag="TaskRequeued"):
    """A sleeping task was moved to other wait queues without being woken (FUTEX_REQUEUE)."""

    task: int
    on: tuple[str, ...]


class TaskStopped(KernelEvent, frozen=True, tag="TaskStopped"):
    task: int
    signo: int


class TaskContinued(KernelEvent, frozen=True, tag="TaskContinued"):
    task: int


class TracerAttached(KernelEvent, frozen=True, tag="TracerAttached"):
    """`tracer` traces the task. `how`: it has `asked` for it, `attach`, `seize`, `inherit` as a new task."""

    task: int
    tracer: int
    how: str


class TracerDetached(KernelEvent, frozen=True, tag="TracerDetached"):
    """The task is traced no longer: by `detach`, by the tracer's `exit`, or because it ended (`reap`)."""

    task: int
    tracer: int
    how: str


class TraceStopped(KernelEvent, frozen=True, tag="TraceStopped"):
    """A traced task has stopped for its tracer; `code` is what wait tells above the status's low byte.

    `trap` is by `kernel.ptrace.stops`; at SIGNAL the signal is no longer pending. `message` is the event's.
    """

    task: int
    tracer: int
    code: int
    trap: int
    message: int


class TraceResumed(KernelEvent, frozen=True, tag="TraceResumed"):
    """A traced task goes on: by cont, syscall, step, sysemu, detach or kill, with signal `signo` or 0."""

    task: int
    how: str
    signo: int


class SignalSuppressed(KernelEvent, frozen=True, tag="SignalSuppressed"):
    """A signal that the tracer was shown is not delivered: taken back, or another one is instead."""

    task: int
    signo: int


class TaskTookOver(KernelEvent, frozen=True, tag="TaskTookOver"):
    """A thread that executes a program becomes its process's first: it has the pid `leader` from now on.

    The old leader, a zombie, is gone; what was sent to the process is still pending.
    """

    task: int
    leader: int


class TaskRenamed(KernelEvent, frozen=True, tag="TaskRenamed"):
    task: int
    comm: str


class TaskExited(KernelEvent, frozen=True, tag="TaskExited"):
    """`status` as wait4 gives it. The task is a zombie from here on."""

    task: int
    status: int


class TaskReaped(KernelEvent, frozen=True, tag="TaskReaped"):
    task: int
    by: int


class TaskReparented(KernelEvent, frozen=True, tag="TaskReparented"):
    task: int
    parent: int


class ProgramExecuted(KernelEvent, frozen=True, tag="ProgramExecuted"):
    """execve succeeded: the task has a new address space. `entry` is where it starts.

    Handled signals are back to their defaults. `sighand` and `fdtable` are the task's own from now on
    (0: the ones it had).
    """

    task: int
    path: str
    argv: tuple[str, ...]
    comm: str
    space: int
    entry: int
    stack: int
    inode: int
    sighand: int = 0
    fdtable: int = 0


class AddressSpaceCreated(KernelEvent, frozen=True, tag="AddressSpaceCreated"):
    """`pgd` is the frame of the page directory pointer table."""

    space: int
    pgd: int


class AddressSpaceForked(KernelEvent, frozen=True, tag="AddressSpaceForked"):
    """`child` has `parent`'s VMAs and pages; private ones are read-only in both now (copy on write).

    But no VMA with VM_DONTCOPY, no pages of one with VM_WIPEONFORK, and none is locked (`kernel.mm.flags`).
    """

    parent: int
    child: int
    pgd: int
    pages: int


class AddressSpaceDestroyed(KernelEvent, frozen=True, tag="AddressSpaceDestroyed"):
    space: int


class VmaMapped(KernelEvent, frozen=True, tag="VmaMapped"):
    """[start, end) is this one VMA now, whatever was there before (neighbours are cut, alike ones merge)."""

    space: int
    start: int
    end: int
    prot: int
    flags: int
    inode: int
    offset: int
    name: str


class VmaUnmapped(KernelEvent, frozen=True, tag="VmaUnmapped"):
    """Nothing is mapped in [start, end) any more; its pages are gone too."""

    space: int
    start: int
    end: int


class VmaProtected(KernelEvent, frozen=True, tag="VmaProtected"):
    """[start, end) has `prot` now; present pages lost or got write access accordingly."""

    space: int
    start: int
    end: int
    prot: int


class VmaFlagged(KernelEvent, frozen=True, tag="VmaFlagged"):
    """What is mapped in [start, end) lost the flags `off` and got `on` (`kernel.mm.flags`)."""

    space: int
    start: int
    end: int
    on: int
    off: int


class PagesMoved(KernelEvent, frozen=True, tag="PagesMoved"):
    """The pages of [start, end) lie from `to` on now (man 2 mremap)."""

    space: int
    start: int
    end: int
    to: int


class PagesDropped(KernelEvent, frozen=True, tag="PagesDropped"):
    """The pages in [start, end) are gone, what is mapped there stays: the next touch supplies them anew."""

    space: int
    start: int
    end: int


class BreakMoved(KernelEvent, frozen=True, tag="BreakMoved"):
    space: int
    brk: int


class PageMapped(KernelEvent, frozen=True, tag="PageMapped"):
    """`reason` is zero (on demand), file, share, stack or load; `bits` the PTE's low 12 and NX as bit 12."""

    space: int
    va: int
    frame: int
    bits: int
    reason: str


class PageCopied(KernelEvent, frozen=True, tag="PageCopied"):
    """Copy on write: `va` leads to frame `new` instead of `old` now, writable (`bits` as in PageMapped)."""

    space: int
    va: int
    old: int
    new: int
    bits: int


class PageReused(KernelEvent, frozen=True, tag="PageReused"):
    """Copy on write with no other owner left: the page is only made writable."""

    space: int
    va: int
    frame: int
    bits: int


class SyscallEntered(KernelEvent, frozen=True, tag="SyscallEntered"):
    """`args` are six words as in pt_regs; `taken` is what was read of user memory, one item an argument."""

    nr: int
    args: tuple[int, int, int, int, int, int]
    taken: tuple[bytes | None, ...] = ()


class SyscallExited(KernelEvent, frozen=True, tag="SyscallExited"):
    """`result` is signed, -errno on error (an internal -512.. where a signal will restart the call)."""

    nr: int
    result: int
    given: tuple[bytes | None, ...] = ()


class SyscallFiltered(KernelEvent, frozen=True, tag="SyscallFiltered"):
    """Seccomp did not simply let the current task's call be made: `said` is SECCOMP_RET_* and its data."""

    nr: int
    said: int


class SyscallInjected(KernelEvent, frozen=True, tag="SyscallInjected"):
    """A person wants the current task's call to fail: it is not made, and ends with `error`."""

    nr: int
    error: int


class SignalActionSet(KernelEvent, frozen=True, tag="SignalActionSet"):
    task: int
    signo: int
    handler: int
    flags: int
    mask: int


class SignalMaskSet(KernelEvent, frozen=True, tag="SignalMaskSet"):
    task: int
    blocked: int


class SignalGenerated(KernelEvent, frozen=True, tag="SignalGenerated"):
    """`task` now has `signo` pending, unless `ignored`. `sender` 0 is the kernel."""

    task: int
    signo: int
    code: int
    sender: int
    ignored: bool
    shared: bool
    info: tuple[int, ...] = ()
    """pid, uid, status, address, value of the siginfo, and errno where there is one."""


class SignalsDiscarded(KernelEvent, frozen=True, tag="SignalsDiscarded"):
    """Pending signals were taken back undelivered: `signals` is a mask, bit n-1 for signal n.

    By SIGCONT or a stop signal (each discards the other), by an action that became SIG_IGN, or because a call
    waited for them. Of the task's own queue, or with `shared` of its process's.
    """

    task: int
    signals: int
    shared: bool


class SignalDelivered(KernelEvent, frozen=True, tag="SignalDelivered"):
    """Taken from pending on the way to user mode.

    `action` is handler, terminate, core, stop, continue or ignore; `interrupted` what a handler makes of the
    system call that the signal interrupted: EINTR, restart, '' where there was none.
    """

    task: int
    signo: int
    action: str
    handler: int
    frame: int
    blocked: int
    info: tuple[int, ...] = ()
    code: int = 0
    interrupted: str = ""
    taken: bool = False
    """It was taken from pending before, to be shown to a tracer."""


class SignalReturned(KernelEvent, frozen=True, tag="SignalReturned"):
    """sigreturn: the frame at `frame` is taken off, `blocked` is the mask again, and `eip` comes next."""

    task: int
    frame: int
    blocked: int
    eip: int


class FaultHandled(KernelEvent, frozen=True, tag="FaultHandled"):
    """An exception from user mode that became `signo` (0 for none: the page was supplied)."""

    vector: int
    address: int
    error: int
    signo: int


class DescriptorTableCreated(KernelEvent, frozen=True, tag="DescriptorTableCreated"):
    """A new table; a copy of `source`'s descriptors unless that is 0."""

    fdtable: int
    source: int


class DescriptorTableDropped(KernelEvent, frozen=True, tag="DescriptorTableDropped"):
    """The last task let go of it; every descriptor in it is closed."""

    fdtable: int


class DescriptorTableUnshared(KernelEvent, frozen=True, tag="DescriptorTableUnshared"):
    """`task` has this table instead of one that it shared."""

    task: int
    fdtable: int


class FileOpened(KernelEvent, frozen=True, tag="FileOpened"):
    """An open file description came to be. Fields as in `tables.OpenFile`."""

    file: int
    kind: str
    flags: int
    inode: int
    object: int
    path: str


class FileClosed(KernelEvent, frozen=True, tag="FileClosed"):
    """The last descriptor for it is gone."""

    file: int


class FileFlagsSet(KernelEvent, frozen=True, tag="FileFlagsSet"):
    """fcntl(F_SETFL): `flags` are all of the open file's flags now."""

    file: int
    flags: int


class DescriptorInstalled(KernelEvent, frozen=True, tag="DescriptorInstalled"):
    fdtable: int
    fd: int
    file: int


class DescriptorClosed(KernelEvent, frozen=True, tag="DescriptorClosed"):
    fdtable: int
    fd: int


class PipeCreated(KernelEvent, frozen=True, tag="PipeCreated"):
    """`fifo` is the inode of a named pipe that is opened, 0 for a pipe without a name."""

    pipe: int
    capacity: int
    fifo: int = 0


class PipeWritten(KernelEvent, frozen=True, tag="PipeWritten"):
    """`data` is appended to the buffer by the current task."""

    pipe: int
    data: bytes


class PipeRead(KernelEvent, frozen=True, tag="PipeRead"):
    """`count` bytes left the front of the buffer for the current task."""

    pipe: int
    count: int


class PipeEndsChanged(KernelEvent, frozen=True, tag="PipeEndsChanged"):
    """How many open ends there are now; at 0 and 0 the pipe is gone."""

    pipe: int
    readers: int
    writers: int


class PipeResized(KernelEvent, frozen=True, tag="PipeResized"):
    pipe: int
    capacity: int


class FileLocksSet(KernelEvent, frozen=True, tag="FileLocksSet"):
    """These are all locks on the file now. Fields of each as in `tables.FileLock`."""

    inode: int
    locks: tuple[tuple[str, int, int, int, int, int], ...]


class EventfdSet(KernelEvent, frozen=True, tag="EventfdSet"):
    """The counter of an eventfd is `count` now; it may be new."""

    eventfd: int
    count: int
    semaphore: bool


class TimerfdSet(KernelEvent, frozen=True, tag="TimerfdSet"):
    """A timer descriptor was made, started or stopped: it is due at tick `expires` (-1: never)."""

    timerfd: int
    clock: int
    expires: int
    interval: int


class TimerfdExpired(KernelEvent, frozen=True, tag="TimerfdExpired"):
    timerfd: int


class SignalfdSet(KernelEvent, frozen=True, tag="SignalfdSet"):
    """A signal descriptor gives the signals of `mask` from now on; it may be new."""

    signalfd: int
    mask: int


class EpollWatched(KernelEvent, frozen=True, tag="EpollWatched"):
    """An epoll set has open file `file`, known as `fd`, with these `events` (EPOLL*) now."""

    epoll: int
    file: int
    fd: int
    events: int
    data: int


class EpollUnwatched(KernelEvent, frozen=True, tag="EpollUnwatched"):
    epoll: int
    file: int
    fd: int


class DiskRequested(KernelEvent, frozen=True, tag="DiskRequested"):
    """`count` pages from `first` on are to be read from the disk or written to it; others may come before."""

    first: int
    count: int
    write: bool


class DiskCompleted(KernelEvent, frozen=True, tag="DiskCompleted"):
    """The disk has done the oldest request."""

    first: int
    count: int
    write: bool


class InotifyWatched(KernelEvent, frozen=True, tag="InotifyWatched"):
    """An inotify instance watches `inode` for `mask` (IN_*) as `wd` from now on; known already: changed."""

    inotify: int
    wd: int
    inode: int
    mask: int
    path: str


class InotifyUnwatched(KernelEvent, frozen=True, tag="InotifyUnwatched"):
    inotify: int
    wd: int


class InotifyQueued(KernelEvent, frozen=True, tag="InotifyQueued"):
    """Something happened to what is watched, and can be read. Fields as in `struct inotify_event`."""

    inotify: int
    wd: int
    mask: int
    cookie: int
    name: str


class InotifyRead(KernelEvent, frozen=True, tag="InotifyRead"):
    """The first `count` of what was queued was read."""

    inotify: int
    count: int


class TerminalWritten(KernelEvent, frozen=True, tag="TerminalWritten"):
    """`data` went to the screen of terminal `terminal`, output processing done."""

    terminal: int
    data: bytes


class TerminalResized(KernelEvent, frozen=True, tag="TerminalResized"):
    terminal: int
    rows: int
    columns: int


class PtyCreated(KernelEvent, frozen=True, tag="PtyCreated"):
    """A pseudoterminal; `pty` is the number of its terminal, one more than in /dev/pts."""

    pty: int


class PtyEndsChanged(KernelEvent, frozen=True, tag="PtyEndsChanged"):
    """How many open files of each side there are now; at 0 and 0 the pseudoterminal is gone."""

    pty: int
    masters: int
    slaves: int


class PtyTyped(KernelEvent, frozen=True, tag="PtyTyped"):
    """The master wrote `data`: it goes to the slave's line discipline."""

    pty: int
    data: bytes


class PtyWritten(KernelEvent, frozen=True, tag="PtyWritten"):
    """`data`, written or echoed at the slave, waits for the master to read it."""

    pty: int
    data: bytes


class PtyRead(KernelEvent, frozen=True, tag="PtyRead"):
    """The master read `count` bytes."""

    pty: int
    count: int


class StreamWritten(KernelEvent, frozen=True, tag="StreamWritten"):
    """`data` left the machine by the stream that is the first program's descriptor `stream`."""

    stream: int
    data: bytes


class InputArrived(KernelEvent, frozen=True, tag="InputArrived"):
    """Something from outside reached a device, or is wanted of one (`Input`). A stream's empty `data` is its
    end."""

    device: str
    number: int
    data: bytes


class FileWritten(KernelEvent, frozen=True, tag="FileWritten"):
    """A regular file or device got `count` bytes at `offset`."""

    inode: int
    offset: int
    count: int


class InodeCreated(KernelEvent, frozen=True, tag="InodeCreated"):
    """A name and what it leads to came to be."""

    inode: int
    mode: int
    path: str


class NameRemoved(KernelEvent, frozen=True, tag="NameRemoved"):
    inode: int
    path: str


class Mounted(KernelEvent, frozen=True, tag="Mounted"):
    """A file system covers the directory `path` of mount `parent`; known already: it was moved there.

    `flags` are MS_*.
    """

    mount: int
    parent: int
    path: str
    type: str
    source: str
    flags: int


class MountFlagsSet(KernelEvent, frozen=True, tag="MountFlagsSet"):
    """mount(2) with MS_REMOUNT."""

    mount: int
    path: str
    flags: int


class Unmounted(KernelEvent, frozen=True, tag="Unmounted"):
    """What the mount covered is seen again."""

    mount: int
    path: str


class OutOfMemory(KernelEvent, frozen=True, tag="OutOfMemory"):
    """No frame was left; `task`, which has `pages` of them, is killed for it."""

    task: int
    pages: int = 0


class CacheReclaimed(KernelEvent, frozen=True, tag="CacheReclaimed"):
    """No frame was left; so many pages of files were given back that can be read again."""

    pages: int


class TimerSet(KernelEvent, frozen=True, tag="TimerSet"):
    """A timer that sends signals was made, started or stopped: it goes off at `expires` on its clock.

    Fields as in `tables.PosixTimer`; `expires` -1 is never.
    """

    timer: int
    owner: int
    number: int
    clock: int
    signo: int
    expires: int
    interval: int


class TimerExpired(KernelEvent, frozen=True, tag="TimerExpired"):
    """It went off `times` times; the signal, if it sends one, comes next."""

    timer: int
    times: int


class TimerDeleted(KernelEvent, frozen=True, tag="TimerDeleted"):
    timer: int


class ClockSet(KernelEvent, frozen=True, tag="ClockSet"):
    """The real-time clock was set: `epoch` is the time at tick 0 now, in ns since 1970."""

    epoch: int


class SocketCreated(KernelEvent, frozen=True, tag="SocketCreated"):
    """A socket of AF_UNIX; `type` is SOCK_STREAM and so on."""

    socket: int
    type: int


class SocketBound(KernelEvent, frozen=True, tag="SocketBound"):
    """Its name, as in sun_path."""

    socket: int
    name: bytes


class SocketListening(KernelEvent, frozen=True, tag="SocketListening"):
    """Connections can wait to be accepted, `backlog` and one."""

    socket: int
    backlog: int


class SocketConnected(KernelEvent, frozen=True, tag="SocketConnected"):
    """What `socket` sends goes to `peer` from now on; 0: to nobody.

    `listener` is the socket in whose queue the connection (its end `peer`) waits to be accepted.
    """

    socket: int
    peer: int
    listener: int = 0


class SocketAccepted(KernelEvent, frozen=True, tag="SocketAccepted"):
    """The first connection that waited at `listener`, its end `socket`, was taken."""

    listener: int
    socket: int


class SocketSent(KernelEvent, frozen=True, tag="SocketSent"):
    """A message from `sender` waits at `socket`; `files` are open files that are passed along."""

    socket: int
    sender: int
    data: bytes
    files: tuple[int, ...] = ()


class SocketReceived(KernelEvent, frozen=True, tag="SocketReceived"):
    """`messages` have left the front of the queue, and `count` bytes of the next one."""

    socket: int
    messages: int
    count: int


class SocketShutdown(KernelEvent, frozen=True, tag="SocketShutdown"):
    """`how` is all that is shut now: 1 receiving, 2 sending."""

    socket: int
    how: int


class SocketClosed(KernelEvent, frozen=True, tag="SocketClosed"):
    """It is gone, with what nobody has read; who was connected with it no longer is."""

    socket: int


class MessageQueueCreated(KernelEvent, frozen=True, tag="MessageQueueCreated"):
    """A POSIX message queue for `maxmsg` messages of up to `msgsize` bytes; `name` is without the slash."""

    mqueue: int
    name: str
    maxmsg: int
    msgsize: int


class MessageQueueSent(KernelEvent, frozen=True, tag="MessageQueueSent"):
    """The message goes in behind those of its priority and before those of lower ones."""

    mqueue: int
    priority: int
    data: bytes


class MessageQueueReceived(KernelEvent, frozen=True, tag="MessageQueueReceived"):
    """The first message was taken by the current task."""

    mqueue: int


class MessageQueueNotifySet(KernelEvent, frozen=True, tag="MessageQueueNotifySet"):
    """Process `task` (0: nobody) gets `signo` (0: nothing) when a message comes to the empty queue."""

    mqueue: int
    task: int
    signo: int


class MessageQueueRemoved(KernelEvent, frozen=True, tag="MessageQueueRemoved"):
    """It has neither name nor open file any more."""

    mqueue: int


class MachineHalted(KernelEvent, frozen=True, tag="MachineHalted"):
    """Nothing is left to run. `status` is the first program's, as wait4 gives it."""

    status: int


class Panicked(KernelEvent, frozen=True, tag="Panicked"):
    reason: str


Event = (
    Booted
    | TaskCreated
    | TaskSwitched
    | TaskBlocked
    | TaskWoken
    | TaskRequeued
    | TaskStopped
    | TaskContinued
    | TaskTookOver
    | TaskRenamed
    | TaskExited
    | TaskReaped
    | TaskReparented
    | ProgramExecuted
    | AddressSpaceCreated
    | AddressSpaceForked
    | AddressSpaceDestroyed
    | VmaMapped
    | VmaUnmapped
    | VmaProtected
    | PagesDropped
    | PagesMoved
    | VmaFlagged
    | BreakMoved
    | PageMapped
    | PageCopied
    | PageReused
    | SyscallEntered
    | SyscallExited
    | SyscallFiltered
    | SyscallInjected
    | TracerAttached
    | TracerDetached
    | TraceStopped
    | TraceResumed
    | SignalSuppressed
    | SignalActionSet
    | SignalMaskSet
    | SignalGenerated
    | SignalsDiscarded
    | SignalDelivered
    | SignalReturned
    | FaultHandled
    | DescriptorTableCreated
    | DescriptorTableDropped
    | DescriptorTableUnshared
    | FileOpened
    | FileClosed
    | FileFlagsSet
    | DescriptorInstalled
    | DescriptorClosed
    | PipeCreated
    | PipeWritten
    | PipeRead
    | PipeEndsChanged
    | PipeResized
    | FileLocksSet
    | EventfdSet
    | TimerfdSet
    | TimerfdExpired
    | SignalfdSet
    | EpollWatched
    | EpollUnwatched
    | DiskRequested
    | DiskCompleted
    | InotifyWatched
    | InotifyUnwatched
    | InotifyQueued
    | InotifyRead
    | TerminalWritten
    | TerminalResized
    | PtyCreated
    | PtyEndsChanged
    | PtyTyped
    | PtyWritten
    | PtyRead
    | StreamWritten
    | InputArrived
    | FileWritten
    | InodeCreated
    | NameRemoved
    | Mounted
    | MountFlagsSet
    | Unmounted
    | OutOfMemory
    | CacheReclaimed
    | TimerSet
    | TimerExpired
    | TimerDeleted
    | ClockSet
    | MachineHalted
    | Panicked
    | SocketCreated
    | SocketBound
    | SocketListening
    | SocketConnected
    | SocketAccepted
    | SocketSent
    | SocketReceived
    | SocketShutdown
    | SocketClosed
    | MessageQueueCreated
    | MessageQueueSent
    | MessageQueueReceived
    | MessageQueueNotifySet
    | MessageQueueRemoved
)
