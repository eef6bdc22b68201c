"""Panes as pure functions: the exact text for literal Moments at several widths.

The expected texts are in `expected/`; INT80_WRITE_EXPECTED=1 writes them anew, to be read before a commit.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from app.panes import bars, console, cpu, stacks, story, timeline, trace, traps
from app.panes.frame import Place, frames
from app.panes.moment import Moment
from app.panes.row import Sheet, Span, beside, fit, padded, row, text_of, width_of, wrapped
from app.units import duration
from app.vt.replay import Replay
from tests.app import fake_engine
from tests.app.fake_engine import FakeEngine

EXPECTED = Path(__file__).parent / "expected"
PLACES = {
    "before": 0,
    "gate": 2,
    "tss": 4,
    "pushed": 6,
    "entered": 7,
    "saved": 8,
    "body": 11,
    "result": 13,
    "back": 17,
}
"""Telling places of the fake engine's one system call."""


def moment(at: int, before: int | None = None) -> Moment:
    engine = FakeEngine()
    engine.at = at
    return Moment(
        state=engine.state,
        view=engine.view,
        cursor=engine.cursor,
        event=engine.event,
        before=engine.places[before].view.regs if before is not None else None,
        log=engine.log,
        length=engine.length,
        title=engine.title,
        status=engine.status,
    )


def text(sheet: Sheet, width: int, height: int) -> str:
    shown = [*sheet.head, *sheet.rows[sheet.top : sheet.top + height - len(sheet.head)]]
    return "\n".join(text_of(fit(one, width)).rstrip() for one in shown) + "\n"


def compare(name: str, found: str) -> None:
    path = EXPECTED / f"{name}.txt"
    if os.environ.get("INT80_WRITE_EXPECTED"):
        EXPECTED.mkdir(exist_ok=True)
        path.write_text(found, encoding="utf-8")
    assert found == path.read_text(encoding="utf-8")


Rows = Callable[[Moment, int, int], Sheet]


def console_rows(now: Moment, width: int, height: int) -> Sheet:
    return console.rows(now, width, height, Replay())


def timeline_rows(now: Moment, width: int, height: int) -> Sheet:
    lanes = timeline.Lanes()
    assert now.log is not None
    lanes.follow(now.log)
    return timeline.rows(now, width, height, lanes)


PANES: dict[str, tuple[Rows, tuple[tuple[int, int], ...]]] = {
    "cpu": (cpu.rows, ((46, 34), (46, 18), (78, 15))),
    "traps": (traps.rows, ((66, 34), (68, 18), (78, 11))),
    "stacks": (stacks.rows, ((84, 30), (78, 12))),
    "trace": (trace.rows, ((118, 8), (78, 8))),
    "story": (story.rows, ((118, 2), (60, 3))),
    "timeline": (timeline_rows, ((100, 3), (60, 2))),
    "console": (console_rows, ((40, 6),)),
}


@pytest.mark.parametrize("name", PANES)
@pytest.mark.parametrize("place", PLACES)
def test_text(name: str, place: str) -> None:
    rows, sizes = PANES[name]
    parts = []
    for width, height in sizes:
        at = PLACES[place]
        found = rows(moment(at, at - 1 if at else None), width, height)
        parts.append(f"{width}x{height}\n" + text(found, width, height))
    compare(f"{name}-{place}", "\n".join(parts))


@pytest.mark.parametrize("width", [200, 120, 80, 60])
def test_header(width: int) -> None:
    lines = [bars.header_row(moment(at), width) for at in PLACES.values()]
    assert all(width_of(line) == width for line in lines)
    compare(f"header-{width}", "\n".join(text_of(line).rstrip() for line in lines) + "\n")


def test_gates() -> None:
    compare("gates", text(traps.rows(moment(8), 100, 12, traps.GATES), 100, 12))


@pytest.mark.parametrize("width", [68, 100])
def test_system_calls(width: int) -> None:
    """The table shows the page with the call that is being made."""
    compare(f"calls-{width}", text(traps.rows(moment(8), width, 12, traps.CALLS), width, 12))


@pytest.mark.parametrize("name", PANES)
@pytest.mark.parametrize("width", [20, 38, 76, 200])
def test_no_row_is_wider_than_the_pane(name: str, width: int) -> None:
    for at in range(-1, len(FakeEngine().places)):
        for one in PANES[name][0](moment(at), width, 20).rows:
            assert width_of(fit(one, width)) <= width


def test_same_place_same_rows() -> None:
    """A pane is a function of the Moment."""
    for rows, sizes in PANES.values():
        for at in PLACES.values():
            width, height = sizes[0]
            assert list(rows(moment(at), width, height).rows) == list(rows(moment(at), width, height).rows)


def test_changed_registers_are_marked() -> None:
    now = moment(7, before=6)
    found = text_of(cpu.rows(now, 46, 20).rows[8])
    assert found.startswith("•eip c010007f")


def test_words_appear_when_they_are_pushed() -> None:
    shown = [text(stacks.rows(moment(at), 84, 30), 84, 30) for at in (PLACES["tss"], PLACES["pushed"])]
    assert "········  eip" in shown[0]
    assert f"{fake_engine.INT_80 + 2:08x}  eip" in shown[1]


def test_fit() -> None:
    one = row("abc", Span("defgh", "bold"))
    assert text_of(fit(one, 8)) == "abcdefgh"
    assert text_of(fit(one, 6)) == "abcde…"
    assert text_of(fit(one, 3)) == "ab…"
    assert text_of(fit(one, 0)) == ""
    assert text_of(padded(one, 10)) == "abcdefgh  "
    assert [text_of(line) for line in beside([one], [one, one], 4, Span("│"))] == [
        "abc…│abcdefgh",
        "    │abcdefgh",
    ]


def test_wrapped() -> None:
    assert wrapped("one two three", 7) == ["one two", "three"]
    assert wrapped("incomprehensible", 6) == ["incom…"]
    assert wrapped("", 6) == []


def test_frames_meet() -> None:
    found = frames(
        {"a": Place(0, 1, 4, 3), "b": Place(4, 1, 4, 3), "c": Place(0, 4, 6, 2), "d": Place(6, 4, 2, 2)}
    )
    assert found["a"] == ("────", "")
    assert found["b"] == ("┬───", "││")
    assert found["c"] == ("────┴─", "")
    assert found["d"] == ("┬─", "│")


@pytest.mark.parametrize(
    ("ticks", "shown"),
    [(0, "0 ns"), (999, "999 ns"), (18_204, "18.2 µs"), (1_500_000, "1.50 ms"), (90 * 10**9, "1:30 min")],
)
def test_duration(ticks: int, shown: str) -> None:
    assert duration(ticks) == shown
