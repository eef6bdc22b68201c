"""What is known of a channel: who holds it, what is in it, who sleeps on it, and the answers about its kind.

Words only; how they look is the pane's business.
"""

from __future__ import annotations

from app.graph import Link, Places, links
from app.panes.moment import Moment, task_name
from app.source import printable
from app.state.state import State, Traffic, Transfer
from app.strace.text import quote
from app.units import count
from kernel.abi.ipc import SOCK_DGRAM, SOCK_STREAM
from kernel.abi.signal import signal_name
from kernel.describe import SLEEPING, PipeView, SocketView, TaskView

HEX_SHOWN = 16
INPUT_KEPT = 4096
"""Bytes of input that a terminal keeps for who reads it."""
NEWLINES = ", each newline as two: \\r\\n"
STREAMS = {0: "standard input", 1: "standard output", 2: "standard error"}


def channels(state: State, tied: list[Link]) -> list[str]:
    """All that are there: pipes first, then sockets that somebody holds, message queues, and terminals and
    streams that somebody holds."""
    held = {link.channel for link in tied}
    inside = ("pipe:", "socket:", "mqueue:")
    devices = sorted((one for one in held if not one.startswith(inside)), reverse=True)
    sockets = (f"socket:{number}" for number in sorted(state.machine.sockets))
    return [
        *(f"pipe:{number}" for number in sorted(state.machine.pipes)),
        *(channel for channel in sockets if channel in held),
        *(f"mqueue:{number}" for number in sorted(state.machine.mqueues)),
        *devices,
    ]


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
        return "console" if number == "0" else f"pts/{int(number) - 1}"
    return f"{kind} {number}"


def sleepers(state: State, channel: str, end: str) -> list[TaskView]:
    """Who sleeps on one end of a channel; terminals have one queue for what is typed."""
    both = channel.startswith(("pipe:", "socket:", "mqueue:")) or end == "write"
    queue = f"{channel}:{end}" if both else channel
    return [task for task in state.machine.tasks.values() if task.state == SLEEPING and queue in task.on]


def openers(state: State, pipe: PipeView) -> list[TaskView]:
    """Who sleeps in open(2) until somebody opens the other end of a named pipe."""
    queue = f"fifo:{pipe.fifo}"
    return [task for task in state.machine.tasks.values() if task.state == SLEEPING and queue in task.on]


def fifo_path(state: State, number: int) -> str:
    """A named pipe's path, as far as it is known; '' for a pipe without a name."""
    pipe = state.machine.pipes.get(number)
    if pipe is None or not pipe.fifo:
        return ""
    files = state.machine.files.values()
    opened = (file.path for file in files if file.kind == "pipe" and file.object == number)
    return printable(state.paths.get(pipe.fifo) or next(opened, f"inode {pipe.fifo}"))


def fd_text(fds: tuple[int, ...]) -> str:
    """Descriptors, neighbours as a range."""
    parts: list[list[int]] = []
    for fd in sorted(fds):
        if parts and parts[-1][-1] == fd - 1:
            parts[-1] = [parts[-1][0], fd]
        else:
            parts.append([fd])
    return ",".join(f"{part[0]}-{part[-1]}" if len(part) > 1 else str(part[0]) for part in parts)


def channel_reads(tied: list[Link], channel: str) -> bool:
    return any(link.reads for link in tied if link.channel == channel)


def device_traffic(state: State, channel: str) -> tuple[int, int]:
    """Bytes that came in from outside and that went out."""
    kind, _, number = channel.partition(":")
    pty = state.pty_traffic.get(int(number)) if kind == "tty" else None
    if pty is not None:
        return pty.bytes_in, pty.bytes_out
    outputs = state.terminals if kind == "tty" else state.streams
    output = outputs.get(int(number))
    return state.arrived.get(channel, 0), output.total if output is not None else 0


def kind_text(state: State, channel: str) -> str:
    kind, _, number = channel.partition(":")
    if kind == "pipe" and fifo_path(state, int(number)):
        return "a named pipe"
    kinds = {"pipe": "a pipe", "tty": "a terminal", "socket": "a socket", "mqueue": "a message queue"}
    return kinds.get(kind, "from and to outside")


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
        facts = [
            ("established", pipe_origin(now, number, mine, places)),
            ("processes", f"{len(mine)}: {holders}"),
            ("open ends", f"{pipe.readers} to read from, {pipe.writers} to write to{ends_missing(pipe)}"),
            ("capacity", f"{count(pipe.capacity)} bytes; {count(len(pipe.data))} in it"),
            ("message size", "any: a stream of bytes, without boundaries between messages"),
            ("direction", "one way: " + flow_text(state, mine)),
            ("so far", traffic_text(state.traffic.get(number, Traffic()))),
        ]
        return [*facts, *_contents(pipe.data), *_last(now, channel), *_asleep(state, channel)]
    if kind == "socket":
        return _socket_facts(now, channel, number, holders)
    if kind == "mqueue":
        return _queue_facts(now, channel, number, mine, holders)
    if kind == "tty" and number in state.machine.ptys:
        return _pty_facts(now, channel, number, holders)
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
    newlines = output is not None and b"\r\n" in output.kept
    facts = [
        ("established", f"{origin}; children have it by fork"),
        ("processes", f"{len(mine)}: {holders}"),
        ("capacity", capacity),
        ("message size", size),
        ("direction", f"{direction}; the other end is outside this machine"),
        ("so far", f"{count(came)} bytes in, {count(went)} bytes out{NEWLINES * newlines}"),
    ]
    if output is not None and output.kept:
        line = bytes(output.kept[-256:]).rstrip().rpartition(b"\n")[2]
        facts.append(("last line", quote(line[:64], more=len(line) > 64)))
    return [*facts, *_asleep(state, channel)]


def socket_name(one: SocketView) -> str:
    """Its name as `ss` and /proc/net/unix have it: an abstract one with @."""
    return printable(one.name.rstrip(b"\0").replace(b"\0", b"@").decode(errors="replace"))


def waiting_bytes(one: SocketView) -> int:
    return sum(len(data) for data, _files in one.queue)


def _socket_facts(now: Moment, channel: str, number: int, holders: str) -> list[tuple[str, str]]:
    """A socket: what it is connected with, who waits for it, what waits in it."""
    state = now.state
    one = state.machine.sockets.get(number)
    if one is None:
        return []
    size = {
        SOCK_STREAM: "any: a stream of bytes, without boundaries between messages",
        SOCK_DGRAM: "datagrams: each is received as it was sent, or lost",
    }.get(one.type, "messages: each is received as it was sent, in their order")
    facts = [("processes", holders)]
    if one.name:
        facts.append(("name", socket_name(one)))
    if one.backlog >= 0:
        waiting = ", ".join(f"socket {end}" for end in one.pending) or "none"
        return [
            *facts,
            ("connections", f"{waiting} to be accepted; up to {one.backlog + 1} may wait"),
            *_asleep(state, channel),
        ]
    passed = sum(len(files) for _data, files in one.queue)
    facts += [
        ("connected", f"with socket {one.peer}: {_peers(state, one.peer)}" if one.peer else "with nobody"),
        ("message size", size),
        ("direction", _SHUT[one.shut]),
        (
            "in it",
            f"{times_text(len(one.queue), 'message')}, {count(waiting_bytes(one))} bytes"
            + (f", {times_text(passed, 'open file')} passed along" if passed else ""),
        ),
        ("so far", traffic_text(state.traffic.get(number, Traffic()))),
    ]
    data = b"".join(data for data, _files in one.queue)
    return [*facts, *_contents(data), *_last(now, channel), *_asleep(state, channel)]


_SHUT = (
    "two ways",
    "one way: out; receiving is shut",
    "one way: in; sending is shut",
    "none: shut both ways",
)


def _peers(state: State, number: int) -> str:
    """Who holds the other end."""
    found = [task_name(state, link.pid) for link in links(state) if link.channel == f"socket:{number}"]
    return ", ".join(found) or "nobody has it yet"


def _queue_facts(
    now: Moment, channel: str, number: int, mine: list[Link], holders: str
) -> list[tuple[str, str]]:
    """A POSIX message queue: who sends and receives, what waits in it in which order."""
    state = now.state
    one = state.machine.mqueues.get(number)
    if one is None:
        return []
    told = "nobody"
    if one.notify_task:
        signal = signal_name(one.notify_signo) if one.notify_signo else "nothing"
        told = f"{task_name(state, one.notify_task)} gets {signal} when a message comes to the empty queue"
    size = sum(len(data) for _priority, data in one.messages)
    facts = [
        ("established", f"by name: /{printable(one.name)} is opened by each (mq_open)"),
        ("processes", holders),
        ("capacity", f"{times_text(one.maxmsg, 'message')}; {len(one.messages)} in it, {count(size)} bytes"),
        ("message size", f"up to {count(one.msgsize)} bytes: each is received as it was sent"),
        ("direction", "one way: " + flow_text(state, mine)),
        ("told of one", told),
        ("so far", traffic_text(state.traffic.get(number, Traffic()))),
    ]
    for at, (priority, data) in enumerate(one.messages[:QUEUED_SHOWN]):
        facts.append(
            ("next" if not at else "", f"priority {priority}: {quote(data[:48], more=len(data) > 48)}")
        )
    if len(one.messages) > QUEUED_SHOWN:
        facts.append(("", f"and {times_text(len(one.messages) - QUEUED_SHOWN, 'more message')}"))
    return [*facts, *_last(now, channel), *_asleep(state, channel)]


QUEUED_SHOWN = 8
"""Messages of a queue that are written out."""


def _pty_facts(now: Moment, channel: str, number: int, holders: str) -> list[tuple[str, str]]:
    """A pseudoterminal: at one end a program has a terminal, at the other a program plays the person."""
    state = now.state
    pty = state.machine.ptys[number]
    traffic = state.pty_traffic[number]
    facts = [
        ("established", f"open(/dev/ptmx); the other end by its name, /dev/pts/{number - 1}"),
        ("processes", holders),
        ("open ends", f"{pty.masters} of the master, {pty.slaves} of the slave"),
        ("capacity", f"65 536 bytes each way; {count(len(pty.outgoing))} wait for the master"),
        ("message size", "lines towards the slave, unless it asks for single keys; a stream of bytes back"),
        ("direction", "two ways, through a line discipline"),
        (
            "so far",
            f"{count(traffic.bytes_in)} bytes typed by the master, {count(traffic.bytes_out)} read by it",
        ),
    ]
    return [*facts, *_contents(pty.outgoing), *_last(now, channel), *_asleep(state, channel)]


def holder_text(state: State, link: Link) -> str:
    ends = []
    if link.reads:
        ends.append(f"reads {fd_text(link.reads)}")
    if link.writes:
        ends.append(f"writes {fd_text(link.writes)}")
    return f"{task_name(state, link.pid)} {' and '.join(ends)}"


def ends_missing(pipe: PipeView) -> str:
    if not pipe.readers and not pipe.writers:
        return " yet"
    if pipe.readers and pipe.writers:
        return ""
    if pipe.fifo:
        return f" (nobody has it open to {'read' if pipe.writers else 'write'})"
    if not pipe.writers:
        return " (nobody can write any more: who has read the rest meets end of file)"
    return " (nobody can read any more: who writes gets SIGPIPE, or EPIPE)"


def pipe_origin(now: Moment, number: int, mine: list[Link], places: Places | None) -> str:
    """How a pipe came to be, and how those who hold it got it."""
    state = now.state
    path = fifo_path(state, number)
    if path:
        return f"by name: {path} is opened by each"
    creator = places.creators.get(number, -1) if places is not None else -1
    by = f" by {task_name(state, creator)}" if creator in state.letters else ""
    heirs = [task_name(state, link.pid) for link in mine if link.pid != creator] if by else []
    if not by and len(mine) > 1:
        return "pipe(2), then inherited through fork"
    if not heirs:
        return f"pipe(2){by}"
    return f"pipe(2){by}; {', '.join(heirs)} inherited it through fork"


def flow_text(state: State, mine: list[Link]) -> str:
    writers = [task_name(state, link.pid) for link in mine if link.writes]
    readers = [task_name(state, link.pid) for link in mine if link.reads]
    return f"from {' or '.join(writers) or 'nobody'} to {' or '.join(readers) or 'nobody'}"


def traffic_text(traffic: Traffic) -> str:
    return (
        f"{count(traffic.bytes_in)} bytes in by {times_text(traffic.writes, 'write')}, "
        f"{count(traffic.bytes_out)} out by {times_text(traffic.reads, 'read')}"
    )


def times_text(number: int, word: str) -> str:
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
    text = f"{task_name(now.state, last.pid)} {what} {quote(last.data[:16], more=len(last.data) > 16)}"
    return [("last", text + (", just now" if fresh(now) is not None else ""))]


def _asleep(state: State, channel: str) -> list[tuple[str, str]]:
    found = []
    for end, wanted in (("read", "waits for bytes"), ("write", "waits for room")):
        names = [task_name(state, task.pid) for task in sleepers(state, channel, end)]
        if names:
            found.append(("asleep", f"{', '.join(names)} on the end to {end}: {wanted}"))
    kind, _, number = channel.partition(":")
    pipe = state.machine.pipes.get(int(number)) if kind == "pipe" else None
    if pipe is not None and pipe.fifo:
        names = [task_name(state, task.pid) for task in openers(state, pipe)]
        if names:
            found.append(("asleep", f"{', '.join(names)} in open: waits for the other end to be opened"))
    return found
