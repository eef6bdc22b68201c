"""The program whose clock must read the same however its run is cut up, and the little that serves it.

It has what makes clocks disagree: calls, loops, every kind of `rep`, faults, traps, single-stepping
by TF, stores into the block that makes them, blocks that cross pages or are longer than the emulator
takes, and pages of code that are not there at first.
"""

from __future__ import annotations

from typing import NamedTuple

from cpu.core import Hypercall, Interrupted, Trap
from cpu.descriptors import GATE_TRAP, Descriptor
from cpu.events import TrapTaken
from cpu.paging import ACCESSED, DIRTY
from cpu.registers import FpuState, Registers
from tests.cpu.listing import Code
from tests.cpu.machine import (
    DATA,
    DEMAND,
    KERNEL_BASE,
    KERNEL_TEXT,
    READ_EXECUTE,
    READ_WRITE,
    READ_WRITE_EXECUTE,
    STACK,
    TEXT,
    TLS_SELECTOR,
    Bare,
    Way,
    handler,
)

EXIT, NOTHING = 1, 20
"""What `int 0x80` is asked for, in EAX."""

TIMER = 0x20
DEMAND_FRAMES = 0x60_0000
LATE_TEXT = TEXT + 0x4000
"""From here on the program's text is mapped when it is first fetched."""
LONG_BLOCK = LATE_TEXT - 700
PAGE_CROSSING = TEXT + 0xFF0

MAIN = Code(
    """
    main:
        bf00010508        mov edi, 0x08050100
        b925000000        mov ecx, 37
        b005              mov al, 5
        f3aa              rep stosb
        be00010508        mov esi, 0x08050100
        bf00020508        mov edi, 0x08050200
        b90d000000        mov ecx, 13
        f3a5              rep movsd
        bf00010508        mov edi, 0x08050100
        b964000000        mov ecx, 100
        b009              mov al, 9
        f2ae              repne scasb
        b900000000        mov ecx, 0
        f3aa              rep stosb
        fd                std
        be40010508        mov esi, 0x08050140
        bf80010508        mov edi, 0x08050180
        b909000000        mov ecx, 9
        f3a4              rep movsb
        ad                lodsd
        fc                cld
        b93c000000        mov ecx, 60
    odd:
        0fafc1            imul eax, ecx
        83c003            add eax, 3
        a901000000        test eax, 1
        7401              jz even
        43                inc ebx
    even:
        49                dec ecx
        75ef              jnz odd
        e8f7000000        call divide
        bdf00f000a        mov ebp, 0x0a000ff0
        be06000000        mov esi, 6
    demand:
        47                inc edi
        897500            mov [ebp], esi
        47                inc edi
        81c500100000      add ebp, 4096
        4e                dec esi
        75f2              jnz demand
        bffc6f000a        mov edi, 0x0a006ffc
        b914000000        mov ecx, 20
        f3aa              rep stosb
        bffc7f000a        mov edi, 0x0a007ffc
        b903000000        mov ecx, 3
        b804030201        mov eax, 0x01020304
        f3ab              rep stosd
        b814000000        mov eax, 20
        cd80              int 0x80
        b90c000000        mov ecx, 12
    many:
        51                push ecx
        e8b0000000        call divide
        59                pop ecx
        e2f7              loop many
        b833000000        mov eax, 0x33
        8ee8              mov gs, eax
        dbe3              fninit
        d9e8              fld1
        d9eb              fldpi
        b80000803f        mov eax, 0x3f800000
        660f6ec8          movd xmm1, eax
        0fc6c900          shufps xmm1, xmm1, 0
        b90a000000        mov ecx, 10
    float:
        d8c1              fadd st(0), st(1)
        0f58d1            addps xmm2, xmm1
        65010d04000000    add gs:[4], ecx
        65130500000000    adc eax, gs:[0]
        f390              pause
        870510000508      xchg [0x08050010], eax
        f00fc10514000508  lock xadd [0x08050014], eax
        e2db              loop float
        dd1d20000508      fstp qword ptr [0x08050020]
        0f111530000508    movups [0x08050030], xmm2
        cc                int3
        b814000000        mov eax, 20
        cd80              int 0x80
        9c                pushfd
        810c2400010000    or dword ptr [esp], 0x100
        9d                popfd
        90                nop
        b903000000        mov ecx, 3
        f3aa              rep stosb
        eb01              jmp traced
        90                nop
    traced:
        b902000000        mov ecx, 2
    again:
        e2fe              loop again
        9c                pushfd
        812424fffeffff    and dword ptr [esp], 0xfffffeff
        9d                popfd
        f9                stc
        b903000000        mov ecx, 3
    patch:
        880d39810408      mov byte ptr [0x08048000 + patched - main + 2], cl
        90                nop
    patched:
        8d5201            lea edx, [edx + 1]
        90                nop
        49                dec ecx
        75f2              jnz patch
        eb00              jmp self
    self:
        c6054981040807    mov byte ptr [0x08048000 + stored - main + 1], 7
        90                nop
    stored:
        b201              mov dl, 1
        90                nop
        68f08f0408        push 0x08048ff0
        c6055881040890    mov byte ptr [0x08048000 + last - main], 0x90
        90                nop
    last:
        f8                clc
        c3                ret
    divide:
        31d2              xor edx, edx
        b84d000000        mov eax, 77
        f73504010508      div dword ptr [0x08050104]
        c3                ret
    """
)

CROSSING = Code(
    """
        b905000000  mov ecx, 5
    turn:
        01d8        add eax, ebx
        83c001      add eax, 1
        90          nop
        90          nop
        90          nop
        ba44332211  mov edx, 0x11223344
        01d3        add ebx, edx
        e2ef        loop turn
        b844bd0408  mov eax, 0x0804bd44
        ffe0        jmp eax
    """
)
# Here the page ends inside of the first instruction.
LATE = Code(
    """
        ba44332211  mov edx, 0x11223344
        bf0090000a  mov edi, 0x0a009000
        8917        mov [edi], edx
        b801000000  mov eax, 1
        cd80        int 0x80
    """
)
SYSTEM_CALL = Code(
    """
        51            push ecx
        b907000000    mov ecx, 7
    before:
        010d000102c0  add [0xc0020100], ecx
        e2f8          loop before
        59            pop ecx
    halt:
        f4            hlt
        51            push ecx
        b905000000    mov ecx, 5
    after:
        49            dec ecx
        75fd          jnz after
        59            pop ecx
        cf            iret
    """
)
SYSTEM_CALL_ENTRY = KERNEL_BASE + KERNEL_TEXT
SYSTEM_CALL_HALT = SYSTEM_CALL_ENTRY + SYSTEM_CALL.at("halt")


class Machine(Bare):
    """A bare machine with the program in it, at its first instruction.

    Everything that serving needs is in RAM or in the processor, so that a checkpoint has it too.
    """

    def __init__(self, native_clock: bool | None = None, timer: int = 0) -> None:
        super().__init__(native_clock)
        self.timer = timer
        """Ticks between timer interrupts, about; 0 for none."""
        self.hypercalls: list[tuple[int, int]] = []
        self.ram.write(KERNEL_TEXT, SYSTEM_CALL.data)
        self.gate(0x80, dpl=3, kind=GATE_TRAP, offset=SYSTEM_CALL_ENTRY)
        self.descriptor(TLS_SELECTOR, Descriptor(DATA + 0x800, 0xF_FFFF, 0xF3, 0xC))
        set_by_hand = ACCESSED | DIRTY
        for n in range(5):
            flags = READ_WRITE_EXECUTE if n < 2 else READ_EXECUTE
            self.page(TEXT + 0x1000 * n, flags | set_by_hand)
        for va in (DATA, STACK):
            self.page(va, READ_WRITE | set_by_hand)
        self.put(TEXT, MAIN)
        self.put(PAGE_CROSSING, CROSSING)
        self.put(LONG_BLOCK, b"\x40" * (LATE_TEXT - LONG_BLOCK - 3))
        self.put(LATE_TEXT - 3, LATE)
        self.entry(LATE_TEXT)[0] &= ~1
        self.entry(DEMAND)[0] = 0
        self.put(DATA + 0x104, b"\x03\x00\x00\x00")
        self.boot()
        self.enter()

    def serve(self, trap: Trap) -> bool:
        """Do what the machine has stopped for; False at the program's end."""
        core = self.core
        if isinstance(trap, Interrupted):
            self._set_timer()
        if not isinstance(trap, Hypercall):
            return True
        self.hypercalls.append((core.ticks, trap.address))
        if trap.address == SYSTEM_CALL_HALT:
            regs = core.registers()
            if regs.eax == EXIT:
                return False
            core.set_result(core.ticks, regs.edx)
            core.ticks += 1000
            core.bus.tick = core.ticks
            self._set_timer()
        elif trap.address == handler(14):
            va = core.registers().cr2 & ~0xFFF
            if va == LATE_TEXT:
                self.entry(va)[0] |= 1
            elif DEMAND <= va < DEMAND + 0x10_0000:
                self.map(va, DEMAND_FRAMES + va - DEMAND, READ_WRITE | ACCESSED | DIRTY)
            else:
                return False
        return True

    def _set_timer(self) -> None:
        if self.timer:
            at = self.core.ticks + self.timer + (self.core.ticks * 40503 >> 5) % self.timer
            self.core.interrupt_at(at, TIMER)

    def finish(self, way: Way, most: int = 20_000) -> None:
        """Run to the program's end in the given way."""
        for _ in range(most):
            if not self.serve(way(self.core)):
                return
        raise AssertionError("the program does not end")

    def frames(self) -> list[int]:
        """All that differ from a machine that was never switched on."""
        return [*range(0x23), *range(0x100, 0x108), *range(0x400, 0x410), *range(0x600, 0x610)]

    def outcome(self) -> Outcome:
        core = self.core
        data = b"".join(self.ram.read(pfn << 12, 4096) for pfn in self.frames())
        fpu = core.emulator.read_fpu()
        return Outcome(self.log, self.hypercalls, core.ticks, core.registers(), fpu, data)


class Outcome(NamedTuple):
    """All that two runs of the program may be compared by."""

    log: list[tuple[int, int, TrapTaken]]
    hypercalls: list[tuple[int, int]]
    ticks: int
    registers: Registers
    fpu: FpuState
    ram: bytes
