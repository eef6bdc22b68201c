"""What the timeline's window and columns are, whatever is zoomed to; which checkpoints are kept."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from app.checkpoints import LEAST, MOST, Checkpoint, Checkpoints
from app.log import Log
from app.panes import results as finds
from app.panes.lanes import Lanes
from app.panes.results import AT_ONCE, Results
from app.panes.timeline import column_of, event_of, sought, window_of
from cpu.checkpoint import MachineState
from kernel.events import TaskSwitched


@given(st.integers(0, 100_000), st.integers(0, 14), st.data())
def test_the_window_has_the_cursor_and_stays_where_it_is(length: int, zoom: int, data: st.DataObject) -> None:
    before = (0, 0)
    for _ in range(3):
        seq = data.draw(st.integers(0, length))
        first, last = window = window_of(seq, length, zoom, before)
        assert 0 <= first <= seq <= last <= length
        assert last - first == length if not zoom else last - first <= length
        assert window_of(seq, length, zoom, window) == window
        before = window


@given(st.integers(1, 5000), st.integers(1, 300), st.data())
def test_a_click_leads_into_its_column(length: int, columns: int, data: st.DataObject) -> None:
    column = data.draw(st.integers(0, columns - 1))
    found = column_of(event_of(column, (0, length), columns), (0, length), columns)
    assert found == column or length < columns


def switches(count: int) -> Log:
    log = Log()
    for n in range(count):
        log.append(n, 2 + n // 100 % 2, TaskSwitched(previous=2, next=3, voluntary=True))
    return log


def test_columns_of_a_window_count_its_events() -> None:
    log = switches(10_000)
    lanes = Lanes()
    assert lanes.follow(log)
    assert lanes.size > 1
    for first, last in ((0, 10_000), (4000, 8000), (301, 309)):
        found = lanes.columns(log, first, last, 50)
        assert len(found) == 50
        total = sum(sum(one.counts.values()) for one in found)
        if last - first == 4000:
            assert total == 4000
    alone = lanes.columns(log, 300, 350, 50)
    assert all(one.counts == {3: 1} for one in alone)


def test_results_are_read_piece_by_piece_and_again_for_another_text_or_log() -> None:
    log = switches(2 * AT_ONCE + 100)
    log.append(9, 2, TaskSwitched(previous=7, next=3, voluntary=True))
    results = Results()
    assert not results.follow(log, "previous 7")
    assert not results.follow(log, "previous 7")
    assert results.follow(log, "previous 7")
    assert results.places == [len(log)]
    log.append(10, 2, TaskSwitched(previous=7, next=2, voluntary=True))
    assert results.follow(log, "previous 7")
    assert results.places == [len(log) - 1, len(log)]
    assert results.follow(log, "")
    assert results.places == []
    while not results.follow(log, "switched"):
        pass
    assert len(results.places) == len(log) < finds.MOST
    results.follow(switches(3), "switched")
    assert results.places == [1, 2, 3]


def test_no_more_results_are_kept_than_say_something() -> None:
    log = switches(finds.MOST + 2000)
    results = Results()
    while not results.follow(log, "next 3"):
        pass
    assert results.full
    assert results.places == list(range(1, finds.MOST + 1))


def test_results_in_the_window_have_their_columns() -> None:
    assert sought([1, 40, 41, 99], (40, 80), 40) == {0: "*", 1: "*"}
    assert sought([1, 40, 99], (0, 100), 10) == {0: "*", 4: "*", 9: "*"}
    assert sought([], (0, 100), 10) == {}


def kept(places: list[tuple[int, int]], frames: int = 3) -> Checkpoints:
    one = Checkpoints()
    for seq, tick in places:
        pages = dict.fromkeys(range(frames), b"x" * 4096)
        one.adopt(Checkpoint(seq, tick, b"", MachineState(None, pages), 0, tick))  # type: ignore[arg-type]
    return one


def test_checkpoints_are_close_together_where_the_machine_is() -> None:
    found = kept([(n * 40, n * 1000) for n in range(4 * MOST)])
    assert LEAST <= len(found) <= MOST
    places = [one.seq for one in found]
    assert places == sorted(places)
    assert places[0] == 0
    gaps = [b - a for a, b in pairwise(places)]
    assert gaps[-20:] == [40] * 20
    assert found.at_or_before(places[-1] - 1, 0).seq == places[-2]
    assert found.before(0, 0).seq == 0


def test_a_checkpoint_is_due_by_events_or_ticks() -> None:
    found = kept([(0, 0), (1000, 5000)])
    assert not found.due(1010, 6000)
    assert found.due(1040, 6000)
    assert found.due(1001, 50_000_000)
    assert found.due(500, 100)
