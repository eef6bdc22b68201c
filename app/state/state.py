"""The State: all that events have told up to one position of the log.

`machine` is the kernel as a textbook draws it, in the kernel's own words (`kernel.describe`), so that the two
can be compared. The rest is what the screen remembers on top: counts, output, the trace, who is who. All
of it is plain data that msgpack can carry; what grows with time is bounded, so that a keyframe stays small.

Whoever is given a State reads it; only `fold` changes it.
"""

from __future__ import annotations

import msgspec

from app.state.life import Life
from cpu.events import Entry
from kernel.describe import Description
from kernel.events import FaultHandled

OUTPUT_KEPT = 65536
"""Bytes of each terminal's and stream's output that stay (at most twice as many between two cuts)."""
SIZES_KEPT = 64
"""Changes of a terminal's size that are remembered."""
TRACE_KEPT = 1000
"""Lines of the trace that stay (at most a quarter more between two cuts)."""
MILESTONES_KEPT = 1000
IDLE, INIT = 0, 1
"""The tasks that get no letter: nobody's program."""


class TraceLine(msgspec.Struct, array_like=True, gc=False):
    """One line of the trace, undecoded. Which fields mean something depends on `kind`:

    - `syscall`: a call and, once `seq_end` is not -1, its `result` (None when it never came back)
    - `resumed`: the end of a call whose line was left `unfinished` because another task's line came between
    - `signal`: `signo` was delivered with `code` and `info` (see `SignalDelivered`)
    - `stopped`: by `signo`; `exit`: with `result` as the wait status; `exec`: `name` is the program's path
    - `fault`: exception `nr` at address `args[0]` with error code `args[1]` became `signo`

    `seq_begin` and `seq_end` are the events' numbers in the log, `tick_begin` and `tick_end` their times.
    """

    kind: str
    number: int
    pid: int
    seq_begin: int
    tick_begin: int
    seq_end: int = -1
    tick_end: int = -1
    nr: int = -1
    args: tuple[int, ...] = ()
    taken: tuple[bytes | None, ...] = ()
    result: int | None = None
    given: tuple[bytes | None, ...] = ()
    unfinished: bool = False
    signo: int = 0
    code: int = 0
    info: tuple[int, ...] = ()
    name: str = ""
    injected: bool = False
    """The call was not made: a person wanted this end of it."""


class Trace(msgspec.Struct, array_like=True):
    """The last lines of the trace; line `n` of all is `lines[n - (total - len(lines))]`.

    `open` leads from pid to the number of the line of the call that the task is in.
    """

    lines: list[TraceLine] = []
    total: int = 0
    open: dict[int, int] = {}

    def line(self, number: int) -> TraceLine | None:
        """Line `number` of all, None when it is not kept any more."""
        index = number - self.total + len(self.lines)
        return self.lines[index] if 0 <= index < len(self.lines) else None


class Output(msgspec.Struct, array_like=True):
    """The end of what was written somewhere, and how much that was in all."""

    kept: bytearray = msgspec.field(default_factory=bytearray)
    total: int = 0
    sizes: list[tuple[int, int, int]] = []
    """Of a terminal: since which byte it had how many rows and columns. Without any it has 24 and 80."""


class Traffic(msgspec.Struct, array_like=True):
    """Bytes and system calls that a channel has seen, both ways."""

    bytes_in: int = 0
    writes: int = 0
    bytes_out: int = 0
    reads: int = 0


class Transfer(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """The last bytes that moved: task `pid` put `data` into a channel, or took it out (`taken`)."""

    seq: int
    pid: int
    channel: str
    taken: bool
    data: bytes


class Milestone(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """Something to find again on the timeline. `kind` is exec, fork, exit, signal, fault, halt or panic."""

    seq: int
    tick: int
    pid: int
    kind: str
    text: str


class State(msgspec.Struct):
    """The model at one position: after the first `events_seen` events of the log."""

    machine: Description = msgspec.field(default_factory=Description)
    events_seen: int = 0
    tick: int = 0
    """Of the last event."""
    pid: int = 0
    """Whom the machine was running at the last event."""
    memory: int = 0
    """Guest RAM in bytes."""
    epoch: int = 0
    """Real time at tick 0, nanoseconds since 1970."""
    program: str = ""
    """Path of the first program that was executed."""
    letters: dict[int, int] = {}
    """Which letter and colour a task has for life: 0 for A, in order of creation; stays after its end."""
    asleep: dict[int, tuple[int, int]] = {}
    """Of each task that sleeps: since which tick, and at which that ends by itself (-1: never)."""

    trap: Entry | None = None
    trap_seq: int = -1
    trap_pid: int = 0
    fault: FaultHandled | None = None
    fault_seq: int = -1
    vectors: dict[int, int] = {}
    """How often each vector was taken."""
    calls: dict[int, int] = {}
    """How often each system call was entered."""
    errors: dict[int, int] = {}
    """How often each system call failed."""
    switches: int = 0
    generated: dict[int, int] = {}
    """How often each signal was generated, ignored ones included."""
    delivered: dict[int, int] = {}
    frames: dict[int, list[int]] = {}
    """Per task the addresses of the signal frames on its user stack, the innermost last."""
    lives: list[Life] = []
    """What became of the last signals, in the order in which they were sent."""

    terminals: dict[int, Output] = {}
    streams: dict[int, Output] = {}
    arrived: dict[str, int] = {}
    """Bytes of input per device (`tty:0`)."""
    traffic: dict[int, Traffic] = {}
    """Per pipe, for as long as it is there."""
    pty_traffic: dict[int, Traffic] = {}
    """Per pseudoterminal: in is what its master wrote, out what it read."""
    transfer: Transfer | None = None
    written: dict[int, int] = {}
    """Bytes written to files by inode."""
    paths: dict[int, str] = {}
    """Names of the inodes that programs created."""

    trace: Trace = msgspec.field(default_factory=Trace)
    milestones: list[Milestone] = []
    halted: int = -1
    """The first program's wait status once nothing is left to run."""
    panic: str = ""

    def letter(self, pid: int) -> str:
        """A to Z, then A1 and so on; '' for tasks without one."""
        index = self.letters.get(pid)
        if index is None:
            return ""
        return chr(65 + index % 26) + (str(index // 26) if index >= 26 else "")


def append_output(output: Output, data: bytes) -> None:
    """Add to the kept end, and cut it when it has grown to twice its size."""
    output.total += len(data)
    output.kept += data
    if len(output.kept) > 2 * OUTPUT_KEPT:
        del output.kept[:-OUTPUT_KEPT]


def resize_output(output: Output, rows: int, columns: int) -> None:
    """From here on the terminal has this size; the last SIZES_KEPT are kept."""
    if output.sizes and output.sizes[-1][0] == output.total:
        output.sizes.pop()
    output.sizes.append((output.total, rows, columns))
    del output.sizes[:-SIZES_KEPT]


ENCODER = msgspec.msgpack.Encoder()
DECODER = msgspec.msgpack.Decoder(State)


def encode(state: State) -> bytes:
    """A keyframe: the whole State, independent of later changes to it."""
    return ENCODER.encode(state)


def decode(data: bytes) -> State:
    """The State of a keyframe. Raises `msgspec.DecodeError` unless every field is of its type."""
    return DECODER.decode(data)
