"""Register banks: many registers in one call into the emulator, through arrays built once.

The arrays are the fast path of the whole machine (0.4 us for 16 registers, where the binding's
own batch takes 32), so they are made here once and read through memoryviews. So are the calls: with their
arguments bound, by a library that keeps Python's lock, a call takes a third of the time.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from unicorn import x86_const as x86

GENERAL = ("eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "esp", "eip", "eflags")
SEGMENTS = ("cs", "ss", "ds", "es", "fs", "gs")
NAMES = GENERAL + SEGMENTS
EAX, EBX, ECX, EDX, ESI, EDI, EBP, ESP, EIP, EFLAGS, CS, SS, DS, ES, FS, GS = range(16)

CF, PF, AF, ZF, SF, TF, IF, DF, OF = (1 << n for n in (0, 2, 4, 6, 7, 8, 9, 10, 11))
IOPL = 3 << 12
NT = 1 << 14
RF = 1 << 16
VM = 1 << 17


def unicorn_id(name: str) -> int:
    return int(getattr(x86, "UC_X86_REG_" + name.upper()))


class Bank:
    """The named 32-bit registers as one array: `fetch()` fills `values`, `write()` loads from it.

    `write()` gives 0, or the emulator's error; the registers behind the one that it refuses are not written.
    With `over`, the registers that it has too are taken from its array.
    """

    def __init__(self, library: Any, handle: Any, names: tuple[str, ...], over: Bank | None = None) -> None:
        count = len(names)
        self.names = names
        self._ids = (ctypes.c_int * count)(*[unicorn_id(name) for name in names])
        self._array = (ctypes.c_uint64 * count)()
        self._over = over
        self._pointers = (ctypes.c_void_p * count)(*[self._place(name) for name in names])
        self.values = memoryview(self._array).cast("B").cast("Q")
        arguments = (handle, self._ids, self._pointers, count)
        self.fetch: Callable[[], int] = partial(library.uc_reg_read_batch, *arguments)
        self.write: Callable[[], int] = partial(library.uc_reg_write_batch, *arguments)

    def _place(self, name: str) -> int:
        """Where in memory its value is."""
        if self._over is not None and name in self._over.names:
            return self._over._place(name)
        return ctypes.addressof(self._array) + 8 * self.names.index(name)

    def read(self) -> memoryview:
        self.fetch()
        return self.values


class Registers(msgspec.Struct, frozen=True, array_like=True):
    """The programmer's registers at one moment, and the control registers that matter to a reader."""

    eax: int = 0
    ebx: int = 0
    ecx: int = 0
    edx: int = 0
    esi: int = 0
    edi: int = 0
    ebp: int = 0
    esp: int = 0
    eip: int = 0
    eflags: int = 0
    cs: int = 0
    ss: int = 0
    ds: int = 0
    es: int = 0
    fs: int = 0
    gs: int = 0
    cr0: int = 0
    cr2: int = 0
    cr3: int = 0
    cr4: int = 0

    @property
    def cpl(self) -> int:
        """The ring: the low two bits of CS."""
        return self.cs & 3


class FpuState(msgspec.Struct, frozen=True, array_like=True):
    """x87 and SSE: control words, eight 80-bit registers (mantissa, exponent) and eight XMM."""

    fpcw: int
    fpsw: int
    fptag: int
    mxcsr: int
    st: tuple[tuple[int, int], ...]
    xmm: tuple[bytes, ...]
