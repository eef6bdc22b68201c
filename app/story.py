"""Story: what just happened, in a sentence or two, in a textbook's words with the real values.

`tell` is a pure function of a Moment: of the last event, of the trap's microstep when the cursor is inside
one, or of the place in the entry code that the machine has come to since.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app import event_files
from app.panes.cpu import call_of
from app.panes.moment import Moment, task_name
from app.panes.trace import call_text
from app.panes.traps import vector_name
from app.state.fold_trace import status_text
from app.state.state import State
from app.strace.text import quote
from app.way import handler_name
from cpu import events as cpu_events
from cpu.descriptors import Gate
from cpu.events import Source, TrapTaken
from kernel import events as e
from kernel.abi.errno import Errno, errno_of
from kernel.abi.signal import signal_name
from kernel.boot import SYSCALL_VECTOR


def tell(now: Moment) -> str:
    """The sentence for the cursor."""
    if now.trap is not None:
        return tell_microstep(now.state, now.trap, now.cursor.microstep)
    place = tell_place(now)
    if place:
        return place
    if now.event is None:
        return (
            "The machine is switched on: paging is off, nothing has happened yet. m goes to what"
            " happens first."
        )
    return tell_event(now.event, now.state)


def tell_microstep(state: State, trap: TrapTaken, done: int) -> str:
    """Inside a trap: what the processor has just done, and what it does next."""
    gate = Gate.unpack(trap.gate)
    who = _who(state)
    if done == 0:
        if trap.source == Source.SOFTWARE:
            return (
                f"{who} is about to execute int ${trap.vector:#04x}: it asks for vector {trap.vector:#04x}"
                + (f" with {_number(trap.eax)} in eax." if trap.vector == SYSCALL_VECTOR else ".")
            )
        if trap.source == Source.INTERRUPT:
            name = handler_name(trap.vector).replace("_", " ")
            return (
                f"Between two instructions of {who} the processor sees the {name} (vector"
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


PLACES = {
    "system_call": "The kernel's entry code: orig_eax is pushed, then SAVE_ALL pushes every register, so"
    " that the"
    " words on the stack become struct pt_regs.",
    "system_call_saved": "pt_regs is complete. The number in eax is compared with NR_syscalls and picks the"
    " function from sys_call_table.",
    "system_call_bad": "The number is beyond the table: sys_ni_syscall answers with ENOSYS.",
    "system_call_done": "The function is back. Its result goes into pt_regs.eax, where the program's eax"
    " will be"
    " restored from.",
    "ret_from_sys_call": "Exit work: with interrupts off the kernel looks whether a signal waits or the"
    " time slice"
    " is over.",
    "work_pending": "There is exit work: another task should run, or a signal waits to be delivered.",
    "restore_all": "The registers are popped from pt_regs again.",
    "return_from_interrupt": "Only the processor's own frame is left on the stack: iret pops eip, cs,"
    " eflags, esp"
    " and ss, and the ring is 3 again.",
    "ret_from_exception": "The handler is done. If the exception came from a program, exit work follows.",
    "schedule": "schedule: the kernel chooses who runs next.",
    "__switch_to": "__switch_to: callee-saved registers and the FPU are put away, then esp, cr3 and the"
    " TSS's esp0"
    " become the next task's.",
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
    if not text and label.startswith("sys_"):
        call = call_of(now.task.syscall) if now.task is not None and now.task.syscall >= 0 else None
        text = f"{label}: the body of the system call" + (f", {call.note}." if call is not None else ".")
    if not text:
        return ""
    record = now.log.record(now.cursor.seq - 1) if now.cursor.seq else None
    return (
        text if record is None or record.tick < now.cursor.tick or isinstance(record.event, TrapTaken) else ""
    )


# Events.


def tell_event(event: Any, state: State) -> str:
    teller = TELLERS.get(type(event))
    return teller(event, state) if teller is not None else type(event).__name__


def _who(state: State) -> str:
    return _task(state, state.pid)


def _task(state: State, pid: int) -> str:
    task = state.machine.tasks.get(pid)
    if pid == 0:
        return "the idle task"
    name = task_name(state, pid)
    return f"{name} ({task.comm})" if task is not None and task.comm else name


def ending(status: int) -> str:
    """A wait status as the end of a sentence."""
    text = status_text(status)
    return f"was {text}" if text.startswith("killed") else text


def _number(eax: int) -> str:
    call = call_of(eax)
    return f"{eax} (__NR_{call.name})" if call is not None else str(eax)


def _trap(event: TrapTaken, state: State) -> str:
    gate = Gate.unpack(event.gate)
    if event.vector == SYSCALL_VECTOR:
        return (
            f"{_who(state)} has entered the kernel through gate 0x80 at {gate.offset:08x}, in ring 0, on"
            " its kernel"
            f" stack, with {_number(event.eax)} in eax."
        )
    return (
        f"{vector_name(event.vector)}: {_who(state)} is in the kernel at {gate.offset:08x}"
        f" ({handler_name(event.vector)})."
    )


def _booted(event: e.Booted, state: State) -> str:
    return f"Paging is on; GDT, IDT and TSS are loaded. The machine has {event.memory >> 20} MiB."


def _task_created(event: e.TaskCreated, state: State) -> str:
    if event.how == "boot":
        return f"Task {event.child} ({event.comm}) is there from the beginning."
    sharing = {
        "fork": "a copy of its parent, memory shared copy-on-write",
        "vfork": "in its parent's address space; the parent waits until it executes a program or ends",
        "clone": "sharing what clone's flags said",
    }
    return (
        f"{_task(state, event.parent)} has made {_task(state, event.child)} by {event.how}:"
        f" {sharing.get(event.how, '')}."
    )


def _switched(event: e.TaskSwitched, state: State) -> str:
    why = "gave the processor up" if event.voluntary else "was preempted"
    return f"{_task(state, event.previous)} {why}; {_task(state, event.next)} runs now."


def _blocked(event: e.TaskBlocked, state: State) -> str:
    until = "" if event.deadline < 0 else f", at the latest until tick {event.deadline:,}"
    return f"{_task(state, event.task)} sleeps on {queues(event.on)}{until}."


def queues(on: tuple[str, ...]) -> str:
    """Wait queues in words."""
    return " and ".join(queue_text(one) for one in on) or "nothing but time"


def queue_text(queue: str) -> str:
    kind, _, rest = queue.partition(":")
    number, _, end = rest.partition(":")
    match kind:
        case "pipe":
            return f"pipe {number}, to {'get bytes' if end == 'read' else 'get room'}"
        case "tty":
            return "the console's keys"
        case "child":
            return "a child's change of state"
        case "fifo":
            return "the other end of a named pipe"
        case "vfork":
            return f"its child {number}"
        case "lock" | "flock":
            return f"a lock on file {number}"
        case "eventfd" | "timerfd" | "epoll":
            return f"{kind} {number}"
        case "signalfd":
            return "its signal descriptors"
        case "pidfd":
            return f"the end of process {number}"
        case "futex":
            return futex_text(rest)
        case _:
            return queue


def futex_text(rest: str) -> str:
    """A futex's wait queue without its first word."""
    where, _, place = rest.partition(":")
    if where == "inode":
        return f"the futex at offset {place.partition(':')[2]} of shared memory {place.partition(':')[0]}"
    return f"the futex at {place.partition(':')[0]}"


def _requeued(event: e.TaskRequeued, state: State) -> str:
    return f"{_task(state, event.task)} sleeps on, but now on {queues(event.on)}."


TIMER_NAMES = {-1: "real-time interval timer", -2: "user-time interval timer", -3: "profiling timer"}


def _timer_name(number: int) -> str:
    return TIMER_NAMES.get(number, f"timer {number}")


def _timer_set(event: e.TimerSet, state: State) -> str:
    name = f"The {_timer_name(event.number)} of {_task(state, event.owner)}"
    if event.expires < 0:
        return f"{name} is not running."
    sends = f" and then sends {signal_name(event.signo)}" if event.signo else ""
    again = f", and every {event.interval:,} ns from then on" if event.interval else ""
    return f"{name} goes off at {event.expires:,} ns of its clock{sends}{again}."


def _timer_expired(event: e.TimerExpired, state: State) -> str:
    timer = state.machine.timers.get(event.timer)
    name = _timer_name(timer.number) if timer is not None else "timer"
    owner = f" of {_task(state, timer.owner)}" if timer is not None else ""
    more = f"; {event.times - 1:,} more were missed" if event.times > 1 else ""
    return f"The {name}{owner} goes off{more}."


def _took_over(event: e.TaskTookOver, state: State) -> str:
    return (
        f"Thread {event.task} executes a program: the other threads are gone, and it is now the process"
        f" {event.leader} itself."
    )


def _woken(event: e.TaskWoken, state: State) -> str:
    why = {"deadline": "its time has come", "signal": "a signal arrived"}.get(
        event.by, f"{queue_text(event.by) if event.by.startswith('futex:') else event.by} had news"
    )
    return f"{_task(state, event.task)} is woken: {why}. It can run again."


def _exited(event: e.TaskExited, state: State) -> str:
    return (
        f"{_task(state, event.task)} {ending(event.status)}. It is a zombie until its parent asks"
        " for its status."
    )


def _executed(event: e.ProgramExecuted, state: State) -> str:
    return (
        f"{_task(state, event.task)} executes {event.path}: a new address space, entry {event.entry:08x},"
        f" stack {event.stack:08x} with {len(event.argv)} argument{'s' if len(event.argv) != 1 else ''}."
    )


def _forked_space(event: e.AddressSpaceForked, state: State) -> str:
    return (
        f"fork copies no page: {event.pages} pages are shared now, the private ones read-only in both"
        " address spaces;"
        " the first write to one will copy it."
    )


def _mapped(event: e.PageMapped, state: State) -> str:
    how = {
        "zero": "a frame of zeros",
        "file": "a frame with the file's bytes",
        "share": "a frame that others have too",
        "stack": "a frame for the stack",
        "load": "a frame with the program's bytes",
    }.get(event.reason, "a frame")
    rights = "writable" if event.bits & 2 else "read-only"
    return f"Page {event.va:08x} is present now: {how}, {event.frame:#x}, {rights}."


def _copied(event: e.PageCopied, state: State) -> str:
    return (
        f"Copy on write: page {event.va:08x} had frame {event.old:#x} together with another address space."
        " It has a"
        f" copy of its own now, frame {event.new:#x}, writable."
    )


def _reused(event: e.PageReused, state: State) -> str:
    return (
        f"Copy on write with no other owner left: page {event.va:08x} keeps frame {event.frame:#x} and"
        " is writable."
    )


def _entered(event: e.SyscallEntered, state: State) -> str:
    call = call_of(event.nr)
    if call is None:
        return f"{_who(state)} asks for system call {event.nr}, which does not exist."
    line = state.trace.lines[-1] if state.trace.lines else None
    made = call_text(line) if line is not None else call.name
    return f"{_who(state)} calls {made}: {call.note}."


def _returned(event: e.SyscallExited, state: State) -> str:
    call = call_of(event.nr)
    name = call.name if call is not None else f"system call {event.nr}"
    error = errno_of(event.result)
    if error in Errno.__members__.values():
        known = Errno(error)
        return f"{name} fails: {-error} is {known.name} ({known.text}). {_who(state)} will find -1 and errno."
    if error:
        return f"{name} is interrupted by a signal; it will be made again, or fail with EINTR."
    return f"{name} returns {event.result} to {_who(state)}."


def _generated(event: e.SignalGenerated, state: State) -> str:
    by = "The kernel" if not event.sender else _task(state, event.sender)
    end = "which ignores it." if event.ignored else "where it is pending until it is delivered."
    return f"{by} sends {signal_name(event.signo)} to {_task(state, event.task)}, {end}"


def _delivered(event: e.SignalDelivered, state: State) -> str:
    name, who = signal_name(event.signo), _task(state, event.task)
    match event.action:
        case "handler":
            return (
                f"{name} is delivered to {who}: a frame with all registers is put on its user stack at"
                f" {event.frame:08x}, and it goes on in its handler at {event.handler:08x}."
            )
        case "ignore":
            return f"{name} is delivered to {who} and ignored."
        case "core" | "terminate":
            return f"{name} is delivered to {who}, which has no handler: the default action ends it."
        case other:
            return f"{name} is delivered to {who}: {other}."


def _signal_over(event: e.SignalReturned, state: State) -> str:
    return (
        f"sigreturn: the frame at {event.frame:08x} is taken off and {_who(state)} goes on at"
        f" {event.eip:08x}."
    )


def _fault(event: e.FaultHandled, state: State) -> str:
    if not event.signo:
        return (
            f"The page fault at {event.address:08x} was no error: the page is there now, the"
            " instruction is tried again."
        )
    what = vector_name(event.vector)
    where = f" at {event.address:08x}" if event.vector == 14 else ""
    return f"{what}{where} by {_who(state)} cannot be mended: it becomes {signal_name(event.signo)}."


def _opened(event: e.FileOpened, state: State) -> str:
    return f"An open file came to be: {event.kind} {event.path}".rstrip() + "."


def _installed(event: e.DescriptorInstalled, state: State) -> str:
    file = state.machine.files.get(event.file)
    return (
        f"Descriptor {event.fd} leads to {file.kind + ' ' + file.path if file is not None else 'a file'} now."
    )


def _pipe_created(event: e.PipeCreated, state: State) -> str:
    return f"Pipe {event.pipe} is there, with room for {event.capacity} bytes."


def _pipe_written(event: e.PipeWritten, state: State) -> str:
    pipe = state.machine.pipes.get(event.pipe)
    inside = len(pipe.data) if pipe is not None else 0
    return (
        f"{_who(state)} puts {len(event.data)} bytes into pipe {event.pipe}:"
        f" {quote(event.data[:24], more=len(event.data) > 24)}. {inside} are in it."
    )


def _pipe_read(event: e.PipeRead, state: State) -> str:
    return f"{_who(state)} takes {event.count} bytes out of pipe {event.pipe}."


def _written(event: e.TerminalWritten, state: State) -> str:
    return f"{_who(state)} writes to the console: {quote(event.data[:40], more=len(event.data) > 40)}."


def _streamed(event: e.StreamWritten, state: State) -> str:
    return (
        f"{_who(state)} writes to stream {event.stream}: {quote(event.data[:40], more=len(event.data) > 40)}."
    )


def _arrived(event: e.InputArrived, state: State) -> str:
    return (
        f"From outside {len(event.data)} bytes reach {event.device} {event.number}:"
        f" {quote(event.data[:24], more=len(event.data) > 24)}."
    )


def _break_moved(event: e.BreakMoved, state: State) -> str:
    return f"The heap's end is {event.brk:08x} now. Pages come when they are touched."


def _vma(event: e.VmaMapped, state: State) -> str:
    return (
        f"[{event.start:08x}, {event.end:08x}) is part of the address space"
        f" now{': ' + event.name if event.name else ''}."
    )


def _halted(event: e.MachineHalted, state: State) -> str:
    return f"Nothing is left to run: the first program {ending(event.status)}. This is the end of time."


TELLERS: dict[type, Callable[[Any, State], str]] = {
    **event_files.TELLERS,
    cpu_events.TrapTaken: _trap,
    e.Booted: _booted,
    e.TaskCreated: _task_created,
    e.TaskSwitched: _switched,
    e.TaskBlocked: _blocked,
    e.TaskWoken: _woken,
    e.TimerSet: _timer_set,
    e.TimerExpired: _timer_expired,
    e.TimerDeleted: lambda ev, s: "A timer is gone.",
    e.ClockSet: lambda ev, s: "The real-time clock was set.",
    e.TaskRequeued: _requeued,
    e.TaskTookOver: _took_over,
    e.TaskStopped: lambda ev, s: f"{_task(s, ev.task)} is stopped by {signal_name(ev.signo)}.",
    e.TaskContinued: lambda ev, s: f"{_task(s, ev.task)} goes on.",
    e.TaskRenamed: lambda ev, s: f"Task {ev.task} is called {ev.comm} now.",
    e.TaskExited: _exited,
    e.TaskReaped: lambda ev, s: (
        f"{_task(s, ev.by)} has taken the status of task {ev.task}; nothing is left of it."
    ),
    e.TaskReparented: lambda ev, s: (
        f"The parent of {_task(s, ev.task)} is gone; {_task(s, ev.parent)} is its parent now."
    ),
    e.ProgramExecuted: _executed,
    e.AddressSpaceCreated: lambda ev, s: (
        f"An address space is made: its page directory pointers lie in frame {ev.pgd:#x}."
    ),
    e.AddressSpaceForked: _forked_space,
    e.AddressSpaceDestroyed: lambda ev, s: (
        "An address space is given back, with all frames that nobody else has."
    ),
    e.VmaMapped: _vma,
    e.VmaUnmapped: lambda ev, s: f"[{ev.start:08x}, {ev.end:08x}) is unmapped; its pages are gone.",
    e.VmaProtected: lambda ev, s: f"[{ev.start:08x}, {ev.end:08x}) has other rights now.",
    e.PagesDropped: lambda ev, s: (
        f"The pages of [{ev.start:08x}, {ev.end:08x}) are dropped; a touch supplies new ones."
    ),
    e.BreakMoved: _break_moved,
    e.PageMapped: _mapped,
    e.PageCopied: _copied,
    e.PageReused: _reused,
    e.SyscallEntered: _entered,
    e.SyscallExited: _returned,
    e.SignalActionSet: lambda ev, s: f"{_task(s, ev.task)} sets its action for {signal_name(ev.signo)}.",
    e.SignalMaskSet: lambda ev, s: f"{_task(s, ev.task)} blocks another set of signals now.",
    e.SignalGenerated: _generated,
    e.SignalsDiscarded: lambda ev, s: f"Pending signals of {_task(s, ev.task)} are taken back.",
    e.SignalDelivered: _delivered,
    e.SignalReturned: _signal_over,
    e.FaultHandled: _fault,
    e.DescriptorTableCreated: lambda ev, s: (
        "A table of descriptors is made" + (", a copy of another." if ev.source else ".")
    ),
    e.DescriptorTableDropped: lambda ev, s: (
        "A table of descriptors is given back; every descriptor in it is closed."
    ),
    e.FileOpened: _opened,
    e.FileClosed: lambda ev, s: "The last descriptor of an open file is gone, and the open file with it.",
    e.FileFlagsSet: lambda ev, s: "The flags of an open file are set anew.",
    e.DescriptorInstalled: _installed,
    e.DescriptorClosed: lambda ev, s: f"Descriptor {ev.fd} is closed.",
    e.PipeCreated: _pipe_created,
    e.PipeWritten: _pipe_written,
    e.PipeRead: _pipe_read,
    e.PipeEndsChanged: lambda ev, s: (
        f"Pipe {ev.pipe} has {ev.readers} open ends to read from and {ev.writers} to write to."
    ),
    e.TerminalWritten: _written,
    e.StreamWritten: _streamed,
    e.InputArrived: _arrived,
    e.FileWritten: lambda ev, s: f"{ev.count} bytes are written to file {ev.inode} at offset {ev.offset}.",
    e.InodeCreated: lambda ev, s: f"{ev.path or 'A file without a name'} came to be.",
    e.NameRemoved: lambda ev, s: f"The name {ev.path} is gone.",
    e.Mounted: lambda ev, s: f"{ev.path} is the root of a file system of type {ev.type} now.",
    e.MountFlagsSet: lambda ev, s: f"{ev.path} is mounted with other flags: {ev.flags:#x}.",
    e.Unmounted: lambda ev, s: f"{ev.path} is mounted no more: what it covered is seen again.",
    e.OutOfMemory: lambda ev, s: f"No frame is free: {_task(s, ev.task)} is killed.",
    e.MachineHalted: _halted,
    e.Panicked: lambda ev, s: f"Kernel panic: {ev.reason}.",
}
