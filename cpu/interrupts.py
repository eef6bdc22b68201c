"""The way through the IDT (Intel SDM vol. 3, 6.12-6.13), which the emulator leaves out.

`enter` performs it on guest memory and returns the event that tells all of it; `microsteps` takes
such an event apart again for a reader. No emulator is touched here: the core loads the result.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import msgspec

from cpu import registers as r
from cpu.descriptors import GATE_INTERRUPT, GATE_TRAP, TSS_ESP0, TSS_SS0, Descriptor, Gate
from cpu.events import Source, TrapTaken
from cpu.paging import WRITABLE, translate, walk
from cpu.ram import Ram

DIVIDE_ERROR, DEBUG, NMI, BREAKPOINT, OVERFLOW, BOUND, INVALID_OPCODE, NO_COPROCESSOR = range(8)
DOUBLE_FAULT, _, INVALID_TSS, NOT_PRESENT, STACK_FAULT, PROTECTION, PAGE_FAULT = range(8, 15)
MATH_FAULT, ALIGNMENT, MACHINE_CHECK, SIMD_FAULT = range(16, 20)

HAS_ERROR_CODE = frozenset((8, 10, 11, 12, 13, 14, 17))

_FRAME5 = struct.Struct("<5I")
_FRAME6 = struct.Struct("<6I")
_FRAME3 = struct.Struct("<3I")
_FRAME4 = struct.Struct("<4I")


class DeliveryFault(Exception):
    """The way through the IDT itself faulted; `vector` and `error` are the new exception's."""

    def __init__(self, vector: int, error: int) -> None:
        super().__init__(f"vector {vector:#x}, error {error:#x}")
        self.vector = vector
        self.error = error


class Tables(msgspec.Struct):
    """Where GDT, IDT and TSS lie in physical memory, as latched from GDTR, IDTR and TR."""

    gdt: int
    gdt_limit: int
    idt: int
    idt_limit: int
    tss: int


def enter(
    ram: Ram, cr3: int, tables: Tables, regs: Sequence[int], vector: int, source: int, error: int, cr2: int
) -> tuple[TrapTaken, int, int]:
    """Go through gate `vector` with the interrupted `regs` (order of `registers.NAMES`).

    Returns the event, the handler's address and its EFLAGS. Raises DeliveryFault, having written
    nothing. `error` is -1 for vectors that push no error code.
    """
    external = 1 if source == Source.INTERRUPT else 0
    if vector * 8 + 7 > tables.idt_limit:
        raise DeliveryFault(PROTECTION, vector * 8 + 2 + external)
    word = ram.u64[(tables.idt >> 3) + vector]
    kind = word >> 40 & 0x1F
    if kind not in (GATE_INTERRUPT, GATE_TRAP):
        raise DeliveryFault(PROTECTION, vector * 8 + 2 + external)
    cpl = regs[r.CS] & 3
    if source == Source.SOFTWARE and word >> 45 & 3 < cpl:
        raise DeliveryFault(PROTECTION, vector * 8 + 2)
    if not word >> 47 & 1:
        raise DeliveryFault(NOT_PRESENT, vector * 8 + 2 + external)
    selector = word >> 16 & 0xFFFF
    target = _descriptor(ram, tables, selector, external)
    if not target.code or target.dpl > cpl:
        raise DeliveryFault(PROTECTION, (selector & 0xFFFC) + external)
    if not target.present:
        raise DeliveryFault(NOT_PRESENT, (selector & 0xFFFC) + external)

    eflags, cs, eip = regs[r.EFLAGS], regs[r.CS], regs[r.EIP]
    if target.dpl < cpl:
        ss0 = ram.u32[(tables.tss + TSS_SS0) >> 2]
        esp0 = ram.u32[(tables.tss + TSS_ESP0) >> 2]
        stack = _descriptor(ram, tables, ss0, external)
        if ss0 & 3 != target.dpl or stack.dpl != target.dpl or not stack.writable_data:
            raise DeliveryFault(INVALID_TSS, (ss0 & 0xFFFC) + external)
        if not stack.present:
            raise DeliveryFault(STACK_FAULT, (ss0 & 0xFFFC) + external)
        words = (eip, cs, eflags, regs[r.ESP], regs[r.SS])
        layout = _FRAME5 if error < 0 else _FRAME6
    else:
        ss0, esp0 = regs[r.SS], regs[r.ESP]
        words = (eip, cs, eflags)
        layout = _FRAME3 if error < 0 else _FRAME4
    sp = esp0 - layout.size & 0xFFFF_FFFF
    pa = _stack_page(ram, cr3, sp)
    if esp0 - 1 >> 12 != sp >> 12:
        _stack_page(ram, cr3, esp0 - 1 & 0xFFFF_FFFF)
        data = layout.pack(*words) if error < 0 else layout.pack(error, *words)
        split = 0x1000 - (sp & 0xFFF)
        ram.write(pa, data[:split])
        ram.write(_stack_page(ram, cr3, sp + split & 0xFFFF_FFFF), data[split:])
    elif error < 0:
        layout.pack_into(ram.u8, pa, *words)
    else:
        layout.pack_into(ram.u8, pa, error, *words)

    cleared = r.TF | r.NT | r.RF | r.VM | (r.IF if kind == GATE_INTERRUPT else 0)
    event = TrapTaken(
        vector,
        source,
        word,
        cpl,
        ss0,
        esp0,
        sp,
        regs[r.SS],
        regs[r.ESP],
        eflags,
        cs,
        eip,
        error,
        cr2,
        regs[r.EAX],
    )
    return event, (word & 0xFFFF) | (word >> 32 & 0xFFFF_0000), eflags & ~cleared | 2


_descriptors: dict[int, Descriptor] = {}


def _descriptor(ram: Ram, tables: Tables, selector: int, external: int) -> Descriptor:
    """The GDT's entry for `selector`, read from guest memory now (the decoding is remembered)."""
    index = selector >> 3
    if not index or selector & 4 or index * 8 + 7 > tables.gdt_limit:
        raise DeliveryFault(PROTECTION, (selector & 0xFFFC) + external)
    word = ram.u64[(tables.gdt >> 3) + index]
    known = _descriptors.get(word)
    if known is None:
        if len(_descriptors) > 256:
            _descriptors.clear()
        known = _descriptors[word] = Descriptor.unpack(word)
    return known


def _stack_page(ram: Ram, cr3: int, va: int) -> int:
    pa = translate(ram, cr3, va)
    if pa < 0 or pa >= ram.size - 3:
        raise DeliveryFault(PAGE_FAULT, 2)
    if not walk(ram, cr3, va)[-1].word & WRITABLE:
        raise DeliveryFault(PAGE_FAULT, 3)
    return pa


class Microstep(msgspec.Struct, frozen=True):
    """One thing that the hardware did on the way in: what it is called and the values it met."""

    name: str
    detail: str


def microsteps(trap: TrapTaken) -> tuple[Microstep, ...]:
    """The steps of one trap in order, each with the values from the event alone."""
    gate = Gate.unpack(trap.gate)
    vector = f"{trap.vector:#04x}"
    steps = []
    if trap.source == Source.SOFTWARE:
        opcode = {3: "int3", 4: "into"}.get(trap.vector, f"int ${vector}")
        steps.append(Microstep(opcode, f"vector {vector}, asked for by the program"))
    elif trap.source == Source.EXCEPTION:
        detail = f"vector {vector}" + (f", error code {trap.error:#x}" if trap.error >= 0 else "")
        if trap.vector == PAGE_FAULT:
            detail += f", cr2 {trap.cr2:08x}"
        steps.append(Microstep("exception", detail))
    else:
        steps.append(Microstep("interrupt", f"vector {vector}, between two instructions"))
    kind = "interrupt gate: IF off" if gate.interrupt else "trap gate: IF kept"
    steps.append(
        Microstep(f"gate idt[{vector}]", f"{gate.selector:02x}:{gate.offset:08x} dpl {gate.dpl}, {kind}")
    )
    if trap.source == Source.SOFTWARE:
        steps.append(Microstep(f"cpl {trap.cpl} ≤ dpl {gate.dpl}", "the program may ask for it"))
    else:
        steps.append(Microstep("dpl not checked", "only int n is checked against it"))
    changed = trap.cpl != gate.selector & 3
    if changed:
        steps.append(Microstep("tss ss0:esp0", f"{trap.ss0:02x}:{trap.esp0:08x}, the kernel's stack"))
        pushed = "push ss esp eflags cs eip"
    else:
        steps.append(Microstep("same ring", f"stays on the stack at {trap.esp:08x}"))
        pushed = "push eflags cs eip"
    if trap.error >= 0:
        pushed += " error"
    steps.append(Microstep(pushed, f"{trap.esp0:08x} → {trap.sp:08x}"))
    steps.append(Microstep("cs:eip from the gate", f"{gate.selector:02x}:{gate.offset:08x}, ring 0"))
    return tuple(steps)


def pushed_words(trap: TrapTaken) -> tuple[tuple[str, int], ...]:
    """The words the trap pushed, first pushed first, by name."""
    words = []
    if trap.sp != trap.esp - (12 if trap.error < 0 else 16) & 0xFFFF_FFFF or trap.cpl:
        words += [("ss", trap.ss), ("esp", trap.esp)]
    words += [("eflags", trap.eflags), ("cs", trap.cs), ("eip", trap.eip)]
    if trap.error >= 0:
        words.append(("error", trap.error))
    return tuple(words)
