"""Breakpoints, messages and searches: what each stops at, in a live past and in a recording, both ways."""

from __future__ import annotations

from typing import Any

import pytest

from app.breakpoints import Breakpoint, of_subject, parse
from app.engine import Engine
from app.finding import message_of, other_end, text_of_event
from app.position import Position
from cpu.symbols import Symbol, Symbols
from kernel import events as e
from tests.app.pictures import engine_for, run_to_the_end
from tests.app.test_walks import recording_of


def press(engine: Engine, direction: int) -> bool:
    engine.step_breakpoint(direction)
    while engine.seeking is not None:
        engine.run(0.1)
    return engine.found


def where(engine: Engine) -> str:
    view = engine.view
    assert view is not None
    return view.label(view.regs.eip)


def function(engine: Engine, name: str) -> Breakpoint:
    view = engine.view
    assert view is not None
    point = parse(name, view.all_symbols())
    assert point is not None
    return point


@pytest.mark.parametrize("recorded", [False, True])
def test_all_calls_of_a_function_both_ways(recorded: bool) -> None:
    """`child`, which one process runs, and the loop in the other, with the timer's interrupts between."""
    engine = engine_for("pipe")
    engine.step_switch(1)
    points = [
        function(engine, "child"),
        function(engine, "compute_a_little"),
        function(engine, "system_call"),
    ]
    before = None
    if recorded:
        run_to_the_end(engine)
        before = engine.log.digest()
        engine = recording_of(engine)
        engine.step_switch(1)
    for point in (*points, Breakpoint("gate", 0x20)):
        engine.toggle_breakpoint(point)
    begin = engine.cursor
    found: list[tuple[str, Position]] = []
    while press(engine, 1):
        found.append((where(engine), engine.cursor))
    assert engine.at_end
    labels = [label for label, _ in found]
    assert labels.count("child") == labels.count("compute_a_little") == 1
    assert labels.count("system_call") == len(labels) - labels.count("timer_interrupt") - 2 > 5
    assert [cursor.tick for _, cursor in found] == sorted(cursor.tick for _, cursor in found)
    engine.go_end()
    for label, cursor in reversed(found):
        assert press(engine, -1)
        assert (where(engine), engine.cursor) == (label, cursor)
    press(engine, -1)  # as it came here first: to where that began
    assert engine.cursor == begin
    assert not press(engine, -1)
    assert engine.at_start
    if before is not None:
        assert engine.log.digest() == before


def test_watching_changes_nothing() -> None:
    plain, watched = engine_for("spaces"), engine_for("spaces")
    run_to_the_end(plain)
    watched.step_switch(1)
    watched.toggle_breakpoint(function(watched, "printf"))
    stops = 0
    while press(watched, 1):
        stops += 1
    assert stops == 4
    assert watched.log.digest() == plain.log.digest()


def test_the_last_turn_of_a_loop() -> None:
    """Forty million turns before: the last one is found without looking at all."""
    engine = engine_for("busy")
    run_to_the_end(engine)
    last: list[int] = []
    for point in _code_of(engine, "compute"):
        engine.toggle_breakpoint(point)
    for _ in range(3):
        assert press(engine, -1)
        assert where(engine).startswith("compute+")
        last.append(engine.cursor.tick)
    assert last == sorted(last, reverse=True)


def _code_of(engine: Engine, name: str) -> list[Breakpoint]:
    engine.go_to(engine.length // 2)
    start = function(engine, name).number
    view = engine.view
    assert view is not None
    points = [Breakpoint("code", one.address) for one in view.instructions(start, 24)]
    engine.go_end()
    return [point for point in points if 0 < point.number - start < 40]


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("write", Breakpoint("sys", 4)),
        ("SIGCHLD", Breakpoint("signal", 17)),
        ("chld", Breakpoint("signal", 17)),
        ("vector 14", Breakpoint("gate", 14)),
        ("vector 0x80", Breakpoint("gate", 0x80)),
        ("vector 256", None),
        ("main", Breakpoint("code", 0x0804_9010)),
        ("0804901b", Breakpoint("code", 0x0804_901B)),
        ("0x0804901b", Breakpoint("code", 0x0804_901B)),
        ("read error", Breakpoint("sys", 3, "error")),
        ("read EXIT", Breakpoint("sys", 3, "exit")),
        ("read nonsense", None),
        ("ENOENT", Breakpoint("errno", 2)),
        ("PageCopied", Breakpoint("event", 0, "PageCopied")),
        ("event syscallentered", Breakpoint("event", 0, "SyscallEntered")),
        ("event nonsense", None),
        ("process 3", Breakpoint("task", 3)),
        ("process x", None),
        ("write counter", Breakpoint("write", 0x5000, "counter")),
        ("write nothing", None),
        ("write enter", Breakpoint("sys", 4, "enter")),
        ("123456789", None),
        ("-1", None),
        ("no such thing", None),
        ("", None),
    ],
)
def test_what_a_person_types(text: str, point: Breakpoint | None) -> None:
    places = {"counter": 0x5000}
    symbols = [Symbols([Symbol("main", 0x0804_9010, 4)])]
    assert parse(text, symbols, lambda name: places.get(name, -1)) == point


def test_ends_failures_events_and_writes() -> None:
    engine = engine_for("badptr")
    run_to_the_end(engine)
    ends = [one.event for one in engine.log.records() if isinstance(one.event, e.SyscallExited)]
    failed = sum(-4096 < one.result < 0 for one in ends)
    assert failed

    def count(*points: Breakpoint) -> int:
        engine.go_start()
        engine.breakpoints = list(points)
        found = 0
        while press(engine, 1):
            found += 1
        back = 0
        while press(engine, -1) and not engine.at_start:
            back += 1
        assert back == found
        return found

    assert count(Breakpoint("errno", 14)) == sum(one.result == -14 for one in ends)
    assert count(Breakpoint("sys", 4, "exit")) == sum(one.nr == 4 for one in ends)
    assert count(Breakpoint("sys", 4, "error")) == sum(one.nr == 4 and one.result < 0 for one in ends)
    pages = sum(isinstance(one.event, e.PageMapped) for one in engine.log.records())
    assert count(Breakpoint("event", 0, "PageMapped")) in (pages, pages - 1)  # one may be at the very start
    engine = engine_for("spaces")
    run_to_the_end(engine)
    copied = next(one for one in engine.log.records() if isinstance(one.event, e.PageCopied))
    word = Breakpoint("write", copied.event.new << 12, "value")
    engine.go_start()
    engine.breakpoints = [word]
    stops = []
    while press(engine, 1):
        stops.append(where(engine))
    assert "main+0x26" in stops


def test_on_the_command_line() -> None:
    engine = engine_for("pipe")
    assert engine.set_breakpoints(["child", "read error", "child"]) is None
    assert [one.kind for one in engine.breakpoints] == ["code", "sys"]
    assert engine.set_breakpoints(["SIGCHLD", "nonsense", "read"]) == "nonsense"


@pytest.mark.parametrize(
    ("subject", "point"),
    [
        ("code:0804901b", Breakpoint("code", 0x0804_901B)),
        ("line:42:804901b:804902c:pipe.c", Breakpoint("code", 0x0804_901B)),
        ("sys:4", Breakpoint("sys", 4)),
        ("gate:128", Breakpoint("gate", 128)),
        ("vector:14", Breakpoint("gate", 14)),
        ("signal:17:3", Breakpoint("signal", 17)),
        ("task:3", Breakpoint("task", 3)),
        ("reg:eax", None),
        ("", None),
    ],
)
def test_what_a_cell_names(subject: str, point: Breakpoint | None) -> None:
    assert of_subject(subject) == point


# Messages.


def test_a_message_is_followed_by_its_bytes() -> None:
    log = [
        e.PipeWritten(1, b"abc"),
        e.PipeWritten(2, b"other"),
        e.PipeWritten(1, b"defg"),
        e.PipeRead(1, 2),
        e.PipeRead(1, 4),
        e.PipeRead(1, 1),
        e.PipeWritten(1, b"h"),
    ]
    assert [other_end(log, seq, 1) for seq in (0, 2)] == [3, 4]
    assert [other_end(log, seq, -1) for seq in (3, 4, 5)] == [0, 0, 2]
    for seq, direction, word in ((1, 1, "so far"), (6, 1, "so far"), (3, 1, "{"), (0, -1, "}")):
        found = other_end(log, seq, direction)
        assert isinstance(found, str)
        assert word in found


def test_a_signal_is_followed_to_its_delivery() -> None:
    log: list[Any] = [
        e.TaskCreated(2, 1, 2, "boot", "", 0, 0, 0),
        e.TaskCreated(3, 2, 2, "clone", "", 0, 0, 0),
        e.SignalGenerated(2, 10, 0, 1, False, True),
        e.SignalGenerated(2, 17, 0, 1, True, True),
        e.SignalDelivered(3, 10, "handler", 1, 2, 0),
    ]
    assert other_end(log, 2, 1) == 4
    assert other_end(log, 4, -1) == 2
    assert isinstance(other_end(log, 3, 1), str)


def test_the_other_end_of_a_message_through_a_socket() -> None:
    log = [
        e.SocketSent(5, 4, b"one"),
        e.SocketSent(5, 4, b"two"),
        e.SocketSent(4, 5, b"back"),
        e.SocketReceived(5, 0, 2),
        e.SocketReceived(5, 1, 1),
        e.SocketReceived(5, 1, 0),
        e.SocketReceived(4, 1, 0),
        e.SocketSent(5, 4, b"unread"),
    ]
    assert [other_end(log, seq, 1) for seq in (0, 1, 2)] == [3, 4, 6]
    assert [other_end(log, seq, -1) for seq in (3, 4, 5, 6)] == [0, 0, 1, 2]
    assert other_end(log, 7, 1) == "nobody has received it so far"


def test_a_pipe_in_a_program() -> None:
    engine = engine_for("pipe")
    run_to_the_end(engine)
    engine.go_start()
    assert engine.step_message(1)
    assert isinstance(engine.event, e.PipeWritten)
    written, writer = engine.cursor, engine.state.pid
    assert engine.step_follow(1)
    assert isinstance(engine.event, e.PipeRead)
    assert engine.state.pid != writer
    assert engine.step_follow(-1)
    assert engine.cursor == written
    assert not engine.step_follow(-1)
    assert "}" in engine.reason


def test_what_is_searched_for() -> None:
    engine = engine_for("badptr")
    run_to_the_end(engine)
    engine.go_start()
    assert engine.search("efault write", 1)
    assert isinstance(engine.event, e.SyscallExited)
    assert engine.event.result == -14
    assert engine.search("nothing there", -1)
    assert "nothing there" in text_of_event(engine.event)
    for record in engine.log.records():
        assert text_of_event(record.event) == text_of_event(record.event).lower()
        message_of(record.event)


def test_a_line_of_the_source() -> None:
    engine = engine_for("hello")
    assert engine.set_breakpoints(["hello.c:1"]) is None  # the first line with code behind it
    for wrong in ("hello.c:99999", "other.c:1", "hello.c:", ":3", "hello.c:x", "hello.c:" + "9" * 5000):
        assert engine.set_breakpoints([wrong]) == wrong
    (point,) = engine.breakpoints
    assert press(engine, 1)
    view = engine.view
    assert view is not None
    assert view.regs.eip == point.number
    assert where(engine) == "main"
    view_of_line = view.line_address(f"hello.c:{1}")
    assert view_of_line == point.number
