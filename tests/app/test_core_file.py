"""Core files on the host: what --core and the key save is a core file with the crash in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from elftools.elf.elffile import ELFFile
from textual.widgets import Input, Static

from app.core_file import NotSaved, cores, save_core
from app.engine import Engine
from app.resources import program
from app.tui import Int80
from kernel.abi.signal import SIGFPE
from kernel.elf import read_symbols
from kernel.events import FaultHandled
from tests.app.pictures import engine_for, run_to_the_end
from tests.app.test_recording import written
from tests.app.test_tui import MEDIUM, Session
from tests.oracle.harness import int80

EIP, ESP = 12, 15
"""Places in pt_regs."""


def notes(path: Path) -> list[Any]:
    with path.open("rb") as file:
        elf = ELFFile(file)
        assert (elf["e_type"], elf["e_machine"]) == ("ET_CORE", "EM_386")
        (segment,) = (one for one in elf.iter_segments() if one["p_type"] == "PT_NOTE")
        return list(segment.iter_notes())


def registers(note: Any) -> list[int]:
    """pt_regs of an NT_PRSTATUS."""
    data = note["n_descdata"]
    return [int.from_bytes(data[at : at + 4], "little") for at in range(72, 140, 4)]


def check_divzero(path: Path, signo: int) -> None:
    """It is of `divzero`, at its division or before it: registers, memory, files."""
    found = {note["n_type"]: note for note in notes(path)}
    status = found["NT_PRSTATUS"]["n_descdata"]
    assert (status[0], int.from_bytes(status[12:14], "little")) == (signo, signo)
    regs = registers(found["NT_PRSTATUS"])
    binary = program("divzero")
    assert binary is not None
    main = read_symbols(binary.read_bytes()).by_name["main"]
    assert main.address <= regs[EIP] < main.address + main.size
    assert found["NT_PRPSINFO"]["n_desc"]["pr_fname"].startswith(b"divzero")
    assert set(found["NT_FILE"]["n_desc"]["filename"]) == {b"/bin/divzero"}
    with path.open("rb") as file:
        loads = [one for one in ELFFile(file).iter_segments() if one["p_type"] == "PT_LOAD"]
        (stack,) = (one for one in loads if one["p_vaddr"] <= regs[ESP] < one["p_vaddr"] + one["p_memsz"])
        assert stack["p_filesz"] == stack["p_memsz"]
        assert b"divzero\0" in stack.data()
        (code,) = (one for one in loads if one["p_vaddr"] <= regs[EIP] < one["p_vaddr"] + one["p_memsz"])
        assert code["p_flags"] == 5


def test_core_saves_what_was_left(tmp_path: Path) -> None:
    target = tmp_path / "core"
    done = int80("exec", ["--core", target, "divzero"])
    assert done.status == 128 + SIGFPE
    assert done.output == b"dividing 100 by 0\n"
    assert done.errors == f"int80: core file saved: {target} (gdb PROGRAM {target} opens it)\n".encode()
    check_divzero(target, SIGFPE)
    again = int80("exec", ["--core", target, "divzero"])
    assert (again.status, again.output) == (2, b"")
    assert again.errors == f"int80: --core {target}: there is a file of that name\n".encode()
    nobody = int80("exec", ["--core", tmp_path / "none", "hello"])
    assert (nobody.status, nobody.errors, (tmp_path / "none").exists()) == (0, b"", False)


def fault_of(engine: Engine) -> int:
    """Events up to the division's exception."""
    for seq in range(engine.length):
        event = engine.log.record(seq).event
        if type(event) is FaultHandled and event.signo:
            return seq + 1
    raise AssertionError("no fault")


def test_of_a_process_at_any_moment(tmp_path: Path) -> None:
    live = engine_for("divzero")
    run_to_the_end(live)
    live.go_to(fault_of(live))
    for engine in (live, written(live, tmp_path / "a.int80")):
        engine.go_to(fault_of(live))
        assert engine.view is not None
        kernel = engine.machine.kernel
        (one,) = cores(kernel)
        path = tmp_path / f"fault{engine.live}"
        assert save_core(kernel, one, str(path)) == path.stat().st_size
        check_divzero(path, SIGFPE)
        with pytest.raises(NotSaved, match="there is a file of that name"):
            save_core(kernel, one, str(path))
        with pytest.raises(NotSaved, match="no such file or directory"):
            save_core(kernel, one, str(tmp_path / "no" / "where"))
        while engine.view is not None and engine.view.regs.cpl != 3:
            engine.step_instruction(-1)
        before = tmp_path / f"before{engine.live}"
        save_core(kernel, one, str(before))
        check_divzero(before, 0)
        assert engine.view is not None
        assert registers(notes(before)[0])[EIP] == engine.view.regs.eip


async def test_the_key_asks_for_a_name(tmp_path: Path) -> None:
    engine = engine_for("divzero")
    run_to_the_end(engine)
    engine.go_to(fault_of(engine))
    app = Int80(engine)
    target = tmp_path / "core"
    async with app.run_test(size=MEDIUM) as pilot:
        on = Session(app, cast(Any, pilot), cast(Any, engine))
        await on.settle()
        for first in (True, False):
            await on.press("e", "enter")
            assert "process 2, divzero" in "\n".join(on.picture())
            app.screen.query_one(Input).value = str(target)
            await on.press("enter")
            assert ("saved: " in on.text("footer")) == first
        hint = app.screen.query_one(".hint", Static)
        assert str(hint.content) == f"{target}: there is a file of that name"
        await on.press("escape")
        app.go_start()
        await on.press("e")
        assert "no process is there" in on.text("footer")
    check_divzero(target, SIGFPE)
