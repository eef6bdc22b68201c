"""Make assets/screenshot.svg, the README's picture, from the running program."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

SIZE = (160, 44)
KEYS = ("s", *["m"] * 3, "S", "s", "M", "M", "M")
"""To a `write` in the middle of its way through the gate."""


async def take(target: Path, size: tuple[int, int], keys: tuple[str, ...]) -> None:
    from app.engine import Engine
    from app.launch import Options, prepare
    from app.resources import kernel_image
    from app.tui import Int80, to_program

    start, blobs = prepare(Options(program="hello"))
    engine = Engine(start, kernel_image(), blobs)
    to_program(engine)
    app = Int80(engine)
    async with app.run_test(size=size) as pilot:
        for key in keys:
            await pilot.press(key)
            await pilot.pause(0.1)
        await pilot.pause(0.3)
        target.write_text(app.export_screenshot(title="int80"), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(take(ROOT / "assets" / "screenshot.svg", SIZE, KEYS))
