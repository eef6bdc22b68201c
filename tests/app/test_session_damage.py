"""What is no session, or damaged, or made to do harm, is refused with one clear line."""

from __future__ import annotations

import os
import random
import sqlite3
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import zstandard

from app.session import SessionError, content, encode_cpu, open_session, schema
from kernel.fs.hostfs import CHUNK, HostEntry
from kernel.kernel import GuestFile, HostMount
from tests.app.session_samples import (
    KEY,
    LOG,
    MAKERS,
    START,
    TOP,
    assert_same,
    cpu_at,
    cut_off,
    refused,
    whole,
)

# Files that are no sessions.


@pytest.mark.parametrize("kind", MAKERS)
def test_what_is_no_session_is_refused(tmp_path: Path, kind: str) -> None:
    make, reason = MAKERS[kind]
    make(tmp_path / "a.int80")
    assert reason in refused(tmp_path / "a.int80")


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "no/such/folder", "a\nb\x1b[2J"])
def test_impossible_names(tmp_path: Path, name: str) -> None:
    refused(tmp_path / name)


def test_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_bytes(whole())
    monkeypatch.setattr(schema, "MAX_FILE_BYTES", len(whole()) - 1)
    assert "larger than" in refused(path)


# Damage.


def test_truncated_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "a.int80"
    rng = random.Random(4)
    lengths = {*range(0, 120, 7), *range(4096, len(whole()), 4096), len(whole()) - 1}
    for length in sorted(lengths | {rng.randrange(len(whole())) for _ in range(30)}):
        path.write_bytes(whole()[:length])
        text = refused(path)
        assert ("cut off" in text) or length == 0


def test_flipped_bits(tmp_path: Path) -> None:
    """Whatever opens and is verified is what was written."""
    path = tmp_path / "a.int80"
    rng = random.Random(11)
    opened = 0
    lines = set()
    for number in range(400):
        data = bytearray(whole())
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
            lines.add(str(error))
    assert 0 < opened < 300
    assert all(line.isprintable() for line in lines)


def test_flipped_bits_in_the_write_ahead_log(tmp_path: Path) -> None:
    """A transaction that is not as it was written ends the recording there."""
    path = tmp_path / "a.int80"
    rng = random.Random(12)
    lengths = set()
    for number in range(60):
        log = bytearray(cut_off()[1])
        if number % 2:
            del log[rng.randrange(len(log)) :]
        else:
            log[rng.randrange(len(log))] ^= 1 << rng.randrange(8)
        path.write_bytes(cut_off()[0])
        Path(f"{path}-wal").write_bytes(log)
        with open_session(path) as session:
            session.verify()
            assert session.start == START
            assert session.finished is None
            lengths.add(len(session.log))
            assert list(session.log.rows()) == list(LOG.rows(0, len(session.log)))
    assert len(lengths) > 1


def wal_checksum(data: bytes, one: int, two: int) -> tuple[int, int]:
    """https://sqlite.org/fileformat2.html, section 4.2, big-endian."""
    for first, second in struct.iter_unpack(">II", data):
        one = one + first + two & 0xFFFF_FFFF
        two = two + second + one & 0xFFFF_FFFF
    return one, two


@pytest.mark.parametrize("page", [0x7FFF_FFFF, 1 << 21, 0x3FFF_FFFE])
def test_a_write_ahead_log_that_makes_the_file_huge(tmp_path: Path, page: int) -> None:
    path = tmp_path / "a.int80"
    path.write_bytes(cut_off()[0])
    head = struct.pack(">6I", 0x377F_0683, 3_007_000, 4096, 0, 1, 2)
    sums = wal_checksum(head, 0, 0)
    log = head + struct.pack(">2I", *sums)
    contents = bytes(4096)
    frame = struct.pack(">2I", page, page)
    sums = wal_checksum(frame + contents, *sums)
    log += frame + struct.pack(">4I", 1, 2, *sums) + contents
    Path(f"{path}-wal").write_bytes(log)
    refused(path)


@pytest.mark.parametrize("log", [b"", b"x", bytes(5000), random.Random(5).randbytes(9000)])
def test_a_log_beside_it_that_is_none(tmp_path: Path, log: bytes) -> None:
    path = tmp_path / "a.int80"
    path.write_bytes(whole())
    Path(f"{path}-wal").write_bytes(log)
    with open_session(path) as session:
        assert_same(session)


def test_a_journal_beside_it_is_not_looked_at(tmp_path: Path) -> None:
    """A hot journal can name another file, which SQLite then deletes."""
    path = tmp_path / "a.int80"
    path.write_bytes(whole())
    victim = tmp_path / "victim"
    victim.touch()
    journal = bytes.fromhex("d9d505f920a163d7") + bytes(504) + str(victim).encode()
    Path(f"{path}-journal").write_bytes(journal)
    with open_session(path) as session:
        assert_same(session)
    assert victim.exists()
    assert Path(f"{path}-journal").read_bytes() == journal


# Malice: files that are in order as databases, with the right digests, and lie.


@pytest.fixture
def tampered(tmp_path: Path) -> Iterator[tuple[Path, sqlite3.Connection]]:
    path = tmp_path / "evil.int80"
    path.write_bytes(whole())
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
        "PRAGMA writable_schema=ON; UPDATE sqlite_master SET sql = 'CREATE TABLE header (' WHERE rowid=1",
        "PRAGMA writable_schema=ON; UPDATE sqlite_master SET rootpage = 3",
        "PRAGMA writable_schema=ON; UPDATE sqlite_master SET rootpage = 99999 WHERE name = 'chunks'",
        "PRAGMA writable_schema=ON; UPDATE sqlite_master SET name = x'00', sql = x'1b5b324a0a'",
        "PRAGMA writable_schema=ON; UPDATE sqlite_master SET sql = "
        "'CREATE TABLE chunks (a CHECK(' || printf('%.*c', 3000, '(') || '1' || printf('%.*c', 3000, ')') "
        "|| '))' WHERE name = 'chunks'",
        "PRAGMA writable_schema=ON; UPDATE sqlite_master SET sql = sql || printf('%.*c', 9000, ' ') "
        "WHERE name = 'chunks'",
        "PRAGMA writable_schema=ON; INSERT INTO sqlite_master SELECT * FROM sqlite_master",
        "PRAGMA user_version=0",
        "PRAGMA user_version=-1",
        "PRAGMA user_version=1",
        "PRAGMA user_version=2",
        "PRAGMA user_version=4",
        "PRAGMA application_id=0",
    ],
)
def test_a_hostile_schema(tampered: tuple[Path, sqlite3.Connection], sql: str) -> None:
    path, database = tampered
    database.executescript(sql)
    database.close()
    text = refused(path)
    if sql == "PRAGMA user_version=1":
        assert text == "made by an older int80 (session format 1, this int80 reads from format 2 on)"
    if sql == "PRAGMA user_version=4":
        assert text == "made by a newer int80 (session format 4, this int80 reads format 3)"


def test_a_file_of_the_format_before_opens(tampered: tuple[Path, sqlite3.Connection]) -> None:
    """What came since is not in it."""
    path, database = tampered
    as_of_format_2(database)
    database.close()
    with open_session(path) as session:
        session.verify()
        assert not session.notes.every
        assert session.branches == []
        assert list(session.log.rows()) == list(LOG.rows())
        assert session.finished == 0x100


def encode(value: object) -> bytes:
    return msgspec.msgpack.encode(value)


def as_of_format_2(database: sqlite3.Connection) -> None:
    for kind in schema.ROWS:
        if kind.SINCE > 2:
            database.execute(f"DROP TABLE {kind.TABLE}")
    database.execute("PRAGMA user_version=2")


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
EVENTS = encode([(1, 2, ["BreakMoved", 3, 4])] * 100)


def listing(*entries: HostEntry) -> dict[str, object]:
    data = encode(entries)
    return {"data": packed(data), "size": len(data)}


def file(**fields: object) -> dict[str, object]:
    return listing(TOP[0], msgspec.structs.replace(TOP[1], **fields))


ANSWERED_LIES: dict[str, dict[str, object]] = {
    "no such mount": {"mount": 2},
    "path out": {"path": b"../secret"},
    "absolute": {"path": b"/etc"},
    "path with a zero": {"path": b"a\0b"},
    "path not UTF-8": {"path": b"\xff"},
    "long path": {"path": b"a/" * 40_000 + b"a"},
    "chunk": {"chunk": -2},
    "errno": {"errno": 300, "data": packed(b""), "size": 0},
    "data and errno": {"errno": 13},
    "size": {"size": 5},
    "bomb": {"data": BOMB},
    "bomb with size": {"data": BOMB, "size": 300 << 20},
    "unsized": {"data": UNSIZED, "size": 100},
    "no listing": {"data": packed(b"hello"), "size": 5},
    "large piece": {"chunk": 3, "data": packed(bytes(CHUNK + 1)), "size": CHUNK + 1},
    "empty listing": listing(),
    "not itself": listing(TOP[1]),
    "a file": listing(msgspec.structs.replace(TOP[0], mode=0o100644)),
    "the same name": listing(*TOP, TOP[1]),
    "dot": file(name=".."),
    "slash": file(name="a/b"),
    "long name": file(name="x" * 5000),
    "mode": file(mode=1 << 20),
    "no type": file(mode=0o644),
    "owner": file(uid=-1),
    "length": file(size=1 << 63),
    "time": file(mtime=1 << 63),
    "device": file(rdev=1 << 40),
    "directory's link": file(link="1:2"),
    "target with a zero": file(target="a\0"),
}
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
    "input of no device": lambda d: change(d, schema.InputRow, 1, data=encode([1, "", 0, b""])),
    "input in the past": lambda d: change(d, schema.InputRow, 1, data=encode([-1, "tty", 0, b""])),
    "input missing": lambda d: d.execute("DELETE FROM inputs WHERE number = 1"),
    "last input missing": lambda d: d.execute("DELETE FROM inputs WHERE number = 2"),
    **{
        f"answer: {name}": lambda d, fields=fields: change(d, schema.HostRow, 0, **fields)
        for name, fields in ANSWERED_LIES.items()
    },
    "answer missing": lambda d: d.execute("DELETE FROM host WHERE number = 1"),
    "last answer missing": lambda d: d.execute("DELETE FROM host WHERE number = 3"),
    "answered twice": lambda d: change(d, schema.HostRow, 3, mount=0),
    "mount point": lambda d: change(
        d, schema.Header, 1, start=start_with(mounts=(HostMount("/a"), HostMount("/")))
    ),
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
        d, schema.ChunkRow, 0, count=4096, data=packed(encode([(1, 2, ["TaskContinued", 3])] * 4096))
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
    "note of no kind": lambda d: change(d, schema.NoteRow, 1, kind="poem"),
    "note without text": lambda d: change(d, schema.NoteRow, 1, text=""),
    "note of blanks": lambda d: change(d, schema.NoteRow, 1, text="   "),
    "note with a sequence": lambda d: change(d, schema.NoteRow, 1, text="a\x1b[2Jb"),
    "note of two lines": lambda d: change(d, schema.NoteRow, 1, text="a\nb"),
    "note turned around": lambda d: change(d, schema.NoteRow, 1, text="a\u202eb"),
    "note not UTF-8": lambda d: d.execute("UPDATE notes SET text = CAST(x'ff' AS TEXT) WHERE number = 1"),
    "note is a blob": lambda d: change(d, schema.NoteRow, 1, text=b"text"),
    "long note": lambda d: change(d, schema.NoteRow, 1, text="x" * 501),
    "note beyond": lambda d: change(d, schema.NoteRow, 1, seq=601),
    "note before": lambda d: change(d, schema.NoteRow, 1, seq=-1),
    "note's tick": lambda d: change(d, schema.NoteRow, 1, tick=-1),
    "note's microstep": lambda d: change(d, schema.NoteRow, 1, microstep=64),
    "note missing": lambda d: d.execute("DELETE FROM notes WHERE number = 1"),
    "note on no branch": lambda d: change(d, schema.NoteRow, 1, branch=7),
    "note beyond a branch": lambda d: change(d, schema.NoteRow, 2, seq=41),
    "note far": lambda d: change(d, schema.NoteRow, 4, number=1 << 40),
    "too many notes": lambda d: [put(d, schema.NoteRow, n, 0, 6, -1, 0, "note", str(n)) for n in range(301)],
    "long chapter": lambda d: change(d, schema.NoteRow, 0, text="x" * 61),
    "chapter twice": lambda d: change(d, schema.NoteRow, 4, text="THE BEGINNING"),
    "chapter like a place": lambda d: change(d, schema.NoteRow, 0, text="50%"),
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
    assert time.monotonic() - begun < 5


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


def test_only_its_own_tables_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(whole())
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
