"""The log: every event in order, append-only, the one truth that State, files and exports are made of.

Records are held in chunks: the open one as Python objects, closed ones encoded (msgpack arrays, checked field
by field when read) and compressed. `encoded` gives a chunk as it goes into a session file, `add_chunk` takes
one from there and trusts nothing in it. Where records lie in a file, and what they mean, is for others.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import msgspec
import zstandard

from cpu import events as cpu_events
from kernel import events as kernel_events

Event: TypeAlias = cpu_events.Event | kernel_events.Event
EVENT_TYPES = cpu_events.Event | kernel_events.Event
"""All that can be in a log, as a union for a decoder."""

CHUNK_RECORDS = 4096
CHUNK_BYTES = 16 << 20
"""A chunk that would become larger (before compression) is cut in two, down to single records."""
MAX_CHUNK_BYTES = 256 << 20
"""What a chunk from outside may decompress to."""
CHUNKS_DECODED = 8
"""Closed chunks that stay decoded, the least recently used one goes first."""
COMPRESSION_LEVEL = 3

Row: TypeAlias = tuple[int, int, Event]
"""Tick, pid, event."""


class LogError(Exception):
    """A chunk that no log wrote. The message is one line for a person."""


class Record(NamedTuple):
    """An event with its position: `seq` events came before it."""

    seq: int
    tick: int
    pid: int
    event: Event


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[tuple[int, int, EVENT_TYPES]])


class Log:
    """`append` is a bus's sink. Positions are 0 to `len(log) - 1`."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._starts: list[int] = []
        self._open: list[Row] = []
        self._open_start = 0
        self._decoded: OrderedDict[int, list[Row]] = OrderedDict()
        self._hash = hashlib.sha256()
        self._hashes: list[Any] = []
        """Of all records up to the end of each closed chunk."""

    def up_to(self, seq: int) -> Log:
        """Another log that begins with the same `seq` records; closed chunks are shared."""
        other = Log()
        whole = max(self.chunk_of(seq), 0) if seq < self._open_start else len(self._chunks)
        other._chunks, other._starts = self._chunks[:whole], self._starts[:whole]
        other._open_start = self._starts[whole] if whole < len(self._starts) else self._open_start
        other._hashes = self._hashes[:whole]
        if whole:
            other._hash = self._hashes[whole - 1].copy()
        for tick, pid, event in self.rows(other._open_start, seq):
            other.append(tick, pid, event)
        return other

    def append(self, tick: int, pid: int, event: Event) -> None:
        rows = self._open
        rows.append((tick, pid, event))
        if len(rows) >= CHUNK_RECORDS:
            self.close_chunk()

    def __len__(self) -> int:
        return self._open_start + len(self._open)

    def record(self, seq: int) -> Record:
        """The record at `seq`. IndexError when there is none."""
        if seq >= self._open_start:
            return Record(seq, *self._open[seq - self._open_start])
        if seq < 0:
            raise IndexError(f"no event {seq}")
        number = self.chunk_of(seq)
        return Record(seq, *self._rows(number)[seq - self._starts[number]])

    def row(self, seq: int) -> Row:
        """As `record`, without the seq. IndexError when there is none."""
        if seq >= self._open_start:
            return self._open[seq - self._open_start]
        number = self.chunk_of(seq)
        return self._rows(number)[seq - self._starts[number]]

    def rows(self, start: int = 0, stop: int | None = None) -> Iterator[Row]:
        """Tick, pid and event of [start, stop), as far as there are any."""
        at = max(start, 0)
        end = len(self) if stop is None else min(stop, len(self))
        while at < end:
            if at >= self._open_start:
                rows, first = self._open, self._open_start
            else:
                number = self.chunk_of(at)
                rows, first = self._rows(number), self._starts[number]
            part = rows[at - first : end - first]
            yield from part
            at += len(part)

    def rows_back(self, stop: int, start: int = 0) -> Iterator[Row]:
        """As `rows`, the last one first."""
        at, start = min(stop, len(self)), max(start, 0)
        while at > start:
            if at > self._open_start:
                rows, first = self._open, self._open_start
            else:
                number = self.chunk_of(at - 1)
                rows, first = self._rows(number), self._starts[number]
            part = rows[max(start - first, 0) : at - first]
            yield from reversed(part)
            at -= len(part)

    def records(self, start: int = 0, stop: int | None = None) -> Iterator[Record]:
        """The records of [start, stop), as far as there are any."""
        for seq, (tick, pid, event) in enumerate(self.rows(start, stop), max(start, 0)):
            yield Record(seq, tick, pid, event)

    # --- chunks

    @property
    def chunks(self) -> int:
        """How many chunks are closed: they never change again."""
        return len(self._chunks)

    def chunk_of(self, seq: int) -> int:
        """The closed chunk that `seq` lies in."""
        return bisect_right(self._starts, seq) - 1

    def bounds(self, chunk: int) -> tuple[int, int]:
        """First seq of a closed chunk, and the seq behind its last."""
        last = chunk + 1 == len(self._chunks)
        return self._starts[chunk], self._open_start if last else self._starts[chunk + 1]

    def encoded(self, chunk: int) -> bytes:
        """A closed chunk as a file keeps it."""
        return self._chunks[chunk]

    def close_chunk(self) -> None:
        """Close the open chunk before it is full, so that it can be written."""
        rows = self._open
        if not rows:
            return
        self._close(rows)
        self._open = []

    def _close(self, rows: list[Row]) -> None:
        payload = _ENCODER.encode(rows)
        if len(payload) > CHUNK_BYTES and len(rows) > 1:
            middle = len(rows) // 2
            self._close(rows[:middle])
            self._close(rows[middle:])
            return
        self._take(compressed(payload, COMPRESSION_LEVEL), rows, payload)

    def _take(self, data: bytes, rows: list[Row], payload: bytes) -> None:
        self._starts.append(self._open_start)
        self._chunks.append(data)
        self._open_start += len(rows)
        self._hash.update(_bare(payload, len(rows)))
        self._hashes.append(self._hash.copy())
        self._remember(len(self._chunks) - 1, rows)

    def add_chunk(self, data: bytes) -> int:
        """Append a chunk from a file, decoded and checked at once; how many records it has. LogError."""
        if self._open:
            raise ValueError("a chunk can only follow closed ones")
        rows, payload = decode_chunk(data)
        self._take(data, rows, payload)
        return len(rows)

    def _rows(self, number: int) -> list[Row]:
        rows = self._decoded.get(number)
        if rows is not None:
            self._decoded.move_to_end(number)
            return rows
        rows, _ = decode_chunk(self._chunks[number])
        self._remember(number, rows)
        return rows

    def _remember(self, number: int, rows: list[Row]) -> None:
        self._decoded[number] = rows
        if len(self._decoded) > CHUNKS_DECODED:
            self._decoded.popitem(last=False)

    def digest(self) -> str:
        """SHA-256 of all records, the same wherever chunks begin and end."""
        total = self._hash.copy()
        if self._open:
            total.update(_bare(_ENCODER.encode(self._open), len(self._open)))
        return total.hexdigest()


def compressed(payload: bytes, level: int) -> bytes:
    """In no more memory than it needs: what zstandard's `compress` returns holds on to what the worst case
    would have taken."""
    return bytes(memoryview(zstandard.ZstdCompressor(level=level).compress(payload)))


def decode_chunk(data: bytes) -> tuple[list[Row], bytes]:
    """The records of a chunk from anywhere, and their encoding. LogError unless all of it is in order."""
    try:
        size = zstandard.get_frame_parameters(data).content_size
        if not 0 < size <= MAX_CHUNK_BYTES:
            raise LogError("a chunk of events has an impossible size")
        payload = zstandard.ZstdDecompressor().decompress(data, max_output_size=size, allow_extra_data=False)
        rows = _DECODER.decode(payload)
    except zstandard.ZstdError:
        raise LogError("a chunk of events is damaged: it does not decompress") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise LogError(f"a chunk of events is damaged: {_one_line(error)}") from None
    if not rows:
        raise LogError("a chunk of events is empty")
    return rows, payload


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _bare(payload: bytes, count: int) -> memoryview:
    """The records' encodings without the array's header, whose length depends on how many there are."""
    return memoryview(payload)[1 if count < 16 else 3 if count < 65536 else 5 :]
