"""Taking over: a recording becomes a live machine where the cursor is, and the file stays as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app import branches
from app.engine import Engine
from app.frozen import Frozen
from app.machine import Divergence
from app.notes import NOTE, Note
from app.playing import Wish, stretch
from app.recording import open_engine
from app.session import open_session
from app.session.notes import NotesFile
from app.taking_over import take_over
from app.tui import Int80
from kernel.abi.errno import Errno
from kernel.describe import describe
from kernel.errors import KernelError
from kernel.events import TerminalWritten
from tests.app.pictures import BUSYBOX
from tests.app.test_recording import live, run_out, written
from tests.app.test_tui import MEDIUM, SMALL, WIDE, Session

PROGRAMS = ("hello", "pipe", "signal")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("taking_over")
    found = {}
    for program in PROGRAMS:
        engine = live(program)
        run_out(engine)
        found[program] = folder / f"{program}.int80"
        written(engine, found[program])
    return found


def opened(path: Path) -> Engine:
    with open_session(path) as session:
        return open_engine(session)


def finish(engine: Engine) -> None:
    engine.go_end()
    run_out(engine)


def output(engine: Engine) -> bytes:
    return b"".join(r.event.data for r in engine.log.records() if isinstance(r.event, TerminalWritten))


@given(program=st.sampled_from(PROGRAMS), part=st.floats(0, 0.95), steps=st.integers(0, 12))
@settings(max_examples=25, deadline=None)
def test_left_alone_it_goes_on_as_it_was_recorded(
    files: dict[str, Path], program: str, part: float, steps: int
) -> None:
    """From any place, in the middle of a trap too; and what was recorded is as it was."""
    engine = opened(files[program])
    recorded, length = engine.log.digest(), engine.length
    engine.go_to(int(length * part))
    for _ in range(steps):
        engine.step_microstep(1)
    assume(engine.state.halted < 0)
    before = files[program].read_bytes()
    assert take_over(engine) == ""
    assert engine.live
    assert engine.status == "live"
    assert engine.branches.here.number == 1
    assert engine.cursor.seq < length
    finish(engine)
    assert engine.log.digest() == recorded
    assert engine.state.machine == describe(engine.machine.kernel)
    assert engine.finished is not None
    assert branches.go_to(engine, 0) == ""
    assert (engine.log.digest(), engine.length) == (recorded, length)
    assert engine.status == "past"
    assert engine.view is not None
    assert files[program].read_bytes() == before


def test_what_a_live_machine_can_do(files: dict[str, Path]) -> None:
    engine = opened(files["pipe"])
    recorded = engine.log.digest()
    engine.go_to(80)
    pid = next(pid for pid in engine.state.machine.tasks if pid > 1)
    assert "u takes over" in engine.send_signal(pid, 9)
    assert take_over(engine) == ""
    assert engine.send_signal(pid, 9) == ""
    finish(engine)
    assert engine.finished == 9
    assert engine.log.digest() != recorded
    engine.go_to(60)
    assert engine.status == "past"
    for _ in range(5):
        assert engine.step_instruction(1)
        assert engine.step_instruction(-1)
    assert engine.cursor.seq == 60
    branches.go_to(engine, 0)
    engine.go_to(100)
    assert engine.send_signal(pid, 15) == ""
    assert engine.branches.here.origin is not None
    assert engine.branches.here.origin.parent == 0


def test_other_keys_than_those_recorded(tmp_path: Path) -> None:
    """What was typed later in the recording has not been typed."""
    if not BUSYBOX.exists() or BUSYBOX.read_bytes()[4] != 1:
        pytest.skip("no i386 busybox on this host")
    one = live(str(BUSYBOX), "head", "-n1")
    run_out(one)
    one.type_keys(b"recorded\r")
    finish(one)
    path = tmp_path / "a.int80"
    written(one, path)
    before = path.read_bytes()
    engine = opened(path)
    assert b"recorded" in output(engine)
    typed = next(r.seq for r in engine.log.records() if type(r.event).__name__ == "InputArrived")
    engine.go_to(typed - 1)  # before the keyboard's interrupt
    assert take_over(engine) == ""
    assert b"recorded" not in output(engine)
    assert engine.machine.inputs == []
    assert engine.type_keys(b"otherwise\r") == ""
    finish(engine)
    assert b"otherwise" in output(engine)
    assert b"recorded" not in output(engine)
    branches.go_to(engine, 0)
    assert output(engine) == output(one)
    assert path.read_bytes() == before


def test_why_not(files: dict[str, Path]) -> None:
    engine = opened(files["hello"])
    engine.go_end()
    assert take_over(engine).startswith("the program has ended here")
    assert not engine.live
    engine.go_to(50)
    assert take_over(engine) == ""
    assert take_over(engine) == "this machine is live already"
    assert len(engine.branches) == 2


def diverging(path: Path, seq: int) -> Engine:
    """A recording of which event `seq` does not happen again."""
    engine = opened(path)
    log = type(engine.log)()
    for number, (tick, pid, event) in enumerate(engine.log.rows()):
        log.append(tick + (number >= seq), pid, event)
    with open_session(path) as session:
        session.log = log
        session.history = type(session.history)(log)
        return open_engine(session)


def test_what_cannot_run_again_is_not_taken_over(files: dict[str, Path]) -> None:
    engine = diverging(files["pipe"], 60)
    engine.go_to(80)
    why = take_over(engine)
    assert why.startswith("the machine cannot be re-executed here: event 60 differs when run again")
    assert not engine.live
    assert engine.machine.sealed
    assert engine.status == "replay"
    assert len(engine.branches) == 1


def test_what_was_recorded_may_break_off_without_the_live_machine(files: dict[str, Path]) -> None:
    """Taken over before the event that does not happen again: only the recording has no machine there."""
    engine = diverging(files["pipe"], 60)
    engine.go_to(50)
    assert take_over(engine) == ""
    finish(engine)
    assert engine.finished is not None
    branches.go_to(engine, 0)
    engine.go_to(80)
    assert engine.view is None
    assert "event 60 differs" in engine.broken
    assert "event 60 differs" in engine.send_signal(2, 9)
    assert engine.run(0.01) != "waiting"
    branches.go_to(engine, 1)
    assert engine.view is not None
    assert not engine.broken


def test_a_bug_in_the_live_machine_is_not_hidden(files: dict[str, Path]) -> None:
    engine = opened(files["hello"])
    engine.go_to(50)
    assert take_over(engine) == ""
    error = Divergence(1, "a", "b")
    with pytest.raises(Divergence):
        engine._give_up(error)


def test_directories_of_the_host_are_gone() -> None:
    host = Frozen()
    host.gone = True
    for ask in (lambda: host.listing(0, "etc"), lambda: host.chunk(0, "etc/passwd", 0)):
        with pytest.raises(KernelError) as caught:
            ask()
        assert caught.value.errno == Errno.EIO
    assert [one.errno for one in host.answers] == [Errno.EIO] * 2


# On the screen.


@pytest.mark.parametrize("size", [WIDE, MEDIUM, SMALL], ids=["200x60", "120x40", "80x24"])
async def test_by_hand(files: dict[str, Path], size: tuple[int, int]) -> None:
    path = files["pipe"]
    before = path.read_bytes()
    with open_session(path) as session:
        engine = open_engine(session)
        app = Int80(engine)
        app.keeper = NotesFile(session)
        app.player.stretch = stretch(engine, Wish(last="90"))
        engine.go_to(80)
        async with app.run_test(size=size) as pilot:
            on = Session(app, cast(Any, pilot), cast(Any, engine))
            await on.settle()
            assert "▷ recording" in on.text("header")
            await on.press("f5", "f5")
            assert "u takes over" in on.text("footer")
            await on.press("u")
            assert "● live" in on.text("header")
            assert "live from event" in on.text("footer")
            await on.press("u")
            assert "live already" in on.text("footer")
            await on.press("c")
            for _ in range(500):
                await on.settle()
                if not app.player.on:
                    break
            assert engine.finished is not None
            await on.press("full_stop", "comma", "I", "i")
            app.put_note(engine.cursor, NOTE, "what might have been")
            await on.press("f", "enter", "enter")
            assert engine.branches.here.number == 0
            assert "◀ past" in on.text("header")
            assert engine.cursor.seq == 80
    assert path.read_bytes() == before
    assert Note(engine.cursor, NOTE, "x") not in engine.notes.every


async def test_at_the_end_it_says_why_not(files: dict[str, Path]) -> None:
    engine = opened(files["hello"])
    app = Int80(engine)
    async with app.run_test(size=MEDIUM) as pilot:
        on = Session(app, cast(Any, pilot), cast(Any, engine))
        await on.settle()
        await on.press("end", "u")
        assert "the program has ended here" in on.text("footer")
        assert "▷ recording" in on.text("header")


def test_what_is_taken_over_is_packed_as_ever(files: dict[str, Path]) -> None:
    """A branch that began so can be written down like any other."""
    engine = opened(files["pipe"])
    engine.go_to(80)
    take_over(engine)
    finish(engine)
    here = engine.branches.here
    assert here.origin is not None
    kept = branches.stored(here, here.origin)
    assert kept.events == engine.length
    assert kept.digest == engine.log.digest()
    assert msgspec.structs.asdict(kept)["inputs"] == []
