"""Who wrote this? From a word of memory, a frame or a register back to what set it, and on to the next.

The machine is run again with a watch (`app.watching`). Where the frame itself is younger than what is looked
for, the search ends with how it was made; a page that was copied on write leads on to the page it came from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from app.finding import Wanted
from app.state.state import IDLE
from app.trace import call_name
from app.watching import Watch
from app.writes import Place, leading
from cpu.events import ENTRIES, TrapTaken
from cpu.ram import PAGE_SHIFT, PAGE_SIZE
from cpu.registers import NAMES
from cpu.writes import Range
from kernel import events as e

if TYPE_CHECKING:
    from app.engine import Engine
    from app.view import View

WORD = 4
AT_ONCE = (2_000, 20_000, 100_000)
"""So many ticks before the cursor are gone through for a register, instruction by instruction."""
MOST_COPIES = 64
"""Pages that are followed from copy to copy."""


class Target(NamedTuple):
    """What was written: `length` bytes of physical memory from `start`, or a register of task `pid`."""

    name: str
    start: int = 0
    length: int = 0
    register: str = ""
    pid: int = 0


def target_of(subject: str, view: View, pid: int) -> Target | None:
    """What a cell of a pane names, or a person types: a word's address, a symbol, a register, a frame."""
    kind, _, rest = subject.partition(":")
    first = rest.partition(":")[0]
    match kind:
        case "word":
            return _word(int(first, 16), view)
        case "frame":
            frame = int(first, 16)
            return Target(f"frame {frame:#x}", frame << PAGE_SHIFT, PAGE_SIZE)
        case "reg":
            return Target(first, register=first, pid=pid) if first in NAMES else None
    return None


def named(text: str, view: View, pid: int) -> Target | None:
    """What a person types: `0804b010`, `counter`, `frame 0x11e`, `eax`."""
    word = text.strip()
    if word.lower() in NAMES:
        return Target(word.lower(), register=word.lower(), pid=pid)
    frame = word.lower().removeprefix("frame")
    try:
        if frame != word.lower():
            return target_of(f"frame:{int(frame, 16):x}", view, pid)
    except ValueError:
        return None
    for known in view.all_symbols():
        if word in known.by_name:
            return _word(known.by_name[word].address, view)
    try:
        address = int(word, 16)
    except ValueError:
        return None
    return _word(address, view) if 0 <= address < 1 << 32 else None


def _word(address: int, view: View) -> Target | None:
    """None where no page is behind the address."""
    physical = view.physical(address)
    if physical < 0:
        return None
    return Target(f"{address:08x}", physical, min(WORD, PAGE_SIZE - (physical & PAGE_SIZE - 1)))


def nothing(_event: Any) -> bool:
    return False


class Origin(Watch):
    """The last write before the cursor, or (`direction` 1) the next one."""

    def __init__(self, target: Target, direction: int) -> None:
        super().__init__(frozenset(), direction, ((target.start, target.length),))
        self.target = target
        self.copies: list[int] = []
        """Frames that the word was in later, the latest first."""

    def go(self, engine: Engine, wanted: Wanted, seconds: float) -> str:
        outcome = super().go(engine, wanted, seconds)
        if outcome != "found" or self.direction > 0 or not self.new:
            return outcome
        frame = self.ranges[0][0] >> PAGE_SHIFT
        older = _copied_from(engine, frame)
        if older is None or len(self.copies) >= MOST_COPIES:
            return outcome
        self.copies.append(frame)
        self.new = False
        self.ranges = (_moved(self.ranges[0], older),)
        return "running"

    def told(self, engine: Engine) -> str:
        """What was found, in a sentence."""
        how = _deed(engine, self.new, memory=True)
        frame = self.copies[-1] if self.copies else 0
        later = f"; copied on write into frame {frame:#x} later" if frame else ""
        return f"{self.target.name}: {how}{later}"


def _moved(one: Range, frame: int) -> Range:
    return frame << PAGE_SHIFT | one[0] & PAGE_SIZE - 1, one[1]


def _ahead(engine: Engine) -> list[Any]:
    """Events of what happens next, all at once: up to the machine's next rest."""
    engine.to_cursor()
    machine, first = engine.machine, engine.cursor.seq
    if machine.seq == first and engine.can_run():
        machine.step_instruction()
    return [one.event for one in engine.log.records(first, min(machine.seq, engine.length))]


def _copied_from(engine: Engine, frame: int) -> int | None:
    """The frame that a new one is a copy of."""
    for event in _ahead(engine):
        if isinstance(event, e.PageCopied) and event.new == frame:
            return event.old
    return None


def _deed(engine: Engine, new: bool = False, memory: bool = False) -> str:
    """What is done at the cursor, and by whom: to a frame that is `new`, to `memory`, or to a register."""
    view = engine.view
    state = engine.state
    pid = state.machine.current
    who = state.letter(pid) or ("the first program" if pid == IDLE else "init")
    if view is None:
        return "here"
    eip = view.regs.eip
    code = view.instructions(eip, 1)
    text = f"{code[0].mnemonic} {code[0].operands}".strip() if code else "?"
    where = view.label(eip)
    events = _ahead(engine)
    for event in events:
        if isinstance(event, e.PageMapped | e.PageCopied) and new:
            return f"the page was made here for {who}, {MADE[getattr(event, 'reason', 'copy')]}"
    for event in events:
        match event:
            case TrapTaken() if memory:
                return f"the processor pushes it on the way through vector {event.vector:#x} ({who})"
            case e.SignalDelivered() if memory:
                return f"the kernel writes it, into the frame of a signal of {who}"
    call = state.machine.tasks[pid].syscall if pid in state.machine.tasks else -1
    entered = next((one.nr for one in events if isinstance(one, e.SyscallEntered)), call)
    if code and code[0].mnemonic == "hlt" and not view.regs.cpl:
        return f"the kernel writes it for {who}, in {call_name(entered) if entered >= 0 else where}"
    ring = "" if view.regs.cpl else "the kernel's code, "
    return f"set by {ring}{text} at {where} ({who})"


MADE = {
    "zero": "all zero",
    "stack": "all zero, as its stack grew",
    "load": "with what execve put there",
    "file": "from a file",
    "share": "shared with others",
    "copy": "as a copy",
}


# Registers.


class RegisterOrigin(Watch):
    """The last instruction or system call that changed a register of a task, in the ring that it is in."""

    def __init__(self, target: Target) -> None:
        super().__init__(frozenset(), -1)
        self.target = target
        self._tried = 0

    def go(self, engine: Engine, wanted: Wanted, seconds: float) -> str:
        """One window, each larger than the one before."""
        engine.to_cursor()
        machine = engine.machine
        end, cursor = (machine.seq, machine.tick), engine.cursor
        window = AT_ONCE[self._tried]
        machine.rewind_before(*end)
        if machine.tick < end[1] - window:
            machine.run_until(end[1] - window)
        place = self._last_change(engine, end) if (machine.seq, machine.tick) < end else None
        if place is not None:
            machine.go_to(*place)
            engine.set_to_rest()
            return "found"
        self._tried += 1
        engine.cursor = cursor
        return "running" if self._tried < len(AT_ONCE) else "finished"

    def _last_change(self, engine: Engine, end: Place) -> Place | None:
        """Step by step up to `end`: the last rest in that ring before the register was what it is."""
        machine = engine.machine
        core = machine.kernel.core
        rests: list[tuple[Place, int, int]] = []

        def note() -> tuple[int, int]:
            regs = core.registers()
            return regs.cpl, getattr(regs, self.target.register)

        while (machine.seq, machine.tick) < end:
            if machine.kernel.tables.current == self.target.pid:
                rests.append(((machine.seq, machine.tick), *note()))
            outcome = machine.step_instruction()
            if outcome is not None and not machine.pass_idle(outcome):
                break
        ring, value = note()
        same = [(place, was) for place, cpl, was in rests if cpl == ring]
        found = next((place for place, was in reversed(same) if was != value), None)
        if found is None and ring == 3:
            return self._before_the_trap(engine, same[0][0] if same else end, value)
        return found

    def _before_the_trap(self, engine: Engine, first: Place, value: int) -> Place | None:
        """The task was in the kernel: the rest before it went there, if the register was another one."""
        for seq in range(first[0], 0, -1):
            record = engine.log.record(seq - 1)
            if record.pid == self.target.pid and isinstance(record.event, ENTRIES) and record.event.cpl == 3:
                place = seq - 1, record.tick - leading(record.event)
                engine.machine.go_to(*place)
                was = getattr(engine.machine.kernel.core.registers(), self.target.register)
                return place if was != value else None
        return None

    def told(self, engine: Engine) -> str:
        return f"{self.target.name}: {_deed(engine)}"
