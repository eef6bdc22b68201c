"""Branches: what else could have been. Something done in the past begins a new one, the old one stays.

A branch shares its beginning with the one that it left: events, inputs, checkpoints. The first one, the
trunk, is number 0. In a file a branch is what was put in from where it left; it is run again when somebody
goes there. Functions over an engine, which is always on one of its branches.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from app.checkpoints import Checkpoints
from app.history import History
from app.log import Log
from app.position import ALL_DONE, START, Position
from kernel.kernel import Input

if TYPE_CHECKING:
    from app.engine import Engine

TRUNK = 0
MOST = 32
MAX_NAME = 60
SLICE = 1_000_000
"""Ticks between two looks at the host's clock while one is run again."""


class Origin(msgspec.Struct, frozen=True, array_like=True):
    """Where a branch leaves its parent: after `seq` events at `tick`, with so many of its first inputs."""

    parent: int
    seq: int
    tick: int
    inputs: int


class Stored(msgspec.Struct, frozen=True):
    """A branch as a file keeps it: `inputs` from where it leaves, what its log of `events` must become."""

    number: int
    name: str
    origin: Origin
    inputs: list[Input]
    events: int
    digest: str


class Past(msgspec.Struct):
    """What an engine and its machine know of the branch that they are on."""

    log: Log
    history: History
    inputs: list[Input]
    checkpoints: Checkpoints


class Branch(msgspec.Struct):
    """`origin` is None for the trunk, `past` for one from a file that nobody has been to."""

    number: int
    name: str
    origin: Origin | None
    past: Past | None
    cursor: Position = START
    """Where the cursor was when it was left."""
    stored: Stored | None = None
    """Of one from a file, until it has been run again to its end."""

    @property
    def length(self) -> int:
        """Events, those that it shares included."""
        if self.stored is not None:
            return self.stored.events
        return len(self.past.log) if self.past is not None else 0


class Difference(NamedTuple):
    """`seq`: so many events are the same in both. The events behind them, None where one ends there."""

    seq: int
    here: Any
    there: Any


class Branches:
    """All of one session, by number; `here` is the one that the engine is on."""

    def __init__(self, trunk: Past) -> None:
        self.here = Branch(TRUNK, "trunk", None, trunk)
        self.all = {TRUNK: self.here}
        self.target = TRUNK
        """Where a branch that is being run again leads to: it, or one that leaves it."""
        self.changed = 0
        """Counts what a file would have to be told of."""

    def __iter__(self) -> Iterator[Branch]:
        return iter(self.all.values())

    def __len__(self) -> int:
        return len(self.all)

    def leaving(self, number: int) -> list[Branch]:
        """Those that leave branch `number`."""
        return [one for one in self if one.origin is not None and one.origin.parent == number]

    def named(self, text: str) -> Branch | None:
        """By number or name."""
        return next((one for one in self if text in (str(one.number), one.name)), None)

    def add(self, stored: Stored) -> None:
        """One from a file."""
        one = Branch(stored.number, stored.name, stored.origin, None, START, stored)
        one.cursor = Position(stored.origin.seq, ALL_DONE, stored.origin.tick)
        self.all[stored.number] = one

    def rename(self, branch: Branch, name: str) -> str:
        """Why not, or ''."""
        if why := wrong_name(name):
            return why
        if any(one.name == name and one is not branch for one in self):
            return "another branch has that name"
        branch.name = name
        self.changed += 1
        return ""

    def forget(self, branch: Branch) -> str:
        """Why not, or ''."""
        if branch is self.here or branch.origin is None:
            return (
                "the trunk stays"
                if branch.origin is None
                else "this is where you are: go to another one first"
            )
        if self.leaving(branch.number):
            return "other branches leave it: they would have no beginning"
        del self.all[branch.number]
        self.changed += 1
        return ""


def wrong_name(name: str) -> str:
    """Why a branch cannot be called this, or ''."""
    if not name.strip() or name != name.strip():
        return "a name has letters in it, and no blanks around them"
    if len(name) > MAX_NAME or not name.isprintable():
        return f"a name has at most {MAX_NAME} printable characters"
    return "that is a number" if name.isdigit() else ""


def stored(branch: Branch, origin: Origin) -> Stored:
    """As a file keeps it."""
    if branch.stored is not None:
        return msgspec.structs.replace(branch.stored, name=branch.name)
    past = branch.past
    assert past is not None
    inputs = past.inputs[origin.inputs :]
    return Stored(branch.number, branch.name, origin, inputs, len(past.log), past.log.digest())


# Leaving one and going to another.


def begin(engine: Engine) -> str:
    """From the cursor on, where the machine stands, other things happen. Why not, or ''."""
    branches, machine = engine.branches, engine.machine
    if len(branches) >= MOST:
        return f"{MOST} branches are kept: forget one first"
    left = branches.here
    at = machine.seq, machine.tick
    log = engine.log.up_to(machine.seq)
    inputs = machine.inputs_so_far()
    past = Past(log, engine.history.up_to(at[0], log), inputs, machine.checkpoints.up_to(*at))
    number = max(branches.all) + 1
    branch = Branch(number, f"branch {number}", Origin(left.number, *at, len(inputs)), past)
    _park(engine)
    branches.all[number] = branch
    branches.changed += 1
    machine.begin_another_future(past.log, past.inputs, past.checkpoints)
    _take(engine, branch)
    engine.set_to_rest()
    return ""


def go_to(engine: Engine, number: int) -> str:
    """To another branch, where its cursor was left; one from a file runs again first (`run_again`).

    Why not, or ''.
    """
    branches = engine.branches
    wanted = branches.all.get(number)
    if wanted is None:
        return "there is no such branch"
    branches.target = number
    branch = _first_unfinished(branches, wanted) or wanted
    if branch is not branches.here:
        _park(engine)
        _enter(engine, branch)
    if branch.stored is not None:
        engine.seeking, engine.found = again, False
    return ""


def _first_unfinished(branches: Branches, branch: Branch) -> Branch | None:
    """The oldest of a branch and those that it comes from whose events have to be run again."""
    found = None
    one: Branch | None = branch
    while one is not None:
        if one.stored is not None:
            found = one
        one = branches.all[one.origin.parent] if one.origin is not None else None
    return found


def _park(engine: Engine) -> None:
    """The branch that is left keeps what a way back needs, and no more."""
    here = engine.branches.here
    here.cursor = engine.cursor
    engine.machine.checkpoints.thin_out()


def _enter(engine: Engine, branch: Branch) -> None:
    if branch.past is None:
        branch.past = _beginning(engine.branches, branch)
    past = branch.past
    engine.machine.go_over(past.log, past.inputs, past.checkpoints, branch.cursor.seq)
    _take(engine, branch)
    engine.cursor = branch.cursor


def _take(engine: Engine, branch: Branch) -> None:
    past = branch.past
    assert past is not None
    engine.branches.here = branch
    engine.log, engine.history = past.log, past.history
    engine.forget_steps()


def _beginning(branches: Branches, branch: Branch) -> Past:
    """What a branch from a file shares with its parent, and what is put in behind that."""
    origin, kept = branch.origin, branch.stored
    assert origin is not None
    assert kept is not None
    parent = branches.all[origin.parent].past
    assert parent is not None
    log = parent.log.up_to(origin.seq)
    history = parent.history.up_to(origin.seq, log)
    inputs = [*parent.inputs[: origin.inputs], *kept.inputs]
    return Past(log, history, inputs, parent.checkpoints.up_to(origin.seq, origin.tick))


# Running one from a file again.


def again(_event: Any) -> bool:
    """What a search stops at that is for the end of a branch: no event."""
    return False


def run_again(engine: Engine, seconds: float) -> str:
    """Go on running the branch from a file that the engine is on, for about `seconds`."""
    branches, machine = engine.branches, engine.machine
    branch = branches.here
    kept = branch.stored
    if kept is None:
        engine.seeking = None
        return "finished"
    engine.go_end()
    engine.seeking = again
    engine.to_cursor()
    deadline = time.monotonic() + seconds
    sealed, machine.sealed = machine.sealed, False
    try:
        while machine.seq < kept.events and time.monotonic() < deadline:
            outcome = machine.step(machine.tick + SLICE)
            if outcome is not None and machine.seq < kept.events and not machine.pass_idle(outcome):
                break
        else:
            outcome = None
    finally:
        machine.sealed = sealed
    engine.set_to_rest()
    if machine.seq < kept.events and outcome is None:
        return "running"
    _completed(engine, branch, kept)
    return "running" if engine.seeking is not None else "finished"


def _completed(engine: Engine, branch: Branch, kept: Stored) -> None:
    """It has run to its end, as it did when it was recorded, or has it?"""
    engine.seeking, engine.found = None, True
    past = branch.past
    assert past is not None
    branch.stored = None
    log = past.log.up_to(kept.events)
    if log.digest() != kept.digest:
        engine.reason = f"{branch.name} does not run here as it did where it was recorded"
    if len(past.log) > kept.events and not engine.live:
        past.log, past.history = log, past.history.up_to(kept.events, log)
        engine.machine.go_over(log, past.inputs, past.checkpoints, kept.events)
        _take(engine, branch)
    if engine.branches.target != branch.number:
        branch.cursor = engine.cursor
        go_to(engine, engine.branches.target)
    else:
        engine.cursor = branch.cursor


# Comparing.


def compare(engine: Engine, other: Branch) -> Difference | None:
    """The first events in which the present branch and another differ; None while that one is not run."""
    if other.past is None or other.stored is not None:
        return None
    mine, theirs = engine.log, other.past.log
    seq = _shared(engine.branches, engine.branches.here, other)
    for here, there in zip(mine.rows(seq), theirs.rows(seq), strict=False):
        if here != there:
            break
        seq += 1
    return Difference(seq, _event(mine, seq), _event(theirs, seq))


def _shared(branches: Branches, one: Branch, other: Branch) -> int:
    """So many events two branches have from the one that they both come from."""
    lines: list[dict[int, int]] = []
    for branch in (one, other):
        line = {branch.number: branch.length}
        least = branch.length
        while branch.origin is not None:
            least = min(least, branch.origin.seq)
            branch = branches.all[branch.origin.parent]
            line[branch.number] = least
        lines.append(line)
    return max(min(lines[0][number], lines[1][number]) for number in lines[0] if number in lines[1])


def _event(log: Log, seq: int) -> Any:
    return log.record(seq).event if seq < len(log) else None
