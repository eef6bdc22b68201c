"""What becomes of each signal, step by step. Comes before the other rooms: pending is still as it was."""

from __future__ import annotations

from app.state import life
from app.state.handlers import Handlers
from app.state.life import Life
from app.state.state import State
from kernel import events as e
from kernel.abi.signal import SIGRTMIN


def generated(state: State, event: e.SignalGenerated) -> None:
    tasks = state.machine.tasks
    task = tasks.get(event.task)
    by = tasks.get(state.pid)
    one = Life(
        state.events_seen,
        event.signo,
        event.task,
        event.shared,
        event.sender,
        event.code,
        event.info,
        by.syscall if by is not None else -1,
    )
    if task is not None:
        pending = tasks.get(task.tgid, task).shared_pending if event.shared else task.pending
        one.held = bool(task.blocked >> event.signo - 1 & 1)
        one.queued = pending.count(event.signo) + 1
        if event.shared:
            one.task = task.tgid
    if event.ignored:
        one.fate = life.IGNORED
    elif event.signo < SIGRTMIN and one.queued > 1:
        one.fate = life.MERGED
    if one.fate != life.PENDING:
        one.taken = state.events_seen
    life.keep(state.lives, one)


def discarded(state: State, event: e.SignalsDiscarded) -> None:
    """By who waits for them, they are taken; else nobody gets them."""
    tasks = state.machine.tasks
    by, task = tasks.get(state.pid), tasks.get(event.task)
    if task is None:
        return
    taken = by is not None and by.tgid == task.tgid and by.syscall in life.WAITING_CALLS
    owner = task.tgid if event.shared else task.pid
    for one in state.lives:
        concerned = one.fate == life.PENDING and one.shared == event.shared and one.task == owner
        if concerned and event.signals >> one.signo - 1 & 1:
            one.fate = life.ACCEPTED if taken else life.DISCARDED
            one.taken, one.taker = state.events_seen, state.pid if taken else 0


def delivered(state: State, event: e.SignalDelivered) -> None:
    tasks = state.machine.tasks
    one = life.waiting(state.lives, tasks, event.task, event.signo)
    if one is None:
        return
    task = tasks.get(event.task)
    one.fate, one.taken, one.taker = event.action, state.events_seen, event.task
    one.handler, one.frame = event.handler, event.frame
    one.before = task.blocked if task is not None else 0
    one.mask, one.interrupted = event.blocked, event.interrupted
    if event.handler and not event.frame:
        one.left = True  # the stack could not take the frame


def suppressed(state: State, event: e.SignalSuppressed) -> None:
    one = life.waiting(state.lives, state.machine.tasks, event.task, event.signo)
    if one is not None:
        one.fate, one.taken = life.DISCARDED, state.events_seen


def returned(state: State, event: e.SignalReturned) -> None:
    """The frames below the one that is taken off were left by a jump."""
    frames = state.frames.get(event.task, [])
    gone = frames[frames.index(event.frame) :] if event.frame in frames else frames[-1:]
    for one in state.lives:
        if one.fate == life.HANDLER and one.taker == event.task and not one.over and one.frame in gone:
            if one.frame == event.frame:
                one.back, one.eip, one.restored = state.events_seen, event.eip, event.blocked
            else:
                one.left = True


def gone(state: State, event: e.TaskExited | e.ProgramExecuted) -> None:
    """The handlers that run go with the program."""
    for one in state.lives:
        if one.fate == life.HANDLER and one.taker == event.task and not one.over:
            one.left = True


HANDLERS: Handlers = {
    e.SignalGenerated: generated,
    e.SignalsDiscarded: discarded,
    e.SignalDelivered: delivered,
    e.SignalReturned: returned,
    e.SignalSuppressed: suppressed,
    e.TaskExited: gone,
    e.ProgramExecuted: gone,
}
