"""The tick clock: a tick is a byte of guest code executed.

The emulator tells each basic block's address and size before it runs the block. What is done with
that is the same on every host, in a few bytes of machine code or in Python:

- a block that begins inside the last one and ends before that one's end means that the last one
  overwrote itself and was abandoned there: its unexecuted tail is given back;
- stop when the clock has reached its deadline, before the block is charged;
- charge the block's size and remember its place (a fault inside it gives the unexecuted tail back).

Not told apart from a turn of a loop, and so charged twice: an instruction that overwrites a block
that it is the last of. Only `rep stos`, `rep movs` and `call` can do that.

The deadline is tested in one of two ways. `AT_LEAST` stops at the first block that starts at or
after the deadline. `AT_MOST` stops before any block that would run past it.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import sys
from typing import Any

from unicorn.unicorn_const import UC_HOOK_BLOCK, UC_HOOK_INTR

AT_LEAST = 0
AT_MOST = -1

# Cells that the callbacks and Python share, 64 bits each.
REMAINING, STOP_FUNCTION, LAST_SIZE, LAST_ADDRESS, MODE, STOPPED, VECTOR, REFUSED = range(8)

# System V AMD64: rdi engine, rsi address, edx size, rcx the cells.
_BLOCK_X86_64 = bytes.fromhex(
    "89d2"  #          mov   edx, edx
    "4889f0"  #        mov   rax, rsi
    "482b4118"  #      sub   rax, [rcx + 8*LAST_ADDRESS]
    "4c8b4910"  #      mov   r9, [rcx + 8*LAST_SIZE]
    "4c39c8"  #        cmp   rax, r9
    "7313"  #          jae   test
    "4c8d0410"  #      lea   r8, [rax + rdx]
    "4d39c8"  #        cmp   r8, r9
    "730a"  #          jae   test
    "4929c1"  #        sub   r9, rax
    "4c0109"  #        add   [rcx + 8*REMAINING], r9
    "48894110"  #      mov   [rcx + 8*LAST_SIZE], rax
    # test:
    "4889d0"  #        mov   rax, rdx
    "48234120"  #      and   rax, [rcx + 8*MODE]
    "4883c801"  #      or    rax, 1
    "483901"  #        cmp   [rcx + 8*REMAINING], rax
    "7c0c"  #          jl    stop
    "482911"  #        sub   [rcx + 8*REMAINING], rdx
    "48895110"  #      mov   [rcx + 8*LAST_SIZE], rdx
    "48897118"  #      mov   [rcx + 8*LAST_ADDRESS], rsi
    "c3"  #            ret
    # stop:
    "48c7412801000000"  # mov qword [rcx + 8*STOPPED], 1
    "ff6108"  #        jmp   [rcx + 8*STOP_FUNCTION]
)
# rdi engine, esi vector, rdx the cells.
_VECTOR_X86_64 = bytes.fromhex(
    "48897230"  #      mov   [rdx + 8*VECTOR], rsi
    "ff6208"  #        jmp   [rdx + 8*STOP_FUNCTION]
)

_BLOCK_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p)
_VECTOR_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p)


def native_host() -> bool:
    """Whether the machine-code callbacks fit this host's processor and calling convention."""
    return platform.machine().lower() in ("x86_64", "amd64") and sys.platform in ("linux", "darwin")


class Clock:
    """Counts ticks for one emulator; `native` False (or a host without machine code) uses Python."""

    def __init__(self, library: Any, handle: Any, native: bool | None = None) -> None:
        self._library = library
        self._handle = handle
        self._array = (ctypes.c_int64 * 8)()
        self.cells = memoryview(self._array).cast("B").cast("q")
        self.cells[STOP_FUNCTION] = ctypes.cast(library.uc_emu_stop, ctypes.c_void_p).value or 0
        self._keep: list[Any] = []
        self.native = native_host() if native is None else native
        if self.native:
            try:
                block, vector = self._machine_code()
            except OSError:  # a host that forbids executable pages
                self.native = False
        if not self.native:
            block, vector = self._python_callbacks()
        self._hook(UC_HOOK_BLOCK, block)
        self._hook(UC_HOOK_INTR, vector)

    def _hook(self, kind: int, function: int) -> None:
        hook = ctypes.c_size_t()
        add = ctypes.CFUNCTYPE(
            ctypes.c_int,
            ctypes.c_void_p,
            ctypes.c_void_p,
            ctypes.c_int,
            ctypes.c_void_p,
            ctypes.c_void_p,
            ctypes.c_uint64,
            ctypes.c_uint64,
        )(ctypes.cast(self._library.uc_hook_add, ctypes.c_void_p).value or 0)
        error = add(self._handle, ctypes.byref(hook), kind, function, ctypes.addressof(self._array), 1, 0)
        if error:
            raise RuntimeError(f"the emulator refused a hook: error {error}")

    def _machine_code(self) -> tuple[int, int]:
        page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        page.write(_BLOCK_X86_64.ljust(128, b"\xcc") + _VECTOR_X86_64)
        self._keep.append(page)
        address = ctypes.addressof(ctypes.c_char.from_buffer(page))
        return address, address + 128

    def _python_callbacks(self) -> tuple[int, int]:
        cells = self.cells
        stop = self._library.uc_emu_stop
        handle = self._handle

        def on_block(_uc: int, address: int, size: int, _user: int) -> None:
            offset = address - cells[LAST_ADDRESS]
            last = cells[LAST_SIZE]
            if 0 <= offset < last and offset + size < last:
                cells[REMAINING] += last - offset
                cells[LAST_SIZE] = offset
            if cells[REMAINING] < (size & cells[MODE] | 1):
                cells[STOPPED] = 1
                stop(handle)
                return
            cells[REMAINING] -= size
            cells[LAST_SIZE] = size
            cells[LAST_ADDRESS] = address

        def on_vector(_uc: int, vector: int, _user: int) -> None:
            cells[VECTOR] = vector
            stop(handle)

        self._keep += [_BLOCK_CALLBACK(on_block), _VECTOR_CALLBACK(on_vector)]
        return tuple(ctypes.cast(callback, ctypes.c_void_p).value or 0 for callback in self._keep[-2:])  # type: ignore[return-value]
