"""User memory, as the kernel reaches it: walk the tables, fault pages in, or EFAULT.

copy_from_user and friends as in Linux; the partial forms give short counts where calls do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cpu.paging import FRAME_MASK, PRESENT, USER, WRITABLE
from kernel.abi.errno import Errno
from kernel.abi.mman import TASK_SIZE
from kernel.errors import Fault, KernelError
from kernel.mm.address_space import find_vma
from kernel.mm.fault import user_page
from kernel.mm.frames import touch_code
from kernel.mm.pagetables import get_pte

if TYPE_CHECKING:
    from kernel.kernel import Kernel

READABLE = PRESENT | USER
WRITABLE_TOO = READABLE | WRITABLE
"""What an entry of the page tables has to say, so that no fault is needed first."""


def signed(value: int) -> int:
    """A 32-bit word as a C int."""
    return value - 0x1_0000_0000 if value & 0x8000_0000 else value


def copy_from_user_partial(k: Kernel, address: int, length: int) -> bytes:
    """As many of the bytes as can be reached, from the first on."""
    space = k.tables.spaces[k.task.space]
    parts = []
    while length > 0:
        try:
            pa = user_page(k, space, address, write=False)
        except Fault:
            break
        n = min(length, 0x1000 - (address & 0xFFF))
        parts.append(k.ram.read(pa, n))
        address += n
        length -= n
    return parts[0] if len(parts) == 1 else b"".join(parts)


def copy_from_user(k: Kernel, address: int, length: int) -> bytes:
    if length and address + length > TASK_SIZE:
        raise KernelError(Errno.EFAULT)
    if 0 < length <= 0x1000 - (address & 0xFFF):
        pa = _one_page(k, address, READABLE)
        return bytes(k.ram.u8[pa : pa + length])
    data = copy_from_user_partial(k, address, length)
    if len(data) < length:
        raise KernelError(Errno.EFAULT)
    return data


def copy_to_user_partial(k: Kernel, address: int, data: bytes) -> int:
    """How many of the bytes could be written, from the first on."""
    space = k.tables.spaces[k.task.space]
    done = 0
    while done < len(data):
        try:
            pa = user_page(k, space, address, write=True)
        except Fault:
            break
        n = min(len(data) - done, 0x1000 - (address & 0xFFF))
        touch_code(k, pa >> 12)
        k.ram.write(pa, data[done : done + n] if n != len(data) else data)
        address += n
        done += n
    return done


def copy_to_user(k: Kernel, address: int, data: bytes) -> None:
    if data and address + len(data) > TASK_SIZE:
        raise KernelError(Errno.EFAULT)
    if 0 < len(data) <= 0x1000 - (address & 0xFFF):
        pa = _one_page(k, address, WRITABLE_TOO)
        touch_code(k, pa >> 12)
        k.ram.u8[pa : pa + len(data)] = data
        return
    if copy_to_user_partial(k, address, data) < len(data):
        raise KernelError(Errno.EFAULT)


def _one_page(k: Kernel, address: int, rights: int) -> int:
    """Most of what is copied lies in one page: its physical address, or EFAULT."""
    t = k.tables
    space = t.spaces[t.tasks[t.current].space]
    pte = get_pte(k, space.pgd, address)
    if pte & rights == rights:
        return pte & FRAME_MASK | address & 0xFFF
    try:
        return user_page(k, space, address, rights == WRITABLE_TOO)
    except Fault:
        raise KernelError(Errno.EFAULT) from None


def strncpy_from_user(k: Kernel, address: int, limit: int = 4096) -> bytes:
    """The NUL-terminated string at `address`, without the NUL. EFAULT, or ENAMETOOLONG past `limit`."""
    out = b""
    while len(out) < limit:
        piece = copy_from_user_partial(k, address + len(out), 0x1000 - (address + len(out) & 0xFFF))
        if not piece:
            raise KernelError(Errno.EFAULT)
        end = piece.find(b"\0")
        if end >= 0:
            out += piece[:end]
            if len(out) >= limit:
                break
            return out
        out += piece
    raise KernelError(Errno.ENAMETOOLONG)


def get_user32(k: Kernel, address: int) -> int:
    return int.from_bytes(copy_from_user(k, address, 4), "little")


def put_user32(k: Kernel, address: int, value: int) -> None:
    copy_to_user(k, address, (value & 0xFFFF_FFFF).to_bytes(4, "little"))


def put_user64(k: Kernel, address: int, value: int) -> None:
    copy_to_user(k, address, (value & 0xFFFF_FFFF_FFFF_FFFF).to_bytes(8, "little"))


def peek_user(k: Kernel, address: int, length: int) -> bytes | None:
    """What a reader of the trace may see there: like a debugger's look, it maps and changes nothing."""
    task = k.task
    space = k.tables.spaces.get(task.space)
    if space is None or length < 0 or address + length > TASK_SIZE:
        return None
    if 0 < length <= 0x1000 - (address & 0xFFF):
        pte = get_pte(k, space.pgd, address)
        if pte & PRESENT:
            pa = pte & FRAME_MASK | address & 0xFFF
            return bytes(k.ram.u8[pa : pa + length])
    parts = []
    while length > 0:
        n = min(length, 0x1000 - (address & 0xFFF))
        pte = get_pte(k, space.pgd, address)
        if pte & PRESENT:
            parts.append(k.ram.read((pte & FRAME_MASK) | (address & 0xFFF), n))
        else:
            vma = find_vma(space, address)
            if vma is None or not vma.prot & 7:
                return None
            data = b""
            if vma.inode:
                at = (vma.offset << 12) + address - vma.start
                data = k.peek_inode(vma.inode, at, n)
            parts.append(data.ljust(n, b"\0"))
        address += n
        length -= n
    return b"".join(parts)
