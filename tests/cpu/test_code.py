"""Code that changes: by the program itself it is seen at once, by Python after a flush."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cpu.core import NEVER
from tests.cpu.listing import Code
from tests.cpu.machine import (
    READ_WRITE_EXECUTE,
    TEXT,
    Way,
    chance,
    exact,
    sliced,
    started,
    stepped,
    trap_of,
    whole,
)


def test_code_rewritten_from_python_needs_flush_code() -> None:
    machine = started(b"\xb8\x01\x00\x00\x00" + b"\xcc" + b"\xeb\xf8")
    assert machine.next_event().eax == 1
    machine.put(TEXT + 1, b"\x02")
    assert machine.next_event().eax == 1
    machine.core.flush_code()
    assert machine.next_event().eax == 2


def test_flush_code_between_steps() -> None:
    machine = started(b"\xb8\x01\x00\x00\x00" + b"\xcc" + b"\xeb\xf8")
    stepped(machine.core)
    machine.put(TEXT + 1, b"\x02")
    machine.core.flush_code()
    while len(machine.log) < 2:
        machine.core.run(NEVER)
    assert machine.events[-1].eax == 2


STORES = {
    "behind itself": Code(
        """
            b902000000      mov ecx, 2
        turn:
            90              nop
            c6050e80040843  mov byte ptr [0x0804800e], 0x43
            90              nop
            40              inc eax
            49              dec ecx
            75f3            jnz turn
            cd80            int 0x80
        """
    ),
    "as the first of its block": Code(
        """
            b903000000      mov ecx, 3
            eb00            jmp turn
        turn:
            c6050f80040843  mov byte ptr [0x0804800f], 0x43
            90              nop
            40              inc eax
            49              dec ecx
            75f4            jnz turn
            cd80            int 0x80
        """
    ),
    "in front of itself": Code(
        """
            b904000000      mov ecx, 4
        turn:
            40              inc eax
            90              nop
            c6050580040843  mov byte ptr [0x08048005], 0x43
            42              inc edx
            49              dec ecx
            75f3            jnz turn
            cd80            int 0x80
        """
    ),
    "of two instructions": Code(
        """
            bf10800408  mov edi, 0x08048010
            b843434343  mov eax, 0x43434343
            90          nop
            90          nop
            ab          stosd
            ab          stosd
            90          nop
            90          nop
            40          inc eax
            40          inc eax
            40          inc eax
            40          inc eax
            40          inc eax
            40          inc eax
            40          inc eax
            40          inc eax
            cd80        int 0x80
        """
    ),
    "before an indirect jump": Code(
        """
            6810800408      push 0x08048010
            c6050d80040843  mov byte ptr [0x0804800d], 0x43
            90              nop
            40              inc eax
            90              nop
            c3              ret
            cd80            int 0x80
        """
    ),
}


@pytest.mark.parametrize("name", STORES)
def test_a_store_into_its_own_block(name: str) -> None:
    """It takes effect at once, and is charged once, however the run is cut."""
    code = STORES[name]
    ways: dict[str, Callable[[], Way]] = {
        "whole": lambda: whole,
        "stepped": lambda: stepped,
        "one tick at a time": lambda: sliced(chance(0, 1, 1)),
        "sliced": lambda: sliced(chance(1, 1, 9)),
        "exact": lambda: exact(chance(2, 1, 9)),
    }
    seen = {}
    for way, make in ways.items():
        machine = started(code, READ_WRITE_EXECUTE)
        make()(machine.core)
        seen[way] = (machine.log, machine.core.registers(), machine.get(TEXT, 0x80))
    event = seen["whole"][0][0][2]
    assert event.vector == 0x80
    for way, outcome in seen.items():
        assert outcome == seen["whole"], way


def test_a_store_into_its_own_block_really_changes_it() -> None:
    event = trap_of(STORES["behind itself"], READ_WRITE_EXECUTE)
    assert event.eax == 0  # `inc eax` became `inc ebx`
    machine = started(STORES["in front of itself"], READ_WRITE_EXECUTE)
    machine.next_event()
    regs = machine.core.registers()
    assert (regs.eax, regs.ebx, regs.edx) == (1, 3, 4)


def test_jumps_into_the_middle_of_an_instruction_of_the_same_block() -> None:
    """They look like a block that was abandoned, and are none."""
    # The loop goes to the jump (eb 04) inside of the immediate, and that over the loop to the int.
    program = b"\xb9\x02\x00\x00\x00" + b"\x05\xeb\x04\x90\x04" + b"\xe2\xfa" + b"\xcd\x80"
    machine = started(program)
    event = machine.next_event()
    assert event.vector == 0x80
    assert machine.core.registers().ecx == 1
    outcomes = [machine.log]
    for way in (stepped, sliced(chance(3, 1, 5)), exact(chance(4, 1, 5))):
        machine = started(program)
        way(machine.core)
        outcomes.append(machine.log)
    assert all(outcome == outcomes[0] for outcome in outcomes)


def test_code_on_the_stack() -> None:
    """Pushes next to the block that is running, in the same page, leave it alone."""
    program = b"\x6a\x00\x68\x90\xcd\x80\x90\x54\xc3"  # push 0; push nop,int80,nop; push esp; ret
    machine = started(program)
    machine.entry(0xBFFF_F000)[0] &= ~(1 << 63)
    event = machine.next_event()
    assert (event.vector, event.eip) == (0x80, 0xC000_0000 - 8 + 3)
