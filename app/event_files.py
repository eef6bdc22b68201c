"""Locks, and files that are none, in words: counters, timers, signal and process descriptors, epoll sets.

What such a descriptor leads to, what somebody waits for who sleeps on it, and a sentence for each event.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.panes.moment import task_name
from app.state.state import State
from app.strace.text import flags, signal_set
from app.units import count, duration
from kernel import events as e
from kernel.describe import FileView

CLOCKS = {0: "real time", 1: "monotonic", 7: "time since boot", 8: "real time", 9: "time since boot"}


def what_it_is(state: State, file: FileView) -> str | None:
    """What an open file of one of these kinds is; None for the others."""
    machine, number = state.machine, file.object
    match file.kind:
        case "eventfd":
            one = machine.eventfds.get(number)
            kind = "semaphore" if one is not None and one.semaphore else "event counter"
            return f"{kind} {number}" + (f": {count(one.count)}" if one is not None else "")
        case "timerfd":
            return f"timer {number}{_timer_text(state, number)}"
        case "signalfd":
            return f"signals {signal_set(machine.signalfds.get(number, 0), 8)}"
        case "epoll":
            watched = machine.epolls.get(number, {})
            fds = " ".join(name.partition(":")[0] for name in watched)
            return f"epoll set {number}, watches {fds or 'nothing'}"
        case "inotify":
            watching = machine.inotifies.get(number)
            if watching is None:
                return f"watcher of files {number}"
            names = ", ".join(file_name(state, inode) for inode, _ in list(watching.watches.values())[:4])
            waiting = f", {len(watching.queued)} to be read" if watching.queued else ""
            return f"watcher of files {number}: {names or 'nothing'}{waiting}"
        case "pidfd":
            return f"process {task_name(state, number)} (pid {number})"
    return None


def _timer_text(state: State, number: int) -> str:
    timer = state.machine.timerfds.get(number)
    if timer is None:
        return ""
    when = f", due at {duration(timer.expires)}" if timer.expires >= 0 else ", not started"
    every = f", every {duration(timer.interval)}" if timer.interval else ""
    return f" ({CLOCKS.get(timer.clock, '?')}){when}{every}"


def waits_on(state: State, queue: str) -> tuple[str, str] | None:
    """What whoever sleeps on this wait queue waits for, and why that takes time; None for other queues."""
    kind, _, rest = queue.partition(":")
    number, _, end = rest.partition(":")
    match kind:
        case "lock" | "flock":
            return _lock_wait(state, int(number) if number.isdigit() else 0, kind == "flock")
        case "eventfd":
            if end == "write":
                return f"waits for room in event counter {number}", ""
            return f"waits for event counter {number}", ", which is 0"
        case "timerfd":
            return f"waits for timer {number}", ""
        case "signalfd":
            return "waits for a signal to read", ""
        case "disk":
            return "waits for the disk", ""
        case "inotify":
            return f"waits for something to happen to what watcher {number} watches", ""
        case "pidfd":
            pid = int(number) if number.isdigit() else -1
            return f"waits for {task_name(state, pid) or f'process {number}'} to end", ""
        case "epoll":
            watched = state.machine.epolls.get(int(number), {}) if number.isdigit() else {}
            fds = ", ".join(name.partition(":")[0] for name in watched)
            return f"waits for epoll set {number}", f", which watches {fds}" if fds else ", which is empty"
    return None


def _lock_wait(state: State, inode: int, whole: bool) -> tuple[str, str]:
    """Which file, and who has a lock there."""
    locks = [lock for lock in state.machine.locks.get(inode, ()) if (lock[0] == "flock") == whole]
    pids = dict.fromkeys(lock[2] for lock in locks)
    held = ", held by " + " and ".join(task_name(state, pid) or f"task {pid}" for pid in pids) if pids else ""
    return f"waits for a lock on {file_name(state, inode)}", held


def file_name(state: State, inode: int) -> str:
    """The path by which an inode was made or opened."""
    opened = (file.path for file in state.machine.files.values() if file.inode == inode)
    return state.paths.get(inode) or next(opened, "") or f"file {inode}"


def _locked(event: e.FileLocksSet, state: State) -> str:
    name = file_name(state, event.inode)
    if not event.locks:
        return f"There is no lock on {name} any more."
    return f"Locks on {name} now: {'; '.join(lock_text(state, lock) for lock in event.locks[:6])}."


def lock_text(state: State, lock: tuple[str, int, int, int, int, int]) -> str:
    """One lock: whose, of what kind, on which bytes."""
    kind, _owner, pid, mode, start, end = lock
    which = "all of it" if kind == "flock" else f"bytes {start} to {end if end < 1 << 62 else 'the end'}"
    return f"{task_name(state, pid) or f'task {pid}'} {'writing' if mode else 'reading'}, {which} ({kind})"


def _happened(event: e.InotifyQueued, state: State) -> str:
    one = state.machine.inotifies.get(event.inotify)
    inode = one.watches[event.wd][0] if one is not None and event.wd in one.watches else 0
    what = file_name(state, inode) if inode else "what it watched"
    inside = f": {event.name}" if event.name else ""
    return f"Watcher {event.inotify} has {flags(event.mask, 'inotify')} of {what}{inside} to be read."


def _watched(event: e.EpollWatched, state: State) -> str:
    return f"Epoll set {event.epoll} watches descriptor {event.fd} for {flags(event.events, 'epoll')}."


TELLERS: dict[type, Callable[[Any, State], str]] = {
    e.PipeResized: lambda ev, s: f"Pipe {ev.pipe} has room for {count(ev.capacity)} bytes now.",
    e.FileLocksSet: _locked,
    e.EventfdSet: lambda ev, s: f"Event counter {ev.eventfd} is {count(ev.count)} now.",
    e.TimerfdSet: lambda ev, s: (
        f"Timer {ev.timerfd} is due at {duration(ev.expires)}."
        if ev.expires >= 0
        else f"Timer {ev.timerfd} is not running."
    ),
    e.TimerfdExpired: lambda ev, s: f"Timer {ev.timerfd} has expired: it can be read.",
    e.SignalfdSet: lambda ev, s: f"Signal descriptor {ev.signalfd} gives {signal_set(ev.mask, 8)}.",
    e.EpollWatched: _watched,
    e.DiskRequested: lambda ev, s: (
        f"The disk is asked to {'write' if ev.write else 'read'} {count(ev.count)} pages from {ev.first} on;"
        " that takes time, and who needs them sleeps."
    ),
    e.DiskCompleted: lambda ev, s: (
        f"The disk has {'written' if ev.write else 'read'} {count(ev.count)} pages from {ev.first} on; who"
        " waits for it is woken."
    ),
    e.InotifyWatched: lambda ev, s: (
        f"Watcher {ev.inotify} watches {ev.path or file_name(s, ev.inode)} for {flags(ev.mask, 'inotify')}."
    ),
    e.InotifyUnwatched: lambda ev, s: f"Watch {ev.wd} of watcher {ev.inotify} is gone.",
    e.InotifyQueued: _happened,
    e.InotifyRead: lambda ev, s: f"{count(ev.count)} of what watcher {ev.inotify} saw were read.",
    e.EpollUnwatched: lambda ev, s: f"Epoll set {ev.epoll} watches descriptor {ev.fd} no longer.",
}
"""A sentence for each of these events."""
