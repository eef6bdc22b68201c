"""SIGIO: open files with O_ASYNC tell their owner that something can be done with them (fs/fcntl.c).

`Tables.asyncs` holds them, with the descriptor that the signal tells of. Who makes something happen says so
with `tell`; without such files that costs nothing.
"""

from __future__ import annotations

from struct import pack, unpack
from typing import TYPE_CHECKING

from kernel import uaccess
from kernel.abi.errno import Errno
from kernel.abi.files import (
    F_GETOWN,
    F_GETOWN_EX,
    F_GETSIG,
    F_OWNER_PGRP,
    F_OWNER_PID,
    F_OWNER_TID,
    F_SETOWN,
    F_SETSIG,
    FASYNC,
    O_ACCMODE,
    O_RDONLY,
    O_WRONLY,
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLMSG,
    POLLOUT,
    POLLPRI,
    POLLRDBAND,
    POLLRDNORM,
    POLLWRBAND,
    POLLWRNORM,
)
from kernel.abi.signal import (
    _NSIG,
    POLL_IN,
    SI_KERNEL,
    SI_SIGIO,
    SIGBUS,
    SIGCHLD,
    SIGFPE,
    SIGILL,
    SIGIO,
    SIGSEGV,
    SIGSYS,
    SIGTRAP,
)
from kernel.errors import KernelError
from kernel.events import FileFlagsSet
from kernel.signals.state import send_signal
from kernel.tables import OpenFile, SigInfo, Task

if TYPE_CHECKING:
    from kernel.kernel import Kernel

KINDS = ("pipe", "tty", "ptmx", "inotify", "random", "socket")
"""What can tell its owner (file_operations with `fasync`); of other files O_ASYNC cannot be set."""
BANDS = (
    0,
    POLLIN | POLLRDNORM,
    POLLOUT | POLLWRNORM | POLLWRBAND,
    POLLIN | POLLRDNORM | POLLMSG,
    POLLERR,
    POLLPRI | POLLRDBAND,
    POLLHUP | POLLERR,
)
"""`si_band` by `si_code` (POLL_IN and following)."""
_CODES_OF_THEIR_OWN = (SIGILL, SIGFPE, SIGSEGV, SIGBUS, SIGTRAP, SIGCHLD, SIGSYS)
ROOT = 0


# --- who is to be told --------------------------------------------------------------------------------------


def set_async(k: Kernel, file: OpenFile, fd: int, on: bool) -> None:
    """O_ASYNC on or off, of a file of one of KINDS. A terminal that is nobody's gets its foreground."""
    if on:
        k.tables.asyncs.pop(file.id, None)
        k.tables.asyncs[file.id] = fd
        if file.kind in ("tty", "ptmx"):
            terminal = k.tables.terminals[file.object]
            foreground = terminal.pgrp if file.kind == "tty" else 0
            kind = F_OWNER_PGRP if foreground else F_OWNER_PID
            own_if_nobody(k, file, kind, foreground or k.task.tgid)
    else:
        k.tables.asyncs.pop(file.id, None)
    mark(k, file, on)


def mark(k: Kernel, file: OpenFile, on: bool) -> None:
    """The flag alone: a file with a lease has it as well (`fasync_insert_entry`)."""
    flags = file.flags | FASYNC if on else file.flags & ~FASYNC
    if flags != file.flags:
        file.flags = flags
        k.emit(FileFlagsSet(file.id, flags))


def forget(k: Kernel, file: OpenFile) -> None:
    """It is closed."""
    k.tables.asyncs.pop(file.id, None)


def owner(k: Kernel, file: OpenFile, cmd: int, arg: int) -> int:
    """fcntl's F_SETOWN and the like."""
    kind, number, signo, *_ = file.owner or [F_OWNER_TID, 0, 0]
    if number and not _exists(k, kind, number):
        number = 0
    if cmd == F_GETOWN:
        return -number if kind == F_OWNER_PGRP else number
    if cmd == F_GETSIG:
        return signo
    if cmd == F_GETOWN_EX:
        uaccess.copy_to_user(k, arg, pack("<Ii", kind, number))
        return 0
    if cmd == F_SETSIG:
        if arg > _NSIG:
            raise KernelError(Errno.EINVAL)
        file.owner = [*(file.owner or [F_OWNER_TID, 0, 0, ROOT, ROOT])]
        file.owner[2] = arg
        return 0
    if cmd == F_SETOWN:
        number = uaccess.signed(arg)
        if number == -0x8000_0000:
            raise KernelError(Errno.EINVAL)
        kind = F_OWNER_PGRP if number < 0 else F_OWNER_PID
        number = abs(number)
    else:
        kind, number = unpack("<Ii", uaccess.copy_from_user(k, arg, 8))
        if kind > F_OWNER_PGRP:
            raise KernelError(Errno.EINVAL)
    if number and not _exists(k, kind, number):
        raise KernelError(Errno.ESRCH)
    _own(k, file, kind, number)
    return 0


def own_if_nobody(k: Kernel, file: OpenFile, kind: int, number: int) -> None:
    """As F_SETOWN, unless somebody is to be told already."""
    if not any(file.owner[1:2]):
        _own(k, file, kind, number)


def _own(k: Kernel, file: OpenFile, kind: int, number: int) -> None:
    cred = k.task.cred
    file.owner = [kind, number, file.owner[2] if file.owner else 0, cred.uid, cred.euid]


def _exists(k: Kernel, kind: int, number: int) -> bool:
    tasks = k.tables.tasks
    return any(task.pgrp == number for task in tasks.values()) if kind == F_OWNER_PGRP else number in tasks


# --- telling ------------------------------------------------------------------------------------------------


def tell(k: Kernel, kind: str, number: int, reason: int) -> None:
    """Something has happened to the pipe, terminal, ... `number`: POLL_IN or POLL_OUT."""
    for file_id, fd in reversed(list(k.tables.asyncs.items())):
        file = k.tables.files[file_id]
        if file.kind != kind or file.object != number:
            continue
        access = file.flags & O_ACCMODE
        if kind == "pipe" and access == (O_WRONLY if reason == POLL_IN else O_RDONLY):
            continue
        send_sigio(k, file, fd, reason)


def send_sigio(k: Kernel, file: OpenFile, fd: int, reason: int) -> None:
    """To the owner, if whoever made it that may send signals to it (`send_sigio`)."""
    kind, number, signo, uid, euid = file.owner or [F_OWNER_TID, 0, 0, ROOT, ROOT]
    if not number:
        return
    if kind == F_OWNER_PGRP:
        targets = [task for task in k.tables.tasks.values() if task.pgrp == number and task.pid == task.tgid]
    else:
        targets = [task for task in (k.tables.tasks.get(number),) if task is not None]
    for task in targets:
        its = task.cred
        if euid == ROOT or {uid, euid} & {its.uid, its.suid}:
            _send(k, task, signo, fd, reason, kind != F_OWNER_TID)


def _send(k: Kernel, task: Task, signo: int, fd: int, reason: int, shared: bool) -> None:
    """The chosen signal, which tells what it is about; SIGIO if none is chosen, or if too many wait."""
    code = SI_SIGIO if signo in _CODES_OF_THEIR_OWN else reason
    info = SigInfo(signo, code, pid=BANDS[reason], uid=fd)
    if not signo or send_signal(k, task, info, shared):
        send_signal(k, task, SigInfo(SIGIO, SI_KERNEL), shared)
