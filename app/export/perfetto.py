"""A session as a Perfetto trace: a track for each process and thread, one for the processor, arrows between.

On a thread's track lie its system calls, within them what it waited for, and its signal handlers; a moment
each for bytes that go into a pipe or come out of it, and for a signal that is sent. Arrows lead from
where bytes went in to who takes the first of them out, and from where a signal is sent to its delivery.
Fields are numbered as in Perfetto's protos/perfetto/trace (track_event.proto, track_descriptor.proto).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, BinaryIO

from app.export import Wish
from app.export.protobuf import data, fixed, number, signed, text
from app.session.store import Session
from app.state.fold_trace import status_text
from app.state.state import TraceLine
from app.trace import call_name, result_text, trace_text
from app.words import EXCEPTION_NAMES
from cpu.events import TrapTaken
from kernel import events as e
from kernel.abi.signal import signal_name

PACKET = 1
TIMESTAMP, SEQUENCE, TRACK_EVENT, SEQUENCE_FLAGS, TRACK_DESCRIPTOR = 8, 10, 11, 13, 60
UUID, NAME, PROCESS, THREAD = 1, 2, 3, 4
P_PID, P_CMDLINE, P_NAME = 1, 2, 6
T_PID, T_TID, T_NAME = 1, 2, 5
NOTE, TYPE, TRACK, CATEGORY, EVENT_NAME, FLOW, FLOW_END = 4, 9, 11, 22, 23, 47, 48
NOTE_NAME, NOTE_NUMBER, NOTE_TEXT = 10, 4, 6
BEGIN, END, MOMENT = 1, 2, 3
ONE_SEQUENCE = 1
CLEARED = 1
CPU_TRACK = 1
PROCESS_TRACKS, THREAD_TRACKS = 1 << 32, 2 << 32
"""Track numbers: these and the pid."""


def write_perfetto(session: Session, wish: Wish, out: BinaryIO) -> None:
    rows = session.log.rows
    people = _People()
    for _, pid, event in rows():
        people.take(pid, event)
    for packet in people.tracks():
        out.write(packet)
    drawing = _Drawing(people)
    tick = 0
    for tick, pid, event in rows():
        for packet in drawing.take(tick, pid, event):
            out.write(packet)
    for packet in drawing.close(tick):
        out.write(packet)


def _packet(content: bytes, tick: int | None = None) -> bytes:
    head = number(TIMESTAMP, tick) if tick is not None else number(SEQUENCE_FLAGS, CLEARED)
    return data(PACKET, head + number(SEQUENCE, ONE_SEQUENCE) + content)


class _People:
    """Who there is in the whole session: names, threads, and whose process they are."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {0: "idle"}
        self.groups: dict[int, int] = {}
        self.arguments: dict[int, tuple[str, ...]] = {}

    def take(self, pid: int, event: Any) -> None:
        match event:
            case e.TaskCreated():
                self.names[event.child] = event.comm
                self.groups[event.child] = event.tgid
            case e.TaskRenamed():
                self.names[event.task] = event.comm
            case e.ProgramExecuted():
                self.names[event.task] = event.comm
                self.arguments[event.task] = event.argv

    def name(self, pid: int) -> str:
        return f"{self.names.get(pid, '?')} {pid}"

    def tracks(self) -> Iterator[bytes]:
        yield _packet(data(TRACK_DESCRIPTOR, number(UUID, CPU_TRACK) + text(NAME, "the processor")))
        for pid, tgid in sorted(self.groups.items()):
            if pid == 0:
                continue
            if pid == tgid:
                process = number(P_PID, pid) + text(P_NAME, self.names[pid])
                process += b"".join(text(P_CMDLINE, word) for word in self.arguments.get(pid, ()))
                content = number(UUID, PROCESS_TRACKS + pid) + data(PROCESS, process)
                yield _packet(data(TRACK_DESCRIPTOR, content))
            thread = number(T_PID, tgid) + number(T_TID, pid) + text(T_NAME, self.names[pid])
            yield _packet(data(TRACK_DESCRIPTOR, number(UUID, THREAD_TRACKS + pid) + data(THREAD, thread)))


class _Drawing:
    """Slices, moments and arrows, event by event."""

    def __init__(self, people: _People) -> None:
        self._people = people
        self._open: dict[int, list[tuple[str, int]]] = {}
        """By thread what is open on its track: call (with its number), wait, or handler (its frame)."""
        self._calls: dict[int, e.SyscallEntered] = {}
        self._returning: dict[int, int] = {}
        """By thread the frame that its sigreturn takes off."""
        self._running = 0
        self._arrows = 0
        self._bytes: dict[int, tuple[int, deque[tuple[int, int]]]] = {}
        """By pipe how many bytes came out, and for each message not taken: its first byte, its arrow."""
        self._put: dict[int, int] = {}
        self._signals: dict[tuple[int, int], deque[int]] = {}
        """Arrows of pending signals, by whose they are and number."""

    def take(self, tick: int, pid: int, event: Any) -> Iterator[bytes]:
        match event:
            case e.TaskSwitched():
                if self._running:
                    yield self._event(tick, CPU_TRACK, END)
                self._running = event.next
                if event.next:
                    yield self._event(tick, CPU_TRACK, BEGIN, self._people.name(event.next), "schedule")
            case e.SyscallEntered():
                yield from self._close_to(tick, pid, "wait")
                self._calls[pid] = event
                yield self._begin(tick, pid, "call", event.nr, call_name(event.nr), "syscall")
            case e.SyscallExited():
                yield from self._leave(tick, pid, event)
            case e.TaskBlocked():
                what = " or ".join(event.on) if event.on else "time"
                yield self._begin(tick, event.task, "wait", 0, f"waits for {what}", "wait")
            case e.TaskWoken():
                yield from self._close_to(tick, event.task, "wait")
            case e.PipeWritten():
                yield self._message_in(tick, pid, event)
            case e.PipeRead():
                yield self._message_out(tick, pid, event)
            case e.SignalGenerated():
                yield self._sent(tick, pid, event)
            case e.SignalDelivered():
                yield from self._delivered(tick, event)
            case e.SignalReturned():
                self._returning[event.task] = event.frame
            case e.FaultHandled() if event.signo:
                name = f"{EXCEPTION_NAMES[event.vector]} at {event.address:08x}"
                yield self._event(tick, THREAD_TRACKS + pid, MOMENT, name, "fault")
            case TrapTaken() if event.vector >= 0x20 and event.source:
                yield self._event(tick, CPU_TRACK, MOMENT, f"interrupt {event.vector:#x}", "interrupt")
            case e.ProgramExecuted():
                name = f"execve {event.path}"
                yield self._event(tick, THREAD_TRACKS + event.task, MOMENT, name, "process")
            case e.TaskCreated() if event.how != "boot":
                name = f"{event.how} → {event.child}"
                yield self._event(tick, THREAD_TRACKS + event.parent, MOMENT, name, "process")
            case e.TaskExited():
                while self._open.get(event.task):
                    yield self._end(tick, event.task)
                name = status_text(event.status)
                yield self._event(tick, THREAD_TRACKS + event.task, MOMENT, name, "process")

    def close(self, tick: int) -> Iterator[bytes]:
        """The session ends: so does all that is still open."""
        for pid, opened in self._open.items():
            while opened:
                yield self._end(tick, pid)
        if self._running:
            yield self._event(tick, CPU_TRACK, END)

    # Slices.

    def _begin(
        self, tick: int, pid: int, kind: str, which: int, name: str, category: str, more: bytes = b""
    ) -> bytes:
        self._open.setdefault(pid, []).append((kind, which))
        return self._event(tick, THREAD_TRACKS + pid, BEGIN, name, category, more)

    def _end(self, tick: int, pid: int, more: bytes = b"") -> bytes:
        self._open[pid].pop()
        return self._event(tick, THREAD_TRACKS + pid, END, more=more)

    def _close_to(self, tick: int, pid: int, kind: str) -> Iterator[bytes]:
        """End the innermost slice if it is of this kind."""
        opened = self._open.get(pid)
        if opened and opened[-1][0] == kind:
            yield self._end(tick, pid)

    def _leave(self, tick: int, pid: int, event: e.SyscallExited) -> Iterator[bytes]:
        yield from self._close_to(tick, pid, "wait")
        begun = self._calls.pop(pid, None)
        opened = self._open.get(pid)
        if opened and opened[-1][0] == "call":
            line = TraceLine("syscall", 0, pid, 0, 0, 0, tick, event.nr, begun.args if begun else ())
            line.taken, line.given, line.result = begun.taken if begun else (), event.given, event.result
            note = _note("call", trace_text(line)) + _note("result", result_text(line))
            yield self._end(tick, pid, note)
        frame = self._returning.pop(pid, None)
        if frame is not None:
            yield from self._handlers_up_to(tick, pid, frame)

    def _handlers_up_to(self, tick: int, pid: int, frame: int) -> Iterator[bytes]:
        """The handler of this frame is over, and what was begun in it and never left (by longjmp)."""
        opened = self._open.get(pid, [])
        if ("handler", frame) in opened:
            while True:
                last = opened[-1]
                yield self._end(tick, pid)
                if last == ("handler", frame):
                    return

    def _delivered(self, tick: int, event: e.SignalDelivered) -> Iterator[bytes]:
        pid, name = event.task, signal_name(event.signo)
        group = self._people.groups.get(pid, pid)
        ends = b""
        for whose in ((pid, event.signo), (-group, event.signo)):
            if self._signals.get(whose):
                ends = fixed(FLOW_END, self._signals[whose].popleft())
                break
        if event.action == "handler" and event.frame:
            for kind, frame in reversed(self._open.get(pid, [])):
                if kind == "handler" and frame <= event.frame:  # left without sigreturn
                    yield from self._handlers_up_to(tick, pid, frame)
            yield self._begin(tick, pid, "handler", event.frame, f"{name} handler", "signal", ends)
        else:
            yield self._event(tick, THREAD_TRACKS + pid, MOMENT, f"{name}: {event.action}", "signal", ends)

    # Moments with arrows.

    def _arrow(self) -> int:
        self._arrows += 1
        return self._arrows

    def _message_in(self, tick: int, pid: int, event: e.PipeWritten) -> bytes:
        arrow = self._arrow()
        _, waiting = self._bytes.setdefault(event.pipe, (0, deque()))
        start = self._put.get(event.pipe, 0)
        self._put[event.pipe] = start + len(event.data)
        waiting.append((start, arrow))
        name = f"{len(event.data)} bytes → pipe {event.pipe}"
        return self._event(tick, THREAD_TRACKS + pid, MOMENT, name, "message", fixed(FLOW, arrow))

    def _message_out(self, tick: int, pid: int, event: e.PipeRead) -> bytes:
        out, waiting = self._bytes.get(event.pipe, (0, deque()))
        out += event.count
        ends = b""
        while waiting and waiting[0][0] < out:
            ends += fixed(FLOW_END, waiting.popleft()[1])
        self._bytes[event.pipe] = (out, waiting)
        name = f"{event.count} bytes ← pipe {event.pipe}"
        return self._event(tick, THREAD_TRACKS + pid, MOMENT, name, "message", ends)

    def _sent(self, tick: int, pid: int, event: e.SignalGenerated) -> bytes:
        more = b""
        if not event.ignored:
            arrow = self._arrow()
            whose = -self._people.groups.get(event.task, event.task) if event.shared else event.task
            self._signals.setdefault((whose, event.signo), deque()).append(arrow)
            more = fixed(FLOW, arrow)
        name = f"{signal_name(event.signo)} → {self._people.name(event.task)}"
        track = THREAD_TRACKS + (pid or event.task)
        return self._event(tick, track, MOMENT, name, "signal", more)

    def _event(
        self, tick: int, track: int, kind: int, name: str = "", category: str = "", more: bytes = b""
    ) -> bytes:
        content = number(TYPE, kind) + number(TRACK, track) + more
        if name:
            content += text(CATEGORY, category) + text(EVENT_NAME, name)
        return _packet(data(TRACK_EVENT, content), tick)


def _note(name: str, value: str | int) -> bytes:
    """A debug annotation, which the UI shows under Arguments."""
    shown = text(NOTE_TEXT, value) if isinstance(value, str) else signed(NOTE_NUMBER, value)
    return data(NOTE, text(NOTE_NAME, name) + shown)
