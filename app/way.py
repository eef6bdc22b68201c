"""The way of one trap through processor and kernel, step by step, and how far along it the cursor is.

The first steps are the hardware's (`cpu.interrupts.microsteps`, from the trap's event), the others the entry
code's, told apart by where eip is among its symbols. All values are the event's or are read from the machine.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from app.panes.cpu import call_of
from app.panes.moment import Moment, ahead
from app.panes.trace import call_text
from app.state.state import IDLE
from app.strace.text import signed
from app.view import View
from cpu.events import Entry, Source, SysenterTaken, TrapTaken
from cpu.interrupts import microsteps
from kernel.abi.errno import Errno, errno_of
from kernel.abi.signal import signal_name
from kernel.boot import EXCEPTIONS, INTERRUPTS, SYSCALL_VECTOR
from kernel.describe import ZOMBIE
from kernel.events import ProgramExecuted, SignalDelivered, SignalReturned, SyscallEntered
from kernel.thread import (
    PT_REGS,
    PT_SIZE,
    THREAD_SIZE,
    TI_SYSENTER_RETURN,
    TIF_NEED_RESCHED,
    TIF_SIGPENDING,
)

FRAME_SIZE = 20


class Phase(IntEnum):
    """Where the entry code is; in STACK, FRAME and ARGUMENT only behind sysenter."""

    HARDWARE = 0
    STACK = 1
    FRAME = 2
    SAVE = 3
    ARGUMENT = 4
    TABLE = 5
    BODY = 6
    RESULT = 7
    EXIT = 8
    IRET = 9
    OVER = 10


class Step(NamedTuple):
    """`number` 0 has none: it belongs to the one before. `done`: 1 yes, 0 it is next, -1 not yet."""

    number: int
    name: str
    detail: str
    done: int
    subject: str = ""


class Way(NamedTuple):
    """`trap` is whose way it is; `number` the system call's, -1 for other vectors.

    `new` says that iret leads to another place than where the trap came from.
    """

    trap: Entry
    number: int
    phase: Phase
    steps: tuple[Step, ...]
    new: bool = False

    @property
    def current(self) -> Step | None:
        return next((step for step in self.steps if step.done == 0), None)


PHASES = {
    "system_call": Phase.SAVE,
    "ia32_sysenter_target": Phase.STACK,
    "sysenter_past_esp": Phase.FRAME,
    "sysenter_framed": Phase.SAVE,
    "sysenter_saved": Phase.ARGUMENT,
    "sysenter_argument": Phase.ARGUMENT,
    "sysenter_fix_flags": Phase.ARGUMENT,
    "sysenter_fault": Phase.RESULT,
    "system_call_saved": Phase.TABLE,
    "system_call_bad": Phase.TABLE,
    "system_call_done": Phase.RESULT,
    "ret_from_sys_call": Phase.EXIT,
    "work_pending": Phase.EXIT,
    "do_notify_resume": Phase.EXIT,
    "ret_from_exception": Phase.EXIT,
    "ret_from_fork": Phase.EXIT,
    "restore_all": Phase.IRET,
    "return_from_interrupt": Phase.IRET,
}
NEVER_RETURN = ("exit", "exit_group")
"""Calls whose body does not come back."""
RECENT = 64
"""Events before the cursor that are looked through for what gave the task another eip."""
ENTRIES = frozenset(name for name in (*EXCEPTIONS, *INTERRUPTS.values()) if name)


def way_of(now: Moment) -> Way | None:
    """The way that the current task is on, or was last on; None before its first trap."""
    trap = trap_of(now)
    if trap is None:
        return None
    phase = phase_of(now, trap)
    number = signed(trap.eax) if makes_call(trap) else -1
    hardware = _hardware(trap, now.cursor.microstep if now.trap is trap else len(microsteps(trap)))
    following = _call_steps(now, trap, number) if number >= 0 else _handler_steps(now, trap)
    shown = []
    for at, name, detail, subject, counted in following:
        done = 1 if phase > at else 0 if phase == at else -1
        shown.append((name, detail, done, subject, counted))
    steps = list(hardware)
    count = len(hardware)
    for name, detail, done, subject, counted in shown:
        count += counted
        steps.append(Step(count if counted else 0, name, detail, done, subject))
    return Way(trap, number, phase, tuple(steps), leads_to(now, trap)[2])


def makes_call(trap: Entry) -> bool:
    """Whether it is a system call's way in."""
    return isinstance(trap, SysenterTaken) or (
        trap.vector == SYSCALL_VECTOR and trap.source == Source.SOFTWARE
    )


def trap_of(now: Moment) -> Entry | None:
    """The current task's trap: the last one taken, or the one that its kernel stack tells of."""
    last, regs = now.state.trap, now.regs
    own = last is not None and now.state.trap_pid == now.pid
    if now.trap is not None or last is None:
        return now.trap
    if own and last is not None:
        nested_and_over = not last.cpl and regs is not None and not regs.cpl and regs.esp >= last.esp
        if not nested_and_over:
            return last
    if regs is not None and not regs.cpl and now.view is not None:
        return from_stack(now, now.view) or (last if own else None)
    return last


def from_stack(now: Moment, view: View) -> Entry | None:
    """The trap that led a task into the kernel, read from the pt_regs on its kernel stack."""
    task = now.task
    if task is None or not task.thread:
        return None
    top = task.thread + THREAD_SIZE
    data = view.read(top - PT_SIZE, PT_SIZE)
    if data is None:
        return None
    saved = {name: int.from_bytes(data[4 * n : 4 * n + 4], "little") for n, name in enumerate(PT_REGS)}
    if saved["cs"] & 3 != 3:
        return None
    number = signed(saved["orig_eax"])
    if number < 0 and task.syscall < 0:
        return None
    if saved["eip"] == view.word(task.thread + TI_SYSENTER_RETURN):
        cs, esp, eip = view.sysenter()
        return SysenterTaken(
            cs,
            esp,
            eip,
            3,
            saved["ss"],
            saved["esp"],
            saved["eflags"],
            saved["cs"],
            saved["eip"],
            saved["orig_eax"],
        )
    gate = view.gate(SYSCALL_VECTOR).pack()
    return TrapTaken(
        vector=SYSCALL_VECTOR,
        source=int(Source.SOFTWARE),
        gate=gate,
        cpl=3,
        ss0=view.tss()[0],
        esp0=top,
        sp=top - FRAME_SIZE,
        ss=saved["ss"],
        esp=saved["esp"],
        eflags=saved["eflags"],
        cs=saved["cs"],
        eip=saved["eip"],
        error=-1,
        cr2=0,
        eax=saved["orig_eax"],
    )


def phase_of(now: Moment, trap: Entry) -> Phase:
    """How far the entry code is on the way of `trap`."""
    if now.trap is not None:
        return Phase.HARDWARE
    regs, view = now.regs, now.view
    if regs is None or view is None:
        return Phase.OVER
    if regs.cpl == 3 or (not trap.cpl and regs.esp >= trap.esp):
        return Phase.OVER
    symbol, _, offset = view.label(regs.eip).partition("+")
    if symbol in PHASES:
        return PHASES[symbol]
    if symbol in ENTRIES:
        return Phase.SAVE
    if symbol.startswith("sys_"):
        return Phase.RESULT if _returned(now, int(offset or "0", 16)) else Phase.BODY
    if symbol.startswith("do_"):
        return Phase.BODY
    task = now.task
    return Phase.BODY if task is not None and task.syscall >= 0 else Phase.EXIT


def ended(now: Moment) -> bool:
    """Whether the current task has exited: it will not come back to its program."""
    return now.pid != IDLE and (now.task is None or now.task.state == ZOMBIE)


def leaves(now: Moment, trap: Entry) -> bool:
    """Whether the task is in a call that ends it, or has ended: iret will not be reached."""
    if ended(now):
        return bool(trap.cpl)
    call = call_of(signed(trap.eax)) if makes_call(trap) else None
    return call is not None and call.name in NEVER_RETURN and not _given(now)


def came_from(now: Moment, trap: Entry) -> int:
    """Where the program would go on if nothing changed it: sysenter comes back to the vDSO's landing pad."""
    if not isinstance(trap, SysenterTaken):
        return trap.eip
    task, view = now.task, now.view
    back = view.word(task.thread + TI_SYSENTER_RETURN) if task is not None and view is not None else None
    return back or 0


def leads_to(now: Moment, trap: Entry) -> tuple[int, int, bool]:
    """CS and EIP that iret takes from the stack, and whether the kernel has put another place there.

    Where the machine is ahead of the cursor, this is what the events up to the cursor say.
    """
    back = came_from(now, trap)
    task, view, regs = now.task, now.view, now.regs
    if now.trap is trap or not trap.cpl or task is None or view is None or not task.thread or ended(now):
        return trap.cs, back, False
    told = told_eip(now)
    if ahead(now):
        return trap.cs, back if told is None else told, told is not None
    by_hand = isinstance(trap, SysenterTaken) and regs is not None and not regs.cpl
    if by_hand and phase_of(now, trap) in (Phase.STACK, Phase.FRAME):
        return trap.cs, back, False
    at = task.thread + THREAD_SIZE - PT_SIZE
    cs, eip = (view.word(at + 4 * PT_REGS.index(name)) for name in ("cs", "eip"))
    if cs is None or eip is None or cs & 3 != 3:
        return trap.cs, back, False
    return cs, eip, (cs, eip) != (trap.cs, back) or eip == told


def told_eip(now: Moment) -> int | None:
    """The last eip that an event since the trap has told: a handler's, sigreturn's, a new program's."""
    if now.log is None:
        return None
    own = now.state.trap_pid == now.pid
    found: int | None = None
    first = max(now.state.trap_seq if own else 0, now.cursor.seq - RECENT, 0)
    for record in now.log.records(first, now.cursor.seq):
        match record.event:
            case SyscallEntered() if record.pid == now.pid:
                found = None
            case SignalDelivered(task=now.pid, action="handler", handler=eip):
                found = eip
            case SignalReturned(task=now.pid, eip=eip) | ProgramExecuted(task=now.pid, entry=eip):
                found = eip
    return found


def _iret(now: Moment, trap: Entry) -> str:
    """Where it leads, by name if that is another place than the program left."""
    if leaves(now, trap):
        return "never: the task has ended" if ended(now) else "never: the call ends the task"
    cs, eip, new = leads_to(now, trap)
    if not new:
        return f"back to {cs:04x}:{eip:08x}, ring {cs & 3}"
    label = now.view.label(eip) if now.view is not None else ""
    return f"to {label} {cs:04x}:{eip:08x}" if label != f"{eip:08x}" else f"to {cs:04x}:{eip:08x}"


def _returned(now: Moment, offset: int) -> bool:
    """Whether the body that eip is in has done its work."""
    task = now.task
    if task is not None and task.syscall >= 0:
        return False
    for line in reversed(now.state.trace.lines[-16:]):
        if line.pid == now.pid and line.kind in ("syscall", "resumed"):
            return line.seq_end > now.state.trap_seq >= 0 if now.state.trap_pid == now.pid else offset > 0
    return False


def _hardware(trap: Entry, done: int) -> list[Step]:
    kind = "sysenter" if isinstance(trap, SysenterTaken) else "microstep"
    return [
        Step(n + 1, step.name, step.detail, 1 if n < done else 0 if n == done else -1, f"{kind}:{n}")
        for n, step in enumerate(microsteps(trap))
    ]


Following = list[tuple[Phase, str, str, str, int]]
"""Phase, name, detail, subject, and whether it has a number of its own."""


def _call_steps(now: Moment, trap: Entry, number: int) -> Following:
    view, call = now.view, call_of(number)
    thread = now.task.thread if now.task is not None else 0
    by_sysenter = isinstance(trap, SysenterTaken)
    top = thread + THREAD_SIZE if by_sysenter else trap.sp + FRAME_SIZE
    entry = view.table_entry(number) if view is not None and call is not None else 0
    body = f"sys_{call.name}" if call is not None else "sys_ni_syscall"
    line = call_line(now)
    by_hand: Following = [
        (Phase.STACK, "esp0 from the TSS", f"{top:08x}, where esp points into", "phase:stack", 1),
        (
            Phase.FRAME,
            "push ss ebp eflags cs …",
            "by hand; ebp is the user's esp",
            "phase:frame",
            1,
        ),
    ]
    argument: Following = [
        (Phase.ARGUMENT, "ebp ← (%ebp)", "the sixth argument, off its stack", "phase:argument", 1)
    ]
    return [
        *(by_hand if by_sysenter else ()),
        (
            Phase.SAVE,
            "SAVE_ALL → pt_regs",
            f"{top - PT_SIZE:08x} … {top:08x}, {PT_SIZE // 4} words",
            "phase:save",
            1,
        ),
        *(argument if by_sysenter else ()),
        (
            Phase.TABLE,
            f"sys_call_table[{number}] → {body}",
            f"{entry:08x}" if entry else "no such number",
            f"sys:{number}",
            1,
        ),
        (Phase.BODY, body, line, f"sys:{number}", 0),
        (Phase.RESULT, "result → pt_regs.eax", _result(now, trap), "phase:result", 1),
        (Phase.EXIT, "exit work", _work(now, trap), "phase:exit", 1),
        (Phase.IRET, "iret", _iret(now, trap), "phase:iret", 1),
    ]


def _handler_steps(now: Moment, trap: Entry) -> Following:
    name = handler_name(trap.vector)
    has_error = isinstance(trap, TrapTaken) and trap.error >= 0
    what = "an error code is there already" if has_error else "0 in orig_eax's place"
    if trap.vector in INTERRUPTS:
        what = "-1 in orig_eax's place"
    return [
        (Phase.SAVE, "SAVE_ALL → pt_regs", what, "phase:save", 1),
        (Phase.BODY, f"do_{name}", _outcome(now, trap), f"vector:{trap.vector}", 1),
        (Phase.EXIT, "exit work", _work(now, trap), "phase:exit", 1),
        (Phase.IRET, "iret", _iret(now, trap), "phase:iret", 1),
    ]


def handler_name(vector: int) -> str:
    if vector < len(EXCEPTIONS) and EXCEPTIONS[vector]:
        return EXCEPTIONS[vector]
    return INTERRUPTS.get(vector, f"vector_{vector:02x}")


def call_line(now: Moment) -> str:
    """The call that the current task is in, or was last in, as the trace has it, without its result."""
    for line in reversed(now.state.trace.lines[-32:]):
        if line.pid == now.pid and line.kind in ("syscall", "resumed"):
            if line.seq_begin < now.state.trap_seq and now.state.trap_pid == now.pid:
                return ""
            return call_text(line).rpartition(" = ")[0] if line.seq_end >= 0 else call_text(line)
    return ""


def _result(now: Moment, trap: Entry) -> str:
    if leaves(now, trap):
        return "nobody will see it"
    return _given(now)


def _given(now: Moment) -> str:
    """The result of the call that the current task is in or was last in; '' as long as there is none."""
    for line in reversed(now.state.trace.lines[-32:]):
        if line.pid == now.pid and line.kind in ("syscall", "resumed"):
            if line.seq_end < 0 or (line.seq_begin < now.state.trap_seq and now.state.trap_pid == now.pid):
                return ""
            return "" if line.result is None else _result_text(line.result)
    return _of_a_child(now)


def _result_text(result: int) -> str:
    text, error = f"{result & 0xFFFF_FFFF:08x}", errno_of(result)
    if not error:
        return text
    return f"{text} = -{error} {Errno(error).name if error in Errno.__members__.values() else ''}".rstrip()


def _of_a_child(now: Moment) -> str:
    """fork's result in the child: it never made the call, and comes back from it with 0."""
    task, view = now.task, now.view
    if task is None or view is None or not task.thread or now.state.trap_pid == now.pid:
        return ""
    result = view.word(task.thread + THREAD_SIZE - PT_SIZE + 4 * PT_REGS.index("eax"))
    return "00000000: it is the child" if result == 0 else ""


def _work(now: Moment, trap: Entry) -> str:
    """What is to be done before iret by the flags, and what has been done since the trap by the trace."""
    if not trap.cpl:
        return "none: back into the kernel"
    task, view, regs = now.task, now.view, now.regs
    done = _delivered(now)
    if done:
        return f"delivered {', '.join(done)}"
    if ended(now):
        return "reschedule: others run from now on"
    if view is not None and regs is not None and view.label(regs.eip).startswith("do_notify_resume"):
        return "delivering signals"
    flags = view.word(task.thread) if view is not None and task is not None and task.thread else None
    if flags is None:
        return ""
    names = [
        text for bit, text in ((TIF_SIGPENDING, "a signal"), (TIF_NEED_RESCHED, "reschedule")) if flags & bit
    ]
    return " and ".join(names) or "none"


def _delivered(now: Moment) -> list[str]:
    """The signals that the current task was given on the way that it is on, the first one first."""
    state = now.state
    own = state.trap_pid == now.pid
    found: list[str] = []
    for line in reversed(state.trace.lines[-32:]):
        if line.pid != now.pid:
            continue
        if line.kind in ("syscall", "resumed") or (own and line.seq_begin < state.trap_seq):
            break
        if line.kind == "signal":
            found.append(signal_name(line.signo))
    return found[::-1] if now.trap is None else []


def _outcome(now: Moment, trap: Entry) -> str:
    fault = now.state.fault
    if fault is None or now.state.fault_seq < now.state.trap_seq or fault.vector != trap.vector:
        return ""
    return (
        f"becomes {signal_name(fault.signo)}"
        if fault.signo
        else f"page {fault.address & ~0xFFF:08x} supplied"
    )
