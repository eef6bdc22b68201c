"""Events in, State out: what each kind of event does to the model."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from app.state import FoldError, State, fold
from app.state.fold import HANDLERS
from app.state.state import OUTPUT_KEPT, TRACE_KEPT, Milestone, Traffic, Transfer
from app.trace import trace_text
from kernel import events as e
from kernel.abi.mman import MAP_ANONYMOUS, MAP_GROWSDOWN, MAP_PRIVATE, MAP_SHARED
from kernel.describe import FileView, PipeView, SpaceView, TaskView, VmaView
from tests.app.samples import KINDS, any_event, trap

R, RW, RX = 1, 3, 5
PRIVATE, SHARED = MAP_PRIVATE | MAP_ANONYMOUS, MAP_SHARED | MAP_ANONYMOUS
CODE, DATA, READ_ONLY = 0x0005, 0x1007, 0x1005
"""Page bits: present, user, writable (2), no-execute (0x1000)."""


def after(*events: object, pid: int = 2, state: State | None = None) -> State:
    """The State after these events, one tick apart; an int changes whose they are."""
    state = state or State()
    for event in events:
        if isinstance(event, int):
            pid = event
        else:
            fold(state, state.tick + 1, pid, event)  # type: ignore[arg-type]
    return state


def created(pid: int, parent: int = 1, *, space: int = 5, sighand: int = 0, tgid: int = 0) -> e.TaskCreated:
    how = "boot" if parent == 1 else "fork"
    return e.TaskCreated(pid, parent, tgid or pid, how, "prog", space, 6, 0xC020_0000, 0, sighand)


def test_every_event_type_has_a_handler() -> None:
    assert set(HANDLERS) == set(KINDS)


def test_an_unknown_event_is_an_error() -> None:
    with pytest.raises(FoldError, match="event 0"):
        after(object())


@pytest.mark.parametrize("kind", KINDS)
def test_events_that_fit_nothing_are_told_in_one_way(kind: type) -> None:
    rng = random.Random(kind.__name__)
    for _ in range(30):
        with suppress(FoldError):
            after(created(2), any_event(kind, rng))


# --- tasks


def test_a_task_from_birth_to_burial() -> None:
    state = after(
        created(2, sighand=4),
        e.SignalActionSet(2, 2, 0x0804_8213, 0, 0),
        created(3, 2, space=8, sighand=9),
        3,
        e.TaskBlocked(3, ("pipe:3:read", "sleep"), 900),
    )
    child = TaskView(3, 3, 2, "prog", "sleeping", ("pipe:3:read", "sleep"), 8, 6)
    child.actions, child.sighand, child.thread = {2: 0x0804_8213}, 9, 0xC020_0000
    assert state.machine.tasks[3] == child
    after(e.TaskWoken(3, "pipe:3:read"), e.TaskRenamed(3, "kid"), e.TaskReparented(3, 1), state=state)
    child = state.machine.tasks[3]
    assert (child.state, child.on) == ("runnable", ())
    assert (child.comm, child.ppid) == ("kid", 1)
    after(e.TaskExited(3, 0x300), state=state)
    assert child == TaskView(3, 3, 1, "kid", "zombie", exit_status=0x300, thread=0xC020_0000)
    after(e.TaskReaped(3, 1), state=state)
    assert set(state.machine.tasks) == {2}
    assert state.letter(2) == "A"
    assert state.letter(3) == "B"


def test_letters_are_for_life_and_not_for_idle_and_init() -> None:
    state = after(created(0), created(1), created(2), created(7, 2), e.TaskReaped(7, 2), created(9, 2))
    assert [state.letter(pid) for pid in (0, 1, 2, 7, 9)] == ["", "", "A", "B", "C"]
    state.letters = {n: n for n in range(60)}
    assert [state.letter(n) for n in (25, 26, 52)] == ["Z", "A1", "A2"]


def test_switching_and_stopping() -> None:
    state = after(created(2), e.TaskSwitched(0, 2, True), e.TaskStopped(2, 19))
    assert state.machine.current == 2
    assert state.switches == 1
    assert state.machine.tasks[2].state == "stopped"
    assert after(e.TaskContinued(2), state=state).machine.tasks[2].state == "runnable"


def test_a_program_takes_a_new_space_and_forgets_its_handlers() -> None:
    state = after(
        created(2, sighand=4),
        e.SignalActionSet(2, 2, 0x0804_8213, 0, 0),
        e.SignalActionSet(2, 13, 1, 0, 0),
        e.AddressSpaceCreated(11, 0x400),
        e.ProgramExecuted(2, "/bin/sh", ("sh", "-c"), "sh", 11, 0x0804_8000, 0xBFFF_F000, 7, sighand=12),
    )
    task = state.machine.tasks[2]
    assert (task.space, task.comm, task.actions, task.sighand) == (11, "sh", {13: 1}, 12)
    assert state.program == "/bin/sh"
    assert state.milestones == [Milestone(4, 5, 2, "exec", "/bin/sh")]


def test_boot_and_end() -> None:
    state = after(e.Booted(64 << 20, 1000), e.MachineHalted(0x100), e.Panicked("no memory"))
    assert (state.memory, state.epoch, state.halted, state.panic) == (64 << 20, 1000, 0x100, "no memory")
    assert [stone.text for stone in state.milestones] == ["exited with 1", "no memory"]


# --- memory


def spaced(*vmas: VmaView, pages: dict[int, tuple[int, int]] | None = None) -> State:
    state = State()
    state.machine.spaces[5] = SpaceView(5, 0x100, 0, vmas, dict(pages or {}))
    return state


def vmas_of(state: State, space: int = 5) -> list[tuple[int, int, int]]:
    return [(vma.start >> 12, vma.end >> 12, vma.prot) for vma in state.machine.spaces[space].vmas]


def anonymous(first: int, last: int, prot: int = RW, flags: int = PRIVATE, name: str = "") -> VmaView:
    return VmaView(first << 12, last << 12, prot, flags, 0, 0, name)


def mapped(vma: VmaView) -> e.VmaMapped:
    return e.VmaMapped(5, vma.start, vma.end, vma.prot, vma.flags, vma.inode, vma.offset, vma.name)


def test_alike_neighbours_merge_on_both_sides() -> None:
    state = after(mapped(anonymous(3, 5)), state=spaced(anonymous(1, 3), anonymous(5, 8)))
    assert vmas_of(state) == [(1, 8, RW)]


@pytest.mark.parametrize(
    "other",
    [
        anonymous(3, 5, R),
        anonymous(3, 5, RW, SHARED),
        anonymous(3, 5, name="[heap]"),
        VmaView(3 << 12, 5 << 12, RW, PRIVATE, 7, 0, ""),
        anonymous(4, 5),
    ],
)
def test_unlike_neighbours_stay_apart(other: VmaView) -> None:
    state = after(mapped(other), state=spaced(anonymous(1, 3)))
    assert state.machine.spaces[5].vmas == (anonymous(1, 3), other)


def test_files_merge_where_their_offsets_meet() -> None:
    left = VmaView(1 << 12, 3 << 12, RX, MAP_PRIVATE, 7, 10, "/bin/x")
    meets = VmaView(3 << 12, 4 << 12, RX, MAP_PRIVATE, 7, 12, "/bin/x")
    other = VmaView(4 << 12, 5 << 12, RX, MAP_PRIVATE, 7, 99, "/bin/x")
    state = after(mapped(meets), mapped(other), state=spaced(left))
    assert state.machine.spaces[5].vmas == (
        VmaView(1 << 12, 4 << 12, RX, MAP_PRIVATE, 7, 10, "/bin/x"),
        other,
    )


def test_a_stack_grows_over_its_old_self_and_merges_with_nothing() -> None:
    flags = PRIVATE | MAP_GROWSDOWN
    state = spaced(anonymous(0x10, 0x20, RW, flags, "[stack]"), pages={0x1F000: (9, DATA)})
    after(mapped(anonymous(0x0F, 0x20, RW, flags, "[stack]")), state=state)
    assert vmas_of(state) == [(0x0F, 0x20, RW)]
    assert state.machine.spaces[5].pages == {0x1F000: (9, DATA)}
    after(mapped(anonymous(0x20, 0x22, RW, flags, "[stack]")), state=state)
    assert vmas_of(state) == [(0x0F, 0x20, RW), (0x20, 0x22, RW)]


def test_unmapping_cuts_and_takes_the_pages_along() -> None:
    file = VmaView(1 << 12, 9 << 12, RX, MAP_PRIVATE, 7, 10, "/bin/x")
    state = spaced(file, pages={va << 12: (va, CODE) for va in range(1, 9)})
    after(e.VmaUnmapped(5, 3 << 12, 5 << 12), state=state)
    space = state.machine.spaces[5]
    assert space.vmas == (
        VmaView(1 << 12, 3 << 12, RX, MAP_PRIVATE, 7, 10, "/bin/x"),
        VmaView(5 << 12, 9 << 12, RX, MAP_PRIVATE, 7, 14, "/bin/x"),
    )
    assert sorted(va >> 12 for va in space.pages) == [1, 2, 5, 6, 7, 8]
    after(e.PagesDropped(5, 0, 0xC000_0000), state=state)
    assert space.pages == {}
    assert len(space.vmas) == 2


def test_protecting_cuts_changes_pages_and_merges_again() -> None:
    state = spaced(anonymous(1, 9), pages={va << 12: (va, DATA) for va in range(1, 9)})
    space = state.machine.spaces[5]
    after(e.VmaProtected(5, 3 << 12, 5 << 12, R), state=state)
    assert vmas_of(state) == [(1, 3, RW), (3, 5, R), (5, 9, RW)]
    assert space.pages[0x3000] == (3, READ_ONLY)
    assert space.pages[0x5000] == (5, DATA)
    after(e.VmaProtected(5, 3 << 12, 4 << 12, 0), e.VmaProtected(5, 4 << 12, 5 << 12, RX), state=state)
    assert space.pages[0x3000] == (3, READ_ONLY & ~4)
    assert space.pages[0x4000] == (4, CODE)
    after(e.VmaProtected(5, 3 << 12, 5 << 12, RW), state=state)
    assert vmas_of(state) == [(1, 9, RW)]
    assert space.pages[0x3000] == (3, READ_ONLY), "a page that lost write access gets it back by a fault"


def test_fork_shares_pages_and_private_ones_lose_write_access() -> None:
    state = spaced(
        anonymous(1, 3), anonymous(4, 6, RW, SHARED), pages={0x1000: (11, DATA), 0x4000: (12, DATA)}
    )
    after(e.BreakMoved(5, 0x3000), e.AddressSpaceForked(5, 8, 0x200, 2), state=state)
    parent, child = state.machine.spaces[5], state.machine.spaces[8]
    assert parent.pages == child.pages == {0x1000: (11, READ_ONLY), 0x4000: (12, DATA)}
    assert (child.id, child.pgd, child.brk, child.vmas) == (8, 0x200, 0x3000, parent.vmas)
    after(e.PageCopied(8, 0x1000, 11, 20, DATA), e.PageReused(5, 0x1000, 11, DATA), state=state)
    assert child.pages[0x1000] == (20, DATA)
    assert parent.pages[0x1000] == (11, DATA)
    after(e.AddressSpaceDestroyed(8), state=state)
    assert set(state.machine.spaces) == {5}


# --- files


def test_descriptors_are_copied_and_closed() -> None:
    state = after(
        e.DescriptorTableCreated(6, 0),
        e.FileOpened(20, "tty", 2, 3, 0, "/dev/tty"),
        e.DescriptorInstalled(6, 0, 20),
        e.DescriptorInstalled(6, 1, 20),
        e.DescriptorTableCreated(7, 6),
        e.DescriptorClosed(6, 0),
        e.FileFlagsSet(20, 0o4002),
    )
    assert state.machine.fdtables == {6: {1: 20}, 7: {0: 20, 1: 20}}
    assert state.machine.files == {20: FileView("tty", 0o4002, 3, 0, "/dev/tty")}
    after(e.DescriptorTableDropped(7), e.FileClosed(20), state=state)
    assert state.machine.fdtables == {6: {1: 20}}
    assert not state.machine.files


def test_a_pipe_holds_what_was_written_until_it_is_read() -> None:
    state = after(
        e.PipeCreated(9, 65536),
        e.PipeEndsChanged(9, 1, 1),
        e.PipeWritten(9, b"hello "),
        e.PipeWritten(9, b"world"),
        3,
        e.PipeRead(9, 7),
    )
    assert state.machine.pipes == {9: PipeView(b"orld", 1, 1, 65536)}
    assert state.traffic == {9: Traffic(11, 2, 7, 1)}
    assert state.transfer == Transfer(4, 3, "pipe:9", True, b"hello w")
    after(e.PipeEndsChanged(9, 0, 1), e.PipeEndsChanged(9, 0, 0), state=state)
    assert not state.machine.pipes
    assert not state.traffic


def test_output_is_kept_to_its_end() -> None:
    state = after(*[e.TerminalWritten(0, bytes((n,)) * 1000) for n in range(200)], e.StreamWritten(1, b"out"))
    output = state.terminals[0]
    assert output.total == 200_000
    assert OUTPUT_KEPT <= len(output.kept) <= 2 * OUTPUT_KEPT
    assert output.kept.endswith(bytes((199,)) * 1000)
    assert state.streams[1].kept == b"out"


def test_files_and_input_are_counted() -> None:
    state = after(
        e.InodeCreated(30, 0o100644, "/tmp/a"),
        e.FileWritten(30, 0, 10),
        e.FileWritten(30, 10, 5),
        e.InputArrived("tty", 0, b"ls\n"),
    )
    assert (state.paths, state.written, state.arrived) == ({30: "/tmp/a"}, {30: 15}, {"tty:0": 3})
    assert after(e.NameRemoved(30, "/tmp/a"), state=state).paths == {}


# --- signals


def generated(task: int, signo: int, *, ignored: bool = False, shared: bool = False) -> e.SignalGenerated:
    return e.SignalGenerated(task, signo, 0, 2, ignored, shared)


def test_signals_wait_where_they_were_sent_to() -> None:
    state = after(
        created(2),
        created(3, 2, tgid=2),
        generated(3, 15),
        generated(3, 10, shared=True),
        generated(3, 10, shared=True),
        generated(3, 40),
        generated(3, 40),
        generated(3, 17, ignored=True),
    )
    tasks = state.machine.tasks
    assert (tasks[3].pending, tasks[3].shared_pending) == ((15, 40, 40), ())
    assert tasks[2].shared_pending == (10,)
    assert state.generated == {15: 1, 10: 2, 40: 2, 17: 1}
    after(
        e.SignalDelivered(3, 40, "handler", 0x0804_8000, 0xBFFF_0000, 1 << 39),
        e.SignalDelivered(3, 10, "ignore", 0, 0, 1 << 39),
        e.SignalsDiscarded(3, 1 << 14, False),
        state=state,
    )
    assert (tasks[3].pending, tasks[3].blocked) == ((40,), 1 << 39)
    assert not tasks[2].shared_pending
    assert state.delivered == {40: 1, 10: 1}


def test_frames_pile_up_and_are_taken_off() -> None:
    def delivered(frame: int) -> e.SignalDelivered:
        return e.SignalDelivered(2, 10, "handler", 0x0804_8000, frame, 0x200)

    state = after(created(2), delivered(0x9000), delivered(0x8000), delivered(0x7000))
    assert state.frames == {2: [0x9000, 0x8000, 0x7000]}
    after(e.SignalReturned(2, 0x8000, 0x200, 0x0804_8100), state=state)
    assert state.frames == {2: [0x9000]}, "the innermost was left by a longjmp"
    after(e.SignalReturned(2, 0x9000, 0, 0x0804_8200), state=state)
    assert state.frames == {}
    assert state.machine.tasks[2].blocked == 0


def test_shared_actions_change_for_all_who_share_them() -> None:
    state = after(
        created(2, sighand=4),
        created(3, 2, sighand=4),
        created(7, 2, sighand=8),
        e.SignalActionSet(3, 2, 0x99, 0, 0),
    )
    assert [state.machine.tasks[pid].actions for pid in (2, 3, 7)] == [{2: 0x99}, {2: 0x99}, {}]
    after(e.SignalActionSet(2, 2, 0, 0, 0), e.SignalMaskSet(7, 6), state=state)
    assert [state.machine.tasks[pid].actions for pid in (2, 3, 7)] == [{}, {}, {}]
    assert state.machine.tasks[7].blocked == 6


def test_traps_and_faults_are_counted() -> None:
    fault = e.FaultHandled(14, 0x1000, 6, 0)
    state = after(created(2), trap(14), trap(0x80), fault)
    assert state.vectors == {14: 1, 0x80: 1}
    assert (state.trap, state.trap_seq, state.trap_pid) == (trap(0x80), 2, 2)
    assert (state.fault, state.fault_seq) == (fault, 3)
    assert not state.trace.lines, "supplied pages are no lines"


# --- the trace

WRITE = e.SyscallEntered(4, (1, 0x0804_A010, 6, 0, 0, 0), (None, b"hello\n", None))
READ = e.SyscallEntered(3, (0, 0x0804_A010, 6, 0, 0, 0), ())


def texts(state: State) -> list[tuple[int, str]]:
    return [(line.pid, trace_text(line)) for line in state.trace.lines]


def test_a_call_is_open_and_then_has_its_result() -> None:
    state = after(created(2), WRITE)
    assert state.machine.tasks[2].syscall == 4
    assert state.trace.open == {2: 0}
    assert texts(state) == [(2, r'write(1, "hello\n", 6')]
    after(e.SyscallExited(4, 6), state=state)
    assert state.machine.tasks[2].syscall == -1
    assert state.trace.open == {}
    assert texts(state) == [(2, r'write(1, "hello\n", 6) = 6')]
    line = state.trace.lines[0]
    assert (line.seq_begin, line.seq_end, line.tick_begin, line.tick_end) == (1, 2, 2, 3)
    assert (state.calls, state.errors) == ({4: 1}, {})


def test_calls_that_overlap_are_unfinished_and_resumed() -> None:
    state = after(
        created(2), created(3, 2), READ, 3, WRITE, e.SyscallExited(4, -14), 2, e.SyscallExited(3, 0)
    )
    assert texts(state) == [
        (2, "read(0, 0x804a010, 6 <unfinished ...>"),
        (3, r'write(1, "hello\n", 6) = -1 EFAULT (Bad address)'),
        (2, "<... read resumed>) = 0"),
    ]
    assert state.trace.lines[2].seq_begin == 2
    assert state.errors == {4: 1}


def test_a_task_that_ends_in_a_call() -> None:
    state = after(
        created(2),
        e.SyscallEntered(252, (3, 0, 0, 0, 0, 0)),
        e.TaskExited(2, 0x300),
    )
    assert texts(state) == [(2, "exit_group(3) = ?"), (2, "+++ exited with 3 +++")]
    state = after(created(2), READ, e.SignalDelivered(2, 9, "terminate", 0, 0, 0), e.TaskExited(2, 9))
    assert texts(state)[-1] == (2, "+++ killed by SIGKILL +++")


def test_signals_stops_and_faults_are_lines() -> None:
    state = after(
        created(2),
        e.FaultHandled(14, 0x10, 4, 11),
        e.SignalDelivered(2, 11, "core", 0, 0, 0, (2, 0, 0, 0x10, 0), 1),
        e.TaskStopped(2, 20),
        e.ProgramExecuted(2, "/bin/x", (), "x", 5, 0, 0, 7),
        e.TaskExited(2, 0x8B),
    )
    assert [text for _, text in texts(state)] == [
        "*** vector 14 at 0x10 -> SIGSEGV ***",
        "--- SIGSEGV (core) ---",
        "--- stopped by SIGTSTP ---",
        'execve("/bin/x") = 0',
        "+++ killed by SIGSEGV (core dumped) +++",
    ]
    assert (state.trace.lines[1].code, state.trace.lines[1].info) == (1, (2, 0, 0, 0x10, 0))


def test_the_trace_keeps_its_end() -> None:
    state = after(created(2), created(3, 2), READ, 3)
    for n in range(3 * TRACE_KEPT):
        after(WRITE, e.SyscallExited(4, n % 7), pid=3, state=state)
    trace = state.trace
    assert trace.total == 3 * TRACE_KEPT + 1
    assert TRACE_KEPT <= len(trace.lines) <= TRACE_KEPT * 5 // 4
    assert trace.line(trace.total - 1) is trace.lines[-1]
    assert trace.line(0) is None
    after(e.SyscallExited(3, 5), pid=2, state=state)
    assert texts(state)[-1] == (2, "<... read resumed>) = 5"), "its beginning is not kept any more"
