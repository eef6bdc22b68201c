"""A shell that somebody types into on the screen: keys, jobs, going back, and other futures."""

from __future__ import annotations

from pathlib import Path

from app.recording import Recording
from app.state.fold import fold
from app.state.state import State
from kernel.describe import describe
from kernel.kernel import Input
from tests.app.shell import shell
from tests.app.test_tui import MEDIUM


def bytes_typed(inputs: list[Input]) -> bytes:
    return b"".join(one.data for one in inputs)


async def test_a_key_in_the_past_begins_another_future(tmp_path: Path) -> None:
    async with shell(MEDIUM) as on:
        engine, app = on.machine, on.app
        await on.wait("/ #")
        before = engine.length
        await on.type("echo one\n")
        await on.wait("one", "/ #")
        await on.type("x=3\n")
        await on.wait("/ # x=3", "/ #")
        await on.stop()
        length = engine.length

        # To have the keyboard in the past changes nothing, and says what a key will do.
        app.go_to(before)
        await on.press("enter")
        assert app.typing
        assert "a key begins another future here" in on.text("console")
        assert f"{length - before:,} events will not have been" in on.text("footer")
        await on.stop()
        assert (engine.length, engine.cursor.seq) == (length, before)

        # At the end typing goes on as before.
        await on.press("end", "enter")
        await on.type("echo $x\n")
        await on.wait("3", "/ #")
        assert bytes_typed(engine.machine.inputs) == b"echo one\rx=3\recho $x\r"

        # The first key in the past: what came after it has not been.
        await on.stop()
        app.go_to(before)
        await on.press("enter")
        await on.type("e")
        assert "another future begins here" in on.text("footer")
        await on.type("cho two $x.\n")
        await on.wait("/ # echo two $x.", "two .", "/ #")
        assert bytes_typed(engine.machine.inputs) == b"echo two $x.\r"
        await on.stop()
        digest = engine.log.digest()
        for seq in (before, before // 2, engine.length):
            app.go_to(seq)
            assert engine.view is not None  # run again, and compared with the log
        state = State()
        for tick, pid, event in engine.log.rows():
            fold(state, tick, pid, event)
        assert state.machine == describe(engine.machine.kernel)
        assert engine.log.digest() == digest

        # What is recorded already stays.
        start = engine.machine.kernel.start
        kernel = engine.machine.kernel
        target = str(tmp_path / "a.int80")
        recording = Recording(target, start, kernel.image, kernel.blobs, engine.machine, engine.history)
        engine.machine.follow = recording.follow
        app.go_to(before)
        await on.press("enter")
        assert not app.typing
        assert "what is recorded already stays" in on.text("footer")
        recording.finish()
