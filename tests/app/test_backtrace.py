"""Who called whom, at every instruction of a program: prologues, stubs without a frame, signal handlers."""

from __future__ import annotations

import pytest

from app.backtrace import callers
from app.engine import Engine
from kernel import events as e
from tests.app.pictures import engine_for, run_to_the_end


def place(engine: Engine, event: type, times: int = 1) -> int:
    found = [record.seq for record in engine.log.records() if isinstance(record.event, event)]
    return found[times - 1]


def chain(engine: Engine) -> list[str]:
    """Names of the functions, the innermost first."""
    view = engine.view
    assert view is not None
    regs = view.regs
    found = callers(view, regs.eip, regs.esp, regs.ebp, engine.state.frames.get(2, ()), 16)
    assert all(one.sure for one in found), found
    names = [view.label(regs.eip)]
    names += [view.label(one.address if one.interrupted else one.address - 1) for one in found]
    return [name.partition("+")[0] for name in names]


def in_user_mode(engine: Engine, begin: int, end: int) -> list[list[str]]:
    """The chains at every instruction of the program between two events."""
    engine.go_to(begin)
    found = []
    while engine.cursor.seq < end:
        view = engine.view
        assert view is not None
        if view.regs.cpl == 3:
            found.append(chain(engine))
        assert engine.step_instruction(1)
    return found


@pytest.mark.parametrize("program", ["hello", "args"])
def test_every_chain_leads_to_the_start(program: str) -> None:
    engine = engine_for(program)
    run_to_the_end(engine)
    begin = place(engine, e.TaskSwitched)
    found = in_user_mode(
        engine, begin, min(place(engine, e.SyscallExited, 2 if program == "args" else 1), 90)
    )
    assert len(found) > 20
    assert all(names[-1] == "_start" for names in found), [one for one in found if one[-1] != "_start"][:3]
    assert ["write", "main", "_start"] in found or ["getpid", "main", "_start"] in found


def test_through_a_handler_to_what_it_interrupted() -> None:
    engine = engine_for("signal")
    run_to_the_end(engine)
    begin = place(engine, e.SignalDelivered) + 1
    found = in_user_mode(engine, begin, place(engine, e.SignalReturned))
    assert len(found) > 20
    assert ["write", "on_usr1", "kill", "main", "_start"] in found
    assert ["__restore", "kill", "main", "_start"] in found
    assert all(names[-2:] == ["main", "_start"] for names in found), found


def test_without_ebp() -> None:
    """mmap2's sixth argument is in ebp."""
    engine = engine_for("args")
    run_to_the_end(engine)
    seq = next(
        record.seq
        for record in engine.log.records()
        if isinstance(record.event, e.SyscallEntered) and record.event.nr == 192
    )
    engine.go_to(seq)
    engine.step_instruction(-1)
    while engine.view is not None and engine.view.regs.cpl == 0:
        assert engine.step_instruction(-1)
    assert engine.view is not None
    assert engine.view.regs.ebp == 0
    assert chain(engine) == ["mmap2", "main", "_start"]


def test_nothing_to_find() -> None:
    engine = engine_for("hello")
    run_to_the_end(engine)
    engine.go_to(place(engine, e.TaskSwitched) + 3)
    view = engine.view
    assert view is not None
    for esp in (0, 4, 0xBFFF_FFFC, 0xFFFF_FFFC, 0x0804_9000):
        for eip in (0, 0x0804_9000, 0x0804_9018, 0xBFFF_0000, 0xFFFF_FFFF):
            for ebp in (0, esp, 0xFFFF_FFFC, 0xBFFF_FFFF):
                assert len(callers(view, eip, esp, ebp, (esp,), 4)) <= 4
