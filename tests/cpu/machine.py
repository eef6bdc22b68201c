"""A bare machine for the tests: real tables, real boot code, and handlers that only stop.

Every vector's handler is `hlt` (a hypercall, so the test is asked) and `iret`. There is no kernel;
what a test wants done at a handler it does itself.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterable, Iterator

from cpu.bus import Bus
from cpu.core import NEVER, BudgetSpent, Core, Hypercall, Trap, Trapped
from cpu.descriptors import GATE_INTERRUPT, TSS_SIZE, Descriptor, Gate
from cpu.events import TrapTaken
from cpu.paging import ACCESSED, DIRTY, LARGE, NX, PRESENT, USER, WRITABLE, translate
from cpu.ram import Ram
from tests.cpu.listing import Code

KERNEL_BASE = 0xC000_0000
KERNEL_CS, KERNEL_DS, USER_CS, USER_DS, TSS_SELECTOR = 0x60, 0x68, 0x73, 0x7B, 0x80
TLS_SELECTOR = 0x33
CR0, CR4, EFER_NXE = 0x8001_0033, 0x624, 0x800

PDPT, GDT, POINTERS, TSS, IDT = 0x1000, 0x8000, 0x8800, 0x9000, 0xA000
BOOT, HANDLERS, KERNEL_TEXT = 0x1_0000, 0x1_1000, 0x1_2000
HANDLER_SIZE = 16
KERNEL_STACK = 0x2_2000
PAGE_TABLES = 0x10_0000
USER_FRAMES = 0x40_0000

TEXT, DATA, STACK = 0x0804_8000, 0x0805_0000, 0xBFFF_F000
STACK_TOP = STACK + 0x1000
DEMAND = 0x0A00_0000
"""Where the text, the data and the stack of a test's program lie; pages from DEMAND on are not there."""

READ_EXECUTE = PRESENT | USER
READ_WRITE = PRESENT | USER | WRITABLE | NX
READ_WRITE_EXECUTE = PRESENT | USER | WRITABLE
READ_ONLY = PRESENT | USER | NX
SUPERVISOR = PRESENT | WRITABLE | NX

WITH_ERROR_CODE = (8, 10, 11, 12, 13, 14, 17)

BOOT_CODE = Code(
    """
        0f011500880000  lgdt [0x8800]
        b824060000      mov eax, 0x624
        0f22e0          mov cr4, eax
        b800100000      mov eax, 0x1000
        0f22d8          mov cr3, eax
        b9800000c0      mov ecx, 0xc0000080
        31d2            xor edx, edx
        b800080000      mov eax, 0x800
        0f30            wrmsr
        b833000180      mov eax, 0x80010033
        0f22c0          mov cr0, eax
        ea340001c06000  jmp 0x60:0xc0010034
    high:
        b87b000000      mov eax, 0x7b
        8ed8            mov ds, eax
        8ec0            mov es, eax
        31c0            xor eax, eax
        8ee0            mov fs, eax
        8ee8            mov gs, eax
        b868000000      mov eax, 0x68
        8ed0            mov ss, eax
        bcec1f02c0      mov esp, 0xc0021fec
        0f011d088800c0  lidt [0xc0008808]
        b880000000      mov eax, 0x80
        0f00d8          ltr ax
        31c0            xor eax, eax
        0f00d0          lldt ax
    halt:
        f4              hlt
    to_user:
        cf              iret
    """
)
HANDLER = Code(
    """
        f4    hlt
        cf    iret
    """
)
HANDLER_WITH_ERROR = Code(
    """
        f4      hlt
        83c404  add esp, 4
        cf      iret
    """
)

IRET = KERNEL_BASE + BOOT + BOOT_CODE.at("to_user")
BOOTED = KERNEL_BASE + BOOT + BOOT_CODE.at("halt")


def handler(vector: int) -> int:
    return KERNEL_BASE + HANDLERS + HANDLER_SIZE * vector


class Bare:
    """Power off, tables filled. `boot` runs the boot code; `enter` starts something at its end."""

    def __init__(self, native_clock: bool | None = None, size: int = 8 << 20) -> None:
        self.ram = Ram(size)
        self.log: list[tuple[int, int, TrapTaken]] = []
        self.bus = Bus(lambda tick, pid, event: self.log.append((tick, pid, event)))
        self.core = Core(self.ram, self.bus, native_clock)
        self._next_table = PAGE_TABLES
        self._next_frame = USER_FRAMES
        self._fill()

    @property
    def events(self) -> list[TrapTaken]:
        return [event for _, _, event in self.log]

    # Tables.

    def _fill(self) -> None:
        ram = self.ram
        for n in range(4):
            ram.u64[(PDPT >> 3) + n] = PDPT + 0x1000 * (n + 1) | PRESENT
        for pa in range(0, 0x20_0000, 0x1000):
            flags = PRESENT if BOOT <= pa < KERNEL_TEXT + 0x1000 else SUPERVISOR
            self.map(KERNEL_BASE + pa, pa, flags | ACCESSED | DIRTY)
        for pa in range(0x20_0000, ram.size, 0x20_0000):
            self._directory(KERNEL_BASE + pa)[0] = pa | SUPERVISOR | LARGE | ACCESSED | DIRTY
        self.map(BOOT, BOOT, PRESENT | ACCESSED)
        for selector, access in ((KERNEL_CS, 0x9B), (KERNEL_DS, 0x93), (USER_CS, 0xFB), (USER_DS, 0xF3)):
            self.descriptor(selector, Descriptor(0, 0xF_FFFF, access, 0xC))
        self.descriptor(TSS_SELECTOR, Descriptor(KERNEL_BASE + TSS, TSS_SIZE - 1, 0x89, 0))
        ram.u32[TSS + 4 >> 2] = KERNEL_BASE + KERNEL_STACK
        ram.u32[TSS + 8 >> 2] = KERNEL_DS
        ram.u32[TSS + 0x64 >> 2] = TSS_SIZE << 16
        for vector in range(256):
            self.gate(vector, dpl=3 if vector in (3, 4, 5, 0x80) else 0)
            stub = HANDLER_WITH_ERROR if vector in WITH_ERROR_CODE else HANDLER
            ram.write(HANDLERS + HANDLER_SIZE * vector, stub.data)
        ram.write(POINTERS, struct.pack("<HI", 0xFF, KERNEL_BASE + GDT))
        ram.write(POINTERS + 8, struct.pack("<HI", 0x7FF, KERNEL_BASE + IDT))
        ram.write(BOOT, BOOT_CODE.data)

    def _directory(self, va: int) -> memoryview:
        at = (PDPT + 0x1000 * ((va >> 30) + 1) >> 3) + (va >> 21 & 511)
        return self.ram.u64[at : at + 1]

    def entry(self, va: int) -> memoryview:
        """The page-table entry for `va`: element 0 of this view."""
        directory = self._directory(va)
        if not directory[0] & PRESENT:
            directory[0] = self._next_table | PRESENT | WRITABLE | USER
            self._next_table += 0x1000
        at = ((directory[0] & 0xFFFF_F000) >> 3) + (va >> 12 & 511)
        return self.ram.u64[at : at + 1]

    def map(self, va: int, pa: int, flags: int) -> None:
        self.entry(va)[0] = pa | flags

    def new_frame(self) -> int:
        pa = self._next_frame
        self._next_frame += 0x1000
        return pa

    def descriptor(self, selector: int, value: Descriptor) -> None:
        self.ram.u64[(GDT >> 3) + (selector >> 3)] = value.pack()

    def gate(
        self,
        vector: int,
        *,
        dpl: int = 0,
        kind: int = GATE_INTERRUPT,
        present: bool = True,
        selector: int = KERNEL_CS,
        offset: int | None = None,
    ) -> Gate:
        gate = Gate(handler(vector) if offset is None else offset, selector, kind, dpl, present)
        self.ram.u64[(IDT >> 3) + vector] = gate.pack()
        return gate

    # Memory by linear address.

    def pa(self, va: int) -> int:
        found = translate(self.ram, PDPT, va)
        assert found >= 0, f"{va:08x} is not mapped"
        return found

    def page(self, va: int, flags: int = READ_WRITE) -> int:
        """A new page at `va`; its physical address."""
        pa = self.new_frame()
        self.map(va, pa, flags)
        return pa

    def put(self, va: int, data: bytes | Code) -> None:
        raw = data.data if isinstance(data, Code) else data
        while raw:
            n = 0x1000 - (va & 0xFFF)
            self.ram.write(self.pa(va), raw[:n])
            raw, va = raw[n:], va + n

    def get(self, va: int, length: int) -> bytes:
        return self.ram.read(self.pa(va), length)

    def word(self, va: int) -> int:
        return int(self.ram.u32[self.pa(va) >> 2])

    def words(self, va: int, count: int) -> list[int]:
        return [self.word(va + 4 * n) for n in range(count)]

    # Running.

    def boot(self) -> None:
        """Execute the boot code; the machine rests at its `hlt`."""
        self.core.reset(BOOT)
        trap = self.core.run(NEVER)
        assert trap == Hypercall(BOOTED)
        self.core.latch_tables()
        self.entry(BOOT)[0] = 0
        self.core.flush_tlb()

    def program(self, code: Code | bytes, flags: int = READ_EXECUTE, data: int = 2) -> None:
        """Map text, `data` pages of data and a page of stack, and load `code` at TEXT."""
        length = len(code)
        for va in range(TEXT, TEXT + length, 0x1000):
            self.page(va, flags)
        for n in range(data):
            self.page(DATA + 0x1000 * n)
        self.page(STACK)
        self.put(TEXT, code)

    def enter(
        self, eip: int = TEXT, *, esp: int = STACK_TOP, eflags: int = 0x202, cpl: int = 3, **registers: int
    ) -> None:
        """At a hypercall: let the `iret` behind it go to `eip`; other registers as given, or 0."""
        core = self.core
        cs, ss = (USER_CS, USER_DS) if cpl else (KERNEL_CS, KERNEL_DS)
        frame = [eip, cs, eflags] + ([esp, ss] if cpl else [])
        top = KERNEL_BASE + KERNEL_STACK - 20
        self.put(top, struct.pack(f"<{len(frame)}I", *frame))
        for name in ("eax", "ebx", "ecx", "edx", "esi", "edi", "ebp"):
            core.emulator.write_register(name, registers.get(name, 0))
        for name in ("ds", "es", "fs", "gs"):
            core.emulator.write_register(name, registers.get(name, USER_DS if name in ("ds", "es") else 0))
        core.emulator.write_register("esp", top)

    def next_event(self) -> TrapTaken:
        """Run on to the next trap; its event. Steps over the handlers' `hlt`."""
        for _ in range(2):
            trap = self.core.run(NEVER)
            if not isinstance(trap, Hypercall):
                return self.log[-1][2]
        raise AssertionError(f"no trap, but {trap}")


Way = Callable[[Core], Trap]


def whole(core: Core) -> Trap:
    return core.run(NEVER)


def stepped(core: Core) -> Trap:
    while True:
        trap = core.step()
        if trap is not None:
            return trap


def sliced(sizes: Iterable[int]) -> Way:
    """Runs cut after the given numbers of ticks."""
    lengths = iter(sizes)

    def way(core: Core) -> Trap:
        while True:
            trap = core.run(core.ticks + next(lengths))
            if not isinstance(trap, BudgetSpent):
                return trap

    return way


def exact(lengths: Iterable[int]) -> Way:
    """Stops at exact ticks, the given numbers apart."""
    numbers = iter(lengths)

    def way(core: Core) -> Trap:
        while True:
            trap = core.run_to(core.ticks + next(numbers))
            if not isinstance(trap, BudgetSpent):
                return trap

    return way


def mixed(rng: random.Random) -> Way:
    """All of the ways, as chance will have it."""

    def way(core: Core) -> Trap:
        while True:
            choice = rng.randrange(4)
            trap: Trap | None
            if choice == 0:
                trap = core.run(core.ticks + rng.randint(1, 200))
            elif choice == 1:
                trap = core.run_to(core.ticks + rng.randint(1, 100))
            elif choice == 2:
                trap = core.run(core.ticks)
            else:
                for _ in range(rng.randint(1, 9)):
                    trap = core.step()
                    if trap is not None:
                        break
            if trap is not None and not isinstance(trap, BudgetSpent):
                return trap

    return way


def chance(seed: int, least: int, most: int) -> Iterator[int]:
    """Numbers without end."""
    rng = random.Random(seed)
    while True:
        yield rng.randint(least, most)


def started(code: Code | bytes, flags: int = READ_EXECUTE, **registers: int) -> Bare:
    """A machine about to execute `code` in ring 3."""
    machine = Bare()
    machine.boot()
    machine.program(code, flags)
    machine.enter(**registers)
    return machine


def trap_of(code: Code | bytes, flags: int = READ_EXECUTE, **registers: int) -> TrapTaken:
    """The first trap that `code` runs into. The same when it is run and when it is stepped."""
    ran = started(code, flags, **registers)
    event = ran.next_event()
    went = started(code, flags, **registers)
    trap = stepped(went.core)
    assert isinstance(trap, Trapped)
    assert went.log == ran.log
    assert went.core.registers() == ran.core.registers()
    return event
