"""Source: the right line at telling places of real runs, the same from both sides, and files that lie."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from app import explain_channels
from app import source as sources
from app.engine import Engine
from app.panes import source
from app.panes.moment import Moment
from app.panes.row import fit, text_of, width_of
from app.resources import assets, kernel_image
from app.source import LineTable, Sources, body_of, read_lines, read_source
from kernel import events as e
from kernel.table import TABLE
from tests.app.fake_engine import FakeEngine
from tests.app.pictures import alike
from tests.app.test_engine import engine, run_out
from tests.app.test_panes import compare, text

HEIGHT = 24
SIZES = (60, 100)
HELLO = assets() / "programs" / "bin" / "hello"


@cache
def finished(program: str) -> Engine:
    one = engine(program)
    run_out(one)
    return one


@cache
def shared() -> Sources:
    return Sources()


def moment(one: Engine) -> Moment:
    return Moment(
        state=one.state, view=one.view, cursor=one.cursor, event=one.event, log=one.log, length=one.length
    )


def write_entered(one: Engine) -> int:
    """The seq behind the first write's SyscallEntered."""
    return next(
        record.seq + 1
        for record in one.log.records()
        if isinstance(record.event, e.SyscallEntered) and record.event.nr == 4
    )


def at_label(wanted: Callable[[str], bool], step: str = "step_instruction", first: int = 0) -> Moment:
    """The first place from event `first` on where eip has a label that is wanted."""
    one = finished("hello")
    one.go_to(first)
    for _ in range(600):
        view = one.view
        if view is not None and wanted(view.label(view.regs.eip)):
            return moment(one)
        assert getattr(one, step)(1)
    raise AssertionError("never there")


def in_main() -> Moment:
    """At the beginning of the line that calls write."""
    return at_label(lambda label: label == "main+0x3", first=34)


def in_stub() -> Moment:
    return at_label(lambda label: label.startswith("write+"), first=34)


def entering() -> Moment:
    return at_label(lambda label: label == "system_call", first=34)


def table() -> Moment:
    return at_label(lambda label: label == "system_call_saved", first=34)


def body() -> Moment:
    return at_label(lambda label: label == "sys_write", "step_microstep", first=34)


def acting() -> Moment:
    one = finished("hello")
    one.go_to(write_entered(one))
    return moment(one)


def returned() -> Moment:
    return at_label(lambda label: label == "system_call_done", first=write_entered(finished("hello")))


def half_way_in() -> Moment:
    one = finished("hello")
    one.go_to(write_entered(one) - 2)
    while one.cursor.microstep != 3:
        assert one.step_microstep(1)
    return moment(one)


def booting() -> Moment:
    return at_label(lambda label: label.startswith("paging_on"))


PLACES = {
    place.__name__: place
    for place in (in_main, in_stub, half_way_in, entering, table, body, acting, returned, booting)
}


@pytest.mark.parametrize("name", PLACES)
def test_hello(name: str) -> None:
    now = PLACES[name]()
    shown = []
    for width in SIZES:
        rows = text(source.rows(now, width, HEIGHT, shared()), width, HEIGHT).split("\n")
        shown.append("\n".join([str(width), *alike(rows)]))
    compare(f"source-{name.replace('_', '-')}", "\n".join(shown))


def heading(now: Moment) -> str:
    return text_of(source.rows(now, 100, HEIGHT, shared()).rows[0])


def test_from_c_through_the_stub_into_the_kernel_and_back() -> None:
    """Which source it is, all the way of one call."""
    one = finished("hello")
    at_label(lambda label: label == "main", first=34)
    seen: list[str] = []
    while one.cursor.seq <= write_entered(one) + 6 and not (seen and seen[-1] == "crt0.S"):
        name = heading(moment(one)).partition(":")[0]
        if not seen or seen[-1] != name:
            seen.append(name)
        assert one.step_microstep(1) if len(seen) > 2 else one.step_instruction(1)
    assert seen[:3] == ["hello.c", "syscalls.c", "entry.S"]
    assert "kernel/syscalls/files.py" in seen
    assert "syscalls.c" in seen[seen.index("kernel/syscalls/files.py") :]


def test_the_marked_line_is_the_one_with_eip() -> None:
    """At every instruction of a program: the code below the line contains eip, once marked."""
    one = finished("hello")
    one.go_to(34)
    for _ in range(250):
        found = [text_of(line) for line in source.rows(moment(one), 90, 40, shared()).rows]
        assert sum(line.startswith("▸ ") for line in found) == 2, found
        eip = one.view.regs.eip if one.view is not None else 0
        assert any(line.startswith((f"▸ {eip:08x}", f"▸ {eip - 1:08x}")) for line in found), found
        if not one.step_instruction(1):
            break


@pytest.mark.parametrize("program", ["hello", "pipe", "badptr"])
def test_the_same_from_both_sides(program: str) -> None:
    one = finished(program)
    fresh = Sources()
    met: dict[int, list[str]] = {}
    order = [*range(one.length + 1), *range(one.length, -1, -3)]
    random.Random(2).shuffle(order)
    for seq in order:
        one.go_to(seq)
        shown = [text_of(line) for line in source.rows(moment(one), 76, HEIGHT, fresh).rows]
        assert met.setdefault(seq, shown) == shown
    one.go_to(one.length // 2)
    path = []
    for _ in range(40):
        path.append((one.cursor, list(source.rows(moment(one), 76, HEIGHT, fresh).rows)))
        one.step_microstep(1)
    for cursor, shown_then in reversed(path):
        one.step_microstep(-1)
        assert one.cursor == cursor
        assert list(source.rows(moment(one), 76, HEIGHT, fresh).rows) == shown_then


@pytest.mark.parametrize("height", [1, 2, 4, 7, 12, 50])
@pytest.mark.parametrize("width", [20, 40, 200])
def test_any_size(width: int, height: int) -> None:
    for place in (in_stub, acting, entering):
        found = source.rows(place(), width, height, shared())
        assert all(width_of(fit(one, width)) <= width for one in found.rows)
        assert any("▸" in text_of(one) for one in found.rows[:height]) or height < 2


def test_a_line_is_explained() -> None:
    now = in_main()
    found = source.rows(now, 100, HEIGHT, shared())
    subjects = [span.subject for one in found.rows for span in one if span.subject.startswith("line:")]
    told = explain_channels.line(subjects[0].removeprefix("line:"), now)
    assert told is not None
    assert told[0].startswith("hello.c line ")
    assert explain_channels.line("nonsense", now) is None


def test_without_a_machine_and_without_numbers() -> None:
    now = Moment(state=finished("hello").state, view=None, cursor=finished("hello").cursor)
    assert "on its way" in text_of(source.rows(now, 80, HEIGHT, Sources()).rows[0])
    fake = FakeEngine()
    found = source.rows(
        Moment(state=fake.state, view=fake.view, cursor=fake.cursor, log=fake.log), 80, HEIGHT, Sources()
    )
    assert "write" in text_of(found.rows[0])
    assert "No source" in text_of(found.rows[1])
    assert any("int    0x80" in text_of(one) for one in found.rows)


# Line tables.


def test_kernel_lines() -> None:
    table = read_lines(kernel_image())
    assert not table.problem
    assert {table.at(line.start) for line in table._lines} == set(table._lines)
    assert {line.name for line in table._lines} == {"entry.S", "syscall_table.S"}


def test_every_line_of_our_programs_has_a_source() -> None:
    for path in sorted((assets() / "programs" / "bin").iterdir()):
        if path.is_file():
            table = read_lines(path.read_bytes())
            assert len(table) > 100
            for line in table._lines:
                assert line.number <= len(read_source(line.file).lines), (path, line)


@pytest.mark.parametrize("seed", range(60))
def test_damaged_files_do_no_harm(seed: int) -> None:
    rng = random.Random(seed)
    data = bytearray(HELLO.read_bytes())
    if seed % 3 == 0:
        data = data[: rng.randrange(1, len(data))]
    first = 0x2000 if seed % 2 and len(data) > 0x2000 else 0
    for _ in range(rng.choice((1, 20, 400))):
        data[rng.randrange(first, len(data))] = rng.randrange(256)
    table = read_lines(bytes(data))
    assert isinstance(table, LineTable)
    assert table.problem or table.at(0) is None
    assert "\n" not in table.problem


def test_no_program_at_all() -> None:
    assert read_lines(b"").problem
    assert read_lines(b"#!/bin/sh\n").problem


def test_large_files_are_read_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    now, fresh = in_main(), Sources()
    wanted = list(source.rows(now, 80, HEIGHT, shared()).rows)
    monkeypatch.setattr(sources, "SMALL", 0)
    found = source.rows(now, 80, HEIGHT, fresh)
    assert source.READING in [text_of(one) for one in found.rows]
    deadline = time.monotonic() + 30
    while fresh.reading and time.monotonic() < deadline:
        time.sleep(0.01)
    assert list(source.rows(now, 80, HEIGHT, fresh).rows) == wanted


# Sources.


def test_sources_of_a_user(tmp_path: Path) -> None:
    good = tmp_path / "one.c"
    good.write_bytes(b"int\tmain;\r\n\x1b[31mred\n")
    assert read_source(str(good)).lines[:2] == ("int     main;", "?[31mred")
    assert "not on this machine" in read_source(str(tmp_path / "two.c")).problem
    os.mkfifo(tmp_path / "pipe.c")
    assert "regular" in read_source(str(tmp_path / "pipe.c")).problem
    (tmp_path / "large.c").write_bytes(bytes(sources.MAX_SOURCE + 1))
    assert "larger" in read_source(str(tmp_path / "large.c")).problem
    (tmp_path / "secret").write_text("nothing for others")
    for name in (str(tmp_path / "secret"), "/etc/passwd", "assets/../pyproject.toml", "x.c", "/a\0b.c"):
        assert read_source(name).problem, name
        assert not read_source(name).lines


def test_every_system_call_has_its_python() -> None:
    for call in TABLE:
        if call is not None:
            found = body_of(f"sys_{call.name}")
            assert found is not None
            assert found.text.lines[0].startswith(("def ", "@")), call.name
    for name in sources.BODIES:
        assert body_of(name) is not None
    assert body_of("system_call") is None
