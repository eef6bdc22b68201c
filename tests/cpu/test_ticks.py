"""The clock: the same at every trap however a run is cut up, and interrupts at the same places."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from cpu.core import BUDGET_SPENT, NEVER, Interrupted
from tests.cpu.machine import TEXT, Way, chance, exact, mixed, sliced, started, stepped, whole
from tests.cpu.programs import LATE_TEXT, TIMER, Machine, Outcome

WAYS: dict[str, Callable[[], Way]] = {
    "whole again": lambda: whole,
    "slices": lambda: sliced(chance(1, 1, 300)),
    "more slices": lambda: sliced(chance(2, 1, 60)),
    "slices of one tick": lambda: sliced(chance(3, 1, 1)),
    "exact ticks": lambda: exact(chance(4, 1, 900)),
    "exact ticks, near": lambda: exact(chance(5, 1, 40)),
    "steps": lambda: stepped,
    "all mixed": lambda: mixed(random.Random(6)),
    "all mixed otherwise": lambda: mixed(random.Random(7)),
}


def run(way: Way, timer: int, first: int = 150, native: bool | None = None) -> Outcome:
    machine = Machine(native, timer)
    if first < NEVER:
        machine.core.interrupt_at(first, TIMER)
    machine.finish(way)
    return machine.outcome()


@pytest.fixture(scope="module", params=[0, 9, 37, 113, 300], ids=lambda t: f"timer {t}" if t else "no timer")
def reference(request: pytest.FixtureRequest) -> tuple[int, Outcome]:
    timer = int(request.param)
    return timer, run(whole, timer, 150 if timer else NEVER)


@pytest.mark.parametrize("way", WAYS)
def test_the_clock_agrees(reference: tuple[int, Outcome], way: str) -> None:
    timer, expected = reference
    assert run(WAYS[way](), timer, 150 if timer else NEVER) == expected


@pytest.mark.parametrize("way", ["whole again", "slices", "all mixed"])
def test_the_clock_in_python_agrees(reference: tuple[int, Outcome], way: str) -> None:
    timer, expected = reference
    assert run(WAYS[way](), timer, 150 if timer else NEVER, native=False) == expected


def test_the_program_does_what_it_is_for() -> None:
    """Otherwise the tests above compare nothing much."""
    outcome = run(whole, 0, NEVER)
    vectors = [event.vector for _, _, event in outcome.log]
    assert vectors.count(14) == 11
    assert vectors.count(1) == 12
    assert vectors.count(0x80) == 3
    assert 3 in vectors
    fetch = next(event for _, _, event in outcome.log if event.vector == 14 and event.cr2 == LATE_TEXT)
    assert fetch.eip == LATE_TEXT - 3
    assert [tick for tick, _, _ in outcome.log] == sorted(tick for tick, _, _ in outcome.log)
    assert len(run(whole, 9, 150).log) > 150


@pytest.mark.parametrize("start", range(100, 4700, 460))
def test_an_interrupt_at_any_tick(start: int) -> None:
    """One interrupt at some tick: it lands on the same instruction at the same tick."""
    for at in range(start, start + 460, 37):
        expected = run(whole, 0, at)
        assert run(sliced(chance(at, 1, 90)), 0, at) == expected
        assert run(mixed(random.Random(at)), 0, at) == expected
        taken = [tick for tick, _, event in expected.log if event.vector == TIMER]
        assert len(taken) == 1
        assert taken[0] >= at


# Single facts about it.


def test_a_tick_is_a_byte_and_a_turn_of_rep_is_one_instruction() -> None:
    machine = started(b"\xb9\x05\x00\x00\x00\xbf\x00\x00\x05\x08\xf3\xaa\xcd\x80")
    before = machine.core.ticks
    machine.next_event()
    # The `iret`; the turn that finds ECX to be 0 is one of its own.
    assert machine.core.ticks - before == 1 + 5 + 5 + 6 * 2 + 2


def test_run_stops_at_the_first_block_from_its_limit_on() -> None:
    machine = started(b"\x40" * 10 + b"\xeb\x00" + b"\x40" * 10 + b"\xeb\xe8")
    core = machine.core
    core.run(core.ticks + 1)
    start = core.ticks
    assert core.eip == TEXT
    assert core.run(start) == BUDGET_SPENT
    assert core.ticks == start
    assert core.run(start + 1) == BUDGET_SPENT
    assert (core.ticks, core.eip) == (start + 12, TEXT + 12)
    assert core.run(start + 12) == BUDGET_SPENT
    assert core.ticks == start + 12
    assert core.run(start + 13) == BUDGET_SPENT
    assert (core.ticks, core.eip) == (start + 24, TEXT)


def test_run_to_stops_exactly() -> None:
    machine = started(b"\x40" * 10 + b"\xeb\xf4")
    core = machine.core
    core.run(core.ticks + 1)
    start = core.ticks
    for ticks in (1, 5, 12, 13, 1200, 1201, 100_006):
        assert core.run_to(start + ticks) == BUDGET_SPENT
        assert core.ticks == start + ticks
        assert core.eip == TEXT + ticks % 12
    assert core.run_to(start) == BUDGET_SPENT
    assert core.ticks == start + 100_006


def test_a_limit_inside_of_an_instruction_is_passed() -> None:
    machine = started(b"\xb8\x01\x00\x00\x00" * 3 + b"\xcd\x80")
    core = machine.core
    core.run_to(core.ticks + 1)
    start = core.ticks
    assert core.run_to(start + 7) == BUDGET_SPENT
    assert core.ticks == start + 10


def test_a_fault_gives_back_what_its_block_did_not_run() -> None:
    machine = started(b"\x40\x40\xa1\x00\x00\x00\x0a" + b"\x40" * 20 + b"\xeb\xfe")
    before = machine.core.ticks
    machine.next_event()
    assert machine.core.ticks == before + 1 + 2


def test_events_carry_the_tick_at_which_they_happened() -> None:
    machine = started(b"\x90" * 7 + b"\xcd\x80" + b"\x90" * 3 + b"\xcc")
    start = machine.core.ticks
    machine.next_event()
    machine.bus.pid = 42
    machine.next_event()
    assert [(tick - start, pid) for tick, pid, _ in machine.log] == [(10, 0), (10 + 2 + 4, 42)]


# Where interrupts go in.


def test_only_behind_transfers() -> None:
    machine = started(b"\x40" * 50 + b"\xeb\xcc")
    core = machine.core
    core.interrupt_at(core.ticks + 10, TIMER)
    assert core.run(NEVER) == Interrupted(TIMER)
    assert machine.events[-1].eip == TEXT
    assert machine.core.ticks == machine.log[-1][0]
    assert core.irq_at == NEVER


def test_between_the_turns_of_a_rep() -> None:
    machine = started(b"\xb9\x00\x01\x00\x00\xbf\x00\x00\x05\x08\xf3\xaa\xcd\x80")
    core = machine.core
    core.interrupt_at(core.ticks + 100, TIMER)
    assert core.run(NEVER) == Interrupted(TIMER)
    regs = core.registers()
    assert machine.events[-1].eip == TEXT + 10
    assert 0 < regs.ecx < 0x100
    assert regs.edi == 0x0805_0100 - regs.ecx
    assert machine.next_event().vector == 0x80
    assert core.registers().ecx == 0


def test_never_behind_a_block_that_is_only_too_long() -> None:
    code = b"\x40" * 1000 + b"\xeb\x00" + b"\xcd\x80"
    for way in (whole, stepped, sliced(chance(1, 1, 7))):
        machine = started(code)
        machine.core.interrupt_at(machine.core.ticks + 30, TIMER)
        assert way(machine.core) == Interrupted(TIMER)
        assert machine.events[-1].eip == TEXT + 1002


def test_not_while_they_are_off() -> None:
    machine = started(b"\xeb\x00" * 20 + b"\xcd\x80", eflags=2)
    machine.core.interrupt_at(machine.core.ticks + 3, TIMER)
    assert machine.next_event().vector == 0x80
    assert machine.core.run(NEVER)  # the handler's hlt; its iret keeps them off, the next trap is the fault
    assert machine.core.irq_at < NEVER


def test_at_once_when_they_are_turned_on() -> None:
    for way in (whole, stepped):
        machine = started(b"\xcd\x80" + b"\x40" * 9 + b"\xeb\xfe")
        core = machine.core
        way(core)
        core.interrupt_at(core.ticks, TIMER)
        way(core)  # hlt, in a handler behind an interrupt gate
        assert len(machine.log) == 1
        assert way(core) == Interrupted(TIMER)
        assert machine.events[-1].eip == TEXT + 2


def test_at_the_entry_of_a_trap_gate() -> None:
    """Interrupts stay on there: one that is due goes in before the handler's first instruction."""
    machine = started(b"\xcd\x80")
    machine.gate(0x80, dpl=3, kind=0xF)
    core = machine.core
    core.run(NEVER)
    entry = core.eip
    core.interrupt_at(core.ticks, TIMER)
    assert core.run(NEVER) == Interrupted(TIMER)
    assert (machine.events[-1].eip, machine.events[-1].cpl) == (entry, 0)
    assert machine.events[-1].esp0 == machine.events[0].sp


def test_one_that_is_due_is_taken_even_with_no_budget() -> None:
    machine = started(b"\xeb\xfe")
    core = machine.core
    core.run(core.ticks + 1)
    core.interrupt_at(core.ticks, TIMER)
    assert core.run(core.ticks) == Interrupted(TIMER)


def test_one_that_is_called_off_does_not_come() -> None:
    machine = started(b"\x40\xeb\x00" * 10 + b"\xcd\x80")
    machine.core.interrupt_at(machine.core.ticks + 5, TIMER)
    machine.core.interrupt_at(NEVER, 0)
    assert machine.next_event().vector == 0x80
