"""Page faults: demand-zero, file pages, copy on write, stack growth; else SIGSEGV or SIGBUS.

The processor's faults and the kernel's own walks through user memory (`uaccess`) end here alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cpu.paging import DIRTY, FRAME_MASK, NX, PF_FETCH, PF_PRESENT, PF_USER, PF_WRITE, PRESENT, USER, WRITABLE
from kernel.abi.errno import Errno
from kernel.abi.mman import MAP_GROWSDOWN, MAP_PRIVATE, MAP_SHARED, PROT_EXEC, PROT_WRITE, TASK_SIZE
from kernel.abi.process import RLIMIT_STACK
from kernel.abi.signal import BUS_ADRERR, SEGV_ACCERR, SEGV_MAPERR, SIGBUS, SIGKILL, SIGSEGV
from kernel.errors import Fault, KernelError
from kernel.events import FaultHandled, PageCopied, PageMapped, PageReused, VmaMapped
from kernel.mm.address_space import find_vma, may_expand
from kernel.mm.flags import VM_LOCKONFAULT
from kernel.mm.frames import alloc_frame, get_frame, put_frame
from kernel.mm.pagetables import event_bits, flush, get_pte, own_table, pte_word, set_pte
from kernel.signals.state import force_signal, record_trap
from kernel.tables import Inode, SigInfo, Space, Vma
from kernel.thread import Regs

if TYPE_CHECKING:
    from kernel.kernel import Kernel

STACK_GUARD = 256 * 4096


class BadAccess(Fault):
    """No page can be supplied; `signo` and `code` are what the program gets."""

    def __init__(self, address: int, write: bool, signo: int, code: int) -> None:
        super().__init__(address, write)
        self.signo = signo
        self.code = code


def do_page_fault(k: Kernel) -> None:
    """Vector 14 from user mode: supply the page, or raise the signal."""
    task = k.task
    regs = Regs(k, task)
    task.minor_faults += 1
    error = regs.orig_eax
    regs.orig_eax = 0xFFFF_FFFF
    address = k.core.emulator.read_cr2()
    if address >= TASK_SIZE or not error & PF_USER:
        k.emit(FaultHandled(14, address, error, SIGSEGV))
        record_trap(k, task, 14, error, address)
        force_signal(k, task, SigInfo(SIGSEGV, SEGV_MAPERR, address=address))
        return
    space = k.tables.spaces[task.space]
    try:
        supply_page(k, space, address, bool(error & PF_WRITE), bool(error & PF_FETCH))
    except BadAccess as bad:
        vma = find_vma(space, address)
        if vma is not None and not vma.prot & 7:
            error &= ~PF_PRESENT  # in Linux, pages that may not be touched are not present
        k.emit(FaultHandled(14, address, error, bad.signo))
        record_trap(k, task, 14, error, address)
        force_signal(k, task, SigInfo(bad.signo, bad.code, address=address))
    except KernelError:
        k.emit(FaultHandled(14, address, error, SIGKILL))
    else:
        k.emit(FaultHandled(14, address, error, 0))


def supply_page(k: Kernel, space: Space, va: int, write: bool, execute: bool = False) -> int:
    """As `handle_fault`; where no memory is left, processes end for it. ENOMEM when the current one does."""
    from kernel.oom import out_of_memory

    if space.reaped:
        raise BadAccess(va, write, SIGBUS, BUS_ADRERR)
    while True:
        try:
            return handle_fault(k, space, va, write, execute)
        except KernelError as error:
            if error.errno != Errno.ENOMEM or not out_of_memory(k) or space.id not in k.tables.spaces:
                raise


def handle_fault(k: Kernel, space: Space, va: int, write: bool, execute: bool = False) -> int:
    """Make the page at `va` accessible; its PTE. BadAccess when the program may not, ENOMEM."""
    vma = find_vma(space, va)
    if vma is None:
        vma = _grow_stack(k, space, va, write)
    if not vma.prot & 7 or (write and not vma.prot & PROT_WRITE) or (execute and not vma.prot & PROT_EXEC):
        raise BadAccess(va, write, SIGSEGV, SEGV_ACCERR)
    page = va & ~0xFFF
    pte = get_pte(k, space.pgd, page)
    if not pte & PRESENT:
        return _supply(k, space, vma, page, write)
    if write and not pte & WRITABLE:
        return _break_sharing(k, space, vma, page, pte)
    return pte


def populate(
    k: Kernel, space: Space, start: int, end: int, strict: bool = False, write: bool | None = None
) -> None:
    """Bring in the pages of [start, end), as `mm_populate`: private writable ones as if they were written.

    What cannot be had is passed over, or with `strict` raised: BadAccess, ENOMEM. `write` says how to touch.
    """
    for vma in list(space.vmas):
        if vma.flags & VM_LOCKONFAULT and write is None:
            continue
        wanted = bool(vma.prot & PROT_WRITE and vma.flags & MAP_PRIVATE) if write is None else write
        for va in range(max(vma.start, start), min(vma.end, end), 4096):
            pte = get_pte(k, space.pgd, va)
            if pte & PRESENT and (not wanted or pte & WRITABLE):
                continue
            try:
                handle_fault(k, space, va, wanted)
            except (Fault, KernelError):
                if strict:
                    raise
                break


def _grow_stack(k: Kernel, space: Space, va: int, write: bool) -> Vma:
    above = next((vma for vma in space.vmas if vma.start > va), None)
    limit = k.rlimit(RLIMIT_STACK)
    page = va & ~0xFFF
    if (
        above is None
        or not above.flags & MAP_GROWSDOWN
        or above.end - page > limit
        or any(page - STACK_GUARD < vma.end <= above.start for vma in space.vmas)
        or not may_expand(k, space, page, above.start, above.prot, above.flags)
    ):
        raise BadAccess(va, write, SIGSEGV, SEGV_MAPERR)
    above.start = page
    k.emit(
        VmaMapped(space.id, page, above.end, above.prot, above.flags, above.inode, above.offset, above.name)
    )
    return above


def _supply(k: Kernel, space: Space, vma: Vma, page: int, write: bool) -> int:
    """The page is not there: zero, or from the file."""
    if not vma.inode:
        pfn = alloc_frame(k)
        writable = True
        reason = "stack" if vma.flags & MAP_GROWSDOWN else "zero"
    else:
        inode = k.tables.inodes[vma.inode]
        index = vma.offset + (page - vma.start >> 12)
        if index << 12 >= inode.size:
            raise BadAccess(page, write, SIGBUS, BUS_ADRERR)
        cached = k.page_of(inode, index)
        if vma.flags & MAP_SHARED:
            writable = write or not _notes_stores(k, inode)
            pfn, reason = cached, "share"
            if write:
                _stored(k, inode)
            get_frame(k, pfn)
        elif write:
            get_frame(k, cached)  # so that it is not what is given back to make room for the copy
            try:
                pfn = alloc_frame(k)
                k.ram.frame(pfn)[:] = k.ram.frame(cached)
            finally:
                put_frame(k, cached)
            writable, reason = True, "load"
        else:
            pfn, writable, reason = cached, False, "file"
            get_frame(k, pfn)
    word = pte_word(pfn, vma.prot, writable)
    try:
        set_pte(k, space.pgd, page, word)
    except KernelError:
        put_frame(k, pfn)
        raise
    space.rss += 1
    if vma.prot & PROT_EXEC:
        k.tables.executed.add(pfn)
    k.emit(PageMapped(space.id, page, pfn, event_bits(word), reason))
    return word


def _break_sharing(k: Kernel, space: Space, vma: Vma, page: int, pte: int) -> int:
    """A write to a page that is present and read-only, where the VMA allows writing."""
    own_table(k, space.pgd, page)
    old = (pte & FRAME_MASK) >> 12
    if vma.flags & MAP_SHARED or k.tables.frame_refs[old] == 1:
        if vma.flags & MAP_SHARED and vma.inode:
            _stored(k, k.tables.inodes[vma.inode])
        word = pte | WRITABLE | DIRTY | USER
        set_pte(k, space.pgd, page, word)
        flush(k, space.pgd)
        k.emit(PageReused(space.id, page, old, event_bits(word)))
        return word
    new = alloc_frame(k)
    k.ram.frame(new)[:] = k.ram.frame(old)
    word = pte_word(new, vma.prot, True)
    set_pte(k, space.pgd, page, word)
    flush(k, space.pgd)
    if not word & NX:
        k.tables.executed.add(new)
    k.emit(PageCopied(space.id, page, old, new, event_bits(word)))
    put_frame(k, old)
    return word


def _notes_stores(k: Kernel, inode: Inode) -> bool:
    """Whether even a page that was only read faults at the first store to it, for its file's times
    (`page_mkwrite`). Not tmpfs's, nor what is shared without a file."""
    system = k.tables.filesystems.get(inode.dev)
    return system is not None and system.type != "tmpfs"


def _stored(k: Kernel, inode: Inode) -> None:
    """A store through a shared mapping that had to fault (`fault_dirty_shared_page`)."""
    inode.mtime = inode.ctime = k.now


def user_page(k: Kernel, space: Space, va: int, write: bool) -> int:
    """Physical address behind user address `va`, faulted in as needed. Raises Fault."""
    if va >= TASK_SIZE:
        raise BadAccess(va, write, SIGSEGV, SEGV_MAPERR)
    pte = get_pte(k, space.pgd, va)
    if not pte & PRESENT or not pte & USER or (write and not pte & WRITABLE):
        try:
            pte = supply_page(k, space, va, write)
        except KernelError as error:
            if error.errno != Errno.ENOMEM:
                raise
            raise BadAccess(va, write, SIGBUS, BUS_ADRERR) from None
    return (pte & FRAME_MASK) | (va & 0xFFF)


def force_page(k: Kernel, space: Space, va: int) -> int:
    """Physical address of a page of a private mapping that is to be changed from outside (FOLL_FORCE).

    It becomes the space's own if it was not; the program's rights to it stay as they are. BadAccess, ENOMEM.
    """
    vma = find_vma(space, va)
    if vma is None:
        raise BadAccess(va, True, SIGSEGV, SEGV_MAPERR)
    page = va & ~0xFFF
    pte = get_pte(k, space.pgd, page)
    if not pte & PRESENT:
        pte = _supply(k, space, vma, page, write=True)
    else:
        own_table(k, space.pgd, page)
        if k.tables.frame_refs[(pte & FRAME_MASK) >> 12] > 1:
            pte = _break_sharing(k, space, vma, page, pte)
    return (pte & FRAME_MASK) | (va & 0xFFF)
