"""What is recorded comes back, whatever happens to the recording; and nothing foreign is written over."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.history import History
from app.session import (
    Recorder,
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
from cpu.registers import Registers
from kernel.kernel import GuestFile, Input, Start
from kernel.tables import Tables
from tests.app.session_samples import (
    BLOBS,
    CHECKPOINTS,
    IMAGE,
    INPUTS,
    KEY,
    LOG,
    MAKERS,
    MILESTONES,
    ROOT,
    START,
    assert_same,
    cpu_at,
    cut_off,
    make_log,
    record,
)

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
    assert path.read_bytes() == before
    assert path.stat().st_mode & 0o600 == 0o600


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
        assert len(session.log) == 0
        assert session.finished == -1
        assert not [*session.inputs, *session.checkpoints, *session.milestones]


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
    assert text.startswith(r"a\x1b[2J\n\udcffxxx")
    assert len(text) == schema.MAX_TEXT


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


@settings(deadline=None)
@given(starts)
def test_any_start_survives(start: Start) -> None:
    assert content.decode_start(content.encode_start(start)) == start


@settings(deadline=None)
@given(st.dictionaries(st.integers(0, 4095), st.integers(0, 2**32 - 1), max_size=50))
def test_any_list_of_frames_survives(numbers: dict[int, int]) -> None:
    assert content.decode_frame_list(content.encode_frame_list(numbers), 4096) == numbers


@settings(deadline=None)
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
        with suppress(SessionError):
            decode(data)


def test_tables_and_processor_survive() -> None:
    tables = Tables(waiting={"pipe:1:read": [3]}, executed={4, 5}, hostname="x")
    assert decode_tables(encode_tables(tables)) == tables
    assert decode_cpu(encode_cpu(cpu_at(77))) == cpu_at(77)
    for registers in (Registers(eax=1 << 32), Registers(cs=-1)):
        with pytest.raises(SessionError):
            decode_cpu(encode_cpu(msgspec.structs.replace(cpu_at(1), registers=registers)))


# Where a recording can go.


def unwritable(path: Path) -> str:
    with pytest.raises(SessionError) as caught:
        Recorder(path, START, IMAGE, BLOBS)
    text = str(caught.value)
    assert text.startswith(schema.one_line(path))
    assert text.isprintable()
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


def test_an_older_session_is_replaced_with_what_it_left(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(cut_off()[0])
    Path(f"{path}-wal").write_bytes(cut_off()[1])
    link = tmp_path / "link"
    link.symlink_to(path)
    with Recorder(link, START, IMAGE, BLOBS) as recorder:
        recorder.finish(0)
    assert link.is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["a", "link"]
    with open_session(link) as session:
        assert len(session.log) == 0
        assert session.finished == 0


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
        assert session.finished is None
        assert not session.inputs


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
        assert session.inputs == INPUTS
        assert session.finished is None


# Other processes.

CHILD = """
import sys, time
from tests.app import session_samples as t
recorder = t.Recorder(sys.argv[1], t.START, t.IMAGE, t.BLOBS)
recorder.inputs(t.INPUTS)
log = t.make_log(20000)
print("ready", flush=True)
for chunk in range(log.chunks):
    first, stop = log.bounds(chunk)
    recorder.chunk(first, stop - first, log.encoded(chunk))
    tables, cpu = t.encode_tables(t.Tables()), t.encode_cpu(t.cpu_at(first))
    frames = {pfn: bytes([chunk]) * 4096 for pfn in range(20)}
    recorder.checkpoint(t.StoredCheckpoint(first, first, tables, cpu, frames))
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
            assert session.finished is None
            assert session.start == START
            session.verify()
        record(path)
        with open_session(path) as session:
            assert_same(session)


FULL = """
import resource, sys
from tests.app import session_samples as t
recorder = t.Recorder(sys.argv[1], t.START, t.IMAGE, t.BLOBS)
recorder.inputs(t.INPUTS)
recorder.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
said = []
for number in range(200):
    try:
        frames = {1: t.random.Random(number).randbytes(4096)}
        recorder.checkpoint(t.StoredCheckpoint(0, number, b"", b"", frames))
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
        assert session.inputs == INPUTS
        assert session.finished is None


def test_handing_over_does_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(tmp_path / "a", START, IMAGE, BLOBS)
    slow = recorder._writer.write

    def write(jobs: list[Callable[[], None]]) -> None:
        time.sleep(0.5)
        slow(jobs)

    monkeypatch.setattr(recorder._writer, "write", write)
    begun = time.monotonic()
    for checkpoint in CHECKPOINTS:
        recorder.checkpoint(checkpoint)
    assert time.monotonic() - begun < 0.25
    recorder.close()
    with open_session(tmp_path / "a") as session:
        assert session.checkpoints == [(0, CHECKPOINTS[0].tick)]
