"""Steps to the next and last event of the same object."""

from __future__ import annotations

import random
from typing import Any, cast

import pytest

from app import objects
from app.engine import Engine
from app.tui import Int80
from kernel import events as e
from kernel.abi import signal as s
from tests.app.pictures import engine_for, run_to_the_end
from tests.app.samples import KINDS, any_event
from tests.app.test_tui import MEDIUM, Session


def finished(program: str) -> Engine:
    one = engine_for(program)
    run_to_the_end(one)
    return one


def walked(one: Engine, subject: str) -> list[int]:
    """Where stepping on leads from the start, and that stepping back leads the same way."""
    one.go_end()
    what = objects.of_subject(subject, one.state)
    assert what is not None
    one.go_start()
    places = []
    while one.step_object(what, 1) and one.found:
        places.append(one.cursor.seq - 1)
    back = []
    one.forget_steps()
    one.go_end()
    while one.step_object(what, -1) and one.found:
        back.append(one.cursor.seq - 1)
    assert [seq for seq in reversed(back) if seq != one.length - 1] == [
        seq for seq in places if seq != one.length - 1
    ]
    return places


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_any_event_names_its_objects(kind: type) -> None:
    for seed in range(5):
        for key in objects.keys_of(any_event(kind, random.Random(seed))):
            assert key.count(":") >= 1


def test_all_that_happens_to_a_pipe() -> None:
    one = finished("pipe")
    events = [record.event for record in one.log.records()]
    number = next(event.pipe for event in events if isinstance(event, e.PipeCreated))
    expected = [
        seq
        for seq, event in enumerate(events)
        if getattr(event, "pipe", -1) == number
        or any(queue.startswith(f"pipe:{number}:") for queue in getattr(event, "on", ()) or ())
    ]
    places = walked(one, f"channel:pipe:{number}")
    assert places == expected
    assert {type(events[seq]) for seq in places} >= {
        e.PipeCreated, e.PipeWritten, e.PipeRead, e.PipeEndsChanged, e.TaskBlocked,
    }  # fmt: skip


def test_a_signal_of_one_process() -> None:
    one = finished("signal")
    places = walked(one, f"signal:{s.SIGUSR1}:2")
    assert places
    for seq in places:
        event: Any = one.log.record(seq).event
        assert event.signo == s.SIGUSR1
        assert event.task == 2
    assert len(walked(one, f"signal:{s.SIGUSR1}:0")) >= len(places)


def test_a_frame_and_a_page() -> None:
    one = finished("spaces")
    events = [record.event for record in one.log.records()]
    copied = next(event for event in events if isinstance(event, e.PageCopied))
    frame = walked(one, f"frame:{copied.new:x}")
    assert all(f"frame:{copied.new:x}" in objects.keys_of(events[seq]) for seq in frame)
    assert any(events[seq] is copied for seq in frame)
    page = walked(one, f"walk:{copied.space}:{copied.va:08x}")
    assert any(events[seq] is copied for seq in page)
    assert all(getattr(events[seq], "space", copied.space) == copied.space for seq in page)


def test_what_is_no_object() -> None:
    one = finished("hello")
    for subject in ("", "reg:eax", "flag:zf", "file:99999", "signal:x", "word:zz", "channel", "walk:1"):
        found = objects.of_subject(subject, one.state)
        assert found is None or found.text, subject


async def test_h_follows_what_the_event_is_about() -> None:
    one = finished("pipe")
    app = Int80(one)
    async with app.run_test(size=MEDIUM) as pilot:
        on = Session(app, cast(Any, pilot), cast(Any, one))
        await on.settle()
        created = next(n for n, r in enumerate(one.log.records()) if isinstance(r.event, e.PipeCreated))
        app.go_to(created + 1)
        seen = []
        for _ in range(4):
            await on.press("h")
            seen.append(type(one.event))
            assert "pipe" in on.text("footer")
        assert e.PipeWritten in seen
        for _ in range(4):
            await on.press("H")
        assert one.cursor.seq == created + 1
        await on.press("f8", "right", "h")
        assert "SIG" in on.text("footer")
