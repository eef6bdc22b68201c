"""Branches: what is done in the past begins another future, and the one that was left stays as it was."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import branches
from app.branches import MAX_NAME, MOST, TRUNK
from app.cli import main
from app.engine import Engine
from app.recording import Recording, open_engine
from app.resources import kernel_image
from app.screens.popup import Choose, Text
from app.session.store import open_session
from app.state.state import encode
from app.tui import Int80
from cpu.events import TrapTaken
from kernel.abi import signal as s
from kernel.edits import ERROR
from kernel.events import InputArrived
from kernel.kernel import GuestFile, Start
from tests.app.pictures import engine_for, run_to_the_end
from tests.app.random_program import random_program
from tests.app.test_tui import MEDIUM, WIDE, Session


def finished(program: str) -> Engine:
    one = engine_for(program)
    run_to_the_end(one)
    one.go_end()
    return one


def facts(one: Engine) -> tuple[Any, ...]:
    """All that a branch is: its events, its inputs, the State at its end."""
    one.go_end()
    return one.log.digest(), list(one.machine.inputs), encode(one.state), one.length


def killed(one: Engine, at: int, signo: int = s.SIGTERM) -> str:
    """At an event of the past somebody sends a signal to the first program."""
    one.go_to(at)
    why = one.send_signal(2, signo)
    run_to_the_end(one)
    return why


def written(one: Engine, path: Path) -> Engine:
    machine, trunk = one.machine, one.branches.all[TRUNK].past
    assert trunk is not None
    here = one.branches.here.number
    assert branches.go_to(one, TRUNK) == ""
    kernel = machine.kernel
    recording = Recording(
        str(path), kernel.start, kernel.image, kernel.blobs, machine, trunk.history, one.branches
    )
    recording.follow()
    recording.finish()
    assert branches.go_to(one, here) == ""
    with open_session(path) as session:
        return open_engine(session)


def run_again(one: Engine, number: int) -> None:
    assert branches.go_to(one, number) == ""
    while one.seeking is not None:
        one.run(0.05)


def test_the_trunk_stays_and_so_does_each_branch() -> None:
    one = finished("busy")
    trunk = facts(one)
    assert killed(one, one.length // 2) == ""
    first = facts(one)
    assert first[0] != trunk[0]
    assert killed(one, one.length // 3, s.SIGUSR1) == ""  # a branch of the branch
    second = facts(one)
    assert [branch.number for branch in one.branches] == [0, 1, 2]
    assert [branch.origin.parent for branch in one.branches if branch.origin] == [0, 1]
    for number, what in ((0, trunk), (2, second), (1, first), (0, trunk)):
        assert branches.go_to(one, number) == ""
        assert facts(one) == what
        one.go_to(one.length * 2 // 3)
        assert one.view is not None  # run again, and compared with the log
        one.go_end()
        assert one.view is not None
        assert one.state.machine == one.machine.kernel.describe()


def test_the_cursor_is_where_it_was_left() -> None:
    one = finished("pipe")
    killed(one, 42)
    one.go_to(30)
    branches.go_to(one, TRUNK)
    assert one.cursor.seq == 42
    one.go_to(35)
    branches.go_to(one, 1)
    assert one.cursor.seq == 30
    branches.go_to(one, TRUNK)
    assert one.cursor.seq == 35


def test_the_first_difference_is_told() -> None:
    one = finished("pipe")
    killed(one, 60)
    found = branches.compare(one, one.branches.all[TRUNK])
    assert found is not None
    assert 60 <= found.seq < one.length
    trunk = one.branches.all[TRUNK].past
    assert trunk is not None
    mine, theirs = list(one.log.rows()), list(trunk.log.rows())
    assert mine[: found.seq] == theirs[: found.seq]
    assert mine[found.seq] != theirs[found.seq]
    assert (found.here, found.there) == (mine[found.seq][2], theirs[found.seq][2])
    same = branches.compare(one, one.branches.here)
    assert same is not None
    assert (same.seq, same.here, same.there) == (one.length, None, None)


def test_names_and_what_cannot_be_forgotten() -> None:
    one = finished("pipe")
    killed(one, 60)
    killed(one, 50)
    known = one.branches
    first, second = known.all[1], known.all[2]
    assert known.rename(first, "before the pipe") == ""
    assert known.named("before the pipe") is first is known.named("1")
    assert known.rename(second, "before the pipe") == "another branch has that name"
    for name in ("", " ", "a ", "7", "x" * (MAX_NAME + 1), "a\nb"):
        assert known.rename(second, name)
    assert known.forget(known.all[TRUNK]) == "the trunk stays"
    assert known.forget(second).startswith("this is where you are")
    assert known.forget(first).startswith("other branches leave it")
    branches.go_to(one, TRUNK)
    assert known.forget(second) == ""
    assert known.forget(first) == ""
    assert [branch.number for branch in known] == [TRUNK]
    assert branches.go_to(one, 1) == "there is no such branch"


def test_there_are_only_so_many() -> None:
    one = finished("hello")
    for _ in range(MOST - 1):
        one.go_to(50)
        assert one.edit("fail", 2, ERROR.pack(5)) == ""
        run_to_the_end(one)
    one.go_to(50)
    before = one.log.digest()
    assert one.edit("fail", 2, ERROR.pack(5)) == f"{MOST} branches are kept: forget one first"
    assert one.log.digest() == before


def test_branches_are_in_the_file_and_run_again_when_opened(tmp_path: Path) -> None:
    one = finished("busy")
    trunk = facts(one)
    killed(one, one.length // 2)
    first = facts(one)
    one.branches.rename(one.branches.here, "killed early")
    killed(one, one.length // 3, s.SIGUSR1)
    second = facts(one)
    played = written(one, tmp_path / "s.int80")
    assert [(branch.number, branch.name) for branch in played.branches] == [
        (0, "trunk"), (1, "killed early"), (2, "branch 2"),
    ]  # fmt: skip
    assert facts(played) == trunk
    run_again(played, 2)  # which runs the branch that it leaves first
    assert played.branches.here.number == 2
    assert not played.reason
    assert facts(played) == second
    run_again(played, 1)
    assert facts(played) == first
    assert played.view is not None
    run_again(played, TRUNK)
    assert facts(played) == trunk
    again = written(one, tmp_path / "again.int80")
    run_again(again, 1)
    assert facts(again) == first


def test_a_branch_that_runs_differently_says_so(tmp_path: Path) -> None:
    one = finished("pipe")
    killed(one, 60)
    played = written(one, tmp_path / "s.int80")
    kept = played.branches.all[1].stored
    assert kept is not None
    kept.inputs[0] = type(kept.inputs[0])(kept.inputs[0].tick, "signal", 2, bytes((s.SIGINT,)))
    run_again(played, 1)
    assert "does not run here as it did" in played.reason


def test_while_recording_too(tmp_path: Path) -> None:
    """What is recorded is the trunk; the branches are written beside it."""
    one = engine_for("busy")
    kernel = one.machine.kernel
    path = tmp_path / "s.int80"
    recording = Recording(
        str(path), kernel.start, kernel.image, kernel.blobs, one.machine, one.history, one.branches
    )
    one.machine.follow = recording.follow
    while one.length < 100:
        one.run(0.02)
    killed(one, one.length // 2)
    first = facts(one)
    branches.go_to(one, TRUNK)
    one.go_end()
    run_to_the_end(one)
    trunk = facts(one)
    recording.finish()
    with open_session(path) as session:
        assert session.finished == one.finished
        played = open_engine(session)
    assert facts(played) == trunk == facts(finished("busy"))
    run_again(played, 1)
    assert facts(played) == first


@pytest.mark.parametrize("program", ["pipe", "badptr", "spaces"])
def test_what_comes_behind_a_fault_does_not_come_before_it_when_run_again(program: str) -> None:
    one = finished(program)
    faults = [r.seq for r in one.log.records() if isinstance(r.event, TrapTaken) and r.event.vector == 14]
    for seq in faults[-6:]:
        branches.go_to(one, TRUNK)
        one.go_to(seq + 1)
        assert one.edit("fail", 2, ERROR.pack(5)) == ""
        run_to_the_end(one)
        for place in (one.length // 2, one.length):
            one.go_to(place)
            assert one.view is not None  # run again, and compared with the log


def test_an_input_whose_interrupt_has_come_belongs_to_the_branch() -> None:
    one = finished("busy")
    one.go_to(one.length // 2)
    while one.view is None or one.view.cpl != 3:
        one.step_instruction(1)
    assert one.edit("fail", 2, ERROR.pack(4)) == ""
    run_to_the_end(one)
    arrived = next(r.seq for r in one.log.records() if isinstance(r.event, InputArrived))
    assert isinstance(one.log.record(arrived - 1).event, TrapTaken)
    one.go_to(arrived)  # the interrupt is there, the handler has not asked the device yet
    assert one.edit("fail", 2, ERROR.pack(5)) == ""
    run_to_the_end(one)
    assert [one_input.data for one_input in one.machine.inputs] == [ERROR.pack(4), ERROR.pack(5)]
    found = [r.event.data for r in one.log.records() if isinstance(r.event, InputArrived)]
    assert found == [ERROR.pack(4), ERROR.pack(5)]
    one.go_to(arrived)
    one.go_end()
    assert one.view is not None


def started(program: str | int) -> Engine:
    """One of our own, or a random one."""
    if isinstance(program, str):
        return engine_for(program)
    code = random_program(program)
    key = hashlib.sha256(code).hexdigest()
    files = (GuestFile("/bin/random", key, 0o100755, len(code)),)
    start = Start("/bin/random", ("random",), files=files)
    return Engine(start, kernel_image(), {key: code})


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_branch_leaves_its_trunk_untouched(data: Any) -> None:
    """Random programs, random walks, random deeds in the past: each branch stays what it was."""
    one = data.draw(
        st.one_of(st.sampled_from(["pipe", "signal", "spaces"]), st.integers(0, 10_000)).map(started)
    )
    run_to_the_end(one)
    known = {TRUNK: facts(one)}
    for _ in range(data.draw(st.integers(1, 4))):
        one.go_to(data.draw(st.integers(1, one.length)))
        for step in data.draw(st.lists(st.sampled_from(["instruction", "microstep", "syscall"]), max_size=4)):
            getattr(one, f"step_{step}")(data.draw(st.sampled_from([1, -1])))
        pid = data.draw(st.sampled_from([2, 3]))
        deed = data.draw(st.sampled_from(["signal", "fail", "next"]))
        if deed == "signal":
            one.send_signal(pid, data.draw(st.sampled_from([s.SIGTERM, s.SIGUSR1, s.SIGSTOP, s.SIGCONT])))
        elif deed == "fail":
            one.edit("fail", pid, ERROR.pack(data.draw(st.integers(1, 40))))
        else:
            one.run_next(pid)
        for _ in range(20):
            if one.run(0.05) != "running":
                break
        known[one.branches.here.number] = facts(one)
        branches.go_to(one, data.draw(st.sampled_from(sorted(known))))
    for number, what in known.items():
        branches.go_to(one, number)
        assert facts(one) == what
        one.go_to(one.length // 2)
        assert one.view is not None


@pytest.mark.parametrize("seq", [0, 1, 4095, 4096, 4097, 9000, 9216, 10_000])
def test_a_log_up_to_a_place_is_as_if_it_had_ended_there(seq: int) -> None:
    from app.log import Log
    from tests.app.samples import session

    rows = [row for _ in range(40) for row in session(256).rows()][:10_000]
    whole, part = Log(), Log()
    for row in rows:
        whole.append(*row)
    for row in rows[:seq]:
        part.append(*row)
    before = whole.digest()
    found = whole.up_to(seq)
    assert len(found) == min(seq, len(rows))
    assert found.digest() == part.digest()
    assert list(found.rows()) == list(part.rows())
    for row in rows[:100]:
        found.append(*row)
        part.append(*row)
    assert found.digest() == part.digest()
    assert whole.digest() == before


def test_the_command_line_plays_a_branch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = finished("pipe")
    killed(one, 60)
    one.branches.rename(one.branches.here, "killed")
    path = tmp_path / "s.int80"
    written(one, path)
    assert main(["play", str(path), "--text"]) == 0
    trunk = capsys.readouterr().out
    assert main(["play", str(path), "--text", "--branch", "killed"]) == 128 + s.SIGTERM
    branch = capsys.readouterr().out
    assert "+++ killed by SIGTERM +++" in branch
    assert "+++ killed by SIGTERM +++" not in trunk
    assert main(["play", str(path), "--text", "--branch", "2"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "no branch is called 2: there are 0 (trunk), 1 (killed)" in said


async def test_the_list_of_branches_on_the_screen() -> None:
    one = finished("pipe")
    app = Int80(one)
    async with app.run_test(size=WIDE) as pilot:
        on = Session(app, cast(Any, pilot), cast(Any, one))
        await on.settle()
        await on.press("f")
        assert "no branches yet" in on.text("footer")
        assert "trunk" not in on.text("header")
        app.go_to(60)
        length = one.length
        await on.press("y", *"fail EIO", "enter")
        assert "branch 1 begins here, f leads back to trunk" in on.text("footer")
        assert "live · branch 1" in on.text("header")
        await on.press("c", "f")
        assert isinstance(app.screen, Choose)
        assert f"{length} events" in "\n".join(on.picture())
        await on.press(*"trunk", "enter", *"compare", "enter")
        assert isinstance(app.screen, Text)
        told = " ".join(" ".join(on.picture()).split())
        assert "events are the same. The next one, g" in told
        await on.press("escape", "f", *"branch", "enter", *"name", "enter", *"with EIO", "enter")
        assert "live · with EIO" in on.text("header")
        await on.press("f", *"trunk", "enter", *"go", "enter")
        assert one.branches.here.number == TRUNK
        assert one.cursor.seq == 60
        assert "on trunk, event 60" in on.text("footer")
        await on.press("f", *"with EIO", "enter", *"forget", "enter")
        assert len(one.branches) == 1


async def test_a_branch_of_a_recording_runs_again_on_the_screen(tmp_path: Path) -> None:
    one = finished("pipe")
    killed(one, 60)
    first = facts(one)
    played = written(one, tmp_path / "s.int80")
    app = Int80(played)
    async with app.run_test(size=MEDIUM) as pilot:
        on = Session(app, cast(Any, pilot), cast(Any, played))
        await on.settle()
        await on.press("f", *"branch", "enter", "enter")
        for _ in range(200):
            if played.seeking is None:
                break
            await on.settle()
            await asyncio.sleep(0.01)
        await on.settle()
        assert "recording · branch 1" in on.text("header")
        assert facts(played) == first
