"""Vector 14: error codes, CR2, and what page tables and their changes do."""

from __future__ import annotations

import pytest

from cpu.core import NEVER, Hypercall
from cpu.paging import ACCESSED, DIRTY, NX, PF_FETCH, PF_PRESENT, PF_USER, PF_WRITE, PRESENT, WRITABLE
from tests.cpu.listing import Code
from tests.cpu.machine import (
    DATA,
    DEMAND,
    KERNEL_BASE,
    KERNEL_TEXT,
    PDPT,
    READ_EXECUTE,
    READ_ONLY,
    READ_WRITE,
    READ_WRITE_EXECUTE,
    STACK,
    SUPERVISOR,
    TEXT,
    TSS,
    Bare,
    handler,
    started,
    stepped,
    trap_of,
    whole,
)

READ = Code(
    """
        a12301000a  mov eax, [0x0a000123]
    """
)
WRITE = Code(
    """
        a32301000a  mov [0x0a000123], eax
    """
)
JUMP = Code(
    """
        b82301000a  mov eax, 0x0a000123
        ffe0        jmp eax
    """
)
MODIFY = Code(
    """
        01052301000a  add [0x0a000123], eax
    """
)


@pytest.mark.parametrize(
    ("code", "flags", "error"),
    [
        pytest.param(READ, 0, PF_USER, id="read, absent"),
        pytest.param(WRITE, 0, PF_USER | PF_WRITE, id="write, absent"),
        pytest.param(MODIFY, 0, PF_USER, id="read to modify, absent"),
        pytest.param(JUMP, 0, PF_USER | PF_FETCH, id="fetch, absent"),
        pytest.param(WRITE, READ_ONLY, PF_USER | PF_WRITE | PF_PRESENT, id="write, read-only"),
        pytest.param(MODIFY, READ_ONLY, PF_USER | PF_WRITE | PF_PRESENT, id="modify, read-only"),
        pytest.param(JUMP, READ_WRITE, PF_USER | PF_FETCH | PF_PRESENT, id="fetch, no execute"),
        pytest.param(READ, SUPERVISOR, PF_USER | PF_PRESENT, id="read, supervisor's"),
        pytest.param(WRITE, SUPERVISOR, PF_USER | PF_WRITE | PF_PRESENT, id="write, supervisor's"),
        pytest.param(JUMP, PRESENT, PF_USER | PF_FETCH | PF_PRESENT, id="fetch, supervisor's"),
    ],
)
def test_error_code_and_cr2(code: Code, flags: int, error: int) -> None:
    machine = started(code)
    if flags:
        machine.page(DEMAND, flags)
    event = machine.next_event()
    assert event.vector == 14
    assert event.error == error
    assert event.cr2 == DEMAND + 0x123
    assert event.eip == (DEMAND + 0x123 if code is JUMP else TEXT)
    assert machine.core.registers().cr2 == DEMAND + 0x123
    assert machine.word(event.sp) == error


def test_stepping_meets_the_same_faults() -> None:
    for code in (READ, WRITE, MODIFY, JUMP):
        trap_of(code)


@pytest.mark.parametrize(
    ("code", "error"), [(READ, 0), (WRITE, PF_WRITE), (JUMP, PF_FETCH)], ids=["read", "write", "fetch"]
)
def test_a_fault_in_ring_0_has_no_user_bit(code: Code, error: int) -> None:
    machine = kernel_machine(code)
    event = machine.next_event()
    assert (event.vector, event.error, event.cpl) == (14, error, 0)


def test_write_protect_holds_in_ring_0_too() -> None:
    machine = kernel_machine(WRITE)
    machine.page(DEMAND, READ_ONLY)
    event = machine.next_event()
    assert (event.vector, event.error) == (14, PF_WRITE | PF_PRESENT)


def test_ring_0_may_read_what_users_own() -> None:
    machine = kernel_machine(READ.data + b"\xf4")
    machine.page(DEMAND, READ_ONLY)
    assert machine.core.run(NEVER) == Hypercall(KERNEL_BASE + KERNEL_TEXT + len(READ))


def kernel_machine(code: Code | bytes) -> Bare:
    machine = Bare()
    machine.ram.write(KERNEL_TEXT, code.data if isinstance(code, Code) else code)
    machine.boot()
    machine.enter(KERNEL_BASE + KERNEL_TEXT, cpl=0)
    return machine


def test_push_and_call_fault_with_the_stack_pointer_unchanged() -> None:
    for code in (b"\xbc\x04\x00\x00\x0a\x50", b"\xbc\x04\x00\x00\x0a\xe8\x00\x00\x00\x00"):
        event = trap_of(code)
        assert (event.vector, event.error, event.cr2) == (14, PF_USER | PF_WRITE, DEMAND)
        assert (event.esp, event.eip) == (DEMAND + 4, TEXT + 5)


def test_the_faulting_instruction_is_executed_again() -> None:
    machine = started(WRITE.data + b"\xcd\x80", eax=0x1234_5678)
    assert machine.next_event().vector == 14
    machine.page(DEMAND)
    assert machine.next_event().vector == 0x80
    assert machine.word(DEMAND + 0x123 & ~3) >> 24 == 0x78


def test_one_page_fault_after_another_is_no_double_fault() -> None:
    """The emulator combines exceptions that were not seen to be delivered; each trap clears that."""
    store = b"\xa3\x00\x00\x00\x0a" + b"\xa3\x00\x10\x00\x0a" + b"\xa3\x00\x20\x00\x0a" + b"\xcd\x80"
    for way in (whole, stepped):
        machine = started(store)
        for n in range(3):
            while not machine.log or len(machine.log) == n:
                way(machine.core)
            assert (machine.events[-1].vector, machine.events[-1].cr2) == (14, DEMAND + 0x1000 * n)
            machine.page(DEMAND + 0x1000 * n)
        assert machine.next_event().vector == 0x80


def test_no_fault_is_left_pending_by_the_end_of_a_run() -> None:
    """An end address in no page would be looked up on the way out; there is none."""
    machine = started(b"\x90" * 64 + b"\xf7\xf1")
    for _ in range(40):
        machine.core.run(machine.core.ticks + 1)
        machine.core.step()
    event = machine.next_event()
    assert event.vector == 0
    assert machine.core.registers().cr2 == 0


def test_a_program_that_asks_for_vector_14_is_told_apart() -> None:
    event = trap_of(b"\xcd\x0e")
    assert (event.vector, event.error) == (13, 14 * 8 + 2)
    machine = started(b"\xcd\x0e")
    machine.gate(14, dpl=3)
    event = machine.next_event()
    assert (event.vector, event.source, event.error, event.cr2) == (14, 0, -1, 0)


def test_cr2_stays_until_the_next_page_fault() -> None:
    machine = started(READ.data + b"\xcc\xcd\x80")
    machine.next_event()
    machine.page(DEMAND)
    for vector in (3, 0x80):
        assert machine.next_event().vector == vector
        assert machine.core.registers().cr2 == DEMAND + 0x123


# Tables that change.


def test_a_new_mapping_is_seen_at_once_and_a_changed_one_after_a_flush() -> None:
    loop = b"\xa1\x00\x00\x00\x0a" + b"\xcc" + b"\xeb\xf8"
    machine = started(loop)
    first, second = machine.page(DEMAND), machine.new_frame()
    machine.ram.u32[first >> 2], machine.ram.u32[second >> 2] = 1, 2
    assert machine.next_event().eax == 1
    machine.map(DEMAND, second, READ_WRITE)
    assert machine.next_event().eax == 1
    machine.core.flush_tlb()
    assert machine.next_event().eax == 2
    machine.entry(DEMAND)[0] = 0
    machine.core.flush_tlb()
    assert machine.next_event().vector == 14
    machine.map(DEMAND, first, READ_WRITE)
    assert machine.next_event().eax == 1


def test_a_right_taken_away_holds_after_a_flush() -> None:
    machine = started(b"\xa3\x00\x00\x00\x0a" + b"\xcc" + b"\xeb\xf8")
    machine.page(DEMAND)
    assert machine.next_event().vector == 3
    machine.entry(DEMAND)[0] &= ~WRITABLE
    machine.core.flush_tlb()
    assert machine.next_event().error == PF_USER | PF_WRITE | PF_PRESENT


def test_accessed_and_dirty_are_set_by_the_processor() -> None:
    machine = started(READ.data + b"\xcc" + WRITE.data + b"\xcc")
    machine.page(DEMAND)
    assert not machine.entry(DEMAND)[0] & (ACCESSED | DIRTY)
    machine.next_event()
    assert machine.entry(DEMAND)[0] & (ACCESSED | DIRTY) == ACCESSED
    machine.next_event()
    assert machine.entry(DEMAND)[0] & (ACCESSED | DIRTY) == ACCESSED | DIRTY


def test_a_dirty_bit_taken_away_comes_back_only_after_a_flush() -> None:
    machine = started(b"\xa3\x00\x00\x00\x0a" + b"\xcc" + b"\xeb\xf8")
    machine.page(DEMAND)
    machine.next_event()
    machine.entry(DEMAND)[0] &= ~DIRTY
    machine.next_event()
    assert not machine.entry(DEMAND)[0] & DIRTY
    machine.core.flush_tlb()
    machine.next_event()
    assert machine.entry(DEMAND)[0] & DIRTY


def test_another_address_space() -> None:
    """`load_cr3` switches, and traps are taken in the new space from then on."""
    machine = started(b"\xa1\x00\x00\x05\x08" + b"\xcd\x80" + b"\xeb\xf7")
    machine.ram.u32[machine.pa(DATA) >> 2] = 1
    other = _copy_of_tables(machine)
    frame = machine.new_frame()
    machine.ram.u32[frame >> 2] = 2
    assert machine.next_event().eax == 1
    machine.map(DATA, frame, READ_WRITE)  # in the first space only, which is left before it is looked at
    machine.core.load_cr3(other)
    assert machine.core.cr3 == other
    assert machine.next_event().eax == 1
    assert machine.core.registers().cr3 == other
    machine.core.load_cr3(PDPT)
    assert machine.next_event().eax == 2
    assert machine.core.registers().cr3 == PDPT


def _copy_of_tables(machine: Bare) -> int:
    """A second PDPT whose user half is a copy down to the tables."""
    ram = machine.ram
    pdpt, directory, table = (machine.new_frame() for _ in range(3))
    ram.write(pdpt, ram.read(PDPT, 32))
    ram.write(directory, ram.read(PDPT + 0x1000, 0x1000))
    index = TEXT >> 21
    old = int(ram.u64[(directory >> 3) + index])
    ram.write(table, ram.read(old & 0xFFFF_F000, 0x1000))
    ram.u64[(directory >> 3) + index] = table | old & 0xFFF
    ram.u64[pdpt >> 3] = directory | PRESENT
    return pdpt


def test_the_stack_is_written_through_the_page_tables() -> None:
    """The frame's two halves lie in pages that are no neighbours in memory."""
    machine = started(b"\xcd\x80")
    low, high = machine.new_frame(), machine.new_frame() + 0x1000
    for va, pa in ((0xD000_0000, low), (0xD000_1000, high)):
        machine.map(va, pa, PRESENT | WRITABLE | NX | ACCESSED | DIRTY)
    machine.ram.u32[TSS + 4 >> 2] = 0xD000_1008
    event = machine.next_event()
    assert event.sp == 0xD000_1008 - 20
    assert machine.words(event.sp, 5) == [TEXT + 2, 0x73, 0x202, STACK + 0x1000, 0x7B]
    assert machine.ram.u32[high >> 2] == STACK + 0x1000
    machine.core.run(NEVER)
    assert machine.core.registers().cpl == 0


# Code that is not there. A processor gets as far as the missing page.


@pytest.mark.parametrize("length", [1, 5, 100, 600, 1200], ids=lambda n: f"{n} bytes before it")
@pytest.mark.parametrize("straddling", [False, True], ids=["at its start", "across its start"])
def test_a_fetch_fault_is_the_first_instruction_on_the_missing_page(length: int, straddling: bool) -> None:
    tail = b"\xb8\x78\x56\x34\x12" + b"\xcd\x80"
    start = TEXT + 0x1000 - length - (2 if straddling else 0)
    outcomes = []
    for way in (whole, stepped):
        machine = started(b"\x90" * 0x1000)
        second = machine.page(TEXT + 0x1000, READ_EXECUTE)
        machine.put(start, b"\x43" * length + tail)
        machine.entry(TEXT + 0x1000)[0] = 0
        machine.enter(start)
        way(machine.core)
        event = machine.events[-1]
        assert (event.vector, event.error) == (14, PF_USER | PF_FETCH)
        assert (event.eip, event.cr2) == (start + length, TEXT + 0x1000)
        assert machine.core.registers().ebx == length
        machine.map(TEXT + 0x1000, second, READ_EXECUTE)
        assert way(machine.core) == Hypercall(handler(14))
        way(machine.core)
        assert (machine.events[-1].vector, machine.events[-1].eax) == (0x80, 0x1234_5678)
        outcomes.append((machine.log, machine.core.ticks))
    assert outcomes[0] == outcomes[1]


def test_other_faults_before_a_missing_page_come_first() -> None:
    for way in (whole, stepped):
        machine = started(b"\x90" * 0x1000)
        machine.put(TEXT + 0xFF0, b"\x90" * 4 + READ.data + b"\x90" * 7)
        machine.enter(TEXT + 0xFF0)
        way(machine.core)
        assert (machine.events[-1].cr2, machine.events[-1].eip) == (DEMAND + 0x123, TEXT + 0xFF4)
        machine.page(DEMAND)
        way(machine.core)
        way(machine.core)
        assert (machine.events[-1].cr2, machine.events[-1].eip) == (TEXT + 0x1000, TEXT + 0x1000)


def test_translations_shared_with_a_space_that_has_the_page() -> None:
    """The block is known from when both pages were there; now the second is not."""
    machine = started(b"\x90" * 0x1000)
    machine.page(TEXT + 0x1000, READ_EXECUTE)
    machine.put(TEXT + 0xFF0, b"\x43" * 0x20 + b"\xcc" + b"\xeb\xdd")
    machine.enter(TEXT + 0xFF0)
    assert machine.next_event().vector == 3
    machine.entry(TEXT + 0x1000)[0] &= ~PRESENT
    machine.core.flush_tlb()
    event = machine.next_event()
    assert event.vector == 14
    assert (event.eip, event.cr2) == (TEXT + 0x1011, TEXT + 0x1011)
    frame = machine.pa(event.sp) >> 2
    machine.ram.u32[frame + 1] = TEXT + 0xFF0
    event = machine.next_event()
    assert (event.eip, event.cr2) == (TEXT + 0x1000, TEXT + 0x1000)
    assert machine.core.registers().ebx == 0x20 + 0x10


def test_faults_in_pages_that_are_written_and_executed() -> None:
    machine = started(b"\x90" * 0xFFE + b"\xa3\x00", READ_WRITE_EXECUTE)
    event = machine.next_event()
    assert (event.eip, event.cr2) == (TEXT + 0xFFE, TEXT + 0x1000)
    assert event.error & PF_FETCH
