"""Processes: the exact text for literal States and for real runs, and the same from both sides in time."""

from __future__ import annotations

import pytest
from textual.app import App, ComposeResult

from app.engine import Engine
from app.explain import explain
from app.panes import processes, waiting
from app.panes.moment import Moment
from app.panes.row import fit, text_of, width_of
from app.position import ALL_DONE, Position
from app.state.state import State
from app.theme import DARK, Paint
from kernel import events as e
from kernel.describe import Description, FileView, PipeView, SpaceView, TaskView
from kernel.events import Event
from kernel.ptrace import stops
from tests.app.test_engine import engine, run_out
from tests.app.test_panes import compare, text

HEIGHT = 40
SIZES = (60, 100, 140)


def literal_state() -> State:
    """Every state, every queue, a thread, a deep family and a full pipe."""
    tasks = {
        0: TaskView(0, 0, 0, "swapper"),
        1: TaskView(1, 1, 0, "init", "sleeping", ("child:1",)),
        2: TaskView(2, 2, 1, "shell", "sleeping", ("child:2",), 20, 30, 7),
        3: TaskView(3, 3, 2, "producer", "sleeping", ("pipe:9:write",), 21, 31, 4),
        4: TaskView(4, 4, 2, "consumer", "runnable", (), 22, 32, 4),
        5: TaskView(5, 5, 4, "a long process name", "sleeping", ("pipe:8:read",), 23, 33, 3),
        6: TaskView(6, 4, 2, "consumer", "sleeping", ("futex:22:0x804a000",), 22, 32, 240),
        7: TaskView(7, 7, 2, "dead", "zombie", exit_status=7 << 8),
        8: TaskView(8, 8, 2, "killed", "zombie", exit_status=11 | 0x80),
        9: TaskView(9, 9, 1, "daemon", "stopped", (), 24, 34, 3),
        10: TaskView(10, 10, 5, "sleeper", "sleeping", ("sleep",), 25, 35, 162),
        11: TaskView(11, 11, 5, "typist", "sleeping", ("tty:0",), 26, 36, 3),
        12: TaskView(12, 12, 5, "forker", "sleeping", ("vfork:13",), 27, 37, 190),
        13: TaskView(13, 13, 12, "forker", "runnable", (), 27, 38),
        14: TaskView(14, 14, 5, "poller", "sleeping", ("pipe:8:read", "tty:0", "tty:0:write"), 28, 39, 168),
        15: TaskView(15, 15, 5, "pauser", "sleeping", ("pause",), 29, 40, 29),
        16: TaskView(16, 16, 5, "cat", "sleeping", ("fifo:77",), 41, 42, 5),
    }
    machine = Description(
        current=4,
        tasks=tasks,
        spaces={space: SpaceView(space, 0x100) for space in (*range(20, 30), 41)},
        fdtables={
            **{number: {} for number in range(30, 43)},
            31: {1: 1, 4: 2},
            32: {0: 1, 3: 3, 5: 4, 6: 5, 7: 6, 8: 8},
            33: {3: 7},
        },
        files={
            1: FileView("tty", 2, 0, 0, "/dev/tty"),
            2: FileView("pipe", 1, 0, 9, "pipe:[9]"),
            3: FileView("pipe", 0, 0, 9, "pipe:[9]"),
            4: FileView("file", 0o2001, 50, 0, "/tmp/log"),
            5: FileView("dir", 0o200000, 51, 0, "/tmp"),
            6: FileView("null", 1, 52, 0, "/dev/null"),
            7: FileView("pipe", 0o4000, 0, 8, "pipe:[8]"),
            8: FileView("stream", 0, 0, 0, ""),
        },
        pipes={8: PipeView(b"", 1, 1, 65536), 9: PipeView(b"x" * 65000, 1, 1, 65536)},
    )
    letters = {pid: n for n, pid in enumerate(range(2, 17))}
    return State(machine=machine, letters=letters, events_seen=100, tick=5000, pid=4)


def running(pid: int) -> State:
    state = literal_state()
    state.machine.current = pid
    return state


def literal(state: State | None = None) -> Moment:
    return Moment(state=state or literal_state(), view=None, cursor=Position(100, ALL_DONE, 5000))


def moment(one: Engine) -> Moment:
    return Moment(
        state=one.state,
        view=one.view,
        cursor=one.cursor,
        event=one.event,
        log=one.log,
        length=one.length,
        title=one.title,
        status="live",
    )


def shown(now: Moment, pid: int = -1, sizes: tuple[int, ...] = SIZES) -> str:
    parts = [f"{width}\n" + text(processes.rows(now, width, HEIGHT, pid), width, HEIGHT) for width in sizes]
    return "\n".join(parts)


def places(one: Engine, *kinds: type[Event]) -> list[int]:
    """Positions right behind the events of these types."""
    return [record.seq + 1 for record in one.log.records() if isinstance(record.event, kinds)]


def behind(one: Engine, event_type: type[Event], at: int) -> int:
    return places(one, event_type)[at]


@pytest.mark.parametrize("pid", [-1, 3, 5, 6, 7, 8, 9, 10, 12, 13, 14])
def test_literal(pid: int) -> None:
    compare(f"processes-literal-{pid if pid > 0 else 'current'}", shown(literal(), pid, (60, 100)))


def test_literal_beside() -> None:
    compare("processes-literal-beside", shown(literal(), -1, (140,)))


REAL: dict[str, tuple[str, type[Event], int]] = {
    "begun": ("pipe", e.ProgramExecuted, 0),
    "forked": ("pipe", e.TaskCreated, -1),
    "reader-sleeps": ("pipe", e.TaskBlocked, 1),
    "written": ("pipe", e.PipeWritten, 0),
    "waits": ("pipe", e.TaskBlocked, -1),
    "zombie": ("pipe", e.TaskExited, 0),
    "reaped": ("pipe", e.TaskReaped, 0),
    "over": ("pipe", e.MachineHalted, -1),
    "preempted": ("busy", e.TaskSwitched, 2),
    "handler": ("signal", e.SignalDelivered, 0),
    "shared": ("spaces", e.TaskCreated, -1),
}


@pytest.mark.parametrize("name", REAL)
def test_real(name: str) -> None:
    program, kind, at = REAL[name]
    one = engine(program)
    run_out(one)
    one.go_to(behind(one, kind, at))
    compare(f"processes-{program}-{name}", shown(moment(one), sizes=(60, 100)))


@pytest.mark.parametrize("program", ["pipe", "signal", "busy", "spaces"])
def test_from_both_sides(program: str) -> None:
    """However a position is come to, and whoever is chosen: the same rows."""
    one = engine(program)
    run_out(one)
    seqs = places(one, e.TaskBlocked, e.TaskWoken, e.TaskExited, e.TaskSwitched, e.SyscallEntered)
    first = {}
    for seq in seqs:
        one.go_to(seq)
        first[seq] = shown(moment(one), sizes=(100,)), shown(moment(one), 2, (100,))
    one.go_end()
    for seq in reversed(seqs):
        one.go_to(seq)
        assert (shown(moment(one), sizes=(100,)), shown(moment(one), 2, (100,))) == first[seq]


def test_there_and_back_by_steps() -> None:
    one = engine("pipe")
    run_out(one)
    one.go_to(behind(one, e.TaskBlocked, 1) - 3)
    path = []
    for _ in range(30):
        path.append((one.cursor, shown(moment(one), sizes=(100,))))
        one.step_microstep(1)
    for cursor, found in reversed(path):
        one.step_microstep(-1)
        assert one.cursor == cursor
        assert shown(moment(one), sizes=(100,)) == found


def test_since_is_what_the_machine_says() -> None:
    one = engine("pipe")
    run_out(one)
    seen = 0
    for seq in places(one, e.TaskBlocked)[1:]:
        one.go_to(seq)
        now = moment(one)
        assert now.view is not None
        for task in now.state.machine.tasks.values():
            found = now.view.task(task.pid)
            if task.on and found is not None and found.wait is not None:
                assert waiting.wait_span(now, task) == (found.wait.since, found.wait.deadline)
                seen += 1
    assert seen > 3


def test_everything_in_sight_is_explained() -> None:
    now = literal()
    for pid in now.state.machine.tasks:
        for one in processes.rows(now, 140, HEIGHT, pid).rows:
            for span in one:
                if span.subject:
                    found = explain(span.subject, now)
                    assert found is not None, span.subject
                    assert found.lines


@pytest.mark.parametrize("width", [20, 38, 76, 200])
def test_no_row_is_wider_than_the_pane(width: int) -> None:
    for one in processes.rows(literal(), width, 20).rows:
        assert width_of(fit(one, width)) <= width


def test_a_long_line_of_forks() -> None:
    """A chain of processes, each the child of the one before it, has no depth limit."""
    tasks = {pid: TaskView(pid, pid, pid - 1, "chain") for pid in range(2, 3000)}
    state = State(machine=Description(current=2, tasks=tasks))
    assert len(processes.tree(state)) == len(tasks)
    assert len(processes.rows(literal(state), 80, 20).rows) > len(tasks)


class Host(App[None]):
    """One pane and nothing else."""

    AUTO_FOCUS = None

    def __init__(self, pane: processes.Processes) -> None:
        super().__init__()
        self.pane = pane
        self.paint_theme = DARK
        self.paint_styles = Paint(DARK)

    def compose(self) -> ComposeResult:
        yield self.pane


async def test_choosing() -> None:
    pane = processes.Processes("processes")
    app = Host(pane)
    async with app.run_test(size=(100, 40)) as pilot:
        pane.now = literal()
        await pilot.pause()
        assert "consumer · pid 4" in pane.visible_text()
        pane.focus()
        await pilot.pause()
        assert "consumer · pid 4" in pane.visible_text()
        pane.now = literal(running(13))
        assert "forker · pid 13" in pane.visible_text()
        pane.now = literal()
        pane.choose(1, 0)
        assert "a long process name · pid 5" in pane.visible_text()
        pane.now = literal(running(13))
        assert "a long process name · pid 5" in pane.visible_text()
        pane.choose(-1, 0)
        pane.choose(-1, 0)
        assert "producer · pid 3" in pane.visible_text()
        pane.choose(0, 1)
        assert "producer · pid 3" in pane.visible_text()
        chosen = next(one for one in pane.shown if any("chosen" in span.style for span in one))
        assert "producer" in text_of(chosen)
        app.screen.set_focus(None)
        await pilot.pause()
        assert "producer · pid 3" in pane.visible_text()


def test_a_traced_task_tells_for_whom_it_has_stopped() -> None:
    state = literal_state()
    daemon = state.machine.tasks[9]
    daemon.state, daemon.tracer = "traced", 2
    tree, facts = (text(processes.rows(literal(state), 140, HEIGHT, pid), 140, HEIGHT) for pid in (2, 9))
    assert "◧ traced" in tree
    assert "until A lets it go on" in tree
    assert "traced by A shell" in facts
    assert waiting.stop_place(stops.SIGNAL, 10) == "before SIGUSR1 is delivered to it"
    assert waiting.stop_place(stops.ENTERING, 0x85) == "at the beginning of a system call"
    assert waiting.stop_place(stops.LEFT, 0x85) == "at the end of a system call"
    assert waiting.stop_place(stops.TRAP, 5 | 4 << 8) == "because it has executed a program"
    assert waiting.stop_place(stops.TRAP, 19 | 128 << 8) == "with its process, by SIGSTOP"
    assert waiting.stop_place(stops.TRAP, 5 | 128 << 8) == "because its tracer said so"
