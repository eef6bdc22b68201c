"""Stacks: every word that says something says more on Enter, in system calls, traps and signal handlers."""

from __future__ import annotations

import pytest

from app.engine import Engine
from app.explain import explain
from app.panes import stacks, traps
from app.panes.row import cells, text_of
from cpu.events import TrapTaken
from kernel import events as e
from tests.app.pictures import engine_for, moment, run_to_the_end
from tests.app.test_panes import compare


@pytest.mark.parametrize(
    ("name", "event", "times", "microstep"),
    [("call", e.SyscallEntered, 3, 0), ("trap", TrapTaken, 3, 2), ("handler", e.SignalDelivered, 1, 0)],
)
def test_words_are_explained(name: str, event: type, times: int, microstep: int) -> None:
    engine = engine_for("signal")
    run_to_the_end(engine)
    found = [record.seq for record in engine.log.records() if isinstance(record.event, event)]
    seq = found[times - 1]
    engine.go_to(seq if microstep else seq + 1)
    while microstep and (engine.cursor.seq <= seq or engine.cursor.microstep < microstep):
        assert engine.step_microstep(1)
    now = moment(engine)
    told = {}
    for one in stacks.rows(now, 110, 60).rows[:60]:
        for span in one:
            if span.subject:
                about = explain(span.subject, now)
                assert about is not None, span
                assert about.title.endswith(" ".join(span.subject.split(":", 2)[2].split()))
                assert cells(about.title) < 76
                told[about.lines[0]] = f"{about.title}\n" + "\n".join(about.lines)
    assert len(told) > 8
    compare(f"stacks-explained-{name}", "\n\n".join(told.values()) + "\n")


def test_the_first_program_has_made_no_call() -> None:
    """On the way to its first instruction: pt_regs are there, and no trap has made them."""
    engine = engine_for("hello")
    run_to_the_end(engine)
    engine.go_to(next(r.seq for r in engine.log.records() if isinstance(r.event, e.TaskSwitched)) + 1)
    while engine.view is not None and not engine.view.label(engine.view.regs.eip).startswith("restore_all"):
        assert engine.step_instruction(1)
    now = moment(engine)
    words = [text_of(one) for one in stacks.rows(now, 110, 60).rows[:30]]
    assert any(one.rstrip().endswith("orig_eax") for one in words)
    assert not any("__NR_" in one for one in words)
    assert "No trap yet" in text_of(traps.rows(now, 70, 20).rows[0])


def kernel_words(engine: Engine) -> dict[str, str]:
    """Note and subject of each word on the kernel stack."""
    sheet = stacks.rows(moment(engine), 110, 60)
    subjects = [span.subject for one in sheet.rows[:30] for span in one if span.subject.startswith("word:c")]
    return {subject.split(":", 2)[2].strip(): subject for subject in subjects}


def test_a_page_fault_has_an_error_code() -> None:
    """It lies where a system call has its number, until do_page_fault has read it."""
    engine = engine_for("spaces")
    run_to_the_end(engine)
    pushed = [
        record.seq
        for record in engine.log.records()
        if isinstance(record.event, TrapTaken) and record.event.vector == 14 and record.event.error == 7
    ]
    engine.go_to(pushed[0] + 1)
    for _ in range(2):
        words = kernel_words(engine)
        assert "error code" in words
        assert not any("__NR_" in word or "◂" in word for word in words)
        about = explain(words["error code"], moment(engine))
        assert about is not None
        assert "Pushed by the processor" in about.lines[0]
        assert "W/R   bit 1  1  it was a write" in about.lines
        while engine.view is not None and engine.view.label(engine.view.regs.eip) != "do_page_fault":
            assert engine.step_instruction(1)
    assert engine.step_event(1)
    assert "orig_eax" in kernel_words(engine)
    assert "error code" not in kernel_words(engine)


def test_a_division_has_none() -> None:
    engine = engine_for("divzero")
    run_to_the_end(engine)
    traps_taken = (r for r in engine.log.records() if isinstance(r.event, TrapTaken))
    engine.go_to(next(record.seq for record in traps_taken if record.event.vector == 0) + 1)
    while engine.view is not None and engine.view.label(engine.view.regs.eip) != "do_divide_error":
        assert engine.step_instruction(1)
    words = kernel_words(engine)
    about = explain(words["no error code: 0"], moment(engine))
    assert about is not None
    assert "has none" in about.lines[0]


def test_saved_flags_are_named() -> None:
    engine = engine_for("hello")
    run_to_the_end(engine)
    engine.go_to(next(r.seq for r in engine.log.records() if isinstance(r.event, e.SyscallEntered)) + 1)
    saved = next(subject for word, subject in kernel_words(engine).items() if word.startswith("eflags"))
    about = explain(saved, moment(engine))
    assert about is not None
    assert any(line.startswith("flags      ") and "IF" in line for line in about.lines)
