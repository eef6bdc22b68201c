"""A State from the middle of time is the straight fold up to there, from whichever side one comes."""

from __future__ import annotations

import random

import pytest

from app import history
from app.history import KEYFRAME_EVERY, History
from app.log import Log, LogError
from app.state import FoldError, State, fold
from app.state.state import decode, encode
from kernel import events as e
from tests.app.samples import session


def straight(log: Log, seq: int) -> State:
    state = State()
    for tick, pid, event in log.rows(0, seq):
        fold(state, tick, pid, event)
    return state


@pytest.fixture(scope="module")
def log() -> Log:
    return session(3 * KEYFRAME_EVERY + 700)


def test_any_order_of_positions(log: Log) -> None:
    rng = random.Random(7)
    places = [rng.randrange(len(log) + 1) for _ in range(25)]
    places += [0, len(log), KEYFRAME_EVERY, KEYFRAME_EVERY - 1, KEYFRAME_EVERY + 1, 1]
    there = History(log)
    for seq in places:
        assert there.state_at(seq) == straight(log, seq), seq


def test_back_and_forward_in_small_steps(log: Log) -> None:
    there = History(log)
    place = 2 * KEYFRAME_EVERY + 1300
    expected = {seq: encode(straight(log, seq)) for seq in range(place - 12, place + 1)}
    for seq in [*range(place, place - 13, -1), *range(place - 12, place + 1), place - 5]:
        assert encode(there.state_at(seq)) == expected[seq]


def test_a_growing_log_is_followed() -> None:
    source, log = session(9000), Log()
    there = History(log)
    for tick, pid, event in source.rows():
        log.append(tick, pid, event)
        if len(log) % 501 == 0:
            assert there.state_at(len(log)).events_seen == len(log)
    assert there.state_at(len(log)) == straight(source, len(source))


def test_keyframes_go_into_a_file_and_back(log: Log) -> None:
    first, second = History(log), History(log)
    place = 2 * KEYFRAME_EVERY
    second.add_keyframe(place, first.keyframe(place))
    assert second.state_at(place + 5) == straight(log, place + 5)
    for data in (b"", b"nonsense", first.keyframe(place)[:-5], first.keyframe(KEYFRAME_EVERY)):
        with pytest.raises(LogError):
            second.add_keyframe(place, data)


def test_a_state_survives_its_encoding(log: Log) -> None:
    state = straight(log, len(log))
    assert decode(encode(state)) == state
    assert len(encode(state)) < 1 << 20


def test_positions_that_are_not_there(log: Log) -> None:
    there = History(log)
    for seq in (-1, len(log) + 1):
        with pytest.raises(IndexError):
            there.state_at(seq)


def test_a_forged_log_is_told_and_leaves_the_rest_readable() -> None:
    log = session(200)
    good = len(log)
    log.append(1, 2, e.TaskReaped(99, 1))
    there = History(log)
    with pytest.raises(FoldError, match=rf"event {good} \(TaskReaped\)"):
        there.state_at(len(log))
    assert there.state_at(good) == straight(log, good)


def test_keyframes_are_made_on_the_way(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    there = History(log)
    there.state_at(len(log))
    folded = 0

    def counted(state: State, *rest: object) -> None:
        nonlocal folded
        folded += 1
        fold(state, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(history, "fold", counted)
    there.state_at(len(log) - 1)
    assert folded < KEYFRAME_EVERY
    folded = 0
    there.state_at(len(log) - 2)
    assert folded <= history.NEAR_EVERY
