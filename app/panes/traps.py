"""Traps: the way of the current trap, step by step; the 256 gates; the table of system calls."""

from __future__ import annotations

from functools import lru_cache

from app.panes.base import Pane
from app.panes.cpu import STOP, call_of
from app.panes.moment import Moment, letter_style, task_name
from app.panes.row import EMPTY, Lazy, Row, Sheet, Span, cells, row, short
from app.view import View
from app.way import Phase, Step, Way, way_of
from app.words import EXCEPTION_NAMES
from kernel.boot import INTERRUPTS, SYSCALL_VECTOR
from kernel.table import TABLE, Category

PATH, GATES, CALLS = range(3)
VIEWS = ("the way of a trap", "gates", "system calls")
MARKS = {1: ("✓", "good"), 0: ("▶", "mark"), -1: ("·", "dim")}
NAME_WIDTH = 27
NAME_AT, CALL_NAME = 8, 20
NO_TRAP = ("No trap yet: the program runs in ring 3.", "No trap yet: no program has entered the kernel.")
WIDE_TABLE = 80
"""Columns from which on the categories are written in full."""
SHORT = {
    Category.PROCESS: "proc",
    Category.FILE: "file",
    Category.DEVICE: "dev",
    Category.INFORMATION: "info",
    Category.COMMUNICATION: "comm",
    Category.PROTECTION: "prot",
}


def rows(now: Moment, width: int, height: int, view: int = PATH) -> Sheet:
    """The picture that has its turn."""
    if view == GATES:
        return gate_sheet(now, width, height)
    if view == CALLS:
        return call_sheet(now, width, height)
    return path_sheet(now, width, height)


# The way of a trap.


def path_sheet(now: Moment, width: int, height: int) -> Sheet:
    way = way_of(now)
    if way is None and now.state.trap is not None:
        idle = row(Span("Nobody can run: the processor is halted.", "dim"))
        return Sheet([idle, EMPTY, *counts(now, width, height - 2)])
    if way is None:
        return Sheet(
            [
                row(Span(NO_TRAP[now.regs is not None and not now.regs.cpl], "dim")),
                row(Span("m goes to the next thing that happens, s to the next system call.", "dim")),
            ]
        )
    spare = height - len(way.steps) - 2
    found = [heading(now, way)]
    if spare >= 1:
        found.append(EMPTY)
    found += [step_row(step, width) for step in way.steps]
    if spare >= 4:
        found += [EMPTY, *counts(now, width, spare - 1)]
    current = next((n for n, step in enumerate(way.steps) if step.done == 0), 0)
    top = 0 if len(found) <= height else max(0, current - height // 2)
    return Sheet(found, top)


def heading(now: Moment, way: Way) -> Row:
    trap = way.trap
    if way.number >= 0:
        call = call_of(way.number)
        name = f"__NR_{call.name}" if call is not None else "no such call"
        what = (Span(f"eax {trap.eax & 0xFFFF_FFFF:08x} → "), Span(name, "bold", f"sys:{way.number}"))
    else:
        what = (
            Span(f"vector {trap.vector:#04x} "),
            Span(vector_name(trap.vector), "bold", f"vector:{trap.vector}"),
        )
    end = "   over, it goes on elsewhere" if way.new else "   over, back where it came from"
    over = (Span(end, "dim"),) if way.phase is Phase.OVER else ()
    return row(Span("  "), *what, *over)


def step_row(step: Step, width: int) -> Row:
    mark, style = MARKS[step.done]
    number = f"{step.number:>2}" if step.number else "  "
    ink = {1: "", 0: "mark", -1: "dim"}[step.done]
    name_width = min(NAME_WIDTH, max(width // 2, 16))
    name = step.name
    room = width - 6
    if not step.detail:
        return row(
            Span(f"{mark} ", style), Span(f"{number} ", "dim"), Span(short(name, room), ink, step.subject)
        )
    gap = max(name_width - cells(name), 1)
    return row(
        Span(f"{mark} ", style),
        Span(f"{number} ", "dim"),
        Span(name, ink, step.subject),
        Span(" " * gap),
        Span(step.detail, "dim" if step.done < 0 else "" if step.done == 0 else "soft"),
    )


def counts(now: Moment, width: int, room: int) -> list[Row]:
    """System calls and vectors so far, the most frequent first."""
    state = now.state
    calls = sorted(state.calls.items(), key=lambda item: (-item[1], item[0]))
    vectors = sorted(state.vectors.items(), key=lambda item: (-item[1], item[0]))
    left = [("system calls so far", None, 0), *((_call_name(nr), nr, times) for nr, times in calls)]
    right = [("vectors so far", None, 0), *((vector_name(v), v, times) for v, times in vectors)]
    half = max((width - 4) // 2, 20)
    return [
        (Span("  "), *_count(left, n, half, "sys"), *_count(right, n, half, "vector"))
        for n in range(min(max(len(left), len(right)), room))
    ]


def _count(items: list[tuple[str, int | None, int]], n: int, width: int, kind: str) -> Row:
    if n >= len(items):
        return (Span(" " * width),)
    name, number, times = items[n]
    if number is None:
        return (Span(f"{name:<{width}}", "title"),)
    name = short(name, width - 9)
    return (
        Span(f"{times:>6} ", ""),
        Span(name, "", f"{kind}:{number}"),
        Span(" " * max(width - 7 - cells(name), 0)),
    )


def _call_name(number: int) -> str:
    call = call_of(number)
    return call.name if call is not None else f"{number} (no such call)"


# Gates.


def vector_name(vector: int) -> str:
    if vector < 0:
        return "sysenter"
    if vector < len(EXCEPTION_NAMES):
        return EXCEPTION_NAMES[vector]
    if vector == SYSCALL_VECTOR:
        return "system call"
    return INTERRUPTS[vector].replace("_", " ") if vector in INTERRUPTS else ""


def gate_sheet(now: Moment, width: int, height: int) -> Sheet:
    view = now.view
    if view is None:
        return Sheet([row(Span("The machine is on its way there.", "dim"))])
    current = gate_in_use(now)
    present = [vector for vector in range(256) if view.gate(vector).present]
    absent = 256 - len(present)
    head = row(Span("  vector  selector:offset  dpl  kind       taken  leads to", "title"))
    body = [gate_row(now, view, vector, vector == current) for vector in present]
    tail = [EMPTY, row(Span(f"  The other {absent} are not present: taking one is #NP (0x0b).", "dim"))]
    at = present.index(current) if current in present else 0
    top = 0 if len(body) + 3 <= height else max(0, at - height // 2)
    return Sheet([*body, *tail], top, (head,))


def gate_in_use(now: Moment) -> int:
    """The vector of the trap that is going on, -1 when there is none."""
    way = way_of(now)
    return way.trap.vector if way is not None and way.phase is not Phase.OVER else -1


def gate_row(now: Moment, view: View, vector: int, here: bool) -> Row:
    gate = view.gate(vector)
    taken = now.state.vectors.get(vector, 0)
    style = "mark" if here else ""
    dpl = Span(f"{gate.dpl}", "user" if gate.dpl == 3 else "kernel")
    return row(
        Span("▶" if here else " ", "mark"),
        Span(STOP if vector in now.stops("gate") else " ", "error"),
        Span(f"{vector:#04x}", style, f"gate:{vector}"),
        Span(f"    {gate.selector:04x}:{gate.offset:08x}    ", "dim" if not taken and not here else style),
        dpl,
        Span(f"   {'interrupt' if gate.interrupt else 'trap':<9}", style),
        Span(f"{taken or '·':>7}", "" if taken else "dim"),
        Span(f"  {view.label(gate.offset)}", "kernel"),
        Span(f"  {vector_name(vector)}", "dim"),
    )


# System calls.


@lru_cache(maxsize=1)
def _implemented() -> frozenset[str]:
    from kernel.syscalls.registry import handlers

    return frozenset(handlers())


@lru_cache(maxsize=1)
def _numbers() -> tuple[int, ...]:
    return tuple(number for number, call in enumerate(TABLE) if call is not None)


def call_sheet(now: Moment, width: int, height: int) -> Sheet:
    numbers = _numbers()
    current = call_in_use(now)
    top = 0
    if current in numbers:
        page = max(height - 1, 1)
        top = numbers.index(current) // page * page
    head = row(Span(_call_line("nr", "name", "calls", "errors", "kind", "Win32", width, " "), "title"))

    def make(n: int) -> Row:
        return call_row(now, numbers[n], width, numbers[n] == current)

    return Sheet(Lazy(len(numbers), make), top, (head,))


def call_in_use(now: Moment) -> int:
    way = way_of(now)
    return way.number if way is not None else -1


def call_row(now: Moment, number: int, width: int, here: bool) -> Row:
    call = TABLE[number]
    assert call is not None
    known = call.name in _implemented()
    times, errors = now.state.calls.get(number, 0), now.state.errors.get(number, 0)
    category = call.category.value if width >= WIDE_TABLE else SHORT[call.category]
    text = _call_line(
        str(number),
        call.name,
        str(times or "·"),
        str(errors or "·"),
        category,
        call.win32,
        width,
        "✓" if known else "·",
    )
    style = "mark" if here else "" if times else "soft" if known else "dim"
    end = NAME_AT + min(len(call.name), CALL_NAME)
    return row(
        Span("▶" if here else " ", "mark"),
        Span(STOP if number in now.stops("sys") else " ", "error"),
        Span(text[2:NAME_AT], style),
        Span(text[NAME_AT:end], f"{style} bold" if times else style, f"sys:{number}"),
        Span(text[end:], style),
    )


def _call_line(
    number: str, name: str, times: str, errors: str, category: str, win32: str, width: int, known: str
) -> str:
    text = f"  {number:>3} {known} {short(name, CALL_NAME):<{CALL_NAME}}{times:>7}{errors:>7}"
    if width >= 52:
        text += f"  {category:<13}" if width >= WIDE_TABLE else f"  {category:<5}"
    return f"{text} {win32}" if width >= 60 else text


class Traps(Pane):
    """Three pictures of how the kernel is entered; `v` turns them over."""

    label = "Traps"
    key = "F2"
    views = VIEWS

    def sheet(self, now: Moment, width: int, height: int) -> Sheet:
        return rows(now, width, height, self.view)

    def title(self, now: Moment) -> Row:
        if self.view != PATH:
            return row(Span(f"Traps: {VIEWS[self.view]}", "title"))
        way = way_of(now)
        if way is None:
            return row(Span("Traps", "title"))
        what = "int $0x80" if way.trap.vector == SYSCALL_VECTOR else vector_name(way.trap.vector)
        who = (
            now.pid
            if now.trap is not None
            else (now.state.trap_pid if way.trap is now.state.trap else now.pid)
        )
        return row(
            Span(f"Traps: {what} · ", "title"),
            Span(task_name(now.state, who), letter_style(now.state, who) + " bold"),
        )
