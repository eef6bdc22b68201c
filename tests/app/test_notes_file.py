"""Notes into a file that is there already: all of them or nothing, and nothing else is touched."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from app.notes import CHAPTER, NOTE, Note
from app.recording import open_engine
from app.session import SessionError, open_session
from app.session import notes as notes_file
from app.session.notes import NotesFile
from app.tui import Int80
from tests.app.session_samples import LOG, NOTES, assert_same, cut_off, place_in, record, whole
from tests.app.test_notes import add
from tests.app.test_recording import live, run_out, written
from tests.app.test_session_damage import as_of_format_2
from tests.app.test_tui import MEDIUM, Session

MORE = (*NOTES[:2], Note(place_in(LOG, 44), NOTE, "one more"), NOTES[-1])


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "a.int80"
    path.write_bytes(whole())
    yield path
    assert os.listdir(tmp_path) == ["a.int80"], "something is left"


def opened(path: Path) -> NotesFile:
    with open_session(path) as session:
        return NotesFile(session)


def read(path: Path) -> tuple[Note, ...]:
    """The file's notes; all else must be what it was."""
    with open_session(path) as session:
        session.verify()
        found = session.notes.every
        session.notes.every = NOTES
        assert_same(session)
        return found


def refused(file: NotesFile, path: Path, notes: tuple[Note, ...] = MORE) -> str:
    before = path.read_bytes()
    with pytest.raises(SessionError) as caught:
        file.write(notes)
    assert path.read_bytes() == before
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert text.isprintable()
    return text.removeprefix(f"{path}: ")


def test_notes_take_the_place_of_those_before(path: Path) -> None:
    os.chmod(path, 0o640)
    file = opened(path)
    assert read(path) == NOTES
    for notes in (MORE, (), NOTES, NOTES):
        file.write(notes)
        assert read(path) == notes
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_link_stays_one(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.int80"
    path.parent.mkdir()
    path.write_bytes(whole())
    link = tmp_path / "link"
    link.symlink_to(path)
    opened(link).write(MORE)
    assert link.is_symlink()
    assert read(path) == MORE


def test_a_file_that_is_read_only(path: Path) -> None:
    os.chmod(path, 0o444)
    assert refused(opened(path), path) == "notes cannot be written: it is read-only"


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "a.int80"
    path.write_bytes(whole())
    file = opened(path)
    path.unlink()
    with pytest.raises(SessionError, match="no such file"):
        file.write(MORE)
    assert not os.listdir(tmp_path)


def test_an_older_format_is_only_read(path: Path) -> None:
    database = sqlite3.connect(path, isolation_level=None)
    as_of_format_2(database)
    database.close()
    assert refused(opened(path), path) == "an older int80 made it (format 2): no notes can be put into it"


def test_another_session_of_that_name(path: Path) -> None:
    file = opened(path)
    path.unlink()
    written(live("hello"), path)
    assert refused(file, path) == "notes cannot be written: it is another session than the one opened"


def test_somebody_else_was_there_first(path: Path) -> None:
    one, two = opened(path), opened(path)
    one.write(MORE)
    assert (
        refused(two, path, ()) == "notes cannot be written: its notes have been changed since it was opened"
    )
    assert read(path) == MORE


def test_a_trigger_has_come_into_it(path: Path) -> None:
    file = opened(path)
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("CREATE TRIGGER t AFTER DELETE ON notes BEGIN DELETE FROM chunks; END")
    database.close()
    assert refused(file, path) == "damaged: it holds something that no session has: t"


def test_a_file_that_is_being_recorded(tmp_path: Path) -> None:
    path = tmp_path / "a.int80"
    recorder = record(path, finish=False)
    recorder.flush()
    file = opened(path)
    with pytest.raises(SessionError, match="is being recorded already"):
        file.write(MORE)
    recorder.close()
    with open_session(path) as session:
        assert list(session.log.rows()) == list(LOG.rows())


def test_a_recording_that_was_killed(tmp_path: Path) -> None:
    """What it had in the write-ahead log is kept."""
    path = tmp_path / "a.int80"
    path.write_bytes(cut_off()[0])
    Path(f"{path}-wal").write_bytes(cut_off()[1])
    with open_session(path) as session:
        file, before = NotesFile(session), session.notes.every
    file.write((*before, Note(place_in(LOG, 44), NOTE, "one more")))
    with open_session(path) as session:
        session.verify()
        assert session.finished is None
        assert "one more" in [one.text for one in session.notes]
        assert list(session.log.rows()) == list(LOG.rows())
    assert os.listdir(tmp_path) == ["a.int80"]


def test_a_journal_beside_a_killed_recording_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "a.int80"
    path.write_bytes(cut_off()[0])
    Path(f"{path}-wal").write_bytes(cut_off()[1])
    file = opened(path)
    Path(f"{path}-journal").write_bytes(b"something")
    assert refused(file, path) == "notes cannot be written: a rollback journal lies beside it"
    assert Path(f"{path}-wal").read_bytes() == cut_off()[1]
    assert Path(f"{path}-journal").read_bytes() == b"something"


@pytest.mark.parametrize("after", ["chmod", "chown", "fsync", "replace"])
@pytest.mark.parametrize("killed", [False, True], ids=["whole", "cut off"])
def test_nothing_is_lost_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: str, killed: bool
) -> None:
    """A full disk at any of its steps: the file has all that it had."""
    path = tmp_path / "a.int80"
    path.write_bytes(cut_off()[0] if killed else whole())
    if killed:
        Path(f"{path}-wal").write_bytes(cut_off()[1])
    file = opened(path)
    with open_session(path) as session:
        before = session.notes.every

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, after, full)
        with pytest.raises(SessionError, match="no space left on device"):
            file.write(MORE)
    assert os.listdir(tmp_path) == ["a.int80"]
    with open_session(path) as session:
        session.verify()
        assert session.notes.every == before
        assert list(session.log.rows()) == list(LOG.rows())
    file.write(MORE)
    with open_session(path) as session:
        assert session.notes.every == MORE


def test_what_was_written_is_looked_at(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy that has not become what it should be never takes the file's place."""
    file = opened(path)
    with monkeypatch.context() as patch:
        patch.setattr(notes_file, "_put", lambda copy, rows: os.truncate(copy, 8192))
        assert refused(file, path).startswith(("damaged", "cut off"))
    file.write(MORE)
    assert read(path) == MORE


# On the screen.


async def leave(on: Session) -> None:
    await on.pilot.press("q")
    await on.pilot.pause()


async def until_kept(on: Session) -> None:
    for _ in range(200):
        await on.settle()
        if not on.app._keeping:
            return
        await on.pilot.pause(0.02)
    raise AssertionError("still being written")


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    engine = live("hello")
    run_out(engine)
    written(engine, tmp_path / "hello.int80")
    return tmp_path / "hello.int80"


async def test_notes_are_in_the_file_while_it_is_played(hello: Path) -> None:
    with open_session(hello) as session:
        app = Int80(open_engine(session))
        app.keeper = NotesFile(session)
        async with app.run_test(size=MEDIUM) as pilot:
            on = Session(app, cast(Any, pilot), cast(Any, app.engine))
            await on.settle()
            await on.press("s")
            here = app.engine.cursor
            await add(on, "chapter", "A call")
            await until_kept(on)
            with open_session(hello) as other:
                assert other.notes.every == (Note(here, CHAPTER, "A call"),)
            await on.press("s")
            await add(on, "note", "first")
            await on.press("A", *"first", "enter", *"change", "enter", "exclamation_mark", "enter")
            await leave(on)
        assert app.return_value == 0
        assert not app.not_kept
    with open_session(hello) as other:
        assert [one.text for one in other.notes] == ["A call", "first!"]
        assert open_engine(other).notes.every == app.engine.notes.every


async def test_q_tells_of_notes_that_could_not_be_written(hello: Path) -> None:
    os.chmod(hello, 0o444)
    before = hello.read_bytes()
    with open_session(hello) as session:
        app = Int80(open_engine(session))
        app.keeper = NotesFile(session)
        async with app.run_test(size=MEDIUM) as pilot:
            on = Session(app, cast(Any, pilot), cast(Any, app.engine))
            await on.settle()
            await add(on, "note", "lost?")
            await until_kept(on)
            assert "notes cannot be written: it is read-only" in on.text("footer")
            assert [one.text for one in app.engine.notes] == ["lost?"]
            await leave(on)
            assert "q again leaves without 1 note: it is read-only" in on.text("footer")
            assert app.return_value is None
            await on.press("s")
            os.chmod(hello, 0o644)
            await add(on, "note", "two")
            await until_kept(on)
            assert not app.not_kept
            os.chmod(hello, 0o444)
            await add(on, "note", "three")
            await until_kept(on)
            await leave(on)
            assert app.return_value is None
            await leave(on)
        assert app.return_value == 0
        assert app.not_kept == f"{hello}: notes cannot be written: it is read-only"
    os.chmod(hello, 0o644)
    with open_session(hello) as other:
        assert [one.text for one in other.notes] == ["lost?", "two"]
    assert hello.read_bytes() != before
