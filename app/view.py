"""A read-only look into the machine where the cursor is: registers, memory, code.

What State cannot know because no event tells it. Everything is read from the machine when asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.core_file import Core, cores, save_core
from cpu.descriptors import Gate
from cpu.disasm import Instruction, disassemble
from cpu.paging import FRAME_MASK, LARGE, PRESENT, Step, read_linear, translate, walk
from cpu.registers import Registers
from cpu.symbols import Symbols
from kernel.elf import read_symbols
from kernel.mm.pagetables import shared_owners
from kernel.thread import PAGE_OFFSET, THREAD_SIZE

if TYPE_CHECKING:
    from app.source import LineTable
    from kernel.kernel import Kernel
    from kernel.tables import OpenFile, SigAction, Task


class FrameUse(NamedTuple):
    """What the kernel itself uses a frame for; `number` is the space, task or inode that it is about.

    `kind` is image, stack, pgd, directory, table, tables (a table that several spaces have), ldt or cache
    (`name` and `page` of a file). A stack has number -1 while its task is gone and the processor still stands
    on it.
    """

    kind: str
    number: int = 0
    name: str = ""
    page: int = 0


class FrameCounts(NamedTuple):
    """Frames of the machine: `used` have owners, `returned` had some once, `fresh` were never given out."""

    used: int
    returned: int
    fresh: int


class View:
    """Good until the machine moves on. Addresses are linear, in the present address space."""

    def __init__(self, kernel: Kernel, regs: Registers | None = None) -> None:
        self._kernel = kernel
        self.regs: Registers = regs if regs is not None else kernel.core.registers()
        """Those of the processor, unless they are given."""

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
        return self.label_of(self._kernel.tables.current, va)

    def line_address(self, text: str) -> int:
        """Where `NAME:NUMBER` begins, -1 for no line of a source."""
        return line_address(self._kernel, text)

    def symbols(self) -> Symbols:
        """Those of the program that the current task runs."""
        task = self._kernel.tables.tasks.get(self._kernel.tables.current)
        return program_symbols(self._kernel, task.exe if task is not None else "")

    def all_symbols(self) -> list[Symbols]:
        """Those of every program that runs, the current task's first, and the kernel's."""
        tasks = self._kernel.tables.tasks.values()
        programs = dict.fromkeys(task.exe for task in tasks if task.exe)
        return [
            self.symbols(),
            *(program_symbols(self._kernel, path) for path in programs),
            self._kernel.symbols,
        ]

    def contents(self, path: str) -> tuple[str, bytes] | None:
        """Key and contents of a guest file that came from outside, None for others."""
        for file in self._kernel.start.files:
            if file.path == path:
                return file.blob, self._kernel.blobs[file.blob]
        return None

    def kernel_image(self) -> bytes:
        return self._kernel.image

    def kernel_symbol(self, name: str) -> int:
        return self._kernel.symbol(name)

    def gate(self, vector: int) -> Gate:
        at = self._kernel.symbol("idt_table") - PAGE_OFFSET >> 3
        return Gate.unpack(self._kernel.ram.u64[at + vector])

    def tss(self) -> tuple[int, int]:
        """SS0 and ESP0."""
        at = self._kernel.symbol("init_tss") - PAGE_OFFSET >> 2
        return self._kernel.ram.u32[at + 2], self._kernel.ram.u32[at + 1]

    def sysenter(self) -> tuple[int, int, int]:
        """CS, ESP and EIP that sysenter loads."""
        return self._kernel.core.sysenter

    def table_entry(self, number: int) -> int:
        """The address in sys_call_table[number]."""
        at = self._kernel.symbol("sys_call_table") - PAGE_OFFSET >> 2
        return self._kernel.ram.u32[at + number]

    def physical(self, va: int) -> int:
        """Where in RAM the byte at `va` lies, -1 when no page is present."""
        return translate(self._kernel.ram, self._kernel.core.cr3, va)

    def walk(self, va: int) -> list[Step]:
        return walk(self._kernel.ram, self._kernel.core.cr3, va)

    def walk_in(self, pgd: int, va: int) -> list[Step]:
        """The walk in the address space whose PDPT is in frame `pgd`; empty when it is none any more."""
        if all(space.pgd != pgd for space in self._kernel.tables.spaces.values()):
            return []
        return walk(self._kernel.ram, pgd << 12, va)

    @property
    def seq(self) -> int:
        """Events up to where the machine stands: what the kernel does at once it has done to the end."""
        return self._kernel.bus.seq

    # What the kernel's tables say beyond the State. Whoever is given a row of them only reads it.

    def task(self, pid: int) -> Task | None:
        """Credentials, group, session, since when it waits; None when the task is not there (any more)."""
        return self._kernel.tables.tasks.get(pid)

    def open_file(self, number: int) -> OpenFile | None:
        """An open file description: its position, how many descriptors lead to it."""
        return self._kernel.tables.files.get(number)

    def signal_actions(self, pid: int) -> dict[int, SigAction]:
        """A task's actions with flags and masks; signals with the default action may be left out."""
        tables = self._kernel.tables
        task = tables.tasks.get(pid)
        found = tables.sighands.get(task.sighand) if task is not None else None
        return found.actions if found is not None else {}

    def read_of(self, pid: int, va: int, length: int) -> bytes | None:
        """Bytes of a task's user memory, whoever runs; None when a page of them is not present."""
        tables = self._kernel.tables
        task = tables.tasks.get(pid)
        space = tables.spaces.get(task.space) if task is not None else None
        if space is None or not 0 <= va <= PAGE_OFFSET - length:
            return None
        return read_linear(self._kernel.ram, space.pgd << 12, va, length)

    def label_of(self, pid: int, va: int) -> str:
        """The symbol at an address of the program that a task runs; the bare number where there is none."""
        tables = self._kernel.tables
        task = tables.tasks.get(pid)
        space = tables.spaces.get(task.space) if task is not None else None
        if space is not None and space.vdso <= va < space.vdso + VDSO_SIZE:
            label = self._kernel.vdso.label(va - space.vdso)
            return label if label != f"{va - space.vdso:08x}" else f"{va:08x}"
        return program_symbols(self._kernel, task.exe if task is not None else "").label(va)

    def cores(self) -> list[Core]:
        """What can be saved as a core file."""
        return cores(self._kernel)

    def save_core(self, core: Core, path: str) -> int:
        """Write a core file to a new file of the host; its size. Raises NotSaved."""
        return save_core(self._kernel, core, path)

    def frame_counts(self) -> FrameCounts:
        tables, ram = self._kernel.tables, self._kernel.ram
        returned = len(tables.frames_free) + 2 * len(tables.stacks_free)
        fresh = ram.frames - tables.frame_next
        return FrameCounts(ram.frames - returned - fresh, returned, fresh)

    def frame_refs(self, frame: int) -> int:
        """The kernel's own count of a frame's owners, 0 for a free one."""
        more = shared_owners(self._kernel).get(frame, 0)
        return self._kernel.tables.frame_refs.get(frame, 0) + more

    def frame_uses(self) -> dict[int, FrameUse]:
        """Every frame that the kernel has for itself, page cache included, by frame number."""
        kernel = self._kernel
        end = kernel.symbol("_end") - PAGE_OFFSET + 0xFFF >> 12
        found = {frame: FrameUse("image") for frame in range(IMAGE_FRAME, end)}
        stacks = dict.fromkeys(kernel.tables.graveyard, -1)
        stacks |= {task.thread: task.pid for task in kernel.tables.tasks.values() if task.thread}
        for thread, pid in stacks.items():
            first = thread - PAGE_OFFSET >> 12
            found.update((first + n, FrameUse("stack", pid)) for n in range(THREAD_SIZE >> 12))
        for task in kernel.tables.tasks.values():
            if task.ldt:
                found[task.ldt] = FrameUse("ldt", task.pid)
        if kernel.kernel_directory:
            found[kernel.kernel_directory] = FrameUse("directory")
            found.update((frame, FrameUse("table")) for frame in self._tables_in(kernel.kernel_directory))
        for space in kernel.tables.spaces.values():
            found[space.pgd] = FrameUse("pgd", space.id)
            for directory in self._tables_in(space.pgd, 4):
                if directory != kernel.kernel_directory:
                    found[directory] = FrameUse("directory", space.id)
                    for frame in self._tables_in(directory):
                        kind = "tables" if frame in found else "table"
                        found[frame] = FrameUse(kind, 0 if kind == "tables" else space.id)
        for inode in kernel.tables.inodes.values():
            if inode.pages:
                name = kernel.path_of(inode)
                found.update(
                    (frame, FrameUse("cache", inode.ino, name, n)) for n, frame in inode.pages.items()
                )
        return found

    def _tables_in(self, frame: int, count: int = 512) -> list[int]:
        """Frames of the tables that the entries in a frame lead to."""
        words = self._kernel.ram.u64[frame << 9 : (frame << 9) + count].tolist()
        return [(word & FRAME_MASK) >> 12 for word in words if word & PRESENT and not word & LARGE]


VDSO_SIZE = 0x1000
IMAGE_FRAME = 0x100
"""Where the kernel's image begins in RAM: at 1 MiB."""

_symbols: dict[tuple[str, int], Symbols] = {}


def line_address(kernel: Kernel, text: str) -> int:
    """Where `NAME:NUMBER`, a line of a source of a guest file from outside, begins; -1 for none."""
    from app.source import read_lines

    name, colon, number = text.strip().rpartition(":")
    if not colon or not name or not number.isascii() or not number.isdigit() or len(number) > 7:
        return -1
    for blob in dict.fromkeys(file.blob for file in kernel.start.files):
        if blob not in _lines:
            _lines[blob] = read_lines(kernel.blobs[blob])
        if (address := _lines[blob].address_of(name, int(number))) >= 0:
            return address
    return -1


_lines: dict[str, LineTable] = {}


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
