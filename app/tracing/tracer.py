"""The order of lines: a sink of events that writes each call as it begins and ends, as strace does.

Here is who is in a call, whose line has to be left unfinished because another task has something to say, and
what the options leave out. A call's beginning is written when its line is completed or has to be interrupted,
or when its task goes to sleep in it: whoever reads along sees what is waited for.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol, TextIO

import msgspec

from app.strace import (
    format_begin,
    format_end,
    format_executed,
    format_exit,
    format_signal,
    format_stopped,
    format_unknown,
    shown_name,
)
from app.strace.lines import UNFINISHED
from app.strace.style import Style, using
from app.strace.text import signed
from app.tracing.options import TraceOptions
from app.tracing.summary import Summary
from kernel import events as e
from kernel.abi.errno import errno_of
from kernel.abi.signal import SIGKILL, SIGRTMAX, signal_name
from kernel.capture import EMPTY, Items
from kernel.table import BY_NAME, TABLE, Kind, Row

NO_NUMBER = 1 << 16
"""For functions, in the order of system calls."""
Openers = Callable[[int], TextIO]


class Looks(Protocol):
    """What a live machine can be asked (`witness.Witness`)."""

    def entered(self, row: Row, args: tuple[int, ...], taken: Items) -> Items: ...
    def exited(self, row: Row, args: tuple[int, ...], result: int, given: Items) -> Items: ...
    def pointer(self) -> int: ...
    def name_fd(self, fd: int) -> str | None: ...

    def path_fd(self, fd: int) -> str | None: ...


class _Call(msgspec.Struct):
    """A call that has begun."""

    event: e.SyscallEntered
    row: Row | None
    taken: Items
    begin: str
    name: str
    tick: int
    pointer: int
    shown: bool
    """Whether it may get a line."""
    counted: bool
    leader: str = ""
    written: bool = False
    """Its beginning stands in the output."""
    unfinished: bool = False
    running: int = -1
    """Since when its task has had the processor; -1 while it has not."""
    spent: int = 0
    injected: bool = False


class _Page(msgspec.Struct):
    """One output and whose line in it has begun last and not ended."""

    out: Any
    open: int = -1
    last: int = -1
    """Tick of the line before."""
    function: object = None
    begin: str = ""
    """A library function's call that is to be written, and as what it was begun."""


class Tracer:
    """Give it every event in order (`sink`), and `close` it.

    `open_for` gives the file of a process for -ff; `envp` is what the first program is started with.
    """

    def __init__(
        self,
        out: TextIO,
        options: TraceOptions | None = None,
        envp: tuple[str, ...] | None = None,
        witness: Looks | None = None,
        open_for: Openers | None = None,
    ) -> None:
        self.options = options or TraceOptions(follow=True)
        self._witness = witness
        self._envp = envp
        self._open_for = open_for
        self._page = _Page(out)
        self._pages: dict[int, _Page] = {}
        self._calls: dict[int, _Call] = {}
        self._tasks: set[int] = set()
        self._first = 0
        self._current = 0
        self._tick = 0
        self._epoch = 0
        self._killed: set[int] = set()
        """Tasks with a SIGKILL: what their calls return, nobody sees."""
        self._ignored: dict[int, list[e.SignalGenerated]] = {}
        """Signals that came to nothing: a traced task is stopped for them all the same after its call."""
        self._notices: list[tuple[int, str]] = []
        """Who made a process, and what is to be said of that once the line of the call is written."""
        self._summary = Summary(self.options.sort) if self.options.summary else None
        self._style = self._style_of(self.options.style)
        self._holds = self.options.statuses is not None

    def _style_of(self, style: Style) -> Style:
        if not self.options.files or self._witness is None:
            return style
        return Style(style.limit, style.hexadecimal, style.verbose, style.raw, self._witness.name_fd)

    def sink(self, tick: int, pid: int, event: Any) -> None:
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            self._tick = tick
            with using(self._style):
                handler(self, pid, event)

    def close(self) -> None:
        for page in (self._page, *self._pages.values()):
            self._interrupt(page)
        self._say_notices(self._page)
        if self._summary is not None:
            self._summary.write(self._page.out)
        self._page.out.flush()
        for page in self._pages.values():
            page.out.close()

    # Lines.

    def _page_of(self, pid: int) -> _Page:
        if self._open_for is None:
            return self._page
        page = self._pages.get(pid)
        if page is None:
            page = self._pages[pid] = _Page(self._open_for(pid))
        return page

    def _leader(self, page: _Page, pid: int, call: _Call | None, pointer: int = -1) -> str:
        """What a line begins with: pid, time, number, instruction pointer."""
        options, tick = self.options, self._tick
        words = ""
        if options.pids and self._open_for is None:
            words = f"{pid:<5} "
        elif len(self._tasks) > 1 and self._open_for is None:
            words = f"[pid {pid:5}] "
        if options.relative:
            since = max(tick - page.last, 0) // 1000 if page.last >= 0 else 0
            words += f"{since // 10**6:6}.{since % 10**6:06} "
            page.last = tick
        elif options.stamp:
            words += _stamp(self._epoch + tick, options.stamp)
        if options.number:
            words += f"[{call.event.nr:4}] " if call is not None else "[????] "
        if options.pointer:
            pointer = call.pointer if call is not None else pointer
            words += f"[{pointer:08x}] " if pointer >= 0 else "[????????] "
        return words

    def _line(self, pid: int, text: str) -> None:
        """A line that is no call's."""
        if not self.options.lines:
            return
        page = self._page_of(pid)
        self._interrupt(page)
        self._say_notices(page)
        page.out.write(f"{self._leader(page, pid, self._calls.get(pid))}{text}\n")

    def _interrupt(self, page: _Page) -> None:
        """Somebody else speaks: the open line is left unfinished."""
        if page.begin:
            page.out.write(f"{page.begin}{UNFINISHED}\n")
            page.begin = ""
        pid, page.open = page.open, -1
        call = self._calls.get(pid)
        if call is not None:
            self._write_begin(page, pid, call)
            call.unfinished = True
            page.out.write(f"{UNFINISHED}\n")

    def _write_begin(self, page: _Page, pid: int, call: _Call) -> int:
        """The beginning of a call's line, unless it is there; how wide it is."""
        text = f"{call.leader}{call.begin}"
        if not call.written:
            self._say_notices(page, pid)
            call.written = True
            page.out.write(text)
        return len(text)

    def _say_notices(self, page: _Page, waits: int = -1) -> None:
        """Say what is to be said of new processes, but for those that `waits` is making."""
        if self._notices:
            for _, notice in (one for one in self._notices if one[0] != waits):
                page.out.write(f"{notice}\n")
            self._notices = [one for one in self._notices if one[0] == waits]

    # Calls.

    def _entered(self, pid: int, event: e.SyscallEntered) -> None:
        if pid not in self._tasks:
            return
        self._tell_ignored(pid)
        row = TABLE[event.nr] if 0 <= event.nr < len(TABLE) else None
        taken, witness = event.taken, self._witness
        name = f"syscall_{event.nr:#x}"
        begin = f"{name}("
        if row is not None:
            if witness is not None:
                taken = witness.entered(row, event.args, taken)
            begin = format_begin(row, event.args, taken)
            name = shown_name(row, event.args, taken)
        chosen = self._chosen(row, name) and (not self.options.paths or self._touches(row, event.args, taken))
        pointer = witness.pointer() if witness is not None and self.options.pointer else -1
        call = _Call(event, row, taken, begin, name, self._tick, pointer, chosen, chosen, running=self._tick)
        self._calls[pid] = call
        if chosen and self.options.lines:
            call.leader = self._leader(self._page_of(pid), pid, call)
        if not chosen or not self.options.lines or self._holds:
            return
        page = self._page_of(pid)
        self._interrupt(page)
        page.open = pid

    def _chosen(self, row: Row | None, name: str) -> bool:
        calls = self.options.calls
        return calls is None or name in calls or (row is not None and row.name in calls)

    def _touches(self, row: Row | None, args: tuple[int, ...], taken: Items) -> bool:
        """Whether one of the paths that are watched is an argument, or behind one."""
        if row is None:
            return False
        wanted = self.options.paths
        for place, arg in enumerate(row.args):
            if arg.kind is Kind.PATH and place < len(taken) and taken[place] is not None:
                if (taken[place] or b"").decode("utf-8", "replace") in wanted:
                    return True
            elif (
                arg.kind in (Kind.FD, Kind.DIRFD)
                and self._witness is not None
                and self._witness.path_fd(signed(args[place])) in wanted
            ):
                return True
        return False

    def _injected(self, pid: int, event: e.SyscallInjected) -> None:
        if pid in self._calls:
            self._calls[pid].injected = True

    def _exited(self, pid: int, event: e.SyscallExited) -> None:
        call = self._calls.get(pid)
        if call is not None and pid in self._killed:
            self._finish(pid, call, None, None)
        elif call is not None:
            given = event.given
            if call.row is not None and self._witness is not None:
                given = self._witness.exited(call.row, call.event.args, event.result, given)
            self._finish(pid, call, given, event.result)

    def _finish(self, pid: int, call: _Call, given: Items | None, result: int | None) -> None:
        self._count(call, result)
        status = "unfinished" if result is None else "failed" if errno_of(result) else "successful"
        statuses = self.options.statuses
        page = self._page_of(pid)
        if call.shown and self.options.lines and (statuses is None or status in statuses):
            self._write_end(page, pid, call, given, result)
        if page.open == pid:
            page.open = -1
        self._calls.pop(pid, None)
        if result is None:
            self._ignored.pop(pid, None)

    def _write_end(self, page: _Page, pid: int, call: _Call, given: Items | None, result: int | None) -> None:
        if page.open != pid:
            self._interrupt(page)
        if call.row is None:
            text = format_unknown(call.event.nr, call.event.args, result).rpartition(" = ")
            rest, shown = text[0].rstrip().removeprefix(call.begin), text[2]
        else:
            rest, shown = format_end(call.row, call.event.args, call.taken, given, result)
        if call.injected:
            shown += " (INJECTED)"
        if call.unfinished:
            self._say_notices(page)
            begin = f"{self._leader(page, pid, call)}<... {call.name} resumed>"
            page.out.write(begin)
            width = len(begin)
        else:
            width = self._write_begin(page, pid, call)
        if self.options.duration:
            took = (self._tick - call.tick) // 1000
            shown += f" <{took // 10**6}.{took % 10**6:06}>" if result is not None else " <unfinished ...>"
        page.out.write(f"{rest} ".ljust(self.options.column - width) + f"= {shown}\n")
        self._say_notices(page)

    def _count(self, call: _Call, result: int | None) -> None:
        if self._summary is None or not call.counted or result is None:
            return
        ticks = self._tick - call.tick
        if not self.options.wall:
            ticks = call.spent + (self._tick - call.running if call.running >= 0 else 0)
        self._summary.add(call.name, call.event.nr, bool(errno_of(result)), ticks)

    # Functions of libraries (`library.py`).

    def function_called(self, pid: int, tick: int, call: object, begin: str, pointer: int) -> None:
        """`call` is what its return will name, `pointer` where it will return to."""
        if pid not in self._tasks or not self.options.lines:
            return
        self._tick = tick
        self._tell_ignored(pid)
        page = self._page_of(pid)
        self._interrupt(page)
        self._say_notices(page)
        page.function, page.begin = call, f"{self._leader(page, pid, None, pointer)}{begin}"

    def function_returned(
        self, pid: int, tick: int, call: object, name: str, since: int, result: str
    ) -> None:
        if pid not in self._tasks:
            return
        if self._summary is not None:
            self._summary.add(name, NO_NUMBER, False, tick - since)
        if not self.options.lines:
            return
        self._tick = tick
        self._tell_ignored(pid)
        page = self._page_of(pid)
        if page.begin and page.function is call:
            begin, page.begin = page.begin, ""
        else:
            self._interrupt(page)
            self._say_notices(page)
            begin = f"{self._leader(page, pid, None)}<... {name} resumed> "
        if self.options.duration:
            took = (tick - since) // 1000
            result += f" <{took // 10**6}.{took % 10**6:06}>"
        page.out.write(f"{begin}) ".ljust(self.options.column) + f"= {result}\n")

    # Tasks.

    def _booted(self, pid: int, event: e.Booted) -> None:
        self._epoch = event.epoch

    def _created(self, pid: int, event: e.TaskCreated) -> None:
        if event.parent in self._tasks and self.options.follow:
            self._tasks.add(event.child)
            if "attach" not in self.options.quiet and self.options.lines:
                self._notices.append((event.parent, f"strace: Process {event.child} attached"))

    def _executed(self, pid: int, event: e.ProgramExecuted) -> None:
        if self._first:
            return
        self._first = event.task  # the first program: no call of the guest's made it
        self._tasks.add(event.task)
        where = event.stack + 4 * (len(event.argv) + 2)
        text = format_executed(event.path, event.argv, self._envp, where)
        row = BY_NAME["execve"]
        made = e.SyscallEntered(row.number, (0, 0, where, 0, 0, 0), EMPTY)
        chosen = self._chosen(row, row.name) and (not self.options.paths or event.path in self.options.paths)
        call = _Call(made, row, EMPTY, text, row.name, self._tick, event.entry, chosen, chosen)
        self._count(call, 0)
        statuses = self.options.statuses
        if not chosen or not self.options.lines or (statuses is not None and "successful" not in statuses):
            return
        page = self._page_of(event.task)
        call.leader = self._leader(page, event.task, call)
        width = self._write_begin(page, event.task, call)
        took = " <0.000000>" if self.options.duration else ""
        page.out.write(" ".ljust(self.options.column - width) + f"= 0{took}\n")

    def _switched(self, pid: int, event: e.TaskSwitched) -> None:
        before, after = self._calls.get(event.previous), self._calls.get(event.next)
        if before is not None and before.running >= 0:
            before.spent += self._tick - before.running
            before.running = -1
        if after is not None:
            after.running = self._tick

    def _blocked(self, pid: int, event: e.TaskBlocked) -> None:
        page = self._page_of(event.task) if event.task in self._calls else None
        if page is not None and page.open == event.task:
            self._write_begin(page, event.task, self._calls[event.task])
            page.out.flush()

    def _delivered(self, pid: int, event: e.SignalDelivered) -> None:
        """A debugger sees neither SIGKILL nor a signal that a call waited for."""
        if event.signo != SIGKILL and event.action != "accept":
            self._tell_ignored(event.task, event.signo)
            self._signal(event.task, event.signo, event.code, event.info)
        if event.action in ("terminate", "core"):
            self._ignored.pop(event.task, None)

    def _tell_ignored(self, task: int, below: int = SIGRTMAX + 1) -> None:
        """What came to nothing while a call lasted, the lowest first as all signals are taken, each once."""
        waiting = self._ignored.pop(task, None)
        if waiting is None:
            return
        alike = {signal.signo: signal for signal in reversed(waiting)}
        for signo in sorted(alike):
            if signo < below:
                self._signal(task, signo, alike[signo].code, alike[signo].info)
        rest = [signal for signo, signal in alike.items() if signo >= below]
        if rest:
            self._ignored[task] = rest

    def _generated(self, pid: int, event: e.SignalGenerated) -> None:
        if event.signo == SIGKILL and not event.ignored:
            self._killed.add(event.task)
        if event.ignored and event.task in self._tasks:
            if event.task in self._calls:
                self._ignored.setdefault(event.task, []).append(event)
            else:
                self._signal(event.task, event.signo, event.code, event.info)

    def _signal(self, task: int, signo: int, code: int, about: tuple[int, ...]) -> None:
        signals = self.options.signals
        if task in self._tasks and (signals is None or signal_name(signo) in signals):
            self._line(task, format_signal(signo, code, about))

    def _stopped(self, pid: int, event: e.TaskStopped) -> None:
        signals = self.options.signals
        if event.task in self._tasks and (signals is None or signal_name(event.signo) in signals):
            self._line(event.task, format_stopped(event.signo))

    def _ended(self, pid: int, event: e.TaskExited) -> None:
        task = event.task
        if task not in self._tasks:
            return
        call = self._calls.get(task)
        if call is not None:
            self._finish(task, call, None, None)
        if "exit" not in self.options.quiet:
            self._line(task, format_exit(event.status))
        self._tasks.discard(task)


def _stamp(nanoseconds: int, form: str) -> str:
    seconds, rest = divmod(nanoseconds // 1000, 10**6)
    if form == "unix":
        return f"{seconds}.{rest:06} "
    clock = datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S")
    return f"{clock} " if form == "s" else f"{clock}.{rest:06} "


_HANDLERS: dict[type, Any] = {
    e.Booted: Tracer._booted,
    e.TaskCreated: Tracer._created,
    e.TaskSwitched: Tracer._switched,
    e.TaskBlocked: Tracer._blocked,
    e.ProgramExecuted: Tracer._executed,
    e.SyscallEntered: Tracer._entered,
    e.SyscallInjected: Tracer._injected,
    e.SyscallExited: Tracer._exited,
    e.SignalDelivered: Tracer._delivered,
    e.SignalGenerated: Tracer._generated,
    e.TaskStopped: Tracer._stopped,
    e.TaskExited: Tracer._ended,
}
