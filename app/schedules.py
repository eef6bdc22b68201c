"""Failures that depend on who runs when: a program run many times, each time under another random schedule.

A schedule is the seed from which the kernel draws whose turn it is and for how long (`kernel.sched`). All
else is the same in every run: the seed of random numbers, the files, what comes from standard input. So runs
that end differently do so because of the schedule alone, and the seed alone brings each of them back. Nothing
is written on the host except the table, and a session if one was asked for.
"""

from __future__ import annotations

import hashlib
import os
import select
import shlex
import stat
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TextIO

import msgspec

from app.commands import TIMED_OUT, broken, refusal
from app.history import History
from app.host import PIECE, Deadlocked, Driver, TimedOut, complain
from app.launch import LaunchError, Options, open_mounts, prepare
from app.log import Log
from app.machine import Machine
from app.recording import Recording
from app.resources import kernel_image
from app.session.schema import SessionError
from app.session.target import Target
from cpu.bus import Sink
from kernel.abi.signal import signal_name
from kernel.events import StreamWritten, TerminalWritten
from kernel.kernel import Halted, Idle, Input, Kernel, Start
from kernel.table import TABLE
from kernel.tables import TaskState

DEFAULT_LIMIT = 1.0
"""Seconds of the machine's processor time after which a run is given up; sleeping costs none."""
MOST_KEPT = 1 << 16
"""Bytes of a run's output that are kept; of the rest only its length and digest."""
MOST_SHOWN = 48
"""Characters of a line of output in the table."""
SEEDS_SHOWN = 3
TASKS_SHOWN = 3
ROWS_SHOWN = 20
INTERRUPTED = 130
"""Exit status after Ctrl+C, as a shell's."""


class Outcome(NamedTuple):
    """How a run ended. Two runs with equal outcomes cannot be told apart from outside."""

    words: str
    """`exit 0`, `killed by SIGSEGV`, `deadlock: 2 in pause`, `not over after 1 s`."""
    output: bytes
    """The first MOST_KEPT bytes of standard output and error, in the order in which they were written."""
    length: int
    """Bytes of it in all."""
    digest: bytes
    """BLAKE2 of all of it."""

    @property
    def failed(self) -> bool:
        return self.words != "exit 0"


class Group(NamedTuple):
    """Runs with one outcome; `seeds` in rising order."""

    outcome: Outcome
    seeds: list[int]


class SameInput:
    """Standard input for every run: read from the host as far as some run wants it, then kept.

    A terminal gives end of file: nobody types the same thing a hundred times.
    """

    def __init__(self, deadline: float | None = None) -> None:
        self._pieces: list[bytes] = []
        self._deadline = deadline
        self.is_terminal = os.isatty(0)

    def piece(self, number: int) -> bytes:
        """The piece of that number, b"" at the end. Waits for it; TimedOut when the deadline comes first."""
        while number >= len(self._pieces):
            self._pieces.append(b"" if self.is_terminal else self._read())
        return self._pieces[number]

    def _read(self) -> bytes:
        left = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
        try:
            if not select.select([0], [], [], left)[0]:
                raise TimedOut
            return os.read(0, PIECE)
        except (OSError, ValueError):  # closed
            return b""


class OneRun(Driver):
    """Drives a kernel as a command does, but from `SameInput`, and for `limit` ticks of processor time.

    Raises besides what a Driver raises `NotOver`, at the same tick in every run of the same schedule.
    """

    def __init__(
        self,
        kernel: Kernel,
        source: SameInput,
        limit: int,
        deadline: float | None = None,
        on_input: Callable[[Input], None] | None = None,
        step: Callable[[int], Idle | Halted | None] | None = None,
    ) -> None:
        super().__init__(kernel, None, on_input, self._bounded)
        self.deadline = deadline
        self._source = source
        self._limit = limit
        self._inner = step or kernel.step
        self._taken = 0

    def _bounded(self, until: int) -> Idle | Halted | None:
        kernel = self.kernel
        t = kernel.tables
        if t.current:  # else it is idle, and how long is not accounted yet
            left = self._limit - (kernel.core.ticks - t.idle_ticks)
            if left <= 0:
                raise NotOver
            until = min(until, kernel.core.ticks + left)
        return self._inner(until)

    def read_piece(self, patience: float | None) -> bytes | None:
        """The next piece of what all runs are given. It takes no time of the guest's to wait for it."""
        self._taken += 1
        return self._source.piece(self._taken - 1)


class NotOver(Exception):
    """The processor time of a run is used up."""


@dataclass
class Schedules:
    """What is to be run, and under which schedules: `first` to `first + count - 1`.

    `limit` is in seconds of processor time of the guest, `timeout` in seconds of real time for all runs.
    """

    options: Options
    first: int
    count: int
    limit: float = DEFAULT_LIMIT
    timeout: float | None = None
    start: Start = field(init=False)
    blobs: dict[str, bytes] = field(init=False)
    source: SameInput = field(init=False)
    deadline: float | None = field(init=False)

    def __post_init__(self) -> None:
        """Raises LaunchError."""
        self.deadline = None if self.timeout is None else time.monotonic() + self.timeout
        self.source = SameInput(self.deadline)
        if self.options.modes is None or (self.source.is_terminal and not self.options.modes[0]):
            self.options.modes = (stat.S_IFCHR | 0o666, *(self.options.modes or (0, 0, 0))[1:])
        self.start, self.blobs = prepare(self.options)

    @property
    def ticks(self) -> int:
        return int(self.limit * 1e9)

    def run(self, seed: int) -> Outcome:
        """One run. Raises TimedOut, and LaunchError if the program does not start at all."""
        start = msgspec.structs.replace(self.start, schedule=seed)
        written = Written()
        kernel = Kernel(start, kernel_image(), self.blobs, written.sink, host=open_mounts(self.options))
        words = self._drive(kernel, OneRun(kernel, self.source, self.ticks, self.deadline))
        return written.outcome(words)

    def record(self, seed: int, path: str) -> Outcome:
        """The same run once more, with its session written to `path`. Raises SessionError besides."""
        start = msgspec.structs.replace(self.start, schedule=seed)
        written = Written()
        log = Log()
        inputs: list[Input] = []
        host = open_mounts(self.options)
        image = kernel_image()
        machine = Machine(start, image, self.blobs, log, inputs, False, 1 << 60, written.sink, host)
        recording = Recording(path, start, image, self.blobs, machine, History(log))
        driver = OneRun(machine.kernel, self.source, self.ticks, None, inputs.append, machine.step)
        driver.between = recording.follow
        try:
            words = self._drive(machine.kernel, driver)
        finally:
            recording.finish()
        return written.outcome(words)

    def _drive(self, kernel: Kernel, driver: OneRun) -> str:
        try:
            status = driver.run()
        except Deadlocked:
            return f"deadlock: {_who_sleeps(kernel)}"
        except NotOver:
            return f"not over after {self.limit:g} s"
        refused = refusal(kernel, self.options.program)
        if refused is not None:
            raise LaunchError(*refused)
        return ended(status)

    def again(self, seed: int) -> str:
        """The command that shows the run of this schedule, call by call."""
        given = self.options
        words = ["int80", "trace", "-f", "--schedule", str(seed)]
        defaults = Options(given.program)
        for name in ("root", "disk", "cwd", "uid", "memory", "seed"):
            value = getattr(given, name)
            if value != getattr(defaults, name):
                words += [f"--{name}", str(value)]
        for option, values in (("--mount", given.mounts), ("--env", given.env)):
            for value in values:
                words += [option, value]
        return shlex.join([*words, given.program, *given.arguments]) + (
            " </dev/null" if self.source.is_terminal else ""
        )


class Written:
    """What a run has written, in bounded space."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._length = 0
        self._digest = hashlib.blake2b(digest_size=16)
        self.sink: Sink = self._take

    def _take(self, tick: int, pid: int, event: object) -> None:
        if type(event) is StreamWritten or type(event) is TerminalWritten:
            self._kept += event.data[: MOST_KEPT - len(self._kept)]
            self._length += len(event.data)
            self._digest.update(event.data)

    def outcome(self, words: str) -> Outcome:
        return Outcome(words, bytes(self._kept), self._length, self._digest.digest())


def ended(status: int) -> str:
    """The first program's end, from its status as wait4 gives it."""
    if status & 0x7F:
        return f"killed by {signal_name(status & 0x7F)}"
    return f"exit {status >> 8 & 0xFF}"


def _who_sleeps(kernel: Kernel) -> str:
    """The tasks that sleep or are stopped for ever, by pid, each with the system call it is in."""
    found = []
    for task in sorted(kernel.tables.tasks.values(), key=lambda one: one.pid):
        if not task.space or task.state not in (TaskState.SLEEPING, TaskState.STOPPED) or task.pid <= 1:
            continue
        row = TABLE[task.syscall] if 0 <= task.syscall < len(TABLE) else None
        if task.state == TaskState.STOPPED:
            found.append(f"{task.pid} stopped")
        elif row is not None:
            found.append(f"{task.pid} in {row.name}")
    more = ", ..." if len(found) > TASKS_SHOWN else ""
    return ", ".join(found[:TASKS_SHOWN]) + more


# --- the table ----------------------------------------------------------------------------------------------


def grouped(runs: dict[int, Outcome]) -> list[Group]:
    """The outcomes, the most frequent first; among equally frequent ones that of the lowest seed."""
    seeds: dict[Outcome, list[int]] = {}
    for seed, outcome in sorted(runs.items()):
        seeds.setdefault(outcome, []).append(seed)
    groups = [Group(outcome, found) for outcome, found in seeds.items()]
    return sorted(groups, key=lambda one: (-len(one.seeds), one.seeds[0]))


def rarest(groups: list[Group]) -> Group:
    """The rarest failure; where nothing failed, the rarest outcome."""
    return ([one for one in groups if one.outcome.failed] or groups)[-1]


def shown_of(groups: list[Group]) -> list[Group]:
    """Of very many outcomes the most frequent ones, but of each way to end at least one."""
    if len(groups) <= ROWS_SHOWN:
        return groups
    kinds = {one.outcome.words: one for one in reversed(groups)}
    first = [one for one in groups if kinds[one.outcome.words] is one][:ROWS_SHOWN]
    others = [one for one in groups if kinds[one.outcome.words] is not one]
    chosen = first + others[: ROWS_SHOWN - len(first)]
    return [one for one in groups if one in chosen]


def table(groups: list[Group]) -> list[str]:
    """Aligned lines of text: a head, then a row for each outcome that is shown."""
    every, groups = groups, shown_of(groups)
    rows = [("runs", "outcome", "output", "schedules")]
    shown = [_first_line(group.outcome) for group in groups]
    for group, text in zip(groups, shown, strict=True):
        same = [one.outcome.words for one, other in zip(groups, shown, strict=True) if other == text]
        if same.count(group.outcome.words) > 1 and group is not groups[0]:
            text = _difference(groups[0].outcome, group.outcome)
        more = ", ..." if len(group.seeds) > SEEDS_SHOWN else ""
        seeds = ", ".join(map(str, group.seeds[:SEEDS_SHOWN])) + more
        rows.append((str(len(group.seeds)), group.outcome.words, text, seeds))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        f"{runs:>{widths[0]}}  {words:<{widths[1]}}  {text:<{widths[2]}}  {seeds}"
        for runs, words, text, seeds in rows
    ]
    left = len(every) - len(groups)
    if left:
        runs = sum(len(one.seeds) for one in every if one not in groups)
        lines.append(f"{runs:>{widths[0]}}  in {left} more outcome{'s' * (left > 1)}")
    return lines


def _lines(outcome: Outcome) -> list[str]:
    return outcome.output.decode(errors="replace").replace("\r\n", "\n").removesuffix("\n").split("\n")


def _first_line(outcome: Outcome) -> str:
    lines = _lines(outcome)
    more = len(lines) - 1
    if outcome.length > len(outcome.output):
        return f"{_short(lines[0])} (+ {outcome.length - len(lines[0])} bytes)"
    return _short(lines[0]) + (f" (+ {more} line{'s' * (more > 1)})" if more else "")


def _difference(usual: Outcome, other: Outcome) -> str:
    """The first line of `other` that is not as in the usual output."""
    before = _lines(usual)
    after = _lines(other)
    for number, line in enumerate(after):
        if number >= len(before) or before[number] != line:
            return f"line {number + 1}: {_short(line)}"
    return f"ends after line {len(after)}" if len(after) < len(before) else "differs further on"


def _short(line: str) -> str:
    clean = "".join(char if char.isprintable() else "?" for char in line)
    return clean if len(clean) <= MOST_SHOWN else clean[: MOST_SHOWN - 3] + "..."


def report(job: Schedules, groups: list[Group]) -> str:
    """All that is printed: what was run, the table, and how to see the rarer outcomes."""
    runs = sum(len(one.seeds) for one in groups)
    failures = sum(one.outcome.failed for one in groups)
    program = shlex.join([job.options.program, *job.options.arguments])
    which = f"schedules {job.first} to {job.first + runs - 1}" if runs > 1 else f"schedule {job.first}"
    kinds = f"{len(groups)} outcomes" if len(groups) > 1 else "one outcome"
    failed = f"{failures} of them failed" if failures else "none failed"
    if len(groups) == 1:
        failed = "it failed" if failures else "no failure"
    lines = [f"{program}, {which}: {kinds}, {failed}", "", *table(groups)]
    if len(groups) > 1:
        lines += ["", "The rarer ones, call by call:"]
        lines += [f"  {job.again(group.seeds[0])}" for group in shown_of(groups)[1:]]
    return "\n".join(lines) + "\n"


# --- the command --------------------------------------------------------------------------------------------


def run_schedules(
    options: Options, count: int, limit: float | None, timeout: float | None, record: str | None
) -> int:
    """`int80 trace --schedules`: 0 if all runs ended alike, 1 if not."""
    first = options.schedule if options.schedule >= 0 else 1
    if first + count > 1 << 32:
        complain(f"--schedules {count} from {first} on: schedules go up to {(1 << 32) - 1}")
        return 2
    if options.disk is not None and options.disk.endswith(":rw"):
        complain(f"--disk {options.disk}: --schedules writes no disk; leave :rw out")
        return 2
    runs: dict[int, Outcome] = {}
    try:
        if record is not None:
            _check_target(record)
        job = Schedules(options, first, count, limit or DEFAULT_LIMIT, timeout)
        stopped = _run_all(job, runs)
        groups = grouped(runs)
        if groups:
            sys.stdout.write(report(job, groups))
            sys.stdout.flush()
        if stopped:
            complain(f"{options.program}: stopped after {len(runs)} of {count} runs")
        elif record is not None:
            rare = rarest(groups)
            if job.record(rare.seeds[0], record) != rare.outcome:
                complain(f"{record}: this time the run ended differently: something outside has changed")
                return 1
            play = shlex.join(["int80", "play", record])
            sys.stdout.write(f"\nSchedule {rare.seeds[0]} is recorded: {play}\n")
    except LaunchError as error:
        complain(str(error))
        return error.status
    except SessionError as error:
        complain(str(error))
        return 2
    except BrokenPipeError:
        raise
    except Exception as error:
        return broken(error)
    return stopped or int(len(groups) > 1)


def _run_all(job: Schedules, runs: dict[int, Outcome]) -> int:
    """Fill `runs`, by seed; 0, or the exit status for what ended it before all were made."""
    try:
        for seed in range(job.first, job.first + job.count):
            runs[seed] = job.run(seed)
            _progress(sys.stderr, len(runs), job.count)
    except TimedOut:
        return TIMED_OUT
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        _progress(sys.stderr, 0, 0)
    return 0


def _check_target(path: str) -> None:
    """Raises SessionError if no session can be written there: better said before the runs than after."""
    try:
        Target(Path(path)).release()
    except (OSError, SessionError) as error:
        raise SessionError(f"{path}: {getattr(error, 'strerror', None) or error}") from None


def _progress(out: TextIO, done: int, count: int) -> None:
    """On a terminal, how far it is; nothing is left of that at the end (`count` 0)."""
    if out.isatty():
        out.write(f"\r{done} of {count} " if count else "\r\x1b[K")
        out.flush()
