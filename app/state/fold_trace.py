"""The trace and the milestones: the story told in lines, as strace orders them.

A call is one line from its begin; its result is put in when it returns. When another task's line came
between, the first line stays `unfinished` and the end gets a `resumed` line of its own.
"""

from __future__ import annotations

from app.state.handlers import Handlers
from app.state.state import MILESTONES_KEPT, TRACE_KEPT, Milestone, State, TraceLine
from kernel import events as e
from kernel.abi.signal import SIGKILL, signal_name


def syscall_entered(state: State, event: e.SyscallEntered) -> None:
    line = add_line(state, "syscall")
    line.nr = event.nr
    line.args = event.args
    line.taken = event.taken
    state.trace.open[state.pid] = line.number


def syscall_filtered(state: State, event: e.SyscallFiltered) -> None:
    """What comes of it is told by events of its own."""


def syscall_injected(state: State, event: e.SyscallInjected) -> None:
    begun = state.trace.line(state.trace.open.get(state.pid, -1))
    if begun is not None:
        begun.injected = True


def syscall_exited(state: State, event: e.SyscallExited) -> None:
    end_call(state, state.pid, event.nr, event.result, event.given)


def end_call(state: State, pid: int, nr: int, result: int | None, given: tuple[bytes | None, ...]) -> None:
    """Put the result to the call's line, and on a new line where that one was left unfinished."""
    trace = state.trace
    number = trace.open.pop(pid, -1)
    begun = trace.line(number) if number >= 0 else None
    if begun is not None:
        begun.seq_end = state.events_seen
        begun.tick_end = state.tick
        begun.result = result
        begun.given = given
        if not begun.unfinished:
            return
    line = add_line(state, "resumed", pid)
    line.nr = nr
    line.seq_end = state.events_seen
    line.tick_end = state.tick
    line.result = result
    line.given = given
    if begun is not None:
        line.injected = begun.injected
        line.seq_begin = begun.seq_begin
        line.tick_begin = begun.tick_begin
        line.args = begun.args
        line.taken = begun.taken


def program_executed(state: State, event: e.ProgramExecuted) -> None:
    if event.task not in state.trace.open:
        line = add_line(state, "exec", event.task)
        line.name = event.path
    add_milestone(state, event.task, "exec", event.path)


def task_created(state: State, event: e.TaskCreated) -> None:
    if event.how != "boot":
        add_milestone(state, event.parent, "fork", f"{event.how}: {event.child}")


def task_exited(state: State, event: e.TaskExited) -> None:
    number = state.trace.open.get(event.task, -1)
    if number >= 0:
        begun = state.trace.line(number)
        end_call(state, event.task, begun.nr if begun is not None else -1, None, ())
    line = add_line(state, "exit", event.task)
    line.result = event.status
    add_milestone(state, event.task, "exit", status_text(event.status))


def task_took_over(state: State, event: e.TaskTookOver) -> None:
    """The call that the thread is in ends under its new number."""
    if event.task in state.trace.open:
        state.trace.open[event.leader] = state.trace.open.pop(event.task)


def task_stopped(state: State, event: e.TaskStopped) -> None:
    line = add_line(state, "stopped", event.task)
    line.signo = event.signo


def signal_delivered(state: State, event: e.SignalDelivered) -> None:
    """A debugger sees neither SIGKILL nor a signal that a call waited for, so they get no line."""
    if event.signo != SIGKILL and event.action != "accept":
        line = add_line(state, "signal", event.task)
        line.signo = event.signo
        line.code = event.code
        line.info = event.info
        line.name = event.action
    add_milestone(state, event.task, "signal", f"{signal_name(event.signo)}: {event.action}")


def fault_handled(state: State, event: e.FaultHandled) -> None:
    """Pages that were supplied are no lines: they would push everything else out."""
    if event.signo:
        line = add_line(state, "fault")
        line.nr = event.vector
        line.args = (event.address, event.error)
        line.signo = event.signo
        add_milestone(state, state.pid, "fault", f"vector {event.vector}: {signal_name(event.signo)}")


def machine_halted(state: State, event: e.MachineHalted) -> None:
    add_milestone(state, state.pid, "halt", status_text(event.status))


def panicked(state: State, event: e.Panicked) -> None:
    add_milestone(state, state.pid, "panic", event.reason)


def add_line(state: State, kind: str, pid: int = -1) -> TraceLine:
    """A new last line, of the task that runs unless `pid` says otherwise."""
    trace = state.trace
    lines = trace.lines
    if pid < 0:
        pid = state.pid
    if lines:
        last = lines[-1]
        if last.seq_end < 0 and last.kind == "syscall" and last.pid != pid:
            last.unfinished = True
    line = TraceLine(kind, trace.total, pid, state.events_seen, state.tick)
    lines.append(line)
    trace.total += 1
    if len(lines) > TRACE_KEPT + TRACE_KEPT // 4:
        del lines[:-TRACE_KEPT]
    return line


def add_milestone(state: State, pid: int, kind: str, text: str) -> None:
    state.milestones.append(Milestone(state.events_seen, state.tick, pid, kind, text))
    if len(state.milestones) > MILESTONES_KEPT + MILESTONES_KEPT // 4:
        del state.milestones[:-MILESTONES_KEPT]


def status_text(status: int) -> str:
    """A wait status in words (man 2 wait4)."""
    signo = status & 0x7F
    if signo:
        return f"killed by {signal_name(signo)}" + (" (core dumped)" if status & 0x80 else "")
    return f"exited with {status >> 8 & 0xFF}"


HANDLERS: Handlers = {
    e.SyscallEntered: syscall_entered,
    e.SyscallExited: syscall_exited,
    e.SyscallFiltered: syscall_filtered,
    e.SyscallInjected: syscall_injected,
    e.ProgramExecuted: program_executed,
    e.TaskCreated: task_created,
    e.TaskExited: task_exited,
    e.TaskTookOver: task_took_over,
    e.TaskStopped: task_stopped,
    e.SignalDelivered: signal_delivered,
    e.FaultHandled: fault_handled,
    e.MachineHalted: machine_halted,
    e.Panicked: panicked,
}
