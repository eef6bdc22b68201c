"""A read-only look into the machine where the cursor is: registers, memory, code.

What State cannot know because no event tells it. Everything is read from the machine when asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cpu.descriptors import Gate
from cpu.disasm import Instruction, disassemble
from cpu.paging import Step, walk
from cpu.registers import Registers
from cpu.symbols import Symbols
from kernel.elf import read_symbols
from kernel.thread import PAGE_OFFSET

if TYPE_CHECKING:
    from kernel.kernel import Kernel


class View:
    """Good until the machine moves on. Addresses are linear, in the present address space."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.regs: Registers = kernel.core.registers()

    @property
    def cpl(self) -> int:
        return self.regs.cpl

    def read(self, va: int, length: int) -> bytes | None:
        """Bytes at `va`, None when a page of them is not present."""
        if not 0 <= va <= 0xFFFF_FFFF or length < 0:
            return None
        return self._kernel.core.read(va, length)

    def word(self, va: int) -> int | None:
        data = self.read(va, 4)
        return int.from_bytes(data, "little") if data is not None else None

    def instructions(self, va: int, count: int) -> list[Instruction]:
        """Up to `count` instructions from `va` on, as far as the memory is present."""
        data = self.read(va, count * 15)
        if data is None:
            data = self.read(va, 0x1000 - (va & 0xFFF))
        return disassemble(data, va, count) if data else []

    def label(self, va: int) -> str:
        """The symbol at an address, with an offset; eight hexadecimal digits where there is none."""
        if va >= PAGE_OFFSET:
            return self._kernel.symbols.label(va)
        return self.symbols().label(va)

    def symbols(self) -> Symbols:
        """Those of the program that the current task runs."""
        task = self._kernel.tables.tasks.get(self._kernel.tables.current)
        return program_symbols(self._kernel, task.exe if task is not None else "")

    def kernel_symbol(self, name: str) -> int:
        return self._kernel.symbol(name)

    def gate(self, vector: int) -> Gate:
        at = self._kernel.symbol("idt_table") - PAGE_OFFSET >> 3
        return Gate.unpack(self._kernel.ram.u64[at + vector])

    def tss(self) -> tuple[int, int]:
        """SS0 and ESP0."""
        at = self._kernel.symbol("init_tss") - PAGE_OFFSET >> 2
        return self._kernel.ram.u32[at + 2], self._kernel.ram.u32[at + 1]

    def table_entry(self, number: int) -> int:
        """The address in sys_call_table[number]."""
        at = self._kernel.symbol("sys_call_table") - PAGE_OFFSET >> 2
        return self._kernel.ram.u32[at + number]

    def walk(self, va: int) -> list[Step]:
        return walk(self._kernel.ram, self._kernel.core.cr3, va)


_symbols: dict[tuple[str, int], Symbols] = {}


def program_symbols(kernel: Kernel, path: str) -> Symbols:
    """The symbol table of a guest file that came from outside; empty for others."""
    for file in kernel.start.files:
        if file.path == path:
            key = (file.blob, file.size)
            if key not in _symbols:
                _symbols[key] = read_symbols(kernel.blobs[file.blob])
            return _symbols[key]
    return _NONE


_NONE = Symbols([])
