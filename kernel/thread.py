"""A task's part of guest memory: its kernel stack, with thread_info at the bottom and pt_regs on top.

Offsets are the entry code's own (`assets/kernel/entry.S`), read from its symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kernel.kernel import Kernel
    from kernel.tables import Task

PAGE_OFFSET = 0xC000_0000
THREAD_SIZE = 8192
PT_SIZE = 0x44
REGS_BELOW = PAGE_OFFSET - (THREAD_SIZE - PT_SIZE)
"""From the address of a task's thread_info to where its pt_regs lie in RAM."""
TI_FLAGS, TI_ESP, TI_CR3, TI_LDT, TI_PID = 0x00, 0x04, 0x08, 0x0C, 0x10
TI_FXSAVE, TI_SYSENTER_RETURN = 0x20, 0x220
TIF_SIGPENDING = 1
TIF_NEED_RESCHED = 2

PT_REGS = (
    "ebx",
    "ecx",
    "edx",
    "esi",
    "edi",
    "ebp",
    "eax",
    "ds",
    "es",
    "fs",
    "gs",
    "orig_eax",
    "eip",
    "cs",
    "eflags",
    "esp",
    "ss",
)
"""struct pt_regs, lowest address first (arch/x86/include/asm/ptrace.h, i386)."""
EBX, ECX, EDX, ESI, EDI, EBP, EAX, DS, ES, FS, GS, ORIG_EAX, EIP, CS, EFLAGS, ESP, SS = range(len(PT_REGS))
"""Where each is in what `Regs.all` gives."""
_WORDS = Struct(f"<{len(PT_REGS)}I")


def regs_index(thread: int) -> int:
    """Where the task's user-mode pt_regs begins, as an index into `Ram.u32`."""
    return thread - REGS_BELOW >> 2


def _word(place: int) -> property:
    def read(regs: Regs) -> int:
        return regs._words[regs._at + place]

    def write(regs: Regs, value: int) -> None:
        regs._words[regs._at + place] = value & 0xFFFF_FFFF

    return property(read, write)


class Regs:
    """pt_regs of a task in guest RAM; each attribute is that word, read and written in place."""

    __slots__ = ("_at", "_words")

    def __init__(self, k: Kernel, task: Task) -> None:
        self._words: memoryview[int] = k.ram.u32
        self._at = task.thread - REGS_BELOW >> 2

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> int: ...
        def __setattr__(self, name: str, value: int) -> None: ...

    def all(self) -> list[int]:
        return self._words[self._at : self._at + len(PT_REGS)].tolist()

    def load(self, values: Sequence[int]) -> None:
        """All 17, each of 32 bits."""
        _WORDS.pack_into(self._words, self._at << 2, *values)


for _place, _name in enumerate(PT_REGS):
    setattr(Regs, _name, _word(_place))


def set_flag(k: Kernel, task: Task, flag: int) -> None:
    """Work to do before this task returns to user mode (thread_info.flags)."""
    if task.thread:
        k.ram.u32[(task.thread - PAGE_OFFSET + TI_FLAGS) >> 2] |= flag


def clear_flag(k: Kernel, task: Task, flag: int) -> None:
    if task.thread:
        k.ram.u32[(task.thread - PAGE_OFFSET + TI_FLAGS) >> 2] &= ~flag & 0xFFFF_FFFF


def fxsave_read(k: Kernel, task: Task) -> bytes:
    """The 512 bytes that `fxsave` left in thread_info."""
    return k.ram.read(task.thread - PAGE_OFFSET + TI_FXSAVE, 512)


def fxsave_write(k: Kernel, task: Task, data: bytes) -> None:
    if len(data) != 512:
        raise ValueError("an fxsave image has 512 bytes")
    k.ram.write(task.thread - PAGE_OFFSET + TI_FXSAVE, data)


INITIAL_FXSAVE = (
    (0x37F).to_bytes(2, "little")
    + bytes(22)
    + (0x1F80).to_bytes(4, "little")
    + (0xFFFF).to_bytes(4, "little")
).ljust(512, b"\0")
"""x87 and SSE as execve leaves them: control word 0x37f, MXCSR 0x1f80, all registers empty."""
