"""The screen as a person uses it: keys on an engine that is a list of places, at four sizes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from textual.pilot import Pilot

from app.actions import ACTIONS, BY_NAME, PANE_KEYS
from app.keys import NAMED, terminal_bytes
from app.notes import parse_place
from app.panes.bars import footer_items, tab_row
from app.panes.row import text_of
from app.screens.main import size_class
from app.screens.popup import Ask, Choose, Text, broken
from app.tui import Int80
from tests.app.fake_engine import FakeEngine

WIDE, MEDIUM, SMALL, TINY = (200, 60), (120, 40), (80, 24), (50, 15)
DISPATCH = {name for name, _, _ in PANE_KEYS} - {"processes"}
"""The panes of the first layout at the largest size."""


class Session:
    """An App on a fake engine, and a hand on its keys."""

    def __init__(self, app: Int80, pilot: Pilot[int], engine: FakeEngine) -> None:
        self.app, self.pilot, self.engine = app, pilot, engine

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.pilot.press(key)
        await self.settle()

    async def settle(self) -> None:
        """Until the panes have been painted once and nothing more is due."""
        for _ in range(2000):
            await self.pilot.pause()
            if self.app.settled:
                break
            await asyncio.sleep(0.005)
        assert self.app.problem is None, self.app.problem

    def text(self, name: str) -> str:
        widget = cast(Any, self.app.main.query_one(f"#{name}"))
        return "\n".join(text_of(one) for one in widget.shown)

    def picture(self) -> list[str]:
        """All of the screen, line by line."""
        return [strip.text for strip in self.app.screen._compositor.render_strips()]

    def visible(self) -> set[str]:
        return {pane.id or "" for pane in self.app.main.visible_panes()}


@asynccontextmanager
async def session(size: tuple[int, int] = WIDE, live: bool = True) -> AsyncIterator[Session]:
    engine = FakeEngine(live)
    app = Int80(cast(Any, engine))
    async with app.run_test(size=size) as pilot:
        one = Session(app, cast(Any, pilot), engine)
        await one.settle()
        yield one


# Sizes.


@pytest.mark.parametrize(
    ("size", "panes"),
    [
        (WIDE, DISPATCH),
        (MEDIUM, {"cpu", "traps", "source", "stacks", "trace"}),
        (SMALL, {"traps"}),
        (TINY, set()),
    ],
)
async def test_sizes(size: tuple[int, int], panes: set[str]) -> None:
    async with session(size) as on:
        await on.press("m", "m", "m")
        assert on.visible() == panes
        lines = on.picture()
        assert len(lines) == size[1]
        assert all(len(line) == size[0] for line in lines)
        if size == TINY:
            assert "int80 needs 60 columns and 20 rows" in lines[0]
        else:
            assert "int80 ▸ hello" in lines[0]
            assert "Story" in "\n".join(lines)
            assert lines[-1].startswith(" i/I instruction")
            assert "? help  q quit" in lines[-1]


async def test_any_size_renders() -> None:
    async with session() as on:
        for width in range(58, 210, 19):
            for height in (20, 33, 45, 70):
                await on.pilot.resize_terminal(width, height)
                await on.press("s", "tab", "down")
                lines = on.picture()
                assert len(lines) == height
                assert all(len(line) == width for line in lines)


async def test_resizing_changes_the_layout() -> None:
    async with session(WIDE) as on:
        for size in (SMALL, TINY, MEDIUM, WIDE):
            await on.pilot.resize_terminal(*size)
            await on.settle()
            assert on.app.main.has_class(size_class(*size))
        assert on.visible() == DISPATCH


# Time.


KEYS_OF_TIME = (
    ("i", "instruction+1"),
    ("I", "instruction-1"),
    ("m", "microstep+1"),
    ("M", "microstep-1"),
    ("s", "syscall+1"),
    ("S", "syscall-1"),
    ("t", "switch+1"),
    ("T", "switch-1"),
    ("full_stop", "event+1"),
    ("comma", "event-1"),
    ("n", "signal+1"),
    ("N", "signal-1"),
    ("l", "message+1"),
    ("L", "message-1"),
    ("right_square_bracket", "mark+1"),
    ("left_square_bracket", "mark-1"),
    ("right_curly_bracket", "follow+1"),
    ("left_curly_bracket", "follow-1"),
    ("home", "start"),
    ("end", "end"),
    ("C", "start"),
    ("c", "end"),
)


async def test_keys_of_time() -> None:
    async with session() as on:
        for key, asked in KEYS_OF_TIME:
            on.engine.at = 5
            on.engine.moved.clear()
            await on.press(key)
            assert on.engine.moved[:1] == [asked]


async def test_a_step_forwards_and_back_shows_the_same() -> None:
    """Every pane, at every place, with every kind of step."""
    async with session() as on:
        await on.press("M")
        for forwards, back in (("m", "M"), ("i", "I")):
            pictures = []
            for _ in range(len(on.engine.places) + 1):
                pictures.append(on.picture())
                if on.engine.at_end:
                    break
                await on.press(forwards)
            for picture in reversed(pictures[:-1]):
                await on.press(back)
                found = on.picture()
                assert found[:-1] == picture[:-1]


async def test_both_ends_say_so() -> None:
    async with session() as on:
        await on.press("home", "M")
        assert "this is the start of time" in on.text("footer")
        await on.press("end", "m")
        assert "this is the end of time: the program exited with 0" in on.text("footer")
        await on.press("M")
        assert "time" not in on.text("footer").replace("time ", "")


async def test_the_way_through_the_kernel() -> None:
    """One `write`, microstep by microstep: ring, registers, stacks and the path all tell the same."""
    async with session() as on:
        rings, current = [], []
        while not on.engine.at_end:
            rings.append("kernel" in on.text("header"))
            lines = [line for line in on.text("traps").splitlines() if "▶" in line]
            current.append(lines[0].split("▶")[1].split()[0] if lines else "")
            await on.press("m")
        assert rings == [False] * 7 + [True] * 10 + [False] + [True] * 3
        assert current[1:7] == ["1", "2", "3", "4", "5", "6"]
        assert current[7:17] == ["7", "8", "sys_write", "sys_write", "sys_write", "9", "9", "10", "11", "11"]


async def test_go_to() -> None:
    async with session() as on:
        await on.press("g")
        assert isinstance(on.app.screen, Ask)
        await on.press(*"nonsense", "enter")
        assert isinstance(on.app.screen, Ask)
        await on.press("escape", "g", "5", "0", "percent_sign", "enter")
        assert on.engine.moved[-1] == "go_to 6"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("0", 0),
        ("start", 0),
        ("end", 1000),
        ("25%", 250),
        ("1,000", 1000),
        ("1001", None),
        ("x", None),
        ("101%", None),
    ],
)
def test_places(text: str, place: int | None) -> None:
    assert parse_place(text, 1000) == place


async def test_playing_runs_and_stops_at_the_end() -> None:
    async with session() as on:
        await on.press("plus", "plus", "plus", "plus", "plus", "space")
        for _ in range(400):
            if not on.app.player.on:
                break
            await asyncio.sleep(0.01)
        await on.settle()
        assert on.engine.at_end
        assert "paused" in on.text("header")


async def test_space_pauses() -> None:
    async with session() as on:
        await on.press("minus", "minus", "space")
        assert on.app.player.on
        assert "▶ 1/4x" in on.text("header")
        await on.press("space")
        assert not on.app.player.on


async def test_a_search_goes_on_until_it_is_found() -> None:
    async with session() as on:
        on.engine.seeking = lambda _event: True

        def found(seconds: float) -> str:
            on.engine.seeking = None
            return "finished"

        on.engine.run = found  # type: ignore[method-assign]
        await on.press("s")
        assert on.engine.moved[0] == "syscall+1"


async def test_what_was_searched_for_is_marked_until_escape() -> None:
    async with session() as on:
        await on.press("slash", *"syscall", "enter")
        assert '* "syscall"' in on.text("timeline")
        assert on.text("timeline").count("*") == 4
        await on.press("escape")
        assert "*" not in on.text("timeline")
        assert "> and < still go to it" in on.text("footer")


# Panes.


@pytest.mark.parametrize("size", [WIDE, MEDIUM, SMALL])
async def test_f_keys(size: tuple[int, int]) -> None:
    async with session(size) as on:
        for name, key, label in PANE_KEYS:
            await on.press(key)
            assert name in on.visible()
            assert on.app.main.focused is not None
            assert on.app.main.focused.id == name
            assert f"▸ {label}" in on.text(name)


async def test_zoom() -> None:
    async with session() as on:
        await on.press("f3", "f3")
        assert on.visible() == {"stacks"}
        await on.press("escape")
        assert on.visible() == DISPATCH
        await on.press("z")
        assert len(on.visible()) == 1


async def test_tab_goes_around() -> None:
    async with session() as on:
        seen = []
        for _ in range(11):
            await on.press("tab")
            assert on.app.main.focused is not None
            seen.append(on.app.main.focused.id)
        assert seen[:5] == ["cpu", "traps", "stacks", "source", "memory"]
        assert seen[5:] == ["ipc", "signals", "trace", "console", "timeline", "cpu"]
        await on.press("shift+tab", "shift+tab")
        assert on.app.main.focused is not None
        assert on.app.main.focused.id == "console"


async def test_pictures_of_traps() -> None:
    async with session() as on:
        assert "Traps" in on.text("traps")
        await on.press("v")
        assert "selector:offset" in on.text("traps")
        await on.press("v")
        assert "__NR" not in on.text("traps")
        assert "restart_syscall" in on.text("traps")
        await on.press("pagedown")


async def test_enter_explains_what_is_chosen() -> None:
    async with session() as on:
        await on.press("f1", "enter")
        assert isinstance(on.app.screen, Text)
        assert on.app.screen.heading == "eax"
        await on.press("escape", "down", "enter")
        assert cast(Text, on.app.screen).heading == "ebx"
        await on.press("escape")


async def test_everything_that_is_underlined_can_be_explained() -> None:
    from app.explain import explain

    async with session() as on:
        for at in range(len(on.engine.places)):
            on.engine.at = at
            on.app.paint()
            await on.settle()
            for pane in on.app.main.board:
                for view in range(max(len(pane.views), 1)):
                    pane.view = view
                    pane.repaint()
                    for _, subject in pane.subjects():
                        found = explain(subject, on.app.moment())
                        assert found is not None, subject
                        assert found.title
                        assert any(found.lines)
                pane.view = 0


# Console.


async def test_the_console_takes_every_key() -> None:
    async with session() as on:
        await on.press("end", "f5", "enter")
        assert "keys go to the guest" in on.text("console")
        await on.press("q", "ctrl+q", "ctrl+p", "ctrl+c", "up", "enter", "f1", "tab", "question_mark")
        assert on.engine.typed == b"q\x11\x10\x03\x1b[A\r\x1bOP\t?"
        await on.press("ctrl+right_square_bracket", "ctrl+right_square_bracket")
        assert on.engine.typed.endswith(b"\x1d")
        assert on.app.typing
        await on.press("ctrl+right_square_bracket")
        for _ in range(100):
            if not on.app.typing:
                break
            await asyncio.sleep(0.02)
        assert not on.app.typing
        await on.press("home")
        assert on.engine.at_start


async def test_f_key_twice_types() -> None:
    async with session(SMALL) as on:
        await on.press("f5", "f5")
        assert on.app.typing


async def test_who_types_sees_the_console_in_every_size() -> None:
    async with session(WIDE) as on:
        await on.press("end", "f5", "f5")
        for size in (MEDIUM, SMALL, WIDE):
            await on.pilot.resize_terminal(*size)
            await on.settle()
            assert "console" in on.visible()
            assert on.app.typing


async def test_a_recording_takes_no_keys() -> None:
    async with session(live=False) as on:
        await on.press("f5", "enter")
        assert not on.app.typing
        assert "a recording takes no keys" in on.text("footer")


@pytest.mark.parametrize(
    ("key", "character", "data"),
    [
        ("a", "a", b"a"),
        ("A", "A", b"A"),
        ("ctrl+d", "\x04", b"\x04"),
        ("ctrl+z", None, b"\x1a"),
        ("alt+x", None, b"\x1bx"),
        ("é", "é", "é".encode()),
        ("shift", None, b""),
        ("ctrl+left", None, b"\x1b[1;5D"),
        ("alt+f3", None, b"\x1b[1;3R"),
        ("ctrl+shift+delete", None, b"\x1b[3;6~"),
        *((key, None, data) for key, data in NAMED.items()),
    ],
)
def test_terminal_bytes(key: str, character: str | None, data: bytes) -> None:
    assert terminal_bytes(key, character) == data


# Actions.


def test_actions_are_told_apart() -> None:
    keys = [key for action in ACTIONS for key in action.keys]
    assert len(keys) == len(set(keys))
    assert len(BY_NAME) == len(ACTIONS)
    assert all(action.back_of in BY_NAME for action in ACTIONS if action.back_of)
    for action in ACTIONS:
        if action.back_of:
            assert action.shown in (BY_NAME[action.back_of].shown.upper(), *",[{<")


def test_the_footer_names_actions() -> None:
    for _, _, subject in footer_items(ACTIONS):
        assert subject.removeprefix("action:") in BY_NAME


async def test_palette_lists_every_action() -> None:
    async with session() as on:
        await on.press("colon")
        screen = cast(Choose, on.app.screen)
        assert {item.name for item in screen.items} == set(BY_NAME)
        await on.press(*"start of", "enter")
        assert on.engine.at_start


async def test_help_names_every_key() -> None:
    async with session() as on:
        await on.press("question_mark")
        text = "\n".join(cast(Text, on.app.screen).lines)
        for action in ACTIONS:
            if action.shown:
                assert f"  {action.shown:<10} {action.help[:20]}" in text
        await on.press("escape")
        assert on.app.screen is on.app.main


async def test_list_of_panes() -> None:
    async with session(SMALL) as on:
        await on.press("0", *"stack", "enter")
        assert on.visible() == {"stacks"}


@pytest.mark.parametrize("size", [WIDE, SMALL])
async def test_every_action_can_be_done(size: tuple[int, int]) -> None:
    async with session(size) as on:
        for action in sorted(ACTIONS, key=lambda action: action.name == "quit"):
            assert on.app.is_running, action.name
            on.app.action_do(action.name)
            if action.name != "quit":
                await on.settle()
                await on.press("escape", "escape")


def test_the_tab_of_the_pane_in_sight_is_in_sight() -> None:
    known = [(name, key.upper(), label) for name, key, label in PANE_KEYS]
    for name, _, label in known:
        for width in (80, 100, 130):
            assert f"▸{label} " in text_of(tab_row(known, name, width)) + " "


@pytest.mark.parametrize("width", [30, 50, 74])
def test_a_value_goes_on_below_itself(width: int) -> None:
    lines = broken("present    1, read-only until the first write; the other 32 when touched", width)
    assert all(line.startswith(" " * 11) for line in lines[1:])
    assert all(len(line) <= width for line in lines)
    assert broken("short", width) == ["short"]


async def test_timeline_zoom() -> None:
    async with session() as on:
        timeline = on.app.main.timeline
        await on.press("end", "shift+tab")
        assert on.app.main.focused is timeline
        length = on.engine.length
        assert "showing" not in on.text("timeline")
        await on.press("plus")
        first, last = timeline.window(cast(Any, timeline.now))
        assert last - first == length >> 1
        assert last == length
        assert f"showing {first}–{last}" in on.text("timeline")
        await on.press("left")
        assert on.engine.moved[-1].startswith("go_to")
        await on.press("minus", "minus")
        assert "showing" not in on.text("timeline")
        await on.press("enter")
        assert cast(Text, on.app.screen).heading == "the timeline"
        await on.press("escape")


async def test_clicks() -> None:
    async with session() as on:
        timeline = on.app.main.timeline
        await on.pilot.click("#timeline", offset=(timeline.size.width - 3, 1))
        await on.settle()
        assert on.engine.moved[-1].startswith("go_to 1")
        await on.pilot.click("#footer", offset=(3, 0))
        await on.settle()
        assert on.engine.moved[-1] == "instruction+1"
        await on.pilot.click("#cpu", offset=(8, 2))
        await on.settle()
        assert on.app.main.focused is not None
        assert on.app.main.focused.id == "cpu"
        await on.press("enter")
        assert cast(Text, on.app.screen).heading == "ebx"
        await on.press("escape")
        await on.pilot.click("#cpu", offset=(8, 4), times=2)
        await on.settle()
        assert cast(Text, on.app.screen).heading == "edx"
        await on.press("escape")
        await on.pilot.click("#traps", offset=(on.app.main.board[1].size.width - 3, 0))
        await on.settle()
        assert on.visible() == {"traps"}


async def test_the_wheel_scrolls() -> None:
    async with session() as on:
        stacks = on.app.main.board[2]
        top = stacks.top()
        stacks.on_mouse_scroll_down(cast(Any, NoEvent()))
        assert stacks.top() == top + 3
        stacks.on_mouse_scroll_up(cast(Any, NoEvent()))
        assert stacks.top() == top


class NoEvent:
    """What a handler does with its event when it only moves the pane."""

    def stop(self) -> None: ...


async def test_light_theme() -> None:
    async with session() as on:
        on.app.action_do("theme")
        await on.settle()
        assert on.app.theme == "int80-light"
        assert on.picture()[0].startswith(" int80 ▸ hello")


async def test_without_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with session() as on:
        await on.press("m", "m")
        for y in range(on.app.main.board[0].size.height):
            for segment in on.app.main.board[0].render_line(y):
                assert segment.style is None or segment.style.color is None


async def test_a_bug_in_the_engine_ends_the_program() -> None:
    engine = FakeEngine()
    app = Int80(cast(Any, engine))
    async with app.run_test(size=WIDE) as pilot:
        await pilot.pause()

        def broken(direction: int) -> bool:
            raise RuntimeError("broken")

        engine.step_microstep = broken  # type: ignore[method-assign]
        await pilot.press("m")
        await pilot.pause()
    assert isinstance(app.problem, RuntimeError)
    assert app.return_code == 70
