"""Power on: the boot code runs for real, and leaves what a kernel needs."""

from __future__ import annotations

from cpu.bus import Bus
from cpu.core import NEVER, Core, Hypercall
from cpu.interrupts import Tables
from cpu.ram import Ram
from tests.cpu.machine import (
    BOOT,
    BOOT_CODE,
    BOOTED,
    CR0,
    CR4,
    EFER_NXE,
    GDT,
    IDT,
    KERNEL_BASE,
    KERNEL_CS,
    KERNEL_DS,
    PDPT,
    TSS,
    TSS_SELECTOR,
    USER_DS,
    Bare,
    handler,
)


def test_reset_is_ring_0_with_paging_off() -> None:
    core = Core(Ram(8 << 20), Bus())
    core.reset(BOOT)
    regs = core.registers()
    assert regs.cpl == 0
    assert regs.eip == BOOT
    assert not regs.cr0 >> 31
    assert regs.eflags & ~0x44 == 2  # Unicorn starts with ZF and PF set
    fpu = core.emulator.read_fpu()
    assert (fpu.fpcw, fpu.fptag, fpu.mxcsr) == (0x37F, 0xFFFF, 0x1F80)


def test_boot_code_loads_the_tables_and_turns_paging_on(bare: Bare) -> None:
    regs = bare.core.registers()
    assert (regs.cr0, regs.cr3, regs.cr4) == (CR0, PDPT, CR4)
    assert bare.core.emulator.read_msr(0xC000_0080) == EFER_NXE
    assert (regs.cs, regs.ss) == (KERNEL_CS, KERNEL_DS)
    assert (regs.ds, regs.es, regs.fs, regs.gs) == (USER_DS, USER_DS, 0, 0)
    state = bare.core.save()
    assert state.gdtr == (KERNEL_BASE + GDT, 0xFF)
    assert state.idtr == (KERNEL_BASE + IDT, 0x7FF)
    assert state.tr == TSS_SELECTOR


def test_latched_tables_are_physical(bare: Bare) -> None:
    tables = bare.core.tables
    assert tables is not None
    assert tables == Tables(GDT, 0xFF, IDT, 0x7FF, TSS)


def test_ltr_marks_the_tss_busy_in_memory(bare: Bare) -> None:
    assert bare.ram.u64[(GDT >> 3) + (TSS_SELECTOR >> 3)] >> 40 & 0xFF == 0x8B


def test_a_tick_is_a_byte_of_code(bare: Bare) -> None:
    assert bare.core.ticks == BOOT_CODE.at("to_user")
    assert bare.bus.tick == bare.core.ticks


def test_stepping_through_boot_reads_code_by_physical_address_until_paging_is_on() -> None:
    whole, stepping = Bare(), Bare()
    whole.core.reset(BOOT)
    assert whole.core.run(NEVER) == Hypercall(BOOTED)
    core = stepping.core
    core.reset(BOOT)
    trap = None
    texts = []
    while trap is None:
        one = core.instruction_at(core.eip)
        assert one is not None
        texts.append(one.mnemonic)
        trap = core.step()
    assert trap == Hypercall(BOOTED)
    assert texts[0] == "lgdt"
    assert texts[-1] == "hlt"
    assert core.ticks == whole.core.ticks
    assert core.registers() == whole.core.registers()


def test_nothing_is_published_without_a_trap(bare: Bare) -> None:
    assert bare.log == []
    assert bare.bus.seq == 0


def test_each_handler_stops_at_its_own_hypercall(bare: Bare) -> None:
    bare.program(b"\xcd\x80")
    bare.enter()
    bare.next_event()
    assert bare.core.run(NEVER) == Hypercall(handler(0x80))
