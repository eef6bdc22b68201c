"""The vDSO: the kernel's shared object (`assets/kernel/vdso.S`) in every address space.

It lies in the kernel's image. Its frame is the page cache of a file without a name; exec maps it as [vdso].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.mman import MAP_PRIVATE, PROT_EXEC, PROT_READ
from kernel.elf import read_symbols
from kernel.fs.ramfs import anonymous_inode
from kernel.mm.address_space import find_gap, insert
from kernel.tables import Vma
from kernel.thread import PAGE_OFFSET

if TYPE_CHECKING:
    from cpu.symbols import Symbols
    from kernel.kernel import Kernel
    from kernel.tables import Space

NAME = "[vdso]"


def read_vdso(k: Kernel) -> Symbols:
    """The object's symbols, from the kernel's image as loaded; addresses count from its beginning."""
    start, end = k.symbol("vdso_start"), k.symbol("vdso_end")
    return read_symbols(k.ram.read(start - PAGE_OFFSET, end - start))


def create_vdso(k: Kernel) -> None:
    """Once, at boot: the file whose pages are the image's."""
    first, end = k.symbol("vdso_start") - PAGE_OFFSET >> 12, k.symbol("vdso_end") - PAGE_OFFSET + 0xFFF >> 12
    inode = anonymous_inode(k, end - first << 12)
    inode.opened = 1
    inode.pages = {n: first + n for n in range(end - first)}
    for frame in inode.pages.values():
        k.tables.frame_refs[frame] = 1
    k.tables.vdso = inode.ino


def map_vdso(k: Kernel, space: Space) -> None:
    """Below what is mapped already, as Linux does after the program and its interpreter."""
    inode = k.tables.inodes[k.tables.vdso]
    at = find_gap(space, inode.size)
    insert(k, space, Vma(at, at + inode.size, PROT_READ | PROT_EXEC, MAP_PRIVATE, inode.ino, 0, NAME))
    space.vdso = at


def vdso_symbol(k: Kernel, space: Space, name: str) -> int:
    """Where a symbol of the vDSO is in an address space; 0 where there is no vDSO."""
    return space.vdso + k.vdso.address(name) if space.vdso else 0
