"""Pseudoterminals: /dev/ptmx, the masters, and /dev/pts (man 7 pty, Linux's drivers/tty/pty.c).

Terminal number N + 1 is /dev/pts/N. What a program at the master writes is typed at the slave; what is
written or echoed there, the master reads. The master sleeps on `pty:N` to read and on `pty:N:write` to write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel import uaccess
from kernel.abi import tty as abi
from kernel.abi.errno import Errno
from kernel.abi.files import (
    O_ACCMODE,
    O_CLOEXEC,
    O_NOCTTY,
    O_NONBLOCK,
    POLLHUP,
    POLLIN,
    POLLOUT,
    POLLPRI,
    POLLRDNORM,
    POLLWRNORM,
    S_IFCHR,
)
from kernel.abi.signal import SIGINT, SIGQUIT, SIGTSTP
from kernel.errors import Blocked, KernelError
from kernel.events import PtyCreated, PtyEndsChanged, PtyRead, PtyTyped
from kernel.fs import n_tty, ramfs, tty, tty_ioctl
from kernel.fs.devfs import PTS, makedev
from kernel.fs.iov import IovIter
from kernel.signals.state import signal_pending
from kernel.tables import OpenFile, Terminal
from kernel.wait import wake_up

if TYPE_CHECKING:
    from kernel.kernel import Kernel

MAX_PTYS = 4096
"""kernel.pty.max."""
LIMIT = 65536
"""Bytes that wait in either direction at most (`tty_buffer`'s limit)."""


# --- coming and going ---------------------------------------------------------------------------------------


def create(k: Kernel) -> int:
    """A pseudoterminal with the lowest free number, locked, and its name in /dev/pts. ENOSPC."""
    terminals = k.tables.terminals
    number = next(n for n in range(1, MAX_PTYS + 2) if n not in terminals)
    if number > MAX_PTYS:
        raise KernelError(Errno.ENOSPC)
    made = tty.new_terminal(0, 0)
    made.iflag &= ~abi.IUTF8
    made.cflag &= ~abi.HUPCL
    made.pty = made.locked = True
    terminals[number] = made
    cred = k.task.cred
    directory = k.tables.inodes[k.tables.devpts]
    inode = ramfs.new_inode(
        k,
        S_IFCHR | 0o620,
        uid=cred.fsuid,
        gid=cred.fsgid,
        rdev=makedev(PTS, number - 1),
        dev=directory.dev,
    )
    ramfs.add_name(k, directory, str(number - 1), inode)
    k.emit(PtyCreated(number))
    return number


def add_end(k: Kernel, file: OpenFile) -> None:
    """A new open file of either side."""
    terminal = k.tables.terminals[file.object]
    if not terminal.pty:
        return
    if file.kind == "ptmx":
        terminal.masters += 1
    else:
        terminal.slaves += 1
        terminal.left = False
    k.emit(PtyEndsChanged(file.object, terminal.masters, terminal.slaves))


def remove_end(k: Kernel, file: OpenFile) -> None:
    """An open file is gone. Without a slave the master reads EIO, without a master the slave is hung up."""
    number = file.object
    terminal = k.tables.terminals.get(number)
    if terminal is None or not terminal.pty:
        return
    if file.kind == "ptmx":
        terminal.masters -= 1
    else:
        terminal.slaves -= 1
        terminal.left = not terminal.slaves
    k.emit(PtyEndsChanged(number, terminal.masters, terminal.slaves))
    if not terminal.masters:
        if file.kind == "ptmx":
            _remove_name(k, number)
            tty.hang_up(k, number)
        if not terminal.slaves:
            tty.forget(k, number)
            return
    if terminal.left:
        wake_up(k, f"pty:{number}")


def _remove_name(k: Kernel, number: int) -> None:
    directory = k.tables.inodes[k.tables.devpts]
    name = str(number - 1)
    found = directory.entries.get(name)
    if found is not None:
        inode = k.tables.inodes[found]
        ramfs.remove_name(k, directory, name, inode)
        ramfs.drop_link(k, inode)


def check_open(k: Kernel, number: int) -> None:
    """May the slave be opened? EIO while it is locked, and for good once the master is closed."""
    terminal = k.tables.terminals.get(number)
    if terminal is None or not terminal.masters or terminal.locked:
        raise KernelError(Errno.EIO)


# --- the master ---------------------------------------------------------------------------------------------


def read_master(k: Kernel, file: OpenFile, to: IovIter, _at: int | None) -> int:
    """What was written at the slave; EIO when nobody has it open any more. In packet mode a byte comes first
    that says what the rest is."""
    terminal = k.tables.terminals[file.object]
    if not to.count:
        return 0
    if terminal.packet and terminal.packet_status:
        status = bytes((terminal.packet_status,))
        if not to.give(k, status):
            raise KernelError(Errno.EFAULT)
        terminal.packet_status = 0
        return 1
    if not terminal.outgoing:
        if terminal.left:
            raise KernelError(Errno.EIO)
        if file.flags & O_NONBLOCK:
            raise KernelError(Errno.EAGAIN)
        raise Blocked(f"pty:{file.object}")
    head = 0
    if terminal.packet:
        head = to.give(k, b"\0")
        if not head:
            raise KernelError(Errno.EFAULT)
    data = terminal.outgoing[: min(to.count, n_tty.BUFFER - 1)]
    copied = to.give(k, data)
    if data and not copied and not head:
        raise KernelError(Errno.EFAULT)
    terminal.outgoing = terminal.outgoing[copied:]
    if copied:
        k.emit(PtyRead(file.object, copied))
        wake_up(k, f"tty:{file.object}:write")
    return copied + head


def write_master(k: Kernel, file: OpenFile, source: IovIter, _at: int | None) -> int:
    """Typed at the slave. `Task.progress` is [bytes written]."""
    terminal = k.tables.terminals[file.object]
    done = k.task.progress[0] if k.task.progress else 0
    source.advance(done)
    while source.count:
        room = LIMIT - len(terminal.typed)
        if room <= 0:
            if done and (file.flags & O_NONBLOCK or signal_pending(k, k.task)):
                break
            if file.flags & O_NONBLOCK:
                raise KernelError(Errno.EAGAIN)
            k.task.progress = [done] if done else []
            raise Blocked(f"pty:{file.object}:write")
        wanted = min(source.count, tty.CHUNK, room)
        data = source.take(k, wanted)
        if data:
            k.emit(PtyTyped(file.object, data))
            n_tty.receive(k, file.object, data)
            done += len(data)
        if len(data) < wanted:
            if not done:
                raise KernelError(Errno.EFAULT)
            break
    return done


def poll_master(k: Kernel, file: OpenFile) -> tuple[int, tuple[str, ...]]:
    """poll's bits, and the queues that tell of a change."""
    terminal = k.tables.terminals[file.object]
    mask = 0
    if terminal.packet and terminal.packet_status:
        mask |= POLLPRI | POLLIN | POLLRDNORM
    if terminal.outgoing:
        mask |= POLLIN | POLLRDNORM
    if terminal.left:
        mask |= POLLHUP
    if len(terminal.typed) < LIMIT:
        mask |= POLLOUT | POLLWRNORM
    return mask, (f"pty:{file.object}", f"pty:{file.object}:write")


def ioctl_master(k: Kernel, file: OpenFile, request: int, arg: int) -> int:
    """What only a master knows; all else is about its slave (`tty_pair_get_tty`)."""
    terminal = k.tables.terminals[file.object]
    if request == abi.TIOCGPTN:
        uaccess.put_user32(k, arg, file.object - 1)
    elif request == abi.TIOCSPTLCK:
        terminal.locked = bool(uaccess.get_user32(k, arg))
    elif request == abi.TIOCGPTLCK:
        uaccess.put_user32(k, arg, int(terminal.locked))
    elif request == abi.TIOCGPTPEER:
        return _open_peer(k, file.object, arg)
    elif request == abi.TIOCPKT:
        terminal.packet, terminal.packet_status = bool(uaccess.get_user32(k, arg)), 0
    elif request == abi.TIOCGPKT:
        uaccess.put_user32(k, arg, int(terminal.packet))
    elif request == abi.TIOCSIG:
        if arg not in (SIGINT, SIGQUIT, SIGTSTP):
            raise KernelError(Errno.EINVAL)
        n_tty.signal_foreground(k, terminal, arg)
    elif request == abi.FIONREAD:
        uaccess.put_user32(k, arg, len(terminal.outgoing))
    elif request == abi.TCFLSH:
        _flush(k, file.object, terminal, arg)
    else:
        return tty_ioctl.ioctl(k, file, request, arg, master=True)
    return 0


def _flush(k: Kernel, number: int, terminal: Terminal, arg: int) -> None:
    """The master's input is what the slave wrote, and the other way round."""
    if arg not in (abi.TCIFLUSH, abi.TCOFLUSH, abi.TCIOFLUSH):
        raise KernelError(Errno.EINVAL)
    if arg != abi.TCOFLUSH and terminal.outgoing:
        k.emit(PtyRead(number, len(terminal.outgoing)))
        terminal.outgoing = b""
        wake_up(k, f"tty:{number}:write")
    if arg != abi.TCIFLUSH:
        n_tty.flush_input(terminal)
        wake_up(k, f"pty:{number}:write")


def _open_peer(k: Kernel, number: int, flags: int) -> int:
    """TIOCGPTPEER: a descriptor of the slave, whatever is mounted where."""
    from kernel.fs.files import install_fd, open_file

    check_open(k, number)
    found = k.tables.inodes[k.tables.devpts].entries[str(number - 1)]
    kept = flags & ~(O_CLOEXEC | O_NOCTTY)
    file = open_file(k, "tty", kept, found, number, f"/dev/pts/{number - 1}")
    if not flags & O_NOCTTY and flags & O_ACCMODE != 1:
        tty.take_as_controlling(k, number)
    return install_fd(k, file, bool(flags & O_CLOEXEC))
