"""strace's text as a stream: a sink of events that writes a line for each call as it ends.

The words are `app.strace`'s; here is only the order of lines: who is in a call, and whose line has
to be left unfinished because another task has something to say.
"""

from __future__ import annotations

from typing import Any, TextIO

from app.strace import (
    format_call,
    format_exit,
    format_resumed,
    format_signal,
    format_stopped,
    format_unfinished,
    format_unknown,
)
from app.strace.text import text_of
from kernel import events as e
from kernel.abi.sigframe import Siginfo
from kernel.abi.signal import SIGKILL
from kernel.table import TABLE, Row

EXECVE, EXIT, EXIT_GROUP = 11, 1, 252


class Tracer:
    """Give it every event in order (`sink`). Lines get `[pid N]` once there is more than one task."""

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self._open: dict[int, e.SyscallEntered] = {}
        self._pending: int | None = None
        """Whose call was the last thing said, its line not yet ended."""
        self._unfinished: set[int] = set()
        self._tasks: set[int] = set()
        self._started: e.ProgramExecuted | None = None

    def sink(self, tick: int, pid: int, event: Any) -> None:
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, pid, event)

    def close(self) -> None:
        self._interrupt(None)
        self.out.flush()

    def _line(self, pid: int, text: str) -> None:
        prefix = f"[pid {pid:5}] " if len(self._tasks) > 1 else ""
        self.out.write(f"{prefix}{text}\n")

    def _interrupt(self, pid: int | None) -> None:
        """Another task speaks: the open line of the last one is left unfinished."""
        if self._pending is None or self._pending == pid:
            return
        other = self._pending
        self._pending = None
        event = self._open.get(other)
        if event is not None and other not in self._unfinished:
            row = _row(event.nr)
            self._unfinished.add(other)
            text = f"syscall_{event.nr:#x}( <unfinished ...>"
            self._line(other, format_unfinished(row, event.args, event.taken) if row else text)

    def _created(self, pid: int, event: e.TaskCreated) -> None:
        if event.child > 1:
            self._tasks.add(event.child)

    def _executed(self, pid: int, event: e.ProgramExecuted) -> None:
        if self._open.get(event.task) is None:  # the first program: no call of the guest's made it
            argv = ", ".join(text_of(text.encode()) for text in event.argv)
            text = f'execve("{event.path}", [{argv}], 0)'
            self._line(event.task, f"{text:<39} = 0" if len(text) < 39 else f"{text} = 0")

    def _entered(self, pid: int, event: e.SyscallEntered) -> None:
        self._interrupt(None)
        self._open[pid] = event
        self._pending = pid

    def _exited(self, pid: int, event: e.SyscallExited) -> None:
        begun = self._open.pop(pid, None)
        if begun is None:
            return
        self._interrupt(pid)
        self._finish(pid, begun, event.given, event.result)
        self._pending = None

    def _finish(
        self, pid: int, begun: e.SyscallEntered, given: tuple[bytes | None, ...] | None, result: int | None
    ) -> None:
        row = _row(begun.nr)
        column = len(f"[pid {pid:5}] ") if len(self._tasks) > 1 else 0
        if row is None:
            self._line(pid, format_unknown(begun.nr, begun.args, result, column))
        elif pid in self._unfinished:
            self._unfinished.discard(pid)
            self._line(pid, format_resumed(row, begun.args, begun.taken, given, result, column))
        else:
            self._line(pid, format_call(row, begun.args, begun.taken, given, result, column))

    def _delivered(self, pid: int, event: e.SignalDelivered) -> None:
        if event.signo == SIGKILL:  # strace is not asked about it
            return
        self._interrupt(None)
        sender, uid, status, address, value = (*event.info, 0, 0, 0, 0, 0)[:5]
        info = Siginfo(
            si_signo=event.signo,
            si_code=event.code,
            si_pid=sender,
            si_uid=uid,
            si_status=status,
            si_addr=address,
            si_value=value,
        )
        self._line(event.task, format_signal(info))

    def _stopped(self, pid: int, event: e.TaskStopped) -> None:
        self._interrupt(None)
        self._line(event.task, format_stopped(event.signo))

    def _ended(self, pid: int, event: e.TaskExited) -> None:
        begun = self._open.pop(event.task, None)
        self._interrupt(event.task)
        if begun is not None:
            self._finish(event.task, begun, None, None)
        if self._pending == event.task:
            self._pending = None
        self._line(event.task, format_exit(event.status))
        self._tasks.discard(event.task)


def _row(number: int) -> Row | None:
    return TABLE[number] if 0 <= number < len(TABLE) else None


_HANDLERS: dict[type, Any] = {
    e.TaskCreated: Tracer._created,
    e.ProgramExecuted: Tracer._executed,
    e.SyscallEntered: Tracer._entered,
    e.SyscallExited: Tracer._exited,
    e.SignalDelivered: Tracer._delivered,
    e.TaskStopped: Tracer._stopped,
    e.TaskExited: Tracer._ended,
}
