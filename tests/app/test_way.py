"""The way of a trap where it does not lead back: to a handler, out of one, and nowhere for who has ended."""

from __future__ import annotations

from collections.abc import Callable

from app.engine import Engine
from app.panes import traps
from app.panes.row import text_of
from app.story import tell
from kernel import events as e
from kernel.events import Event
from tests.app.pictures import engine_for, moment, run_to_the_end


def behind(program: str, wanted: Callable[[Event], bool]) -> Engine:
    """A run that stands behind the first event that is wanted."""
    engine = engine_for(program)
    run_to_the_end(engine)
    engine.go_to(next(r.seq for r in engine.log.records() if wanted(r.event)) + 1)
    return engine


def on_to(engine: Engine, label: str) -> None:
    """By instructions until eip is there."""
    while engine.view is None or engine.view.label(engine.view.regs.eip) != label:
        assert engine.step_instruction(1)


def way(engine: Engine) -> str:
    return "\n".join(text_of(one).rstrip() for one in traps.rows(moment(engine), 80, 30).rows[:20])


def test_to_a_handler() -> None:
    engine = behind("signal", lambda event: isinstance(event, e.SignalDelivered))
    for _ in range(2):
        assert "exit work                  delivered SIGUSR1" in way(engine)
        assert "iret                       to on_usr1 0073:0804901b" in way(engine)
        assert "back" not in way(engine).splitlines()[0]
        on_to(engine, "on_usr1")
    assert "over, it goes on elsewhere" in way(engine)
    assert tell(moment(engine)).startswith("The handler of SIGUSR1 begins now, at on_usr1 (0804901b)")


def test_out_of_a_handler() -> None:
    engine = behind("signal", lambda event: isinstance(event, e.SignalReturned))
    assert "iret                       to kill+0x11 0073:08049b48" in way(engine)
    assert engine.step_event(1)
    told = tell(moment(engine))
    assert told.startswith("sigreturn has put back all registers, eax among them")
    assert "goes on at 08049b48" in told
    on_to(engine, "kill+0x11")
    assert "over, it goes on elsewhere" in way(engine)
    assert "iret                       to kill+0x11 0073:08049b48" in way(engine)


def test_back_where_it_came_from() -> None:
    engine = behind("hello", lambda event: isinstance(event, e.SyscallExited))
    on_to(engine, "write+0x14")
    assert "over, back where it came from" in way(engine)
    assert "iret                       back to 0073:" in way(engine)


def test_who_has_ended_does_not_come_back() -> None:
    engine = behind("eintr", lambda event: isinstance(event, e.TaskExited))
    shown = way(engine)
    assert "result → pt_regs.eax       nobody will see it" in shown
    assert "iret                       never: the task has ended" in shown


def test_a_pending_signal_is_told_of() -> None:
    kill = 37
    engine = behind("signal", lambda event: isinstance(event, e.SyscallExited) and event.nr == kill)
    assert tell(moment(engine)).endswith("done. SIGUSR1 is pending: it is looked for on the way back.")
    on_to(engine, "do_notify_resume")
    assert tell(moment(engine)).endswith("SIGUSR1 is pending and not blocked: its action is taken now.")
