"""What can be asked of a terminal and set in it (man 2 ioctl_tty, Linux's tty_io.c, tty_ioctl.c).

For a request at a pseudoterminal's master the terminal is its slave.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kernel import uaccess
from kernel.abi import tty as abi
from kernel.abi.errno import Errno
from kernel.abi.process import CAP_SYS_ADMIN
from kernel.abi.signal import SIGTTOU
from kernel.abi.structs import Termios, Winsize
from kernel.capabilities import capable, need_capability
from kernel.errors import KernelError
from kernel.fs import n_tty, tty
from kernel.fs.devfs import device_of
from kernel.tables import OpenFile, Terminal
from kernel.wait import wake_up

if TYPE_CHECKING:
    from kernel.kernel import Kernel

_TERMIO = struct.Struct("<4HB8sx")
"""`struct termio`: the low halves of the flags, and the first eight control characters."""
_SPEEDS = {
    abi.B0: 0,
    abi.B50: 50,
    abi.B75: 75,
    abi.B110: 110,
    abi.B134: 134,
    abi.B150: 150,
    abi.B200: 200,
    abi.B300: 300,
    abi.B600: 600,
    abi.B1200: 1200,
    abi.B1800: 1800,
    abi.B2400: 2400,
    abi.B4800: 4800,
    abi.B9600: 9600,
    abi.B19200: 19200,
    abi.B38400: 38400,
    abi.B57600: 57600,
    abi.B115200: 115200,
    abi.B230400: 230400,
    abi.B460800: 460800,
    abi.B500000: 500000,
    abi.B576000: 576000,
    abi.B921600: 921600,
    abi.B1000000: 1000000,
    abi.B1152000: 1152000,
    abi.B1500000: 1500000,
    abi.B2000000: 2000000,
    abi.B2500000: 2500000,
    abi.B3000000: 3000000,
    abi.B3500000: 3500000,
    abi.B4000000: 4000000,
}
_TERMIOS, _TERMIOS2, _TERMIO_OLD = range(3)
_GETS = {abi.TCGETS: _TERMIOS, abi.TCGETS2: _TERMIOS2, abi.TCGETA: _TERMIO_OLD}
_SETS = {
    abi.TCSETS: (_TERMIOS, False),
    abi.TCSETSW: (_TERMIOS, False),
    abi.TCSETSF: (_TERMIOS, True),
    abi.TCSETS2: (_TERMIOS2, False),
    abi.TCSETSW2: (_TERMIOS2, False),
    abi.TCSETSF2: (_TERMIOS2, True),
    abi.TCSETA: (_TERMIO_OLD, False),
    abi.TCSETAW: (_TERMIO_OLD, False),
    abi.TCSETAF: (_TERMIO_OLD, True),
}
"""Requests that set the modes: which struct, and whether what was typed is forgotten."""


def ioctl_tty(k: Kernel, file: OpenFile, request: int, arg: int) -> int:
    """A terminal, or a pseudoterminal's slave. Of one that was hung up EIO, ENOTTY for TIOCSPGRP."""
    if file.hung:
        raise KernelError(Errno.ENOTTY if request == abi.TIOCSPGRP else Errno.EIO)
    return ioctl(k, file, request, arg)


def ioctl(k: Kernel, file: OpenFile, request: int, arg: int, master: bool = False) -> int:
    """ENOTTY for what a terminal does not know."""
    number = file.object
    terminal = k.tables.terminals[number]
    if request in _GETS:
        uaccess.copy_to_user(k, arg, _modes(terminal, _GETS[request]))
    elif request in _SETS:
        _change(k, terminal, master)
        _set_modes(k, number, arg, *_SETS[request])
    elif request == abi.TIOCGWINSZ:
        uaccess.copy_to_user(k, arg, Winsize(terminal.rows, terminal.columns).pack())
    elif request == abi.TIOCSWINSZ:
        size = Winsize.unpack(uaccess.copy_from_user(k, arg, Winsize.SIZE))
        tty.resize(k, number, size.ws_row, size.ws_col)
    elif request in (abi.TIOCGPGRP, abi.TIOCGSID, abi.TIOCSPGRP, abi.TIOCSCTTY, abi.TIOCNOTTY):
        _job_control(k, terminal, request, arg, master)
    elif request in (abi.TCFLSH, abi.TCXONC, abi.TCSBRK, abi.TCSBRKP, abi.TIOCSTI):
        _control(k, number, request, arg, master)
    elif request == abi.FIONREAD:
        lines = sum(terminal.lines)
        uaccess.put_user32(k, arg, lines if terminal.lflag & abi.ICANON else len(terminal.ready))
    elif request in (abi.TIOCOUTQ, abi.TIOCGETD):
        uaccess.put_user32(k, arg, 0)  # nothing waits for the line; N_TTY
    elif request == abi.TIOCSETD:
        if uaccess.get_user32(k, arg) != abi.N_TTY:
            raise KernelError(Errno.EINVAL)
    elif request in (abi.TIOCEXCL, abi.TIOCNXCL):
        terminal.exclusive = request == abi.TIOCEXCL
    elif request == abi.TIOCGEXCL:
        uaccess.put_user32(k, arg, int(terminal.exclusive))
    elif request == abi.TIOCGDEV:
        uaccess.put_user32(k, arg, device_of(number))
    elif request == abi.TIOCVHANGUP:
        need_capability(k, CAP_SYS_ADMIN)
        tty.hang_up(k, number)
    else:
        raise KernelError(Errno.ENOTTY)
    return 0


def _change(k: Kernel, terminal: Terminal, master: bool) -> None:
    """Who changes a terminal must be in its foreground, or is told to stop; a master may always."""
    if not master:
        tty.check_change(k, terminal, SIGTTOU)


def _control(k: Kernel, number: int, request: int, arg: int, master: bool) -> None:
    """Flush, stop, break, and typing by program."""
    terminal = k.tables.terminals[number]
    if request == abi.TIOCSTI:
        if not tty.is_controlling(k.task, terminal) and not capable(k, CAP_SYS_ADMIN):
            raise KernelError(Errno.EPERM)
        n_tty.receive(k, number, uaccess.copy_from_user(k, arg, 1))
        return
    _change(k, terminal, master)
    if request == abi.TCFLSH:
        if arg not in (abi.TCIFLUSH, abi.TCOFLUSH, abi.TCIOFLUSH):
            raise KernelError(Errno.EINVAL)
        if arg != abi.TCOFLUSH:
            n_tty.flush_input(terminal)
            wake_up(k, f"pty:{number}:write")
        if arg != abi.TCIFLUSH:
            terminal.packet_status |= abi.TIOCPKT_FLUSHWRITE
    elif request == abi.TCXONC:
        if arg not in (abi.TCOOFF, abi.TCOON, abi.TCIOFF, abi.TCION):
            raise KernelError(Errno.EINVAL)
        if arg in (abi.TCOOFF, abi.TCOON):
            n_tty.set_stopped(terminal, arg == abi.TCOOFF)
            if not terminal.stopped:
                wake_up(k, f"tty:{number}:write")
        else:
            char = terminal.cc[abi.VSTOP if arg == abi.TCIOFF else abi.VSTART]
            if char:
                n_tty.output(k, number, bytes((char,)))


# --- modes --------------------------------------------------------------------------------------------------


def _modes(terminal: Terminal, form: int) -> bytes:
    """`struct termios`, `struct termios2` with its two speeds in bits per second, or `struct termio`."""
    if form == _TERMIO_OLD:
        flags = (terminal.iflag, terminal.oflag, terminal.cflag, terminal.lflag)
        return _TERMIO.pack(*(flag & 0xFFFF for flag in flags), abi.N_TTY, bytes(terminal.cc[:8]))
    data = Termios(
        terminal.iflag,
        terminal.oflag,
        terminal.cflag,
        terminal.lflag,
        abi.N_TTY,
        bytes(terminal.cc).ljust(abi.NCCS, b"\0"),
    ).pack()
    return data + struct.pack("<2I", *terminal.speeds) if form == _TERMIOS2 else data


def _set_modes(k: Kernel, number: int, arg: int, form: int, flush: bool) -> None:
    terminal = k.tables.terminals[number]
    old = terminal.lflag, terminal.iflag, terminal.cc[:]
    speeds = None
    if form == _TERMIO_OLD:
        low = _TERMIO.unpack(uaccess.copy_from_user(k, arg, _TERMIO.size))
        flags = (terminal.iflag, terminal.oflag, terminal.cflag, terminal.lflag)
        iflag, oflag, cflag, lflag = (a & ~0xFFFF | b for a, b in zip(flags, low[:4], strict=True))
        cc = list(low[5]) + terminal.cc[8:]
    else:
        size = Termios.SIZE + (8 if form == _TERMIOS2 else 0)
        data = uaccess.copy_from_user(k, arg, size)
        new = Termios.unpack(data)
        iflag, oflag, cflag, lflag, cc = new.c_iflag, new.c_oflag, new.c_cflag, new.c_lflag, list(new.c_cc)
        if form == _TERMIOS2:
            speeds = list(struct.unpack_from("<2I", data, Termios.SIZE))
    if terminal.pty:
        cflag = cflag & ~(abi.CSIZE | abi.PARENB) | abi.CS8 | abi.CREAD
    terminal.iflag, terminal.oflag, terminal.cflag, terminal.lflag = iflag, oflag, cflag, lflag
    terminal.cc = cc
    _set_speeds(terminal, speeds)
    if flush:
        n_tty.flush_input(terminal)
        wake_up(k, f"pty:{number}:write")
    n_tty.mode_changed(terminal, old[0])
    if not terminal.iflag & abi.IXON and terminal.stopped:
        n_tty.set_stopped(terminal, False)
        wake_up(k, f"tty:{number}:write")
    _tell_packets(k, number, old)
    if n_tty.readable(terminal):
        wake_up(k, f"tty:{number}")
    n_tty.take_typed(k, number)


def _set_speeds(terminal: Terminal, given: list[int] | None) -> None:
    """The speed that the flags name; with BOTHER the number that was given (`tty_termios_baud_rate`)."""
    code = terminal.cflag & abi.CBAUD
    out = terminal.speeds[1]
    if code == abi.BOTHER:
        out = given[1] if given else out
    elif code in _SPEEDS:
        out = _SPEEDS[code]
    code = terminal.cflag >> 16 & abi.CBAUD
    into = out
    if code == abi.BOTHER:
        into = given[0] if given else terminal.speeds[0]
    elif code in _SPEEDS and code != abi.B0:
        into = _SPEEDS[code]
    terminal.speeds = [into, out]


def _tell_packets(k: Kernel, number: int, old: tuple[int, int, list[int]]) -> None:
    """A master in packet mode learns whether ^S and ^Q are for it, and of EXTPROC (`pty_set_termios`)."""
    terminal = k.tables.terminals[number]
    if not terminal.packet:
        return

    def flows(iflag: int, cc: list[int]) -> bool:
        return bool(iflag & abi.IXON) and cc[abi.VSTOP] == 0x13 and cc[abi.VSTART] == 0x11

    before, now = flows(old[1], old[2]), flows(terminal.iflag, terminal.cc)
    if before != now:
        terminal.packet_status &= ~(abi.TIOCPKT_DOSTOP | abi.TIOCPKT_NOSTOP)
        terminal.packet_status |= abi.TIOCPKT_DOSTOP if now else abi.TIOCPKT_NOSTOP
    if (old[0] | terminal.lflag) & abi.EXTPROC:
        terminal.packet_status |= abi.TIOCPKT_IOCTL
    if terminal.packet_status:
        wake_up(k, f"pty:{number}")


# --- job control --------------------------------------------------------------------------------------------


def _job_control(k: Kernel, terminal: Terminal, request: int, arg: int, master: bool) -> None:
    mine = tty.is_controlling(k.task, terminal)
    if request == abi.TIOCGPGRP:
        if not mine and not master:
            raise KernelError(Errno.ENOTTY)
        uaccess.put_user32(k, arg, terminal.pgrp)
    elif request == abi.TIOCGSID:
        if (not mine and not master) or not terminal.session:
            raise KernelError(Errno.ENOTTY)
        uaccess.put_user32(k, arg, terminal.session)
    elif request == abi.TIOCSPGRP:
        _set_foreground(k, terminal, arg)
    elif request == abi.TIOCSCTTY:
        _set_controlling(k, terminal, arg)
    else:
        if not mine or master:
            raise KernelError(Errno.ENOTTY)
        tty.release_session(k, k.task, ends=False)


def _set_foreground(k: Kernel, terminal: Terminal, address: int) -> None:
    """TIOCSPGRP (`tiocspgrp`)."""
    task = k.task
    try:
        tty.check_change(k, terminal, SIGTTOU)
    except KernelError as error:
        if error.errno == Errno.EIO:
            raise KernelError(Errno.ENOTTY) from None
        raise
    pgrp = uaccess.signed(uaccess.get_user32(k, address))
    if pgrp < 0:
        raise KernelError(Errno.EINVAL)
    if not tty.is_controlling(task, terminal):
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
    if not leader or tty.controlling(k, task) >= 0:
        raise KernelError(Errno.EPERM)
    if terminal.session and not (arg == 1 and capable(k, CAP_SYS_ADMIN)):
        raise KernelError(Errno.EPERM)
    terminal.session = task.session
    terminal.pgrp = task.pgrp
