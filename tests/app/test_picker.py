"""`int80` alone: every program says what it shows, and one can be chosen."""

from __future__ import annotations

import pytest

from app.lessons import FIRST, KEYS, SIGNALS, lessons, parse
from app.resources import programs
from app.screens.picker import Picker
from tests.app.test_tui import MEDIUM, SMALL, WIDE


def test_every_program_says_what_it_shows() -> None:
    found = lessons()
    assert sorted(one.name for one in found) == programs()
    assert KEYS.keys() | {*FIRST, *SIGNALS} <= set(programs())
    names = [one.name for one in found]
    assert names[: len(FIRST)] == list(FIRST)
    assert names[-len(SIGNALS) :] == list(SIGNALS)
    for one in found:
        assert one.title.endswith(".")
        assert one.shows.startswith("Shows ")
        assert one.look_for


def test_a_source_without_a_comment_is_no_problem() -> None:
    assert parse("other", "int main(void) { return 0; }\n").title == ""


@pytest.mark.parametrize("size", [WIDE, MEDIUM, SMALL])
async def test_choose_one(size: tuple[int, int]) -> None:
    app = Picker(lessons())
    async with app.run_test(size=size) as pilot:
        await pilot.press("down", "down")
        await pilot.pause()
        text = "\n".join(strip.text for strip in app.screen._compositor.render_strips())
        for one in lessons()[: size[1] // 2 - 2]:
            assert f"{one.name} " in text
        assert "Enter opens" in text
        assert "F7 is Memory" in " ".join(text.split())
        await pilot.press("enter")
    assert app.return_value == "spaces"


async def test_leave() -> None:
    app = Picker(lessons(), light=True)
    async with app.run_test(size=SMALL) as pilot:
        await pilot.press("q")
    assert app.return_value is None


@pytest.mark.parametrize("size", [WIDE, MEDIUM, SMALL])
async def test_help(size: tuple[int, int]) -> None:
    app = Picker(lessons())
    async with app.run_test(size=size) as pilot:
        await pilot.press("question_mark")
        await pilot.pause()
        text = " ".join(" ".join(strip.text for strip in app.screen._compositor.render_strips()).split())
        assert "Enter opens the one that is marked" in text
        assert "int80 trace ./prog" in text
