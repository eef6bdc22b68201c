"""A small session with everything in it, whole or cut off, and what a test asks of what comes back."""

from __future__ import annotations

import hashlib
import os
import random
import sqlite3
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import msgspec
import pytest

from app.branches import Origin, Stored
from app.frozen import LISTING, Answer
from app.history import History
from app.log import Log
from app.notes import CHAPTER, NOTE, Note
from app.position import ALL_DONE, Position
from app.session import (
    Recorder,
    Session,
    SessionError,
    StoredCheckpoint,
    encode_cpu,
    encode_tables,
    open_session,
    schema,
)
from app.state.state import Milestone
from cpu.core import CpuState
from cpu.registers import FpuState, Registers
from kernel.fs.hostfs import HostEntry
from kernel.kernel import GuestFile, HostMount, Input, Start
from kernel.tables import Tables
from tests.app.samples import session as sample_log

ROOT = Path(__file__).parents[2]
PROGRAM = b"\x7fELF" + random.Random(1).randbytes(3000)
IMAGE = b"\x7fELF the kernel" * 100
KEY = hashlib.sha256(PROGRAM).hexdigest()
BLOBS = {KEY: PROGRAM}
START = Start(
    path="/bin/prog",
    argv=("prog", "gr\u00fcn", "any byte \udcff"),
    envp=("A=1",),
    files=(GuestFile("/bin/prog", KEY, 0o755, len(PROGRAM)),),
    modes=(0o20666, 0, 0),
    memory=16 << 20,
    mounts=(HostMount("/"), HostMount("/mnt/a", True)),
)
TOP = (HostEntry("", 0o40755, 0, 0, 4096, 5, 3), HostEntry("d", 0o40700, 1, 1, 4096, -5, 2))
FILES = (*TOP, HostEntry("gr\u00fcn\uf7ff", 0o100644, 1, 2, 5, 1 << 60, 2, link="1:2"))
ANSWERS = [
    Answer(0, "", LISTING, 0, msgspec.msgpack.encode(FILES)),
    Answer(0, "gr\u00fcn\uf7ff", 0, 0, b"hello"),
    Answer(0, "d", LISTING, 13, b""),
    Answer(1, "", LISTING, 0, msgspec.msgpack.encode(TOP)),
]
INPUTS = [Input(5, "tty", 0, b"ls\r"), Input(5, "stream", 0, b""), Input(900, "tty", 0, b"\xff\0")]
BRANCHES = [
    Stored(1, "branch 1", Origin(0, 12, 345, 1), INPUTS[1:], 40, "ab" * 32),
    Stored(3, "what if it fails", Origin(1, 20, 400, 2), [], 30, "cd" * 32),
]
MILESTONES = [Milestone(6, 10, 0, "exec", "/bin/pipe"), Milestone(11, 50, 2, "fork", "2 forks 3")]


def cpu_at(tick: int) -> CpuState:
    return CpuState(
        registers=Registers(eax=tick, eip=0xC010_0000, cs=0x60),
        fpu=FpuState(0x37F, 0, 0xFFFF, 0x1F80, ((1 << 63, 0x3FFF),) * 8, (bytes(16),) * 8),
        gdtr=(0xC010_0000, 0xFF),
        idtr=(0xC010_1000, 0x7FF),
        tr=0x80,
        ldtr=0,
        efer=0x800,
        ticks=tick,
        boundary=True,
        irq_at=1 << 62,
        irq_vector=0x20,
    )


def make_checkpoints(log: Log, count: int = 3) -> list[StoredCheckpoint]:
    rng = random.Random(7)
    frames = {pfn: rng.randbytes(30) + bytes(4066) for pfn in range(100, 110)}
    out = []
    for number in range(count):
        seq = number * len(log) // count
        tick = log.record(seq).tick
        frames = {**frames, 100 + number: rng.randbytes(4096), 4000 + number: bytes(4096)}
        tables = Tables(current=2, hostname=f"host{number}")
        out.append(StoredCheckpoint(seq, tick, encode_tables(tables), encode_cpu(cpu_at(tick)), frames))
    return out


def make_log(length: int = 600, chunk: int = 100) -> Log:
    log = Log()
    for number, (tick, pid, event) in enumerate(sample_log(length).rows(0, length), 1):
        log.append(tick, pid, event)
        if number % chunk == 0:
            log.close_chunk()
    log.close_chunk()
    return log


LOG = make_log()
CHECKPOINTS = make_checkpoints(LOG)


def place_in(log: Log, seq: int) -> Position:
    return Position(seq, ALL_DONE, log.record(seq - 1).tick if seq else 0)


NOTES = (
    Note(place_in(LOG, 6), CHAPTER, "The beginning"),
    Note(place_in(LOG, 6), NOTE, "gr\u00fcn: look at this"),
    Note(Position(30, ALL_DONE, 1 << 50), CHAPTER, "On a branch", 1),
    Note(place_in(LOG, 300), NOTE, "half way"),
    Note(place_in(LOG, 600), CHAPTER, "The end of it"),
)


def record(path: Path, log: Log = LOG, finish: bool = True) -> Recorder:
    """All of a session handed over; closed if finished."""
    recorder = Recorder(path, START, IMAGE, BLOBS)
    recorder.inputs(INPUTS[:1])
    recorder.inputs(INPUTS[1:])
    recorder.answers(ANSWERS[:2])
    recorder.answers(ANSWERS[2:])
    history = History(log)
    for chunk in range(log.chunks):
        first, stop = log.bounds(chunk)
        recorder.chunk(first, stop - first, log.encoded(chunk))
        recorder.keyframe(stop, history.keyframe(stop))
        recorder.flush()
    for checkpoint in CHECKPOINTS:
        recorder.checkpoint(checkpoint)
    for milestone in MILESTONES:
        recorder.milestone(milestone)
    recorder.branches(BRANCHES[:1])
    recorder.branches(BRANCHES)
    recorder.notes(NOTES)
    if finish:
        recorder.finish(0x100)
        recorder.close()
    return recorder


@cache
def whole() -> bytes:
    """The file of a finished recording."""
    with tempfile.TemporaryDirectory() as folder:
        record(Path(folder, "a.int80"))
        return Path(folder, "a.int80").read_bytes()


@cache
def cut_off() -> tuple[bytes, bytes]:
    """A file and its write-ahead log as a killed recording leaves them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.int80")
        recorder = record(path, finish=False)
        recorder.flush()
        both = path.read_bytes(), Path(f"{path}-wal").read_bytes()
        recorder.close()
        return both


def assert_same(session: Session) -> None:
    """Everything that was recorded is there."""
    assert (session.start, session.image, session.blobs) == (START, IMAGE, BLOBS)
    assert session.inputs == INPUTS
    assert session.host.answers == ANSWERS
    assert session.host.listing(0, "") == FILES
    assert session.log.digest() == LOG.digest()
    assert list(session.log.rows()) == list(LOG.rows())
    assert session.milestones == MILESTONES
    assert session.branches == BRANCHES
    assert session.notes.every == NOTES
    assert session.checkpoints == [(c.seq, c.tick) for c in CHECKPOINTS]
    assert [session.load_checkpoint(n) for n in range(len(CHECKPOINTS))] == CHECKPOINTS
    for seq in (600, 0, 333):
        assert session.history.state_at(seq) == History(LOG).state_at(seq)


def open_and_verify(path: Path) -> None:
    with open_session(path) as session:
        session.verify()


def refused(path: Path, verify: bool = False) -> str:
    """The one line that says why not; opening leaves nothing behind."""
    beside = sorted(os.listdir(path.parent)) if path.parent.is_dir() else []
    with pytest.raises(SessionError) as caught:
        open_and_verify(path) if verify else open_session(path)
    text = str(caught.value)
    assert text.startswith(schema.one_line(path))
    assert text.isprintable()
    assert len(text) < 600
    assert beside == (sorted(os.listdir(path.parent)) if path.parent.is_dir() else [])
    return text.removeprefix(schema.one_line(path) + ": ")


def foreign_database(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE t (a)")
    database.commit()
    database.close()


MAKERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (lambda path: None, "no such file"),
    "directory": (Path.mkdir, "is a directory"),
    "empty": (Path.touch, "the file is empty"),
    "fifo": (os.mkfifo, "not a regular file"),
    "loop": (lambda path: path.symlink_to(path), "symbolic links"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
    "text": (lambda path: path.write_text("hello\n" * 100), "not an int80 session"),
    "program": (lambda path: path.write_bytes(PROGRAM), "not an int80 session"),
    "database": (foreign_database, "not an int80 session but another SQLite database"),
    "magic": (lambda path: path.write_bytes(b"SQLite format 3\0"), "cut off"),
    "beginning": (lambda path: path.write_bytes(b"SQLite"), "cut off"),
    "zeros": (lambda path: path.write_bytes(bytes(100_000)), "not an int80 session"),
}
