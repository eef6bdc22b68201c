"""A system call through the vDSO: seen both ways in time, and told in panes and story."""

from __future__ import annotations

import pytest

from app import explain, story
from app.engine import Engine
from app.launch import Options, prepare
from app.log import Log
from app.panes import cpu, stacks, traps
from app.panes.moment import Moment
from app.panes.row import Sheet, text_of
from app.resources import kernel_image
from app.way import way_of
from cpu.events import SysenterTaken, TrapTaken
from tests.app.random_program import elf

CALLER = elf(
    bytes.fromhex(
        "89e6"  #                 mov   esi, esp
        "ad85c075fb"  #           argc and argv
        "ad85c075fb"  #           envp
        "ad89c2ad83fa2075f7"  #   until AT_SYSINFO
        "89c7"  #                 mov   edi, eax
        "bd44332211"  #           mov   ebp, 0x11223344
        "b814000000ffd7"  #       mov   eax, __NR_getpid; call *edi
        "b814000000 515255"  #    mov   eax, __NR_getpid; push ecx, edx, ebp
        "89e5 9c"  #              mov   ebp, esp; pushf
        "810c2400010000 9d"  #    or    dword [esp], TF; popf
        "0f34"  #                 sysenter
    )
)


@pytest.fixture
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    path = tmp_path_factory.mktemp("programs") / "caller"
    path.write_bytes(CALLER)
    start, blobs = prepare(Options(program=str(path)))
    return Engine(start, kernel_image(), blobs)


def first_sysenter(log: Log) -> int:
    return next(n for n in range(len(log)) if isinstance(log.record(n).event, SysenterTaken)) + 1


def moment(engine: Engine) -> Moment:
    return Moment(engine.state, engine.view, engine.cursor, engine.event, None, engine.log)


def text(sheet: Sheet) -> str:
    return "\n".join(text_of(one) for one in (*sheet.head, *sheet.rows))


def test_it_is_told_step_by_step_and_back(engine: Engine) -> None:
    while engine.run(0.05) == "running":
        pass
    at = first_sysenter(engine.log)
    engine.go_to(at - 1)
    while engine.cursor.seq < at:
        engine.step_microstep(1)
    seen = []
    while True:
        now = moment(engine)
        way = way_of(now)
        assert way is not None
        assert isinstance(way.trap, SysenterTaken)
        current = way.current
        seen.append((current.name if current is not None else "", story.tell(now), engine.cursor))
        sheets = [pane.rows(now, 100, 40) for pane in (traps, stacks, cpu)]
        assert all(text(sheet) for sheet in sheets)
        if current is not None and current.subject:
            assert explain.explain(current.subject, now) is not None
        if current is None or len(seen) > 40:
            break
        engine.step_microstep(1)
    names = [name for name, _, _ in seen]
    for name in (
        "sysenter",
        "cs ss from msr 174",
        "esp from msr 175",
        "eip from msr 176",
        "esp0 from the TSS",
        "push ss ebp eflags cs …",
        "SAVE_ALL → pt_regs",
        "ebp ← (%ebp)",
        "sys_getpid",
        "iret",
    ):
        assert name in names, names
    assert "about to execute sysenter" in seen[0][1]
    regs = engine.view.regs
    assert engine.view.label(regs.eip) == "int80_landing_pad"
    for _, told, cursor in reversed(seen[:-1]):
        engine.step_microstep(-1)
        assert (engine.cursor, story.tell(moment(engine))) == (cursor, told)


def test_single_stepping_over_it(engine: Engine) -> None:
    """Its traps in the entry code are nobody's; the next one of the program's is SIGTRAP, and it is fatal."""
    while engine.run(0.05) == "running":
        pass
    assert engine.finished == 5
    assert engine.state.vectors[-1] == 2
    events = [engine.log.record(n).event for n in range(len(engine.log))]
    stepped = [event.eip for event in events if isinstance(event, TrapTaken) and event.vector == 1]
    kernel = engine.machine.kernel
    assert stepped[0] == kernel.symbol("sysenter_past_esp")
    assert stepped[-2] == kernel.symbol("sysenter_fix_flags") + 3
    assert stepped[-1] & 0xFFF == kernel.vdso.address("int80_landing_pad") + 1
