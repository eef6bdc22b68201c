"""Terminals: reading and writing them, the foreground group, hanging up (man 4 tty, man 7 credentials).

What becomes of the characters is the line discipline's business (`n_tty`), what can be set `tty_ioctl`'s;
masters of pseudoterminals are in `pty`. Terminal 0 is the machine's
console. A terminal controls the session that its `session` names; unlike on a real /dev/console, job
control works there, because it is the only terminal that there is.

Readers sleep on `tty:N`, writers on `tty:N:write` while output is stopped by ^S.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi import tty as abi
from kernel.abi.errno import ERESTARTSYS, Errno
from kernel.abi.files import O_NONBLOCK, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM
from kernel.abi.process import CAP_SYS_ADMIN
from kernel.abi.signal import (
    SI_KERNEL,
    SI_USER,
    SIG_IGN,
    SIGCONT,
    SIGHUP,
    SIGTTIN,
    SIGTTOU,
    SIGWINCH,
    sigmask,
)
from kernel.capabilities import capable
from kernel.errors import Blocked, KernelError
from kernel.events import TerminalResized
from kernel.fs import n_tty
from kernel.fs.iov import IovIter
from kernel.signals.state import is_orphaned_pgrp, send_signal, send_to_group, signal_pending
from kernel.tables import OpenFile, SigInfo, Task, TaskState, Terminal
from kernel.wait import wake_up

if TYPE_CHECKING:
    from kernel.kernel import Kernel

CHUNK = 2048
"""Bytes of a write that are taken from user memory at a time (`iterate_tty_write`)."""
LIMIT = 65536
"""Bytes written to a pseudoterminal that its master has not read, at most."""
DECISECOND = 100_000_000
"""Ticks in a unit of VTIME."""


def new_terminal(rows: int = 24, columns: int = 80) -> Terminal:
    """A terminal as it comes up (`tty_std_termios`, with UTF-8 on)."""
    return Terminal(
        iflag=abi.ICRNL | abi.IXON | abi.IUTF8,
        oflag=abi.OPOST | abi.ONLCR,
        cflag=abi.B38400 | abi.CS8 | abi.CREAD | abi.HUPCL,
        lflag=abi.ISIG
        | abi.ICANON
        | abi.ECHO
        | abi.ECHOE
        | abi.ECHOK
        | abi.ECHOCTL
        | abi.ECHOKE
        | abi.IEXTEN,
        cc=list(abi.INIT_C_CC),
        rows=rows,
        columns=columns,
    )


def terminal_input(k: Kernel, number: int, data: bytes) -> None:
    """What was typed at terminal `number` (the event is out already)."""
    n_tty.receive(k, number, data)


def size_input(k: Kernel, number: int, data: bytes) -> None:
    """The window that shows terminal `number` has another size: rows and columns, 16 bits each."""
    if len(data) == 4:
        resize(k, number, int.from_bytes(data[:2], "little"), int.from_bytes(data[2:], "little"))


def resize(k: Kernel, number: int, rows: int, columns: int) -> None:
    """The terminal has another size: the foreground group gets SIGWINCH."""
    terminal = k.tables.terminals[number]
    if (terminal.rows, terminal.columns) == (rows, columns):
        return
    terminal.rows, terminal.columns = rows, columns
    k.emit(TerminalResized(number, rows, columns))
    n_tty.signal_foreground(k, terminal, SIGWINCH)


def controlling(k: Kernel, task: Task) -> int:
    """Number of the task's controlling terminal, -1 for none."""
    for number, terminal in k.tables.terminals.items():
        if terminal.session and terminal.session == task.session:
            return number
    return -1


def is_controlling(task: Task, terminal: Terminal) -> bool:
    return bool(terminal.session) and terminal.session == task.session


# --- job control --------------------------------------------------------------------------------------------


def check_change(k: Kernel, terminal: Terminal, signo: int) -> None:
    """A process in the background may not: its group gets SIGTTIN or SIGTTOU (`__tty_check_change`)."""
    task = k.task
    if not is_controlling(task, terminal) or not terminal.pgrp or task.pgrp == terminal.pgrp:
        return
    action = k.tables.sighands[task.sighand].actions.get(signo)
    if task.blocked & sigmask(signo) or (action is not None and action.handler == SIG_IGN):
        if signo == SIGTTIN:
            raise KernelError(Errno.EIO)
        return
    if is_orphaned_pgrp(k, task.pgrp):
        raise KernelError(Errno.EIO)
    send_to_group(k, task.pgrp, SigInfo(signo, SI_KERNEL))
    raise KernelError(ERESTARTSYS)


def may_open(k: Kernel, number: int) -> None:
    """EBUSY for all but root after TIOCEXCL."""
    if k.tables.terminals[number].exclusive and not capable(k, CAP_SYS_ADMIN):
        raise KernelError(Errno.EBUSY)


def take_as_controlling(k: Kernel, number: int) -> None:
    """A session's leader without a terminal opens one that is nobody's (`tty_open_proc_set_tty`)."""
    task, terminal = k.task, k.tables.terminals[number]
    if task.session == task.tgid and not terminal.session and controlling(k, task) < 0:
        terminal.session, terminal.pgrp = task.session, task.pgrp


def hang_up(k: Kernel, number: int) -> None:
    """The line is gone (`__tty_hangup`): its open files are dead, the session's leader gets SIGHUP."""
    terminal = k.tables.terminals[number]
    for file in k.tables.files.values():
        if file.kind == "tty" and file.object == number:
            file.hung = True
    leader = k.tables.tasks.get(terminal.session)
    foreground = terminal.pgrp
    terminal.session = terminal.pgrp = 0
    n_tty.flush_input(terminal)
    if leader is not None and leader.state != TaskState.ZOMBIE:
        leader.old_pgrp = foreground
        send_signal(k, leader, SigInfo(SIGHUP, SI_KERNEL), shared=True)
        send_signal(k, leader, SigInfo(SIGCONT, SI_KERNEL), shared=True)
    wake_up(k, f"tty:{number}")
    wake_up(k, f"tty:{number}:write")


def forget(k: Kernel, number: int) -> None:
    """A pseudoterminal that nobody has open any more."""
    del k.tables.terminals[number]


def release_session(k: Kernel, task: Task, *, ends: bool) -> None:
    """A session's leader ends or gives its terminal up: the foreground group is hung up
    (`disassociate_ctty`), by the kernel or by the one that gives it up."""
    if task.session != task.tgid:
        return
    hangup, go_on = (
        SigInfo(signo, SI_KERNEL) if ends else SigInfo(signo, SI_USER, pid=task.tgid, uid=task.cred.uid)
        for signo in (SIGHUP, SIGCONT)
    )
    if task.old_pgrp:
        old, task.old_pgrp = task.old_pgrp, 0
        send_to_group(k, old, hangup)
        send_to_group(k, old, go_on)
    for terminal in k.tables.terminals.values():
        if is_controlling(task, terminal):
            foreground = terminal.pgrp
            terminal.session = terminal.pgrp = 0
            if foreground:
                send_to_group(k, foreground, hangup)
                send_to_group(k, foreground, go_on)


# --- reading and writing ------------------------------------------------------------------------------------


def read_tty(k: Kernel, file: OpenFile, to: IovIter, _at: int | None) -> int:
    """A line, or in raw mode what VMIN and VTIME say. `Task.progress` is [bytes read, deadline or -1]."""
    terminal = k.tables.terminals[file.object]
    if file.hung:
        if k.task.progress and terminal.pty and not terminal.masters:  # it waited when the master went
            if k.task.progress[0]:
                return k.task.progress[0]
            raise KernelError(Errno.EIO)
        return 0
    check_change(k, terminal, SIGTTIN)
    if not to.count:
        return 0
    if not terminal.lflag & abi.ICANON:
        return _read_raw(k, file, terminal, to)
    if not terminal.lines:
        if file.flags & O_NONBLOCK:
            raise KernelError(Errno.EAGAIN)
        k.task.progress = [0, -1]
        raise Blocked(f"tty:{file.object}")
    data = n_tty.take_line(terminal, to.count)
    n_tty.take_typed(k, file.object)
    return _give(k, to, data)


def _give(k: Kernel, to: IovIter, data: bytes) -> int:
    """What cannot be copied is lost, as on Linux."""
    copied = to.give(k, data)
    if data and not copied:
        raise KernelError(Errno.EFAULT)
    return copied


def _read_raw(k: Kernel, file: OpenFile, terminal: Terminal, to: IovIter) -> int:
    minimum, time = terminal.cc[abi.VMIN], terminal.cc[abi.VTIME] * DECISECOND
    done, deadline = k.task.progress if k.task.progress else (0, -1)
    to.advance(min(done, to.count))
    data = n_tty.take_bytes(terminal, to.count)
    n_tty.take_typed(k, file.object)
    if data:
        done += _give(k, to, data)
        deadline = -1
    if done >= max(1, minimum) or (done and not to.count):
        return done
    if not minimum and (not time or 0 <= deadline <= k.now):
        return done
    if done and (0 <= deadline <= k.now or signal_pending(k, k.task)):
        return done
    if file.flags & O_NONBLOCK:
        if done:
            return done
        raise KernelError(Errno.EAGAIN)
    if time and deadline < 0 and (done or not minimum):
        deadline = k.now + time
    k.task.progress = [done, deadline]
    raise Blocked(f"tty:{file.object}", deadline=deadline)


def write_tty(k: Kernel, file: OpenFile, source: IovIter, _at: int | None) -> int:
    """Everything, piece by piece. `Task.progress` is [bytes written]."""
    terminal = k.tables.terminals[file.object]
    if file.hung or (terminal.pty and not terminal.masters):
        raise KernelError(Errno.EIO)
    if terminal.lflag & abi.TOSTOP:
        check_change(k, terminal, SIGTTOU)
    done = k.task.progress[0] if k.task.progress else 0
    source.advance(done)
    while source.count:
        room = CHUNK if not terminal.pty else min(CHUNK, LIMIT - len(terminal.outgoing))
        if terminal.stopped or room <= 0:
            if done and (file.flags & O_NONBLOCK or signal_pending(k, k.task)):
                break
            if file.flags & O_NONBLOCK:
                raise KernelError(Errno.EAGAIN)
            k.task.progress = [done] if done else []
            raise Blocked(f"tty:{file.object}:write")
        wanted = min(source.count, room)
        data = source.take(k, wanted)
        if len(data) < wanted:
            if not done:
                raise KernelError(Errno.EFAULT)
            break
        n_tty.output(k, file.object, n_tty.process_output(terminal, data))
        done += len(data)
    return done


def poll_tty(k: Kernel, file: OpenFile) -> tuple[int, tuple[str, ...]]:
    """poll's bits, and the queues that tell of a change."""
    if file.hung:
        return POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDNORM | POLLWRNORM, ()
    terminal = k.tables.terminals[file.object]
    mask = POLLIN | POLLRDNORM if n_tty.readable(terminal) else 0
    if not terminal.stopped and len(terminal.outgoing) < LIMIT:
        mask |= POLLOUT | POLLWRNORM
    return mask, (f"tty:{file.object}", f"tty:{file.object}:write")
