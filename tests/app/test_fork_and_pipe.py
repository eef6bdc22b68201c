"""fork and a pipe on the screen, by keys: frames shared, one copied on write, six bytes, a reader woken.

Each position on the way is looked at twice, going forwards and going back: it looks the same.
"""

from __future__ import annotations

import re
from typing import Any, cast

from app.tui import Int80
from tests.app.pictures import engine_for
from tests.app.test_tui import WIDE, Session

PANES = ("story", "memory", "ipc", "signals", "trace", "console")


def line(text: str, word: str) -> str:
    """The first line with a word in it."""
    return next((one for one in text.splitlines() if word in one), "")


async def test_fork_and_pipe() -> None:
    engine = engine_for("pipe")
    app = Int80(engine)
    async with app.run_test(size=WIDE) as pilot:
        on = Session(app, cast(Any, pilot), cast(Any, engine))
        await on.settle()
        seen: list[tuple[object, dict[str, str]]] = []

        async def press(key: str) -> dict[str, str]:
            await on.press(key)
            while app.player.on:
                await pilot.pause(0.02)
            await on.settle()
            return {name: on.text(name) for name in PANES}

        async def on_to(word: str) -> dict[str, str]:
            """Event by event until Story says so."""
            for _ in range(80):
                looks = await press("full_stop")
                seen.append((engine.cursor, looks))
                if word in looks["story"]:
                    return looks
            raise AssertionError(f"{word!r} was never told")

        shared = await press("right_square_bracket")
        assert "A (pipe) has made B (pid 3) by fork" in shared["story"]
        found = re.search(r"═ (0x[0-9a-f]+) cow ═", line(shared["memory"], "█ stack"))
        assert found, shared["memory"]
        frame = found[1]
        assert "B pipe" in shared["memory"]
        await press("f7")
        alone = await press("f7")
        assert "shared ═" in line(alone["memory"], "█ .text")
        await press("escape")
        await press("escape")

        copied = await on_to("Copy on write: A wrote")
        found = re.search(f"A bffff000 stack: copy on write, frame {frame} → (0x[0-9a-f]+)", copied["memory"])
        assert found, copied["memory"]
        assert f"▪ {found[1]}  ▪ {frame} ─" in line(copied["memory"], "█ stack")
        assert "cow" not in line(copied["memory"], "█ stack")

        asleep = await on_to("B (pipe) falls asleep: it reads pipe")
        assert " 0/65536" in asleep["ipc"]
        assert "○ read, asleep" in asleep["ipc"]
        assert "○B read" in asleep["ipc"]

        filled = await on_to("puts 6 bytes into pipe")
        assert " 6/65536" in filled["ipc"]
        assert '"hello\\n"' in filled["ipc"]
        assert "○ read, asleep" in filled["ipc"]
        assert 'write(4, "hello\\n", 6' in filled["trace"]

        woken = await on_to("B (pipe) is woken: pipe")
        assert "◐ read, ready" in woken["ipc"]
        assert "○B read" not in woken["ipc"]

        taken = await on_to("takes 6 bytes out of pipe")
        assert " 0/65536" in taken["ipc"]

        for cursor, looks in reversed(seen[:-1]):
            again = await press("comma")
            assert engine.cursor == cursor
            assert again == looks
