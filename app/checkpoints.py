"""Which moments of a machine are kept to go back to: close together where the machine is, sparse elsewhere.

How far apart they are follows from what saving one costs, how many there are from the memory they take. What
is in them, and how a machine becomes what it was, is not known here.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator

import msgspec

from cpu.checkpoint import MachineState
from cpu.ram import PAGE_SIZE

EVENTS_BETWEEN = 40
"""One is due after so many events: a few milliseconds of the machine's work."""
FRAMES_PER_EVENT = 2
"""Where there are many frames they lie farther apart: saving shall cost a twentieth of running at most."""
TICKS_BETWEEN = 4_000_000
"""Also due after so many ticks: about as long, for a program that computes."""
MOST = 256
MOST_BYTES = 192 << 20
LEAST = 8
"""So many stay, whatever they take."""
ENTRY_BYTES = 100
"""What a dictionary takes for one more frame, its contents apart."""

Place = tuple[int, int]


class Checkpoint(msgspec.Struct, array_like=True):
    """The machine after `seq` events at tick `tick`, resting between two steps."""

    seq: int
    tick: int
    tables: bytes
    machine: MachineState
    pid: int
    reached: int
    """Tick of the first rest with `seq` events."""

    @property
    def place(self) -> Place:
        return self.seq, self.tick


class Checkpoints:
    """In order. The first one, the start, always stays. `spacing` is the least number of events between."""

    def __init__(self, spacing: int = EVENTS_BETWEEN) -> None:
        self.spacing = spacing
        self._kept: list[Checkpoint] = []
        self._places: list[Place] = []
        """Of each of them."""
        self._far: list[Place] = []
        self._load: Callable[[int], Checkpoint | None] = lambda _number: None
        """Those of a file, which are loaded when one is needed; None where that cannot be."""
        self._bytes = 0
        """What they take, as far as that has been counted: too much rather than too little."""

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Checkpoint]:
        return iter(self._kept)

    def in_file(self, places: list[Place], load: Callable[[int], Checkpoint | None]) -> None:
        """There are more, in order, at these places; `load` gives one by its number."""
        self._far, self._load = places, load

    def at_or_before(self, seq: int, tick: int) -> Checkpoint:
        """The last one not behind a place; the first one if there is none."""
        return self._near(bisect_right, (seq, tick))

    def before(self, seq: int, tick: int) -> Checkpoint:
        """The last one before a place; the first one if there is none."""
        return self._near(bisect_left, (seq, tick))

    def _near(self, bisect: Callable[..., int], place: Place) -> Checkpoint:
        found = self._kept[max(bisect(self._places, place) - 1, 0)]
        number = bisect(self._far, place) - 1
        if number >= 0 and self._far[number] > found.place:
            loaded = self._load(number)
            if loaded is not None:
                self.adopt(loaded)
                return loaded
        return found

    def last(self, seq: int, tick: int) -> Checkpoint:
        """As `at_or_before`, of those that are in memory."""
        return self._kept[max(bisect_right(self._places, (seq, tick)) - 1, 0)]

    def due(self, seq: int, tick: int) -> bool:
        """Whether one should be taken here."""
        last = self.last(seq, tick)
        far = max(self.spacing, len(last.machine.frames) // FRAMES_PER_EVENT)
        return seq - last.seq >= far or (tick - last.tick >= TICKS_BETWEEN and self.spacing <= EVENTS_BETWEEN)

    def adopt(self, one: Checkpoint) -> None:
        """One more; others go where there are too many, far from it."""
        at = bisect_right(self._places, one.place)
        known = self._kept[at - 1].machine.frames if at else {}
        own = sum(known.get(pfn) is not data for pfn, data in one.machine.frames.items())
        self._bytes += own * PAGE_SIZE + len(one.machine.frames) * ENTRY_BYTES + len(one.tables)
        self._kept.insert(at, one)
        self._places.insert(at, one.place)
        while len(self._kept) > MOST or (self._bytes > MOST_BYTES and len(self._kept) > LEAST):
            self._thin(self._kept.index(one))

    def up_to(self, seq: int, tick: int) -> Checkpoints:
        """Those not behind a place, which they share."""
        other = Checkpoints(self.spacing)
        other._keep(self._kept[: bisect_right(self._places, (seq, tick))])
        other.in_file(self._far[: bisect_right(self._far, (seq, tick))], self._load)
        return other

    def thin_out(self) -> None:
        """Nobody is near: a few of them, evenly spread, will do."""
        every = -(-len(self._kept) // LEAST)
        self._keep(self._kept[:: max(every, 1)])

    def _thin(self, here: int) -> None:
        """Every other one of the half that is farthest away goes."""
        far = sorted(range(1, len(self._kept)), key=lambda n: -abs(n - here))[: len(self._kept) // 2]
        gone = set(sorted(far)[::2]) - {here}
        self._keep([one for n, one in enumerate(self._kept) if n not in gone])

    def _keep(self, these: list[Checkpoint]) -> None:
        """These and no others."""
        self._kept, self._places = these, [one.place for one in these]
        self._bytes = self._count()

    def _count(self) -> int:
        frames = {id(data) for one in self._kept for data in one.machine.frames.values()}
        entries = sum(len(one.machine.frames) for one in self._kept)
        tables = sum(len(one.tables) for one in self._kept)
        return len(frames) * PAGE_SIZE + entries * ENTRY_BYTES + tables
