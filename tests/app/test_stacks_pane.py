"""Stacks: every word that says something says more on Enter, in system calls, traps and signal handlers."""

from __future__ import annotations

import pytest

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
