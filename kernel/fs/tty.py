"""Terminals: reading and writing them, the foreground group, ioctls (man 2 ioctl_tty, man 4 tty_ioctl).

What becomes of the characters is the line discipline's business (`n_tty`). Terminal 0 is the machine's
console. A terminal controls the session that its `session` names; unlike on a real /dev/console, job
control works there, because it is the only terminal that there is.

Readers sleep on `tty:N`, writers on `tty:N:write` while output is stopped by ^S.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel import uaccess
from kernel.abi import tty as abi
from kernel.abi.errno import ERESTARTSYS, Errno
from kernel.abi.files import O_NONBLOCK, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM
from kernel.abi.process import CAP_SYS_ADMIN
from kernel.abi.signal import SI_KERNEL, SIG_IGN, SIGCONT, SIGHUP, SIGTTIN, SIGTTOU, SIGWINCH, sigmask
from kernel.abi.structs import Termios, Winsize
from kernel.capabilities import capable
from kernel.errors import Blocked, KernelError
from kernel.events import TerminalWritten
from kernel.fs import n_tty
from kernel.fs.iov import IovIter
from kernel.signals.state import send_to_group, signal_pending
from kernel.tables import OpenFile, SigInfo, Task, TaskState, Terminal
from kernel.wait import wake_up

if TYPE_CHECKING:
    from kernel.kernel import Kernel

CHUNK = 2048
"""Bytes of a write that are taken from user memory at a time (`iterate_tty_write`)."""
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


def controlling(k: Kernel, task: Task) -> int:
    """Number of the task's controlling terminal, -1 for none."""
    for number, terminal in k.tables.terminals.items():
        if terminal.session and terminal.session == task.session:
            return number
    return -1


def _is_controlling(task: Task, terminal: Terminal) -> bool:
    return bool(terminal.session) and terminal.session == task.session


# --- job control --------------------------------------------------------------------------------------------


def check_change(k: Kernel, terminal: Terminal, signo: int) -> None:
    """A process in the background may not: its group gets SIGTTIN or SIGTTOU (`__tty_check_change`)."""
    task = k.task
    if not _is_controlling(task, terminal) or not terminal.pgrp or task.pgrp == terminal.pgrp:
        return
    action = k.tables.sighands[task.sighand].actions.get(signo)
    if task.blocked & sigmask(signo) or (action is not None and action.handler == SIG_IGN):
        if signo == SIGTTIN:
            raise KernelError(Errno.EIO)
        return
    if _is_orphaned(k, task.pgrp):
        raise KernelError(Errno.EIO)
    send_to_group(k, task.pgrp, SigInfo(signo, SI_KERNEL))
    raise KernelError(ERESTARTSYS)


def _members(k: Kernel, pgrp: int) -> list[Task]:
    return [
        task
        for task in k.tables.tasks.values()
        if task.pgrp == pgrp and task.pid == task.tgid and task.state != TaskState.ZOMBIE
    ]


def _is_orphaned(k: Kernel, pgrp: int) -> bool:
    """Nobody is left who would continue the group: no parent in the session outside of it."""
    for task in _members(k, pgrp):
        parent = k.tables.tasks.get(task.ppid)
        if parent is not None and parent.pgrp != pgrp and parent.session == task.session:
            return False
    return True


def release_session(k: Kernel, task: Task) -> None:
    """A session's leader ends or gives its terminal up: the foreground group is hung up."""
    if task.session != task.tgid:
        return
    for terminal in k.tables.terminals.values():
        if _is_controlling(task, terminal):
            foreground = terminal.pgrp
            terminal.session = terminal.pgrp = 0
            if foreground:
                send_to_group(k, foreground, SigInfo(SIGHUP, SI_KERNEL))
                send_to_group(k, foreground, SigInfo(SIGCONT, SI_KERNEL))


# --- reading and writing ------------------------------------------------------------------------------------


def read_tty(k: Kernel, file: OpenFile, to: IovIter, _at: int | None) -> int:
    """A line, or in raw mode what VMIN and VTIME say. `Task.progress` is [bytes read, deadline or -1]."""
    terminal = k.tables.terminals[file.object]
    check_change(k, terminal, SIGTTIN)
    if not to.count:
        return 0
    if not terminal.lflag & abi.ICANON:
        return _read_raw(k, file, terminal, to)
    if not terminal.lines:
        if file.flags & O_NONBLOCK:
            raise KernelError(Errno.EAGAIN)
        raise Blocked(f"tty:{file.object}")
    return _give(k, to, n_tty.take_line(terminal, to.count))


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
    k.task.progress = [done, deadline] if done or deadline >= 0 else []
    raise Blocked(f"tty:{file.object}", deadline=deadline)


def write_tty(k: Kernel, file: OpenFile, source: IovIter, _at: int | None) -> int:
    """Everything, piece by piece. `Task.progress` is [bytes written]."""
    terminal = k.tables.terminals[file.object]
    if terminal.lflag & abi.TOSTOP:
        check_change(k, terminal, SIGTTOU)
    done = k.task.progress[0] if k.task.progress else 0
    source.advance(done)
    while source.count:
        if terminal.stopped:
            if done and (file.flags & O_NONBLOCK or signal_pending(k, k.task)):
                break
            if file.flags & O_NONBLOCK:
                raise KernelError(Errno.EAGAIN)
            k.task.progress = [done] if done else []
            raise Blocked(f"tty:{file.object}:write")
        wanted = min(source.count, CHUNK)
        data = source.take(k, wanted)
        if len(data) < wanted:
            if not done:
                raise KernelError(Errno.EFAULT)
            break
        k.emit(TerminalWritten(file.object, n_tty.process_output(terminal, data)))
        done += len(data)
    return done


def poll_tty(k: Kernel, file: OpenFile) -> tuple[int, tuple[str, ...]]:
    """poll's bits, and the queues that tell of a change."""
    terminal = k.tables.terminals[file.object]
    mask = POLLIN | POLLRDNORM if n_tty.readable(terminal) else 0
    if not terminal.stopped:
        mask |= POLLOUT | POLLWRNORM
    return mask, (f"tty:{file.object}", f"tty:{file.object}:write")


# --- ioctl --------------------------------------------------------------------------------------------------


def ioctl_tty(k: Kernel, file: OpenFile, request: int, arg: int) -> int:
    """ENOTTY for what a terminal does not know."""
    terminal = k.tables.terminals[file.object]
    if request in (abi.TCGETS, abi.TCGETS2):
        uaccess.copy_to_user(k, arg, _termios(terminal, request == abi.TCGETS2))
    elif request in _SETS:
        check_change(k, terminal, SIGTTOU)
        _set_termios(k, file.object, uaccess.copy_from_user(k, arg, Termios.SIZE), _SETS[request])
    elif request == abi.TIOCGWINSZ:
        uaccess.copy_to_user(k, arg, Winsize(terminal.rows, terminal.columns).pack())
    elif request == abi.TIOCSWINSZ:
        size = Winsize.unpack(uaccess.copy_from_user(k, arg, Winsize.SIZE))
        resize(k, file.object, size.ws_row, size.ws_col)
    elif request in (abi.TIOCGPGRP, abi.TIOCGSID):
        if not _is_controlling(k.task, terminal):
            raise KernelError(Errno.ENOTTY)
        uaccess.put_user32(k, arg, terminal.pgrp if request == abi.TIOCGPGRP else terminal.session)
    elif request == abi.TIOCSPGRP:
        _set_foreground(k, terminal, arg)
    elif request == abi.TIOCSCTTY:
        _set_controlling(k, terminal, arg)
    elif request == abi.TIOCNOTTY:
        if not _is_controlling(k.task, terminal):
            raise KernelError(Errno.ENOTTY)
        release_session(k, k.task)
    elif request == abi.FIONREAD:
        lines = sum(terminal.lines)
        uaccess.put_user32(k, arg, lines if terminal.lflag & abi.ICANON else len(terminal.ready))
    elif request == abi.TCFLSH:
        if arg not in (abi.TCIFLUSH, abi.TCOFLUSH, abi.TCIOFLUSH):
            raise KernelError(Errno.EINVAL)
        if arg != abi.TCOFLUSH:
            n_tty.flush_input(terminal)
    elif request == abi.TCXONC:
        if arg not in (abi.TCOOFF, abi.TCOON, abi.TCIOFF, abi.TCION):
            raise KernelError(Errno.EINVAL)
        if arg in (abi.TCOOFF, abi.TCOON):
            terminal.stopped = arg == abi.TCOOFF
            if not terminal.stopped:
                wake_up(k, f"tty:{file.object}:write")
    elif request in (abi.TIOCOUTQ, abi.TIOCGETD):
        uaccess.put_user32(k, arg, 0)  # nothing waits for the line; N_TTY
    elif request not in (abi.TCSBRK, abi.TCSBRKP, abi.TIOCEXCL, abi.TIOCNXCL):
        raise KernelError(Errno.ENOTTY)
    return 0


_SETS = {
    abi.TCSETS: False,
    abi.TCSETSW: False,
    abi.TCSETSF: True,
    abi.TCSETS2: False,
    abi.TCSETSW2: False,
    abi.TCSETSF2: True,
}
"""Requests that set the termios, and whether what was typed is forgotten."""


def _termios(terminal: Terminal, second: bool) -> bytes:
    """`struct termios`, or `struct termios2` with its two speeds in bits per second."""
    data = Termios(
        terminal.iflag,
        terminal.oflag,
        terminal.cflag,
        terminal.lflag,
        abi.N_TTY,
        bytes(terminal.cc).ljust(abi.NCCS, b"\0"),
    ).pack()
    return data + (38400).to_bytes(4, "little") * 2 if second else data


def _set_termios(k: Kernel, number: int, data: bytes, flush: bool) -> None:
    terminal = k.tables.terminals[number]
    new = Termios.unpack(data)
    old_lflag = terminal.lflag
    terminal.iflag, terminal.oflag = new.c_iflag, new.c_oflag
    terminal.cflag, terminal.lflag = new.c_cflag, new.c_lflag
    terminal.cc = list(new.c_cc)
    if flush:
        n_tty.flush_input(terminal)
    n_tty.mode_changed(terminal, old_lflag)
    if not terminal.iflag & abi.IXON and terminal.stopped:
        terminal.stopped = False
        wake_up(k, f"tty:{number}:write")
    if n_tty.readable(terminal):
        wake_up(k, f"tty:{number}")


def resize(k: Kernel, number: int, rows: int, columns: int) -> None:
    """The terminal has another size: the foreground group gets SIGWINCH."""
    terminal = k.tables.terminals[number]
    if (terminal.rows, terminal.columns) == (rows, columns):
        return
    terminal.rows, terminal.columns = rows, columns
    n_tty.signal_foreground(k, terminal, SIGWINCH)


def _set_foreground(k: Kernel, terminal: Terminal, address: int) -> None:
    """TIOCSPGRP (`tiocspgrp`)."""
    task = k.task
    try:
        check_change(k, terminal, SIGTTOU)
    except KernelError as error:
        if error.errno == Errno.EIO:
            raise KernelError(Errno.ENOTTY) from None
        raise
    pgrp = uaccess.signed(uaccess.get_user32(k, address))
    if pgrp < 0:
        raise KernelError(Errno.EINVAL)
    if not _is_controlling(task, terminal):
        raise KernelError(Errno.ENOTTY)
    member = next((other for other in k.tables.tasks.values() if other.pgrp == pgrp), None)
    if member is None:
        raise KernelError(Errno.ESRCH)
    if member.session != task.session:
        raise KernelError(Errno.EPERM)
    terminal.pgrp = pgrp


def _set_controlling(k: Kernel, terminal: Terminal, arg: int) -> None:
    """TIOCSCTTY (`tiocsctty`)."""
    task = k.task
    leader = task.session == task.tgid
    if leader and terminal.session == task.session:
        return
    if not leader or controlling(k, task) >= 0:
        raise KernelError(Errno.EPERM)
    if terminal.session and not (arg == 1 and capable(k, CAP_SYS_ADMIN)):
        raise KernelError(Errno.EPERM)
    terminal.session = task.session
    terminal.pgrp = task.pgrp
