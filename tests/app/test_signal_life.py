"""The life of a signal: n and N stop at its moments, the pane shows its steps, and every fate there is."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from app.engine import Engine
from app.explain import explain
from app.panes import signal_life, signals
from app.panes.moment import Moment
from app.panes.row import fit, text_of
from app.position import ALL_DONE, Position
from app.state import life
from app.state.fold import fold
from app.state.state import State, decode, encode
from app.story import tell_event
from kernel import events as e
from kernel.abi import signal as s
from kernel.abi.signal import sigmask
from tests.app.pictures import engine_for, moment, run_to_the_end
from tests.app.test_panes import compare

BIG = 2000


def moments_of(one: Engine) -> list[Position]:
    """All places that n comes to."""
    found: list[Position] = []
    while one.step_signal(1) and one.found and one.cursor not in found:
        found.append(one.cursor)
    return found


def place_of(one: Engine) -> str:
    view = one.view
    assert view is not None
    return re.sub(r"\+0x[0-9a-f]+", "", view.label(view.regs.eip))


def steps(now: Moment, width: int = 100) -> list[str]:
    chosen = signal_life.chosen_life(now, now.pid)
    return [text_of(fit(one, width)) for one in signal_life.life_rows(now, chosen, width)] if chosen else []


def test_n_stops_at_every_moment_and_capital_n_at_the_same() -> None:
    """From kill to behind sigreturn: sent, check, frame, handler, sigreturn, on in the program."""
    one = engine_for("signal")
    one.step_switch(1)
    places = moments_of(one)
    assert [place.seq for place in places] == sorted(place.seq for place in places)
    names, told = [], []
    for place in places:
        one.cursor = place
        names.append(place_of(one))
        told += [f"{names[-1]}", *steps(moment(one)), ""]
    once = ["sys_kill", "do_notify_resume", "do_notify_resume", "on_usr1", "sys_sigreturn", "kill"]
    assert names[:12] == once * 2
    assert names[13:] == [
        *("do_notify_resume", "do_notify_resume", "on_chld"),
        *("sys_sigreturn", "waitpid"),
    ]
    compare("signal-life", "\n".join(told))

    one._trail.clear()
    one.go_end()
    back = []
    while one.step_signal(-1) and not one.at_start:
        back.append(one.cursor)
    assert back[::-1] == places

    # A recording, and the machine run at once, have the same moments.
    whole = engine_for("signal")
    run_to_the_end(whole)
    machine = whole.machine
    kernel = machine.kernel
    played = Engine(kernel.start, kernel.image, kernel.blobs, whole.log, list(machine.inputs), live=False)
    played.go_to(60)
    assert moments_of(played) == places


def test_the_picture_of_the_lives() -> None:
    one = engine_for("signal")
    run_to_the_end(one)
    lines = []
    for seq in (one.length // 2, one.length):
        one.go_to(seq)
        for width in (60, 100):
            sheet = signals.rows(moment(one), width, 30, view=signals.LIVES)
            lines += [text_of(fit(row, width)) for row in sheet.rows]
    first = one.state.lives[0]
    sheet = signals.rows(moment(one), 100, 30, view=signals.LIVES, event=first.seq)
    assert any(text_of(row).startswith(f"▸ {first.seq + 1}") for row in sheet.rows)
    compare("signal-lives", "\n".join(lines))


def test_all_real_time_signals_can_be_reached() -> None:
    one = engine_for("signal")
    run_to_the_end(one)
    one.go_to(one.length // 2)
    for width in (60, 120):
        sheet = signals.rows(moment(one), width, 30, view=signals.REAL_TIME)
        subjects = {span.subject for row in sheet.rows for span in row}
        assert {f"signal:{signo}:2" for signo in range(32, 65)} <= subjects
        assert all(len(text_of(row)) <= width for row in sheet.head)


# Fates, from events.


def sent(signo: int, ignored: bool = False, shared: bool = True) -> e.SignalGenerated:
    return e.SignalGenerated(2, signo, s.SI_USER, 3, ignored, shared, (3, 0, 0, 0, 0))


def caught(signo: int, frame: int, task: int = 2, call: str = "") -> e.SignalDelivered:
    return e.SignalDelivered(task, signo, "handler", 0x0804_8213, frame, sigmask(signo), (), 0, call)


def started() -> list[object]:
    return [
        e.TaskCreated(2, 1, 2, "boot", "one", 5, 6, 0xC020_0000, 0, 4),
        e.TaskCreated(3, 2, 3, "fork", "two", 5, 6, 0xC020_2000, 0, 5),
        e.TaskCreated(4, 2, 2, "clone", "one", 5, 6, 0xC020_4000, 0, 4),
    ]


def test_the_story_says_that_one_is_lost() -> None:
    assert "It is pending, until" in tell_event(sent(10), after([sent(10)]))
    assert "this one is lost" in tell_event(sent(10), after([sent(10), sent(10)]))
    assert "It is pending, until" in tell_event(sent(34), after([sent(34), sent(34)]))


def after(events: Sequence[object], pid: int = 3) -> State:
    state = State()
    for event in (*started(), *events):
        fold(state, state.tick + 1, pid, event)  # type: ignore[arg-type]
    return state


WAIT = e.SyscallEntered(177, (0, 0, 0, 0, 0, 0))
FATES: dict[str, tuple[list[object], list[str], str]] = {
    "ignored": ([sent(17, ignored=True)], [life.IGNORED], "ignored when it was sent"),
    "merged": ([sent(10), sent(10)], [life.PENDING, life.MERGED], "dropped: one was pending already"),
    "of another set": ([sent(10), sent(10, shared=False)], [life.PENDING] * 2, "pending"),
    "queued": ([sent(34), sent(34)], [life.PENDING] * 2, "pending"),
    "blocked": (
        [e.SignalMaskSet(2, sigmask(10)), e.SignalMaskSet(4, sigmask(10)), sent(10)],
        [life.PENDING],
        "pending, blocked",
    ),
    "taken back": (
        [sent(s.SIGTSTP), e.SignalsDiscarded(2, sigmask(s.SIGTSTP), True)],
        [life.DISCARDED],
        "taken back, never delivered",
    ),
    "handler": ([sent(10), caught(10, 0xBFFF_F000)], [life.HANDLER], "its handler runs"),
    "returned": (
        [sent(10), caught(10, 0xBFFF_F000), e.SignalReturned(2, 0xBFFF_F000, 0, 0x0804_8000)],
        [life.HANDLER],
        "its handler has returned",
    ),
    "left": (
        [
            *(sent(10), caught(10, 0xBFFF_F800), sent(12), caught(12, 0xBFFF_F000)),
            e.SignalReturned(2, 0xBFFF_F800, 0, 0x0804_8000),
        ],
        [life.HANDLER] * 2,
        "its handler was left without sigreturn",
    ),
    "no room": ([sent(10), caught(10, 0)], [life.HANDLER], "no room for its frame"),
    "another thread": (
        [sent(10), caught(10, 0xB7FF_F000, task=4)],
        [life.HANDLER],
        "its handler runs",
    ),
    "default": (
        [sent(15), e.SignalDelivered(2, 15, "terminate", 0, 0, 0)],
        ["terminate"],
        "no handler: the default action ends the process",
    ),
    "ended": (
        [sent(10), caught(10, 0xBFFF_F000), e.TaskExited(2, 0)],
        [life.HANDLER],
        "its handler was left",
    ),
}


@pytest.mark.parametrize("name", FATES)
def test_fates(name: str) -> None:
    events, fates, text = FATES[name]
    state = after(events)
    assert [one.fate for one in state.lives] == fates
    now = Moment(state=state, view=None, cursor=Position(state.events_seen, ALL_DONE, state.tick))
    assert signal_life.fate_text(now, state.lives[-1]).startswith(text)
    again = decode(encode(state))
    assert again.lives == state.lives
    for one in state.lives:
        for number in range(9):
            found = explain(f"life:{one.seq}:{number}", now)
            assert found is not None
            assert found.lines
        assert signal_life.life_rows(now, one, 60)
    assert explain("life:99:1", now) is None


def test_who_waits_takes_it() -> None:
    state = after([sent(10)])
    fold(state, 9, 2, WAIT)
    fold(state, 10, 2, e.SignalsDiscarded(2, sigmask(10), True))
    assert (state.lives[0].fate, state.lives[0].taker) == (life.ACCEPTED, 2)


def test_what_becomes_of_the_call_is_told() -> None:
    """The kernel's word for it, from a program of the matrix: EINTR where there is no SA_RESTART."""
    for word, text in (("EINTR", "its call fails with EINTR"), ("restart", "its call is made again")):
        state = after([sent(10), caught(10, 0xBFFF_F000, call=word)])
        now = Moment(state=state, view=None, cursor=Position(state.events_seen, ALL_DONE, state.tick))
        assert text in "\n".join(text_of(row) for row in signal_life.life_rows(now, state.lives[0], 100))


def test_old_lives_go_first() -> None:
    """What is over goes before what is still pending."""
    state = after([sent(12), *[event for _ in range(BIG) for event in (sent(17, ignored=True),)]])
    assert len(state.lives) == life.KEPT
    assert state.lives[0].signo == 12
