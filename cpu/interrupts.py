"""The way through the IDT (Intel SDM vol. 3, 6.12-6.13), which the emulator leaves out.

`enter` performs it on guest memory and returns the event that tells all of it; `microsteps` takes
such an event apart again for a reader. No emulator is touched here: the core loads the result.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from cpu import registers as r
from cpu.descriptors import GATE_INTERRUPT, GATE_TRAP, TSS_ESP0, TSS_SS0, Descriptor, Gate
from cpu.events import Entry, Source, SysenterTaken, TrapTaken
from cpu.paging import FRAME_MASK, LARGE, PF_PRESENT, PF_WRITE, PRESENT, WRITABLE
from cpu.ram import Ram

DIVIDE_ERROR, DEBUG, NMI, BREAKPOINT, OVERFLOW, BOUND, INVALID_OPCODE, NO_COPROCESSOR = range(8)
DOUBLE_FAULT, _, INVALID_TSS, NOT_PRESENT, STACK_FAULT, PROTECTION, PAGE_FAULT = range(8, 15)
MATH_FAULT, ALIGNMENT, MACHINE_CHECK, SIMD_FAULT = range(16, 20)

HAS_ERROR_CODE = frozenset((8, 10, 11, 12, 13, 14, 17))
_CONTRIBUTORY = frozenset((DIVIDE_ERROR, INVALID_TSS, NOT_PRESENT, STACK_FAULT, PROTECTION))

LARGE_WRITABLE = PRESENT | WRITABLE | LARGE

_FRAME5 = struct.Struct("<5I")
_FRAME6 = struct.Struct("<6I")
_FRAME3 = struct.Struct("<3I")
_FRAME4 = struct.Struct("<4I")


class DeliveryFault(Exception):
    """The way through the IDT itself faulted; `vector`, `error` and `cr2` are the new exception's."""

    def __init__(self, vector: int, error: int, cr2: int = 0) -> None:
        super().__init__(f"vector {vector:#x}, error {error:#x}")
        self.vector = vector
        self.error = error
        self.cr2 = cr2


def combine(vector: int, source: int, fault: int) -> int:
    """What is raised when delivering `vector` met exception `fault`: it, or 8, or -1 for a triple fault.

    Intel SDM vol. 3, table 6-5.
    """
    if source != Source.EXCEPTION:
        return fault
    if vector == DOUBLE_FAULT:
        return -1
    if (vector in _CONTRIBUTORY or vector == PAGE_FAULT) and fault in _CONTRIBUTORY:
        return DOUBLE_FAULT
    return DOUBLE_FAULT if vector == fault == PAGE_FAULT else fault


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
    if vector * 8 + 7 > tables.idt_limit:
        raise DeliveryFault(PROTECTION, vector * 8 + 2 + (source != Source.SOFTWARE))
    word = ram.u64[(tables.idt >> 3) + vector]
    kind, dpl, present, selector, entry = _gates.get(word) or _gate(word)
    external = 0 if source == Source.SOFTWARE else 1
    if not kind:
        raise DeliveryFault(PROTECTION, vector * 8 + 2 + external)
    cpl = regs[r.CS] & 3
    if source == Source.SOFTWARE and dpl < cpl:
        raise DeliveryFault(PROTECTION, vector * 8 + 2)
    if not present:
        raise DeliveryFault(NOT_PRESENT, vector * 8 + 2 + external)
    target = _descriptor(ram, tables, selector, external)
    if not target.is_code or target.dpl > cpl:
        raise DeliveryFault(PROTECTION, (selector & 0xFFFC) + external)
    if not target.is_present:
        raise DeliveryFault(NOT_PRESENT, (selector & 0xFFFC) + external)

    eflags, cs, eip = regs[r.EFLAGS], regs[r.CS], regs[r.EIP]
    ss, esp = regs[r.SS], regs[r.ESP]
    if target.dpl < cpl:
        ss0 = ram.u32[(tables.tss + TSS_SS0) >> 2]
        esp0 = ram.u32[(tables.tss + TSS_ESP0) >> 2]
        stack = _descriptor(ram, tables, ss0, external)
        if ss0 & 3 != target.dpl or stack.dpl != target.dpl or not stack.is_stack:
            raise DeliveryFault(INVALID_TSS, (ss0 & 0xFFFC) + external)
        if not stack.is_present:
            raise DeliveryFault(STACK_FAULT, (ss0 & 0xFFFC) + external)
        words = (eip, cs, eflags, esp, ss)
        data = _FRAME5.pack(*words) if error < 0 else _FRAME6.pack(error, *words)
    else:
        ss0, esp0 = ss, esp
        data = _FRAME3.pack(eip, cs, eflags) if error < 0 else _FRAME4.pack(error, eip, cs, eflags)
    sp = esp0 - len(data) & 0xFFFF_FFFF
    pa = _stack_page(ram, cr3, sp)
    if (esp0 - 1 ^ sp) & 0xFFFF_F000:
        split = 0x1000 - (sp & 0xFFF)
        second = _stack_page(ram, cr3, sp + split & 0xFFFF_FFFF)
        ram.u8[pa : pa + split] = data[:split]
        ram.u8[second : second + len(data) - split] = data[split:]
    else:
        ram.u8[pa : pa + len(data)] = data

    cleared = _CLEARED | r.IF if kind == GATE_INTERRUPT else _CLEARED
    event = TrapTaken(
        vector,
        source,
        word,
        cpl,
        ss0,
        esp0,
        sp,
        ss,
        esp,
        eflags,
        cs,
        eip,
        error,
        cr2,
        regs[r.EAX],
    )
    return event, entry, eflags & ~cleared | 2


_CLEARED = r.TF | r.NT | r.RF | r.VM


class _Checked(NamedTuple):
    """What delivery asks of a segment descriptor."""

    dpl: int
    is_present: bool
    is_code: bool
    is_stack: bool


# Decoded words of memory, by the word: gates and descriptors are read anew at every trap, but not
# taken apart anew.
_gates: dict[int, tuple[int, int, int, int, int]] = {}
_descriptors: dict[int, _Checked] = {}
_REMEMBERED = 1024


def _gate(word: int) -> tuple[int, int, int, int, int]:
    """Type (0 unless interrupt or trap gate), DPL, present, selector, offset."""
    if len(_gates) >= _REMEMBERED:
        _gates.clear()
    gate = Gate.unpack(word)
    kind = gate.type if gate.type in (GATE_INTERRUPT, GATE_TRAP) else 0
    _gates[word] = found = (kind, gate.dpl, int(gate.present), gate.selector, gate.offset)
    return found


def _descriptor(ram: Ram, tables: Tables, selector: int, external: int) -> _Checked:
    """The GDT's entry for `selector`, read from guest memory now (the decoding is remembered)."""
    index = selector >> 3
    if not index or selector & 4 or index * 8 + 7 > tables.gdt_limit:
        raise DeliveryFault(PROTECTION, (selector & 0xFFFC) + external)
    word = ram.u64[(tables.gdt >> 3) + index]
    known = _descriptors.get(word)
    if known is None:
        if len(_descriptors) >= _REMEMBERED:
            _descriptors.clear()
        one = Descriptor.unpack(word)
        known = _descriptors[word] = _Checked(one.dpl, one.present, one.code, one.writable_data)
    return known


def _stack_page(ram: Ram, cr3: int, va: int) -> int:
    """The physical address behind `va` for a supervisor's push."""
    u64 = ram.u64
    pdpte = u64[(cr3 >> 3) + (va >> 30)]
    pde = u64[((pdpte & FRAME_MASK) >> 3) + (va >> 21 & 511)] if pdpte & PRESENT else 0
    if pde & LARGE_WRITABLE == LARGE_WRITABLE:
        pa = (pde & FRAME_MASK & ~0x1F_FFFF) | (va & 0x1F_FFFF)
    else:
        pte = u64[((pde & FRAME_MASK) >> 3) + (va >> 12 & 511)] if pde & PRESENT and not pde & LARGE else pde
        if not pte & PRESENT:
            raise DeliveryFault(PAGE_FAULT, PF_WRITE, va)
        if not pte & pde & WRITABLE:
            raise DeliveryFault(PAGE_FAULT, PF_WRITE | PF_PRESENT, va)
        pa = (pte & FRAME_MASK) | (va & 0xFFF)
    if pa + 4 > ram.size:
        raise DeliveryFault(PAGE_FAULT, PF_WRITE, va)
    return pa


class Microstep(msgspec.Struct, frozen=True):
    """One thing that the hardware did on the way in: what it is called and the values it met."""

    name: str
    detail: str


def microsteps(trap: Entry) -> tuple[Microstep, ...]:
    """The steps of one trap in order, each with the values from the event alone."""
    if isinstance(trap, SysenterTaken):
        return _sysenter_steps(trap)
    gate = Gate.unpack(trap.gate)
    vector = f"{trap.vector:#04x}"
    steps = []
    if trap.source == Source.SOFTWARE:
        opcode = {3: "int3", 4: "into"}.get(trap.vector, f"int ${vector}")
        steps.append(Microstep(opcode, f"vector {vector}, by the program"))
    elif trap.source == Source.EXCEPTION:
        detail = f"error code {trap.error:#x}" if trap.error >= 0 else f"vector {vector}"
        if trap.vector == PAGE_FAULT:
            detail += f", cr2 {trap.cr2:08x}"
        steps.append(Microstep("exception", detail))
    else:
        steps.append(Microstep("interrupt", f"vector {vector}, between instructions"))
    kind = "interrupt, IF 0" if gate.interrupt else "trap, IF kept"
    steps.append(
        Microstep(f"gate idt[{vector}]", f"{gate.selector:02x}:{gate.offset:08x} dpl {gate.dpl} {kind}")
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


def _sysenter_steps(trap: SysenterTaken) -> tuple[Microstep, ...]:
    return (
        Microstep("sysenter", "no vector, no gate, no dpl"),
        Microstep(
            "cs ss from msr 174",
            f"{trap.msr_cs:02x}, and {trap.ss0:02x} = cs + 8",
        ),
        Microstep("esp from msr 175", f"{trap.msr_esp:08x}; esp {trap.esp:08x} is not kept"),
        Microstep("eip from msr 176", f"{trap.msr_eip:08x}, ring 0, IF off, no push"),
    )


def pushed_words(trap: Entry) -> tuple[tuple[str, int], ...]:
    """The words the trap pushed, first pushed first, by name."""
    words: list[tuple[str, int]] = []
    if isinstance(trap, SysenterTaken):
        return ()
    if trap.cpl:
        words += [("ss", trap.ss), ("esp", trap.esp)]
    words += [("eflags", trap.eflags), ("cs", trap.cs), ("eip", trap.eip)]
    if trap.error >= 0:
        words.append(("error", trap.error))
    return tuple(words)
