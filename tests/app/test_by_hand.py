"""A person sends signals to processes: inputs of the session, told, recorded, and the same when run again."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from app.actions import parse_kill
from app.engine import Engine
from app.launch import Options, prepare
from app.panes.signals import Signals
from app.resources import kernel_image
from app.screens.popup import Ask, Choose
from app.story import tell_event
from app.tui import Int80
from kernel.abi import signal as s
from kernel.events import InputArrived, SignalDelivered, SignalGenerated, TaskCreated, TaskExited
from kernel.kernel import Input
from tests.app.pictures import engine_for, run_to_the_end
from tests.app.test_recording import written
from tests.app.test_tui import MEDIUM, Session


def again(one: Engine, inputs: list[Input]) -> Engine:
    """The same start, with inputs known beforehand."""
    start, blobs = prepare(Options(one.machine.kernel.start.path.rsplit("/", 1)[-1]))
    found = Engine(start, kernel_image(), blobs, inputs=inputs)
    run_to_the_end(found)
    return found


def finish(one: Engine) -> None:
    one.go_end()
    run_to_the_end(one)
    one.go_end()


def last(one: Engine, kind: type) -> Any:
    return next(
        r.event for r in reversed(list(one.log.records(0, one.cursor.seq))) if isinstance(r.event, kind)
    )


def test_a_signal_from_outside_is_an_input_and_begins_another_future(tmp_path: Path) -> None:
    one = engine_for("busy")
    run_to_the_end(one)
    usual = one.log.digest()
    child = next(r for r in one.log.records() if isinstance(r.event, TaskCreated) and r.event.child == 3)
    here = one.length // 2
    one.go_to(here)
    before = [one.log.record(seq) for seq in range(here)]
    assert one.send_signal(99, s.SIGTERM) == "there is no such process"
    assert one.send_signal(1, s.SIGTERM) == "no signal from outside reaches it"
    assert one.log.digest() == usual
    assert one.send_signal(child.event.child, s.SIGTERM) == ""  # type: ignore[union-attr]
    assert one.length == here

    one.step_signal(1)
    sent = last(one, SignalGenerated)
    assert (sent.task, sent.signo, sent.code, sent.sender) == (3, s.SIGTERM, s.SI_USER, 0)
    assert sent.info[:2] == (0, 0)
    arrived = last(one, InputArrived)
    assert tell_event(arrived, one.state) == "From outside: SIGTERM is sent to B (busy)."
    assert tell_event(sent, one.state).startswith("Somebody outside the machine sends SIGTERM to B (busy).")

    finish(one)
    ended = [
        r.event.status for r in one.log.records() if isinstance(r.event, TaskExited) and r.event.task == 3
    ]
    assert ended == [s.SIGTERM]
    assert [one.log.record(seq) for seq in range(here)] == before
    assert one.send_signal(3, s.SIGTERM) == "there is no such process"
    digest = one.log.digest()
    assert again(one, list(one.machine.inputs)).log.digest() == digest != usual
    for seq in (here + 2, here // 2, one.length):
        one.go_to(seq)
        assert one.view is not None  # run again, and compared with the log

    played = written(one, tmp_path / "a.int80")
    played.go_to(here + 2)
    assert played.view is not None
    assert not played.broken
    assert played.send_signal(2, s.SIGTERM) == "a recording has one future only: u takes over"


def test_the_program_sees_who_has_sent_it() -> None:
    one = engine_for("signal")
    one.step_signal(1)  # the terminal's SIGWINCH or the program's own
    while not (isinstance(one.event, SignalGenerated) and one.event.signo == s.SIGUSR1):
        assert one.step_signal(1)
    assert one.send_signal(2, s.SIGCHLD) == ""
    while not (isinstance(one.event, SignalDelivered) and one.event.signo == s.SIGCHLD):
        assert one.step_signal(1)
    delivered = cast(SignalDelivered, one.event)
    assert (delivered.action, delivered.code, delivered.info[:2]) == ("handler", s.SI_USER, (0, 0))
    finish(one)
    assert b"handler: SIGCHLD" in bytes(one.history.state_at(one.length).terminals[0].kept)


def test_to_one_thread_and_to_those_that_cannot() -> None:
    """What comes with an input is checked where it arrives: nothing of it can hurt."""
    one = engine_for("signal")
    one.step_signal(1)
    one.go_end()
    for pid, data in (
        (2, b""),
        (2, b"\0"),
        (2, b"\xff"),
        (2, b"\x0a\x0a"),
        (1, b"\x09"),
        (0, b"\x09"),
        (77, b"\x09"),
    ):
        one.give(Input(one.machine.tick, "signal", pid, data))
    finish(one)
    assert one.finished == 0
    assert sum(isinstance(r.event, InputArrived) for r in one.log.records()) == 7


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("USR1 A", (2, s.SIGUSR1)),
        ("kill -TERM 3", (3, s.SIGTERM)),
        ("-9 B", (3, s.SIGKILL)),
        ("sigint 2", (2, s.SIGINT)),
        ("64 A", (2, 64)),
        ("65 A", None),
        ("0 A", None),
        ("USR1 99", None),
        ("USR1", None),
        ("", None),
        ("sig A", None),
        ("1000000000000000000000 A", None),
    ],
)
def test_in_words(text: str, found: tuple[int, int] | None) -> None:
    one = engine_for("busy")
    run_to_the_end(one)
    one.go_to(one.length // 2)
    assert parse_kill(text, one.state) == found


async def test_k_sends_what_is_chosen() -> None:
    one = engine_for("busy")
    run_to_the_end(one)
    app = Int80(one)
    async with app.run_test(size=MEDIUM) as pilot:
        on = Session(app, cast(Any, pilot), cast(Any, one))
        await on.settle()
        app.go_to(one.length // 2 + 1)
        here = one.cursor.seq

        # In Signals: the cell that is chosen. What was ahead has not been.
        await on.press("f8")
        await on.press(*["right"] * 15)
        assert cast(Signals, app.main.focused).cell == (15, 3)
        await on.press("k")
        assert one.length == here
        assert "SIGTERM goes to B: n follows it" in on.text("footer")
        assert "begins here, f leads back" in on.text("footer")
        await on.press("n")
        assert "Somebody outside the machine sends SIGTERM to B" in " ".join(on.text("story").split())

        # In Processes: which one is asked for.
        await on.press("f6")
        await on.press("k")
        assert isinstance(app.screen, Choose)
        await on.press(*"usr2", "enter")
        assert [one_input.data for one_input in one.machine.inputs] == [b"\x0f", b"\x0c"]

        # Elsewhere: which one and to whom.
        await on.press("f1")
        await on.press("k")
        assert isinstance(app.screen, Ask)
        await on.press(*"nobody", "enter")
        assert isinstance(app.screen, Ask)
        await on.press(*["backspace"] * 6, *"usr1 A", "enter")
        assert app.screen is app.main
        assert one.machine.inputs[-1].data == b"\x0a"
        assert one.machine.inputs[-1].number == 2


async def test_a_word_that_means_nothing_is_named() -> None:
    engine = engine_for("hello")
    app = Int80(engine)
    async with app.run_test(size=(80, 24)) as pilot:
        on = Session(app, cast(Any, pilot), cast(Any, engine))
        await on.settle()
        for key, wrong in (
            ("b", "nothing is called zzz: a system call"),
            ("y", "that cannot be done: eax = 5"),
        ):
            await on.press(key, *"zzz", "enter")
            shown = " ".join("\n".join(on.picture()).replace("│", " ").split())
            assert wrong in shown
            assert shown.count("0804901b" if key == "b" else "in another process") == 1  # to its end
            await on.press("escape")
