"""The terminal and its line discipline, against termios(3); the expected bytes are a real pty's."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from kernel.abi import tty as abi
from kernel.abi.errno import ERESTARTSYS, Errno
from kernel.abi.files import O_NONBLOCK, O_RDWR
from kernel.abi.signal import SIG_IGN, SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU, SIGUSR1, SIGWINCH
from kernel.abi.structs import Termios, Winsize
from kernel.fs import tty
from kernel.signals.state import send_signal
from kernel.tables import SigAction, SigInfo, Task, TaskState, Terminal
from kernel.wait import wake_task
from tests.kernel.file_machine import BAD, BUFFER, SMALL, FileMachine, error

ERASED = b"\b \b"


@pytest.fixture
def m() -> Iterator[FileMachine]:
    machine = FileMachine()
    yield machine
    machine.check()


def terminal(m: FileMachine) -> Terminal:
    return m.tables.terminals[0]


def set_mode(
    m: FileMachine, clear: int = 0, minimum: int = 1, time: int = 0, request: int = abi.TCSETS
) -> None:
    """Without some bits of c_lflag, by ioctl."""
    m.ok("ioctl", 0, abi.TCGETS, SMALL)
    mode = Termios.unpack(m.load(SMALL, Termios.SIZE))
    cc = bytearray(mode.c_cc)
    cc[abi.VMIN], cc[abi.VTIME] = minimum, time
    new = Termios(mode.c_iflag, mode.c_oflag, mode.c_cflag, mode.c_lflag & ~clear, mode.c_line, bytes(cc))
    m.store(SMALL, new.pack())
    m.ok("ioctl", 0, request, SMALL)


# --- lines --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "shown", "line"),
    [
        (b"abc\r", b"abc\r\n", b"abc\n"),
        (b"abc\n", b"abc\r\n", b"abc\n"),
        (b"abd\x7fc\r", b"abd" + ERASED + b"c\r\n", b"abc\n"),
        (b"\x7fa\r", b"a\r\n", b"a\n"),
        (b"abc\x15d\r", b"abc" + ERASED * 3 + b"d\r\n", b"d\n"),
        (b"one two_3\x17x\r", b"one two_3" + ERASED * 5 + b"x\r\n", b"one x\n"),
        (b"a\x01\x7fb\r", b"a^A" + ERASED * 2 + b"b\r\n", b"ab\n"),
        (b"a\x16\x03b\r", b"a^\b^Cb\r\n", b"a\x03b\n"),
        (b"ab\t\x7fc\r", b"ab\t" + b"\b" * 6 + b"c\r\n", b"abc\n"),
        ("ä\x7fb\r".encode(), "ä".encode() + ERASED + b"b\r\n", b"b\n"),
        (b"ab\x12c\r", b"ab^R\r\nabc\r\n", b"abc\n"),
    ],
)
def test_a_line_is_edited_and_echoed(m: FileMachine, typed: bytes, shown: bytes, line: bytes) -> None:
    m.events.clear()
    m.type(typed)
    assert m.screen() == shown
    assert m.read(0) == line
    assert m.read(0) == ("tty:0",)


def test_a_reader_gets_one_line_at_a_time(m: FileMachine) -> None:
    assert m.read(0) == ("tty:0",)
    m.type(b"hal")
    assert m.first.state == TaskState.SLEEPING
    m.type(b"lo\nsecond\n")
    assert m.resume(m.first) == 6
    assert m.load(BUFFER, 6) == b"hallo\n"
    assert m.read(0, 3) == b"sec"
    assert m.read(0, 100) == b"ond\n"


def test_end_of_file(m: FileMachine) -> None:
    m.type(b"abc\x04\x04rest\n")
    assert m.read(0, 3) == b"abc"  # the mark goes with the last byte before it
    assert m.read(0) == b""
    assert m.read(0) == b"rest\n"
    m.ok("fcntl64", 0, 4, O_RDWR | O_NONBLOCK)
    assert m.read(0) == error(Errno.EAGAIN)
    m.type(b"no end yet")
    assert m.read(0) == error(Errno.EAGAIN)


def test_a_bad_buffer_loses_the_line(m: FileMachine) -> None:
    m.type(b"abc\ndef\n")
    assert m.call("read", 0, BAD, 100) == error(Errno.EFAULT)
    assert m.read(0) == b"def\n"
    assert m.call("write", 1, BAD, 1) == error(Errno.EFAULT)
    assert m.ok("write", 1, BAD, 0) == 0


def test_a_line_has_an_end(m: FileMachine) -> None:
    m.type(b"x" * 5000 + b"\n")
    assert len(m.read(0, 9000)) == 4096


@pytest.mark.parametrize(("key", "signo"), [(b"\x03", SIGINT), (b"\x1c", SIGQUIT), (b"\x1a", SIGTSTP)])
def test_signal_keys_reach_the_foreground_group(m: FileMachine, key: bytes, signo: int) -> None:
    child = m.add_process(3, pgrp=3)
    other = m.add_process(4, pgrp=3)
    terminal(m).pgrp = 3
    m.run(m.first)
    m.type(b"forgotten" + key)
    assert [(event.task, event.signo) for event in m.told("SignalGenerated")] == [(3, signo), (4, signo)]
    assert m.screen().endswith(b"^" + bytes((key[0] ^ 0x40,)))
    assert not terminal(m).editing
    for task in (child, other):
        task.shared_pending.clear()


def test_without_isig_the_keys_are_characters(m: FileMachine) -> None:
    set_mode(m, clear=abi.ISIG)
    m.type(b"a\x03\n")
    assert m.read(0) == b"a\x03\n"


def test_output_can_be_stopped(m: FileMachine) -> None:
    m.type(b"\x13")
    assert m.write(1, b"later\n") == ("tty:0:write",)
    m.type(b"\x11")
    assert m.resume(m.first) == 6
    assert m.screen().endswith(b"later\r\n")


# --- raw mode -----------------------------------------------------------------------------------------------


def test_raw_mode_gives_every_byte(m: FileMachine) -> None:
    set_mode(m, clear=abi.ICANON | abi.ECHO)
    m.events.clear()
    assert m.read(0) == ("tty:0",)
    m.type(b"q")
    assert m.resume(m.first) == 1
    assert m.screen() == b""


def test_what_was_typed_survives_the_change_to_raw_mode(m: FileMachine) -> None:
    m.type(b"line\npart")
    set_mode(m, clear=abi.ICANON)
    assert m.read(0) == b"line\npart"
    m.type(b"gone")
    set_mode(m, request=abi.TCSETSF)
    set_mode(m, minimum=0)
    assert m.read(0) == b""


def test_vmin_counts_bytes(m: FileMachine) -> None:
    set_mode(m, clear=abi.ICANON, minimum=3)
    m.type(b"a")
    assert m.read(0, 10) == ("tty:0",)
    assert m.task.progress == [1, -1]
    m.type(b"bc")
    assert m.resume(m.first) == 3
    assert m.load(BUFFER, 3) == b"abc"
    m.type(b"xy")
    assert m.read(0, 2) == b"xy"  # no more is wanted


def test_vtime_ends_the_waiting(m: FileMachine) -> None:
    set_mode(m, clear=abi.ICANON, minimum=0, time=5)
    assert m.read(0) == ("tty:0",)
    assert m.first.wait is not None
    assert m.first.wait.deadline == m.now + 500_000_000
    m.now += 500_000_000
    wake_task(m.kernel, m.first, "deadline")
    assert m.resume(m.first) == 0


def test_a_signal_ends_a_read_with_what_there_is(m: FileMachine) -> None:
    set_mode(m, clear=abi.ICANON, minimum=3)
    m.tables.sighands[m.task.sighand].actions[SIGUSR1] = SigAction(0x8048000)
    m.type(b"a")
    assert m.read(0, 10) == ("tty:0",)
    send_signal(m.kernel, m.first, SigInfo(SIGUSR1))
    assert m.resume(m.first) == 1
    assert m.read(0, 10) == -ERESTARTSYS
    m.first.shared_pending.clear()


# --- job control --------------------------------------------------------------------------------------------


def background(m: FileMachine) -> Task:
    """A child in a group of its own, in the session but not in the foreground."""
    child = m.add_process(3, pgrp=3)
    child.ppid = m.first.pid
    terminal(m).pgrp = m.first.pgrp
    m.run(child)
    return child


def test_reading_in_the_background(m: FileMachine) -> None:
    child = background(m)
    assert m.read(0) == -ERESTARTSYS
    assert [event.signo for event in m.told("SignalGenerated")] == [SIGTTIN]
    child.shared_pending.clear()
    m.tables.sighands[child.sighand].actions[SIGTTIN] = SigAction(SIG_IGN)
    assert m.read(0) == error(Errno.EIO)
    assert m.write(1, b"may\n") == 4
    terminal(m).lflag |= abi.TOSTOP
    assert m.write(1, b"may not\n") == -ERESTARTSYS
    child.shared_pending.clear()


def test_changing_the_terminal_in_the_background(m: FileMachine) -> None:
    child = background(m)
    m.store(SMALL, struct.pack("<I", 3))
    assert m.call("ioctl", 0, abi.TIOCSPGRP, SMALL) == -ERESTARTSYS
    child.shared_pending.clear()
    child.blocked = 1 << SIGTTOU - 1  # what a shell does
    assert m.call("ioctl", 0, abi.TIOCSPGRP, SMALL) == 0
    assert terminal(m).pgrp == 3
    m.store(SMALL, struct.pack("<I", 999))
    assert m.call("ioctl", 0, abi.TIOCSPGRP, SMALL) == error(Errno.ESRCH)
    m.ok("ioctl", 0, abi.TIOCGPGRP, SMALL)
    assert m.load(SMALL, 4) == struct.pack("<I", 3)


def test_the_controlling_terminal(m: FileMachine) -> None:
    other = m.add_process(9, pgrp=9, session=9)
    terminal(m).session, terminal(m).pgrp = 2, 2
    m.run(other)
    assert m.call("open", "/dev/tty", O_RDWR, 0) == error(Errno.ENXIO)
    assert m.call("ioctl", 0, abi.TIOCGPGRP, SMALL) == error(Errno.ENOTTY)
    assert m.call("ioctl", 0, abi.TIOCSCTTY, 0) == error(Errno.EPERM)
    assert m.call("ioctl", 0, abi.TIOCSCTTY, 1) == 0  # root may steal it
    assert (terminal(m).session, terminal(m).pgrp) == (9, 9)
    assert m.open("/dev/tty", O_RDWR) == 3
    tty.release_session(m.kernel, other, ends=True)
    assert terminal(m).session == 0
    other.shared_pending.clear()


# --- ioctls -------------------------------------------------------------------------------------------------


def test_size(m: FileMachine) -> None:
    m.ok("ioctl", 0, abi.TIOCGWINSZ, SMALL)
    assert Winsize.unpack(m.load(SMALL, 8)) == Winsize(24, 80)
    m.store(SMALL, Winsize(50, 132).pack())
    m.ok("ioctl", 0, abi.TIOCSWINSZ, SMALL)
    m.ok("ioctl", 0, abi.TIOCSWINSZ, SMALL)
    assert (terminal(m).rows, terminal(m).columns) == (50, 132)
    assert [event.signo for event in m.told("SignalGenerated")] == [SIGWINCH]


def test_how_much_there_is(m: FileMachine) -> None:
    m.type(b"abc\nde")
    m.ok("ioctl", 0, abi.FIONREAD, SMALL)
    assert m.load(SMALL, 4) == struct.pack("<I", 4)


def test_what_a_terminal_does_not_know(m: FileMachine) -> None:
    assert m.call("ioctl", 0, abi.TIOCGPTN, SMALL) == error(Errno.ENOTTY)
    assert m.call("ioctl", 0, abi.TCGETS, BAD) == error(Errno.EFAULT)
    assert m.call("ioctl", 0, abi.TCFLSH, 7) == error(Errno.EINVAL)
    assert m.call("ioctl", 99, abi.TCGETS, SMALL) == error(Errno.EBADF)
    fd = m.open("/tmp")
    assert m.call("ioctl", fd, abi.TCGETS, SMALL) == error(Errno.ENOTTY)
    assert m.call("ioctl", fd, abi.FIONREAD, SMALL) == error(Errno.ENOTTY)


def test_output_processing(m: FileMachine) -> None:
    m.events.clear()
    m.write(1, b"a\tb\n\xc3\xa4\r")
    assert m.screen() == b"a\tb\r\n\xc3\xa4\r"
    terminal(m).oflag |= abi.XTABS
    m.write(1, b"ab\tc")
    assert m.screen() == b"ab      c"
    terminal(m).oflag = 0
    m.write(1, b"\n")
    assert m.screen() == b"\n"
