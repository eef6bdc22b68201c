"""The log gives back what it was given, and tells damaged chunks from good ones."""

from __future__ import annotations

import random
from contextlib import suppress

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from app import log as log_module
from app.log import CHUNK_RECORDS, Event, Log, LogError, Record, decode_chunk
from kernel import events as e
from tests.app.samples import KINDS, any_event, session

rows = st.lists(
    st.builds(
        lambda tick, pid, kind, seed: (tick, pid, any_event(kind, random.Random(seed))),
        st.integers(0, 2**63 - 1),
        st.integers(0, 2**31),
        st.sampled_from(KINDS),
        st.integers(0, 2**32),
    ),
    max_size=30,
)


@given(rows, st.integers(1, 7))
def test_round_trip_of_any_events(rows: list[tuple[int, int, Event]], size: int) -> None:
    log = Log()
    for number, row in enumerate(rows):
        log.append(*row)
        if number % size == 0:
            log.close_chunk()
    digest = log.digest()
    log.close_chunk()
    assert log.digest() == digest
    loaded = Log()
    for chunk in range(log.chunks):
        start, stop = log.bounds(chunk)
        assert loaded.add_chunk(log.encoded(chunk)) == stop - start
    assert list(loaded.rows()) == list(log.rows()) == rows
    assert [loaded.record(seq) for seq in range(len(rows))] == [Record(n, *row) for n, row in enumerate(rows)]
    assert loaded.digest() == digest


def test_every_event_type_survives() -> None:
    rng = random.Random(3)
    log = Log()
    events = [any_event(kind, rng) for kind in KINDS for _ in range(20)]
    for event in events:
        log.append(1, 2, event)
    log.close_chunk()
    assert [event for _, _, event in decode_chunk(log.encoded(0))[0]] == events


def test_reading_across_chunks_and_into_the_open_one() -> None:
    log = Log()
    count = 3 * CHUNK_RECORDS + 100
    for n in range(count):
        log.append(n, 1, e.BreakMoved(1, n))
    assert log.chunks == 3
    assert len(log) == count
    for start, stop in ((0, 10), (4090, 4100), (4096, 8192), (8000, 12388), (12380, 99999), (5, 5)):
        expected = list(range(start, min(stop, count)))
        assert [record.seq for record in log.records(start, stop)] == expected
        assert [
            event.brk for _, _, event in log.rows(start, stop) if isinstance(event, e.BreakMoved)
        ] == expected
    for seq in (0, 4095, 4096, 12287, 12288, count - 1):
        assert log.record(seq) == Record(seq, seq, 1, e.BreakMoved(1, seq))
    for seq in (-1, count):
        with pytest.raises(IndexError):
            log.record(seq)


def test_closed_chunks_leave_the_cache_and_come_back() -> None:
    log = Log()
    for n in range(12 * CHUNK_RECORDS):
        log.append(n, 1, e.BreakMoved(1, n))
    assert [event.brk for _, _, event in log.rows() if isinstance(event, e.BreakMoved)] == list(
        range(len(log))
    )


def test_a_chunk_of_large_events_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "CHUNK_BYTES", 10_000)
    log = Log()
    for n in range(8):
        log.append(n, 1, e.PipeWritten(1, bytes(3000)))
    log.close_chunk()
    assert log.chunks == 4
    assert [record.tick for record in log.records()] == list(range(8))
    assert [log.chunk_of(seq) for seq in range(8)] == [0, 0, 1, 1, 2, 2, 3, 3]


def test_the_same_events_have_the_same_digest() -> None:
    assert session(9000).digest() == session(9000).digest()
    assert session(9000).digest() != session(9000, seed=2).digest()


def packed(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


def rows_packed(*rows: object) -> bytes:
    return packed(msgspec.msgpack.encode(rows))


GOOD = (1, 2, ["BreakMoved", 3, 4])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"SQLite format 3\0",
        packed(b"")[:-1],
        packed(b""),
        packed(b"\xc1"),
        rows_packed(),
        rows_packed(GOOD)[:-3],
        rows_packed(GOOD) + b"more",
        rows_packed((1, 2, ["NoSuchEvent", 1])),
        rows_packed((1, 2, ["BreakMoved", 3])),
        rows_packed((1, 2, ["BreakMoved", "three", 4])),
        rows_packed((1.5, 2, ["BreakMoved", 3, 4])),
        rows_packed((1, 2, ["TaskRenamed", 3, b"\xff\xff"])),
        rows_packed((1, 2)),
        rows_packed(GOOD, None),
        packed(b"\x91" * 100_000),
        packed(b"\xdd\xff\xff\xff\xff" + b"\x93\x01\x02\x93\xaaBreakMoved\x03\x04"),
        packed(b"\x91\x93\x01\x02\x92\xabTaskRenamed"),
        packed(b"\x91\x93\x01\x02\x93\xabTaskRenamed\x01\xa2\xff\xff"),
        bytes.fromhex("28b52ffd") + b"\xc0" + (1 << 60).to_bytes(8, "little") + bytes(20),
    ],
)
def test_damaged_chunks_give_one_clear_line(data: bytes) -> None:
    log = Log()
    with pytest.raises(LogError) as caught:
        log.add_chunk(data)
    assert "\n" not in str(caught.value)
    assert "chunk" in str(caught.value)
    assert len(log) == 0


def test_a_good_chunk_is_taken() -> None:
    log = Log()
    assert log.add_chunk(rows_packed(GOOD)) == 1
    assert log.record(0) == Record(0, 1, 2, e.BreakMoved(3, 4))


@given(st.data())
def test_a_chunk_with_changed_bytes_never_raises_anything_else(data: st.DataObject) -> None:
    log = session(60)
    log.close_chunk()
    chunk = bytearray(log.encoded(0))
    for _ in range(data.draw(st.integers(1, 4))):
        chunk[data.draw(st.integers(0, len(chunk) - 1))] = data.draw(st.integers(0, 255))
    with suppress(LogError):
        Log().add_chunk(bytes(chunk))
