"""Physical memory: one buffer that Python and the emulator share.

Leaves paging to `paging`, ownership of frames to the kernel.
"""

from __future__ import annotations

import ctypes
import mmap

PAGE_SIZE = 4096
PAGE_SHIFT = 12
PAGE_MASK = 0xFFFF_F000


class Ram:
    """`size` bytes of zeroed physical memory, seen as bytes, 32-bit and 64-bit words.

    `u8`, `u32` and `u64` are views of the same bytes (little-endian, as the guest's): the word at
    physical address `a` is `u32[a >> 2]`.
    """

    def __init__(self, size: int) -> None:
        if size % (1 << 21) or not 8 << 20 <= size <= 896 << 20:
            raise ValueError("guest memory must be a multiple of 2 MiB, from 8 to 896 MiB")
        self.size = size
        self.frames = size >> PAGE_SHIFT
        self._map = mmap.mmap(-1, size)
        self.u8 = memoryview(self._map)
        self.u32 = self.u8.cast("I")
        self.u64 = self.u8.cast("Q")
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self._map))

    def read(self, pa: int, length: int) -> bytes:
        return bytes(self.u8[pa : pa + length])

    def write(self, pa: int, data: bytes | bytearray | memoryview) -> None:
        self.u8[pa : pa + len(data)] = data

    def zero_frame(self, pfn: int) -> None:
        self.u8[pfn << PAGE_SHIFT : (pfn + 1) << PAGE_SHIFT] = ZERO_PAGE

    def frame(self, pfn: int) -> memoryview:
        return self.u8[pfn << PAGE_SHIFT : (pfn + 1) << PAGE_SHIFT]


ZERO_PAGE = bytes(PAGE_SIZE)
