"""Notes and chapters: what they may say, where they lie, how a person adds them, what becomes of them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.branches import go_to as go_to_branch
from app.engine import Engine
from app.log import Log
from app.notes import (
    CHAPTER,
    MAX_TEXT,
    MAX_TITLE,
    MOST,
    NOTE,
    Note,
    Notes,
    branch_of,
    fitting,
    next_chapter,
    place_named,
    titled,
    wrong_text,
)
from app.position import ALL_DONE, START, Position
from app.recording import Recording, open_engine
from app.screens.popup import Ask, Choose
from app.session.store import open_session
from app.tui import Int80
from kernel.kernel import Input
from tests.app.pictures import engine_for, run_to_the_end
from tests.app.session_samples import LOG
from tests.app.test_recording import written
from tests.app.test_tui import MEDIUM, SMALL, WIDE, Session, session

SIZES = pytest.mark.parametrize("size", [WIDE, MEDIUM, SMALL], ids=["200x60", "120x40", "80x24"])


def note(seq: int, text: str, kind: str = NOTE, tick: int = 0) -> Note:
    return Note(Position(seq, ALL_DONE, tick), kind, text)


# The model.


@pytest.mark.parametrize(
    ("kind", "text", "wrong"),
    [
        (NOTE, "a", ""),
        (NOTE, "x" * MAX_TEXT, ""),
        (NOTE, "50%", ""),
        (NOTE, "gr\u00fcn \u4e2d", ""),
        (NOTE, "", "a note needs a text"),
        (NOTE, " \t ", "a note needs a text"),
        (NOTE, "x" * (MAX_TEXT + 1), "501 characters: a note's text has 500 at most"),
        (NOTE, "a\nb", "a text is one line of printable characters"),
        (NOTE, "a\x1b[2Jb", "a text is one line of printable characters"),
        (NOTE, "\ud800", "a text is one line of printable characters"),
        (CHAPTER, "", "a chapter needs a title"),
        (CHAPTER, "x" * (MAX_TITLE + 1), "61 characters: a chapter's title has 60 at most"),
        (CHAPTER, "Start", "Start is a place for g already: give the chapter another title"),
        (CHAPTER, "120", "120 is a place for g already: give the chapter another title"),
        (CHAPTER, "12,5 %", ""),
    ],
)
def test_what_a_note_may_say(kind: str, text: str, wrong: str) -> None:
    assert wrong_text(kind, text) == wrong


def test_a_title_is_given_once_and_a_session_has_room_for_so_many() -> None:
    notes = Notes()
    assert notes.add(note(5, "Fork", CHAPTER)) == ""
    assert notes.add(note(9, "fork", CHAPTER)) == "there is a chapter of this title already, at event 5"
    assert notes.add(note(9, "Fork")) == ""
    assert notes.add(note(9, "Fork")) == "this is noted here already"
    for n in range(MOST - 2):
        assert notes.add(note(n, f"number {n}")) == ""
    assert notes.add(note(1, "one more")) == f"a session has {MOST} notes at most"
    assert notes.rewrite(notes.every[0], "other words") == ""
    assert len(notes) == MOST


def test_rewriting_keeps_the_place_and_is_checked() -> None:
    first, second = note(5, "Fork", CHAPTER), note(9, "Exec", CHAPTER)
    notes = Notes([first, second])
    assert notes.rewrite(second, "FORK") == "there is a chapter of this title already, at event 5"
    assert notes.rewrite(second, "EXEC") == ""
    assert [(one.place.seq, one.text) for one in notes] == [(5, "Fork"), (9, "EXEC")]
    assert titled(notes, " exec ") is notes.every[1]
    notes.remove(notes.every[0])
    assert [one.text for one in notes] == ["EXEC"]


PLACES = st.builds(Position, st.integers(0, 700), st.integers(-1, 63), st.integers(0, 1 << 62))


@given(st.lists(st.tuples(PLACES, st.sampled_from([NOTE, CHAPTER]), st.text(min_size=1, max_size=3))), PLACES)
def test_notes_are_in_the_order_of_time(given: list[tuple[Position, str, str]], here: Position) -> None:
    notes = Notes()
    kept = [one for one in (Note(*each) for each in given) if notes.add(one) == ""]
    keys = [one.place.key for one in notes]
    assert keys == sorted(keys)
    assert sorted(map(id, notes)) == sorted(map(id, kept))
    chapters = [one for one in kept if one.kind == CHAPTER]
    after, before = next_chapter(notes, here, 1), next_chapter(notes, here, -1)
    keys_after = [one.place.key for one in chapters if one.place.key > here.key]
    keys_before = [one.place.key for one in chapters if one.place.key < here.key]
    assert (after.place.key if after is not None else None) == min(keys_after, default=None)
    assert (before.place.key if before is not None else None) == max(keys_before, default=None)


@given(PLACES)
def test_a_place_from_a_file_is_made_one_that_the_log_has(place: Position) -> None:
    found = fitting(place, LOG)
    assert fitting(found, LOG) == found
    assert found.seq == min(place.seq, len(LOG))
    if found.seq:
        assert found.tick >= LOG.record(found.seq - 1).tick
    if 0 < found.seq < len(LOG):
        assert found.tick <= max(LOG.record(found.seq).tick, LOG.record(found.seq - 1).tick)


def test_places_by_name() -> None:
    chapter = note(5, "Fork", CHAPTER, LOG.record(4).tick + 1)
    notes = Notes([chapter, note(9, "words")])
    assert place_named("start", LOG, notes) == START
    assert place_named("600", LOG, notes) == Position(600, ALL_DONE, LOG.record(599).tick)
    assert place_named("50%", LOG, notes) == place_named("300", LOG, notes)
    assert place_named(" fork ", LOG, notes) == chapter.place
    assert place_named("words", LOG, notes) is None
    assert place_named("601", LOG, notes) is None
    assert place_named("end", Log(), notes) == START


# In an engine.


def ran(program: str = "pipe") -> Engine:
    one = engine_for(program)
    run_to_the_end(one)
    one.go_start()
    return one


def test_chapters_are_marks_both_ways() -> None:
    """All marks and all chapters, each once, and the same ones back."""
    one = ran()
    plain = stops(one, 1)
    between = next(a + 2 for a, b in pairwise(plain) if b - a > 4)
    one.go_to(between)
    assert one.step_instruction(1)
    inside = one.cursor
    one.notes.add(Note(inside, CHAPTER, "between"))
    one.notes.add(Note(Position(plain[1], ALL_DONE, one.log.record(plain[1] - 1).tick), CHAPTER, "at a mark"))
    one.go_start()
    expected = sorted([*plain, inside.seq])
    assert stops(one, 1) == expected
    one.go_end()
    assert [seq for seq in reversed(stops(one, -1)) if seq] == expected
    one.go_start()
    while one.cursor.seq < inside.seq:
        one.step_mark(1)
    assert one.cursor == inside


def stops(one: Engine, direction: int) -> list[int]:
    found = []
    while one.step_mark(direction) and one.found:
        found.append(one.cursor.seq)
    return found


def test_notes_belong_to_branches(tmp_path: Path) -> None:
    """What was written to a shared place is seen on all, the rest where it was written."""
    one = engine_for("sigpipe")
    run_to_the_end(one)
    one.notes.add(noted(one, 3, "early"))
    one.notes.add(noted(one, one.length, "late"))
    one.go_to(one.length // 2)
    pid = next(pid for pid in one.state.machine.tasks if pid > 1)
    assert one.send_signal(pid, 10) == ""
    assert branch_of(Position(4, ALL_DONE, 0), one.branches) == 0
    one.step_event(1)
    here = one.cursor
    assert branch_of(here, one.branches) == 1
    one.notes.add(Note(here, CHAPTER, "Otherwise", 1))
    one.notes.add(noted(one, 4, "shared"))
    assert [kept.text for kept in one.notes_here] == ["early", "shared", "Otherwise"]
    go_to_branch(one, 0)
    assert [kept.text for kept in one.notes_here] == ["early", "shared", "late"]
    assert place_named("otherwise", one.log, one.notes_here) is None
    path = tmp_path / "a.int80"
    record(one, path).finish()
    with open_session(path) as session:
        assert session.notes.every == one.notes.every
        other = open_engine(session)
        assert [kept.text for kept in other.notes_here] == ["early", "shared", "late"]
        go_to_branch(other, 1)
        while other.seeking is not None:
            other.run(1)
        assert place_named("otherwise", other.log, other.notes_here) == here
    assert one.branches.forget(one.branches.all[1]) == ""
    one.notes.forget_branch(1)
    assert [kept.text for kept in one.notes] == ["early", "shared", "late"]


def noted(one: Engine, seq: int, text: str) -> Note:
    return note(seq, text, tick=one.log.record(seq - 1).tick)


def record(one: Engine, path: Path) -> Recording:
    machine, kernel = one.machine, one.machine.kernel
    return Recording(
        str(path), kernel.start, kernel.image, kernel.blobs, machine, one.history, one.branches, one.notes
    )


def test_notes_go_into_a_recording(tmp_path: Path) -> None:
    one = engine_for("hello")
    path = tmp_path / "a.int80"
    recording = record(one, path)
    one.machine.follow = recording.follow
    for _ in range(30):
        one.step_microstep(1)
    here = one.cursor
    one.notes.add(Note(here, CHAPTER, "Here"))
    recording.follow()
    recording._recorder.flush()
    with open_session(path) as cut_off:
        assert [(kept.place, kept.text) for kept in cut_off.notes] == [(here, "Here")]
    one.go_end()
    run_to_the_end(one)
    one.notes.add(Note(one.cursor, NOTE, "over"))
    recording.finish()
    with open_session(path) as whole:
        assert whole.notes.every == one.notes.every
        assert whole.finished == 0


# By hand.


async def add(on: Session, kind: str, text: str) -> None:
    await on.press("a")
    assert isinstance(on.app.screen, Choose)
    await on.press(*kind, "enter")
    assert isinstance(on.app.screen, Ask)
    on.app.screen.query_one("Input").value = text  # type: ignore[attr-defined]
    await on.press("enter")


@SIZES
async def test_a_note_and_a_chapter_on_the_screen(size: tuple[int, int]) -> None:
    one = ran()
    app = Int80(one)
    async with app.run_test(size=size) as pilot:
        on = Session(app, cast(Any, pilot), cast(Any, one))
        await on.settle()
        app.go_to(one.length // 2)
        await on.settle()
        here = one.cursor
        await add(on, "chapter", "  The parent reads ")
        assert "chapter The parent reads begins at event" in on.text("footer")
        assert "§ The parent reads" in on.text("story")
        assert "§" in on.text("timeline").splitlines()[-1]
        assert "§ The parent reads" in on.text("timeline").splitlines()[0]
        await add(on, "note", "look at the pipe")
        assert "• look at the pipe" in on.text("story")
        await on.press("full_stop")
        assert "look at the pipe" not in on.text("story")
        assert "The parent reads" not in on.text("story")
        assert "§ The parent reads" in on.text("timeline")
        await on.press("comma")
        assert "• look at the pipe" in on.text("story")
        await on.press("home")
        assert "The parent reads" not in on.text("timeline").splitlines()[0]
        await on.press("g", *"the parent", "space", *"reads", "enter")
        assert one.cursor == here
        await on.press("home", "A", "enter", "enter")
        assert one.cursor == here
        assert one.notes.every == (
            Note(here, CHAPTER, "The parent reads"),
            Note(here, NOTE, "look at the pipe"),
        )


async def test_notes_are_listed_changed_and_deleted() -> None:
    async with session(MEDIUM) as on:
        notes = on.engine.notes
        await on.press("A")
        assert "no notes and no chapters: a adds one here" in on.text("footer")
        await on.press("s")
        await add(on, "note", "first words")
        await on.press("A", "enter", "down", "enter")
        assert isinstance(on.app.screen, Ask)
        await on.press("exclamation_mark", "enter")
        assert [one.text for one in notes] == ["first words!"]
        await on.press("A", "enter", *"delete", "enter")
        assert not notes.every
        assert "note deleted" in on.text("footer")


@pytest.mark.parametrize(
    ("kind", "text", "wrong"),
    [
        ("note", "", "a note needs a text"),
        ("note", "   ", "a note needs a text"),
        ("note", "x" * 501, "501 characters: a note's text has 500 at most"),
        ("note", "bell \x07", "a text is one line of printable characters"),
        ("chapter", "end", "end is a place for g already"),
        ("chapter", "Here", "there is a chapter of this title already"),
    ],
)
async def test_bad_words_are_told(kind: str, text: str, wrong: str) -> None:
    async with session(MEDIUM) as on:
        on.engine.notes.add(note(5, "here", CHAPTER))
        await add(on, kind, text)
        assert isinstance(on.app.screen, Ask)
        assert wrong in "\n".join(on.picture())
        await on.press("escape")
        assert len(on.engine.notes) == 1


def test_a_note_at_a_microstep_is_found_again(tmp_path: Path) -> None:
    one = ran("hello")
    one.step_syscall(1)
    while one.microsteps() == 0 or one.cursor.microstep != 3:
        assert one.step_microstep(1)
    place = one.cursor
    one.notes.add(Note(place, CHAPTER, "The stack switches"))
    path = tmp_path / "a.int80"
    record(one, path).finish()
    with open_session(path) as again:
        chapter = titled(again.notes, "the stack switches")
    assert chapter is not None
    assert chapter.place == place


def test_what_has_no_notes_has_none_when_recorded(tmp_path: Path) -> None:
    one = engine_for("hello")
    one.give(Input(1, "tty", 0, b"x"))
    assert not written(one, tmp_path / "a.int80").notes.every
