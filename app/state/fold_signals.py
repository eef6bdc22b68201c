"""Signals and traps: actions, masks, what is pending, handler frames; vectors and faults counted."""

from __future__ import annotations

from bisect import insort

from app.state.handlers import Handlers
from app.state.state import State
from cpu.events import Entry, SysenterTaken, TrapTaken
from kernel import events as e
from kernel.abi.signal import SIGRTMIN
from kernel.describe import TaskView
from kernel.ptrace.stops import SIGNAL


def trap_taken(state: State, event: Entry) -> None:
    state.trap = event
    state.trap_seq = state.events_seen
    state.trap_pid = state.pid
    state.vectors[event.vector] = state.vectors.get(event.vector, 0) + 1


def fault_handled(state: State, event: e.FaultHandled) -> None:
    state.fault = event
    state.fault_seq = state.events_seen


def signal_action_set(state: State, event: e.SignalActionSet) -> None:
    """Tasks that share their actions see the change alike."""
    tasks = state.machine.tasks
    task = tasks[event.task]
    for sharer in tasks.values() if task.sighand else (task,):
        if sharer is task or sharer.sighand == task.sighand:
            if event.handler:
                sharer.actions[event.signo] = event.handler
            else:
                sharer.actions.pop(event.signo, None)


def signal_mask_set(state: State, event: e.SignalMaskSet) -> None:
    state.machine.tasks[event.task].blocked = event.blocked


def signal_generated(state: State, event: e.SignalGenerated) -> None:
    state.generated[event.signo] = state.generated.get(event.signo, 0) + 1
    if event.ignored:
        return
    task = state.machine.tasks[event.task]
    if event.shared:
        leader = state.machine.tasks[task.tgid]
        leader.shared_pending = with_signal(leader.shared_pending, event.signo)
    else:
        task.pending = with_signal(task.pending, event.signo)


def signals_discarded(state: State, event: e.SignalsDiscarded) -> None:
    task = state.machine.tasks[event.task]
    if event.shared:
        leader = state.machine.tasks[task.tgid]
        leader.shared_pending = without_signals(leader.shared_pending, event.signals)
    else:
        task.pending = without_signals(task.pending, event.signals)


def signal_delivered(state: State, event: e.SignalDelivered) -> None:
    state.delivered[event.signo] = state.delivered.get(event.signo, 0) + 1
    task = state.machine.tasks[event.task]
    if not event.taken:
        take_pending(state, task, event.signo)
    task.blocked = event.blocked
    if event.frame:
        state.frames.setdefault(event.task, []).append(event.frame)


def trace_stopped(state: State, event: e.TraceStopped) -> None:
    """A signal that is shown to a tracer is pending no longer, delivered or not."""
    if event.trap == SIGNAL:
        take_pending(state, state.machine.tasks[event.task], event.code)


def signal_suppressed(state: State, event: e.SignalSuppressed) -> None:
    """It was taken from pending when the tracer was shown it."""


def signal_returned(state: State, event: e.SignalReturned) -> None:
    """Frames below the one that is taken off were left by a longjmp: they are gone with it."""
    state.machine.tasks[event.task].blocked = event.blocked
    frames = state.frames.get(event.task)
    if not frames:
        return
    if event.frame in frames:
        del frames[frames.index(event.frame) :]
    else:
        frames.pop()
    if not frames:
        del state.frames[event.task]


def frames_gone(state: State, event: e.TaskExited | e.ProgramExecuted) -> None:
    state.frames.pop(event.task, None)


def with_signal(pending: tuple[int, ...], signo: int) -> tuple[int, ...]:
    """A standard signal that is pending already is not queued again (man 7 signal)."""
    if signo < SIGRTMIN and signo in pending:
        return pending
    queue = list(pending)
    insort(queue, signo)
    return tuple(queue)


def without_signals(pending: tuple[int, ...], mask: int) -> tuple[int, ...]:
    return tuple(signo for signo in pending if not mask >> signo - 1 & 1)


def take_pending(state: State, task: TaskView, signo: int) -> None:
    """Take one `signo` off the task's own queue, else off its process's."""
    if signo in task.pending:
        task.pending = _without_one(task.pending, signo)
        return
    leader = state.machine.tasks.get(task.tgid)
    if leader is not None and signo in leader.shared_pending:
        leader.shared_pending = _without_one(leader.shared_pending, signo)


def _without_one(pending: tuple[int, ...], signo: int) -> tuple[int, ...]:
    at = pending.index(signo)
    return pending[:at] + pending[at + 1 :]


HANDLERS: Handlers = {
    TrapTaken: trap_taken,
    SysenterTaken: trap_taken,
    e.FaultHandled: fault_handled,
    e.SignalActionSet: signal_action_set,
    e.SignalMaskSet: signal_mask_set,
    e.SignalGenerated: signal_generated,
    e.SignalsDiscarded: signals_discarded,
    e.SignalDelivered: signal_delivered,
    e.SignalReturned: signal_returned,
    e.SignalSuppressed: signal_suppressed,
    e.TraceStopped: trace_stopped,
    e.TaskExited: frames_gone,
    e.ProgramExecuted: frames_gone,
}
