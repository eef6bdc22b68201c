"""The lines at the edges: where we are (header), what can be done (footer), which panes there are (tabs)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from app.panes.moment import Moment, letter_style, task_name
from app.panes.row import EMPTY, Row, Span, cells, padded, row, short, width_of
from app.state.state import IDLE, INIT, State
from app.units import count, duration
from kernel.describe import RUNNABLE, SLEEPING, STOPPED, TRACED, ZOMBIE, TaskView

if TYPE_CHECKING:
    from app.actions import Action

STATES = {RUNNABLE: "◐", SLEEPING: "○", STOPPED: "■", TRACED: "◧", ZOMBIE: "✕"}
RUNNING = "●"
STATUSES = {"live": "● live", "past": "◀ past", "replay": "▷ recording"}
TASKS_SHOWN = 6
BRANCH_SHOWN = 16


def header_row(now: Moment, width: int) -> Row:
    """Program, who runs, ring, and where in time. What does not fit goes, the least important first."""
    regs = now.regs
    program = row(Span(" int80 ", "bold"), Span("▸ ", "dim"), Span(short(now.title, 24), "bold"))
    ring: Row = EMPTY
    if regs is not None:
        name, fill = ("user", "░░ ") if regs.cpl else ("kernel", "▓▓ ")
        ring = row(Span(f" ring {regs.cpl} {fill if width >= 72 else ''}{name} ", f"{name} on_{name} bold"))
    words = f"▶ {now.playing}" if now.playing else f"❚❚ paused {now.speed}".rstrip()
    play = row(
        Span(words if width >= 72 else words.partition(" ")[0], "good bold" if now.playing else "bold")
    )
    word = STATUSES.get(now.status, now.status)
    on = f" · {short(now.branch, BRANCH_SHOWN)}" if now.branch and width >= 100 else ""
    status = row(Span(word + on, "good" if now.status == "live" else "mark"))
    event = row(Span("event ", "dim"), Span(f"{count(now.cursor.seq)}/{count(now.length)}"))
    tick = row(Span("tick ", "dim"), Span(count(now.cursor.tick)))
    time = row(Span(duration(now.cursor.tick)))
    gap = 3 if width >= 120 else 2
    left = width - sum(width_of(part) + gap for part in (program, ring, event, play, status)) - 6
    has_time = left >= width_of(time) + gap + 24
    has_tick = has_time and left >= width_of(time) + width_of(tick) + 2 * gap + 40
    left -= (width_of(time) + gap if has_time else 0) + (width_of(tick) + gap if has_tick else 0)
    middle = joined([program, task_spans(now.state, left), ring], gap)
    ends = [event, *((tick,) if has_tick else ()), *((time,) if has_time else ()), play, status]
    tail = (*joined(ends, gap), Span(" "))
    return (*padded(middle, max(width - width_of(tail), 0)), *tail)


def joined(parts: Sequence[Row], gap: int) -> Row:
    """Rows one after the other with a gap between them; empty ones are left out."""
    found: list[Span] = []
    for part in parts:
        if part:
            found += [Span(" " * gap), *part] if found else part
    return tuple(found)


def task_spans(state: State, width: int) -> Row:
    """Each process with its letter, what it does and what it waits for, as many as fit; who runs comes first
    where there is no room for all."""
    tasks = [task for pid, task in state.machine.tasks.items() if pid not in (IDLE, INIT)]
    every = joined([task_row(state, task) for task in tasks[:TASKS_SHOWN]], 3)
    if len(tasks) <= TASKS_SHOWN and width_of(every) <= width:
        return every
    tasks.sort(key=lambda task: task.pid != state.machine.current)
    for shown in range(min(len(tasks), TASKS_SHOWN), 0, -1):
        rest = (Span(f"+{len(tasks) - shown}", "dim"),) if shown < len(tasks) else EMPTY
        some = joined([*(task_row(state, task) for task in tasks[:shown]), rest], 2)
        if width_of(some) <= width:
            return some
    return row(*task_row(state, tasks[0])[::2]) if tasks else EMPTY


def task_row(state: State, task: TaskView) -> Row:
    running = state.machine.current == task.pid and task.state == RUNNABLE
    glyph = RUNNING if running else STATES.get(task.state, "?")
    style = letter_style(state, task.pid)
    on = f" {queue_word(task.on[0])}" if task.on else ""
    if task.state == SLEEPING and not task.on:
        on = " time"
    return row(
        Span(task_name(state, task.pid), style + " bold", f"task:{task.pid}"),
        Span(f" {short(task.comm, 12)}", "" if running else "soft"),
        Span(f" {glyph}{on}", style if running else "dim"),
    )


def queue_word(queue: str) -> str:
    """A wait queue in a word; its number where there may be several to tell apart."""
    kind, _, number = queue.removesuffix(":read").removesuffix(":write").partition(":")
    if queue.startswith("tty:0"):
        return "console"
    return f"{kind}:{number}" if number.isdigit() and kind not in ("child", "vfork") else kind


def footer_row(actions: Sequence[tuple[str, str, str]], width: int, notice: str = "") -> Row:
    """Keys and what they do, as many as fit (help and quit always); what was just said at the right."""
    room = width - 1 - (cells(notice) + 2 if notice else 0)
    needed = [item for item in actions if item[2] in ALWAYS]
    room -= sum(_item_width(item) for item in needed)
    shown: list[tuple[str, str, str]] = []
    for item in actions:
        if item not in needed:
            if _item_width(item) > room:
                break
            room -= _item_width(item)
            shown.append(item)
    spans: list[Span] = [Span(" ")]
    for keys, label, subject in (*shown, *(needed if room >= 0 else ())):
        spans += [Span(keys, "mark", subject), Span(f" {label}  ", "dim")]
    if notice:
        left = width - width_of(tuple(spans)) - 1
        text = short(notice, max(left, 0))
        spans += [Span(" " * max(left - cells(text), 0)), Span(text, "mark")]
    return tuple(spans)


ALWAYS = ("action:help", "action:quit")


def _item_width(item: tuple[str, str, str]) -> int:
    return len(item[0]) + len(item[1]) + 3


@cache
def footer_items(actions: tuple[Action, ...]) -> list[tuple[str, str, str]]:
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
    """The panes by key and name, the one in sight marked; where there is no room, those around it."""
    items: list[Row] = []
    for name, key, label in panes:
        here = name == current
        marked = Span(f"▸{label}" if here else f" {label}", "mark chosen" if here else "soft", f"pane:{name}")
        items.append(row(Span(f"{key} ", "dim"), marked, Span("  ")))
    at = next((n for n, (name, _, _) in enumerate(panes) if name == current), 0)
    first = 0
    while first < at and sum(width_of(one) for one in items[first : at + 2]) + 3 > width:
        first += 1
    last, left = first, width - 4
    while last < len(items) and (left := left - width_of(items[last])) >= (
        0 if last + 1 < len(items) else -4
    ):
        last += 1
    shown = [span for one in items[first : max(last, at + 1)] for span in one]
    more = Span("…" if last < len(items) else "", "dim")
    return padded((Span("… " if first else " ", "dim"), *shown, more), width)
