"""A person changes registers, memory and how the next call ends: inputs, told, the same when run again."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import branches
from app.edits import Edit, parse_edit
from app.engine import Engine
from app.screens.popup import Ask
from app.story import tell_event
from app.trace import trace_text
from app.tracing import Tracer
from app.tui import Int80
from cpu.symbols import Symbols
from kernel import events as e
from kernel.abi.errno import Errno
from kernel.edits import ADDRESS, DEVICES, ERROR, REGISTER
from kernel.kernel import Input
from kernel.thread import PT_REGS
from tests.app.pictures import engine_for, run_to_the_end
from tests.app.test_by_hand import again, finish, last
from tests.app.test_recording import written
from tests.app.test_tui import MEDIUM, Session


def symbols(one: Engine) -> list[Symbols]:
    assert one.view is not None
    return one.view.all_symbols()


def change(one: Engine, text: str) -> Edit:
    edit = parse_edit(text, one.state, symbols(one))
    assert edit is not None
    assert one.edit(edit.device, edit.pid, edit.data) == ""
    return edit


def at_a_call(program: str, name: str) -> Engine:
    """In user mode, right before `int $0x80` of a call: the last instruction before its trap."""
    one = engine_for(program)
    assert one.search(name, 1)
    while one.seeking is not None:  # a search stops for the screen's sake, however far it came
        one.run(1000)
    assert one.found
    while one.view is None or one.view.cpl != 3:
        one.step_instruction(-1)
    return one


def test_a_register_is_changed_before_the_very_next_instruction() -> None:
    one = at_a_call("hello", "write")
    view = one.view
    assert view is not None
    place, regs = one.cursor, view.regs
    change(one, "edx = 3")
    one.step_syscall(1)
    entered = last(one, e.SyscallEntered)
    assert entered.args[:3] == (regs.ebx, regs.ecx, 3)
    assert (
        tell_event(last(one, e.InputArrived), one.state) == "From outside: edx of A (hello) becomes 00000003."
    )
    finish(one)
    texts = [r.event.data for r in one.log.records() if isinstance(r.event, e.TerminalWritten)]
    assert texts[0] == view_of_hello()[:3]
    digest = one.log.digest()
    assert again(one, list(one.machine.inputs)).log.digest() == digest
    one.go_to(place.seq)
    assert one.view is not None
    finish(one)
    assert one.log.digest() == digest


def view_of_hello() -> bytes:
    one = engine_for("hello")
    run_to_the_end(one)
    one.go_end()
    return cast(bytes, last(one, e.TerminalWritten).data)


def test_memory_is_changed_even_where_the_program_may_only_read() -> None:
    one = at_a_call("hello", "write")
    assert one.view is not None
    text = one.view.regs.ecx
    change(one, f'{text:x} = "HOWDY"')
    finish(one)
    assert last(one, e.TerminalWritten).data == b"HOWDY" + view_of_hello()[5:]
    arrived = last(one, e.InputArrived)
    assert tell_event(arrived, one.state).startswith(f"From outside: 5 bytes at {text:08x} of ")
    assert again(one, list(one.machine.inputs)).log.digest() == one.log.digest()


def test_the_next_call_fails_and_is_marked_as_strace_does(tmp_path: Path) -> None:
    one = at_a_call("hello", "write")
    change(one, "fail EIO")
    one.step_syscall(1)
    one.step_syscall(1)
    injected = last(one, e.SyscallInjected)
    assert (injected.nr, injected.error) == (4, Errno.EIO)
    assert (
        tell_event(injected, one.state)
        == "write of A (hello) is not made: it is to fail with EIO, from outside."
    )
    assert last(one, e.SyscallExited).result == -Errno.EIO
    line = next(one for one in reversed(one.state.trace.lines) if one.nr == 4)
    assert trace_text(line).endswith(" = -1 EIO (Input/output error) (INJECTED)")
    finish(one)
    assert not any(isinstance(r.event, e.TerminalWritten) for r in one.log.records())
    out = io.StringIO()
    tracer = Tracer(out, envp=[])
    for tick, pid, event in one.log.rows():
        tracer.sink(tick, pid, event)
    tracer.close()
    assert "= -1 EIO (Input/output error) (INJECTED)\n" in out.getvalue()
    assert again(one, list(one.machine.inputs)).log.digest() == one.log.digest()
    played = written(one, tmp_path / "s.int80")
    assert played.log.digest() == one.log.digest()
    played.go_to(played.length // 2)
    assert played.view is not None


def test_what_was_to_fail_can_be_made_after_all() -> None:
    one = at_a_call("hello", "write")
    change(one, "fail 5")
    change(one, "fail off")
    finish(one)
    assert last(one, e.TerminalWritten).data == view_of_hello()


@pytest.mark.parametrize(
    ("text", "device", "data"),
    [
        ("eax = 5", "register", REGISTER.pack(PT_REGS.index("eax"), 5)),
        ("EIP=0804b010", "register", REGISTER.pack(PT_REGS.index("eip"), 0x0804B010)),
        ("eflags = -1", "register", REGISTER.pack(PT_REGS.index("eflags"), 0xFFFF_FFFF)),
        ("0804b010 = 0x2a", "memory", ADDRESS.pack(0x0804B010) + ADDRESS.pack(42)),
        (r'bffff000 = "a\0\n"', "memory", ADDRESS.pack(0xBFFFF000) + b"a\0\n"),
        ("fail ENOENT", "fail", ERROR.pack(2)),
        ("fail 4095 of A", "fail", ERROR.pack(4095)),
        ("fail off of 2", "fail", ERROR.pack(0)),
    ],
)
def test_words(text: str, device: str, data: bytes) -> None:
    one = at_a_call("hello", "write")
    found = parse_edit(text, one.state, symbols(one))
    assert found is not None
    assert (found.device, found.pid, found.data) == (device, 2, data)


@pytest.mark.parametrize(
    "text",
    [
        *("", "eax", "eax =", "eax = x", "eax = 4294967296", "cs = 0", 'eax = "a"', "c0000000 = 1"),
        *("fail", "fail 0", "fail 4096", "fail EWHAT", "fail EIO of Z", "fail " + "9" * 5000),
        *("bfffffff = 1", "-1 = 1", '0804b010 = ""', '0804b010 = "a', '0804b010 = "a" + "b"'),
        *('0804b010 = "' + "a" * 257 + '"', "0804b010 = " + "9" * 5000),
    ],
)
def test_words_that_mean_nothing(text: str) -> None:
    one = at_a_call("hello", "write")
    assert parse_edit(text, one.state, symbols(one)) is None


def test_nobody_to_change() -> None:
    one = at_a_call("hello", "write")
    nobody = "no program runs there: nothing of it can be changed"
    assert [one.edit("fail", pid, ERROR.pack(5)) for pid in (0, 1, 99)] == [nobody] * 3
    finish(one)
    assert one.edit("fail", 2, ERROR.pack(5)) == nobody


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_input_of_a_person_only_hurts_the_guest(data: Any) -> None:
    """Any registers, memory and errors at any place: no Python exception, and the same when run again."""
    one = engine_for(data.draw(st.sampled_from(["hello", "signal", "pipe", "badptr"])))
    run_to_the_end(one)
    one.go_to(data.draw(st.integers(1, one.length)))
    one.to_cursor()
    if one.cursor.seq < one.length:
        assert branches.begin(one) == ""
    for _ in range(data.draw(st.integers(1, 4))):
        device = data.draw(st.sampled_from(DEVICES))
        content = data.draw(_content(device))
        one.give(
            Input(
                one.machine.kernel.input_tick, device, data.draw(st.sampled_from([0, 1, 2, 3, 99])), content
            )
        )
    for _ in range(40):
        if one.run(0.05) != "running":
            break
    digest, length = one.log.digest(), one.length
    for seq in (length // 2, length):
        one.go_to(seq)
        assert one.view is not None
    assert one.log.digest() == digest
    assert one.state.machine == one.machine.kernel.describe()


def _content(device: str) -> st.SearchStrategy[bytes]:
    words = st.sampled_from([0, 1, 0x7B, 0x0804_9000, 0xBFFF_FFF0, 0xC000_0000, 0xFFFF_FFFF])
    if device == "register":
        return st.one_of(
            st.builds(REGISTER.pack, st.integers(0, 20), words),
            st.binary(max_size=6),
        )
    if device == "memory":
        return st.builds(lambda at, more: ADDRESS.pack(at) + more, words, st.binary(max_size=300))
    return st.one_of(st.builds(ERROR.pack, st.integers(0, 65535)), st.binary(max_size=3))


async def test_y_asks_what_to_change_and_says_what_comes_of_it() -> None:
    one = at_a_call("hello", "write")
    app = Int80(one)
    async with app.run_test(size=MEDIUM) as pilot:
        on = Session(app, cast(Any, pilot), cast(Any, one))
        await on.settle()
        await on.press("f1", "down")
        pane = app.main.focused
        assert pane is not None
        name = pane.chosen_subject().removeprefix("reg:")
        assert name in PT_REGS
        await on.press("y")
        assert isinstance(app.screen, Ask)
        assert app.screen.heading.startswith(f"{name} of A, now ")
        await on.press(*"what", "enter")
        assert isinstance(app.screen, Ask)
        await on.press(*["backspace"] * 4, *"42", "enter")
        assert f"{name} = 0000002a for A, as soon as time goes on" in on.text("footer")
        assert [one_input.device for one_input in one.machine.inputs] == ["register"]

        await on.press("f4", "y", *"fail EIO", "enter")
        assert "the next system call fails with EIO for A" in on.text("footer")
        await on.press("s", ".")
        assert "is not made: it is to fail with EIO" in " ".join(on.text("story").split())

        await on.press("f3")
        for _ in range(20):
            await on.press("down")
            if (subject := app.main.focused.chosen_subject()).startswith("word:c"):  # type: ignore[union-attr]
                await on.press("y")
                assert "the kernel's memory is not changed from outside" in on.text("footer"), subject
                break
