"""POSIX message queues (man 7 mq_overview, Linux's ipc/mqueue.c).

A queue has a name in a space of its own, an inode for owner and mode, and messages in the order in which
they will be received: by priority, of one priority the oldest first. Open files of the kind `mqueue` lead to
it; it goes when it has neither name nor open file. What is checked first is `kernel.syscalls.mqueue`'s
business.

A message that comes wakes the receiver that is first in line; until that one has taken it, it is in the queue
and another may be faster. (Linux hands it over.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.files import POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM, S_IFREG
from kernel.abi.process import CAP_FOWNER, CAP_SYS_RESOURCE, RLIMIT_MSGQUEUE
from kernel.abi.signal import SI_MESGQ
from kernel.capabilities import capable
from kernel.errors import KernelError
from kernel.events import (
    MessageQueueCreated,
    MessageQueueNotifySet,
    MessageQueueReceived,
    MessageQueueRemoved,
    MessageQueueSent,
)
from kernel.fs import ramfs
from kernel.fs.iov import IovIter
from kernel.signals.state import send_signal
from kernel.tables import Inode, Mqueue, OpenFile, SigInfo
from kernel.wait import wake_task, wake_up

if TYPE_CHECKING:
    from kernel.kernel import Kernel

MSG_DEFAULT, MSGSIZE_DEFAULT = 10, 8192
"""What a queue has that is made without attributes; as much may be asked for without privilege."""
HARD_MSG_MAX, HARD_MSGSIZE_MAX = 65536, 16 << 20
QUEUES_MAX = 256
PER_MESSAGE = 48
"""Bytes that each message's place counts besides for RLIMIT_MSGQUEUE: struct msg_msg and its node's."""
FILE_SIZE = 80
"""What a queue's file shows, filled up (FILENT_SIZE)."""
MAX_BYTES = 8 << 20
"""What all messages of the machine may take: they are the host's memory."""


def find(k: Kernel, name: str) -> Mqueue | None:
    number = k.tables.mqueue_names.get(name)
    return k.tables.mqueues[number] if number is not None else None


def of_inode(k: Kernel, inode: Inode) -> Mqueue | None:
    """The queue behind an inode that a descriptor's link in /proc leads to."""
    return next((one for one in k.tables.mqueues.values() if one.inode == inode.ino), None)


def create(k: Kernel, name: str, mode: int, maxmsg: int, msgsize: int) -> Mqueue:
    """A new queue with that name. ENOSPC, EINVAL, EMFILE."""
    t = k.tables
    privileged = capable(k, CAP_SYS_RESOURCE)
    if len(t.mqueue_names) >= QUEUES_MAX and not privileged:
        raise KernelError(Errno.ENOSPC)
    most = (HARD_MSG_MAX, HARD_MSGSIZE_MAX) if privileged else (MSG_DEFAULT, MSGSIZE_DEFAULT)
    if not 0 < maxmsg <= most[0] or not 0 < msgsize <= most[1]:
        raise KernelError(Errno.EINVAL)
    if maxmsg * msgsize >= 1 << 31:
        raise KernelError(Errno.EOVERFLOW)
    cred = k.task.cred
    taken = sum(_charge(one.maxmsg, one.msgsize) for one in t.mqueues.values() if one.user == cred.uid)
    if taken + _charge(maxmsg, msgsize) > k.rlimit(RLIMIT_MSGQUEUE):
        raise KernelError(Errno.EMFILE)
    inode = ramfs.new_inode(k, S_IFREG | mode & 0o7777, cred.fsuid, cred.fsgid)
    inode.size = FILE_SIZE
    inode.parent = t.root  # it has a name, though in no directory
    one = Mqueue(k.new_id(), name, inode.ino, cred.uid, maxmsg, msgsize)
    t.mqueues[one.id] = one
    t.mqueue_names[name] = one.id
    k.emit(MessageQueueCreated(one.id, name, maxmsg, msgsize))
    return one


def _charge(maxmsg: int, msgsize: int) -> int:
    return maxmsg * (msgsize + PER_MESSAGE)


def unlink(k: Kernel, name: str) -> None:
    """The name goes; the queue with the last file that is open on it. ENOENT, EPERM."""
    one = find(k, name)
    if one is None:
        raise KernelError(Errno.ENOENT)
    inode = k.tables.inodes[one.inode]
    if k.task.cred.fsuid != inode.uid and not capable(k, CAP_FOWNER):
        raise KernelError(Errno.EPERM)
    del k.tables.mqueue_names[name]
    inode.nlink = 0
    inode.ctime = k.now
    if not inode.opened:
        _remove(k, one)
        ramfs.free_unused(k, inode)


def _remove(k: Kernel, one: Mqueue) -> None:
    del k.tables.mqueues[one.id]
    k.emit(MessageQueueRemoved(one.id))


def release(k: Kernel, file: OpenFile) -> None:
    """A file on it was closed; `opened` still counts this one."""
    inode = k.tables.inodes[file.inode]
    if not inode.nlink and inode.opened == 1:
        _remove(k, k.tables.mqueues[file.object])


def flush(k: Kernel, file: OpenFile) -> None:
    """A descriptor of the current process is closed: it is told of no message any more."""
    one = k.tables.mqueues[file.object]
    if one.notify_task == k.task.tgid:
        notify(k, one, 0)


# --- messages -----------------------------------------------------------------------------------------------


def is_full(one: Mqueue) -> bool:
    return len(one.messages) >= one.maxmsg


def send(k: Kernel, one: Mqueue, priority: int, data: bytes) -> None:
    """There is room for it. ENOMEM when the machine's messages take too much."""
    t = k.tables
    if len(data) + sum(len(text) for other in t.mqueues.values() for _, text in other.messages) > MAX_BYTES:
        raise KernelError(Errno.ENOMEM)
    place = next((n for n, (other, _) in enumerate(one.messages) if other < priority), len(one.messages))
    waited = f"mqueue:{one.id}:read" in t.waiting
    one.messages.insert(place, (priority, data))
    _touch(k, one)
    k.emit(MessageQueueSent(one.id, priority, data))
    wake_up(k, f"mqueue:{one.id}:poll")
    if waited:
        _wake_first(k, f"mqueue:{one.id}:read")
    elif len(one.messages) == 1 and one.notify_task:
        _tell(k, one)


def receive(k: Kernel, one: Mqueue) -> tuple[int, bytes]:
    """The first message, of which there is one, and its priority."""
    priority, data = one.messages.pop(0)
    _touch(k, one)
    k.emit(MessageQueueReceived(one.id))
    wake_up(k, f"mqueue:{one.id}:poll")
    _wake_first(k, f"mqueue:{one.id}:write")
    return priority, data


def _touch(k: Kernel, one: Mqueue) -> None:
    inode = k.tables.inodes[one.inode]
    inode.atime = inode.mtime = inode.ctime = k.now


def _wake_first(k: Kernel, queue: str) -> None:
    """Of those who wait the one with the highest priority, of these who has waited longest."""
    tasks = [k.tables.tasks[pid] for pid in k.tables.waiting.get(queue, ())]
    if tasks:
        wake_task(k, max(tasks, key=lambda task: task.rt_priority), queue)


# --- being told ---------------------------------------------------------------------------------------------


def notify(k: Kernel, one: Mqueue, task: int, signo: int = 0, value: int = 0) -> None:
    """Process `task` (0: nobody) gets `signo` (0: nothing) when a message comes to the empty queue."""
    one.notify_task, one.notify_signo, one.notify_value = task, signo, value
    k.emit(MessageQueueNotifySet(one.id, task, signo))


def _tell(k: Kernel, one: Mqueue) -> None:
    """Once; who wants to be told again has to ask again."""
    leader = k.tables.tasks.get(one.notify_task)
    if leader is not None and one.notify_signo:
        me = k.task
        info = SigInfo(one.notify_signo, SI_MESGQ, pid=me.tgid, uid=me.cred.uid, value=one.notify_value)
        send_signal(k, leader, info)
    notify(k, one, 0)


# --- as a file ----------------------------------------------------------------------------------------------


def read(k: Kernel, file: OpenFile, to: IovIter, at: int | None) -> int:
    """A line about the queue (mqueue_read_file)."""
    one = k.tables.mqueues[file.object]
    size = sum(len(data) for _, data in one.messages)
    how = 0 if one.notify_signo or not one.notify_task else 1
    told = (one.notify_signo, one.notify_task) if one.notify_task else (0, 0)
    text = f"QSIZE:{size:<10} NOTIFY:{how:<5} SIGNO:{told[0]:<5} NOTIFY_PID:{told[1]:<6}\n".encode()
    pos = file.pos if at is None else at
    done = to.give(k, text[pos:])
    if at is None:
        file.pos += done
    return done


def poll(k: Kernel, file: OpenFile) -> tuple[int, tuple[str, ...]]:
    one = k.tables.mqueues[file.object]
    ready = 0 if is_full(one) else POLLOUT | POLLWRNORM
    if one.messages:
        ready |= POLLIN | POLLRDNORM
    return ready, (f"mqueue:{one.id}:poll",)
