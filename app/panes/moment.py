"""What a pane gets to see: the State and the machine at the cursor, and a few facts about the session.

Read-only. A Moment is good until the engine moves: panes make their rows from it at once and keep nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.position import ALL_DONE, Position
from app.state.state import State
from cpu import registers as r
from cpu.events import ENTRIES, Entry, Source, SysenterTaken, TrapTaken
from cpu.interrupts import microsteps, pushed_words
from cpu.registers import Registers
from kernel.describe import TaskView
from kernel.thread import PT_REGS

if TYPE_CHECKING:
    from app.breakpoints import Breakpoint
    from app.log import Event, Log
    from app.notes import Note
    from app.view import View

LETTERS = 8
"""How many colours there are for processes."""


@dataclass(frozen=True, slots=True)
class Moment:
    """`event` is the last one applied; `before` the registers shown before the step that led here."""

    state: State
    view: View | None
    cursor: Position
    event: Event | None = None
    before: Registers | None = None
    log: Log | None = None
    length: int = 0
    title: str = ""
    status: str = "live"
    breakpoints: tuple[Breakpoint, ...] = ()
    notes: tuple[Note, ...] = ()
    """All of the session, in the order of time."""
    playing: str = ""
    """How time goes by itself: '' when it stands still, else in words."""
    speed: str = ""
    """How fast it would go, '' at the usual speed."""
    branch: str = ""
    """The branch's name, where there are several."""
    search: str = ""
    """The words whose places are marked."""

    @property
    def trap(self) -> Entry | None:
        """The trap whose microsteps the cursor is in, None outside."""
        if self.cursor.microstep != ALL_DONE and isinstance(self.event, ENTRIES):
            return self.event
        return None

    def stops(self, kind: str) -> frozenset[int]:
        """The numbers of the breakpoints of a kind."""
        return frozenset(point.number for point in self.breakpoints if point.kind == kind)

    @property
    def pid(self) -> int:
        return self.state.machine.current

    @property
    def task(self) -> TaskView | None:
        return self.state.machine.tasks.get(self.state.machine.current)

    @property
    def regs(self) -> Registers | None:
        """The registers as the processor has them at the cursor, half way into a trap too."""
        view = self.view
        if view is None:
            return None
        trap = self.trap
        if trap is not None:
            return half_way(view.regs, trap, self.cursor.microstep)
        return within(view, self.task) if view.seq > self.cursor.seq else view.regs


def half_way(regs: Registers, trap: Entry, done: int) -> Registers:
    """The registers of a processor that has done `done` microsteps of `trap`; `regs` are those before it."""
    values = [getattr(regs, name) for name in regs.__struct_fields__]
    if done >= 1 and trap.source in (Source.SOFTWARE, Source.SYSENTER):
        values[r.EIP] = trap.eip
    if isinstance(trap, SysenterTaken):
        if done >= SYSENTER_SEGMENTS:
            values[r.CS], values[r.SS] = trap.msr_cs, trap.ss0
        if done >= SYSENTER_STACK:
            values[r.ESP] = trap.msr_esp
        return Registers(*values)
    if done >= 1 and trap.vector == 14:
        values[17] = trap.cr2
    if done >= PUSHED:
        values[r.SS], values[r.ESP] = trap.ss0, trap.sp
    return Registers(*values)


def within(view: View, task: TaskView | None) -> Registers:
    """The registers while the kernel is in the middle of what it does at once.

    The machine has it behind it: a result is in eax and eip is one byte on. Both come at the end.
    """
    regs = view.regs
    label = view.label(regs.eip - 1)
    if regs.cpl or not label.startswith(("sys_", "do_")):
        return regs
    values = [getattr(regs, name) for name in regs.__struct_fields__]
    values[r.EIP] = regs.eip - 1
    values[r.EDX] = 0  # SAVE_ALL left it so
    if label.startswith("sys_") and task is not None and task.syscall >= 0:
        values[r.EAX] = task.syscall
    elif label.startswith("do_"):
        saved = view.word(regs.esp + 4 + 4 * PT_REGS.index("eax"))
        values[r.EAX] = saved if saved is not None else regs.eax
    return Registers(*values)


def elsewhere(now: Moment, eip: int) -> bool:
    """Whether the program will go on at `eip`, and not where the trap that it is in came from.

    A signal's handler begins, or sigreturn leads to where a signal was delivered: pt_regs are new then.
    """
    trap, state = now.state.trap, now.state
    return isinstance(trap, TrapTaken) and state.trap_pid == now.pid and trap.cpl == 3 and trap.eip != eip


def ahead(now: Moment) -> bool:
    """Whether the machine is already at the end of what the kernel does at once, and the cursor is not."""
    return now.view is not None and now.trap is None and now.view.seq > now.cursor.seq


READ_TSS, PUSHED, ENTERED = 4, 5, 6
"""So many of a trap's microsteps are done when the new stack is known, the frame on it, CS:EIP loaded."""


SYSENTER_SEGMENTS, SYSENTER_STACK = 2, 3
"""So many of sysenter's are done when CS and SS are the kernel's, and when ESP is."""


def pushed_by(trap: Entry) -> list[tuple[int, str, int]]:
    """Address, name and value of each word of the trap's frame, the first pushed first."""
    if isinstance(trap, SysenterTaken):
        return []
    return [
        (trap.esp0 - 4 * (n + 1) & 0xFFFF_FFFF, name, value)
        for n, (name, value) in enumerate(pushed_words(trap))
    ]


def steps_of(trap: Entry) -> int:
    return len(microsteps(trap))


def letter_style(state: State, pid: int) -> str:
    """The style of a task's letter: its colour for life."""
    index = state.letters.get(pid)
    return "dim" if index is None else f"p{index % LETTERS}"


def task_name(state: State, pid: int) -> str:
    """The letter, or a number for the tasks that have none."""
    return state.letter(pid) or ("idle" if pid == 0 else str(pid))


def current_thread(now: Moment) -> int:
    """Address of the current task's thread_info, 0 if unknown."""
    task = now.task
    return task.thread if task is not None else 0
