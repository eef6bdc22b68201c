"""Who may look into another process, and the look itself (`ptrace_may_access`, `access_remote_vm`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cpu.paging import FRAME_MASK, PRESENT
from kernel.abi.errno import Errno
from kernel.abi.mman import MAP_SHARED, TASK_SIZE
from kernel.abi.process import CAP_SYS_PTRACE
from kernel.capabilities import holds
from kernel.errors import Fault, KernelError
from kernel.mm.address_space import find_vma
from kernel.mm.fault import force_page, user_page
from kernel.mm.frames import touch_code
from kernel.mm.pagetables import get_pte
from kernel.tables import Space, Task

if TYPE_CHECKING:
    from kernel.kernel import Kernel


def may_access(caller: Task, target: Task) -> bool:
    """PTRACE_MODE_READ_FSCREDS: the same process; or all ids agree and it is dumpable; or root."""
    if caller.tgid == target.tgid or holds(caller.cred, CAP_SYS_PTRACE):
        return True
    me, other = caller.cred, target.cred
    same = all(me.fsuid == uid for uid in (other.euid, other.suid, other.uid)) and all(
        me.fsgid == gid for gid in (other.egid, other.sgid, other.gid)
    )
    return same and target.dumpable == 1


def need_access(k: Kernel, target: Task) -> None:
    """EACCES unless the current task may look into `target`."""
    if not may_access(k.task, target):
        raise KernelError(Errno.EACCES)


def read_memory(k: Kernel, space: Space, address: int, length: int) -> bytes:
    """Bytes of another space, as many as can be reached; pages that are not there yet are brought in."""
    parts: list[bytes] = []
    while length > 0 and address < TASK_SIZE:
        size = min(length, 0x1000 - (address & 0xFFF))
        data = _page(k, space, address, size)
        if data is None:
            break
        parts.append(data)
        address += size
        length -= size
    return b"".join(parts)


def _page(k: Kernel, space: Space, address: int, size: int) -> bytes | None:
    try:
        return k.ram.read(user_page(k, space, address, write=False), size)
    except (Fault, KernelError):
        pass
    vma = find_vma(space, address)  # FOLL_FORCE: what the program itself may not read is read all the same
    if vma is None or vma.inode:
        return None
    pte = get_pte(k, space.pgd, address)
    return k.ram.read(pte & FRAME_MASK | address & 0xFFF, size) if pte & PRESENT else bytes(size)


def write_memory(k: Kernel, space: Space, address: int, data: bytes) -> int:
    """Put bytes into another space, read-only private pages included; how many could be put."""
    done = 0
    while done < len(data):
        here = address + done
        vma = find_vma(space, here) if here < TASK_SIZE else None
        if vma is None:
            break
        try:
            if vma.flags & MAP_SHARED:
                place = user_page(k, space, here, write=True)
            else:
                place = force_page(k, space, here)
        except (Fault, KernelError):
            break
        size = min(len(data) - done, 0x1000 - (here & 0xFFF))
        touch_code(k, place >> 12)
        k.ram.write(place, data[done : done + size])
        done += size
    return done
