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
_PLACE = {name: place for place, name in enumerate(PT_REGS)}


def regs_index(thread: int) -> int:
    """Where the task's user-mode pt_regs begins, as an index into `Ram.u32`."""
    return (thread - PAGE_OFFSET + THREAD_SIZE - PT_SIZE) >> 2


class Regs:
    """pt_regs of a task in guest RAM; each attribute is that word, read and written in place."""

    __slots__ = ("_at", "_words")
    _at: int
    _words: memoryview[int]

    def __init__(self, k: Kernel, task: Task) -> None:
        object.__setattr__(self, "_words", k.ram.u32)
        object.__setattr__(self, "_at", regs_index(task.thread))

    def __getattr__(self, name: str) -> int:
        try:
            return self._words[self._at + _PLACE[name]]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: int) -> None:
        try:
            self._words[self._at + _PLACE[name]] = value & 0xFFFF_FFFF
        except KeyError:
            raise AttributeError(name) from None

    def all(self) -> list[int]:
        return self._words[self._at : self._at + len(PT_REGS)].tolist()

    def load(self, values: Sequence[int]) -> None:
        """All 17, each of 32 bits."""
        _WORDS.pack_into(self._words, self._at << 2, *values)


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
