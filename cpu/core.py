"""The processor: runs until something ends the slice, and says what it was.

The emulator executes; the core takes traps through the IDT, counts ticks, and lets interrupts in
at canonical boundaries only: after a control transfer, a trap, a hypercall or one turn of a `rep`.
Those places do not depend on how a run was cut into slices, so neither do the events. What a trap
means is the kernel's business.
"""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Callable, Collection, Iterable

import msgspec

from cpu import registers as r
from cpu.bus import Bus
from cpu.clock import (
    AT_LEAST,
    AT_MOST,
    INSIDE,
    LAST_ADDRESS,
    LAST_SIZE,
    MODE,
    REFUSED,
    REMAINING,
    STOPPED,
    SYSENTER,
    VECTOR,
)
from cpu.descriptors import Descriptor
from cpu.disasm import Instruction, decode, disassemble, ends_in_transfer
from cpu.emulator import ERR_INSN_INVALID, ERR_OK, MSR_SYSENTER, Context, Emulator, layout
from cpu.events import Source, SysenterTaken
from cpu.interrupts import (
    BREAKPOINT,
    DEBUG,
    DOUBLE_FAULT,
    HAS_ERROR_CODE,
    INVALID_OPCODE,
    OVERFLOW,
    PAGE_FAULT,
    PROTECTION,
    DeliveryFault,
    Tables,
    combine,
    enter,
)
from cpu.paging import PF_FETCH, read_linear, translate
from cpu.ram import Ram
from cpu.registers import GENERAL, NAMES, FpuState, Registers

NEVER = 1 << 62
_STRING_IO = (b"\x6c", b"\x6d", b"\x6e", b"\x6f")
"""ins and outs."""
_SHIFTS = b"\xc0\xc1\xd0\xd1\xd2\xd3"
_CLEAN = memoryview(array("q", (0, -1, 0)))
"""The cells from STOPPED on before a run: STOPPED, VECTOR, REFUSED."""
MOST_IN_BLOCK = 4096
"""More bytes than the emulator ever puts into one block."""


class Interrupted(msgspec.Struct, frozen=True):
    """A device's interrupt was taken; the machine is at its entry."""

    vector: int


class Trapped(msgspec.Struct, frozen=True):
    """An exception or a software interrupt was taken; the machine is at its entry."""

    vector: int


class Entered(msgspec.Struct, frozen=True):
    """`sysenter` was executed; the machine is at its target."""


class Hypercall(msgspec.Struct, frozen=True):
    """`hlt` in ring 0: the kernel's Python is asked for. `address` is the `hlt`'s."""

    address: int


class BudgetSpent(msgspec.Struct, frozen=True):
    """The limit was reached first."""


Trap = Interrupted | Trapped | Entered | Hypercall | BudgetSpent
BUDGET_SPENT = BudgetSpent()
ENTERED = Entered()


class CoreError(Exception):
    """The processor cannot go on: a triple fault, or an access outside of physical memory."""


class CpuState(msgspec.Struct, array_like=True):
    """Everything of the processor that a checkpoint needs beside RAM."""

    registers: Registers
    fpu: FpuState
    gdtr: tuple[int, int]
    idtr: tuple[int, int]
    tr: int
    ldtr: int
    efer: int
    ticks: int
    boundary: bool
    irq_at: int
    irq_vector: int
    sysenter: tuple[int, int, int] = (0, 0, 0)


class Core:
    """One processor over `ram`; publishes on `bus`.

    `ticks` is the machine's clock. `interrupt_at(tick, vector)` raises the one interrupt line at
    that tick; it is taken at the first canonical boundary from then on where IF is set. With `exact`, in
    ring 3 it is taken before the first instruction that starts then: as exact, but it has to be stepped to.
    """

    def __init__(self, ram: Ram, bus: Bus, native_clock: bool | None = None) -> None:
        self.ram = ram
        self.bus = bus
        self.emulator = Emulator(ram, native_clock)
        self.ticks = 0
        self.eip = 0
        self.boundary = True
        self.irq_at = NEVER
        self.irq_vector = 0
        self.exact = False
        """Interrupts of ring 3 are taken between any two instructions, not at canonical boundaries only.

        Behind `mov ss`, too, where a processor takes none.
        """
        self.cr3 = 0
        self.cr2 = 0
        self.tables: Tables | None = None
        self._watched: frozenset[int] = frozenset()
        self._seen: Callable[[int, int], None] | None = None
        """Who is told of watched addresses, while instructions run."""
        self._seen_failed: BaseException | None = None
        self._watch_next: set[int] = set()
        self._stop_at = -1
        self.sysenter = (0, 0, 0)
        """CS, ESP and EIP that `sysenter` loads, as latched from its registers."""
        self._cells = self.emulator.clock.cells
        self._layout = layout()
        self._template = Context(self.emulator)
        self._now = Context(self.emulator)
        self._power_on = Context(self.emulator)
        self._power_on.save()
        cause = (ctypes.c_uint32 * 2).from_address(self._now.address + self._layout.error)
        self._cause = memoryview(cause).cast("B").cast("I")
        self._operation = ctypes.c_uint32.from_address(self._now.address + self._layout.operation)
        self._pending = ctypes.c_int32.from_address(self._now.address + self._layout.pending)
        self._template_fpu = self._template.view(self._layout.fpu_start, self._layout.fpu_end)
        self._now_fpu = self._now.view(self._layout.fpu_start, self._layout.fpu_end)
        bank = self.emulator.bank
        self._load = self.emulator.new_bank(
            ("cr2", *GENERAL[:8], "eflags", "ds", "es", "fs", "gs"), over=bank
        )
        """All but CR2 in the emulator's `bank`, as that was read."""
        self._load_general = self.emulator.new_bank((*GENERAL[:8], "eflags", "cr2"))
        self._eip_bank = self.emulator.new_bank(("eip",))
        self._eip = self._eip_bank.values
        self._flags_bank = self.emulator.new_bank(("eflags",))
        self._cs_bank = self.emulator.new_bank(("cs",))
        self._result_bank = self.emulator.new_bank(("eax", "edx"))

    # Running.

    def reset(self, entry: int) -> None:
        """Power on: ring 0, flat segments, paging off, at physical address `entry`."""
        self.eip = entry
        self.emulator.write_fpu(FpuState(0x37F, 0, 0xFFFF, 0x1F80, ((0, 0),) * 8, (bytes(16),) * 8))
        self._power_on.save()

    def interrupt_at(self, tick: int, vector: int) -> None:
        self.irq_at = tick
        self.irq_vector = vector

    def interrupts_enabled(self) -> bool:
        return bool(self._flags_bank.read()[0] & r.IF)

    def _interruptible(self) -> bool:
        """Whether an interrupt that is due is taken now."""
        if not self.boundary and not (self.exact and self._in_ring_3()):
            return False
        return self.interrupts_enabled()

    def _in_ring_3(self) -> bool:
        return self._cs_bank.read()[0] & 3 == 3

    def run(self, limit: int) -> Trap:
        """Run until a trap, a hypercall, or the first block that starts at tick `limit` or later."""
        cells = self._cells
        while True:
            stop_at = limit if limit < self.irq_at else self.irq_at
            if self.ticks >= stop_at:
                if self.ticks >= self.irq_at and self._interruptible():
                    return self._interrupt()
                if self.ticks >= limit:
                    return BUDGET_SPENT
                stop_at = self.ticks + 1
            elif self.exact and self.irq_at <= limit + MOST_IN_BLOCK:
                trap = self._up_to(stop_at)
                if trap is not None:
                    return trap
                continue
            cells[MODE] = AT_LEAST
            trap = self._slice(stop_at)
            if trap is not None:
                return trap

    def _up_to(self, stop_at: int) -> Trap | None:
        """Run to `stop_at`, which is ahead: in ring 3 to the first instruction that starts there or later."""
        cells = self._cells
        cells[MODE] = AT_MOST
        trap = self._slice(stop_at)
        while trap is None and self.ticks < stop_at:
            if self._in_ring_3():
                trap = self.step()
            else:
                cells[MODE] = AT_LEAST
                return self._slice(self.ticks + 1)
        return trap

    def run_to(self, tick: int) -> Trap:
        """As `run`, but stops exactly at `tick` (or before it at a trap), stepping the last block."""
        cells = self._cells
        while self.ticks < tick:
            stop_at = tick if tick < self.irq_at else self.irq_at
            if self.ticks < stop_at:
                cells[MODE] = AT_MOST
                trap = self._slice(stop_at)
                if trap is not None:
                    return trap
            while self.ticks < tick:
                before = self.ticks
                trap = self.step()
                if trap is not None:
                    return trap
                if tick - before > MOST_IN_BLOCK and self.irq_at - self.ticks > MOST_IN_BLOCK:
                    break
        return BUDGET_SPENT

    def step(self) -> Trap | None:
        """One instruction (one turn, for `rep`), or one interrupt that is due; None if no trap."""
        if self.ticks >= self.irq_at and self._interruptible():
            return self._interrupt()
        if self.eip in self._watched and self._seen is not None:
            self._seen(self.eip, self.ticks)
        instruction = self.instruction_at(self.eip)
        cells = self._cells
        cells[MODE] = AT_LEAST
        cells[REMAINING] = NEVER
        cells[STOPPED] = cells[REFUSED] = cells[LAST_SIZE] = 0
        cells[VECTOR] = -1
        pc = self.eip
        count = self.emulator.bank.read()[r.ECX] if instruction is not None and instruction.repeats else 0
        error = self.emulator.step(pc)
        eip = int(self._eip_bank.read()[0])
        if cells[VECTOR] == PAGE_FAULT and self._end_of_present(eip):
            if eip == pc and instruction is not None:
                self._forget_fault(pc, pc + instruction.size)
                error = self.emulator.step(pc)
                self.emulator.stop_before(None)
                eip = int(self._eip_bank.read()[0])
            else:
                self._forget_fault(eip)
                cells[VECTOR] = -1
        stopped = error == ERR_OK and cells[VECTOR] < 0 and not cells[REFUSED]
        if stopped and eip == pc and self._made_no_progress(instruction, count):
            # It overwrote its own block and was abandoned: the second try executes it.
            error = self.emulator.step(pc, 2)
            stopped = error == ERR_OK and cells[VECTOR] < 0
            eip = int(self._eip_bank.read()[0])
        size = instruction.size if instruction is not None else eip - pc & 0xF
        self.eip = eip
        if cells[STOPPED] == SYSENTER:
            self.ticks += size
            return self._sysenter()
        if not stopped:
            if error not in (ERR_OK, ERR_INSN_INVALID):
                raise CoreError(f"the emulator stopped with error {error} at {pc:08x}")
            if error == ERR_OK and not cells[REFUSED] and (eip != pc or cells[VECTOR] == DEBUG):
                self.ticks += size  # completed: `int n`, or TF, or the next fetch faulted
            return self._trap(error, self.emulator.bank.read())
        self.ticks += size
        self.boundary = instruction is not None and instruction.transfers
        self.bus.tick = self.ticks
        if instruction is not None and instruction.mnemonic == "hlt":
            self.boundary = True
            return Hypercall(pc)
        return None

    def watch(self, addresses: frozenset[int], seen: Callable[[int, int], None] | None) -> None:
        """Call `seen(address, tick)` when one of these instructions is about to run. Nothing else changes."""
        self._seen = seen
        if addresses != self._watched:
            self._watched = addresses
            self.emulator.watch(sorted(addresses), self._on_watched)

    def watch_too(self, addresses: Iterable[int]) -> None:
        """Watch these besides, from the next block on: `seen` itself may ask for it."""
        more = {one for one in addresses if one not in self._watched}
        if more:
            self._watch_next |= more
            self._cut()

    def _cut(self) -> None:
        """If a slice runs, it ends behind this block."""
        if self._stop_at >= 0:
            self._stop_at -= self._cells[REMAINING]
            self._cells[REMAINING] = 0

    def _on_watched(self, address: int) -> None:
        """The block that the address lies in has been charged as a whole."""
        if self._stop_at >= 0 and self._seen is not None and self._seen_failed is None:
            try:
                self._seen(address, self.tick_of(address))
            except BaseException as error:
                self.fail(error)

    def tick_of(self, address: int) -> int:
        """For who watches: when the instruction at `address` of the block that runs now is run."""
        cells = self._cells
        if self._stop_at < 0:
            return self.ticks
        return self._stop_at - cells[REMAINING] - cells[LAST_SIZE] + address - cells[LAST_ADDRESS]

    def fail(self, error: BaseException) -> None:
        """For who watches, and was called by the emulator, which would lose it: raised behind this block."""
        if self._seen_failed is None:
            self._seen_failed = error
            self._cut()

    def _made_no_progress(self, instruction: Instruction | None, count: int) -> bool:
        """Whether this instruction, which the step did not leave, was not executed; `count` was ECX."""
        if instruction is None:
            return False
        if instruction.repeats:
            return self.emulator.bank.read()[r.ECX] == count
        return not instruction.transfers

    def _slice(self, stop_at: int, end: int = -1) -> Trap | None:
        """Run until the clock reaches `stop_at`, or up to address `end`; None if no trap ended it."""
        if self._watch_next:
            more, self._watch_next = sorted(self._watch_next), set()
            self._watched = self._watched.union(more)
            self.emulator.watch(more, self._on_watched, also=True)
        cells = self._cells
        cells[REMAINING] = stop_at - self.ticks
        cells[LAST_SIZE] = 0
        cells[STOPPED:] = _CLEAN
        pc = self.eip
        self._stop_at = stop_at
        error = self.emulator.start(pc)
        stop_at, self._stop_at = self._stop_at, -1
        if self._seen_failed is not None:
            failed, self._seen_failed = self._seen_failed, None
            raise failed
        self.ticks = stop_at - cells[REMAINING]
        stopped = cells[STOPPED]
        if stopped == SYSENTER:  # with TF set, there is a vector too
            return self._sysenter()
        vector = cells[VECTOR]
        if error == ERR_OK and vector < 0 and not cells[REFUSED]:
            self.bus.tick = self.ticks
            if not stopped:
                self.eip = eip = cells[LAST_ADDRESS] + cells[LAST_SIZE]
                if eip == end:
                    self.boundary = False
                    return None
                self.boundary = True
                return Hypercall(eip - 1)
            self._eip_bank.fetch()
            self.eip = self._eip[0]
            if stopped == INSIDE:
                self._abandoned_or_left()
            elif cells[LAST_SIZE]:
                self.boundary = self._ended_in_transfer()
            return None
        if error not in (ERR_OK, ERR_INSN_INVALID):
            raise CoreError(f"the emulator stopped with error {error} near {pc:08x}")
        regs = self.emulator.bank.read()
        self.eip = regs[r.EIP]
        size = cells[LAST_SIZE]
        tail = cells[LAST_ADDRESS] + size - self.eip
        if 0 < tail <= size and vector != DEBUG:  # the tail of the block was not run
            self.ticks -= tail
        if vector == PAGE_FAULT and end < 0 and (end := self._end_of_present(self.eip)):
            self._forget_fault(self.eip, end)
            if size:
                self.boundary = self._ended_in_transfer()
            trap = self._slice(stop_at, end)
            self.emulator.stop_before(None)
            return trap
        return self._trap(error, regs)

    def _ended_in_transfer(self) -> bool:
        """Whether the block that just ran ended in a control transfer (and not at a limit of its size)."""
        start = self._cells[LAST_ADDRESS]
        size = self._cells[LAST_SIZE]
        if self.eip < start or self.eip > start + size:
            return True
        data = self.read(start, size)
        return data is not None and ends_in_transfer(data)

    def _abandoned_or_left(self) -> None:
        """The last block was not run to its end, as it overwrote itself; or it jumped into itself.

        Abandoned blocks go on at one of their instructions. A jump there would run to the same end.
        """
        start = self._cells[LAST_ADDRESS]
        size = self._cells[LAST_SIZE]
        data = self.read(start, size) or b""
        self.boundary = all(one.address != self.eip for one in disassemble(data, start))
        if not self.boundary:
            self.ticks -= start + size - self.eip
            self.bus.tick = self.ticks

    # The emulator translates a block as a whole, and a fault of that arrives before anything of it
    # has run. A processor executes the instructions in front of the missing page first.

    def _end_of_present(self, eip: int) -> int:
        """After a page fault: the first instruction that lies on the missing page, 0 if `eip` does."""
        page = self.emulator.read_cr2()
        if page & 0xFFF or not eip < page <= eip + MOST_IN_BLOCK:
            return 0
        self._now.save()
        if self._cause[1] or not self._cause[0] & PF_FETCH:
            return 0
        at = eip
        while at < page:
            one = self.instruction_at(at)
            if one is None or at + one.size > page:
                break
            at += one.size
        return at if at > eip else 0

    def _forget_fault(self, eip: int, end: int | None = None) -> None:
        """The fault just raised never was; go on at `eip`, and up to `end` only."""
        emulator = self.emulator
        self._now.save()
        self._pending.value = -1
        self._now.restore()
        emulator.write_cr2(self.cr2)
        emulator.forget_code(eip)
        emulator.stop_before(end)
        self._cells[VECTOR] = -1

    # Traps.

    def _trap(self, error: int, regs: memoryview) -> Trap:
        """An instruction could not be completed, or asked for a vector."""
        emulator = self.emulator
        cells = self._cells
        self.bus.tick = self.ticks
        self._now.save()
        source, code, cr2 = Source.EXCEPTION, -1, 0
        if cells[REFUSED]:
            vector = cells[REFUSED]
            if vector in HAS_ERROR_CODE:
                code = 0
        elif error == ERR_INSN_INVALID:
            vector = INVALID_OPCODE
            if self._opcode(regs[r.EIP]).startswith(b"\xcd\x06"):
                # The emulator takes `int 6` for the exception.
                source = Source.SOFTWARE
                regs[r.EIP] += 2
                self.ticks += 2
        else:
            vector = cells[VECTOR]
            if self._cause[1] or vector in (BREAKPOINT, OVERFLOW):
                source = Source.SOFTWARE
            elif vector in HAS_ERROR_CODE:
                code = self._cause[0]
                if vector == PAGE_FAULT:
                    cr2 = emulator.read_cr2()
                    opcode = self._opcode(regs[r.EIP])
                    if opcode[:1] in _STRING_IO and regs[r.CS] & 3:  # the ports are looked at first
                        vector, code, cr2 = PROTECTION, 0, 0
                    elif len(opcode) > 1 and opcode[0] in _SHIFTS and opcode[1] & 0x30 == 0x10:
                        # rcl, rcr: the emulator had worked the flags out already when the access faulted, but
                        # takes them for the operands of the operation before.
                        self._operation.value = 1
                        self._now.restore()
                        regs = emulator.bank.read()
        return Trapped(self._deliver(regs, vector, source, code, cr2))

    def _sysenter(self) -> Trap:
        """The short way into ring 0; nothing is pushed. Intel SDM vol. 2B, SYSENTER.

        With TF set a processor traps before the first instruction there, the emulator behind it.
        """
        emulator = self.emulator
        self.bus.tick = self.ticks
        self._now.save()
        regs = emulator.bank.read()
        cs, esp, eip = self.sysenter
        if not cs & 0xFFFC or regs[r.EFLAGS] & r.VM:
            regs[r.EIP] = regs[r.EIP] - 2 & 0xFFFF_FFFF
            self.ticks -= 2
            self.bus.tick = self.ticks
            return Trapped(self._deliver(regs, PROTECTION, Source.EXCEPTION, 0, 0))
        flags = regs[r.EFLAGS]
        event = SysenterTaken(
            cs, esp, eip, regs[r.CS] & 3, regs[r.SS], regs[r.ESP], flags, regs[r.CS], regs[r.EIP], regs[r.EAX]
        )
        self._enter_ring_0(regs, esp, flags & ~(r.IF | r.RF), eip)
        self.bus.publish(event)
        return ENTERED

    def _interrupt(self) -> Trap:
        vector = self.irq_vector
        self.irq_at = NEVER
        self.bus.tick = self.ticks
        self._now.save()
        regs = self.emulator.bank.read()
        regs[r.EIP] = self.eip  # right behind a trap the emulator does not know of its entry yet
        taken = self._deliver(regs, vector, Source.INTERRUPT, -1, 0)
        return Interrupted(vector) if taken == vector else Trapped(taken)

    def _deliver(self, regs: memoryview, vector: int, source: Source, error: int, cr2: int) -> int:
        """Go through the IDT, or through that of the fault met on the way; the vector that was taken.

        `_now` holds the interrupted state. Handlers run in ring 0, in the segments that were latched.
        """
        tables = self.tables
        if tables is None:
            raise CoreError(f"vector {vector:#x} at {regs[r.EIP]:08x} before the IDT was loaded")
        if regs[r.EFLAGS] & r.VM:
            vector, source, error, cr2 = self._leave_v86(regs)
        if vector == PAGE_FAULT and source == Source.EXCEPTION:
            self.cr2 = cr2
        try:
            event, entry, eflags = enter(self.ram, self.cr3, tables, regs, vector, source, error, cr2)
        except DeliveryFault as fault:
            if source == Source.SOFTWARE:  # the fault is the `int n` instruction's
                size = 1 if vector in (BREAKPOINT, OVERFLOW) and not self._is_int_n(regs, vector) else 2
                regs[r.EIP] = regs[r.EIP] - size & 0xFFFF_FFFF
                self.ticks -= size
                self.bus.tick = self.ticks
            following = combine(vector, source, fault.vector)
            if following < 0:
                raise CoreError(f"triple fault: {fault} while delivering a double fault") from None
            if following == DOUBLE_FAULT:
                if fault.vector == PAGE_FAULT:
                    self.cr2 = fault.cr2
                return self._deliver(regs, DOUBLE_FAULT, Source.EXCEPTION, 0, 0)
            return self._deliver(regs, following, Source.EXCEPTION, fault.error, fault.cr2)
        self._enter_ring_0(regs, event.sp, eflags, entry)
        self.bus.publish(event)
        return vector

    def _enter_ring_0(self, regs: memoryview, esp: int, eflags: int, eip: int) -> None:
        """Go on at `eip` in ring 0, with the general and data registers in `regs` and `_now`'s x87.

        `regs` are the emulator's `bank`.
        """
        self._template_fpu[:] = self._now_fpu
        self._template.restore()
        regs[r.ESP] = esp
        regs[r.EFLAGS] = eflags
        load = self._load
        load.values[0] = self.cr2
        if load.write():
            self._load_segments(regs[r.DS :])
        self.eip = eip
        self.boundary = True

    def _leave_v86(self, regs: memoryview) -> tuple[int, Source, int, int]:
        """The emulator lets an `iret` of ring 3 into virtual-8086 mode, a processor that of ring 0 only.

        What was before is lost. It becomes a protection fault of ring 3 with null selectors.
        """
        regs[r.EFLAGS] &= ~r.VM & 0xFFFF_FFFF
        regs[r.CS] = regs[r.SS] = 3
        regs[r.DS] = regs[r.ES] = regs[r.FS] = regs[r.GS] = 0
        return PROTECTION, Source.EXCEPTION, 0, 0

    def _load_segments(self, selectors: memoryview) -> None:
        """One of them cannot be loaded any more (its descriptor has changed): that one becomes null."""
        for name, selector in zip(("ds", "es", "fs", "gs"), selectors, strict=True):
            if not self.emulator.write_register(name, selector):
                self.emulator.write_register(name, 0)

    def _opcode(self, eip: int) -> bytes:
        """The code at `eip` from its opcode on, a few bytes, without prefixes; b"" if it is not there."""
        code = self.read(eip, 6) or self.read(eip, 0x1000 - (eip & 0xFFF)) or b""
        return code.lstrip(b"\x26\x2e\x36\x3e\x64\x65\x66\x67\xf0\xf2\xf3")

    def _is_int_n(self, regs: memoryview, vector: int) -> bool:
        """Whether the two bytes before EIP are `int n` (and not `int3` or `into` after some other byte)."""
        return self.read(regs[r.EIP] - 2 & 0xFFFF_FFFF, 2) == bytes((0xCD, vector))

    # What the kernel's Python does to the processor at a hypercall.

    def latch(self) -> None:
        """Remember the ring-0 state for taking traps; to be called after CR3, LDTR or a table changed."""
        self.cr3 = self.emulator.read_cr3()
        self._template.save()

    def latch_tables(self) -> None:
        """Look up where the tables lie that `lgdt`, `lidt` and `ltr` named."""
        self.latch()
        gdtr, idtr, tr = (self.emulator.read_table(name) for name in ("gdtr", "idtr", "tr"))
        places = [translate(self.ram, self.cr3, base) for base in (gdtr[1], idtr[1], tr[1])]
        if min(places) < 0:
            raise CoreError("GDT, IDT or TSS is not mapped")
        self.tables = Tables(places[0], gdtr[2], places[1], idtr[2], places[2])
        cs, esp, eip = (self.emulator.read_msr(number) for number in MSR_SYSENTER)
        self.sysenter = (cs, esp, eip)

    def load_cr3(self, cr3: int) -> None:
        """`mov cr3`, done by the kernel's Python at a hypercall."""
        self.emulator.write_cr3(cr3)
        self.latch()

    def load_ldt(self, selector: int, base: int, limit: int) -> None:
        """`lldt`, done by the kernel's Python at a hypercall."""
        self.emulator.write_table("ldtr", (selector, base, limit, 0x8200))
        self.latch()

    def set_result(self, eax: int, edx: int = 0) -> None:
        """What the entry code finds in EAX and EDX when it goes on after its `hlt`."""
        bank = self._result_bank
        values = bank.values
        values[0] = eax
        values[1] = edx
        bank.write()

    def flush_tlb(self) -> None:
        self.emulator.write_cr3(self.cr3)

    def flush_code(self) -> None:
        self.emulator.flush_code()

    # Looking.

    def instruction_at(self, va: int) -> Instruction | None:
        data = self.read(va, 15)
        if data is None:
            data = self.read(va, 0x1000 - (va & 0xFFF))
        return decode(data[:15], va) if data else None

    def read(self, va: int, length: int) -> bytes | None:
        """`length` bytes at linear address `va` as the processor would read them now, None if not present."""
        if self.tables is None:  # still booting: paging may be off, and no CR3 has been latched
            cr0, _, cr3, _ = self.emulator.control.read()
            if not cr0 >> 31:
                return self.ram.read(va, length) if va + length <= self.ram.size else None
            return read_linear(self.ram, cr3, va, length)
        return read_linear(self.ram, self.cr3, va, length)

    def registers(self) -> Registers:
        general = [int(value) & 0xFFFF_FFFF for value in self.emulator.bank.read()]
        general[r.EIP] = self.eip
        control = [int(value) for value in self.emulator.control.read()]
        return Registers(*general, *control)

    # Checkpoints of the processor alone; RAM is copied by `cpu.checkpoint`.

    def save(self) -> CpuState:
        emulator = self.emulator
        gdtr, idtr, tr, ldtr = (emulator.read_table(n) for n in ("gdtr", "idtr", "tr", "ldtr"))
        return CpuState(
            registers=self.registers(),
            fpu=emulator.read_fpu(),
            gdtr=(gdtr[1], gdtr[2]),
            idtr=(idtr[1], idtr[2]),
            tr=tr[0],
            ldtr=ldtr[0],
            efer=emulator.read_msr(0xC000_0080),
            ticks=self.ticks,
            boundary=self.boundary,
            irq_at=self.irq_at,
            irq_vector=self.irq_vector,
            sysenter=self.sysenter,
        )

    def load(self, state: CpuState, iret: int, stale: Collection[int] | None = None) -> None:
        """Put the processor back as `save` found it; RAM must be back already.

        `iret` is the address of an `iret` instruction in ring 0: a processor gets to ring 3 by
        executing one, so this does too (the stack words it needs are put back). `stale` are frames that
        were executed and hold something else now; None: that is not known. Without any, what is translated
        stays good, and most of the way to a place in the past is not translated anew.
        """
        emulator = self.emulator
        regs = state.registers
        paged = bool(regs.cr0 >> 31)
        (self._template if paged and self.tables is not None else self._power_on).restore()
        if not paged:
            self.tables = None
        emulator.write_control(regs.cr0, regs.cr3, regs.cr4, state.efer)
        emulator.write_table("gdtr", (0, *state.gdtr, 0))
        emulator.write_table("idtr", (0, *state.idtr, 0))
        for number, value in zip(MSR_SYSENTER, state.sysenter, strict=True):
            emulator.write_msr(number, value)
        if stale is None or stale or not paged:
            emulator.flush_code()
        if paged:
            emulator.write_table("tr", (state.tr, self._base_of(state, state.tr), 0x67, 0x8B00))
            if state.ldtr:
                emulator.write_table("ldtr", (state.ldtr, self._base_of(state, state.ldtr), 0xFFF, 0x8200))
            else:
                emulator.write_table("ldtr", (0, 0, 0, 0))
            for name, value in (("cs", 0x60), ("ss", 0x68), ("ds", 0x7B), ("es", 0x7B), ("fs", 0), ("gs", 0)):
                emulator.write_register(name, value)
            self.latch_tables()
        self.ticks = state.ticks
        self.boundary = state.boundary
        self.irq_at = state.irq_at
        self.irq_vector = state.irq_vector
        self.cr2 = regs.cr2
        self.cr3 = regs.cr3
        if regs.cpl == 3:
            self._return_to_user(regs, iret)
        elif paged:
            emulator.write_register("cs", regs.cs)
            emulator.write_register("ss", regs.ss)
        if paged:
            self._load.values[0] = regs.cr2
            for n, name in enumerate(NAMES):
                emulator.bank.values[n] = getattr(regs, name)
            self._load.write()
        else:
            general = self._load_general
            for n, name in enumerate(general.names):
                general.values[n] = getattr(regs, name)
            general.write()
        emulator.write_fpu(state.fpu)
        self.eip = regs.eip
        self.bus.tick = self.ticks

    def _return_to_user(self, regs: Registers, iret: int) -> None:
        """Reach ring 3 as the processor does: one `iret` over five words on the kernel's stack."""
        ram = self.ram
        tables = self.tables
        if tables is None:
            raise CoreError("no ring 3 before the tables are loaded")
        top = ram.u32[tables.tss + 4 >> 2] - 20
        pa = translate(ram, self.cr3, top)
        kept = ram.read(pa, 20)
        for n, word in enumerate((regs.eip, regs.cs, regs.eflags & ~r.TF, regs.esp, regs.ss)):
            ram.u32[(pa >> 2) + n] = word
        self.emulator.write_register("esp", top)
        cells = self._cells
        cells[REMAINING] = NEVER
        cells[STOPPED] = cells[REFUSED] = cells[LAST_SIZE] = 0
        cells[VECTOR] = -1
        self.emulator.step(iret)
        ram.write(pa, kept)
        self._forget_fault(regs.eip)  # of looking ahead at the code there
        if self.emulator.bank.read()[r.CS] != regs.cs:
            raise CoreError(f"could not return to ring 3 at {regs.eip:08x}")

    def _base_of(self, state: CpuState, selector: int) -> int:
        """The base that the GDT's entry for a system selector names."""
        gdt = translate(self.ram, state.registers.cr3, state.gdtr[0])
        return Descriptor.unpack(self.ram.u64[(gdt >> 3) + (selector >> 3)]).base
