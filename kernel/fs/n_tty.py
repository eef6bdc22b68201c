"""The line discipline N_TTY: what becomes of characters on their way through a terminal (Linux's
drivers/tty/n_tty.c).

Input: in canonical mode a line is edited here until return; characters with a meaning (^C, ^D, ^U, ...)
take effect; what is typed is echoed. Output: `\\n` becomes `\\r\\n`, and so on. Everything is driven by the
terminal's termios (man 3 termios). Who may read and write, waiting and ioctls are in `tty`.

Input that finds no room waits in `Terminal.typed`.

Left out: ECHOPRT, delays, parity, IXOFF (nobody at the other end heeds it); echo appears at once even while
output is stopped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.signal import POLL_IN, SI_KERNEL, SIGINT, SIGQUIT, SIGTSTP
from kernel.abi.tty import (
    ECHO,
    ECHOCTL,
    ECHOE,
    ECHOK,
    ECHOKE,
    ECHONL,
    ICANON,
    ICRNL,
    IEXTEN,
    IGNCR,
    INLCR,
    ISIG,
    ISTRIP,
    IUCLC,
    IUTF8,
    IXANY,
    IXON,
    NOFLSH,
    OCRNL,
    OLCUC,
    ONLCR,
    ONLRET,
    ONOCR,
    OPOST,
    TABDLY,
    TIOCPKT_FLUSHREAD,
    TIOCPKT_START,
    TIOCPKT_STOP,
    VEOF,
    VEOL,
    VEOL2,
    VERASE,
    VINTR,
    VKILL,
    VLNEXT,
    VMIN,
    VQUIT,
    VREPRINT,
    VSTART,
    VSTOP,
    VSUSP,
    VTIME,
    VWERASE,
    XTABS,
)
from kernel.events import PtyWritten, TerminalWritten
from kernel.fs import fasync
from kernel.signals.state import send_to_group
from kernel.tables import SigInfo, Terminal
from kernel.wait import wake_up

if TYPE_CHECKING:
    from kernel.kernel import Kernel

BUFFER = 4096
"""Bytes of input that a terminal keeps (N_TTY_BUF_SIZE); one is left for the end of the line."""
_NEWLINE, _RETURN, _TAB, _BACKSPACE = 10, 13, 9, 8
_SIGNALS = ((VINTR, SIGINT), (VQUIT, SIGQUIT), (VSUSP, SIGTSTP))


# --- output -------------------------------------------------------------------------------------------------


def process_output(terminal: Terminal, data: bytes) -> bytes:
    """What reaches the screen of `data` (OPOST); keeps the cursor's column."""
    flags = terminal.oflag
    if not flags & OPOST:
        return data
    out = bytearray()
    column = terminal.column
    for char in data:
        if char == _NEWLINE:
            if flags & ONLRET:
                column = 0
            if flags & ONLCR:
                column = 0
                out.append(_RETURN)
        elif char == _RETURN:
            if flags & ONOCR and column == 0:
                continue
            if flags & OCRNL:
                char = _NEWLINE
                column = 0 if flags & ONLRET else column
            else:
                column = 0
        elif char == _TAB:
            spaces = 8 - column % 8
            column += spaces
            if flags & TABDLY == XTABS:
                out += b" " * spaces
                continue
        elif char == _BACKSPACE:
            column = max(0, column - 1)
        elif not _is_control(char):
            if flags & OLCUC and ord("a") <= char <= ord("z"):
                char -= 32
            if not _continues(terminal, char):
                column += 1
        out.append(char)
    terminal.column = column
    return bytes(out)


def _is_control(char: int) -> bool:
    return char < 32 or char == 127


def _continues(terminal: Terminal, char: int) -> bool:
    """Whether this byte goes on with a UTF-8 character."""
    return bool(terminal.iflag & IUTF8) and char & 0xC0 == 0x80


# --- input --------------------------------------------------------------------------------------------------


def output(k: Kernel, number: int, data: bytes) -> None:
    """What leaves a terminal: to the screen, or to the master of a pseudoterminal."""
    terminal = k.tables.terminals[number]
    if not data:
        return
    if not terminal.pty:
        k.emit(TerminalWritten(number, data))
    elif terminal.masters:
        terminal.outgoing += data
        k.emit(PtyWritten(number, data))
        wake_up(k, f"pty:{number}")
        if k.tables.asyncs:
            fasync.tell(k, "ptmx", number, POLL_IN)


def receive(k: Kernel, number: int, data: bytes) -> None:
    """Characters from the keyboard, or whatever is at the other end."""
    k.tables.terminals[number].typed += data
    take_typed(k, number)


def _has_room(terminal: Terminal) -> bool:
    """Whether one more character is taken. A line that has no end yet takes all, and drops what is too much,
    so that erasing still works (`n_tty_receive_room`)."""
    if len(terminal.editing) + len(terminal.ready) < BUFFER - 1:
        return True
    return bool(terminal.lflag & ICANON) and not terminal.lines


def take_typed(k: Kernel, number: int) -> None:
    """As much of what has arrived as there is room for."""
    terminal = k.tables.terminals[number]
    data = terminal.typed
    if not data:
        return
    terminal.typed = b""
    echo = bytearray()
    column = terminal.column
    lines = len(terminal.lines)
    for at, char in enumerate(data):
        if not _has_room(terminal):
            terminal.typed = data[at:]
            break
        signo = _receive_char(terminal, char, echo)
        if not echo:
            column = terminal.column
        if signo:
            # As isig(): the signal first, then what was typed and not yet read is forgotten, and with it the
            # echo of what came in one piece with this character.
            if terminal.lflag & NOFLSH:
                _show(k, number, echo)
            else:
                echo.clear()
                terminal.column = column
            signal_foreground(k, terminal, signo)
            if not terminal.lflag & NOFLSH:
                flush_input(terminal)
            if terminal.lflag & ECHO:
                _echo(terminal, char, echo)
    _show(k, number, echo)
    if terminal.lines or (terminal.ready and not terminal.lflag & ICANON):
        if k.tables.asyncs:  # of every line, or of all characters at once
            for _ in range(len(terminal.lines) - lines if terminal.lflag & ICANON else 1):
                fasync.tell(k, "tty", number, POLL_IN)
        wake_up(k, f"tty:{number}")
    if not terminal.stopped:
        wake_up(k, f"tty:{number}:write")
    if terminal.pty:
        wake_up(k, f"pty:{number}:write")


def _show(k: Kernel, number: int, echo: bytearray) -> None:
    if echo:
        output(k, number, bytes(echo))
        echo.clear()


def signal_foreground(k: Kernel, terminal: Terminal, signo: int) -> None:
    """A signal from the terminal to every process of its foreground group."""
    if terminal.pgrp:
        send_to_group(k, terminal.pgrp, SigInfo(signo, SI_KERNEL))


def flush_input(terminal: Terminal) -> None:
    """Forget what was typed and not read."""
    terminal.editing = terminal.ready = terminal.typed = b""
    terminal.lines = []
    terminal.literal = False
    terminal.packet_status |= TIOCPKT_FLUSHREAD


def _receive_char(terminal: Terminal, char: int, echo: bytearray) -> int:
    """One character; its signal, if it stands for one."""
    iflag, lflag, cc = terminal.iflag, terminal.lflag, terminal.cc
    if iflag & ISTRIP:
        char &= 0x7F
    if iflag & IUCLC and lflag & IEXTEN and ord("A") <= char <= ord("Z"):
        char += 32
    if terminal.literal:
        terminal.literal = False
        _insert(terminal, char, echo)
        return 0
    if terminal.stopped and iflag & IXON and iflag & IXANY and not _means(cc, VSTOP, char):
        set_stopped(terminal, False)
    if iflag & IXON and (_means(cc, VSTART, char) or _means(cc, VSTOP, char)):
        set_stopped(terminal, _means(cc, VSTOP, char) and not _means(cc, VSTART, char))
        return 0
    if lflag & ISIG:
        for index, signo in _SIGNALS:
            if _means(cc, index, char):
                if iflag & IXON:
                    set_stopped(terminal, False)
                return signo
    returned = char == _RETURN and bool(iflag & ICRNL)
    if char == _RETURN:
        if iflag & IGNCR:
            return 0
        if returned:
            char = _NEWLINE
    elif char == _NEWLINE and iflag & INLCR:
        char = _RETURN
    if not lflag & ICANON or not _edit(terminal, char, echo):
        _insert(terminal, char, echo, returned)
    return 0


def set_stopped(terminal: Terminal, stopped: bool) -> None:
    """Output stops, or goes on; a master in packet mode is told."""
    if terminal.stopped != stopped:
        terminal.stopped = stopped
        terminal.packet_status &= ~(TIOCPKT_STOP | TIOCPKT_START)
        terminal.packet_status |= TIOCPKT_STOP if stopped else TIOCPKT_START


def _means(cc: list[int], index: int, char: int) -> bool:
    """Whether `char` is the control character `index`; 0 switches one off."""
    return char != 0 and cc[index] == char


def _edit(terminal: Terminal, char: int, echo: bytearray) -> bool:
    """Canonical mode: whether `char` had a meaning, and what it does."""
    lflag, cc = terminal.lflag, terminal.cc
    extended = bool(lflag & IEXTEN)
    if _means(cc, VERASE, char) or _means(cc, VKILL, char) or (extended and _means(cc, VWERASE, char)):
        _erase(terminal, char, echo)
    elif extended and _means(cc, VLNEXT, char):
        terminal.literal = True
        if lflag & ECHO and lflag & ECHOCTL:
            _echo_raw(terminal, b"^\b", echo)
    elif extended and lflag & ECHO and _means(cc, VREPRINT, char):
        _echo(terminal, char, echo)
        _echo_raw(terminal, b"\n", echo)
        for one in terminal.editing:
            _echo(terminal, one, echo)
    elif char == _NEWLINE:
        if lflag & (ECHO | ECHONL):
            _echo_raw(terminal, b"\n", echo)
        _end_line(terminal, b"\n")
    elif _means(cc, VEOF, char):
        _end_line(terminal, b"")
    elif _means(cc, VEOL, char) or (extended and _means(cc, VEOL2, char)):
        if lflag & ECHO:
            _echo(terminal, char, echo)
        _end_line(terminal, bytes((char,)))
    else:
        return False
    return True


def _end_line(terminal: Terminal, end: bytes) -> None:
    terminal.lines.append(len(terminal.editing) + len(end))
    terminal.ready += terminal.editing + end
    terminal.editing = b""


def _insert(terminal: Terminal, char: int, echo: bytearray, returned: bool = False) -> None:
    """An ordinary character: into the line, or at once to the readers. `returned`: it was a return key.

    Of a line that is too long the rest is lost, and shown all the same (IMAXBEL does nothing in Linux).
    """
    if terminal.lflag & ECHO:
        if not terminal.editing:
            terminal.line_column = terminal.column
        if returned:
            _echo_raw(terminal, b"\n", echo)
        else:
            _echo(terminal, char, echo)
    if len(terminal.editing) + len(terminal.ready) >= BUFFER - 1:
        return
    if terminal.lflag & ICANON:
        terminal.editing += bytes((char,))
    else:
        terminal.ready += bytes((char,))


def _erase(terminal: Terminal, char: int, echo: bytearray) -> None:
    """The character, word or line before the cursor is taken back."""
    lflag, cc = terminal.lflag, terminal.cc
    one = _means(cc, VERASE, char)
    word = not one and _means(cc, VWERASE, char)
    if not terminal.editing:
        return
    if not one and not word and not (lflag & ECHO and lflag & ECHOK and lflag & ECHOKE and lflag & ECHOE):
        terminal.editing = b""
        if lflag & ECHO:
            _echo(terminal, cc[VKILL], echo)
            if lflag & ECHOK:
                _echo_raw(terminal, b"\n", echo)
        return
    seen = False
    while terminal.editing:
        at = len(terminal.editing) - 1
        while at and _continues(terminal, terminal.editing[at]):
            at -= 1
        last = terminal.editing[at]
        if _continues(terminal, last):
            break  # half a character stays
        if word:
            if chr(last).isalnum() or last == ord("_"):
                seen = True
            elif seen:
                break
        terminal.editing = terminal.editing[:at]
        if lflag & ECHO:
            _echo_erased(terminal, last, one, echo)
        if one:
            break


def _echo_erased(terminal: Terminal, char: int, one: bool, echo: bytearray) -> None:
    """Take a character off the screen."""
    if one and not terminal.lflag & ECHOE:
        _echo(terminal, terminal.cc[VERASE], echo)
    elif char == _TAB:
        column = terminal.line_column
        for before in terminal.editing:
            column += _width(terminal, before, column)
        width = 8 - column % 8
        echo += b"\b" * width
        terminal.column = max(0, terminal.column - width)
    else:
        _echo_raw(terminal, b"\b \b" * _width(terminal, char, 0), echo)


def _width(terminal: Terminal, char: int, column: int) -> int:
    """Columns that the echo of a character takes."""
    if char == _TAB:
        return 8 - column % 8
    if _is_control(char):
        return 2 if terminal.lflag & ECHOCTL else 0
    return 0 if _continues(terminal, char) else 1


def _echo(terminal: Terminal, char: int, echo: bytearray) -> None:
    """Show a character that was typed: control characters as ^X if ECHOCTL."""
    if terminal.lflag & ECHOCTL and _is_control(char) and char != _TAB:
        echo += bytes((ord("^"), char ^ 0x40))
        terminal.column += 2
    else:
        _echo_raw(terminal, bytes((char,)), echo)


def _echo_raw(terminal: Terminal, data: bytes, echo: bytearray) -> None:
    echo += process_output(terminal, data)


# --- reading ------------------------------------------------------------------------------------------------


def readable(terminal: Terminal) -> bool:
    """Whether a read would not wait: with VMIN alone only once so many bytes are there."""
    if terminal.lflag & ICANON:
        return bool(terminal.lines)
    return len(terminal.ready) >= (1 if terminal.cc[VTIME] else max(1, terminal.cc[VMIN]))


def take_line(terminal: Terminal, count: int) -> bytes:
    """Canonical mode: up to `count` bytes of the oldest line (there must be one); b'' for an end of file."""
    length = min(count, terminal.lines[0])
    data = terminal.ready[:length]
    terminal.ready = terminal.ready[length:]
    if length == terminal.lines[0]:
        del terminal.lines[0]
    else:
        terminal.lines[0] -= length
    return data


def take_bytes(terminal: Terminal, count: int) -> bytes:
    """Raw mode: up to `count` bytes of what is there."""
    data = terminal.ready[:count]
    terminal.ready = terminal.ready[count:]
    return data


def mode_changed(terminal: Terminal, old_lflag: int) -> None:
    """After ICANON went on or off: what was typed becomes readable as it is (`n_tty_set_termios`)."""
    if not (terminal.lflag ^ old_lflag) & ICANON:
        return
    terminal.literal = False
    if terminal.lflag & ICANON:
        terminal.lines = [len(terminal.ready)] if terminal.ready else []
    else:
        terminal.ready += terminal.editing
        terminal.editing = b""
        terminal.lines = []
