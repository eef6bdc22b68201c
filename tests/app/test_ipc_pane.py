"""IPC: the exact text for literal States and real runs, nodes that keep their place, both ways in time."""

from __future__ import annotations

import random
from functools import cache

import pytest

from app import explain_channels
from app.engine import Engine
from app.finding import other_end
from app.graph import LEFT, MIDDLE, RIGHT, Layout, Place, Places, along_the_flow, edges_of, nodes_of, place
from app.panes import ipc
from app.panes.channels import fd_text
from app.panes.moment import Moment
from app.panes.row import fit, text_of, width_of
from app.position import ALL_DONE, Position
from app.state.fold import fold
from app.state.state import Output, State, Traffic, Transfer
from app.tellers.files import TELLERS
from kernel import events as e
from kernel.describe import Description, FileView, PipeView, SocketView, TaskView
from kernel.events import Event
from tests.app.test_engine import engine, run_out
from tests.app.test_panes import compare, text

HEIGHT = 44
MOVED = (e.MessageQueueSent, e.MessageQueueReceived)
SIZES = (60, 100)
FULL = 65536


def pipeline() -> State:
    """A shell with three in a pipeline: a full pipe whose writer sleeps, an empty one whose reader does."""
    tasks = {
        0: TaskView(0, 0, 0, "swapper"),
        1: TaskView(1, 1, 0, "init", "sleeping", ("child:1",)),
        2: TaskView(2, 2, 1, "sh", "sleeping", ("child:2",), 20, 30, 7),
        3: TaskView(3, 3, 2, "yes", "sleeping", ("pipe:8:write",), 21, 31, 4),
        4: TaskView(4, 4, 2, "sort", "runnable", (), 22, 32, 3),
        5: TaskView(5, 5, 2, "a long name", "sleeping", ("pipe:9:read",), 23, 33, 3),
        6: TaskView(6, 6, 2, "gone", "zombie", exit_status=0),
    }
    machine = Description(
        current=4,
        tasks=tasks,
        fdtables={
            30: {0: 1, 1: 1, 2: 1},
            31: {0: 1, 1: 3, 2: 1},
            32: {0: 2, 1: 5, 2: 1},
            33: {0: 4, 1: 6, 2: 1},
        },
        files={
            1: FileView("tty", 2, 15, 0, "/dev/console"),
            2: FileView("pipe", 0, 8, 8, "pipe:[8]"),
            3: FileView("pipe", 1, 8, 8, "pipe:[8]"),
            4: FileView("pipe", 0, 9, 9, "pipe:[9]"),
            5: FileView("pipe", 1, 9, 9, "pipe:[9]"),
            6: FileView("stream", 1, 0, 1, ""),
        },
        pipes={8: PipeView(b"y\n" * (FULL // 2), 1, 1, FULL), 9: PipeView(b"", 1, 1, FULL)},
    )
    return State(
        machine=machine,
        letters={pid: n for n, pid in enumerate(range(2, 7))},
        events_seen=100,
        traffic={8: Traffic(FULL + 4096, 17, 4096, 1), 9: Traffic()},
        transfer=Transfer(99, 4, "pipe:8", True, b"y\n" * 128),
        terminals={0: Output(bytearray(b"$ yes | sort | cat\r\n"), 20)},
        arrived={"tty:0": 18},
    )


def named() -> State:
    """A named pipe with bytes that are no text, two writers, nobody to read; one who holds three pipes."""
    tasks = {
        2: TaskView(2, 2, 1, "one", "runnable", (), 20, 30, 4),
        3: TaskView(3, 3, 2, "two", "stopped", (), 21, 31, 4),
        4: TaskView(4, 4, 2, "cat", "sleeping", ("fifo:50",), 22, 32, 5),
    }
    machine = Description(
        current=2,
        tasks=tasks,
        fdtables={30: {3: 1, 7: 1, 8: 1, 4: 2, 5: 3}, 31: {3: 1}, 32: {}},
        files={
            1: FileView("pipe", 1, 50, 8, "/tmp/fi\x1bfo"),
            2: FileView("pipe", 0, 9, 9, "pipe:[9]"),
            3: FileView("pipe", 2, 51, 10, "/tmp/both"),
        },
        pipes={
            8: PipeView(bytes(range(200, 240)), 0, 1, 4096, 50),
            9: PipeView(b"tab\there", 1, 0, FULL),
            10: PipeView(b"", 1, 1, FULL, 51),
        },
    )
    return State(machine=machine, letters={2: 0, 3: 1, 4: 2}, events_seen=100)


LITERALS = {"pipeline": pipeline, "named": named, "nothing": State}


def literal(state: State) -> Moment:
    return Moment(state=state, view=None, cursor=Position(100, ALL_DONE, 5000))


@pytest.mark.parametrize("name", LITERALS)
def test_literal(name: str) -> None:
    now = literal(LITERALS[name]())
    shown = [f"{width}\n{text(ipc.rows(now, width, HEIGHT), width, HEIGHT)}" for width in SIZES]
    compare(f"ipc-literal-{name}", "\n".join(shown))


def test_chosen_channels() -> None:
    """Every channel's answers."""
    now = literal(pipeline())
    shown = []
    for channel in ("pipe:8", "pipe:9", "tty:0", "stream:1"):
        found = ipc.rows(now, 76, HEIGHT, chosen=channel)
        shown.append(text(found._replace(rows=list(found.rows)[-12:]), 76, HEIGHT))
        told = explain_channels.channel(channel, now)
        assert told is not None
        assert len(told[1]) > 6
    compare("ipc-chosen", "\n".join(shown))
    assert explain_channels.channel("pipe:99", now) is not None
    assert explain_channels.channel("door:1", now) is None


@pytest.mark.parametrize("width", [10, 24, 40, 60, 76, 100, 200])
@pytest.mark.parametrize("name", LITERALS)
def test_no_row_is_wider_than_the_pane(name: str, width: int) -> None:
    for one in ipc.rows(literal(LITERALS[name]()), width, HEIGHT).rows:
        assert width_of(fit(one, width)) <= width
        assert width < 60 or width_of(one) <= width or "…" not in text_of(one)


# Real runs.


@cache
def finished(program: str) -> tuple[Engine, Places]:
    one = engine(program)
    run_out(one)
    places = Places()
    while not places.follow(one.log):
        pass
    return one, places


def moment(one: Engine) -> Moment:
    return Moment(
        state=one.state, view=one.view, cursor=one.cursor, event=one.event, log=one.log, length=one.length
    )


def after(one: Engine, kind: type[Event], **fields: object) -> Moment:
    """Right after the first event of a kind with these fields."""
    for record in one.log.records():
        event = record.event
        if type(event) is kind and all(getattr(event, name) == value for name, value in fields.items()):
            one.go_to(record.seq + 1)
            return moment(one)
    raise AssertionError(f"no {kind.__name__} with {fields}")


TELLING: dict[str, tuple[type[Event], dict[str, object]]] = {
    "created": (e.SyscallExited, {"nr": 42}),
    "forked": (e.TaskCreated, {"how": "fork"}),
    "asleep": (e.TaskBlocked, {"task": 3}),
    "written": (e.PipeWritten, {}),
    "woken": (e.TaskWoken, {"task": 3}),
    "read": (e.PipeRead, {}),
    "over": (e.TaskReaped, {"task": 3}),
}


@pytest.mark.parametrize("name", TELLING)
def test_pipe(name: str) -> None:
    one, places = finished("pipe")
    kind, fields = TELLING[name]
    now = after(one, kind, **fields)
    shown = [f"{width}\n{text(ipc.rows(now, width, HEIGHT, places), width, HEIGHT)}" for width in SIZES]
    compare(f"ipc-pipe-{name}", "\n".join(shown))


def test_what_moved_is_marked() -> None:
    one, places = finished("pipe")

    def marked(now: Moment) -> str:
        found = ipc.rows(now, 80, HEIGHT, places)
        return "".join(span.text for line in found.rows for span in line if span.style == "changed")

    now = after(one, e.PipeWritten)
    assert "6/65536" in marked(now)
    assert "4▶" in marked(now)
    assert "▶3" not in marked(now)
    one.go_to(now.cursor.seq + 1)
    assert not marked(moment(one))


@pytest.mark.parametrize("program", ["pipe", "spaces", "hello"])
def test_the_same_from_both_sides(program: str) -> None:
    """Whichever way a position is come to, and however much of the log was read before."""
    one, _ = finished(program)
    fresh = Places()
    met: dict[int, list[str]] = {}
    order = [*range(one.length + 1), *range(one.length, -1, -1)]
    random.Random(1).shuffle(order)
    for seq in order:
        one.go_to(seq)
        while not fresh.follow(one.log, 7):
            pass
        shown = [text_of(line) for line in ipc.rows(moment(one), 76, HEIGHT, fresh).rows]
        assert met.setdefault(seq, shown) == shown


@pytest.mark.parametrize("program", ["pipe", "spaces", "signal"])
def test_everybody_has_a_place_of_his_own_and_keeps_it(program: str) -> None:
    one, places = finished(program)
    before: Layout = {}
    for seq in range(one.length + 1):
        one.go_to(seq)
        layout = places.at(seq)
        assert sorted(layout) == sorted(nodes_of(one.state))
        assert len(set(layout.values())) == len(layout)
        assert all(layout[node] == at for node, at in before.items() if node in layout)
        assert place(layout, nodes_of(one.state), edges_of(one.state)) == layout
        before = layout


def test_a_long_log_is_read_piece_by_piece() -> None:
    one, whole = finished("pipe")
    part = Places()
    assert not part.follow(one.log, 60)
    now = after(one, e.PipeWritten)
    ipc.rows(now, 80, HEIGHT, part)
    while not part.follow(one.log, 5):
        pass
    assert [part.at(seq) for seq in range(one.length)] == [whole.at(seq) for seq in range(one.length)]
    other = engine("hello")
    run_out(other)
    part.follow(other.log)
    assert part.log is other.log
    assert set(part.at(other.length - 8)) == {"task:2"}


# The layout alone.


def test_a_pipe_stands_between() -> None:
    layout = place({}, ["task:2"], [])
    layout = place(layout, ["task:2", "pipe:9"], [("task:2", "pipe:9")])
    edges = [("task:2", "pipe:9"), ("pipe:9", "task:3"), ("task:2", "task:3")]
    layout = place(layout, ["task:2", "pipe:9", "task:3"], edges)
    assert layout == {"task:2": Place(LEFT, 0), "pipe:9": Place(MIDDLE, 0), "task:3": Place(RIGHT, 0)}


def test_a_gap_is_filled_again() -> None:
    nodes = [f"pipe:{n}" for n in range(4)]
    layout = place({}, nodes, [])
    assert {at.slot for at in layout.values()} == {0, 1, 2, 3}
    less = place(layout, [nodes[0], nodes[3]], [])
    more = place(less, [nodes[0], nodes[3], "pipe:7"], [])
    assert more["pipe:7"] == Place(MIDDLE, 1)
    assert more[nodes[3]] == layout[nodes[3]]


def test_who_writes_comes_before_who_reads() -> None:
    edges = [("task:5", "pipe:8"), ("pipe:8", "task:4"), ("task:4", "pipe:9"), ("pipe:9", "task:3")]
    assert along_the_flow(["task:3", "task:4", "task:5", "pipe:8", "pipe:9"], edges) == [
        *("task:5", "pipe:8", "task:4", "pipe:9", "task:3")
    ]
    circle = [("task:2", "pipe:8"), ("pipe:8", "task:2"), ("pipe:8", "task:3")]
    assert along_the_flow(["task:2", "task:3", "pipe:8"], circle) == ["task:2", "pipe:8", "task:3"]


@pytest.mark.parametrize("seed", range(6))
def test_layouts_of_random_graphs(seed: int) -> None:
    """Nodes come and go: no two in one place, nobody moves, the same input gives the same."""
    rng = random.Random(seed)
    layout: Layout = {}
    nodes: list[str] = []
    edges: list[tuple[str, str]] = []
    for number in range(80):
        if nodes and rng.random() < 0.4:
            nodes.remove(rng.choice(nodes))
        else:
            nodes.append(f"{rng.choice(('task', 'pipe'))}:{number}")
            edges += [(rng.choice(nodes), nodes[-1]) for _ in range(rng.randrange(3))]
        following = place(layout, nodes, edges)
        assert following == place(layout, nodes, edges)
        assert sorted(following) == sorted(nodes)
        assert len(set(following.values())) == len(nodes)
        assert all(at.column == MIDDLE for node, at in following.items() if node.startswith("pipe"))
        assert all(following[node] == at for node, at in layout.items() if node in following)
        layout = following


def test_small_texts() -> None:
    assert fd_text((0, 1, 2, 5, 7, 8)) == "0-2,5,7-8"
    assert ipc.contents_text(b"", 10) == "empty"
    assert ipc.contents_text(b"hi\n", 10) == '"hi\\n"'
    assert ipc.contents_text(b"\x00\xff", 10) == "00 ff"


# Sockets.


def served() -> State:
    """A server that listens and has accepted one client; another one's connection waits, with a message."""
    found = pipeline()
    machine = found.machine
    machine.pipes.clear()
    machine.files = {
        1: FileView("socket", 2, 50, 50, "socket:[50]"),
        2: FileView("socket", 2, 51, 51, "socket:[51]"),
        3: FileView("socket", 2, 52, 52, "socket:[52]"),
        4: FileView("socket", 2, 53, 53, "socket:[53]"),
    }
    machine.fdtables = {30: {3: 1, 4: 2}, 31: {3: 3}, 32: {3: 4}, 33: {}}
    machine.sockets = {
        50: SocketView(1, b"/tmp/server\0", 0, 5, [54]),
        51: SocketView(1, b"/tmp/server\0", 52, queue=[(b"one", ()), (b"two", (9,))]),
        52: SocketView(1, b"", 51),
        53: SocketView(1, b"", 54),
        54: SocketView(1, b"/tmp/server\0", 53, queue=[(b"early", ())]),
    }
    machine.tasks[2].on = ("socket:50:read",)
    machine.tasks[3].on = ("socket:52:read",)
    found.traffic = {51: Traffic(6, 2)}
    found.transfer = None
    return found


def test_sockets_are_lines_with_what_is_known_of_them() -> None:
    shown = [text_of(line) for line in ipc.rows(literal(served()), 100, HEIGHT, chosen="socket:51").rows]
    told = "\n".join(line.rstrip() for line in shown)
    for line in (
        "socket 50   A 3  /tmp/server  listens, 1 connection waiting of 6  ○ A asleep",
        "socket 51   A 4  /tmp/server  ↔ socket 52  2 messages 6 bytes",
        "socket 52   B 3  ↔ socket 51  empty  ○ B asleep",
        "socket 53   C 3  ↔ socket 54  empty",
        "connected      with socket 52: B",
        "in it          2 messages, 6 bytes, 1 open file passed along",
        'contents       "onetwo"',
    ):
        assert line in told, told
    assert "socket 54  ↔" not in told
    listening = explain_channels.channel("socket:50", literal(served()))
    assert listening is not None
    assert any("socket 54 to be accepted; up to 6 may wait" in line for line in listening[1])


def queued() -> tuple[State, list[Event]]:
    """A message queue that a reader waits at, three messages of two priorities, and one of them taken."""
    state = pipeline()
    machine = state.machine
    machine.files[7] = FileView("mqueue", 2, 40, 12, "/orders")
    machine.files[8] = FileView("mqueue", 1, 40, 12, "/orders")
    machine.fdtables[32][3] = 7
    machine.fdtables[31][3] = 8
    events: list[Event] = [
        e.MessageQueueCreated(12, "orders", 10, 8192),
        e.MessageQueueNotifySet(12, 3, 10),
        e.MessageQueueSent(12, 1, b"a low one"),
        e.MessageQueueNotifySet(12, 0, 0),
        e.MessageQueueSent(12, 9, b"a high one"),
        e.MessageQueueSent(12, 1, b"another low one"),
        e.MessageQueueReceived(12),
    ]
    return state, events


def test_a_message_queue_by_priority() -> None:
    state, events = queued()
    told = []
    for event in events:
        fold(state, 0, 4, event)
        told.append(f"{type(event).__name__}: {TELLERS[type(event)](event, state)}")
    now = Moment(state=state, view=None, cursor=Position(len(events), ALL_DONE, 0))
    shown = "\n".join(text_of(line).rstrip() for line in ipc.rows(now, 100, HEIGHT, None, "mqueue:12").rows)
    compare("ipc-message-queue", "\n".join([*told, "", shown]))


def test_a_message_is_followed_past_those_that_it_overtakes() -> None:
    events = queued()[1]
    low, high, later, taken = (n for n, one in enumerate(events) if isinstance(one, MOVED))
    assert other_end(events, high, 1) == taken
    assert other_end(events, taken, -1) == high
    assert other_end(events, low, 1) == other_end(events, later, 1) == "nobody has received it so far"
    assert other_end(events, taken, 1) == "here it is taken out: { goes to where it was put in"
