"""What a task waits for, in words: its wait queues by name, why that takes time, since when and until when.

The State says on which queues a task sleeps, and since when. How it looks is others'.
"""

from __future__ import annotations

from app.event_files import waits_on
from app.panes.cpu import call_of
from app.panes.moment import Moment, task_name
from app.source import printable
from app.state.state import INIT, State
from app.units import duration
from kernel.abi.process import (
    PTRACE_EVENT_CLONE,
    PTRACE_EVENT_EXEC,
    PTRACE_EVENT_EXIT,
    PTRACE_EVENT_FORK,
    PTRACE_EVENT_SECCOMP,
    PTRACE_EVENT_VFORK,
    PTRACE_EVENT_VFORK_DONE,
)
from kernel.abi.signal import SIGTRAP, signal_name
from kernel.describe import SLEEPING, TaskView
from kernel.ptrace import stops

POLLING = ("poll", "ppoll", "select", "old_select", "_newselect", "pselect6", "epoll_wait")


def waits_for(state: State, task: TaskView) -> tuple[str, str]:
    """What a sleeping task waits for, and the reason why that takes time, as two parts of one sentence."""
    if not task.on:
        return "waits for time to pass", ""
    polls = call_name(task) in POLLING
    parts = [_queue(state, task, queue, polls) for queue in task.on]
    if len(parts) == 1:
        return parts[0]
    if polls:
        names = dict.fromkeys(brief.removeprefix("waits for ") for brief, _ in parts)
        return "waits for " + " or ".join(names), ""
    return " and ".join(brief for brief, _ in parts), ""


def waiting_text(now: Moment, task: TaskView) -> str:
    """What a sleeping task waits for, why, since when and until when."""
    brief, why = waits_for(now.state, task)
    return brief + why + wait_times(now, task)


def _queue(state: State, task: TaskView, queue: str, polls: bool) -> tuple[str, str]:
    kind, _, rest = queue.partition(":")
    number, _, end = rest.partition(":")
    match kind:
        case "pipe":
            return _pipe_wait(state, number, end, polls)
        case "socket":
            return _socket_wait(state, number, end, polls)
        case "tty" if number != "0":
            name = f"pts/{int(number) - 1}"
            if polls:
                return f"waits for {'room' if end else 'input'} on {name}", ""
            return (f"writes to {name}", "") if end else (f"reads {name}", ", no line there yet")
        case "pty":
            name = f"the master of pts/{int(number) - 1}"
            if polls:
                return f"waits for {'room' if end else 'output'} on {name}", ""
            return (f"writes to {name}", "") if end else (f"reads {name}", ", where nothing was written")
        case "tty":
            if polls:
                return ("waits for room on the console" if end else "waits for keys"), ""
            return (
                ("writes to the console", ", held by Ctrl+S")
                if end
                else ("reads the console", ", no line typed yet")
            )
        case "stream":
            return (
                f"waits for input on stream {number}" if polls else f"reads stream {number}"
            ), ", where nothing arrived yet"
        case "fifo":
            path = state.paths.get(int(number), "") if number.isdigit() else ""
            return f"opens {printable(path) or 'a named pipe'}", ", whose other end nobody opens"
        case "child":
            return "waits for a child", "" if task.pid == INIT else _children(state, task)
        case "vfork":
            child = int(number) if number.isdigit() else -1
            return f"waits for {who(state, child)}", ", made by vfork, to execute or end"
        case "futex":
            return _futex_wait(state, task, queue)
        case "pause":
            return "waits for a signal", ""
        case "sleep":
            return "sleeps", ""
        case "poll":
            return "polls nothing", ", only time can end it"
    return waits_on(state, queue) or (f"waits on {queue}", "")


def _futex_wait(state: State, task: TaskView, queue: str) -> tuple[str, str]:
    """Which word of memory, and who else sleeps there."""
    where, _, rest = queue.removeprefix("futex:").partition(":")
    number, _, offset = rest.partition(":")
    word = f"offset {offset} of shared memory {number}" if where == "inode" else number
    others = [
        who(state, one.pid)
        for one in state.machine.tasks.values()
        if one.pid != task.pid and one.state == SLEEPING and queue in one.on
    ]
    return f"waits on futex {word}", f", as {', '.join(others)}" if 0 < len(others) <= 4 else ""


def _pipe_wait(state: State, number: str, end: str, polls: bool) -> tuple[str, str]:
    pipe = state.machine.pipes.get(int(number)) if number.isdigit() else None
    if polls:
        return f"waits for {'bytes in' if end == 'read' else 'room in'} pipe {number}", ""
    if end == "read":
        return f"reads pipe {number}", ", which is empty" if pipe is not None and not pipe.data else ""
    if pipe is None:
        return f"writes to pipe {number}", ""
    room = pipe.capacity - len(pipe.data)
    return f"writes to pipe {number}", ", which is full" if room <= 0 else f", which has room for {room} only"


def _socket_wait(state: State, number: str, end: str, polls: bool) -> tuple[str, str]:
    one = state.machine.sockets.get(int(number)) if number.isdigit() else None
    listens = one is not None and one.backlog >= 0
    if end == "peer":
        return f"waits for room at socket {number}", ", which is full"
    if polls:
        what = "room to send in" if end == "write" else "a connection to" if listens else "messages in"
        return f"waits for {what} socket {number}", ""
    if end == "write":
        return f"sends through socket {number}", ", whose peer has not read enough"
    if listens:
        return f"accepts at socket {number}", ", where nobody has connected"
    return f"receives from socket {number}", ", which is empty" if one is not None and not one.queue else ""


def _children(state: State, task: TaskView) -> str:
    names = [who(state, one.pid) for one in state.machine.tasks.values() if one.ppid == task.tgid]
    return f": {', '.join(names)}" if names and len(names) <= 4 else ""


def who(state: State, pid: int) -> str:
    return task_name(state, pid) if pid in state.letters else f"task {pid}"


def wait_times(now: Moment, task: TaskView) -> str:
    """Since when a task sleeps and until when at the latest, as the end of a sentence."""
    since, deadline = wait_span(now, task)
    until = f", until {duration(deadline)}" if deadline >= 0 else ""
    return (f", since {duration(since)}" if since >= 0 else "") + until


def wait_span(now: Moment, task: TaskView) -> tuple[int, int]:
    """The tick at which a sleep began and the one at which it ends by itself; -1 for not known, or never."""
    return now.state.asleep.get(task.pid, (-1, -1)) if task.state == SLEEPING else (-1, -1)


def call_name(task: TaskView) -> str:
    """The system call that a task is in, '' for none."""
    if task.syscall < 0:
        return ""
    call = call_of(task.syscall)
    return call.name if call is not None else f"call {task.syscall}"


def stopped_by(now: Moment, task: TaskView) -> str:
    """Which signal stopped a task, as far as the machine knows."""
    found = now.view.task(task.pid) if now.view is not None else None
    if found is None or not found.stop_signal:
        return "until SIGCONT"
    return f"by {signal_name(found.stop_signal)}, until SIGCONT"


_EVENTS = {
    PTRACE_EVENT_FORK: "because it has made a process",
    PTRACE_EVENT_VFORK: "because it has made a process by vfork",
    PTRACE_EVENT_CLONE: "because it has made a thread or process by clone",
    PTRACE_EVENT_EXEC: "because it has executed a program",
    PTRACE_EVENT_VFORK_DONE: "because its child by vfork needs the memory no longer",
    PTRACE_EVENT_EXIT: "because it is about to end",
    PTRACE_EVENT_SECCOMP: "because a seccomp filter says so",
}


def stop_place(trap: int, code: int) -> str:
    """Where and why a traced task has stopped, as the end of a sentence; `code` as in `TraceStopped`."""
    event, signo = code >> 8, code & 0x7F
    if event in _EVENTS:
        return _EVENTS[event]
    if trap == stops.SIGNAL:
        return f"before {signal_name(signo)} is delivered to it"
    if trap == stops.ENTERING:
        return "at the beginning of a system call"
    if trap == stops.LEFT:
        return "at the end of a system call" if code & 0x80 else "behind a system call or before a handler"
    if signo == SIGTRAP:
        return "because its tracer said so"
    return f"with its process, by {signal_name(signo)}"


def traced_stop(now: Moment, task: TaskView) -> str:
    """For whom a traced task has stopped and, as far as the machine knows, why."""
    found = now.view.task(task.pid) if now.view is not None else None
    tracer = who(now.state, task.tracer)
    if found is None or not found.trap:
        return f"until {tracer} lets it go on"
    info = found.stop_info
    code = found.stop_code
    if info is not None:
        code = info.signo if found.trap == stops.SIGNAL else info.code
    return f"{stop_place(found.trap, code)}, until {tracer} lets it go on"
