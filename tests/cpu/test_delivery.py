"""The way through the IDT on the running machine: gates, stacks, flags, and what goes wrong on it."""

from __future__ import annotations

import struct

import pytest

from cpu.core import NEVER, CoreError, Hypercall, Trapped
from cpu.descriptors import GATE_INTERRUPT, GATE_TASK, GATE_TRAP, Descriptor
from cpu.events import Source
from cpu.registers import DF, IF, NT, RF, TF
from tests.cpu.machine import (
    DATA,
    IDT,
    KERNEL_BASE,
    KERNEL_CS,
    KERNEL_DS,
    KERNEL_STACK,
    KERNEL_TEXT,
    STACK_TOP,
    TEXT,
    TLS_SELECTOR,
    TSS,
    TSS_SELECTOR,
    USER_CS,
    USER_DS,
    Bare,
    started,
    stepped,
    whole,
)

INT80 = b"\xcd\x80"
TOP = KERNEL_BASE + KERNEL_STACK


# Into ring 0 and back.


def test_the_stack_comes_from_the_tss() -> None:
    machine = started(b"\x90" + INT80)
    machine.ram.u32[TSS + 4 >> 2] = TOP - 0x100
    event = machine.next_event()
    assert (event.cpl, event.ss0, event.esp0, event.sp) == (3, KERNEL_DS, TOP - 0x100, TOP - 0x100 - 20)
    assert (event.cs, event.eip, event.ss, event.esp) == (USER_CS, TEXT + 3, USER_DS, STACK_TOP)
    assert machine.words(event.sp, 5) == [TEXT + 3, USER_CS, event.eflags, STACK_TOP, USER_DS]


def test_the_machine_is_at_the_gates_address() -> None:
    machine = started(INT80)
    machine.gate(0x80, dpl=3, offset=KERNEL_BASE + KERNEL_TEXT + 0x10)
    machine.ram.write(KERNEL_TEXT + 0x10, b"\x90\xf4")
    assert machine.core.run(NEVER) == Trapped(0x80)
    assert machine.core.eip == KERNEL_BASE + KERNEL_TEXT + 0x10
    assert machine.core.run(NEVER) == Hypercall(KERNEL_BASE + KERNEL_TEXT + 0x11)


def test_general_registers_and_data_segments_are_the_programs() -> None:
    values = {"eax": 1, "ebx": 2, "ecx": 3, "edx": 4, "esi": 5, "edi": 6, "ebp": 7}
    machine = started(INT80, **values, gs=USER_DS)
    machine.next_event()
    regs = machine.core.registers()
    assert {name: getattr(regs, name) for name in values} == values
    assert (regs.ds, regs.es, regs.fs, regs.gs) == (USER_DS, USER_DS, 0, USER_DS)


def test_iret_returns_to_ring_3_by_itself() -> None:
    machine = started(INT80 + b"\x40" + INT80, eax=41)
    machine.next_event()
    machine.core.run(NEVER)
    machine.core.run(machine.core.ticks + 1)
    regs = machine.core.registers()
    assert (regs.cpl, regs.eip, regs.esp, regs.ss) == (3, TEXT + 2, STACK_TOP, USER_DS)
    assert machine.next_event().eax == 42


def test_ring_0_is_ring_0_on_every_trap() -> None:
    """Writing CS cannot lower the ring; the latched context does."""
    machine = started(INT80 * 50)
    for n in range(50):
        machine.next_event()
        regs = machine.core.registers()
        assert (regs.cs, regs.ss, regs.cpl) == (KERNEL_CS, KERNEL_DS, 0)
        machine.core.run(NEVER)
        assert machine.core.emulator.bank.read()[10] == KERNEL_CS
        assert machine.events[-1].eip == TEXT + 2 * n + 2


def test_a_trap_from_ring_0_stays_on_its_stack() -> None:
    machine = started(INT80)
    machine.gate(0x80, dpl=3, kind=GATE_TRAP, offset=KERNEL_BASE + KERNEL_TEXT)
    machine.ram.write(KERNEL_TEXT, b"\xcc\xf4")
    outer = machine.next_event()
    machine.core.run(NEVER)
    inner = machine.events[-1]
    assert (inner.vector, inner.cpl, inner.esp0, inner.ss0) == (3, 0, outer.sp, KERNEL_DS)
    assert inner.sp == outer.sp - 12
    assert machine.words(inner.sp, 3) == [KERNEL_BASE + KERNEL_TEXT + 1, KERNEL_CS, inner.eflags]
    machine.core.run(NEVER)
    assert machine.core.run(NEVER) == Hypercall(KERNEL_BASE + KERNEL_TEXT + 1)
    assert machine.core.registers().esp == outer.sp


def test_a_fault_in_ring_0_pushes_its_error_code_behind_three_words() -> None:
    machine = Bare()
    machine.ram.write(KERNEL_TEXT, b"\xb8\x03\x10\x00\x00\x8e\xe8")  # mov eax, 0x1003; mov gs, eax
    machine.boot()
    machine.enter(KERNEL_BASE + KERNEL_TEXT, cpl=0)
    event = machine.next_event()
    assert (event.vector, event.error, event.sp) == (13, 0x1000, event.esp0 - 16)
    assert machine.words(event.sp, 4) == [0x1000, KERNEL_BASE + KERNEL_TEXT + 5, KERNEL_CS, event.eflags]


def test_a_selector_that_cannot_be_popped_faults_in_ring_0() -> None:
    """What entry code needs an exception table for."""
    machine = started(b"\xb8\x33\x00\x00\x00\x8e\xe8" + INT80)
    machine.descriptor(TLS_SELECTOR, Descriptor(DATA, 0xF_FFFF, 0xF3, 0xC))
    machine.gate(0x80, dpl=3, offset=KERNEL_BASE + KERNEL_TEXT)
    # push gs; mov gs, ecx; hlt; pop gs; iret
    machine.ram.write(KERNEL_TEXT, b"\x0f\xa8\x8e\xe9\xf4\x0f\xa9\xcf")
    machine.next_event()
    machine.core.run(NEVER)
    machine.descriptor(TLS_SELECTOR, Descriptor(0, 0, 0, 0))
    event = machine.next_event()
    assert (event.vector, event.cpl, event.eip) == (13, 0, KERNEL_BASE + KERNEL_TEXT + 5)
    assert event.error == TLS_SELECTOR & ~3


def test_a_selector_whose_descriptor_has_gone_is_null_behind_a_trap() -> None:
    """A processor would keep the old one in its hidden part, which the emulator has no way to."""
    machine = started(b"\xb8\x33\x00\x00\x00\x8e\xe8\x8e\xe0" + INT80, ebx=5)
    machine.descriptor(TLS_SELECTOR, Descriptor(DATA, 0xF_FFFF, 0xF3, 0xC))
    machine.core.run_to(machine.core.ticks + 9)
    machine.descriptor(TLS_SELECTOR, Descriptor(0, 0, 0, 0))
    assert machine.next_event().vector == 0x80
    regs = machine.core.registers()
    assert (regs.fs, regs.gs, regs.ds, regs.es, regs.ebx) == (0, 0, USER_DS, USER_DS, 5)


# Flags.


@pytest.mark.parametrize(("kind", "enabled"), [(GATE_INTERRUPT, False), (GATE_TRAP, True)])
def test_interrupt_gates_turn_interrupts_off(kind: int, enabled: bool) -> None:
    machine = started(INT80)
    machine.gate(0x80, dpl=3, kind=kind)
    event = machine.next_event()
    assert event.eflags & IF
    assert bool(machine.core.registers().eflags & IF) is enabled
    assert machine.core.interrupts_enabled() is enabled
    machine.core.run(NEVER)
    machine.core.run(machine.core.ticks + 1)
    assert machine.core.registers().eflags & IF


@pytest.mark.parametrize("kind", [GATE_INTERRUPT, GATE_TRAP])
def test_flags_that_would_harm_the_handler_are_cleared(kind: int) -> None:
    """NT would make its `iret` a fault, TF would single-step it. The frame has them as they were."""
    machine = started(INT80, eflags=0x202 | NT | DF | 0x8D5)
    machine.gate(0x80, dpl=3, kind=kind)
    event = machine.next_event()
    assert event.eflags & NT
    assert event.eflags & 0x8D5 == 0x8D5
    flags = machine.core.registers().eflags
    assert not flags & (NT | TF | RF)
    assert flags & DF
    assert flags & 0x8D5 == 0x8D5
    machine.core.run(NEVER)
    machine.core.run(machine.core.ticks + 1)
    assert machine.core.registers().eflags == event.eflags


def test_the_trap_flag_is_off_in_the_handler_and_back_on_behind_it() -> None:
    machine = started(b"\x90\x90\x90", eflags=0x202 | TF)
    event = machine.next_event()
    assert (event.vector, event.eip, event.eflags) == (1, TEXT + 1, 0x302)
    assert not machine.core.registers().eflags & TF
    assert machine.next_event().eip == TEXT + 2


# Who may ask for what.


@pytest.mark.parametrize(
    ("vector", "code", "fault_at"),
    [
        (0x20, b"\x90\xcd\x20\x90", 1),
        (0x20, b"\x90\x66\x90\xcd\x20", 3),
        (14, b"\x90\xcd\x0e", 1),
        (3, b"\x90\xcc\x90", 1),
        (3, b"\x90\xcd\x03\x90", 1),
        (3, b"\xb0\xcd\xcc", 2),  # int3 behind a byte that looks like `int`
        (4, b"\xb0\x7f\x04\x01\xce", 4),
        (4, b"\xb0\x7f\x04\x01\xcd\x04", 4),
    ],
)
def test_a_gate_of_ring_0_is_refused_to_a_program(vector: int, code: bytes, fault_at: int) -> None:
    ticks = []
    for way in (whole, stepped):
        machine = started(code)
        machine.gate(vector, dpl=0)
        before = machine.core.ticks
        assert way(machine.core) == Trapped(13)
        event = machine.events[-1]
        assert len(machine.log) == 1
        assert (event.vector, event.source, event.error) == (13, Source.EXCEPTION, vector * 8 + 2)
        assert event.eip == TEXT + fault_at
        ticks.append(machine.core.ticks - before)
    assert ticks == [1 + fault_at] * 2


def test_ring_0_may_use_any_gate() -> None:
    machine = Bare()
    machine.ram.write(KERNEL_TEXT, b"\xcd\x20")
    machine.boot()
    machine.enter(KERNEL_BASE + KERNEL_TEXT, cpl=0)
    event = machine.next_event()
    assert (event.vector, event.source, event.cpl) == (0x20, Source.SOFTWARE, 0)


def test_exceptions_do_not_ask_for_the_gates_privilege() -> None:
    machine = started(b"\xf7\xf1")
    machine.gate(0, dpl=0)
    assert machine.next_event().vector == 0


NOT_PRESENT_CODE = 0x30


@pytest.mark.parametrize(
    ("gate", "vector", "error"),
    [
        pytest.param({"dpl": 3, "present": False}, 11, 0x402, id="not present"),
        pytest.param({"dpl": 0, "present": False}, 13, 0x402, id="neither present nor allowed"),
        pytest.param({"dpl": 3, "kind": GATE_TASK}, 13, 0x402, id="task gate"),
        pytest.param({"dpl": 3, "kind": 6}, 13, 0x402, id="16-bit gate"),
        pytest.param({"dpl": 3, "selector": 0}, 13, 0, id="null selector"),
        pytest.param({"dpl": 3, "selector": 0x1000}, 13, 0x1000, id="selector beyond the GDT"),
        pytest.param({"dpl": 3, "selector": KERNEL_DS}, 13, KERNEL_DS, id="selector of data"),
        pytest.param({"dpl": 3, "selector": 0x64}, 13, 0x64, id="selector in the LDT"),
        pytest.param({"dpl": 3, "selector": NOT_PRESENT_CODE}, 11, 0x30, id="segment not present"),
    ],
)
def test_a_gate_that_leads_nowhere(gate: dict[str, int], vector: int, error: int) -> None:
    """The fault is the `int` instruction's: EIP is back on it, and so is the clock."""
    for way in (whole, stepped):
        machine = started(b"\x90" + INT80)
        machine.descriptor(NOT_PRESENT_CODE, Descriptor(0, 0, 0x1B, 0xC))
        machine.gate(
            0x80,
            dpl=gate["dpl"],
            kind=gate.get("kind", GATE_INTERRUPT),
            present=bool(gate.get("present", True)),
            selector=gate.get("selector", KERNEL_CS),
        )
        before = machine.core.ticks
        assert way(machine.core) == Trapped(vector)
        event = machine.events[-1]
        assert (event.vector, event.error, event.eip) == (vector, error, TEXT + 1)
        assert machine.core.ticks == before + 2


def test_beyond_the_idts_limit() -> None:
    machine = started(b"\xcd\xf0")
    assert machine.core.tables is not None
    machine.core.tables.idt_limit = 0x80 * 8 + 7
    event = machine.next_event()
    assert (event.vector, event.error, event.eip) == (13, 0xF0 * 8 + 2, TEXT)


# Faults on the way. Table 6-5 of the manual says when two make a double fault.


def test_an_exception_without_a_gate_is_external_in_the_error_code() -> None:
    """#UD is benign: the #NP that its delivery meets is taken in its place, on the same instruction."""
    machine = started(b"\x90\x0f\x0b")
    machine.gate(6, present=False)
    event = machine.next_event()
    assert (event.vector, event.error, event.eip) == (11, 6 * 8 + 2 + 1, TEXT + 1)


def test_an_interrupt_without_a_gate() -> None:
    machine = started(b"\xeb\xfe")
    machine.gate(0x20, present=False)
    machine.core.interrupt_at(machine.core.ticks + 5, 0x20)
    assert machine.core.run(NEVER) == Trapped(11)
    assert machine.events[-1].error == 0x20 * 8 + 2 + 1
    assert machine.events[-1].eip == TEXT


def test_two_contributory_exceptions_are_a_double_fault() -> None:
    machine = started(b"\x90\xf7\xf1")
    machine.gate(0, present=False)
    event = machine.next_event()
    assert (event.vector, event.error, event.eip, event.source) == (8, 0, TEXT + 1, Source.EXCEPTION)
    assert machine.word(event.sp) == 0


def test_a_page_fault_that_meets_a_contributory_exception_is_a_double_fault() -> None:
    machine = started(b"\xa1\x00\x00\x00\x0a")
    machine.gate(14, present=False)
    event = machine.next_event()
    assert (event.vector, event.error) == (8, 0)
    assert machine.core.registers().cr2 == 0x0A00_0000


def test_a_tss_whose_stack_segment_is_wrong() -> None:
    for ss0 in (USER_DS, KERNEL_CS, 0, TSS_SELECTOR):
        machine = started(INT80)
        machine.ram.u32[TSS + 8 >> 2] = ss0
        with pytest.raises(CoreError, match="triple"):  # #TS needs the same stack
            machine.next_event()
        assert machine.log == []


def test_a_broken_kernel_stack_is_a_triple_fault() -> None:
    for esp0 in (0x0A00_0000, TEXT + 0x800):
        machine = started(INT80)
        machine.ram.u32[TSS + 4 >> 2] = esp0
        with pytest.raises(CoreError, match="triple fault"):
            machine.core.run(NEVER)
        assert machine.log == []
        assert machine.get(TEXT, 0x1000)[2:] == bytes(0xFFE)


def test_a_ring_0_stack_that_has_run_out_is_a_triple_fault(bare: Bare) -> None:
    bare.ram.write(KERNEL_TEXT, b"\x58\xcc")
    bare.enter(KERNEL_BASE + KERNEL_TEXT, cpl=0)
    bare.core.run_to(bare.core.ticks + 1)
    bare.core.emulator.write_register("esp", 0x0A00_0008)
    with pytest.raises(CoreError):
        bare.core.run(NEVER)


def test_half_a_frame_is_never_written() -> None:
    machine = started(INT80)
    pa = machine.new_frame()
    machine.map(0xD000_0000, pa, 0x8000_0000_0000_0063)
    machine.ram.u32[TSS + 4 >> 2] = 0xD000_1008  # the upper half has no page
    with pytest.raises(CoreError):
        machine.core.run(NEVER)
    assert machine.ram.read(pa, 0x1000) == bytes(0x1000)


def test_without_an_idt_there_is_no_way() -> None:
    machine = Bare()
    machine.core.reset(0x1_2000)
    machine.ram.write(0x1_2000, b"\xcd\x80")
    with pytest.raises(CoreError, match="before the IDT"):
        machine.core.run(NEVER)


def test_physical_memory_that_is_not_there_is_an_error(bare: Bare) -> None:
    bare.program(b"\xa1\x00\x00\x00\x0a")
    bare.map(0x0A00_0000, 0x4000_0000, 7)
    bare.enter()
    with pytest.raises(CoreError, match="emulator stopped"):
        bare.core.run(NEVER)


def test_tables_that_are_not_mapped_cannot_be_latched(bare: Bare) -> None:
    bare.entry(KERNEL_BASE + IDT)[0] = 0
    with pytest.raises(CoreError, match="not mapped"):
        bare.core.latch_tables()


# What the kernel's Python does to the processor.


def test_set_result_is_what_the_code_behind_hlt_finds() -> None:
    machine = started(INT80 + INT80)
    machine.next_event()
    machine.core.run(NEVER)
    machine.core.set_result(0x8765_4321, 7)
    machine.next_event()
    assert (machine.events[-1].eax, machine.core.registers().edx) == (0x8765_4321, 7)


def test_an_ldt_holds_for_programs_after_load_ldt() -> None:
    machine = started(b"\xb8\x07\x00\x00\x00\x8e\xe8\x65\xa1\x00\x00\x00\x00" + INT80)
    table = machine.new_frame()
    machine.ram.u64[table >> 3] = Descriptor(DATA + 0x10, 0xF_FFFF, 0xF3, 0xC).pack()
    machine.put(DATA + 0x10, struct.pack("<I", 99))
    machine.core.load_ldt(0x88, KERNEL_BASE + table, 0xFFF)
    assert machine.next_event().eax == 99
    assert machine.core.save().ldtr == 0x88
