"""Layouts as data, on the screen, and from one run to the next."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from app.actions import PANE_KEYS
from app.layouts import LAYOUTS, SPARE, Layout, divided, panes_of, places, with_spare, without
from app.settings import Settings, load, save, settings_file
from app.tui import Int80
from tests.app.fake_engine import FakeEngine
from tests.app.test_tui import DISPATCH, MEDIUM, SMALL, WIDE, Session, session

PANES = {name for name, _, _ in PANE_KEYS}
BOARDS = {
    "wide": ((200, 50), (160, 35), (300, 90)),
    "medium": ((120, 31), (100, 25), (159, 60)),
    "small": ((80, 15), (60, 11), (99, 40)),
}
"""What is left of terminals of each class for the board."""
EVERY = [(size, one) for size, known in LAYOUTS.items() for one in known]


@pytest.mark.parametrize(("size", "layout"), EVERY, ids=lambda one: getattr(one, "name", one))
def test_every_layout_fills_the_board(size: str, layout: Layout) -> None:
    """Each pane once, every cell once; the same with any one pane hidden."""
    names = panes_of(layout.board)
    assert names.count(SPARE) == 1
    assert {*names} - {SPARE} <= PANES
    assert len(names) == len({*names})
    assert layout.spare in PANES - {*names}
    board = with_spare(layout.board, layout.spare)
    for hidden in ("", *panes_of(board)):
        left = without(board, lambda name, hidden=hidden: name == hidden)  # type: ignore[misc]
        if left is None:
            assert len(names) == 1
            continue
        for width, height in BOARDS[size]:
            taken = places(left, 0, 0, width, height)
            cells = [
                (x, y)
                for place in taken.values()
                for x in range(place.x, place.x + place.width)
                for y in range(place.y, place.y + place.height)
            ]
            assert len(cells) == len({*cells}) == width * height
            assert all(place.width and place.height for place in taken.values())


@pytest.mark.parametrize(
    ("shares", "room", "sizes"),
    [
        ((10, 1.0), 30, [10, 20]),
        ((1.0, 2.0), 30, [10, 20]),
        ((10, 20), 60, [20, 40]),
        ((30, 1.0), 20, [19, 1]),
        ((1.0, 1.0, 1.0), 10, [3, 4, 3]),
    ],
)
def test_divided(shares: tuple[float, ...], room: int, sizes: list[int]) -> None:
    assert divided(shares, room) == sizes


@pytest.mark.parametrize("size", [WIDE, MEDIUM])
async def test_w_turns_the_layouts_over(size: tuple[int, int]) -> None:
    async with session(size) as on:
        first, seen = on.visible(), []
        for one in on.app.main.layouts[1:]:
            await on.press("w")
            assert f"layout {one.name}" in on.text("footer")
            assert on.visible() == {*panes_of(one.board), one.spare} - {SPARE}
            seen.append(on.picture())
        await on.press("W")
        assert on.picture()[1:-1] == seen[-2][1:-1]
        await on.press("w", "w")
        assert on.visible() == first


async def test_w_where_there_is_one_says_so() -> None:
    async with session(SMALL) as on:
        await on.press("w")
        assert "one pane at a time" in on.text("footer")


async def test_a_pane_without_a_place_takes_the_spare_one() -> None:
    async with session() as on:
        await on.press("f6")
        assert on.visible() == DISPATCH - {"stacks"} | {"processes"}
        await on.press("f3")
        assert on.visible() == DISPATCH


async def test_hidden_panes_come_back() -> None:
    async with session() as on:
        await on.press("x")
        assert "Tab goes to a pane" in on.text("footer")
        await on.press("f2", "x")
        assert "Traps is hidden: F2 brings it back" in on.text("footer")
        assert on.visible() == DISPATCH - {"traps"}
        await on.press("f2")
        assert on.visible() == DISPATCH
        await on.press("f6", "x")
        assert on.visible() == DISPATCH
        await on.press("f2", "z", "x")
        assert "z shows the others" in on.text("footer")


async def test_the_last_pane_stays() -> None:
    async with session() as on:
        for _ in range(len(DISPATCH) + 3):  # the timeline has its turn too, and stays
            await on.press("tab", "x")
        assert len(on.visible()) == 1
        on.app.main.set_focus(on.app.main.visible_panes()[0])
        await on.press("x")
        assert "the only pane in sight stays" in on.text("footer")
        await on.press("w", "W")
        assert on.visible() == DISPATCH


# From one run to the next.


async def test_a_run_begins_as_the_last_one_ended(tmp_path: Path) -> None:
    file = tmp_path / "int80" / "screen.json"
    async with session() as on:
        assert on.app.settings == Settings(theme="dark")
        await on.press("w", "w", "d", "f5", "x")
        save(file, on.app.settings)
    app = Int80(cast(Any, FakeEngine(True)), settings=load(file))
    async with app.run_test(size=WIDE) as pilot:
        on = Session(app, cast(Any, pilot), cast(Any, app.engine))
        await on.settle()
        assert app.main.plan.name == "memory"
        assert "memory" in on.visible()
        assert "console" not in on.visible()
        assert app.theme == "int80-light"
        assert app.settings == load(file)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"theme": 7}',
        b'{"layouts": ["dispatch"]}',
        b"\xff\xfe",
        b"[" * 10_000,
        b'{"hidden": "' + b"x" * 20_000 + b'"}',
    ],
)
def test_a_broken_file_is_none(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "screen.json"
    file.write_bytes(content)
    assert load(file) == Settings()


async def test_names_that_are_not_known_are_passed_over() -> None:
    settings = Settings("purple", {"wide": "nothing", "huge": "x"}, ["nobody", "trace"])
    app = Int80(cast(Any, FakeEngine(True)), settings=settings)
    async with app.run_test(size=WIDE) as pilot:
        on = Session(app, cast(Any, pilot), cast(Any, app.engine))
        await on.settle()
        assert on.visible() == DISPATCH - {"trace"}
        assert app.theme == "int80-dark"


def test_where_nothing_can_be_written_nothing_happens(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    save(tmp_path / "file" / "int80" / "screen.json", Settings())
    assert load(tmp_path / "file" / "int80" / "screen.json") == Settings()
    save(None, Settings())
    assert load(None) == Settings()


def test_where_it_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert settings_file() == tmp_path / "int80" / "screen.json"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert settings_file() == tmp_path / ".local" / "state" / "int80" / "screen.json"
