"""Checkpoints: put back anywhere, the machine goes on as it went on; and saving it again saves the same."""

from __future__ import annotations

import random

import msgspec
import pytest

from cpu import checkpoint
from cpu.checkpoint import MachineState
from cpu.core import NEVER, BudgetSpent, CpuState, Trap
from cpu.descriptors import Descriptor
from cpu.registers import DF, TF
from tests.cpu.machine import (
    BOOT,
    BOOTED,
    DATA,
    IRET,
    KERNEL_CS,
    TEXT,
    TLS_SELECTOR,
    Bare,
    mixed,
    sliced,
    started,
    stepped,
    whole,
)
from tests.cpu.programs import TIMER, Machine, Outcome

TIMER_EVERY = 113


def fresh(timer: int = TIMER_EVERY) -> Machine:
    machine = Machine(timer=timer)
    machine.core.interrupt_at(150, TIMER)
    return machine


@pytest.fixture(scope="module")
def reference() -> Outcome:
    machine = fresh()
    machine.finish(whole)
    return machine.outcome()


class Point(msgspec.Struct):
    """A checkpoint, and how many events and hypercalls there were before it."""

    events: int
    hypercalls: int
    state: MachineState


def walk(machine: Machine, rng: random.Random, often: float) -> list[Point]:
    """Run to the end in all ways, with checkpoints here and there: in ring 3, in ring 0, at a trap."""
    points = []
    running = True
    while running:
        trap: Trap | None = None
        choice = rng.randrange(4)
        if choice == 0:
            trap = machine.core.run(machine.core.ticks + rng.randint(1, 300))
        elif choice == 1:
            trap = machine.core.run_to(machine.core.ticks + rng.randint(1, 150))
        elif choice == 2:
            for _ in range(rng.randint(1, 6)):
                trap = machine.core.step()
                if trap is not None:
                    break
        else:
            trap = machine.core.run(NEVER)
        if trap is not None and not isinstance(trap, BudgetSpent):
            running = machine.serve(trap)
        if running and rng.random() < often:
            state = checkpoint.save(machine.core, machine.frames())
            points.append(Point(len(machine.log), len(machine.hypercalls), state))
    return points


def go_on(machine: Machine, point: Point, expected: Outcome, seed: int) -> Outcome:
    machine.log[:] = expected.log[: point.events]
    machine.hypercalls[:] = expected.hypercalls[: point.hypercalls]
    machine.finish(mixed(random.Random(seed)))
    return machine.outcome()


@pytest.mark.parametrize("seed", range(6))
def test_from_any_point_the_rest_is_the_same(reference: Outcome, seed: int) -> None:
    rng = random.Random(seed)
    machine = fresh()
    points = walk(machine, rng, 0.3)
    assert machine.outcome() == reference
    assert len({point.state.cpu.registers.cpl for point in points}) == 2
    for point in rng.sample(points, 6):
        for other in (machine, fresh()):
            checkpoint.restore(other.core, point.state, IRET)
            assert checkpoint.save(other.core, other.frames()) == point.state
            assert other.bus.tick == point.state.cpu.ticks
            assert go_on(other, point, reference, seed) == reference


def test_into_a_machine_that_never_booted(reference: Outcome) -> None:
    """As when a session is opened: everything comes from the checkpoint, nothing from memory before."""
    decoder = msgspec.msgpack.Decoder(MachineState)
    for point in walk(fresh(), random.Random(8), 0.05)[:8]:
        machine = Machine.__new__(Machine)
        Bare.__init__(machine)
        machine.ram.u8[:] = bytes(machine.ram.size)
        machine.timer, machine.hypercalls = TIMER_EVERY, []
        state = decoder.decode(msgspec.msgpack.encode(point.state))
        checkpoint.restore(machine.core, state, IRET)
        assert checkpoint.save(machine.core, machine.frames()) == point.state
        assert go_on(machine, point, reference, 8) == reference


def test_frames_that_did_not_change_are_shared() -> None:
    machine = fresh()
    machine.core.run(machine.core.ticks + 50)
    first = checkpoint.save(machine.core, machine.frames())
    machine.put(DATA, b"changed")
    second = checkpoint.save(machine.core, machine.frames(), first)
    changed = machine.pa(DATA) >> 12
    assert second.frames[changed] != first.frames[changed]
    assert [pfn for pfn in first.frames if second.frames[pfn] is not first.frames[pfn]] == [changed]
    checkpoint.restore(machine.core, first, IRET)
    assert machine.get(DATA, 7) == bytes(7)


def test_power_on_can_be_gone_back_to() -> None:
    machine = Bare()
    machine.core.reset(BOOT)
    frames = range(0x110)
    first = checkpoint.save(machine.core, frames)
    booted = machine.core.run(NEVER)
    machine.core.latch_tables()
    ticks, regs = machine.core.ticks, machine.core.registers()
    for core in (machine.core, Bare().core):
        checkpoint.restore(core, first, IRET)
        assert checkpoint.save(core, frames) == first
        assert core.run(NEVER) == booted
        core.latch_tables()
        assert (core.ticks, core.registers()) == (ticks, regs)


def at(machine: Bare, ticks: int) -> CpuState:
    machine.core.run_to(machine.core.ticks + ticks)
    return machine.core.save()


def test_flags_and_segments_in_ring_3() -> None:
    # std; stc; mov eax, 0x33; mov gs, eax; mov fs, eax; mov ebx, gs:[4]; jc; int 0x80
    code = b"\xfd\xf9\xb8\x33\x00\x00\x00\x8e\xe8\x8e\xe0"
    machine = started(code + b"\x65\x8b\x1d\x04\x00\x00\x00\x72\x00\xcd\x80")
    machine.descriptor(TLS_SELECTOR, Descriptor(DATA, 0xF_FFFF, 0xF3, 0xC))
    machine.put(DATA + 4, b"\x78\x56\x34\x12")
    state = at(machine, 1 + 2 + 5 + 4)
    assert state.registers.cpl == 3
    assert state.registers.eflags & (DF | 1) == DF | 1
    assert state.registers.gs == state.registers.fs == TLS_SELECTOR
    machine.next_event()
    expected = machine.core.registers()
    machine.core.load(state, IRET)
    assert machine.core.save() == state
    machine.next_event()
    assert machine.core.registers() == expected
    assert expected.ebx == 0x1234_5678
    assert machine.log[0] == machine.log[1]


def test_the_trap_flag_is_put_back() -> None:
    machine = started(b"\x90" * 9, eflags=0x202 | TF)
    machine.core.run_to(machine.core.ticks + 1)
    state = machine.core.save()
    assert state.registers.eflags & TF
    assert machine.next_event().eip == TEXT + 1
    machine.core.load(state, IRET)
    assert machine.next_event().eip == TEXT + 1
    assert machine.log[0] == machine.log[1]


def test_in_ring_0_at_a_hypercall_and_at_an_entry() -> None:
    machine = started(b"\xcd\x80\x40\xcd\x80")
    frames = range(0x420)
    machine.next_event()
    entry = checkpoint.save(machine.core, frames)
    machine.core.run(NEVER)
    hypercall = checkpoint.save(machine.core, frames)
    assert entry.cpu.registers.cs == hypercall.cpu.registers.cs == KERNEL_CS
    outcomes = []
    for state in (entry, hypercall):
        checkpoint.restore(machine.core, state, IRET)
        while machine.core.registers().eax == 0:
            machine.core.run(NEVER)
        outcomes.append((machine.log[-1], machine.core.registers()))
    assert outcomes[0] == outcomes[1]


def test_the_words_and_tables_that_iret_needs_are_left_as_they_were() -> None:
    machine = started(b"\x90" * 30 + b"\xcd\x80")
    machine.core.run_to(machine.core.ticks + 5)
    state = checkpoint.save(machine.core, range(0x420))
    checkpoint.restore(machine.core, state, IRET)
    assert checkpoint.save(machine.core, range(0x420)) == state


def test_in_front_of_code_that_is_not_there_yet() -> None:
    """Going back looks ahead at the code, which must leave neither a fault nor a mark behind."""
    for way in (whole, stepped, sliced([3] * 1000)):
        machine = started(b"\x40" * 0x1000)
        machine.core.run_to(machine.core.ticks + 1 + 0xFC0)
        state = machine.core.save()
        way(machine.core)
        machine.core.load(state, IRET)
        assert machine.core.registers().cr2 == 0
        way(machine.core)
        assert machine.events[0] == machine.events[1]
        assert (machine.events[0].vector, machine.events[0].eip) == (14, TEXT + 0x1000)


def test_an_interrupt_that_is_due_stays_due() -> None:
    machine = started(b"\x40" * 9 + b"\xeb\x00\xcd\x80")
    machine.core.interrupt_at(machine.core.ticks + 3, TIMER)
    state = at(machine, 5)
    assert (state.irq_vector, state.boundary) == (TIMER, False)
    machine.next_event()
    machine.core.load(state, IRET)
    machine.next_event()
    assert machine.log[0] == machine.log[1]
    assert machine.events[1].vector == TIMER


def test_memory_put_back_is_also_the_code_that_runs() -> None:
    machine = started(b"\xb8\x01\x00\x00\x00\xcc\xeb\xf8")
    state = checkpoint.save(machine.core, range(0x420))
    assert machine.next_event().eax == 1
    machine.put(TEXT + 1, b"\x02")
    machine.core.flush_code()
    assert machine.next_event().eax == 2
    checkpoint.restore(machine.core, state, IRET)
    assert machine.next_event().eax == 1


def test_booted_state_is_ring_0(bare: Bare) -> None:
    state = bare.core.save()
    assert (state.registers.cs, state.registers.eip) == (KERNEL_CS, BOOTED + 1)
    bare.core.load(state, IRET)
    assert bare.core.save() == state
