"""Which vector each cause arrives with, where EIP points then, and with which error code.

Every case is run and stepped; the two must not differ in anything.
"""

from __future__ import annotations

import pytest

from cpu.descriptors import Descriptor
from cpu.events import Source, TrapTaken
from tests.cpu.listing import Code
from tests.cpu.machine import (
    CR0,
    DATA,
    KERNEL_CS,
    KERNEL_DS,
    STACK,
    TEXT,
    USER_CS,
    USER_DS,
    Bare,
    started,
    trap_of,
)

DIVIDE = Code(
    """
        90    nop
        31c9  xor ecx, ecx
        f7f1  div ecx
    """
)
OVERFLOW = Code(
    """
        b800000080  mov eax, 0x80000000
        83c9ff      or ecx, -1
        99          cdq
        f7f9        idiv ecx
    """
)
BOUND = Code(
    """
        b809000000  mov eax, 9
        bb00000508  mov ebx, 0x08050000
        6203        bound eax, [ebx]
    """
)
UD2 = Code(
    """
        90    nop
        39c0  cmp eax, eax
        0f0b  ud2
        90    nop
    """
)
FAULTS = [
    # vector, error code, where EIP points, code
    pytest.param(0, -1, 3, DIVIDE, id="div by 0"),
    pytest.param(0, -1, 9, OVERFLOW, id="idiv overflow"),
    pytest.param(5, -1, 10, BOUND, id="bound"),
    pytest.param(6, -1, 3, UD2, id="ud2"),
]


@pytest.mark.parametrize(("vector", "error", "offset", "code"), FAULTS)
def test_a_fault_points_at_its_instruction(vector: int, error: int, offset: int, code: Code) -> None:
    event = trap_of(code)
    assert (event.vector, event.source) == (vector, Source.EXCEPTION)
    assert event.eip == TEXT + offset
    assert event.error == error


def raw(*parts: str) -> bytes:
    return b"".join(bytes.fromhex(part) for part in parts)


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("0f0b", id="ud2"),
        pytest.param("f1", id="icebp"),
        pytest.param("0fff", id="ud0"),
        pytest.param("0f04", id="unassigned"),
        pytest.param("f090", id="lock nop"),
        pytest.param("0fc7f0", id="rdrand"),
        pytest.param("0fc7f8", id="rdseed"),
        pytest.param("0f01f9", id="rdtscp"),
        pytest.param("0f33", id="rdpmc"),
        pytest.param("0f01d0", id="xgetbv"),
        pytest.param("0f01c8", id="monitor"),
        pytest.param("0f01c9", id="mwait"),
        pytest.param("0f01c1", id="vmcall"),
        pytest.param("0faa", id="rsm"),
        pytest.param("0f05", id="syscall"),
        pytest.param("0f07", id="sysret"),
    ],
)
def test_what_this_model_does_not_have_is_an_invalid_opcode(code: str) -> None:
    """In the middle of a block: flags of the instructions before, nothing of those behind."""
    event = trap_of(raw("b805000000", "3c05", code, "40", "c7050000050801000000", "cd80"))
    assert (event.vector, event.error) == (6, -1)
    assert event.eip == TEXT + 7
    assert (event.eax, event.eflags) == (5, 0x246)


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("f4", id="hlt"),
        pytest.param("fa", id="cli"),
        pytest.param("fb", id="sti"),
        pytest.param("0f20c0", id="mov eax, cr0"),
        pytest.param("0f22d8", id="mov cr3, eax"),
        pytest.param("0f21c0", id="mov eax, dr0"),
        pytest.param("0f0110", id="lgdt"),
        pytest.param("0f0118", id="lidt"),
        pytest.param("0f00d8", id="ltr"),
        pytest.param("0f00d0", id="lldt"),
        pytest.param("0f0138", id="invlpg"),
        pytest.param("0f06", id="clts"),
        pytest.param("0f09", id="wbinvd"),
        pytest.param("0f30", id="wrmsr"),
        pytest.param("0f32", id="rdmsr"),
        pytest.param("0f31", id="rdtsc with CR4.TSD"),
        pytest.param("0f35", id="sysexit"),
        pytest.param("0f34", id="sysenter"),
        pytest.param("ec", id="in al, dx"),
        pytest.param("ed", id="in eax, dx"),
        pytest.param("66ed", id="in ax, dx"),
        pytest.param("e460", id="in al, 0x60"),
        pytest.param("ee", id="out dx, al"),
        pytest.param("e780", id="out 0x80, eax"),
        pytest.param("6c", id="insb"),
        pytest.param("f36c", id="rep insb"),
        pytest.param("6f", id="outsd"),
        pytest.param("f36e", id="rep outsb"),
    ],
)
def test_privileged_in_ring_3(code: str) -> None:
    """#GP(0) on the instruction, in the middle of a block, and nothing behind it has happened."""
    program = raw("b805000000", "3c05", code, "40", "c7050000050801000000", "cd80")
    machine = started(program, ebx=1, ecx=2, edx=0x60, esi=DATA, edi=DATA + 64, ebp=7)
    event = machine.next_event()
    assert (event.vector, event.source, event.error) == (13, Source.EXCEPTION, 0)
    assert event.eip == TEXT + 7
    assert (event.eax, event.eflags) == (5, 0x246)
    regs = machine.core.registers()
    assert (regs.ebx, regs.ecx, regs.edx, regs.esi, regs.edi, regs.ebp) == (1, 2, 0x60, DATA, DATA + 64, 7)
    assert machine.get(DATA, 128) == bytes(128)
    assert machine.core.ticks - started(program).core.ticks == 1 + 7  # the iret, and what came before it
    trap_of(program, ebx=1, ecx=2, edx=0x60, esi=DATA, edi=DATA + 64, ebp=7)


def test_a_refused_instruction_leaves_the_page_tables_in_force() -> None:
    machine = started(raw("ec", "a100000508", "cd80"))
    assert machine.next_event().vector == 13
    assert machine.core.emulator.read_cr3() == machine.core.cr3
    machine.core.run(1 << 40)
    frame = machine.pa(machine.events[0].sp) >> 2
    machine.ram.u32[frame + 1] += 1  # over the `in`
    assert machine.next_event().vector == 0x80


def test_refused_in_the_middle_of_jumps_the_clock_stops_at_it() -> None:
    """The emulator runs on into other blocks before it stops; none of them is charged."""
    program = raw("31c0", "eb00", "ec", "eb00", "40", "eb00", "40", "cd80")
    assert trap_of(program).eip == TEXT + 4


def test_out_of_ring_0_and_with_iopl_3_is_executed() -> None:
    program = raw("ec", "ee", "cd80")
    assert trap_of(program, eflags=0x3202).vector == 0x80
    machine = Bare()
    machine.boot()
    machine.program(program)
    machine.map(TEXT, machine.pa(TEXT), 1)
    machine.enter(cpl=0)
    assert machine.next_event().vector == 0x80


def test_sysenter_is_refused_in_ring_0_too(bare: Bare) -> None:
    bare.program(raw("90", "0f34"))
    bare.map(TEXT, bare.pa(TEXT), 1)
    bare.enter(cpl=0)
    event = bare.next_event()
    assert (event.vector, event.eip, event.error, event.cpl) == (13, TEXT + 1, 0, 0)


@pytest.mark.parametrize(
    ("code", "error", "offset"),
    [
        pytest.param(raw("b868000000", "8ed8"), 0x68, 5, id="mov ds, a ring-0 selector"),
        pytest.param(raw("b803100000", "8ed8"), 0x1000, 5, id="mov ds, beyond the limit"),
        pytest.param(raw("b80f000000", "8ed8"), 0x0C, 5, id="mov ds, in no LDT"),
        pytest.param(raw("31c0", "8ed0"), 0, 2, id="mov ss, null"),
        pytest.param(raw("b873000000", "8ed0"), 0x70, 5, id="mov ss, code"),
        pytest.param(raw("ea00000008", "6000"), 0x60, 0, id="jmp to ring 0"),
        pytest.param(raw("6a60", "6a00", "cb"), 0x60, 4, id="retf to ring 0"),
        pytest.param(raw("6802020000", "6a60", "6a00", "cf"), 0x60, 9, id="iret to ring 0"),
    ],
)
def test_selector_error_codes(code: bytes, error: int, offset: int) -> None:
    event = trap_of(code)
    assert (event.vector, event.error) == (13, error)
    assert event.eip == TEXT + offset


def with_descriptor(code: bytes, access: int) -> TrapTaken:
    machine = started(code)
    machine.descriptor(0x33, Descriptor(0, 0xF_FFFF, access, 0xC))
    return machine.next_event()


def test_segment_not_present() -> None:
    event = with_descriptor(raw("b833000000", "8ee8"), 0x73)
    assert (event.vector, event.error, event.eip) == (11, 0x30, TEXT + 5)


def test_stack_segment_not_present() -> None:
    event = with_descriptor(raw("b833000000", "8ed0"), 0x73)
    assert (event.vector, event.error, event.eip) == (12, 0x30, TEXT + 5)


def test_beyond_a_segments_limit_no_fault_arises() -> None:
    """Unicorn checks no limits: a deviation that programs with flat segments never meet."""
    machine = started(raw("b833000000", "8ee8", "65a100010000", "cd80"))
    machine.descriptor(0x33, Descriptor(DATA, 0xF, 0xF3, 0x4))
    assert machine.next_event().vector == 0x80


def test_iret_with_nested_task_set_is_an_invalid_tss(bare: Bare) -> None:
    """Why NT is cleared on the way in."""
    bare.program(raw("9c", "810c2400400000", "9d", "cf"))
    bare.map(TEXT, bare.pa(TEXT), 1)
    bare.enter(cpl=0)
    event = bare.next_event()
    assert (event.vector, event.error, event.cpl) == (10, 0, 0)
    assert event.eip == TEXT + 9


def test_no_coprocessor_while_task_switched(bare: Bare) -> None:
    bare.program(raw("90", "d9e8"))
    bare.core.emulator.uc.reg_write(_cr0(), CR0 | 8)
    bare.core.latch()
    bare.enter()
    event = bare.next_event()
    assert (event.vector, event.error, event.eip) == (7, -1, TEXT + 1)


def _cr0() -> int:
    from cpu.registers import unicorn_id

    return unicorn_id("cr0")


def test_an_unmasked_x87_error_arrives_at_the_next_x87_instruction() -> None:
    # fninit; push 0x33b (zero-divide unmasked); fldcw; fld1; fldz; fdivp; nop; fwait
    event = trap_of(raw("dbe3", "683b030000", "d92c24", "d9e8", "d9ee", "def9", "90", "9b"))
    assert (event.vector, event.error) == (16, -1)
    assert event.eip == TEXT + 17


@pytest.mark.parametrize(
    ("code", "vector", "past"),
    [
        pytest.param(raw("90", "cc", "90"), 3, 2, id="int3"),
        pytest.param(raw("90", "cd03", "90"), 3, 3, id="int 3 in two bytes"),
        pytest.param(raw("b07f", "0401", "ce"), 4, 5, id="into"),
        pytest.param(raw("cd05", "90"), 5, 2, id="int 5"),
        pytest.param(raw("90", "cd80"), 0x80, 3, id="int 0x80"),
        pytest.param(raw("90", "66cd80"), 0x80, 4, id="with a prefix"),
    ],
)
def test_software_interrupts_point_past_themselves(code: bytes, vector: int, past: int) -> None:
    event = trap_of(code)
    assert (event.vector, event.source, event.error) == (vector, Source.SOFTWARE, -1)
    assert event.eip == TEXT + past


def test_int_6_is_no_invalid_opcode() -> None:
    """The emulator reports both in the same way."""
    event = trap_of(raw("90", "cd06", "90"))
    assert (event.vector, event.error, event.eip) == (13, 6 * 8 + 2, TEXT + 1)
    machine = started(raw("90", "cd06", "90"))
    machine.gate(6, dpl=3)
    event = machine.next_event()
    assert (event.vector, event.source, event.eip) == (6, Source.SOFTWARE, TEXT + 3)


@pytest.mark.parametrize("code", ["6c", "f36d", "6e", "f36f"])
def test_string_io_asks_for_the_port_before_the_memory(code: str) -> None:
    event = trap_of(raw("90", code), ecx=1, esi=0x0A00_0000, edi=0x0A00_0000)
    assert (event.vector, event.error, event.eip, event.cr2) == (13, 0, TEXT + 1, 0)


def test_into_without_overflow_is_nothing() -> None:
    assert trap_of(raw("31c0", "ce", "cd80")).vector == 0x80


def test_single_step_traps_behind_each_instruction() -> None:
    # pushfd; or [esp], TF; popfd; nop; jmp +1; (nop); int 0x80
    program = raw("9c", "810c2400010000", "9d", "90", "eb01", "90", "cd80")
    event = trap_of(program)
    assert (event.vector, event.source, event.error) == (1, Source.EXCEPTION, -1)
    assert event.eip == TEXT + 10
    assert event.eflags & 0x100
    machine = started(program)
    at = [machine.next_event().eip - TEXT for _ in range(3)]
    assert at == [10, 13, 15]
    assert machine.events[-1].vector == 0x80
    assert not machine.core.registers().eflags & 0x100


def test_a_misaligned_movaps_is_let_through() -> None:
    """As are alignment checks and unmasked SSE errors: vectors 0x11 and 0x13 never arise here."""
    assert trap_of(raw("bb01000508", "0f2803", "cd80")).vector == 0x80


def test_pause_and_cpuid_are_no_traps() -> None:
    assert trap_of(raw("f390", "0fa2", "cd80")).vector == 0x80


def test_the_frame_on_the_stack_is_the_events() -> None:
    machine = started(UD2)
    event = machine.next_event()
    assert machine.words(event.sp, 5) == [TEXT + 3, USER_CS, event.eflags, STACK + 0x1000, USER_DS]
    regs = machine.core.registers()
    assert (regs.cs, regs.ss, regs.cpl, regs.esp) == (KERNEL_CS, KERNEL_DS, 0, event.sp)
