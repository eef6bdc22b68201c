"""Saving the session as it stands: what was played and taken over, branches, notes; where it cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from app import branches
from app.engine import Engine
from app.notes import NOTE, Note
from app.position import START
from app.recording import open_engine
from app.saving import save_session
from app.session import open_session
from app.session.schema import SessionError
from app.taking_over import take_over
from app.tui import Int80
from tests.app.test_recording import live, run_out, written
from tests.app.test_tui import MEDIUM, Session


def opened(path: Path) -> Engine:
    with open_session(path) as session:
        return open_engine(session)


def taken_over(folder: Path) -> Engine:
    """`signal`, recorded, and taken over half way; a process is killed there."""
    engine = live("signal")
    run_out(engine)
    written(engine, folder / "recorded.int80")
    engine = opened(folder / "recorded.int80")
    engine.go_to(engine.length // 2)
    assert take_over(engine) == ""
    pid = max(engine.state.machine.tasks)
    assert engine.send_signal(pid, 9) == ""
    engine.go_end()
    run_out(engine)
    return engine


def test_what_was_taken_over_is_saved_beside_what_was_recorded(tmp_path: Path) -> None:
    engine = taken_over(tmp_path)
    trunk, branch = engine.branches.all[0], engine.branches.all[1]
    assert trunk.past is not None
    engine.notes.add(Note(START, NOTE, "here", 0))
    size = save_session(engine, str(tmp_path / "saved.int80"))
    assert size == (tmp_path / "saved.int80").stat().st_size
    again = opened(tmp_path / "saved.int80")
    assert again.log.digest() == trunk.past.log.digest()
    assert [note.text for note in again.notes] == ["here"]
    assert branches.go_to(again, 1) == ""
    while again.run(1.0) == "running":
        pass
    assert again.reason == ""
    assert again.log.digest() == engine.log.digest()
    assert branch.length == again.length


def test_a_live_session_goes_on_after_it_was_saved(tmp_path: Path) -> None:
    engine = live("pipe")
    engine.go_to(60)
    save_session(engine, str(tmp_path / "half.int80"))
    half = opened(tmp_path / "half.int80")
    assert list(half.log.rows()) == list(engine.log.rows())
    run_out(engine)
    save_session(engine, str(tmp_path / "whole.int80"))
    whole = opened(tmp_path / "whole.int80")
    assert whole.log.digest() == engine.log.digest()
    assert whole.length > half.length
    assert whole.log.up_to(half.length).digest() == half.log.digest()


def test_where_it_cannot_be_written_there_is_nothing(tmp_path: Path) -> None:
    engine = live("hello")
    run_out(engine)
    with pytest.raises(SessionError, match="no such"):
        save_session(engine, str(tmp_path / "missing" / "a.int80"))
    assert list(tmp_path.iterdir()) == []


async def test_by_hand(tmp_path: Path) -> None:
    engine = taken_over(tmp_path)
    app = Int80(engine)
    there = tmp_path / "there"
    there.write_text("mine")
    async with app.run_test(size=MEDIUM) as pilot:
        on = Session(app, cast(Any, pilot), cast(Any, engine))
        await on.settle()
        engine.notes.add(Note(START, NOTE, "here", 0))
        await on.press("q")
        assert "q again leaves without 1 note: r saves the session" in on.text("footer")
        await on.press("r", *str(there), "enter")
        assert there.read_text() == "mine"
        await on.press(*"-new", "enter")
        assert "int80 play" in on.text("footer")
        assert opened(tmp_path / "there-new").length
        await on.press("q")
    assert app.return_code == 0
