"""The tick clock: a tick is a byte of guest code executed.

The emulator tells each basic block's address and size before it runs the block. What is done with
that is the same on every host, in a few bytes of machine code or in Python:

- a block that begins where the last one did and is shorter means that the last one overwrote itself
  and was abandoned at its first instruction: it is given back;
- a block that begins further inside the last one and ends before that one's end may mean the same,
  or a jump into the middle of an instruction: stop, and leave it to the core;
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

from unicorn.unicorn_const import UC_HOOK_BLOCK, UC_HOOK_INSN, UC_HOOK_INTR
from unicorn.x86_const import UC_X86_INS_SYSENTER

AT_LEAST = 0
AT_MOST = -1
DEADLINE, INSIDE, SYSENTER = 1, 2, 3
"""Why it stopped, in the cell STOPPED; `sysenter` stops by itself, behind the instruction."""

# Cells that the callbacks and Python share, 64 bits each.
REMAINING, STOP_FUNCTION, LAST_SIZE, LAST_ADDRESS, MODE, STOPPED, VECTOR, REFUSED = range(8)

# System V AMD64: rdi engine, rsi address, edx size, rcx the cells.
_BLOCK_X86_64 = bytes.fromhex(
    "89d2"  #             mov   edx, edx
    "483b7118"  #         cmp   rsi, [rcx + 8*LAST_ADDRESS]
    "7521"  #             jne   other
    "483b5110"  #         cmp   rdx, [rcx + 8*LAST_SIZE]
    "720a"  #             jb    abandoned
    # charge:
    "482911"  #           sub   [rcx + 8*REMAINING], rdx
    "7845"  #             js    slow
    # keep:
    "48895110"  #         mov   [rcx + 8*LAST_SIZE], rdx
    "c3"  #               ret
    # abandoned:
    "488b4110"  #         mov   rax, [rcx + 8*LAST_SIZE]
    "480101"  #           add   [rcx + 8*REMAINING], rax
    "48c7411000000000"  # mov   qword [rcx + 8*LAST_SIZE], 0
    "ebe5"  #             jmp   charge
    # other:
    "4889f0"  #           mov   rax, rsi
    "482b4118"  #         sub   rax, [rcx + 8*LAST_ADDRESS]
    "483b4110"  #         cmp   rax, [rcx + 8*LAST_SIZE]
    "720e"  #             jb    inside
    # begun:
    "482911"  #           sub   [rcx + 8*REMAINING], rdx
    "781d"  #             js    slow
    "48897118"  #         mov   [rcx + 8*LAST_ADDRESS], rsi
    "48895110"  #         mov   [rcx + 8*LAST_SIZE], rdx
    "c3"  #               ret
    # inside:
    "4801d0"  #           add   rax, rdx
    "483b4110"  #         cmp   rax, [rcx + 8*LAST_SIZE]
    "73e9"  #             jae   begun
    "48c7412802000000"  # mov   qword [rcx + 8*STOPPED], INSIDE
    "ff6108"  #           jmp   [rcx + 8*STOP_FUNCTION]
    # slow:
    "4889d0"  #           mov   rax, rdx
    "48234120"  #         and   rax, [rcx + 8*MODE]
    "4883c801"  #         or    rax, 1
    "4c8b01"  #           mov   r8, [rcx + 8*REMAINING]
    "4901d0"  #           add   r8, rdx
    "4939c0"  #           cmp   r8, rax
    "7c06"  #             jl    stop
    "48897118"  #         mov   [rcx + 8*LAST_ADDRESS], rsi
    "eb9f"  #             jmp   keep
    # stop:
    "4c8901"  #           mov   [rcx + 8*REMAINING], r8
    "48c7412801000000"  # mov   qword [rcx + 8*STOPPED], DEADLINE
    "ff6108"  #           jmp   [rcx + 8*STOP_FUNCTION]
)
# rdi engine, esi vector, rdx the cells.
_VECTOR_X86_64 = bytes.fromhex(
    "48897230"  #      mov   [rdx + 8*VECTOR], rsi
    "ff6208"  #        jmp   [rdx + 8*STOP_FUNCTION]
)

# rdi engine, rsi the cells. Nothing of the code behind the instruction is run.
_SYSENTER_X86_64 = bytes.fromhex(
    "48c7462803000000"  # mov   qword [rsi + 8*STOPPED], SYSENTER
    "ff6608"  #           jmp   [rsi + 8*STOP_FUNCTION]
)

_BLOCK_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p)
_VECTOR_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p)
_SYSENTER_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)


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
                block, vector, sysenter = self._machine_code()
            except OSError:  # a host that forbids executable pages
                self.native = False
        if not self.native:
            block, vector, sysenter = self._python_callbacks()
        self._block_hook = self._hook(UC_HOOK_BLOCK, block)
        self._hook(UC_HOOK_INTR, vector)
        self._hook(UC_HOOK_INSN, sysenter, UC_X86_INS_SYSENTER)

    def _hook(self, kind: int, function: int, instruction: int = 0) -> int:
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
            ctypes.c_int,
        )(ctypes.cast(self._library.uc_hook_add, ctypes.c_void_p).value or 0)
        cells = ctypes.addressof(self._array)
        error = add(self._handle, ctypes.byref(hook), kind, function, cells, 1, 0, instruction)
        if error:
            raise RuntimeError(f"the emulator refused a hook: error {error}")
        return hook.value

    def unhook(self) -> None:
        """Count no more (for measuring what counting costs)."""
        self._library.uc_hook_del(self._handle, self._block_hook)

    def _machine_code(self) -> tuple[int, int, int]:
        page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        page.write(_BLOCK_X86_64.ljust(256, b"\xcc") + _VECTOR_X86_64.ljust(256, b"\xcc") + _SYSENTER_X86_64)
        self._keep.append(page)
        address = ctypes.addressof(ctypes.c_char.from_buffer(page))
        return address, address + 256, address + 512

    def _python_callbacks(self) -> tuple[int, int, int]:
        cells = self.cells
        stop = self._library.uc_emu_stop
        handle = self._handle

        def on_block(_uc: int, address: int, size: int, _user: int) -> None:
            offset = address - cells[LAST_ADDRESS]
            last = cells[LAST_SIZE]
            if 0 <= offset < last and offset + size < last:
                if offset:
                    cells[STOPPED] = INSIDE
                    stop(handle)
                    return
                cells[REMAINING] += last
                cells[LAST_SIZE] = 0
            if cells[REMAINING] < (size & cells[MODE] | 1):
                cells[STOPPED] = DEADLINE
                stop(handle)
                return
            cells[REMAINING] -= size
            cells[LAST_SIZE] = size
            cells[LAST_ADDRESS] = address

        def on_vector(_uc: int, vector: int, _user: int) -> None:
            cells[VECTOR] = vector
            stop(handle)

        def on_sysenter(_uc: int, _user: int) -> None:
            cells[STOPPED] = SYSENTER
            stop(handle)

        self._keep += [
            _BLOCK_CALLBACK(on_block),
            _VECTOR_CALLBACK(on_vector),
            _SYSENTER_CALLBACK(on_sysenter),
        ]
        return tuple(ctypes.cast(callback, ctypes.c_void_p).value or 0 for callback in self._keep[-3:])  # type: ignore[return-value]
