"""Session files: what is recorded comes back, and whatever else a file may be gives one clear line."""

from __future__ import annotations

import hashlib
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from app.history import History
from app.log import Log
from app.session import (
    Recorder,
    Session,
    SessionError,
    StoredCheckpoint,
    content,
    decode_cpu,
    decode_tables,
    encode_cpu,
    encode_tables,
    open_session,
    schema,
)
from app.state.state import Milestone
from cpu.core import CpuState
from cpu.registers import FpuState, Registers
from kernel.kernel import GuestFile, Input, Start
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
)
INPUTS = [Input(5, "tty", 0, b"ls\r"), Input(5, "stream", 0, b""), Input(900, "tty", 0, b"\xff\0")]
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


def record(path: Path, log: Log = LOG, finish: bool = True) -> Recorder:
    """All of a session handed over; closed if finished."""
    recorder = Recorder(path, START, IMAGE, BLOBS)
    recorder.inputs(INPUTS[:1])
    recorder.inputs(INPUTS[1:])
    history = History(log)
    for chunk in range(log.chunks):
        first, stop = log.bounds(chunk)
        recorder.chunk(first, stop - first, log.encoded(chunk))
        recorder.keyframe(stop, history.keyframe(stop))
    for checkpoint in CHECKPOINTS:
        recorder.checkpoint(checkpoint)
    for milestone in MILESTONES:
        recorder.milestone(milestone)
    if finish:
        recorder.finish(0x100)
        recorder.close()
    return recorder


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("good") / "a.int80"
    record(path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def cut_off(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """A file and its write-ahead log as a killed recording leaves them."""
    path = tmp_path_factory.mktemp("cut") / "a.int80"
    recorder = record(path, finish=False)
    recorder.flush()
    both = path.read_bytes(), Path(f"{path}-wal").read_bytes()
    recorder.close()
    return both


def assert_same(session: Session) -> None:
    """Everything that was recorded is there."""
    assert (session.start, session.image, session.blobs) == (START, IMAGE, BLOBS)
    assert session.inputs == INPUTS
    assert session.log.digest() == LOG.digest()
    assert list(session.log.rows()) == list(LOG.rows())
    assert session.milestones == MILESTONES
    assert session.checkpoints == [(c.seq, c.tick) for c in CHECKPOINTS]
    assert [session.load_checkpoint(n) for n in range(len(CHECKPOINTS))] == CHECKPOINTS
    for seq in (600, 0, 333):
        assert session.history.state_at(seq) == History(LOG).state_at(seq)


def refused(path: Path, verify: bool = False) -> str:
    """The one line that says why not; opening leaves nothing behind."""
    beside = sorted(os.listdir(path.parent)) if path.parent.is_dir() else []
    with pytest.raises(SessionError) as caught, open_session(path) as session:
        assert verify
        session.verify()
    text = str(caught.value)
    assert text.startswith(schema.one_line(path)) and text.isprintable() and len(text) < 600
    assert beside == (sorted(os.listdir(path.parent)) if path.parent.is_dir() else [])
    return text.removeprefix(schema.one_line(path) + ": ")


# What is recorded comes back.


def test_round_trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.int80"
    record(path)
    assert os.listdir(tmp_path) == ["a.int80"]
    private = tmp_path / "private"
    private.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(private))
    before = path.read_bytes()
    with open_session(path) as session:
        assert not any(private.iterdir())
        assert_same(session)
        assert session.finished == 0x100
        session.verify()
        for number in (-1, 3):
            with pytest.raises(IndexError):
                session.load_checkpoint(number)
    assert path.read_bytes() == before and path.stat().st_mode & 0o600 == 0o600


def test_what_was_committed_opens_while_it_is_recorded(tmp_path: Path) -> None:
    path = tmp_path / "a.int80"
    recorder = record(path, finish=False)
    recorder.flush()
    with open_session(path) as session:
        assert_same(session)
        assert session.finished is None
    recorder.close()
    assert os.listdir(tmp_path) == ["a.int80"]
    with open_session(path) as session:
        assert_same(session)
        assert session.finished is None


def test_a_session_without_anything_opens(tmp_path: Path) -> None:
    with Recorder(tmp_path / "a", START, IMAGE, BLOBS) as recorder:
        recorder.finish(-1)
    with open_session(tmp_path / "a") as session:
        assert len(session.log) == 0 and session.finished == -1
        assert session.inputs == session.checkpoints == session.milestones == []


def test_what_points_beyond_the_last_event_of_a_cut_off_recording_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with Recorder(path, START, IMAGE, BLOBS) as recorder:
        first, stop = LOG.bounds(0)
        recorder.chunk(first, stop, LOG.encoded(0))
        recorder.keyframe(600, History(LOG).keyframe(600))
        for checkpoint in CHECKPOINTS:
            recorder.checkpoint(checkpoint)
        for milestone in (*MILESTONES, Milestone(601, 1, 2, "exit", "")):
            recorder.milestone(milestone)
    with open_session(path) as session:
        assert len(session.log) == 100
        assert session.checkpoints == [(0, CHECKPOINTS[0].tick)]
        assert session.milestones == MILESTONES
        session.verify()


def test_frames_are_stored_once(tmp_path: Path) -> None:
    record(tmp_path / "a")
    with sqlite3.connect(tmp_path / "a") as database:
        (count,) = database.execute("SELECT count(*) FROM frames").fetchone()
    database.close()
    assert count == len({data for checkpoint in CHECKPOINTS for data in checkpoint.frames.values()})


def test_many_keyframes_are_thinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.session.store.KEYFRAMES_LOADED", 3)
    record(tmp_path / "a")
    with open_session(tmp_path / "a") as session:
        assert session.history._positions == [300, 600]
        assert session.history.state_at(450) == History(LOG).state_at(450)


def test_milestones_are_made_printable(tmp_path: Path) -> None:
    with Recorder(tmp_path / "a", START, IMAGE, BLOBS) as recorder:
        recorder.milestone(Milestone(0, 0, 2, "exec", "a\x1b[2J\n\udcff" + "x" * 9000))
    with open_session(tmp_path / "a") as session:
        text = session.milestones[0].text
    assert text.startswith(r"a\x1b[2J\n\udcffxxx") and len(text) == schema.MAX_TEXT


texts = st.text(st.characters(blacklist_characters="\0", blacklist_categories=()), max_size=20).filter(
    lambda text: text.encode("utf-8", "replace").decode() == text or text.isascii()
) | st.binary(max_size=20).map(lambda data: data.replace(b"\0", b"").decode("utf-8", "surrogateescape"))
starts = st.builds(
    Start,
    path=texts,
    argv=st.lists(texts, max_size=5).map(tuple),
    envp=st.lists(texts, max_size=5).map(tuple),
    files=st.lists(
        st.builds(GuestFile, texts, st.just(KEY), st.integers(0, 0o7777), st.integers(0, 1 << 26))
    ).map(tuple),
    modes=st.none() | st.tuples(*[st.integers(0, 2**32 - 1)] * 3),
    cwd=texts,
    uid=st.integers(0, 2**32 - 1),
    memory=st.integers(4, 448).map(lambda n: n << 21),
    seed=st.integers(0, 2**64 - 1),
    epoch=st.integers(0, 2**63 - 1),
)


@given(starts)
def test_any_start_survives(start: Start) -> None:
    assert content.decode_start(content.encode_start(start)) == start


@given(st.dictionaries(st.integers(0, 4095), st.integers(0, 2**32 - 1), max_size=50))
def test_any_list_of_frames_survives(numbers: dict[int, int]) -> None:
    assert content.decode_frame_list(content.encode_frame_list(numbers), 4096) == numbers


@given(
    st.binary(max_size=100)
    | st.recursive(
        st.none() | st.integers(0, 2**64 - 1) | st.binary() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    ).map(msgspec.msgpack.encode)
)
def test_unpacking_anything_gives_nothing_but_a_session_error(data: bytes) -> None:
    decoders: list[Callable[[bytes], object]] = [
        content.decode_start,
        content.decode_input,
        decode_tables,
        decode_cpu,
        content.unpack_frame,
        lambda packed: content.unpack(packed, 1000, "it"),
        lambda packed: content.decode_frame_list(packed, 4096),
        lambda packed: content.decode_frame_list(content.pack(packed), 4096),
        lambda packed: content.check_chunk(3, packed, "it"),
        lambda packed: content.check_chunk(3, content.pack(packed), "it"),
    ]
    for decode in decoders:
        try:
            decode(data)
        except SessionError as error:
            assert str(error).isprintable()


def test_tables_and_processor_survive() -> None:
    tables = Tables(waiting={"pipe:1:read": [3]}, executed={4, 5}, hostname="x")
    assert decode_tables(encode_tables(tables)) == tables
    assert decode_cpu(encode_cpu(cpu_at(77))) == cpu_at(77)
    for registers in (Registers(eax=1 << 32), Registers(cs=-1)):
        with pytest.raises(SessionError):
            decode_cpu(encode_cpu(msgspec.structs.replace(cpu_at(1), registers=registers)))


# Files that are no sessions.


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


@pytest.mark.parametrize("kind", MAKERS)
def test_what_is_no_session_is_refused(tmp_path: Path, kind: str) -> None:
    make, reason = MAKERS[kind]
    make(tmp_path / "a.int80")
    assert reason in refused(tmp_path / "a.int80")


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "no/such/folder", "a\nb\x1b[2J"])
def test_impossible_names(tmp_path: Path, name: str) -> None:
    refused(tmp_path / name)


def test_a_file_that_is_too_large(good: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_bytes(good)
    monkeypatch.setattr(schema, "MAX_FILE_BYTES", len(good) - 1)
    assert "larger than" in refused(path)


# Damage.


def test_truncated_anywhere(good: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.int80"
    rng = random.Random(4)
    lengths = {*range(0, 120, 7), *range(4096, len(good), 4096), len(good) - 1}
    for length in sorted(lengths | {rng.randrange(len(good)) for _ in range(30)}):
        path.write_bytes(good[:length])
        text = refused(path)
        assert ("cut off" in text) or length == 0


def test_flipped_bits(good: bytes, tmp_path: Path) -> None:
    """Whatever opens and is verified is what was written."""
    path = tmp_path / "a.int80"
    rng = random.Random(11)
    opened = 0
    for number in range(400):
        data = bytearray(good)
        limit = len(data) if number % 2 else 4096
        for _ in range(rng.choice((1, 1, 1, 8))):
            data[rng.randrange(limit)] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        try:
            with open_session(path) as session:
                session.verify()
                assert_same(session)
                assert session.finished == 0x100
                opened += 1
        except SessionError as error:
            assert str(error).isprintable()
    assert 0 < opened < 300


def test_flipped_bits_in_the_write_ahead_log(cut_off: tuple[bytes, bytes], tmp_path: Path) -> None:
    """A transaction that is not as it was written ends the recording there."""
    path = tmp_path / "a.int80"
    rng = random.Random(12)
    lengths = set()
    for number in range(60):
        log = bytearray(cut_off[1])
        if number % 2:
            del log[rng.randrange(len(log)) :]
        else:
            log[rng.randrange(len(log))] ^= 1 << rng.randrange(8)
        path.write_bytes(cut_off[0])
        Path(f"{path}-wal").write_bytes(log)
        with open_session(path) as session:
            session.verify()
            assert session.start == START and session.finished is None
            lengths.add(len(session.log))
            assert list(session.log.rows()) == list(LOG.rows(0, len(session.log)))
    assert len(lengths) > 1


@pytest.mark.parametrize("log", [b"", b"x", bytes(5000), random.Random(5).randbytes(9000)])
def test_a_log_beside_it_that_is_none(good: bytes, tmp_path: Path, log: bytes) -> None:
    path = tmp_path / "a.int80"
    path.write_bytes(good)
    Path(f"{path}-wal").write_bytes(log)
    with open_session(path) as session:
        assert_same(session)


def test_a_journal_beside_it_is_not_looked_at(good: bytes, tmp_path: Path) -> None:
    """A hot journal can name another file, which SQLite then deletes."""
    path = tmp_path / "a.int80"
    path.write_bytes(good)
    victim = tmp_path / "victim"
    victim.touch()
    journal = bytes.fromhex("d9d505f920a163d7") + bytes(504) + str(victim).encode()
    Path(f"{path}-journal").write_bytes(journal)
    with open_session(path) as session:
        assert_same(session)
    assert victim.exists() and Path(f"{path}-journal").read_bytes() == journal


# Malice: files that are in order as databases, with the right digests, and lie.


@pytest.fixture
def tampered(good: bytes, tmp_path: Path) -> Iterator[tuple[Path, sqlite3.Connection]]:
    path = tmp_path / "evil.int80"
    path.write_bytes(good)
    database = sqlite3.connect(path, isolation_level=None)
    yield path, database
    database.close()


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TRIGGER t AFTER INSERT ON chunks BEGIN DELETE FROM files; END",
        "CREATE VIEW v AS SELECT * FROM chunks",
        "CREATE TABLE more (a)",
        "CREATE INDEX i ON chunks (count)",
        "CREATE VIRTUAL TABLE f USING fts5(a)",
        "ALTER TABLE chunks ADD COLUMN c AS (count * 2)",
        "ALTER TABLE chunks RENAME TO pieces",
        "DROP TABLE milestones",
        "DROP TABLE chunks; CREATE VIEW chunks AS SELECT 0 AS first, 1 AS count, x'' AS data, x'' AS digest",
        "DROP TABLE chunks; CREATE TABLE chunks (first INTEGER PRIMARY KEY, count, data, digest)",
        "DROP TABLE chunks; CREATE TABLE chunks (first INTEGER PRIMARY KEY, count INTEGER NOT NULL, "
        "data BLOB NOT NULL CHECK (abs(count) > 0), digest BLOB NOT NULL)",
        "ANALYZE",
        "PRAGMA writable_schema=ON; UPDATE sqlite_master SET sql = 'CREATE TABLE header (' WHERE name='header'",
        "PRAGMA writable_schema=ON; UPDATE sqlite_master SET rootpage = 3",
        "PRAGMA writable_schema=ON; UPDATE sqlite_master SET rootpage = 99999 WHERE name = 'chunks'",
        "PRAGMA writable_schema=ON; UPDATE sqlite_master SET name = x'00', sql = x'1b5b324a0a'",
        "PRAGMA writable_schema=ON; UPDATE sqlite_master SET sql = "
        "'CREATE TABLE chunks (a CHECK(' || printf('%.*c', 3000, '(') || '1' || printf('%.*c', 3000, ')') || '))' "
        "WHERE name = 'chunks'",
        "PRAGMA writable_schema=ON; UPDATE sqlite_master SET sql = sql || printf('%.*c', 9000, ' ') "
        "WHERE name = 'chunks'",
        "PRAGMA writable_schema=ON; INSERT INTO sqlite_master SELECT * FROM sqlite_master",
        "PRAGMA user_version=0",
        "PRAGMA user_version=-1",
        "PRAGMA user_version=2",
        "PRAGMA application_id=0",
    ],
)
def test_a_hostile_schema(tampered: tuple[Path, sqlite3.Connection], sql: str) -> None:
    path, database = tampered
    database.executescript(sql)
    database.close()
    text = refused(path)
    if sql == "PRAGMA user_version=2":
        assert text == "made by a newer int80 (session format 2, this int80 reads up to 1)"


def put(database: sqlite3.Connection, kind: type[schema.Row], *values: object) -> None:
    """A row with a right digest, whatever is in it."""
    plain = tuple(value if isinstance(value, int | str | bytes) else str(value) for value in values)
    statement = schema.insert_statement(kind).replace("INSERT", "INSERT OR REPLACE")
    database.execute(statement, (*values, schema.digest(kind, plain)))


def change(database: sqlite3.Connection, kind: type[schema.Row], key: int, /, **fields: object) -> None:
    """Other values in one row, and a right digest."""
    names = schema.columns(kind)
    row = database.execute(f"SELECT * FROM {kind.TABLE} WHERE {names[0]} = ?", (key,)).fetchone()
    values = {**dict(zip(names, row, strict=False)), **fields}
    database.execute(f"DELETE FROM {kind.TABLE} WHERE {names[0]} = ?", (key,))
    put(database, kind, *values.values())


def packed(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


def start_with(**fields: object) -> bytes:
    return content.encode_start(msgspec.structs.replace(START, **fields))


BOMB = packed(bytes(300 << 20))
LYING = bytes.fromhex("28b52ffd") + b"\xc0" + (1 << 60).to_bytes(8, "little") + bytes(20)
UNSIZED = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(100))
EVENTS = msgspec.msgpack.encode([(1, 2, ["BreakMoved", 3, 4])] * 100)
Change = Callable[[sqlite3.Connection], object]
LIES: dict[str, Change] = {
    "no header": lambda d: d.execute("DELETE FROM header"),
    "two headers": lambda d: put(d, schema.Header, 2, "1", start_with(), KEY),
    "version": lambda d: change(d, schema.Header, 1, int80="\x1b[2J"),
    "image": lambda d: change(d, schema.Header, 1, image="0" * 64),
    "image's name": lambda d: change(d, schema.Header, 1, image=KEY + "\n"),
    "start": lambda d: change(d, schema.Header, 1, start=b"\x93\x01\x02\x03"),
    "start is text": lambda d: change(d, schema.Header, 1, start="text"),
    "start is null": lambda d: d.execute("UPDATE OR IGNORE header SET start = 5"),
    "deep start": lambda d: change(d, schema.Header, 1, start=b"\x91" * 100_000 + b"\x01"),
    "memory": lambda d: change(d, schema.Header, 1, start=start_with(memory=1 << 40)),
    "odd memory": lambda d: change(d, schema.Header, 1, start=start_with(memory=(16 << 20) + 1)),
    "user": lambda d: change(d, schema.Header, 1, start=start_with(uid=-1)),
    "path": lambda d: change(d, schema.Header, 1, start=start_with(path="/bin/\0")),
    "modes": lambda d: change(d, schema.Header, 1, start=start_with(modes=(0, 0, 1 << 40))),
    "file size": lambda d: change(
        d, schema.Header, 1, start=start_with(files=(GuestFile("/a", KEY, 0, 1),))
    ),
    "file blob": lambda d: change(
        d, schema.Header, 1, start=start_with(files=(GuestFile("/a", "../../etc", 0, 1),))
    ),
    "file bomb": lambda d: change(d, schema.FileRow, 0, data=BOMB),
    "file bomb with size": lambda d: change(d, schema.FileRow, 0, data=BOMB, size=300 << 20),
    "file lies": lambda d: change(d, schema.FileRow, 0, data=LYING),
    "file unsized": lambda d: change(d, schema.FileRow, 0, data=UNSIZED, size=100),
    "file contents": lambda d: change(d, schema.FileRow, 0, data=packed(bytes(3004))),
    "file number": lambda d: change(d, schema.FileRow, 0, number=5),
    "file size text": lambda d: change(d, schema.FileRow, 0, size="many"),
    "input": lambda d: change(d, schema.InputRow, 1, data=b"\x94"),
    "input of no device": lambda d: change(d, schema.InputRow, 1, data=msgspec.msgpack.encode([1, "", 0, b""])),
    "input in the past": lambda d: change(d, schema.InputRow, 1, data=msgspec.msgpack.encode([-1, "tty", 0, b""])),
    "input missing": lambda d: d.execute("DELETE FROM inputs WHERE number = 1"),
    "last input missing": lambda d: d.execute("DELETE FROM inputs WHERE number = 2"),
    "chunk missing": lambda d: d.execute("DELETE FROM chunks WHERE first = 100"),
    "first chunk missing": lambda d: d.execute("DELETE FROM chunks WHERE first = 0"),
    "last chunk missing": lambda d: d.execute("DELETE FROM chunks WHERE first = 500"),
    "chunk before": lambda d: put(d, schema.ChunkRow, -1, 1, packed(EVENTS)),
    "chunk behind": lambda d: put(d, schema.ChunkRow, (1 << 63) - 1, 100, packed(EVENTS)),
    "chunk of other length": lambda d: change(d, schema.ChunkRow, 0, count=99),
    "chunk of none": lambda d: change(d, schema.ChunkRow, 0, count=0),
    "chunk of too many": lambda d: change(d, schema.ChunkRow, 0, count=1 << 40),
    "chunk bomb": lambda d: change(d, schema.ChunkRow, 0, data=BOMB),
    "chunk bomb of one": lambda d: change(d, schema.ChunkRow, 0, count=1, data=BOMB),
    "chunk lies": lambda d: change(d, schema.ChunkRow, 0, data=LYING),
    "chunk of nothing": lambda d: change(d, schema.ChunkRow, 0, data=b""),
    "chunk of numbers": lambda d: change(d, schema.ChunkRow, 0, data=packed(b"\xdc\0\x64" + b"\1" * 100)),
    "chunk with a large array": lambda d: change(
        d, schema.ChunkRow, 0, data=packed(b"\xdd\0\xff\xff\xff" + EVENTS * 999)
    ),
    "chunk of one and the same": lambda d: change(
        d, schema.ChunkRow, 0, count=4096, data=packed(msgspec.msgpack.encode([(1, 2, ["TaskContinued", 3])] * 4096))
    ),
    "chunk is text": lambda d: change(d, schema.ChunkRow, 0, data="text"),
    "chunk is not UTF-8": lambda d: d.execute("UPDATE chunks SET data = CAST(x'ff' AS TEXT) WHERE first = 0"),
    "chunk is huge": lambda d: d.execute("UPDATE chunks SET data = zeroblob(68200000) WHERE first = 0"),
    "count is real": lambda d: change(d, schema.ChunkRow, 0, count=1.5),
    "keyframe": lambda d: change(d, schema.KeyframeRow, 100, data=packed(b"\x80")),
    "keyframe bomb": lambda d: change(d, schema.KeyframeRow, 100, data=BOMB),
    "keyframe not UTF-8": lambda d: change(
        d, schema.KeyframeRow, 100, data=packed(b"\x81\xa7program\xa2\xff\xff")
    ),
    "keyframe elsewhere": lambda d: change(d, schema.KeyframeRow, 100, seq=101),
    "keyframe beyond": lambda d: change(d, schema.KeyframeRow, 600, seq=601),
    "keyframe missing": lambda d: d.execute("DELETE FROM keyframes WHERE seq = 300"),
    "frame missing": lambda d: d.execute("DELETE FROM frames WHERE number = 3"),
    "checkpoint beyond": lambda d: change(d, schema.CheckpointRow, 2, seq=601),
    "checkpoints in disorder": lambda d: change(d, schema.CheckpointRow, 0, seq=599),
    "checkpoint missing": lambda d: d.execute("DELETE FROM checkpoints WHERE number = 2"),
    "checkpoint's tick": lambda d: change(d, schema.CheckpointRow, 2, tick=-1),
    "milestone": lambda d: change(d, schema.MilestoneRow, 0, text="\x1b]0;x\x07"),
    "milestone's kind": lambda d: change(d, schema.MilestoneRow, 0, kind="exec\n"),
    "milestone beyond": lambda d: change(d, schema.MilestoneRow, 0, seq=1 << 39),
    "long milestone": lambda d: change(d, schema.MilestoneRow, 0, text="x" * 5000),
    "status": lambda d: change(d, schema.Ending, 1, status=1 << 20),
    "more events": lambda d: change(d, schema.Ending, 1, events=601),
    "wrong digest": lambda d: d.execute("UPDATE milestones SET seq = 7 WHERE number = 0"),
    "digest is text": lambda d: d.execute("UPDATE milestones SET digest = 'x' WHERE number = 0"),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_hostile_row(tampered: tuple[Path, sqlite3.Connection], lie: str) -> None:
    path, database = tampered
    LIES[lie](database)
    database.close()
    begun = time.monotonic()
    refused(path)
    assert time.monotonic() - begun < 2


LATER_LIES: dict[str, Change] = {
    "frame bomb": lambda d: change(d, schema.FrameRow, 0, data=packed(bytes(1 << 20))),
    "frame of another size": lambda d: change(d, schema.FrameRow, 0, data=packed(bytes(4095))),
    "frame is text": lambda d: change(d, schema.FrameRow, 0, data="text"),
    "tables": lambda d: change(d, schema.CheckpointRow, 1, tables=packed(b"\x81\xa7current\xa1x")),
    "tables bomb": lambda d: change(d, schema.CheckpointRow, 1, tables=BOMB),
    "processor": lambda d: change(d, schema.CheckpointRow, 1, cpu=b"\x90"),
    "processor of another tick": lambda d: change(d, schema.CheckpointRow, 1, cpu=encode_cpu(cpu_at(1))),
    "frame list bomb": lambda d: change(d, schema.CheckpointRow, 1, frames=BOMB),
    "frame beyond the memory": lambda d: change(
        d, schema.CheckpointRow, 1, frames=content.encode_frame_list({4096: 0})
    ),
    "frame twice": lambda d: change(d, schema.CheckpointRow, 1, frames=packed(bytes(16))),
    "frame that is none": lambda d: change(
        d, schema.CheckpointRow, 1, frames=content.encode_frame_list({1: 0xFFFF_FFFF})
    ),
    "list cut off": lambda d: change(d, schema.CheckpointRow, 1, frames=packed(bytes(9))),
}


@pytest.mark.parametrize("lie", LATER_LIES)
def test_a_hostile_checkpoint_is_noticed_when_it_is_loaded(
    tampered: tuple[Path, sqlite3.Connection], lie: str
) -> None:
    path, database = tampered
    LATER_LIES[lie](database)
    database.close()
    assert refused(path, verify=True).startswith("damaged: ")


def test_only_its_own_tables_can_be_read(good: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(good)
    with open_session(path) as session:
        for sql in (
            "DELETE FROM chunks",
            "SELECT sql FROM sqlite_master",
            "SELECT load_extension('x')",
            "SELECT readfile('/etc/passwd')",
            f"ATTACH '{tmp_path}/b' AS b",
            "PRAGMA user_version=5",
            "CREATE TEMP TABLE t (a)",
            "VACUUM INTO 'x'",
        ):
            with pytest.raises(sqlite3.Error):
                session._database.execute(sql)
    assert os.listdir(tmp_path) == ["a"]


# Where a recording can go.


def unwritable(path: Path) -> str:
    with pytest.raises(SessionError) as caught:
        Recorder(path, START, IMAGE, BLOBS)
    text = str(caught.value)
    assert text.startswith(schema.one_line(path)) and text.isprintable()
    return text.removeprefix(schema.one_line(path) + ": ")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("directory", "is a directory"),
        ("fifo", "not a regular file"),
        ("device", "not a regular file"),
        ("text", "not an int80 session"),
        ("database", "not an int80 session"),
        ("loop", "symbolic links"),
    ],
)
def test_nothing_foreign_is_replaced(tmp_path: Path, kind: str, reason: str) -> None:
    path = tmp_path / "a"
    MAKERS[kind][0](path)
    before = path.read_bytes() if kind in ("text", "database") else b""
    assert reason in unwritable(path)
    assert os.listdir(tmp_path) == ["a"]
    if before:
        assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["no/such", "x" * 300, "a\0b", "/proc/a", "/"])
def test_targets_that_cannot_be(tmp_path: Path, name: str) -> None:
    unwritable(tmp_path / name)


def test_what_cannot_be_read_again_is_not_recorded(tmp_path: Path) -> None:
    for start, blobs in (
        (msgspec.structs.replace(START, memory=5), BLOBS),
        (START, {}),
        (START, {KEY: b"other"}),
        (START, {**BLOBS, "0" * 64: b""}),
    ):
        with pytest.raises(SessionError, match="cannot be recorded"):
            Recorder(tmp_path / "a", start, IMAGE, blobs)
    assert os.listdir(tmp_path) == []


def test_an_older_session_is_replaced_with_what_it_left(tmp_path: Path, cut_off: tuple[bytes, bytes]) -> None:
    path = tmp_path / "a"
    path.write_bytes(cut_off[0])
    Path(f"{path}-wal").write_bytes(cut_off[1])
    link = tmp_path / "link"
    link.symlink_to(path)
    with Recorder(link, START, IMAGE, BLOBS) as recorder:
        recorder.finish(0)
    assert link.is_symlink() and sorted(os.listdir(tmp_path)) == ["a", "link"]
    with open_session(link) as session:
        assert len(session.log) == 0 and session.finished == 0


def test_an_empty_file_is_filled_and_a_foreign_log_beside_it_stays(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch()
    record(path)
    Path(f"{path}-wal").write_text("my notes")
    assert "a-wal is in the way" in unwritable(path)
    assert Path(f"{path}-wal").read_text() == "my notes"
    assert sorted(os.listdir(tmp_path)) == ["a", "a-wal"]
    with open_session(path) as session:
        assert_same(session)


def test_one_recording_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "a"
    recorder = Recorder(path, START, IMAGE, BLOBS)
    assert "already" in unwritable(path)
    recorder.finish(0)
    recorder.close()
    record(path)


def test_mistakes_of_the_caller(tmp_path: Path) -> None:
    with Recorder(tmp_path / "a", START, IMAGE, BLOBS) as recorder:
        recorder.keyframe(100, b"")  # is told later
        with pytest.raises(ValueError, match="keyframe"):
            recorder.keyframe(100, b"")
        with pytest.raises(ValueError, match="chunk"):
            recorder.chunk(5, 1, b"")
        recorder.checkpoint(CHECKPOINTS[1])
        with pytest.raises(ValueError, match="checkpoint"):
            recorder.checkpoint(CHECKPOINTS[0])
        with pytest.raises(SessionError, match="cannot be recorded: a keyframe"):
            recorder.flush()
        recorder.inputs(INPUTS)  # nobody listens any more
        recorder.finish(0)
        with pytest.raises(ValueError, match="closed"):
            recorder.inputs(INPUTS)
    recorder.close()
    with open_session(tmp_path / "a") as session:
        assert session.finished is None and not session.inputs


@pytest.mark.parametrize("what", ["chunk", "input", "frame", "milestone", "cpu"])
def test_what_is_wrong_is_said_once_and_the_rest_stays(tmp_path: Path, what: str) -> None:
    recorder = Recorder(tmp_path / "a", START, IMAGE, BLOBS)
    recorder.inputs(INPUTS)
    recorder.flush()
    if what == "chunk":
        recorder.chunk(0, 7, LOG.encoded(0))
    elif what == "input":
        recorder.inputs([Input(-1, "tty", 0, b"")])
    elif what == "frame":
        recorder.checkpoint(StoredCheckpoint(0, 0, b"", b"", {1: b"short"}))
    elif what == "milestone":
        recorder.milestone(Milestone(-1, 0, 0, "exec", ""))
    else:
        recorder.checkpoint(StoredCheckpoint(0, 0, b"", bytes(100_000), {}))
    with pytest.raises(SessionError, match="cannot be recorded") as caught:
        recorder.close()
    assert str(caught.value).isprintable()
    recorder.close()
    assert os.listdir(tmp_path) == ["a"]
    with open_session(tmp_path / "a") as session:
        assert session.inputs == INPUTS and session.finished is None


# Other processes.

CHILD = """
import sys, time
from tests.app import test_session as t
recorder = t.Recorder(sys.argv[1], t.START, t.IMAGE, t.BLOBS)
recorder.inputs(t.INPUTS)
log = t.make_log(20000)
print("ready", flush=True)
for chunk in range(log.chunks):
    first, stop = log.bounds(chunk)
    recorder.chunk(first, stop - first, log.encoded(chunk))
    recorder.checkpoint(t.StoredCheckpoint(first, first, t.encode_tables(t.Tables()), t.encode_cpu(t.cpu_at(first)),
                                           {pfn: bytes([chunk]) * 4096 for pfn in range(20)}))
    recorder.flush()
    print(stop, flush=True)
    time.sleep(0.002)
print("done", flush=True)
time.sleep(60)
"""


def test_killed_at_any_moment(tmp_path: Path) -> None:
    log = make_log(20000)
    rng = random.Random()
    children = []
    for number in range(5):
        command = [sys.executable, "-c", CHILD, str(tmp_path / f"{number}.int80")]
        children.append(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True))
    for number, child in enumerate(children):
        path = tmp_path / f"{number}.int80"
        assert child.stdout is not None
        with child, child.stdout as output:
            assert output.readline() == "ready\n"
            if number == 0:
                assert "in use" in unwritable(path)
                with open_session(path) as session:
                    assert session.finished is None
            time.sleep(rng.random() * 0.2)
            child.send_signal(signal.SIGKILL)
            told = [int(line) for line in output.read().split() if line != "done"]
        assert child.returncode == -signal.SIGKILL
        with open_session(path) as session:
            assert len(session.log) >= (told[-1] if told else 0)
            assert list(session.log.rows()) == list(log.rows(0, len(session.log)))
            assert session.finished is None and session.start == START
            session.verify()
        record(path)
        with open_session(path) as session:
            assert_same(session)


FULL = """
import resource, sys
from tests.app import test_session as t
recorder = t.Recorder(sys.argv[1], t.START, t.IMAGE, t.BLOBS)
recorder.inputs(t.INPUTS)
recorder.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
said = []
for number in range(200):
    try:
        recorder.checkpoint(t.StoredCheckpoint(0, number, b"", b"", {1: t.random.Random(number).randbytes(4096)}))
        recorder.flush()
    except t.SessionError as error:
        said.append(str(error))
recorder.finish(0)
recorder.close()
print(*said, sep="\\n")
"""


def test_a_full_disk(tmp_path: Path) -> None:
    """The one error is told, and what was committed stays."""
    path = tmp_path / "a.int80"
    command = [sys.executable, "-c", FULL, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    (line,) = done.stdout.splitlines()
    assert line.startswith(f"{path}: cannot be written: ")
    with open_session(path) as session:
        assert session.inputs == INPUTS and session.finished is None


def test_handing_over_does_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(tmp_path / "a", START, IMAGE, BLOBS)
    slow = recorder._writer.write

    def write(jobs: list[Callable[[], None]]) -> None:
        time.sleep(0.1)
        slow(jobs)

    monkeypatch.setattr(recorder._writer, "write", write)
    begun = time.monotonic()
    for checkpoint in CHECKPOINTS:
        recorder.checkpoint(checkpoint)
    assert time.monotonic() - begun < 0.05
    recorder.close()
    with open_session(tmp_path / "a") as session:
        assert session.checkpoints == [(0, CHECKPOINTS[0].tick)]
