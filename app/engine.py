"""The engine: one machine, its log, and a cursor that goes both ways in time.

What the screen shows is `state` and `view` at the cursor; live is playback with the cursor at the
end. Going forwards at the end of the log runs the machine on; anywhere else it moves the cursor, and
the machine follows (from a checkpoint if it must go back) only when somebody looks at it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from app import branches, finding, going_back, moments
from app.answers import Answers
from app.breakpoints import MOST, Breakpoint, addresses, parse, ranges
from app.breakpoints import wanted as reaches
from app.finding import Wanted
from app.frozen import Frozen
from app.history import History
from app.log import Log
from app.machine import Machine
from app.notes import Note, Notes, fitting, next_chapter
from app.objects import Objects
from app.origin import Origin, RegisterOrigin, Target, nothing
from app.position import ALL_DONE, START, Position
from app.state.state import IDLE, INIT, State
from app.view import View, line_address, program_symbols
from app.watching import Watch
from app.window import Size, tell
from cpu.events import ENTRIES, Source, TrapTaken
from cpu.interrupts import PAGE_FAULT, microsteps
from cpu.registers import Registers
from kernel.describe import RUNNABLE, ZOMBIE
from kernel.kernel import Halted, Idle, Input, Start

SLICE = 1_000_000
"""Ticks between two looks at the host's clock."""
PATIENCE = 0.05
"""Seconds that one key may search ahead before it becomes a run that the screen shows."""
MILESTONES = (
    "system_call",
    "system_call_saved",
    "system_call_bad",
    "system_call_done",
    "ret_from_sys_call",
    "sysenter_past_esp",
    "sysenter_framed",
    "sysenter_argument",
    "work_pending",
    "restore_all",
    "return_from_interrupt",
    "ret_from_exception",
    "schedule",
    "__switch_to",
    "finish_task_switch",
    "ret_from_fork",
    "cpu_idle",
)
"""Places in the entry code where a microstep stops, besides every sys_* and do_*."""
TRAIL = 1000
"""Steps on that are remembered for going back."""


class Engine:
    """`live` False is a recording: nothing beyond its end exists."""

    def __init__(
        self,
        start: Start,
        image: bytes,
        blobs: dict[str, bytes],
        log: Log | None = None,
        inputs: list[Input] | None = None,
        history: History | None = None,
        live: bool = True,
        host: Frozen | None = None,
    ) -> None:
        self.live = live
        self.log = log if log is not None else Log()
        self.history = history if history is not None else History(self.log)
        given = inputs if inputs is not None else []
        also = Answers(self).sink
        self.machine = Machine(start, image, blobs, self.log, given, not live, also=also, host=host)
        past = branches.Past(self.log, self.history, self.machine.inputs, self.machine.checkpoints)
        self.branches = branches.Branches(past)
        self.cursor = START
        self.title = start.path.rsplit("/", 1)[-1]
        self.on_input: Callable[[Input], None] | None = None
        self.seeking: Wanted | None = None
        """What a running search stops at; `run` goes on with it."""
        self.found = False
        """Whether the last search came to what it was for."""
        self.reason = ""
        """Why the last message could not be followed, or who wrote what was asked for."""
        self.breakpoints: list[Breakpoint] = []
        self.notes = Notes()
        self._watch: Watch | None = None
        """Addresses that a running search stops at too."""
        self._trail: list[tuple[str, Position, Position]] = []
        """Steps on, as far as nothing else has moved the cursor since: kind, from, to."""
        self._begun: tuple[str, Position] | None = None
        """The step on that a running search belongs to."""
        self.recorded: frozenset[int] = frozenset()
        """Numbers of the branches that came from a file, once the machine is live on another one."""
        self.broken = ""
        """Why there is no view, in a recording that does not run again as it did."""
        self._view: View | None = None
        self._view_at: tuple[tuple[int, int, int], int, int] | None = None
        """Cursor, events and tick of the machine that the view is of: run on, it is another one."""
        symbols = self.machine.kernel.symbols
        self._milestones = frozenset(
            symbol.address
            for name, symbol in symbols.by_name.items()
            if name in MILESTONES or name.startswith(("sys_", "do_"))
        )
        self._clock: float | None = None
        self.window: Size | None = None
        """Of the guest's terminal on the screen; `window_told` is the last one that the guest was told."""
        self.window_told: Size | None = None

    # What is there at the cursor.

    @property
    def length(self) -> int:
        """Events in the log."""
        return len(self.log)

    @property
    def state(self) -> State:
        return self.history.state_at(self.cursor.seq)

    @property
    def event(self) -> Any:
        """The last event applied at the cursor, None at the start."""
        return self.log.record(self.cursor.seq - 1).event if self.cursor.seq else None

    @property
    def view(self) -> View | None:
        """The machine at the cursor. Before a trap's last microstep that is the machine before the trap."""
        key = self.cursor.key
        machine = self.machine
        if self._view is None or self._view_at != (key, machine.seq, machine.tick):
            if self.broken:
                return None
            try:
                self.to_cursor()
            except Exception as error:
                self._give_up(error)
                return None
            self._view = View(machine.kernel, self._before_trap())
            self._view_at = key, machine.seq, machine.tick
        return self._view

    def _before_trap(self) -> Registers | None:
        """Where the machine cannot stand before the trap at the cursor: the registers that it had there.

        The processor meets the fetch fault behind an `iret` in the same step.
        """
        event, machine = self.event, self.machine
        if self.cursor.microstep == ALL_DONE or machine.seq < self.cursor.seq or type(event) is not TrapTaken:
            return None
        earlier = (one for _tick, _pid, one in self.log.rows_back(self.cursor.seq - 1))
        fault = (one.cr2 for one in earlier if type(one) is TrapTaken and one.vector == PAGE_FAULT)
        return msgspec.structs.replace(
            machine.kernel.core.registers(),
            eip=event.eip,
            cs=event.cs,
            eflags=event.eflags,
            esp=event.esp,
            ss=event.ss,
            cr2=next(fault, 0),
        )

    def _give_up(self, error: Exception) -> None:
        """A recording that cannot be run again is still a recording; a live machine must not go on."""
        if self.live and self.branches.here.number not in self.recorded:
            raise error
        self.broken = f"the machine cannot be re-executed here: {error}"
        self._view = None

    @property
    def notes_here(self) -> tuple[Note, ...]:
        """Those of the branch that this is."""
        return self.notes.on(self.branches)

    @property
    def at_start(self) -> bool:
        return self.cursor.key <= START.key

    @property
    def at_end(self) -> bool:
        return self.cursor.seq >= self.length and not self.cursor.before(self._end())

    @property
    def finished(self) -> int | None:
        """The first program's wait status when the log ends with the machine's halt."""
        state = self.history.state_at(self.length)
        return state.halted if state.halted >= 0 else None

    @property
    def status(self) -> str:
        if not self.live:
            return "replay"
        return "live" if self.cursor.seq >= self.length else "past"

    def microsteps(self) -> int:
        """How many hardware microsteps the event at the cursor has; 0 unless it is a trap."""
        event = self.event
        return len(microsteps(event)) if isinstance(event, ENTRIES) else 0

    # Single steps.

    def step_instruction(self, direction: int) -> bool:
        return self._guarded("instruction", self._instruction, direction)

    def step_microstep(self, direction: int) -> bool:
        return self._guarded("microstep", self._microsteps, direction)

    def _guarded(self, kind: str, move: Callable[[int], bool], direction: int) -> bool:
        """Steps that need the machine: in a recording that cannot be run again there are none."""
        if self.broken:
            return False
        here = self.cursor
        try:
            return self._remembered(kind, move, direction)
        except Exception as error:
            self.cursor = here
            self._give_up(error)
            return False

    def _remembered(self, name: str, move: Callable[[int], bool], direction: int) -> bool:
        """A step back right after a step on, of the same kind, leads exactly to where that one began."""
        here = self.cursor
        if direction > 0:
            moved = move(direction)
            self._begun = None
            if self.seeking is not None:
                self._begun = name, here
            elif moved and self.cursor != here:
                self._leave_trail(name, here)
            return moved
        if self._trail:
            kind, begun, ended = self._trail.pop()
            if kind == name and ended == here:
                self.seeking, self.found = None, True
                self.cursor = begun
                return True
            self._trail.clear()
        return move(direction)

    def _leave_trail(self, name: str, begun: Position) -> None:
        self._trail.append((name, begun, self.cursor))
        del self._trail[:-TRAIL]

    def _instruction(self, direction: int) -> bool:
        if direction < 0:
            return going_back.to_previous_instruction(self)
        if self.cursor.microstep >= 0:
            self.set_cursor(self.cursor.seq, ALL_DONE, self.cursor.tick)
            return True
        self.to_cursor()
        if self.machine.seq > self.cursor.seq:  # in the middle of what the kernel did at once
            self.set_to_rest()
            return True
        if not self.can_run():
            return False
        before = self.machine.seq, self.machine.tick
        outcome = self.machine.step_instruction()
        if outcome is not None and self.machine.seq == before[0] and not self.pass_idle(outcome):
            return False
        self.set_to_rest()
        return (self.machine.seq, self.machine.tick) != before

    def _microsteps(self, direction: int) -> bool:
        if direction < 0:
            return going_back.to_previous_microstep(self)
        return self.microstep()

    def microstep(self) -> bool:
        cursor = self.cursor
        if cursor.microstep >= 0:
            done = cursor.microstep + 1
            self.set_cursor(cursor.seq, done if done < self.microsteps() else ALL_DONE, cursor.tick)
            return True
        self.to_cursor()
        machine = self.machine
        if machine.seq > cursor.seq:
            self._enter_event(cursor.seq + 1)
            return True
        while self.can_run():
            if not machine.kernel.core.registers().cs & 3:
                outcome = machine.step_instruction()
                happened = machine.seq > cursor.seq
                if outcome is not None and not happened and not self.pass_idle(outcome):
                    return False
                if not happened:
                    if self._at_milestone():
                        self.set_to_rest()
                        return True
                    continue
            elif not self._run_until_event(cursor.seq + 1):
                self.set_to_rest()
                return cursor.key != self.cursor.key
            self._enter_event(cursor.seq + 1)
            return True
        return False

    def _at_milestone(self) -> bool:
        core = self.machine.kernel.core
        return core.eip in self._milestones or core.registers().cpl == 3

    def _run_until_event(self, seq: int) -> bool:
        """Run the machine on to event `seq`, as long as patience lasts."""
        deadline = time.monotonic() + PATIENCE
        machine = self.machine
        while machine.seq < seq:
            outcome = machine.step(machine.tick + SLICE)
            if outcome is not None and machine.seq < seq and not self.pass_idle(outcome):
                return False
            if machine.seq < seq and machine.seq >= self.length and time.monotonic() > deadline:
                self.seeking, self._watch, self.found = finding.is_event, None, False
                return False
        return True

    def _enter_event(self, seq: int) -> None:
        """Put the cursor behind event `seq - 1`, at its first microstep if it is a trap."""
        record = self.log.record(seq - 1)
        if isinstance(record.event, ENTRIES):
            self.set_cursor(seq, 0, record.tick)
        else:
            self.set_cursor(seq, ALL_DONE, record.tick)

    # Steps over events.

    def step_syscall(self, direction: int) -> bool:
        """To the next or previous begin or end of a system call of any task."""
        return self._over("syscall", finding.is_syscall, direction)

    def step_switch(self, direction: int) -> bool:
        """To the next or previous task switch."""
        return self._over("switch", finding.is_switch, direction)

    def step_event(self, direction: int) -> bool:
        return self._over("event", finding.is_event, direction)

    def step_signal(self, direction: int) -> bool:
        """To the next or previous moment in a signal's life (`app.moments`)."""
        return self._guarded("signal", self._signal, direction)

    def _signal(self, direction: int) -> bool:
        if direction < 0:
            return moments.to_previous(self)
        place = moments.following(self)
        if place is None:
            return self._step_to(finding.is_signal, 1)
        self.seeking, self.found, self.cursor = None, True, place
        return True

    def step_message(self, direction: int) -> bool:
        """To where bytes go into a channel or come out of it."""
        return self._over("message", finding.is_message, direction)

    def step_mark(self, direction: int) -> bool:
        """To the next or previous mark on the timeline, or chapter if that is nearer."""
        return self._guarded("mark", self._mark, direction)

    def _mark(self, direction: int) -> bool:
        here = self.cursor
        chapter = next_chapter(self.notes_here, here, direction)
        if chapter is None or fitting(chapter.place, self.log) == here:
            return self._step_to(finding.is_mark, direction)
        if direction > 0:
            event = self.find(finding.is_mark, here.seq, chapter.place.seq)
        else:
            event = self._last(finding.is_mark, here.seq - 1, chapter.place.seq)
        if event is not None:
            self.go_to(event + 1)
        else:
            self.go_to_place(chapter.place)
        self.found = True
        return True

    def search(self, text: str, direction: int) -> bool:
        """To the next or previous event with all these words."""
        return self._over(f"search {text}", finding.searcher(text), direction)

    def step_object(self, what: Objects, direction: int) -> bool:
        """To the next or previous event that is about the same object."""
        return self._over(f"object {what.text}", what.wanted(), direction)

    def _over(self, kind: str, wanted: Wanted, direction: int) -> bool:
        return self._guarded(kind, lambda way: self._step_to(wanted, way), direction)

    def step_follow(self, direction: int) -> bool:
        """To the other end of the message or signal at the cursor; False, and `reason` says why not."""
        self.reason = ""
        return self._guarded("follow", self._follow, direction)

    def _follow(self, direction: int) -> bool:
        events = (event for _tick, _pid, event in self.log.rows())
        found = finding.other_end(events, self.cursor.seq - 1, direction)
        if isinstance(found, str):
            self.reason = found
            return False
        self.go_to(found + 1)
        return True

    # Breakpoints.

    def toggle_breakpoint(self, point: Breakpoint) -> bool:
        """Set it, or clear it if it is set; whether it is set now. Beyond MOST the oldest one goes."""
        if point in self.breakpoints:
            self.breakpoints.remove(point)
            return False
        self.breakpoints = [*self.breakpoints, point][-MOST:]
        return True

    def set_breakpoints(self, texts: Iterable[str]) -> str | None:
        """Those that a command line names, before anything runs; the first one that names nothing."""
        kernel = self.machine.kernel
        symbols = program_symbols(kernel, kernel.start.path), kernel.symbols
        for text in texts:
            point = parse(text, symbols, line=lambda word: line_address(kernel, word))
            if point is None:
                return text or "nothing"
            if point not in self.breakpoints:
                self.toggle_breakpoint(point)
        return None

    def step_breakpoint(self, direction: int) -> bool:
        """On or back to where a breakpoint is reached."""
        return self._guarded(f"breakpoint {self.breakpoints}", self._to_breakpoint, direction)

    def _to_breakpoint(self, direction: int) -> bool:
        wanted, watched = reaches(self.breakpoints), addresses(self.breakpoints)
        written = ranges(self.breakpoints)
        if not watched and not written:
            return self._step_to(wanted, direction)
        if self.at_start if direction < 0 else self.at_end and not self.live:
            return False
        self.seeking, self.found = wanted, False
        self._watch = Watch(watched, direction, written)
        before = self.cursor
        self._search(PATIENCE)
        return self.cursor.key != before.key or self.seeking is not None

    def step_origin(self, target: Target, direction: int) -> bool:
        """Back to what wrote it last, or on to what writes it next; `reason` says who that is."""
        self.reason = ""
        return self._guarded(f"origin {target}", lambda way: self._to_origin(target, way), direction)

    def _to_origin(self, target: Target, direction: int) -> bool:
        if self.at_start if direction < 0 else self.at_end and not self.live:
            return False
        before = self.cursor
        self._watch = RegisterOrigin(target) if target.register else Origin(target, direction)
        self._watch.begun = before
        self.seeking, self.found = nothing, False
        self._search(PATIENCE)
        return self.found or self.seeking is not None

    def _step_to(self, wanted: Wanted, direction: int) -> bool:
        if direction < 0:
            return self._back_to(wanted)
        found = self.find(wanted, self.cursor.seq)
        self.found = found is not None
        if found is not None:
            self.seeking, self.cursor = None, self._place_of(wanted, found)
            return True
        if not self.live:
            moved = self.cursor.seq < self.length
            self.go_end()
            return moved
        before = self.cursor
        self.go_end()
        self.seeking, self._watch, self.found = wanted, None, False
        self._search(PATIENCE)
        return self.cursor.key != before.key or self.seeking is not None

    def _back_to(self, wanted: Wanted) -> bool:
        self.found = False
        if self.at_start:
            return False
        event = self._last(wanted, self.cursor.seq - 1)
        self.found = event is not None
        self.go_to(event + 1 if event is not None else 0)
        return True

    def _last(self, wanted: Wanted, stop: int, start: int = 0) -> int | None:
        """The last event of [start, stop) that is wanted."""
        rows = zip(range(stop - 1, start - 1, -1), self.log.rows_back(stop, start), strict=True)
        return next((seq for seq, (_tick, _pid, event) in rows if wanted(event)), None)

    def _place_of(self, wanted: Wanted, found: int) -> Position:
        """Where a step stops that was for event `found`: behind it, before a signal's at the check."""
        if wanted is finding.is_signal:
            return moments.first_of(self, found)
        return Position(found + 1, ALL_DONE, self.log.record(found).tick)

    def find(self, wanted: Wanted, start: int, stop: int | None = None) -> int | None:
        """The first event of [start, stop) that is wanted."""
        for record in self.log.records(start, stop):
            if wanted(record.event):
                return record.seq
        return None

    def go_to(self, seq: int) -> None:
        """Behind event `seq - 1`: the first `seq` events have happened. Clamped to what there is."""
        seq = max(0, min(seq, self.length))
        if not seq:
            self.go_start()
            return
        self.seeking = None
        self.set_cursor(seq, ALL_DONE, self.log.record(seq - 1).tick)

    def go_to_place(self, place: Position) -> None:
        """To a position, as far as this log has it."""
        self.seeking = None
        self.cursor = fitting(place, self.log)

    def go_start(self) -> None:
        self.seeking = None
        self.cursor = START

    def go_end(self) -> None:
        """To the end of the log; the machine's own place when it stands there."""
        self.seeking = None
        end = self._end()
        self.cursor = end

    def _end(self) -> Position:
        length = self.length
        if self.machine.seq >= length:
            return self.rest()
        return Position(length, ALL_DONE, self.log.record(length - 1).tick)

    # Running on.

    def run(self, seconds: float) -> str:
        """Go on for about `seconds` of host time: `running`, `waiting` (for a key or time), or `finished`."""
        if self.seeking is not None:
            outcome = self._search(seconds)
            if self.seeking is None and self._begun is not None:
                self._leave_trail(*self._begun)
                self._begun = None
            return outcome
        if not self.live or self.broken or self.cursor.seq < self.length:
            return "finished" if self.at_end else "running"
        self.to_cursor()
        tell(self)
        return self._run(seconds)

    def _run(self, seconds: float, wanted: Wanted | None = None) -> str:
        machine = self.machine
        deadline = time.monotonic() + seconds
        first = machine.seq
        outcome_name = "running"
        while True:
            outcome = machine.step(machine.tick + SLICE)
            if wanted is not None and machine.seq > first:
                found = self.find(wanted, first)
                if found is not None:
                    self.seeking, self.found = None, True
                    self.cursor = self._place_of(wanted, found)
                    return "found"
                first = machine.seq
            if isinstance(outcome, Halted):
                outcome_name = "finished"
                break
            if isinstance(outcome, Idle) and not self.pass_idle(outcome):
                outcome_name = "waiting"
                break
            if time.monotonic() > deadline:
                break
        self.set_to_rest()
        return outcome_name

    def _search(self, seconds: float) -> str:
        wanted = self.seeking
        if wanted is None:
            return "finished"
        if wanted is branches.again:
            return branches.run_again(self, seconds)
        if self._watch is not None:
            outcome = self._watch.go(self, wanted, seconds)
            if outcome in ("found", "finished"):
                watch, self.seeking, self._watch = self._watch, None, None
                self.found = outcome == "found"
                if self.found:
                    self.reason = watch.told(self)
                elif watch.begun is not None:
                    self.cursor = watch.begun
                return "finished"
            return outcome
        if not self.live:
            self.seeking = None
            return "finished"
        self.to_cursor()
        outcome = self._run(seconds, wanted)
        if outcome in ("finished", "found"):
            self.seeking = None
            return "finished"
        return outcome

    def pass_idle(self, outcome: Idle | Halted) -> bool:
        """All sleep: time passes; as fast as on the wall for somebody who reads the console, or has typed."""
        machine = self.machine
        if isinstance(outcome, Halted):
            return False
        somebody = "tty:0" in machine.kernel.tables.waiting or bool(machine.inputs)
        if not (somebody and self.live and machine.seq >= self.length):
            self._clock = None
            if outcome.until < 0:
                return False
            machine.kernel.pass_time(outcome.until)
            return True
        now = time.monotonic()
        last = self._clock
        self._clock = now
        if last is not None:
            machine.kernel.pass_time(machine.tick + int((now - last) * 1e9))
        return outcome.until >= 0 and machine.tick >= outcome.until

    def type_keys(self, data: bytes) -> str:
        """Keys for the guest's console: an input at the cursor, in the past of another future.

        Why it cannot be, in a few words; '' when it is done.
        """
        if self.status == "live":
            self.go_end()
        return self._from_outside("tty", 0, data) if data else self.why_not_here()

    def _from_outside(self, device: str, number: int, data: bytes) -> str:
        """An input at the cursor; in the past another future begins with it."""
        if why := self.why_not_here():
            return why
        self.to_cursor()
        if not self.at_end and (why := branches.begin(self)):
            return why
        self.give(Input(self.machine.kernel.input_tick, device, number, data))
        return ""

    def why_not_here(self) -> str:
        """Why nothing from outside can come, '' if it can (in the past on a branch that begins with it)."""
        return self.broken or ("" if self.live else "a recording has one future only: u takes over")

    def give(self, one: Input) -> None:
        """Something from outside, where the machine stands; one that has halted heeds nothing."""
        if self.finished is not None:
            return
        if self.on_input is not None:
            self.on_input(one)
        self.machine.give_input(one)

    def run_next(self, pid: int) -> str:
        """Let task `pid` run next: an input at the cursor. In the past, another future begins with it.

        Why it cannot be, in a few words; '' when it is done.
        """
        tasks = self.state.machine.tasks
        task = tasks.get(pid)
        if task is None or task.state != RUNNABLE or not pid:
            return "only a task that could run can run next"
        if not any(one.state == RUNNABLE and one.pid not in (IDLE, pid) for one in tasks.values()):
            return "it runs in any case: no other task could"
        return self._from_outside("scheduler", pid, b"")

    def send_signal(self, pid: int, signo: int) -> str:
        """Send a signal to task `pid`, as somebody outside the machine does. Otherwise as `run_next`."""
        tasks = self.state.machine.tasks
        task = tasks.get(pid)
        if task is None or pid in (IDLE, INIT):
            return "there is no such process" if task is None else "no signal from outside reaches it"
        if all(one.state == ZOMBIE for one in tasks.values() if one.tgid == task.tgid):
            return "a zombie: no signal reaches it"
        return self._from_outside("signal", pid, bytes((signo,)))

    def edit(self, device: str, pid: int, data: bytes) -> str:
        """Change a register, memory or the next call's end of task `pid` (`kernel.edits`). As `run_next`."""
        task = self.state.machine.tasks.get(pid)
        if task is None or pid in (IDLE, INIT):
            return "no program runs there: nothing of it can be changed"
        if task.state == ZOMBIE:
            return "a zombie: nothing is left of it that could be changed"
        return self._from_outside(device, pid, data)

    def forget_steps(self) -> None:
        """The machine is on another branch: nothing that was found or begun counts any more."""
        self._trail.clear()
        self.seeking = self._watch = None
        self._view = self._view_at = None
        self._brink_at = -1
        self.broken = ""
        self.window_told = self._clock = None

    @property
    def reads_keys(self) -> bool:
        """Whether a program waits for the console at the end of the log."""
        return self.live and "tty:0" in self.machine.kernel.tables.waiting

    # The machine and the cursor.

    def set_cursor(self, seq: int, microstep: int, tick: int) -> None:
        self.cursor = Position(seq, microstep, tick)

    def set_to_rest(self) -> None:
        """The cursor is where the machine rests."""
        self.cursor = self.rest()

    def rest(self) -> Position:
        """The machine's place. The first rest behind an event has that event's tick, as it has in the log."""
        machine = self.machine
        seq = min(machine.seq, self.length)
        if seq and machine.tick == machine.reached:
            return Position(seq, ALL_DONE, self.log.record(seq - 1).tick)
        return Position(seq, ALL_DONE, machine.tick)

    def can_run(self) -> bool:
        """A recording ends with its last event."""
        return not self.broken and (self.live or self.machine.seq < self.length)

    def to_cursor(self) -> None:
        """Bring the machine to where the cursor is (and to the way into the trap, while that is shown)."""
        cursor = self.cursor
        if cursor.microstep >= 0:
            self._to_brink(cursor)
        else:
            self.machine.go_to(cursor.seq, cursor.tick)

    def _to_brink(self, cursor: Position) -> None:
        """The last rest before the trap at the cursor: the instruction that leads into it is the next one."""
        machine = self.machine
        event = self.event
        if machine.seq == cursor.seq - 1 and machine.tick <= cursor.tick and self._brink_at == machine.tick:
            return
        size = 0
        if isinstance(event, ENTRIES) and event.source in (Source.SOFTWARE, Source.SYSENTER):
            size = 1 if event.vector in (3, 4) else 2
        machine.go_to(cursor.seq - 1, cursor.tick - size)
        self._brink_at = machine.tick

    _brink_at = -1
