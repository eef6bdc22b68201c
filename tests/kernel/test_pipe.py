"""Pipes and named pipes, against pipe(7) and fifo(7)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from kernel.abi.errno import ERESTARTSYS, Errno
from kernel.abi.files import O_CREAT, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY, S_IFIFO
from kernel.abi.signal import SIG_IGN, SIGPIPE, SIGUSR1
from kernel.abi.tty import FIONREAD
from kernel.fs import files
from kernel.signals.state import send_signal
from kernel.tables import SigAction, SigInfo, Task, TaskState
from tests.kernel.file_machine import BAD, BUFFER, BUFFER_END, SMALL, FileMachine, error

PAGE = 4096
CAPACITY = 65536


@pytest.fixture
def m() -> Iterator[FileMachine]:
    machine = FileMachine()
    yield machine
    machine.check()


def second(m: FileMachine, *close: int) -> Task:
    """A child with a copy of the descriptors, of which it closes some."""
    child = m.add_process(3)
    files.drop_fdtable(m.kernel, child.fdtable)
    child.fdtable = files.copy_fdtable(m.kernel, m.first.fdtable)
    m.run(child)
    for fd in close:
        m.ok("close", fd)
    m.run(m.first)
    return child


def queue(m: FileMachine, fd: int, end: str) -> tuple[str]:
    return (f"pipe:{files.get_file(m.kernel, fd).object}:{end}",)


def test_bytes_come_out_in_order(m: FileMachine) -> None:
    r, w = m.pipe()
    assert (r, w) == (3, 4)
    m.write(w, b"one")
    m.write(w, b"two")
    assert m.read(r, 4) == b"onet"
    assert m.read(r, 4) == b"wo"
    assert [event.data for event in m.told("PipeWritten")] == [b"one", b"two"]
    assert [event.count for event in m.told("PipeRead")] == [4, 2]


def test_pipe_with_a_bad_pointer_makes_nothing(m: FileMachine) -> None:
    assert m.call("pipe", BAD) == error(Errno.EFAULT)
    assert m.call("pipe2", SMALL, 1) == error(Errno.EINVAL)
    assert not m.tables.pipes


def test_the_reader_waits_for_bytes_and_then_for_the_end(m: FileMachine) -> None:
    r, w = m.pipe()
    child = second(m, r)
    m.ok("close", w)
    assert m.read(r) == queue(m, r, "read")
    m.run(child)
    m.write(w, b"hello")
    assert m.first.state == TaskState.RUNNABLE
    assert m.resume(m.first) == 5
    assert m.load(BUFFER, 5) == b"hello"
    assert m.read(r) == queue(m, r, "read")
    m.run(child)
    m.ok("close", w)
    assert m.resume(m.first) == 0
    assert m.read(r) == b""
    m.ok("close", r)
    assert not m.tables.pipes


def test_writing_without_readers(m: FileMachine) -> None:
    r, w = m.pipe()
    m.ok("close", r)
    assert m.ok("write", w, BUFFER, 0) == 0
    m.tables.sighands[m.task.sighand].actions[SIGPIPE] = SigAction(SIG_IGN)
    assert m.write(w, b"x") == error(Errno.EPIPE)
    (event,) = m.told("SignalGenerated")
    assert (event.signo, event.task, event.shared) == (SIGPIPE, m.task.pid, False)


def test_sixteen_slots_and_merging(m: FileMachine) -> None:
    r, w = m.pipe(O_NONBLOCK)
    assert m.read(r) == error(Errno.EAGAIN)
    assert m.write(w, b"x" * (CAPACITY + 10)) == CAPACITY
    assert m.write(w, b"x") == error(Errno.EAGAIN)
    assert m.read(r, PAGE - 1) == b"x" * (PAGE - 1)
    assert m.write(w, b"x") == error(Errno.EAGAIN)  # the first page is not free yet
    assert m.read(r, 1) == b"x"
    assert m.write(w, b"small") == 5
    assert m.write(w, b"y" * 4092) == error(Errno.EAGAIN)  # too much for the last page, and all are in use
    assert m.write(w, b"y" * 4091) == 4091


def test_small_writes_fill_a_pipe_with_few_bytes(m: FileMachine) -> None:
    r, w = m.pipe(O_NONBLOCK)
    count = 0
    while m.write(w, b"z" * 2049) == 2049:
        count += 1
    assert count == 16
    m.ok("ioctl", r, FIONREAD, SMALL)
    assert struct.unpack("<I", m.load(SMALL, 4))[0] == 16 * 2049


@pytest.mark.parametrize("size", [1, 4095, 4096])
def test_up_to_pipe_buf_is_all_or_nothing(m: FileMachine, size: int) -> None:
    r, w = m.pipe(O_NONBLOCK)
    assert m.write(w, b"x" * (CAPACITY - PAGE)) == CAPACITY - PAGE
    assert m.write(w, b"x" * (PAGE - size + 1)) == PAGE - size + 1
    assert m.write(w, b"y" * size) == error(Errno.EAGAIN)
    assert m.write(w, b"y" * 2 * PAGE) == error(Errno.EAGAIN)
    m.read(r, PAGE)
    assert m.write(w, b"y" * size) == size


def test_a_long_write_is_cut_up_when_it_may_not_wait(m: FileMachine) -> None:
    _, w = m.pipe(O_NONBLOCK)
    m.write(w, b"x" * (CAPACITY - 2 * PAGE))
    assert m.write(w, b"y" * 10000) == 2 * PAGE


def test_a_writer_waits_for_room_and_its_bytes_stay_in_order(m: FileMachine) -> None:
    r, w = m.pipe()
    data = bytes(n % 253 for n in range(150_000))
    child = second(m)
    assert m.write(w, data) == queue(m, w, "write")
    assert m.task.progress == [CAPACITY]
    got = b""
    while len(got) < len(data):
        m.run(child)
        got += m.read(r, 30_000)
        if m.first.state == TaskState.RUNNABLE and m.first.pid in m.asleep:
            result = m.resume(m.first)
    assert result == 150_000
    assert got == data


def test_a_signal_gives_the_count_so_far(m: FileMachine) -> None:
    _, w = m.pipe()
    m.tables.sighands[m.task.sighand].actions[SIGUSR1] = SigAction(0x8048000)
    assert m.write(w, b"x" * 100_000) == queue(m, w, "write")
    send_signal(m.kernel, m.first, SigInfo(SIGUSR1))
    assert m.resume(m.first) == CAPACITY
    m.first.shared_pending.clear()
    assert m.write(w, b"x") == queue(m, w, "write")
    send_signal(m.kernel, m.first, SigInfo(SIGUSR1))
    assert m.resume(m.first) == -ERESTARTSYS
    m.first.shared_pending.clear()


def test_the_last_reader_leaves_a_waiting_writer(m: FileMachine) -> None:
    r, w = m.pipe()
    m.tables.sighands[m.task.sighand].actions[SIGPIPE] = SigAction(SIG_IGN)
    child = second(m, w)
    m.ok("close", r)
    assert m.write(w, b"x" * 70_000) == queue(m, w, "write")
    m.run(child)
    m.ok("close", r)
    assert m.resume(m.first) == CAPACITY
    assert [event.signo for event in m.told("SignalGenerated")] == [SIGPIPE]


def test_a_fault_discards_only_its_page(m: FileMachine) -> None:
    r, w = m.pipe(O_NONBLOCK)
    edge = BUFFER_END - 6000
    m.store(edge, b"a" * 6000)
    assert m.call("write", w, BUFFER_END - 100, 200) == error(Errno.EFAULT)
    assert m.call("write", w, edge, 8192) == PAGE  # the second page cannot be filled
    assert m.read(r, 100) == b"a" * 100
    assert m.call("read", r, BUFFER_END - 100, 1000) == error(Errno.EFAULT)  # and nothing is lost
    assert len(m.read(r, 9999)) == PAGE - 100
    m.write(w, b"b" * PAGE)
    m.write(w, b"c" * 10)
    assert m.call("read", r, BUFFER_END - PAGE, 5000) == PAGE
    assert m.read(r) == b"c" * 10
    assert m.call("read", r, BAD, 0) == 0


def test_vectors_make_one_write(m: FileMachine) -> None:
    r, w = m.pipe()
    m.store(BUFFER, b"abcdef")
    assert m.ok("writev", w, struct.pack("<4I", BUFFER, 2, BUFFER + 4, 2), 2) == 4
    assert [event.data for event in m.told("PipeWritten")] == [b"abef"]
    assert m.read(r) == b"abef"


# --- named pipes --------------------------------------------------------------------------------------------


def fifo(m: FileMachine) -> None:
    m.ok("mknod", "/tmp/fifo", S_IFIFO | 0o644, 0)


def test_opening_waits_for_the_other_end(m: FileMachine) -> None:
    fifo(m)
    child = second(m)
    waiting = m.call("open", "/tmp/fifo", O_RDONLY, 0)
    assert isinstance(waiting, tuple)
    assert waiting[0].startswith("fifo:")
    m.run(child)
    w = m.open("/tmp/fifo", O_WRONLY)
    m.write(w, b"through a name")
    m.ok("close", w)  # the reader's open ends all the same
    r = m.resume(m.first)
    assert isinstance(r, int)
    assert m.read(r) == b"through a name"
    assert m.read(r) == b""
    m.ok("close", r)
    assert not m.tables.pipes


def test_opening_without_waiting(m: FileMachine) -> None:
    fifo(m)
    assert m.call("open", "/tmp/fifo", O_WRONLY | O_NONBLOCK, 0) == error(Errno.ENXIO)
    r = m.open("/tmp/fifo", O_RDONLY | O_NONBLOCK)
    assert m.read(r) == b""
    w = m.open("/tmp/fifo", O_WRONLY | O_NONBLOCK)
    assert m.read(r) == error(Errno.EAGAIN)
    m.ok("close", w)
    m.ok("close", r)
    both = m.open("/tmp/fifo", O_RDWR)
    m.write(both, b"x")
    assert m.read(both) == b"x"
    assert m.call("open", "/tmp/fifo", 3, 0) == error(Errno.EINVAL)


def test_a_signal_ends_the_waiting_for_the_other_end(m: FileMachine) -> None:
    fifo(m)
    m.tables.sighands[m.task.sighand].actions[SIGUSR1] = SigAction(0x8048000)
    assert isinstance(m.call("open", "/tmp/fifo", O_WRONLY, 0), tuple)
    send_signal(m.kernel, m.first, SigInfo(SIGUSR1))
    assert m.resume(m.first) == -ERESTARTSYS
    m.first.shared_pending.clear()
    assert not m.tables.pipes
    assert m.open("/tmp/x", O_CREAT) == 3
