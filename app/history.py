"""The State at any position: a fold of the log, with keyframes so that no way is long.

Going forwards folds only what is new; going back decodes the nearest keyframe and folds on from there. Knows
the log and the State, not the machine: registers and bytes of memory of the past are re-executed elsewhere.
"""

from __future__ import annotations

from bisect import bisect_right, insort

import msgspec
import zstandard

from app.log import Log, LogError, compressed
from app.state.fold import FoldError, fold
from app.state.state import State, decode, encode

KEYFRAME_EVERY = 2000
"""Events between two keyframes."""
MOST_BYTES = 48 << 20
"""What keyframes take at most: beyond that every second one goes."""
LEAST = 16
NEAR_EVERY = 250
NEAR = 2000
"""Events between two of the passing keyframes that a step back leaves behind for the next one, and how far
back they go."""
MAX_KEYFRAME_BYTES = 64 << 20
"""What a keyframe from outside may decompress to."""


class History:
    """The States of one log."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self._state = State()
        self._positions: list[int] = []
        self._keyframes: dict[int, bytes] = {}
        self._near: dict[int, bytes] = {}
        self._every = KEYFRAME_EVERY
        self._bytes = 0

    def state_at(self, seq: int) -> State:
        """The fold of the first `seq` events; good until another position is asked for.

        IndexError beyond the log's end; FoldError where the log is not one that a machine wrote.
        """
        if not 0 <= seq <= len(self.log):
            raise IndexError(f"no position {seq}: the log has {len(self.log)} events")
        here = self._state.events_seen
        if seq < here:
            self._go_back(seq)
        elif seq - here > KEYFRAME_EVERY:
            best = self._nearest(seq)
            if best > here:
                self._state = self._opened(best)
        self._advance(seq)
        return self._state

    def up_to(self, seq: int, log: Log) -> History:
        """The States of another log that begins with the same `seq` events."""
        other = History(log)
        for position in self._positions:
            if position <= seq:
                other._remember(position, self._keyframes[position])
        return other

    def keyframe(self, seq: int) -> bytes:
        """The State after `seq` events as a session file keeps it."""
        return self._keyframes.get(seq) or _compressed(self.state_at(seq))

    def add_keyframe(self, seq: int, data: bytes) -> None:
        """Take a keyframe from a file. LogError unless it is a State at that position."""
        state = _decompressed(data)
        if state.events_seen != seq:
            raise LogError(f"a keyframe is of event {state.events_seen}, not {seq}")
        self._remember(seq, data)

    def _nearest(self, seq: int) -> int:
        """Position of the last keyframe at or before `seq`, 0 if there is none."""
        at = bisect_right(self._positions, seq)
        return self._positions[at - 1] if at else 0

    def _opened(self, position: int) -> State:
        return _decompressed(self._keyframes[position]) if position else State()

    def _go_back(self, seq: int) -> None:
        far = self._nearest(seq)
        near = max((position for position in self._near if position <= seq), default=-1)
        if near > far:
            self._state = decode(self._near[near])
            return
        self._state = self._opened(far)
        self._near.clear()
        for position in range(max(far, seq - NEAR) + NEAR_EVERY, seq, NEAR_EVERY):
            self._advance(position)
            self._near[position] = encode(self._state)

    def _advance(self, seq: int) -> None:
        """Fold up to `seq`, leaving keyframes on the way."""
        state = self._state
        while (here := state.events_seen) < seq:
            stop = min(seq, here - here % KEYFRAME_EVERY + KEYFRAME_EVERY)
            try:
                for tick, pid, event in self.log.rows(here, stop):
                    fold(state, tick, pid, event)
            except FoldError:
                self._state = State()
                raise
            if stop % self._every == 0 and stop not in self._keyframes:
                self._remember(stop, _compressed(state))

    def _remember(self, position: int, data: bytes) -> None:
        if position in self._keyframes:
            return
        insort(self._positions, position)
        self._keyframes[position] = data
        self._bytes += len(data)
        while self._bytes > MOST_BYTES and len(self._positions) > LEAST:
            self._every *= 2
            for gone in self._positions[::2]:
                self._bytes -= len(self._keyframes.pop(gone))
            del self._positions[::2]


def _compressed(state: State) -> bytes:
    return compressed(encode(state), level=1)


def _decompressed(data: bytes) -> State:
    try:
        size = zstandard.get_frame_parameters(data).content_size
        if not 0 < size <= MAX_KEYFRAME_BYTES:
            raise LogError("a keyframe has an impossible size")
        payload = zstandard.ZstdDecompressor().decompress(data, max_output_size=size, allow_extra_data=False)
        return decode(payload)
    except (zstandard.ZstdError, msgspec.DecodeError, RecursionError) as error:
        raise LogError(f"a keyframe is damaged: {' '.join(str(error).split())[:200]}") from None
