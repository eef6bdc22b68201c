"""Playing: how fast, from where to where, by steps or by the guest's clock, round and round."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine import Engine
from app.notes import CHAPTER, Note
from app.player import FINISHED, RUNNING, SPEEDS, STEPS, TIME, USUAL, Player, Stretch
from app.playing import NotPlayed, Wish, play, player_for, speed_named, stretch
from app.position import ALL_DONE, Position
from app.recording import open_engine
from app.session import open_session
from app.session.notes import NotesFile
from app.tui import Int80
from tests.app.fake_engine import FakeEngine
from tests.app.test_recording import live, run_out, written
from tests.app.test_tui import MEDIUM, SMALL, WIDE, Session, session


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of `pipe` with a chapter."""
    path = tmp_path_factory.mktemp("playing") / "a.int80"
    engine = live("pipe")
    run_out(engine)
    written(engine, path)
    with open_session(path) as found:
        place = Position(60, ALL_DONE, found.log.record(59).tick)
        NotesFile(found).write([Note(place, CHAPTER, "The pipe")])
    return path


@pytest.fixture
def engine(path: Path) -> Engine:
    with open_session(path) as found:
        return open_engine(found)


def place(engine: Engine, seq: int) -> Position:
    return Position(seq, ALL_DONE, engine.log.record(seq - 1).tick)


# What is asked for.


@pytest.mark.parametrize(
    ("text", "speed"),
    [
        *((text, text) for text in SPEEDS),
        ("64x", "64"),
        ("1/16X", "1/16"),
        ("0.25", "1/4"),
        (" 8 ", "8"),
        ("2.0", "2"),
    ],
)
def test_speeds(text: str, speed: str) -> None:
    player = player_for(Wish(speed=text))
    assert SPEEDS[player.speed] == speed
    assert player.factor == pytest.approx(eval(speed))
    assert player.speed_text == f"{speed}x"


@pytest.mark.parametrize(
    "text", ["", "x", "0", "-1", "3", "128", "1/32", "1/3", "nan", "inf", "fast", "1e400"]
)
def test_no_speeds(text: str) -> None:
    with pytest.raises(NotPlayed) as caught:
        speed_named(text)
    assert str(caught.value) == (f"--speed {text}: there are 1/16, 1/8, 1/4, 1/2, 1, 2, 4, 8, 16, 32 and 64")


@pytest.mark.parametrize(
    ("first", "last", "seqs"),
    [
        (None, None, (0, -1)),
        ("start", "end", (0, -1)),
        ("10", "the pipe", (10, 60)),
        ("The Pipe", None, (60, -1)),
        (None, "60", (0, 60)),
    ],
)
def test_stretches(engine: Engine, first: str | None, last: str | None, seqs: tuple[int, int]) -> None:
    found = stretch(engine, Wish(first=first, last=last, loop=True))
    assert (found.first.seq, found.last.seq) == (seqs[0], seqs[1] % (engine.length + 1))
    assert found.loop


@pytest.mark.parametrize(
    ("wish", "line"),
    [
        (Wish(first="nowhere"), "--from nowhere: no such place; an event from 0 to {}, a percentage"),
        (Wish(first=""), "--from : no such place"),
        (Wish(last="101%"), "--until 101%: no such place"),
        (Wish(last="99999"), "--until 99999: no such place"),
        (Wish(last="\x1b[2J"), "--until \ufffd[2J: no such place"),
        (Wish(first="60", last="10"), "nothing lies between --from (event 60) and --until (event 10)"),
        (Wish(first="60", last="the pipe"), "nothing lies between --from (event 60) and --until (event 60)"),
        (Wish(first="end"), "nothing lies between --from (event {0}) and --until (event {0})"),
        (Wish(speed="3"), "--speed 3: there are 1/16"),
        (Wish(branch="x"), "no branch is called x"),
    ],
)
def test_bad_values_are_one_line(
    path: Path, engine: Engine, capsys: pytest.CaptureFixture[str], wish: Wish, line: str
) -> None:
    assert play(str(path), False, wish) == 2
    out, told = capsys.readouterr()
    assert out == ""
    assert told.count("\n") == 1
    assert told.isprintable() is False  # the newline
    assert told[:-1].isprintable()
    assert line.format(engine.length) in told


@pytest.mark.parametrize(
    "wish", [Wish(first="1"), Wish(last="1"), Wish(loop=True), Wish(speed="2"), Wish(by=TIME)]
)
def test_text_is_not_played(path: Path, capsys: pytest.CaptureFixture[str], wish: Wish) -> None:
    assert play(str(path), True, wish) == 2
    assert "are for the screen" in capsys.readouterr().err


# Frames.


def test_by_steps_it_stops_where_it_should(engine: Engine) -> None:
    """Every microstep between the two ends is seen, none behind the last."""
    player = Player()
    player.stretch = Stretch(place(engine, 55), place(engine, 60), False)
    engine.go_to_place(player.stretch.first)
    seen = frames(player, engine, 1 / 4)
    one = [player.stretch.first]
    engine.go_to_place(one[0])
    while one[-1].before(player.stretch.last):
        assert engine.step_microstep(1)
        one.append(engine.cursor)
    assert seen == one[1:]
    assert seen[-1] == player.stretch.last


def frames(player: Player, engine: Any, elapsed: float, most: int = 10_000) -> list[Position]:
    """Where the cursor is after each frame."""
    seen = []
    player.start()
    for _ in range(most):
        outcome = player.frame(engine, elapsed)
        if not seen or seen[-1] != engine.cursor:
            seen.append(engine.cursor)
        if outcome == FINISHED:
            return seen
        assert outcome == RUNNING
    return seen


@pytest.mark.parametrize("by", [STEPS, TIME])
def test_it_begins_again(engine: Engine, by: str) -> None:
    player = Player()
    player.by = by
    player.stretch = Stretch(place(engine, 100), place(engine, 110), True)
    engine.go_to_place(player.stretch.first)
    seen = frames(player, engine, 1 / 4 if by == STEPS else 0.004, 1000)
    assert seen.count(player.stretch.first) > 1
    assert seen.count(player.stretch.last) > 1
    assert all(100 <= one.seq <= 110 for one in seen)


def test_the_whole_recording_begins_again(engine: Engine) -> None:
    player = Player()
    player.by = TIME
    player.stretch = stretch(engine, Wish(loop=True))
    seen = [one.seq for one in frames(player, engine, 1.0, 20)]
    assert seen.count(0) > 1
    assert seen.count(engine.length) > 1
    assert player.outcome == RUNNING


def test_no_loop_ends_at_the_end(engine: Engine) -> None:
    for by in (STEPS, TIME):
        player = Player()
        player.by, player.speed = by, len(SPEEDS) - 1
        engine.go_to(engine.length - 5)
        assert frames(player, engine, 1.0)[-1].seq == engine.length
        assert player.frame(engine, 1.0) == FINISHED


class Timed(FakeEngine):
    """Events at given ticks."""

    def __init__(self, ticks: list[int]) -> None:
        super().__init__(live=False)
        _, pid, event = next(iter(self.log.rows(2, 3)))
        from app.log import Log

        self.log = Log()
        for tick in ticks:
            self.log.append(tick, pid, event)
        self.seq = 0

    @property
    def cursor(self) -> Position:
        return Position(self.seq, ALL_DONE, self.log.record(self.seq - 1).tick if self.seq else 0)

    @property
    def length(self) -> int:
        return len(self.log)

    def go_to(self, seq: int) -> None:
        self.seq = seq


SECOND = 1_000_000_000


def arrivals(ticks: list[int], speed: int = USUAL) -> list[float]:
    """When each event is reached, in seconds."""
    engine, player = Timed(ticks), Player()
    player.by, player.speed = TIME, speed
    player.start()
    now, found = 0.0, [0.0] * len(ticks)
    while engine.seq < len(ticks):
        before = engine.seq
        player.frame(engine, 0.01)
        now += 0.01
        assert now < 1000
        for seq in range(before, engine.seq):
            found[seq] = now
    return found


def test_by_time_it_is_as_it_was() -> None:
    assert arrivals([0, SECOND // 2, SECOND]) == pytest.approx([0.01, 0.5, 1.0], abs=0.02)


def test_a_long_pause_is_cut_short() -> None:
    assert arrivals([0, 3600 * SECOND, 3600 * SECOND + SECOND // 2]) == pytest.approx(
        [0.01, 1.0, 1.5], abs=0.02
    )


@given(st.lists(st.integers(0, 2 * SECOND), min_size=1, max_size=6), st.integers(USUAL, USUAL + 3))
def test_by_time_every_pause_is_as_long_as_it_was_or_a_second(pauses: list[int], speed: int) -> None:
    ticks = [sum(pauses[: n + 1]) for n in range(len(pauses))]
    expected, at = [], 0.0
    for pause in pauses:
        at += min(pause, SECOND) / SECOND / 2 ** (speed - USUAL)
        expected.append(at)
    assert arrivals(ticks, speed) == pytest.approx(expected, abs=0.011 * (len(pauses) + 1))


def test_what_cannot_run_again_is_played_by_events(engine: Engine) -> None:
    engine.broken = "no machine"
    engine.go_to(10)
    assert [one.seq for one in frames(Player(), engine, 1 / 4, 5)] == [11, 12, 13, 14, 15]
    engine.go_to(engine.length)
    assert frames(Player(), engine, 1.0) == [engine.cursor]


# On the screen.


async def test_speeds_by_keys() -> None:
    async with session(MEDIUM) as on:
        await on.press("plus", "plus")
        assert "speed: 4x" in on.text("footer")
        assert "❚❚ paused 4x" in on.text("header")
        for _ in range(9):
            await on.press("plus")
        assert "speed: 64x" in on.text("footer")
        for _ in range(12):
            await on.press("minus")
        assert "speed: 1/16x" in on.text("footer")
        await on.press("space")
        assert "▶ 1/16x" in on.text("header")
        await on.press("plus")
        assert "speed: 1/8x" in on.text("footer")
        assert "▶ 1/8x" in on.text("header")
        await on.press("space")
        assert "❚❚ paused" in on.text("header")
        await on.press("equals_sign")
        assert "speed: 1x" in on.text("footer")


@pytest.mark.parametrize("size", [WIDE, MEDIUM, SMALL], ids=["200x60", "120x40", "80x24"])
async def test_it_plays_at_once_and_to_the_end(engine: Engine, size: tuple[int, int]) -> None:
    wish = Wish(first="100", last="104", speed="64")
    app = Int80(engine)
    app.player, app.plays = player_for(wish), wish.plays
    app.player.stretch = stretch(engine, wish)
    engine.go_to_place(app.player.stretch.first)
    async with app.run_test(size=size) as pilot:
        on = Session(app, cast(Any, pilot), cast(Any, engine))
        await on.settle()
        for _ in range(500):
            if not app.player.on:
                break
            await asyncio.sleep(0.01)
        await on.settle()
        assert engine.cursor == app.player.stretch.last
        assert "it plays to here, --until says" in on.text("footer")
        assert "64x" in on.text("header")
        await on.press("space")
        await asyncio.sleep(0.1)
        await on.settle()
        assert engine.cursor == app.player.stretch.last
        await on.press("full_stop")
        assert engine.cursor.seq == 105


async def test_it_is_played_round_and_round(engine: Engine) -> None:
    wish = Wish(first="the pipe", last="64", loop=True, speed="32")
    app = Int80(engine)
    app.player, app.plays = player_for(wish), wish.plays
    app.player.stretch = stretch(engine, wish)
    engine.go_to_place(app.player.stretch.first)
    seen: list[int] = []
    async with app.run_test(size=MEDIUM) as pilot:
        on = Session(app, cast(Any, pilot), cast(Any, engine))
        await on.pilot.pause()
        for _ in range(400):
            await asyncio.sleep(0.005)
            if not seen or seen[-1] != engine.cursor.seq:
                seen.append(engine.cursor.seq)
            if sum(b < a for a, b in pairwise(seen)) > 1:
                break
        assert app.player.on
        await pilot.press("space")
        await on.settle()
    assert sum(b < a for a, b in pairwise(seen)) > 1
    assert set(seen) <= set(range(60, 65))
