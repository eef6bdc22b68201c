"""sysenter: what a processor does, exactly, however the run is cut up. Refusals are in `test_vectors`."""

from __future__ import annotations

import random

import pytest

from cpu import registers as r
from cpu.core import Core, Entered
from cpu.emulator import MSR_SYSENTER
from cpu.events import Source, SysenterTaken
from cpu.interrupts import microsteps, pushed_words
from tests.cpu.machine import Bare, Way, chance, exact, mixed, sliced, started, stepped, whole

TARGET, STACK = 0xC012_3450, 0xC010_0F00
PROGRAM = bytes.fromhex("b803000000 40 fd d9e8 0f34 40")
"""mov eax, 3; inc eax; std; fld1; sysenter; inc eax"""


def ready(ebp: int = 7, eflags: int = 0x202) -> Bare:
    machine = started(PROGRAM, ebx=1, ecx=2, edx=5, esi=3, edi=4, ebp=ebp, eflags=eflags)
    for number, value in zip(MSR_SYSENTER, (0x60, STACK, TARGET), strict=True):
        machine.core.emulator.write_msr(number, value)
    machine.core.sysenter = (0x60, STACK, TARGET)
    return machine


def taken(machine: Bare, way: Way) -> SysenterTaken:
    assert isinstance(way(machine.core), Entered)
    event = machine.log[-1][2]
    assert isinstance(event, SysenterTaken)
    return event


def run_to_it(core: Core) -> Entered:
    trap = core.run_to(1 << 40)
    assert isinstance(trap, Entered)
    return trap


def test_registers_come_from_the_msrs() -> None:
    machine = ready()
    event = taken(machine, whole)
    regs = machine.core.registers()
    assert (regs.cs, regs.ss, regs.eip, regs.esp, regs.cpl) == (0x60, 0x68, TARGET, STACK, 0)
    assert (regs.eax, regs.ebx, regs.ecx, regs.edx, regs.esi, regs.edi, regs.ebp) == (4, 1, 2, 5, 3, 4, 7)
    assert regs.eflags & (r.IF | r.DF) == r.DF  # only IF is cleared
    assert event.eflags & r.IF
    assert (event.eax, event.cpl, event.msr_cs, event.msr_esp, event.msr_eip) == (4, 3, 0x60, STACK, TARGET)
    assert (event.vector, event.source, event.ss0) == (-1, Source.SYSENTER, 0x68)
    assert machine.core.emulator.read_fpu().st[7] == (1 << 63, 0x3FFF)
    assert pushed_words(event) == ()
    assert next(step.name for step in microsteps(event)) == "sysenter"


@pytest.mark.parametrize("seed", range(6))
def test_the_tick_is_the_same_however_it_is_run(seed: int) -> None:
    rng = random.Random(seed)
    ways = (stepped, run_to_it, sliced(chance(seed, 1, 9)), exact(chance(seed, 1, 4)))
    one = ready()
    event = taken(one, whole)
    for way in (*ways, mixed(rng)):
        other = ready()
        assert taken(other, way) == event
        assert other.log == one.log
        assert other.core.registers() == one.core.registers()
        assert other.core.ticks == one.core.ticks


@pytest.mark.parametrize("way", [whole, stepped])
def test_trap_flag_stays_set(way: Way) -> None:
    """Linux's entry code lives with it: the first trap comes in ring 0."""
    machine = started(bytes.fromhex("0f34"), eflags=0x302)
    for number, value in zip(MSR_SYSENTER, (0x60, STACK, TARGET), strict=True):
        machine.core.emulator.write_msr(number, value)
    machine.core.sysenter = (0x60, STACK, TARGET)
    taken(machine, way)
    assert machine.core.registers().eflags & r.TF


def test_a_checkpoint_keeps_the_msrs() -> None:
    machine = ready()
    state = machine.core.save()
    assert state.sysenter == (0x60, STACK, TARGET)
