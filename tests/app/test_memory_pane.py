"""The Memory pane: exact text from literal States and from real runs, and what can be chosen in it.

The expected texts are in `expected/memory-*`; INT80_WRITE_EXPECTED=1 writes them anew.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from app.engine import Engine
from app.explain import explain
from app.panes import memory
from app.panes.memory import FRAMES, SPACES, VIEWS, WALK
from app.panes.memory_facts import changes, columns, fault_address, mappings, vma_name
from app.panes.memory_spaces import widths
from app.panes.memory_walk import choices, refusal
from app.panes.moment import Moment
from app.panes.row import Sheet, fit, text_of, width_of
from app.position import ALL_DONE, Position
from app.state.state import State
from cpu.paging import NX, PF_FETCH, PF_WRITE, PRESENT, USER, WRITABLE, Step
from kernel import events as e
from kernel.abi.mman import MAP_GROWSDOWN, MAP_PRIVATE, MAP_SHARED, PROT_EXEC, PROT_READ, PROT_WRITE
from kernel.describe import BITS_NX, Description, SpaceView, TaskView, VmaView, describe
from tests.app.test_engine import engine, run_out
from tests.app.test_panes import compare, text

WIDTHS = (60, 100, 140)
HEIGHT = 24
READ, WRITE = PRESENT | USER | BITS_NX, PRESENT | USER | WRITABLE | BITS_NX
CODE = PRESENT | USER
Where = Callable[[object], bool]


# Literal States.


def space(number: int, pages: dict[int, tuple[int, int]]) -> SpaceView:
    vmas = (
        VmaView(0x0804_8000, 0x0805_0000, PROT_READ | PROT_EXEC, MAP_PRIVATE, 16, 0, "/bin/shop"),
        VmaView(0x0805_0000, 0x0805_2000, PROT_READ | PROT_WRITE, MAP_PRIVATE, 16, 8, "/bin/shop"),
        VmaView(0x0805_2000, 0x0805_3000, PROT_READ | PROT_WRITE, MAP_PRIVATE),
        VmaView(0x0805_3000, 0x0806_0000, PROT_READ | PROT_WRITE, MAP_PRIVATE, name="[heap]"),
        VmaView(0xB7FF_8000, 0xB7FF_A000, PROT_READ | PROT_WRITE, MAP_SHARED),
        VmaView(0xB7FF_A000, 0xB7FF_E000, PROT_READ, MAP_PRIVATE, 20, 0, "/lib/libc.so.6"),
        VmaView(
            0xBFFD_F000, 0xC000_0000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_GROWSDOWN, name="[stack]"
        ),
    )
    return SpaceView(number, 0x110 + number, 0x0806_0000, vmas, pages)


def shop(processes: int) -> State:
    """Up to four processes that share code, a shared page, and copy-on-write data."""
    spaces, tasks = {}, {}
    for n in range(processes):
        pages = {0x0804_8000 + 0x1000 * page: (0x200 + page, CODE) for page in range(8)}
        pages[0x0805_0000] = (0x20A + n, WRITE) if n != 1 else (0x20A, READ)
        pages[0x0805_1000] = (0x209, READ)
        pages |= {
            0x0805_3000 + 0x1000 * page: (0x300 + 16 * n + 2 * page, WRITE) for page in range(3 + 2 * n)
        }
        pages[0xB7FF_8000] = (0x280, WRITE)
        if n:
            pages[0xB7FF_D000] = (0x290, READ)
        pages[0xBFFF_F000] = (0x2F0 + n, WRITE)
        spaces[20 + n] = space(20 + n, pages)
        tasks[2 + n] = TaskView(2 + n, 2 + n, 1 + n, "shop", space=20 + n)
    spaces.get(20, space(0, {})).pages[0x0805_0000] = (0x20A, READ)
    machine = Description(current=2, tasks=tasks, spaces=spaces)
    return State(machine=machine, letters={2 + n: n for n in range(processes)}, events_seen=9, tick=70)


def literal(processes: int, event: e.Event | None = None) -> Moment:
    return Moment(state=shop(processes), view=None, cursor=Position(9, ALL_DONE, 70), event=event)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("processes", [1, 2, 4])
def test_literal(processes: int, width: int) -> None:
    copied = e.PageCopied(20, 0x0805_3000, 0x2F9, 0x300, WRITE)
    now = literal(processes, copied)
    parts = []
    for view, address in ((SPACES, ""), (WALK, "walk:20:08050000"), (FRAMES, "")):
        parts.append(f"{VIEWS[view]}\n" + text(memory.rows(now, width, HEIGHT, view, address), width, HEIGHT))
    compare(f"memory-literal-{processes}-{width}", "\n".join(parts))


def test_long_runs_are_one_line() -> None:
    """More than three alike pages in a row are told together; where one differs, it has its own line."""
    pages = {0x0805_3000 + 0x1000 * n: (0x300 + 2 * n, WRITE) for n in range(9)}
    now = literal(1)
    now.state.machine.spaces[20].pages = pages
    found = text(memory.rows(now, 100, 40), 100, 40)
    assert "▪ 9 frames" in found
    now.state.machine.spaces[20].pages = {**pages, 0x0805_7000: (0x308, READ)}
    found = text(memory.rows(now, 100, 40), 100, 40)
    assert found.count("▪ 4 frames") == 2
    assert "▪ 0x308" in found


def test_nothing_there() -> None:
    now = literal(0)
    for view in range(len(VIEWS)):
        assert text(memory.rows(now, 80, 10, view), 80, 10)


# Real runs.


@cache
def ran(program: str) -> Engine:
    one = engine(program)
    run_out(one)
    return one


def moment(one: Engine) -> Moment:
    return Moment(
        state=one.state,
        view=one.view,
        cursor=one.cursor,
        event=one.event,
        log=one.log,
        length=one.length,
        title=one.title,
        status=one.status,
    )


def after(one: Engine, wanted: Where, times: int = 1) -> int:
    """`seq` right behind the event that is the `times`-th wanted one."""
    for record in one.log.records(0):
        if wanted(record.event):
            times -= 1
            if not times:
                return record.seq + 1
    raise AssertionError("no such event")


def kind(event: type) -> Where:
    return lambda one: type(one) is event


def bad_fault(event: object) -> bool:
    return type(event) is e.FaultHandled and event.signo == 11


TELLING: dict[str, tuple[str, Where, int, int]] = {
    "before-fork": ("spaces", kind(e.AddressSpaceForked), 1, -1),
    "forked": ("spaces", kind(e.TaskSwitched), 1, 0),
    "shared": ("spaces", lambda one: type(one) is e.TaskCreated and one.how == "fork", 1, 0),
    "copied": ("spaces", kind(e.PageCopied), 1, 0),
    "reused": ("spaces", kind(e.PageReused), 2, 0),
    "pipe": ("pipe", kind(e.PipeWritten), 1, 0),
    "touched": ("badptr", kind(e.PageMapped), 5, 0),
    "bad-pointer": ("badptr", bad_fault, 1, 0),
    "hello": ("hello", kind(e.SyscallEntered), 1, 0),
    "over": ("hello", kind(e.MachineHalted), 1, 0),
}
"""Program, event, which of them, and how many events further."""


def at(name: str) -> tuple[Engine, int]:
    program, wanted, times, more = TELLING[name]
    one = ran(program)
    return one, after(one, wanted, times) + more


def shown(now: Moment, width: int) -> str:
    return "\n".join(
        f"{VIEWS[view]}\n" + text(memory.rows(now, width, HEIGHT, view), width, HEIGHT)
        for view in range(len(VIEWS))
    )


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", TELLING)
def test_real(name: str, width: int) -> None:
    one, seq = at(name)
    one.go_to(seq)
    compare(f"memory-{name}-{width}", shown(moment(one), width))


@pytest.mark.parametrize("name", TELLING)
def test_from_both_sides(name: str) -> None:
    """The same place, come to from the start, from the end, and by single steps, looks the same."""
    one, seq = at(name)
    found = []
    for begin in (one.go_start, one.go_end):
        begin()
        assert one.view is not None
        one.go_to(seq)
        found.append([memory.rows(moment(one), 100, HEIGHT, view)[:2] for view in range(len(VIEWS))])
    for _ in range(2):
        one.step_event(-1)
    for _ in range(2):
        one.step_event(1)
    assert one.cursor.seq == seq
    found.append([memory.rows(moment(one), 100, HEIGHT, view)[:2] for view in range(len(VIEWS))])
    lines = [[(list(rows), top) for rows, top in one] for one in found]
    assert lines[0] == lines[1] == lines[2]


def test_copy_on_write_is_seen() -> None:
    """Fork shares the frames; the first store makes two of one."""
    one, seq = at("shared")
    one.go_to(seq)
    now = moment(one)
    page = 0x0804_B000
    copied = next(
        record.event
        for record in one.log.records(seq)
        if isinstance(record.event, e.PageCopied) and record.event.va == page
    )
    picture = memory.rows(now, 100, HEIGHT)
    assert f"{copied.old:#05x} cow" in text(picture, 100, HEIGHT)
    assert len(mappings(columns(now))[copied.old]) == 2
    one.go_to(after(one, kind(e.PageCopied)))
    now = moment(one)
    assert (copied.space, page) in changes(now).pages
    line = next(row for row in memory.rows(now, 100, HEIGHT).rows if text_of(row).startswith(f"{page:08x}"))
    assert f"▪ {copied.new:#05x}  ▪ {copied.old:#05x}" in text_of(line)
    assert any("changed" in span.style for span in line)
    one.step_event(-1)
    assert (copied.space, page) not in changes(moment(one)).pages


def test_the_mark_goes_with_the_next_step() -> None:
    one, seq = at("copied")
    one.go_to(seq)
    assert changes(moment(one)).notices
    assert one.step_instruction(1)
    assert changes(moment(one)).notices, "the kernel is done with the fault in the same step"
    assert one.step_instruction(1)
    assert not changes(moment(one)).notices


@pytest.mark.parametrize("program", ["spaces", "pipe"])
def test_walks_end_where_the_tables_say(program: str) -> None:
    """Where the machine rests, each page's walk ends in the frame that the State has for it."""
    one = ran(program)
    seen = 0
    for seq in range(1, one.length + 1):
        one.go_to(seq)
        now = moment(one)
        if now.view is None or now.view.seq != seq:
            continue
        assert now.state.machine.spaces == describe(one.machine.kernel).spaces
        for column in columns(now):
            for va, (frame, _) in column.space.pages.items():
                steps = now.view.walk_in(column.space.pgd, va)
                assert steps[-1].word >> 12 & 0xFFFFF == frame
                assert now.view.frame_refs(frame) == (
                    len(mappings(columns(now))[frame]) + (now.view.frame_uses().get(frame) is not None)
                )
                seen += 1
    assert seen > 20


def test_every_frame_has_an_owner() -> None:
    """At rest nothing is counted as owned that the picture cannot name."""
    for program in ("spaces", "pipe", "badptr"):
        one = ran(program)
        for seq in range(1, one.length + 1, 7):
            one.go_to(seq)
            now = moment(one)
            assert now.view is not None
            if now.view.seq != seq:
                continue
            owned = set(one.machine.kernel.tables.frame_refs)
            assert owned <= set(mappings(columns(now))) | set(now.view.frame_uses())
            amounts = now.view.frame_counts()
            assert sum(amounts) == one.machine.kernel.ram.frames


def test_bad_pointer() -> None:
    one, seq = at("bad-pointer")
    one.go_to(seq)
    now = moment(one)
    assert fault_address(now) == 0xC000_0000
    found = text(memory.rows(now, 100, HEIGHT, WALK), 100, HEIGHT)
    assert "kernel only" in found
    assert "error code 0x5  became SIGSEGV" in found
    assert "protection violation, read, user mode" in found


@pytest.mark.parametrize("width", [20, 40, 60, 84, 118, 140, 200])
def test_no_row_is_wider_than_the_pane(width: int) -> None:
    one, seq = at("copied")
    one.go_to(seq)
    for now in (moment(one), literal(2), literal(4)):
        for view in range(len(VIEWS)):
            sheet = memory.rows(now, width, 12, view)
            for row in (*sheet.head, *sheet.rows):
                assert width_of(fit(row, width)) <= width
            if view == SPACES and width >= 60:
                assert all(width_of(row) <= width for row in sheet.rows)


@pytest.mark.parametrize("name", ["shared", "copied", "bad-pointer", "over"])
def test_everything_underlined_can_be_explained(name: str) -> None:
    one, seq = at(name)
    one.go_to(seq)
    now = moment(one)
    for view in range(len(VIEWS)):
        sheet = memory.rows(now, 140, 40, view)
        for row in sheet.rows:
            for span in row:
                if span.subject:
                    told = explain(span.subject, now)
                    assert told is not None, span
                    assert told.title
                    assert any(told.lines), span


def test_explanations() -> None:
    one, seq = at("shared")
    one.go_to(seq)
    now = moment(one)
    column = columns(now)[0]
    parts = []
    frame = column.space.pages[0x0804_B000][0]
    subjects = (
        *(f"vma:{column.space.id}:804b000", "vma:kernel", f"frame:{frame:x}", "pte:PT:800000000011a025:W"),
        *("pte:PT:800000000011a025:", "pte:PD:11b027:", "pferror:7", "pferror:20", "walk:cr2"),
    )
    for subject in subjects:
        told = explain(subject, now)
        assert told is not None, subject
        parts.append("\n".join([told.title, *told.lines]) + "\n")
    compare("memory-explanations", "\n".join(parts))


# Small things.


def test_choices_keep_their_names() -> None:
    one, seq = at("shared")
    one.go_to(seq)
    now = moment(one)
    found = choices(now)
    assert [each.label for each in found[:3]] == ["cr2", "esp", "eip"]
    assert len({each.subject for each in found}) == len(found)
    gone = memory.rows(now, 100, HEIGHT, WALK, f"walk:{columns(now)[0].space.id}:08000000")
    assert "not present" in text(gone, 100, HEIGHT)
    assert text(memory.rows(now, 100, HEIGHT, WALK, "walk:999:08000000"), 100, HEIGHT)


@pytest.mark.parametrize(
    ("words", "wanted", "error"),
    [
        ((PRESENT, 0), 0, 4),
        ((PRESENT, 0), PF_WRITE, 6),
        ((PRESENT, PRESENT | USER, PRESENT | USER | NX), 0, None),
        ((PRESENT, PRESENT | USER, PRESENT | USER | NX), PF_FETCH, 21),
        ((PRESENT, PRESENT | USER | WRITABLE, PRESENT | USER), PF_WRITE, 7),
        ((PRESENT, PRESENT | WRITABLE, PRESENT | USER | WRITABLE), 0, 5),
        ((PRESENT, PRESENT | USER | WRITABLE, PRESENT | USER | WRITABLE), PF_WRITE, None),
    ],
)
def test_refusal(words: tuple[int, ...], wanted: int, error: int | None) -> None:
    steps = [Step(level, 0, 0, word) for level, word in zip(("PDPT", "PD", "PT"), words, strict=False)]
    assert refusal(steps, wanted) == error


@pytest.mark.parametrize("width", range(60, 220, 7))
@pytest.mark.parametrize("count", [1, 2])
def test_widths(width: int, count: int) -> None:
    column, gap = widths(width, count)
    assert count * column + max(count - 1, 1) * gap <= width


def test_names_of_areas() -> None:
    whole = space(20, {})
    names = [vma_name(vma, whole) for vma in whole.vmas]
    assert names == [".text", ".data", ".bss", "heap", "shared", "libc.so.6 header", "stack"]


def test_a_sheet_is_a_function_of_the_moment() -> None:
    one, seq = at("pipe")
    one.go_to(seq)
    now = moment(one)
    for view in range(len(VIEWS)):
        first: Sheet = memory.rows(now, 84, 30, view)
        again = memory.rows(now, 84, 30, view)
        assert list(first.rows) == list(again.rows)
        assert first.top == again.top
