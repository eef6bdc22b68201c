"""IPC: processes and the channels between them as a graph, and all about the channel that is chosen.

Pipes stand between processes and are tied to them by lines with the descriptors; the console and the streams,
which nearly everybody holds, are named in the boxes. Where a node has its place is `app.graph`'s business.
"""

from __future__ import annotations

from app.graph import LEFT, Layout, Link, Places, edges_of, links, nodes_of, place, tasks_of
from app.panes.bars import RUNNING, STATES
from app.panes.base import Pane
from app.panes.canvas import Canvas
from app.panes.channels import (
    at_hand,
    channel_facts,
    channel_name,
    channel_reads,
    channels,
    device_traffic,
    fd_text,
    fifo_path,
    fresh,
    kind_text,
    openers,
    sleepers,
    socket_name,
    times_text,
    waiting_bytes,
)
from app.panes.moment import Moment, letter_style, task_name
from app.panes.row import EMPTY, Row, Sheet, Span, row, short, wrapped
from app.panes.waiting import call_name
from app.source import printable
from app.strace.text import quote
from app.units import count
from kernel.describe import RUNNABLE, SLEEPING, ZOMBIE, PipeView, TaskView

BOX = 4
"""Rows of a box; the next one stands right below."""
LANES = 3
"""Columns of a gutter in which lines go up and down."""
FACT = 15
READ_ON = 0.05
"""Seconds until the next piece of a long log is read."""


def rows(now: Moment, width: int, height: int, places: Places | None = None, chosen: str = "") -> Sheet:
    """The graph, a line for each device, and what is known of channel `chosen` ('' for whichever is at
    hand)."""
    state = now.state
    tied = links(state)
    before = places.at(now.cursor.seq) if places is not None else {}
    layout = place(before, nodes_of(state), edges_of(state))
    if not layout:
        return Sheet([row(Span("No process is there.", "dim"))])
    known = channels(state, tied)
    if chosen not in known:
        chosen = at_hand(state, known)
    found = graph_rows(now, layout, tied, width)
    found += [device_row(now, channel, tied) for channel in known if not channel.startswith("pipe:")]
    if chosen:
        found += [EMPTY, *fact_rows(now, chosen, tied, places, width)]
    else:
        found += [EMPTY, row(Span("Nobody holds a channel.", "dim"))]
    return Sheet(found)


# The graph.


def graph_rows(now: Moment, layout: Layout, tied: list[Link], width: int) -> list[Row]:
    gutter = min(max(width * 15 // 100, 8), 16)
    middle = min(max(width * 28 // 100, 14), 30)
    side = min(max((width - middle - 2 * gutter) // 2, 8), 26)
    columns = (0, side + gutter, side + 2 * gutter + middle)
    canvas = Canvas(columns[2] + side, BOX * (max(at.slot for at in layout.values()) + 1))
    ports = ports_of(tied, layout)
    for pid in tasks_of(now.state):
        at = layout[f"task:{pid}"]
        named = [link for link in tied if link.pid == pid and (pid, link.channel) not in ports]
        _task_box(canvas, now, pid, named, columns[at.column], at.slot * BOX, side)
    for number, pipe in now.state.machine.pipes.items():
        at = layout[f"pipe:{number}"]
        _pipe_box(canvas, now, number, pipe, columns[1], at.slot * BOX, middle)
    for lane, number in enumerate(sorted(now.state.machine.pipes)):
        for column in (LEFT, 2):
            mine = [
                link
                for link in tied
                if link.channel == f"pipe:{number}"
                and layout[f"task:{link.pid}"].column == column
                and (link.pid, link.channel) in ports
            ]
            inner = side if column == LEFT else columns[2] - 1
            outer = columns[1] - 1 if column == LEFT else columns[1] + middle
            _wire(canvas, now, mine, layout, ports, (inner, outer), lane)
    return canvas.rows()


def ports_of(tied: list[Link], layout: Layout) -> dict[tuple[int, str], int]:
    """From which row of its process's box the line to a pipe goes out; some find none.

    The first row is for the pipe that stands right beside the box: its line goes straight.
    """
    found: dict[tuple[int, str], int] = {}
    beside = {at.slot for node, at in layout.items() if node.startswith("pipe:")}
    free: dict[int, list[int]] = {}
    pipes = [link for link in tied if link.channel.startswith("pipe:")]
    for link in sorted(pipes, key=lambda link: int(link.channel.partition(":")[2])):
        slot = layout[f"task:{link.pid}"].slot
        rows_left = free.setdefault(link.pid, [1] if slot in beside else [1, 0])
        if layout[link.channel].slot == slot:
            found[link.pid, link.channel] = 0
        elif rows_left:
            found[link.pid, link.channel] = rows_left.pop(0)
    return found


def _task_box(canvas: Canvas, now: Moment, pid: int, named: list[Link], x: int, y: int, width: int) -> None:
    state = now.state
    task = state.machine.tasks[pid]
    running = pid == state.machine.current and task.state == RUNNABLE
    colour = letter_style(state, pid)
    canvas.box(x, y, width, BOX, colour if running else "rule")
    canvas.put(x + 1, y, " ", "")
    title = (Span(task_name(state, pid), f"{colour} bold", f"task:{pid}"), Span(f" {task.comm} "))
    canvas.title(x + 2, y, title, width - 4)
    glyph = RUNNING if running else STATES.get(task.state, "?")
    doing = short(f"{glyph} {doing_text(task, running, width - 4)}", width - 2)
    canvas.put(x + 1, y + 1, doing, colour if running else "dim" if task.state == ZOMBIE else "")
    names = [f"{channel_name(link.channel)} {fd_text(link.fds)}" for link in named]
    canvas.put(x + 1, y + 2, short(", ".join(names), width - 2), "soft")


def doing_text(task: TaskView, running: bool, room: int) -> str:
    """What a task is at; beside a system call the glyph has to say the state if there is no room for more."""
    call = call_name(task)
    if running:
        return call or "runs"
    state = {RUNNABLE: "ready", SLEEPING: "asleep"}.get(task.state, task.state)
    if not call:
        return state
    return f"{call}, {state}" if len(call) + len(state) + 2 <= room else call


def _pipe_box(canvas: Canvas, now: Moment, number: int, pipe: PipeView, x: int, y: int, width: int) -> None:
    channel = f"pipe:{number}"
    last = fresh(now)
    moved = last is not None and last.channel == channel
    style = "changed" if moved else "soft"
    canvas.box(x, y, width, BOX, style, heavy=True)
    canvas.put(x + 1, y, " ", "")
    name = fifo_path(now.state, number).rpartition("/")[2]
    title = Span(f"pipe {number}", "bold", f"channel:{channel}")
    canvas.title(x + 2, y, (title, Span(f" {name} " if name else " ")), width - 4)
    inner = width - 2
    amount = f" {len(pipe.data)}/{pipe.capacity}"
    bar = max(inner - len(amount), 0)
    full = min(-(-len(pipe.data) * bar // max(pipe.capacity, 1)), bar)
    canvas.put(x + 1, y + 1, "█" * full + "░" * (bar - full), style)
    canvas.put(x + 1 + bar, y + 1, short(amount, inner), style if moved else "")
    canvas.put(x + 1, y + 2, short(contents_text(pipe.data, inner), inner), style if pipe.data else "dim")
    asleep = [
        f"○{task_name(now.state, task.pid)} {end}s"
        for end in ("read", "write")
        for task in sleepers(now.state, channel, end)
    ]
    if pipe.fifo:
        asleep += [f"○{task_name(now.state, task.pid)} opens" for task in openers(now.state, pipe)]
    if asleep:
        canvas.put(x + 2, y + 3, short(f" {' '.join(asleep)} ", width - 4), "mark")


def contents_text(data: bytes, room: int) -> str:
    """The front of a buffer: as a string where it is text, else in hexadecimal."""
    if not data:
        return "empty"
    head = data[:room]
    if is_text(head):
        return quote(head)
    return head.hex(" ")


def is_text(data: bytes) -> bool:
    return all(0x20 <= byte < 0x7F or byte in b"\n\r\t" for byte in data)


def _wire(
    canvas: Canvas,
    now: Moment,
    mine: list[Link],
    layout: Layout,
    ports: dict[tuple[int, str], int],
    gutter: tuple[int, int],
    number: int,
) -> None:
    """The lines between one pipe and the processes on one side of it: a lane up and down, and their ends."""
    if not mine:
        return
    task_x, pipe_x = gutter
    inward = 1 if task_x < pipe_x else -1
    pipe_y = layout[mine[0].channel].slot * BOX + 1
    lane = pipe_x - inward * (number % LANES)
    last = fresh(now)
    moved = last is not None and last.channel == mine[0].channel
    style = "changed" if moved else "soft"
    taps: dict[int, tuple[bool, bool]] = {}

    def tap(y: int, left: bool) -> None:
        one, other = taps.get(y, (False, False))
        taps[y] = one or left, other or not left

    def line(start: int, end: int, y: int, ink: str) -> None:
        canvas.across(min(start, end), max(start, end) + 1, y, ink)

    for link in mine:
        y = layout[f"task:{link.pid}"].slot * BOX + 1 + ports[link.pid, link.channel]
        own = "changed" if moved and last is not None and last.pid == link.pid else "soft"
        if task_x != lane:
            line(task_x, lane - inward, y, own)
        tap(y, inward > 0)
        room = abs(lane - task_x)
        label = short(end_text(link, inward > 0), room)
        if inward > 0:
            canvas.put(task_x + 1 if room > len(label) else task_x, y, label, own)
        else:
            canvas.put(task_x - len(label) + (0 if room > len(label) else 1), y, label, own)
    if lane != pipe_x:
        line(lane + inward, pipe_x, pipe_y, style)
    tap(pipe_y, inward < 0)
    if len(taps) == 1:
        line(lane, lane, pipe_y, style)
    else:
        canvas.bus(lane, taps, style)


def end_text(link: Link, leftmost: bool) -> str:
    """Descriptors with arrows in the direction in which bytes go."""
    into, out = ("◀", "▶") if leftmost else ("▶", "◀")
    parts = []
    if link.reads:
        parts.append(f"{into}{fd_text(link.reads)}")
    if link.writes:
        parts.append(f"{fd_text(link.writes)}{out}" if leftmost else f"{out}{fd_text(link.writes)}")
    return " ".join(parts if leftmost else reversed(parts))


# Terminals and streams.


def device_row(now: Moment, channel: str, tied: list[Link]) -> Row:
    """One line: who holds it, what has gone through, who sleeps on it."""
    state = now.state
    came, went = device_traffic(state, channel)
    spans = [Span(f"{channel_name(channel):<11} ", "bold", f"channel:{channel}")]
    for link in tied:
        if link.channel == channel:
            spans += [
                Span(task_name(state, link.pid), letter_style(state, link.pid) + " bold"),
                Span(f" {fd_text(link.fds)}  "),
            ]
    kind, _, number = channel.partition(":")
    inside = kind in ("socket", "mqueue")
    if kind == "socket":
        spans += socket_spans(now, int(number))
    elif kind == "mqueue":
        spans += queue_spans(now, int(number))
    else:
        spans.append(Span(f"▶ {count(went)} out", "soft" if went else "dim"))
    if channel_reads(tied, channel) and not inside:
        spans.append(Span(f"  ◀ {count(came)} in", "soft" if came else "dim"))
    asleep = [task for end in ("read", "write") for task in sleepers(state, channel, end)]
    if asleep:
        spans.append(Span(f"  ○ {', '.join(task_name(state, task.pid) for task in asleep)} asleep", "mark"))
    return tuple(spans)


def socket_spans(now: Moment, number: int) -> list[Span]:
    """With which other one it is connected, what waits in it, or who waits to be accepted."""
    one = now.state.machine.sockets[number]
    last = fresh(now)
    moved = last is not None and last.channel == f"socket:{number}"
    name = [Span(f"{socket_name(one)}  ", "soft")] if one.name else []
    if one.backlog >= 0:
        waiting = len(one.pending)
        text = f"listens, {times_text(waiting, 'connection')} waiting of {one.backlog + 1}"
        return [*name, Span(text, "mark" if waiting else "soft")]
    inside = waiting_bytes(one)
    held = f"{times_text(len(one.queue), 'message')} {count(inside)} bytes" if one.queue else "empty"
    return [
        *name,
        Span(f"↔ socket {one.peer}  " if one.peer else "alone  ", "soft"),
        Span(held, "changed" if moved else "" if one.queue else "dim"),
    ]


def queue_spans(now: Moment, number: int) -> list[Span]:
    """Its name, how full it is, and which priority comes first."""
    one = now.state.machine.mqueues[number]
    last = fresh(now)
    moved = last is not None and last.channel == f"mqueue:{number}"
    held = f"{len(one.messages)} of {times_text(one.maxmsg, 'message')}" if one.messages else "empty"
    spans = [
        Span(f"/{printable(one.name)}  ", "soft"),
        Span(held, "changed" if moved else "" if one.messages else "dim"),
    ]
    if one.messages:
        spans.append(Span(f", first of priority {one.messages[0][0]}", "soft"))
    return spans


# What is known of one channel.


def fact_rows(now: Moment, channel: str, tied: list[Link], places: Places | None, width: int) -> list[Row]:
    """A title and answers, one below the other."""
    facts = channel_facts(now, channel, tied, places)
    shown = [row(Span(channel_name(channel), "title"), Span(f" · {kind_text(now.state, channel)}", "dim"))]
    for name, text in facts:
        for n, line in enumerate(wrapped(text, max(width - FACT, 12))):
            shown.append(row(Span(f"{name if not n else '':<{FACT}}", "dim"), Span(line)))
    return shown


class Ipc(Pane):
    """The graph; arrow keys choose a node in it."""

    label = "IPC"
    key = "F9"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.places = Places()
        self.channel = ""
        """Which one was chosen; '' follows where bytes move."""
        self._reading_on = False

    def sheet(self, now: Moment, width: int, height: int) -> Sheet:
        if now.log is not None and not self.places.follow(now.log) and not self._reading_on:
            self._reading_on = True
            self.set_timer(READ_ON, self._read_on)
        return rows(now, width, height, self.places, self.channel)

    def _read_on(self) -> None:
        self._reading_on = False
        self.repaint()

    def choose(self, down: int, right: int) -> None:
        super().choose(down, right)
        self.picked(self._chosen)
        self.repaint()

    def picked(self, subject: str) -> None:
        if subject.startswith("channel:"):
            self.channel = subject.removeprefix("channel:")

    def title(self, now: Moment) -> Row:
        pipes = len(now.state.machine.pipes)
        what = f" · {times_text(pipes, 'pipe')}" if pipes else ""
        return row(Span("IPC", "title"), Span(what, "dim"))
