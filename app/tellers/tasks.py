"""Tasks: made, switched, put to sleep, woken, ended; and the machine itself, switched on and halted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.panes.waiting import waits_for
from app.state.fold_trace import status_text
from app.state.state import INIT, State
from app.tellers.people import brief, plural, task
from app.units import duration
from kernel import events as e
from kernel.abi.signal import signal_name
from kernel.describe import SLEEPING, ZOMBIE


def ending(status: int) -> str:
    """A wait status as the end of a sentence."""
    text = status_text(status)
    return f"was {text}" if text.startswith("killed") else text


def _booted(event: e.Booted, state: State) -> str:
    return f"Paging is on; GDT, IDT and TSS are loaded. The machine has {event.memory >> 20} MiB."


def _created(event: e.TaskCreated, state: State) -> str:
    if event.how == "boot":
        if not event.comm:
            return f"A task is made for the first program: {brief(state, event.child)}, pid {event.child}."
        about = {0: "it runs when nobody else can", INIT: "it takes the status of orphans"}
        return f"Task {event.child} ({event.comm}) is there from the beginning: {about.get(event.child, '')}."
    child, parent = brief(state, event.child), task(state, event.parent)
    if event.how == "vfork":
        return (
            f"{parent} has made {child} (pid {event.child}) by vfork: the child borrows its parent's memory,"
            " and the parent waits until it executes a program or ends."
        )
    if event.tgid != event.child:
        return (
            f"{parent} has made a thread, {child} (tid {event.child}), by {event.how}: the same process, with"
            " a kernel stack and registers of its own."
        )
    maker = state.machine.tasks.get(event.parent)
    copies = "and what clone's flags did not share"
    if maker is not None and maker.space != event.space and maker.fdtable != event.fdtable:
        copies = "descriptors and signal actions; the memory's pages are shared copy-on-write"
    return (
        f"{parent} has made {child} (pid {event.child}) by {event.how}: a copy of itself, with its registers,"
        f" {copies}. {child} will return from {event.how} with 0 in eax."
    )


def _switched(event: e.TaskSwitched, state: State) -> str:
    previous = state.machine.tasks.get(event.previous)
    name, after = task(state, event.previous), task(state, event.next)
    if not event.previous:
        return f"{after} can run and gets the processor from the idle task."
    if previous is None or previous.state == ZOMBIE:
        why = f"{brief(state, event.previous)} has ended"
    elif not event.voluntary:
        why = f"The time slice of {name} is over and another task can run: it is preempted"
    elif previous.state == SLEEPING:
        why = f"{name} sleeps"
    else:
        why = f"{name} gave the processor up"
    if not event.next:
        return f"{why}. Nobody else can run: the idle task halts the processor until an interrupt."
    return f"{why}. {after} has the processor now, with its kernel stack and its address space."


def _blocked(event: e.TaskBlocked, state: State) -> str:
    sleeper = state.machine.tasks.get(event.task)
    what, why = waits_for(state, sleeper) if sleeper is not None else ("waits", "")
    until = "" if event.deadline < 0 else f", until {duration(event.deadline)} at the latest"
    return (
        f"{task(state, event.task)} falls asleep: it {what}{why}{until}. It uses no processor time until it"
        " is woken."
    )


def _requeued(event: e.TaskRequeued, state: State) -> str:
    sleeper = state.machine.tasks.get(event.task)
    what, why = waits_for(state, sleeper) if sleeper is not None else ("waits", "")
    return f"{task(state, event.task)} is moved to another wait queue without waking: now it {what}{why}."


def cause(queue: str) -> str:
    """Why somebody who slept on this queue was woken."""
    kind, _, rest = queue.partition(":")
    number, _, end = rest.partition(":")
    match kind:
        case "deadline":
            return "its time has come"
        case "signal":
            return "a signal is pending"
        case "pipe":
            return f"pipe {number} has {'bytes, or no writer any more' if end == 'read' else 'room'}"
        case "socket":
            return f"socket {number} has " + (
                "something to receive, or its peer is gone" if end == "read" else "room"
            )
        case "child":
            return "a child's state has changed"
        case "vfork":
            return "its child does not need the memory any more"
        case "tty" if number != "0":
            return f"pts/{int(number) - 1} has " + ("room" if end else "input, or was hung up")
        case "pty":
            return f"the master of pts/{int(number) - 1} has " + ("room" if end else "output to read")
        case "tty":
            return "the console has " + ("room" if end else "a line to read")
        case "fifo":
            return "the other end of the named pipe is open"
        case "futex":
            return "somebody called FUTEX_WAKE on its word"
        case "eventfd" | "timerfd" | "epoll" | "signalfd":
            return f"{kind} {number} has news"
        case "disk":
            return "the disk has done a request"
        case "inotify":
            return f"something happened to what watcher {number} watches"
        case "pidfd":
            return f"process {number} has ended"
        case "lock" | "flock":
            return f"a lock on file {number} is free"
    return f"{kind} has news"


def _woken(event: e.TaskWoken, state: State) -> str:
    return (
        f"{task(state, event.task)} is woken: {cause(event.by)}. It is runnable again and will look for"
        " itself when it has the processor."
    )


def _exited(event: e.TaskExited, state: State) -> str:
    gone = state.machine.tasks.get(event.task)
    parent = brief(state, gone.ppid) if gone is not None else "its parent"
    return (
        f"{task(state, event.task)} {ending(event.status)}. It is a zombie, a pid and an exit status, until"
        f" {parent} takes that with wait."
    )


def _executed(event: e.ProgramExecuted, state: State) -> str:
    return (
        f"{brief(state, event.task)} executes {event.path}: the same process in a new address space, to"
        f" begin at {event.entry:08x} with {plural(len(event.argv), 'argument')} on its stack at"
        f" {event.stack:08x}."
    )


def _took_over(event: e.TaskTookOver, state: State) -> str:
    return (
        f"Thread {event.task} executes a program: the other threads are gone, and it is now the process"
        f" {event.leader} itself."
    )


def _halted(event: e.MachineHalted, state: State) -> str:
    return f"Nothing is left to run: the first program {ending(event.status)}. This is the end of time."


TELLERS: dict[type, Callable[[Any, State], str]] = {
    e.Booted: _booted,
    e.TaskCreated: _created,
    e.TaskSwitched: _switched,
    e.TaskBlocked: _blocked,
    e.TaskRequeued: _requeued,
    e.TaskWoken: _woken,
    e.TaskStopped: lambda ev, s: (
        f"{task(s, ev.task)} is stopped by {signal_name(ev.signo)}; only SIGCONT lets it go on."
    ),
    e.TaskContinued: lambda ev, s: f"{task(s, ev.task)} was stopped and goes on.",
    e.TaskTookOver: _took_over,
    e.TaskRenamed: lambda ev, s: f"{brief(s, ev.task)} is called {ev.comm} now.",
    e.TaskExited: _exited,
    e.TaskReaped: lambda ev, s: (
        f"{task(s, ev.by)} has taken the exit status of {brief(s, ev.task)} (pid {ev.task}): the zombie is"
        " gone, and its pid is free."
    ),
    e.TaskReparented: lambda ev, s: (
        f"The parent of {task(s, ev.task)} has ended: it is an orphan, and {task(s, ev.parent)} is its parent"
        " now."
    ),
    e.ProgramExecuted: _executed,
    e.MachineHalted: _halted,
    e.Panicked: lambda ev, s: f"Kernel panic: {ev.reason}.",
}
