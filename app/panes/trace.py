"""Trace: system calls, signals and ends of processes as strace writes them, with their processes' letters."""

from __future__ import annotations

import msgspec

from app.panes.base import Pane
from app.panes.cpu import call_of
from app.panes.moment import Moment, letter_style, task_name
from app.panes.row import Lazy, Row, Sheet, Span, cells, row, short, width_of
from app.state.state import State, TraceLine
from app.strace import (
    format_call,
    format_exit,
    format_resumed,
    format_signal,
    format_stopped,
    format_unfinished,
    format_unknown,
)
from app.strace.text import hexadecimal, quote
from app.units import duration
from kernel.abi.errno import errno_of
from kernel.abi.signal import signal_name

TIMES_FROM = 100
"""Columns from which on there is room for the time."""
UNFINISHED = " <unfinished ...>"
EQUALS = " = "
ROOM = 12
"""Columns that the arguments keep at least."""


def rows(now: Moment, width: int, height: int) -> Sheet:
    """The kept lines of the trace, the last ones in sight."""
    state = now.state
    lines = state.trace.lines
    if not lines:
        return Sheet([row(Span("No system call yet.", "dim"))])
    current = current_line(state)
    return Sheet(
        Lazy(len(lines), lambda n: line_row(state, lines[n], lines[n] is current, width)),
        max(len(lines) - height, 0),
    )


def current_line(state: State) -> TraceLine | None:
    """The line of the call that the current task is in, else the last one."""
    trace = state.trace
    number = trace.open.get(state.machine.current, -1)
    found = trace.line(number) if number >= 0 else None
    return found or (trace.lines[-1] if trace.lines else None)


def line_row(state: State, line: TraceLine, here: bool, width: int) -> Row:
    letter = letter_style(state, line.pid)
    spans = [Span("▸ " if here else "  ", "mark"), Span(f"{task_name(state, line.pid):<3}", letter + " bold")]
    if width >= TIMES_FROM:
        tick = line.tick_end if line.kind == "resumed" else line.tick_begin
        spans.append(Span(f"{duration(tick):>10}  ", "dim"))
    text = line_text(line)
    if line.kind in ("syscall", "resumed"):
        return with_result((*spans, *_call_spans(line, text, here)), width)
    style = {"signal": "mark", "fault": "error", "stopped": "mark"}.get(line.kind, "dim")
    subject = f"signal:{line.signo}" if line.signo else ""
    return (*spans, Span(text, style, subject))


def with_result(one: Row, width: int) -> Row:
    """A line that is too long loses of its arguments, not its result."""
    *head, body, equals, last = one
    over = width_of(one) - width
    room = cells(body.text) - over
    if over <= 0 or equals.text != EQUALS or room < ROOM:
        return one
    return (*head, body._replace(text=short(body.text.rstrip(), room)), equals, last)


def _call_spans(line: TraceLine, text: str, here: bool) -> Row:
    separator = ">" if text.startswith("<...") else "("
    name, bracket, rest = text.partition(separator)
    style = "mark" if here else ""
    body, equals, result = rest.rpartition(EQUALS)
    head = Span(name, style, f"sys:{line.nr}")
    error = errno_of(line.result) if line.result is not None else 0
    if not equals:
        return (head, Span(bracket + rest, style))
    last = Span(result, "error", f"errno:{error}") if error else Span(result, style or "good")
    return (head, Span(bracket + body, style), Span(EQUALS, "dim"), last)


def line_text(line: TraceLine) -> str:
    """The line as strace has it, without pid and time. An open call ends where more is to come."""
    match line.kind:
        case "syscall" | "resumed":
            return _call(line)
        case "signal":
            return format_signal(line.signo, line.code, line.info)
        case "stopped":
            return format_stopped(line.signo)
        case "exit":
            return format_exit(line.result or 0)
        case "exec":
            return f"execve({quote(line.name.encode('utf-8', 'replace'))}) = 0"
        case _:
            where = hexadecimal(line.args[0]) if line.args else "?"
            return f"*** exception {line.nr} at {where} becomes {signal_name(line.signo)} ***"


def call_text(line: TraceLine) -> str:
    """The call of a line as C has it: closed, also while it has not ended."""
    whole = line
    if line.kind == "resumed":
        whole = msgspec.structs.replace(line, kind="syscall")
    text = line_text(whole).removesuffix(UNFINISHED).rstrip()
    call, equals, result = text.rpartition(EQUALS)
    if equals:
        text = call.rstrip() + equals + result
    if line.seq_end >= 0:
        return text
    return f"{text})" if not text.endswith(",") else f"{text} …)"


def _call(line: TraceLine) -> str:
    call = call_of(line.nr)
    ended = line.seq_end >= 0
    if call is None:
        text = format_unknown(line.nr, line.args, line.result)
        return text if ended else text.rpartition(" = ")[0].rstrip()
    if line.kind == "resumed":
        return format_resumed(call, line.args, line.taken, line.given, line.result)
    if not ended or line.unfinished:
        text = format_unfinished(call, line.args, line.taken)
        return text if line.unfinished else text.removesuffix(UNFINISHED)
    return format_call(call, line.args, line.taken, line.given, line.result)


class Trace(Pane):
    """What strace would say."""

    label = "Trace"
    key = "F4"

    def sheet(self, now: Moment, width: int, height: int) -> Sheet:
        return rows(now, width, height)
