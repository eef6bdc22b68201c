"""IPC: processes and the channels between them as a graph, and all about the channel that is chosen.

Pipes stand between processes and are tied to them by lines with the descriptors; the console and the streams,
which nearly everybody holds, are named in the boxes. Where a node has its place is `app.graph`'s business.
"""

from __future__ import annotations

from app.graph import LEFT, Layout, Link, Places, edges_of, links, nodes_of, place, tasks_of
from app.panes.bars import RUNNING, STATES
from app.panes.base import Pane
from app.panes.canvas import Canvas
from app.panes.moment import Moment, letter_style, task_name
from app.panes.row import EMPTY, Row, Sheet, Span, row, short, wrapped
from app.panes.waiting import call_name
from app.state.state import State, Traffic, Transfer
from app.strace.text import quote
from app.units import count
from kernel.describe import RUNNABLE, SLEEPING, ZOMBIE, PipeView, TaskView

BOX = 4
"""Rows of a box; the next one stands right below."""
PORTS = 2
"""Rows of a box from which lines can go out."""
LANES = 3
"""Columns of a gutter in which lines go up and down."""
FACT = 15
READ_ON = 0.05
"""Seconds until the next piece of a long log is read."""
HEX_SHOWN = 16
INPUT_KEPT = 4096
"""Bytes of input that a terminal keeps for who reads it."""
STREAMS = {0: "standard input", 1: "standard output", 2: "standard error"}


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


def channels(state: State, tied: list[Link]) -> list[str]:
    """All that are there: pipes first, then terminals and streams that somebody holds."""
    devices = sorted({link.channel for link in tied if not link.channel.startswith("pipe:")}, reverse=True)
    return [*(f"pipe:{number}" for number in sorted(state.machine.pipes)), *devices]


def at_hand(state: State, known: list[str]) -> str:
    """The channel to tell about when none is chosen: where bytes moved last among pipes, else the first."""
    last = state.transfer
    if last is not None and last.channel in known:
        return last.channel
    return known[0] if known else ""


def fresh(now: Moment) -> Transfer | None:
    """The transfer that the last event was, None if it was something else."""
    last = now.state.transfer
    return last if last is not None and last.seq == now.cursor.seq - 1 else None


def channel_name(channel: str) -> str:
    kind, _, number = channel.partition(":")
    if kind == "tty":
        return "console" if number == "0" else f"terminal {number}"
    return f"{kind} {number}"


def sleepers(state: State, channel: str, end: str) -> list[TaskView]:
    """Who sleeps on one end of a channel; terminals have one queue for what is typed."""
    queue = f"{channel}:{end}" if channel.startswith("pipe:") or end == "write" else channel
    return [task for task in state.machine.tasks.values() if task.state == SLEEPING and queue in task.on]


def fd_text(fds: tuple[int, ...]) -> str:
    """Descriptors, neighbours as a range."""
    parts: list[list[int]] = []
    for fd in sorted(fds):
        if parts and parts[-1][-1] == fd - 1:
            parts[-1] = [parts[-1][0], fd]
        else:
            parts.append([fd])
    return ",".join(f"{part[0]}-{part[-1]}" if len(part) > 1 else str(part[0]) for part in parts)


# The graph.


def graph_rows(now: Moment, layout: Layout, tied: list[Link], width: int) -> list[Row]:
    gutter = min(max(width * 15 // 100, 8), 16)
    middle = min(max(width * 28 // 100, 14), 30)
    side = min(max((width - middle - 2 * gutter) // 2, 8), 26)
    columns = (0, side + gutter, side + 2 * gutter + middle)
    canvas = Canvas(columns[2] + side, BOX * (max(at.slot for at in layout.values()) + 1))
    for pid in tasks_of(now.state):
        at = layout[f"task:{pid}"]
        _task_box(canvas, now, pid, tied, columns[at.column], at.slot * BOX, side)
    for number, pipe in now.state.machine.pipes.items():
        at = layout[f"pipe:{number}"]
        _pipe_box(canvas, now, number, pipe, columns[1], at.slot * BOX, middle)
    ports = ports_of(tied)
    for lane, number in enumerate(sorted(now.state.machine.pipes)):
        for column in (LEFT, 2):
            mine = [
                link
                for link in tied
                if link.channel == f"pipe:{number}"
                and layout[f"task:{link.pid}"].column == column
                and ports[link.pid, link.channel] < PORTS
            ]
            inner = side if column == LEFT else columns[2] - 1
            outer = columns[1] - 1 if column == LEFT else columns[1] + middle
            _wire(canvas, now, mine, layout, ports, (inner, outer), lane)
    return canvas.rows()


def ports_of(tied: list[Link]) -> dict[tuple[int, str], int]:
    """From which row of its process's box the line to a pipe goes out."""
    found: dict[tuple[int, str], int] = {}
    counts: dict[int, int] = {}
    for link in sorted(tied, key=lambda link: int(link.channel.partition(":")[2])):
        if link.channel.startswith("pipe:"):
            found[link.pid, link.channel] = counts.get(link.pid, 0)
            counts[link.pid] = counts.get(link.pid, 0) + 1
    return found


def _task_box(canvas: Canvas, now: Moment, pid: int, tied: list[Link], x: int, y: int, width: int) -> None:
    state = now.state
    task = state.machine.tasks[pid]
    running = pid == state.machine.current
    colour = letter_style(state, pid)
    canvas.box(x, y, width, BOX, colour if running else "rule")
    canvas.put(x + 1, y, " ", "")
    title = (Span(task_name(state, pid), f"{colour} bold", f"task:{pid}"), Span(f" {task.comm} "))
    canvas.title(x + 2, y, title, width - 4)
    glyph = RUNNING if running else STATES.get(task.state, "?")
    doing = short(f"{glyph} {doing_text(task, running)}", width - 2)
    canvas.put(x + 1, y + 1, doing, colour if running else "dim" if task.state == ZOMBIE else "")
    mine = [link for link in tied if link.pid == pid]
    pipes = [link for link in mine if link.channel.startswith("pipe:")]
    names = [f"{channel_name(link.channel)} {fd_text(link.fds)}" for link in pipes[PORTS:]]
    names += [f"{channel_name(link.channel)} {fd_text(link.fds)}" for link in mine if link not in pipes]
    canvas.put(x + 1, y + 2, short(", ".join(names), width - 2), "soft")


def doing_text(task: TaskView, running: bool) -> str:
    """What a task is at, in a word or two."""
    call = call_name(task)
    if running:
        return call or "runs"
    if task.state == RUNNABLE:
        return f"{call}, ready" if call else "ready"
    if task.state == SLEEPING:
        return f"{call or 'kernel'}, asleep"
    return task.state


def _pipe_box(canvas: Canvas, now: Moment, number: int, pipe: PipeView, x: int, y: int, width: int) -> None:
    channel = f"pipe:{number}"
    last = fresh(now)
    moved = last is not None and last.channel == channel
    style = "changed" if moved else "soft"
    canvas.box(x, y, width, BOX, style, heavy=True)
    canvas.put(x + 1, y, " ", "")
    canvas.title(x + 2, y, (Span(f"pipe {number}", "bold", f"channel:{channel}"), Span(" ")), width - 4)
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
    spans = [Span(f"{channel_name(channel):<10}", "bold", f"channel:{channel}")]
    for link in tied:
        if link.channel == channel:
            spans += [
                Span(task_name(state, link.pid), letter_style(state, link.pid) + " bold"),
                Span(f" {fd_text(link.fds)}  "),
            ]
    spans.append(Span(f"▶ {count(went)} out", "soft" if went else "dim"))
    if channel_reads(tied, channel):
        spans.append(Span(f"  ◀ {count(came)} in", "soft" if came else "dim"))
    asleep = [task for end in ("read", "write") for task in sleepers(state, channel, end)]
    if asleep:
        spans.append(Span(f"  ○ {', '.join(task_name(state, task.pid) for task in asleep)} asleep", "mark"))
    return tuple(spans)


def channel_reads(tied: list[Link], channel: str) -> bool:
    return any(link.reads for link in tied if link.channel == channel)


def device_traffic(state: State, channel: str) -> tuple[int, int]:
    """Bytes that came in from outside and that went out."""
    kind, _, number = channel.partition(":")
    outputs = state.terminals if kind == "tty" else state.streams
    output = outputs.get(int(number))
    return state.arrived.get(channel, 0), output.total if output is not None else 0


# What is known of one channel.


def fact_rows(now: Moment, channel: str, tied: list[Link], places: Places | None, width: int) -> list[Row]:
    """A title and answers, one below the other."""
    facts = channel_facts(now, channel, tied, places)
    shown = [row(Span(channel_name(channel), "title"), Span(f" · {kind_text(channel)}", "dim"))]
    for name, text in facts:
        for n, line in enumerate(wrapped(text, max(width - FACT, 12))):
            shown.append(row(Span(f"{name if not n else '':<{FACT}}", "dim"), Span(line)))
    return shown


def kind_text(channel: str) -> str:
    return {"pipe": "a pipe", "tty": "a terminal"}.get(channel.partition(":")[0], "from and to outside")


def channel_facts(
    now: Moment, channel: str, tied: list[Link], places: Places | None = None
) -> list[tuple[str, str]]:
    """Questions that every link between processes has to answer, and the answers."""
    state = now.state
    kind, _, rest = channel.partition(":")
    number = int(rest)
    mine = [link for link in tied if link.channel == channel]
    holders = "; ".join(holder_text(state, link) for link in mine) or "nobody"
    if kind == "pipe":
        pipe = state.machine.pipes.get(number)
        if pipe is None:
            return []
        one_end = "" if pipe.readers and pipe.writers else ends_missing(pipe)
        facts = [
            ("established", pipe_origin(now, number, mine, places)),
            ("processes", f"{len(mine)}: {holders}"),
            ("open ends", f"{pipe.readers} to read from, {pipe.writers} to write to{one_end}"),
            ("capacity", f"{count(pipe.capacity)} bytes; {count(len(pipe.data))} in it"),
            ("message size", "any: a stream of bytes, without boundaries between messages"),
            ("direction", "one way: " + flow_text(state, mine)),
            ("so far", traffic_text(state.traffic.get(number, Traffic()))),
        ]
        return [*facts, *_contents(pipe.data), *_last(now, channel), *_asleep(state, channel)]
    came, went = device_traffic(state, channel)
    both = any(link.reads and link.writes for link in mine) or (
        any(link.reads for link in mine) and any(link.writes for link in mine)
    )
    direction = "two ways" if both else "one way: in" if channel_reads(tied, channel) else "one way: out"
    if kind == "tty":
        size = "lines, unless a program asks for single keys; out: any, a stream of bytes"
        capacity = f"{count(INPUT_KEPT)} bytes typed ahead; output never waits long"
        origin = "there from the beginning; the first program gets it as 0, 1 and 2"
    else:
        size = "any: a stream of bytes, without boundaries between messages"
        capacity = "that of whatever is outside"
        origin = (
            f"given by who started the first program, as its {STREAMS.get(number, f'descriptor {number}')}"
        )
    output = (state.terminals if kind == "tty" else state.streams).get(number)
    facts = [
        ("established", f"{origin}; children have it by fork"),
        ("processes", f"{len(mine)}: {holders}"),
        ("capacity", capacity),
        ("message size", size),
        ("direction", f"{direction}; the other end is outside this machine"),
        ("so far", f"{count(came)} bytes in, {count(went)} bytes out"),
    ]
    if output is not None and output.kept:
        line = bytes(output.kept[-256:]).rstrip().rpartition(b"\n")[2]
        facts.append(("last line", quote(line[:64], more=len(line) > 64)))
    return [*facts, *_asleep(state, channel)]


def holder_text(state: State, link: Link) -> str:
    ends = []
    if link.reads:
        ends.append(f"reads {fd_text(link.reads)}")
    if link.writes:
        ends.append(f"writes {fd_text(link.writes)}")
    return f"{task_name(state, link.pid)} {' and '.join(ends)}"


def ends_missing(pipe: PipeView) -> str:
    if not pipe.writers:
        return " (nobody can write any more: who has read the rest meets end of file)"
    return " (nobody can read any more: who writes gets SIGPIPE, or EPIPE)"


def pipe_origin(now: Moment, number: int, mine: list[Link], places: Places | None) -> str:
    """How a pipe came to be, and how those who hold it got it."""
    state = now.state
    path = next(
        (
            file.path
            for file in state.machine.files.values()
            if file.kind == "pipe" and file.object == number and not file.path.startswith("pipe:[")
        ),
        "",
    )
    if path:
        return f"by name: {printable(path)} is opened by each"
    creator = places.creators.get(number, -1) if places is not None else -1
    by = f" by {task_name(state, creator)}" if creator in state.letters else ""
    heirs = [task_name(state, link.pid) for link in mine if link.pid != creator] if by else []
    if not by and len(mine) > 1:
        return "pipe(2), then inherited through fork"
    if not heirs:
        return f"pipe(2){by}"
    return f"pipe(2){by}; {', '.join(heirs)} inherited it through fork"


def printable(text: str) -> str:
    """A name from a guest, without what a terminal would take as a command."""
    return "".join(char if char.isprintable() else "?" for char in text)


def flow_text(state: State, mine: list[Link]) -> str:
    writers = [task_name(state, link.pid) for link in mine if link.writes]
    readers = [task_name(state, link.pid) for link in mine if link.reads]
    return f"from {' or '.join(writers) or 'nobody'} to {' or '.join(readers) or 'nobody'}"


def traffic_text(traffic: Traffic) -> str:
    return (
        f"{count(traffic.bytes_in)} bytes in by {_times(traffic.writes, 'write')}, "
        f"{count(traffic.bytes_out)} out by {_times(traffic.reads, 'read')}"
    )


def _times(number: int, word: str) -> str:
    return f"{count(number)} {word}{'' if number == 1 else 's'}"


def _contents(data: bytes) -> list[tuple[str, str]]:
    if not data:
        return [("contents", "none")]
    head = data[:64]
    dump = data[:HEX_SHOWN].hex(" ") + (" …" if len(data) > HEX_SHOWN else "")
    return [("contents", quote(head, more=len(data) > 64)), ("", dump)]


def _last(now: Moment, channel: str) -> list[tuple[str, str]]:
    last = now.state.transfer
    if last is None or last.channel != channel:
        return []
    what = "took" if last.taken else "put in"
    text = f"{task_name(now.state, last.pid)} {what} {quote(last.data[:32], more=len(last.data) > 32)}"
    return [("last", text + (", just now" if fresh(now) is not None else ""))]


def _asleep(state: State, channel: str) -> list[tuple[str, str]]:
    found = []
    for end, wanted in (("read", "waits for bytes"), ("write", "waits for room")):
        names = [task_name(state, task.pid) for task in sleepers(state, channel, end)]
        if names:
            found.append(("asleep", f"{', '.join(names)} on the end to {end}: {wanted}"))
    return found


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
        if self._chosen.startswith("channel:"):
            self.channel = self._chosen.removeprefix("channel:")
            self.repaint()

    def title(self, now: Moment) -> Row:
        pipes = len(now.state.machine.pipes)
        what = f" · {_times(pipes, 'pipe')}" if pipes else ""
        return row(Span("IPC", "title"), Span(what, "dim"))
