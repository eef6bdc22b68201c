"""Story: what just happened, in a sentence or two, in a textbook's words with the real values.

`tell` is a pure function of a Moment: of the last event, of the trap's microstep when the cursor is inside
one, or of the place in the entry code that the machine has come to since.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app import event_files
from app.panes.cpu import call_of
from app.panes.moment import Moment
from app.panes.traps import vector_name
from app.state.state import State
from app.tellers import calls, files, memory, signals, tasks, terminals, timers, tracing
from app.tellers.calls import deliverable, number_text
from app.tellers.people import listed, who
from app.way import handler_name
from cpu.descriptors import Gate
from cpu.events import ENTRIES, Entry, Source, SysenterTaken
from kernel.abi.signal import signal_name
from kernel.boot import SYSCALL_VECTOR
from kernel.events import SignalDelivered


def tell(now: Moment) -> str:
    """The sentence for the cursor."""
    if now.trap is not None:
        return tell_microstep(now.state, now.trap, now.cursor.microstep)
    place = tell_place(now)
    if place:
        return place
    handler = tell_handler(now)
    if handler:
        return handler
    if now.event is None:
        return (
            "The machine is switched on: paging is off, nothing has happened yet. m goes to what"
            " happens first."
        )
    return tell_event(now.event, now.state)


def tell_microstep(state: State, trap: Entry, done: int) -> str:
    """Inside a trap: what the processor has just done, and what it does next."""
    if isinstance(trap, SysenterTaken):
        return _tell_sysenter(state, trap, done)
    gate = Gate.unpack(trap.gate)
    task = who(state)
    if done == 0:
        if trap.source == Source.SOFTWARE:
            return (
                f"{task} is about to execute int ${trap.vector:#04x}: it asks for vector {trap.vector:#04x}"
                + (f" with {number_text(trap.eax)} in eax." if trap.vector == SYSCALL_VECTOR else ".")
            )
        if trap.source == Source.INTERRUPT:
            name = handler_name(trap.vector).replace("_", " ")
            return (
                f"Between two instructions of {task} the processor sees the {name} (vector"
                f" {trap.vector:#04x})."
            )
        detail = f" at address {trap.cr2:08x}" if trap.vector == 14 else ""
        return (
            f"The instruction at {trap.eip:08x} could not be completed: {vector_name(trap.vector)}{detail}."
        )
    texts = [
        f"The processor has vector {trap.vector:#04x} and looks it up in the IDT.",
        f"Gate {trap.vector:#04x} leads to {gate.selector:02x}:{gate.offset:08x}. Its DPL is {gate.dpl}: "
        + (
            f"it may be used from ring {gate.dpl} outwards by int n."
            if trap.source == Source.SOFTWARE
            else "this is not checked, for no program asked for it."
        ),
        f"The gate lets ring {trap.cpl} in (its DPL is {gate.dpl})."
        if trap.source == Source.SOFTWARE
        else "Devices and faults pass every gate, whatever its DPL.",
        f"The CPU takes the kernel stack's address from the TSS: {trap.ss0:02x}:{trap.esp0:08x}."
        if trap.cpl
        else f"The processor is in the kernel already and stays on its stack at {trap.esp:08x}.",
        f"{'Five' if trap.cpl else 'Three'} words are on the kernel stack, so that iret can find its way back"
        f" to {trap.cs:02x}:{trap.eip:08x}"
        + (f"; the error code {trap.error:#x} is on top." if trap.error >= 0 else "."),
    ]
    return texts[min(done, len(texts)) - 1]


def _tell_sysenter(state: State, trap: SysenterTaken, done: int) -> str:
    return (
        f"{who(state)} is about to execute sysenter, in the vDSO's __kernel_vsyscall, with"
        f" {number_text(trap.eax)} in eax. No gate is looked up; where to go is in three model-specific"
        " registers.",
        "sysenter has no vector. SYSENTER_CS is not 0, so the kernel allows it.",
        f"CS is {trap.msr_cs:02x} and SS is {trap.ss0:02x}, flat segments of ring 0; no descriptor was read.",
        f"esp is SYSENTER_ESP, {trap.msr_esp:08x}: the TSS. The user's esp is lost, but ebp holds it.",
    )[min(done, 3)]


PLACES = {
    "ia32_sysenter_target": (
        "The kernel's entry code for sysenter: esp points to the TSS, and the first instruction takes the "
        "kernel stack's address, esp0, from there."
    ),
    "sysenter_past_esp": (
        "The processor has pushed nothing, so the code pushes what a gate would have: ss, the user's esp "
        "from ebp, eflags, cs, and the vDSO's landing pad as eip."
    ),
    "sysenter_framed": (
        "The frame is as int $0x80 would have made it: orig_eax and SAVE_ALL complete pt_regs."
    ),
    "sysenter_argument": (
        "Interrupts are on again. The sixth argument lies on the user's stack, where ebp points to."
    ),
    "system_call": (
        "The kernel's entry code: orig_eax is pushed, then SAVE_ALL pushes every register, so that "
        "the words on the stack become struct pt_regs."
    ),
    "system_call_saved": (
        "pt_regs is complete. The number in eax is compared with NR_syscalls and picks the function "
        "from sys_call_table."
    ),
    "system_call_bad": "The number is beyond the table: sys_ni_syscall answers with ENOSYS.",
    "system_call_done": (
        "The function is back. Its result goes into pt_regs.eax, where the program's eax will be "
        "restored from."
    ),
    "ret_from_sys_call": (
        "Exit work: with interrupts off the kernel looks whether a signal waits or the time slice is over."
    ),
    "work_pending": "There is exit work: another task should run, or a signal waits to be delivered.",
    "restore_all": "The registers are popped from pt_regs again.",
    "return_from_interrupt": (
        "Only the processor's own frame is left on the stack: iret pops eip, cs, eflags, esp and ss, "
        "and the ring is 3 again."
    ),
    "ret_from_exception": "The handler is done. If the exception came from a program, exit work follows.",
    "schedule": "schedule: the kernel chooses who runs next.",
    "__switch_to": (
        "__switch_to: callee-saved registers and the FPU are put away, then esp, cr3 and the TSS's "
        "esp0 become the next task's."
    ),
    "finish_task_switch": "The processor stands on the next task's kernel stack and in its address space.",
    "ret_from_fork": "A new task's first steps: it leaves the kernel as if it had made the call itself.",
    "cpu_idle": "No task can run. Process 0 halts the processor until an interrupt arrives.",
    "default_idle": "No task can run. The processor is halted until an interrupt arrives.",
}


def tell_place(now: Moment) -> str:
    """At the beginning of a stretch of entry code that the machine came to after the last event."""
    regs, view = now.regs, now.view
    if regs is None or view is None or regs.cpl or now.log is None:
        return ""
    label = view.label(regs.eip)
    text = PLACES.get(label, "")
    if label == "do_notify_resume":
        text = f"{label}: the kernel looks for signals on the way back to ring 3."
        text += pending(deliverable(now.state))
    if not text and label.startswith("sys_"):
        call = call_of(now.task.syscall) if now.task is not None and now.task.syscall >= 0 else None
        text = f"{label}: the body of the system call" + (f", {call.note}." if call is not None else ".")
    if not text:
        return ""
    record = now.log.record(now.cursor.seq - 1) if now.cursor.seq else None
    return (
        text if record is None or record.tick < now.cursor.tick or isinstance(record.event, ENTRIES) else ""
    )


def tell_handler(now: Moment) -> str:
    """Behind the iret that a delivered signal has led to its handler."""
    event, regs, view = now.event, now.regs, now.view
    if not isinstance(event, SignalDelivered) or event.action != "handler" or event.task != now.pid:
        return ""
    if regs is None or view is None or regs.cpl != 3:
        return ""
    begins = "begins now, at" if regs.eip == event.handler else "runs; it began at"
    return (
        f"The handler of {signal_name(event.signo)} {begins} {view.label(event.handler)}"
        f" ({event.handler:08x}), in ring 3 and on the user stack: {who(now.state)} does not go on"
        f" where it entered the kernel. The frame at {event.frame:08x} holds what it was doing."
    )


def pending(names: list[str]) -> str:
    """The signals that are found."""
    if not names:
        return ""
    are, their = ("is", "its action is") if len(names) == 1 else ("are", "their actions are")
    return f" {listed(names)} {are} pending and not blocked: {their} taken now."


# Events.


def tell_event(event: Any, state: State) -> str:
    """The sentence for an event, with the State behind it."""
    teller = TELLERS.get(type(event))
    return teller(event, state) if teller is not None else type(event).__name__


TELLERS: dict[type, Callable[[Any, State], str]] = {
    **calls.TELLERS,
    **tasks.TELLERS,
    **memory.TELLERS,
    **signals.TELLERS,
    **timers.TELLERS,
    **tracing.TELLERS,
    **files.TELLERS,
    **terminals.TELLERS,
    **event_files.TELLERS,
}
