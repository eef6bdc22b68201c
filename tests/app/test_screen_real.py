"""The screen on a real machine: what a key does, its opposite undoes, in every pane, at three sizes."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from app.engine import Engine
from app.launch import Options, prepare
from app.resources import kernel_image
from app.tui import Int80
from tests.app.test_tui import MEDIUM, SMALL, WIDE, Session

PICTURES = 40
"""Positions that are looked at on the way."""


def engine_for(program: str) -> Engine:
    start, blobs = prepare(Options(program))
    return Engine(start, kernel_image(), blobs)


@asynccontextmanager
async def session(program: str, size: tuple[int, int] = WIDE) -> AsyncIterator[Session]:
    engine = engine_for(program)
    app = Int80(engine)
    async with app.run_test(size=size) as pilot:
        on = Session(app, cast(Any, pilot), cast(Any, engine))
        await on.settle()
        yield on


def run_to_the_end(engine: Engine) -> None:
    while engine.run(0.1) == "running":
        pass


async def to_user_mode(on: Session) -> None:
    while on.engine.view.regs.cpl != 3:
        await on.press("m")


async def test_it_starts_at_the_program() -> None:
    async with session("hello") as on:
        assert on.engine.view.regs.cpl == 3
        assert "_start" in on.text("cpu")
        assert "ring 3" in on.text("header")
        assert "argc 1" in on.text("stacks")


@pytest.mark.parametrize("size", [WIDE, MEDIUM, SMALL])
async def test_write_through_all_its_microsteps(size: tuple[int, int]) -> None:
    """From the program's int $0x80 to the instruction behind it, and the same on the way back."""
    async with session("hello", size) as on:
        await on.press("s", "s")
        run_to_the_end(cast(Engine, on.engine))
        on.app.go_to(38)
        await on.settle()
        pictures, seen = [], ""
        for _ in range(PICTURES):
            pictures.append((on.engine.cursor, on.picture()))
            await on.press("m")
            seen += on.text("traps" if size != MEDIUM else "stacks")
        if size != MEDIUM:
            for text in ("int $0x80", "sys_call_table[4] → sys_write", "SAVE_ALL → pt_regs", "iret"):
                assert text in seen
        for cursor, picture in reversed(pictures):
            await on.press("M")
            assert on.engine.cursor == cursor
            assert on.picture() == picture


@pytest.mark.parametrize("program", ["pipe", "badptr", "divzero", "signal"])
async def test_random_walks_come_back(program: str) -> None:
    """Going anywhere by any key and coming back shows the same screen."""
    async with session(program) as on:
        run_to_the_end(cast(Engine, on.engine))
        rng = random.Random(program)
        places = sorted(rng.sample(range(36, on.engine.length), 4))
        for seq in places:
            on.app.go_to(seq)
            await on.settle()
            for key, back in (("m", "M"), ("i", "I"), ("full_stop", "comma")):
                if on.engine.at_end:
                    break
                before = on.engine.cursor, on.picture()
                count = rng.randrange(1, 6)
                await on.press(*[key] * count)
                if on.engine.at_end:  # by a key: what is said in the footer stays until the next one
                    await on.press("g", *str(seq), "enter")
                    continue
                await on.press(*[back] * count)
                assert on.engine.cursor == before[0], key
                assert on.picture() == before[1], key


async def test_run_to_the_end_middle_and_start() -> None:
    async with session("pipe") as on:
        await on.press("c")
        while on.app.player.on:
            await on.pilot.pause(0.02)
        await on.settle()
        assert "the child's exit status is 7" in on.text("console")
        await on.press("g", "5", "0", "percent_sign", "enter")
        assert on.engine.cursor.seq == round(on.engine.length / 2)
        await on.press("home")
        assert on.engine.at_start
        assert "switched on" in on.text("story")


async def test_both_processes_are_told_apart() -> None:
    async with session("pipe") as on:
        await on.press("c")
        while on.app.player.on:
            await on.pilot.pause(0.02)
        await on.settle()
        assert {line[3:4] for line in on.text("trace").splitlines()[1:]} == {"A", "B"}


async def test_every_microstep_has_a_sentence_and_explanations() -> None:
    """The first hundred microsteps of a program: nothing is without words, and nothing breaks."""
    from app.explain import explain
    from app.panes.story import rows

    async with session("pipe") as on:
        engine = cast(Engine, on.engine)
        for _ in range(100):
            engine.step_microstep(1)
            now = on.app.moment()
            assert rows(now, 100, 3).rows
            for pane in on.app.main.board:
                pane.now = now
                for _, subject in pane.subjects():
                    assert explain(subject, now) is not None, subject
