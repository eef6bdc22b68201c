"""The lines at the edges: the header says where we are, the footer what can be done, the tabs which panes there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.panes.moment import Moment, letter_style, task_name
from app.panes.row import EMPTY, Row, Span, padded, row, short, width_of
from app.state.state import IDLE, INIT, State
from app.units import count, duration
from kernel.describe import RUNNABLE, SLEEPING, STOPPED, ZOMBIE, TaskView

if TYPE_CHECKING:
    from app.actions import Action

STATES = {RUNNABLE: "◐", SLEEPING: "○", STOPPED: "■", ZOMBIE: "✕"}
RUNNING = "●"
STATUSES = {"live": "● live", "past": "◀ past", "replay": "▷ recording"}
TASKS_SHOWN = 6


def header_row(now: Moment, width: int) -> Row:
    """Program, processes, ring, and where in time. What does not fit goes, the least important first."""
    left = row(Span(" int80 ", "bold"), Span("▸ ", "dim"), Span(now.title, "bold"))
    regs = now.regs
    ring: Row = EMPTY
    if regs is not None:
        ring = (
            row(Span(" ring 0 ▓▓ kernel ", "kernel on_kernel bold"))
            if not regs.cpl
            else row(Span(f" ring {regs.cpl} ░░ user ", "user on_user bold"))
        )
    play = row(Span(f"▶ {now.playing}" if now.playing else "❚❚ paused", "good bold" if now.playing else "bold"))
    status = row(Span(STATUSES.get(now.status, now.status), "good" if now.status == "live" else "mark"))
    event = row(Span("event ", "dim"), Span(f"{count(now.cursor.seq)}/{count(now.length)}"))
    tick = row(Span("tick ", "dim"), Span(count(now.cursor.tick)))
    time = row(Span(duration(now.cursor.tick)))
    gap = Span("   ")
    must = width_of(left) + width_of(ring) + width_of(play) + 6
    right: list[Row] = [play]
    for part in (event, status, time, tick):
        if must + width_of(part) + 3 <= width:
            right.insert(0, part) if part is not status else right.append(part)
            must += width_of(part) + 3
    order = [part for part in (event, tick, time) if part in right]
    tail: list[Span] = []
    for part in (*order, play, *((status,) if status in right else ())):
        tail += [gap, *part]
    tail.append(Span(" "))
    tasks = task_spans(now.state, width - width_of(left) - width_of(ring) - width_of(tuple(tail)) - 8)
    middle = (*left, gap, *tasks, gap, *ring) if tasks else (*left, gap, *ring)
    room = width - width_of(tuple(tail))
    return (*padded(middle, max(room, 0)), *tail) if room > 8 else padded(left, width)


def task_spans(state: State, width: int) -> Row:
    """Each process with its letter, what it does and what it waits for, as many as fit."""
    tasks = [task for pid, task in state.machine.tasks.items() if pid not in (IDLE, INIT)]
    spans: list[Span] = []
    for n, task in enumerate(tasks):
        one = task_row(state, task)
        rest = len(tasks) - n - 1
        if width_of((*spans, *one)) + 2 + (4 if rest else 0) > width or n >= TASKS_SHOWN:
            spans.append(Span(f" +{len(tasks) - n}", "dim"))
            return tuple(spans) if width > 4 else EMPTY
        spans += [*one, Span("   ")]
    return tuple(spans[:-1])


def task_row(state: State, task: TaskView) -> Row:
    running = state.machine.current == task.pid and task.state == RUNNABLE
    glyph = RUNNING if running else STATES.get(task.state, "?")
    style = letter_style(state, task.pid)
    on = " " + task.on[0].removesuffix(":read").removesuffix(":write") if task.on else ""
    if task.state == SLEEPING and not task.on:
        on = " time"
    return row(
        Span(task_name(state, task.pid), style + " bold", f"task:{task.pid}"),
        Span(f" {short(task.comm, 12)} ", "" if running else "soft"),
        Span(f"{glyph}{on}", style if running else "dim"),
    )


def footer_row(actions: Sequence[tuple[str, str, str]], width: int, notice: str = "") -> Row:
    """Keys and what they do, as many as fit; what was just said instead of them at the right."""
    room = width - (len(notice) + 3 if notice else 0)
    spans: list[Span] = [Span(" ")]
    used = 1
    for keys, label, subject in actions:
        length = len(keys) + len(label) + 3
        if used + length > room:
            break
        spans += [Span(keys, "mark", subject), Span(f" {label}  ", "dim")]
        used += length
    if notice:
        spans += [Span(" " * max(width - used - len(notice) - 2, 0)), Span(short(notice, width - 2), "mark")]
    return tuple(spans)


def footer_items(actions: Sequence[Action]) -> list[tuple[str, str, str]]:
    """Both directions of a key as one item: `i/I instruction`."""
    found: list[tuple[str, str, str]] = []
    for action in actions:
        if not action.footer:
            continue
        other = next((one for one in actions if one.back_of == action.name), None)
        keys = f"{action.shown}/{other.shown}" if other is not None else action.shown
        found.append((keys, action.footer, f"action:{action.name}"))
    return found


def tab_row(panes: Sequence[tuple[str, str, str]], current: str, width: int) -> Row:
    """The panes by key and name, the one in sight marked."""
    spans: list[Span] = [Span(" ")]
    for name, key, label in panes:
        here = name == current
        spans += [
            Span(f"{key} ", "dim"),
            Span(f"▸{label}" if here else f" {label}", "mark chosen" if here else "soft", f"pane:{name}"),
            Span("  "),
        ]
    return padded(tuple(spans), width)
