"""Signals: the exact text for literal States and for real runs, and the same from both sides in time."""

from __future__ import annotations

import pytest

from app.explain import explain
from app.panes import signals
from app.panes.moment import Moment
from app.panes.row import fit, text_of, width_of
from app.position import ALL_DONE, Position
from app.state.state import State
from kernel import events as e
from kernel.abi import signal as s
from kernel.abi.signal import sigmask
from kernel.describe import Description, TaskView
from kernel.events import Event
from tests.app.test_engine import engine, run_out
from tests.app.test_panes import compare, text
from tests.app.test_processes_pane import Host, behind, moment, places

HEIGHTS = ((60, 40), (100, 40), (120, 30), (78, 12))
EVENTS = (e.SignalActionSet, e.SignalMaskSet, e.SignalGenerated, e.SignalDelivered, e.SignalReturned)


def literal_state() -> State:
    """Every glyph, a real-time signal queued twice, a thread, a zombie."""
    tasks = {
        0: TaskView(0, 0, 0, "swapper"),
        1: TaskView(1, 1, 0, "init", "sleeping", ("child:1",)),
        2: TaskView(
            2,
            2,
            1,
            "parent",
            blocked=sigmask(s.SIGUSR2) | sigmask(s.SIGCHLD),
            pending=(s.SIGUSR2, s.SIGRTMIN + 3, s.SIGRTMIN + 3),
            shared_pending=(s.SIGCHLD,),
            actions={
                s.SIGINT: s.SIG_IGN,
                s.SIGUSR1: 0x0804_8213,
                s.SIGUSR2: 0x0804_8240,
                s.SIGRTMIN + 3: 0x0804_8260,
            },
            sighand=5,
        ),
        3: TaskView(3, 2, 1, "parent", actions={s.SIGINT: s.SIG_IGN, s.SIGUSR1: 0x0804_8213}, sighand=5),
        4: TaskView(4, 4, 2, "child", blocked=(1 << 64) - 1 & ~sigmask(s.SIGKILL) & ~sigmask(s.SIGSTOP)),
        5: TaskView(5, 5, 2, "dead", "zombie", exit_status=0),
        6: TaskView(6, 6, 2, "doomed", "runnable", pending=(s.SIGKILL,)),
    }
    return State(
        machine=Description(current=2, tasks=tasks),
        letters={pid: n for n, pid in enumerate(range(2, 7))},
        generated={s.SIGUSR2: 1, s.SIGCHLD: 3, s.SIGRTMIN + 3: 2, s.SIGUSR1: 12, s.SIGKILL: 1},
        delivered={s.SIGUSR1: 12, s.SIGCHLD: 1},
        frames={2: [0xBFFF_F7A0, 0xBFFF_F100]},
        pid=2,
    )


def literal() -> Moment:
    return Moment(state=literal_state(), view=None, cursor=Position(100, ALL_DONE, 5000))


def shown(now: Moment, pid: int = -1, signo: int = 0, sizes: tuple[tuple[int, int], ...] = HEIGHTS) -> str:
    return "\n".join(
        f"{width}x{height}\n" + text(signals.rows(now, width, height, pid, signo), width, height)
        for width, height in sizes
    )


@pytest.mark.parametrize(
    ("pid", "signo"),
    [(-1, 0), (2, s.SIGUSR1), (2, s.SIGCHLD), (3, s.SIGINT), (4, s.SIGKILL), (5, 0), (6, s.SIGKILL)],
)
def test_literal(pid: int, signo: int) -> None:
    compare(f"signals-literal-{pid if pid > 0 else 'current'}-{signo}", shown(literal(), pid, signo))


def test_nobody() -> None:
    now = Moment(state=State(), view=None, cursor=Position(0, ALL_DONE, 0))
    assert "no process" in shown(now)


REAL: dict[str, tuple[str, type[Event], int, int]] = {
    "begun": ("signal", e.ProgramExecuted, 0, 0),
    "caught": ("signal", e.SignalActionSet, 1, s.SIGCHLD),
    "generated": ("signal", e.SignalGenerated, 0, s.SIGUSR1),
    "delivered": ("signal", e.SignalDelivered, 0, s.SIGUSR1),
    "returned": ("signal", e.SignalReturned, 0, s.SIGUSR1),
    "child": ("signal", e.SignalGenerated, 2, s.SIGCHLD),
    "over": ("signal", e.MachineHalted, -1, 0),
    "pipe": ("pipe", e.SignalGenerated, 0, s.SIGCHLD),
    "busy": ("busy", e.TaskSwitched, 2, 0),
    "spaces": ("spaces", e.TaskCreated, -1, 0),
}


@pytest.mark.parametrize("name", REAL)
def test_real(name: str) -> None:
    program, kind, at, signo = REAL[name]
    one = engine(program)
    run_out(one)
    one.go_to(behind(one, kind, at))
    compare(f"signals-{program}-{name}", shown(moment(one), signo=signo, sizes=((60, 40), (100, 40))))


@pytest.mark.parametrize("program", ["pipe", "signal", "busy", "spaces"])
def test_from_both_sides(program: str) -> None:
    one = engine(program)
    run_out(one)
    seqs = places(one, *EVENTS, e.TaskSwitched, e.TaskExited)
    first = {}
    for seq in seqs:
        one.go_to(seq)
        first[seq] = shown(moment(one)), shown(moment(one), 2, s.SIGUSR1)
    one.go_end()
    for seq in reversed(seqs):
        one.go_to(seq)
        assert (shown(moment(one)), shown(moment(one), 2, s.SIGUSR1)) == first[seq]


def test_there_and_back_by_steps() -> None:
    one = engine("signal")
    run_out(one)
    one.go_to(behind(one, e.SignalGenerated, 0) - 3)
    path = []
    for _ in range(60):
        path.append((one.cursor, shown(moment(one))))
        one.step_microstep(1)
    for cursor, found in reversed(path):
        one.step_microstep(-1)
        assert one.cursor == cursor
        assert shown(moment(one)) == found


def test_everything_in_sight_is_explained() -> None:
    now = literal()
    for pid in now.state.machine.tasks:
        sheet = signals.rows(now, 100, 40, pid, s.SIGUSR1)
        for one in (*sheet.head, *sheet.rows):
            for span in one:
                if span.subject:
                    found = explain(span.subject, now)
                    assert found is not None, span.subject
                    assert found.lines


def test_every_signal_says_what_it_is_for() -> None:
    now = literal()
    told = [explain(f"signal:{signo}:2", now) for signo in range(1, 65)]
    assert all(one is not None and len(one.lines[0]) > 30 for one in told)
    assert explain("signal:65", now) is None
    assert explain("signal:0", now) is None


def test_explanation_of_a_cell() -> None:
    found = explain(f"signal:{s.SIGUSR2}:2", literal())
    assert found is not None
    assert found.title == "SIGUSR2 · signal 12"
    assert found.lines[2:] == (
        "default action  terminate",
        "A               caught by 08048240, blocked, pending",
        "so far          sent once, delivered never",
    )


@pytest.mark.parametrize("width", [20, 38, 76, 200])
def test_no_row_is_wider_than_the_pane(width: int) -> None:
    sheet = signals.rows(literal(), width, 20, 2, s.SIGUSR1)
    for one in (*sheet.head, *sheet.rows):
        assert width_of(fit(one, width)) <= width


def test_bits_stand_under_their_signals() -> None:
    """The same column of the matrix, of the numbers and of both rows of bits is about the same signal."""
    for width in (60, 100, 120):
        sheet = signals.rows(literal(), width, 40, 2)
        lines = [text_of(one) for one in (*sheet.head, *sheet.rows)]
        mine = next(one for one in lines if one.startswith("▸"))
        own, shared, blocked = (
            next(one for one in lines if one.startswith(f"  {name} "))
            for name in ("own pending", "process's", "blocked")
        )
        units = lines[7] if width < 107 else lines[6]
        assert len(own) == len(shared) == len(blocked) == len(mine) == len(units)
        pending = [n for n in range(signals.NAME, len(own)) if "1" in own[n] + shared[n]]
        assert [mine[n] for n in pending] == ["◐", "◐", "●"]
        assert [n for n, bit in enumerate(blocked) if bit == "1"] == pending[:2]


async def test_choosing_a_cell() -> None:
    pane = signals.Signals("signals")
    app = Host(pane)
    async with app.run_test(size=(100, 45)) as pilot:
        pane.now = literal()
        await pilot.pause()
        pane.focus()
        await pilot.pause()
        for _ in range(s.SIGUSR1):
            pane.choose(0, 1)
        assert "10 USR1     caught by 08048213" in pane.visible_text()
        for pid in (3, 4):
            pane.choose(1, 0)
            assert pane._chosen == f"signal:{s.SIGUSR1}:{pid}"
        pane.choose(1, 0)
        assert pane._chosen == f"signal:{s.SIGUSR1}:6"
        pane.choose(-1, 0)
        assert "child · pid 4" in pane.visible_text()
        assert "default: ends the process, blocked" in pane.visible_text()
        pane.choose(0, -1)
        assert "KILL" in pane.visible_text()
        assert "cannot be caught, ignored or blocked" in pane.visible_text()
