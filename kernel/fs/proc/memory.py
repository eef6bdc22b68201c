"""What /proc tells of an address space: maps, smaps, statm, auxv, cmdline, environ (Linux's task_mmu.c).

Numbers come from the VMAs and from the page tables in guest memory, as the processor finds them.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from cpu.paging import DIRTY, FRAME_MASK
from kernel.abi.errno import Errno
from kernel.abi.mman import (
    MAP_GROWSDOWN,
    MAP_LOCKED,
    MAP_NORESERVE,
    MAP_SHARED,
    PROT_EXEC,
    PROT_READ,
    PROT_WRITE,
    TASK_SIZE,
)
from kernel.abi.process import CAP_SYS_ADMIN
from kernel.capabilities import capable
from kernel.errors import KernelError
from kernel.fs.devfs import major, minor
from kernel.fs.names import encode_name
from kernel.fs.proc.access import read_memory
from kernel.mm.pagetables import pages, shared_owners
from kernel.tables import Space, Task, Vma

if TYPE_CHECKING:
    from kernel.kernel import Kernel

NAME_COLUMN = 49
"""25 + 6 * sizeof(void *) - 1, and a space."""
PAGE_KIB = 4


def space_of(k: Kernel, task: Task) -> Space | None:
    return k.tables.spaces.get(task.space)


# --- pages --------------------------------------------------------------------------------------------------


class Resident(NamedTuple):
    """Pages of a stretch that are in memory, counted; `pss` in 4096ths of a byte per owner, as Linux does."""

    anon: int = 0
    file: int = 0
    shmem: int = 0
    shared_clean: int = 0
    shared_dirty: int = 0
    private_clean: int = 0
    private_dirty: int = 0
    pss: int = 0
    pss_dirty: int = 0

    @property
    def rss(self) -> int:
        return self.anon + self.file + self.shmem


class Page(NamedTuple):
    """A present page: its PTE, how many map its frame, and whether that is in the page cache."""

    va: int
    word: int
    owners: int
    cached: bool


def _pages_of(
    k: Kernel, space: Space, vma: Vma, start: int, end: int, more: dict[int, int]
) -> Iterator[Page]:
    """Those of the VMA that lie in [start, end); `more` is `shared_owners`."""
    inode = k.tables.inodes.get(vma.inode)
    cached = inode.pages if inode is not None else {}
    for va, _, word in pages(k, space.pgd, max(vma.start, start), min(vma.end, end)):
        pfn = (word & FRAME_MASK) >> 12
        of_file = cached.get(vma.offset + (va - vma.start >> 12)) == pfn
        owners = k.tables.frame_refs.get(pfn, 1) + more.get(pfn, 0) - of_file
        yield Page(va, word, max(owners, 1), of_file)


def resident(k: Kernel, space: Space, vma: Vma, more: dict[int, int]) -> Resident:
    """What of the VMA is in memory, and with how many it is shared; `more` is `shared_owners`."""
    anon = file = shmem = pss = pss_dirty = 0
    counts = [[0, 0], [0, 0]]
    inode = k.tables.inodes.get(vma.inode)
    for page in _pages_of(k, space, vma, vma.start, vma.end, more):
        owners = page.owners
        if page.cached:
            dirty = bool(page.word & DIRTY)
            if inode is not None and not inode.nlink and not inode.parent:
                shmem += 1
            else:
                file += 1
        else:
            anon += 1
            dirty = True
        share = (4096 << 12) // owners
        pss += share
        pss_dirty += share if dirty else 0
        counts[owners == 1][dirty] += 1
    shared, private = counts
    return Resident(anon, file, shmem, shared[0], shared[1], private[0], private[1], pss, pss_dirty)


def _sum(parts: list[Resident]) -> Resident:
    return Resident._make(sum(column) for column in zip(*parts, strict=True)) if parts else Resident()


def usage(k: Kernel, space: Space) -> Resident:
    more = shared_owners(k)
    return _sum([resident(k, space, vma, more) for vma in space.vmas])


class Extents(NamedTuple):
    """Pages by what they are for, as `task_mem` and `task_statm` tell them."""

    total: int
    data: int
    stack: int
    text: int
    library: int
    locked: int


def extents(space: Space) -> Extents:
    total = data = stack = executable = locked = 0
    for vma in space.vmas:
        size = vma.end - vma.start >> 12
        total += size
        if vma.flags & MAP_GROWSDOWN:
            stack += size
        elif vma.prot & PROT_WRITE and not vma.flags & MAP_SHARED:
            data += size
        elif vma.prot & PROT_EXEC and not vma.prot & PROT_WRITE:
            executable += size
        if vma.flags & MAP_LOCKED:
            locked += size
    text = (space.end_code + 0xFFF >> 12) - (space.start_code >> 12)
    text = min(max(text, 0), executable)
    return Extents(total, data, stack, text, executable - text, locked)


# --- pagemap ------------------------------------------------------------------------------------------------

PM_MMAP_EXCLUSIVE, PM_FILE, PM_PRESENT = 1 << 56, 1 << 61, 1 << 63
PM_ENTRY = 8


def pagemap(k: Kernel, space: Space, at: int, length: int) -> bytes:
    """A word of 64 bits for each page: its frame, and what it is (Documentation/admin-guide/mm/pagemap.rst).

    Frames are 0 for who has not CAP_SYS_ADMIN. EINVAL unless whole words are asked for.
    """
    if at % PM_ENTRY or length % PM_ENTRY:
        raise KernelError(Errno.EINVAL)
    first = min(at // PM_ENTRY, TASK_SIZE >> 12)
    end = min(first + length // PM_ENTRY, TASK_SIZE >> 12)
    words = array("Q", bytes(PM_ENTRY * (end - first)))
    more = shared_owners(k)
    frames = capable(k, CAP_SYS_ADMIN)
    for vma in space.vmas:
        for page in _pages_of(k, space, vma, first << 12, end << 12, more):
            shown = PM_PRESENT | ((page.word & FRAME_MASK) >> 12 if frames else 0)
            shown |= (PM_FILE if page.cached else 0) | (PM_MMAP_EXCLUSIVE if page.owners == 1 else 0)
            words[(page.va >> 12) - first] = shown
    return words.tobytes()


# --- maps ---------------------------------------------------------------------------------------------------


def _name(k: Kernel, space: Space, vma: Vma) -> bytes:
    """The last column: the file, or what the stretch is for."""
    if vma.inode and vma.inode != k.tables.vdso:
        inode = k.tables.inodes.get(vma.inode)
        path = k.path_of(inode) if inode is not None else ""
        text = encode_name(path or vma.name.removesuffix(" (deleted)") + " (deleted)")
        return text.replace(b"\n", b"\\012")
    if vma.start < space.brk and vma.end > space.brk_start:
        return b"[heap]"
    if vma.start <= space.stack_top <= vma.end:
        return b"[stack]"
    return (
        encode_name(vma.name) if vma.name.startswith("[") and vma.name not in ("[heap]", "[stack]") else b""
    )


def _header(k: Kernel, space: Space, vma: Vma) -> bytes:
    rights = "".join(
        letter if vma.prot & bit else "-"
        for letter, bit in (("r", PROT_READ), ("w", PROT_WRITE), ("x", PROT_EXEC))
    ) + ("s" if vma.flags & MAP_SHARED else "p")
    number = vma.inode if vma.inode != k.tables.vdso else 0
    device = k.tables.inodes[number].dev if number in k.tables.inodes else 0
    offset = vma.offset << 12 if number else 0
    line = (
        f"{vma.start:08x}-{vma.end:08x} {rights} {offset:08x} "
        f"{major(device):02x}:{minor(device):02x} {number} "
    )
    name = _name(k, space, vma)
    return line.encode() if not name else line.ljust(NAME_COLUMN).encode() + name


def maps(k: Kernel, task: Task) -> bytes:
    space = space_of(k, task)
    if space is None:
        return b""
    return b"".join(_header(k, space, vma) + b"\n" for vma in space.vmas)


def _size(name: str, kib: int) -> str:
    return f"{name + ':':<16}{kib:>8} kB\n"


def _smap_sizes(found: Resident, locked: bool) -> str:
    kib = PAGE_KIB
    pss, pss_dirty = found.pss >> 22, found.pss_dirty >> 22
    fields = (
        ("Rss", found.rss * kib),
        ("Pss", pss),
        ("Pss_Dirty", pss_dirty),
    )
    rest = (
        ("Shared_Clean", found.shared_clean * kib),
        ("Shared_Dirty", found.shared_dirty * kib),
        ("Private_Clean", found.private_clean * kib),
        ("Private_Dirty", found.private_dirty * kib),
        ("Referenced", found.rss * kib),
        ("Anonymous", found.anon * kib),
        ("LazyFree", 0),
        ("AnonHugePages", 0),
        ("ShmemPmdMapped", 0),
        ("FilePmdMapped", 0),
        ("Shared_Hugetlb", 0),
        ("Private_Hugetlb", 0),
        ("Swap", 0),
        ("SwapPss", 0),
        ("Locked", pss if locked else 0),
    )
    return "".join(_size(name, value) for name, value in fields + rest)


def _flags(vma: Vma) -> str:
    """Linux's two-letter names of what applies."""
    shared = bool(vma.flags & MAP_SHARED)
    known = (
        ("rd", vma.prot & PROT_READ),
        ("wr", vma.prot & PROT_WRITE),
        ("ex", vma.prot & PROT_EXEC),
        ("sh", shared),
        ("mr", True),
        ("mw", True),
        ("me", True),
        ("ms", shared),
        ("gd", vma.flags & MAP_GROWSDOWN),
        ("lo", vma.flags & MAP_LOCKED),
        ("nr", vma.flags & MAP_NORESERVE),
        ("ac", vma.prot & PROT_WRITE and not shared),
    )
    return "VmFlags: " + "".join(f"{name} " for name, applies in known if applies) + "\n"


def smaps(k: Kernel, task: Task) -> bytes:
    space = space_of(k, task)
    if space is None:
        return b""
    out = []
    more = shared_owners(k)
    for vma in space.vmas:
        text = _size("Size", vma.end - vma.start >> 10) + _size("KernelPageSize", 4) + _size("MMUPageSize", 4)
        text += _smap_sizes(resident(k, space, vma, more), bool(vma.flags & MAP_LOCKED))
        text += "THPeligible:    0\n" + _flags(vma)
        out.append(_header(k, space, vma) + b"\n" + text.encode())
    return b"".join(out)


def smaps_rollup(k: Kernel, task: Task) -> bytes:
    space = space_of(k, task)
    if space is None or not space.vmas:
        return b""
    all_of_it = usage(k, space)
    head = f"{space.vmas[0].start:08x}-{space.vmas[-1].end:08x} ---p 00000000 00:00 0 "
    text = _smap_sizes(all_of_it, False).splitlines(keepends=True)
    by_kind = [
        _size("Pss_Anon", (all_of_it.pss_dirty if all_of_it.anon else 0) >> 22),
        _size("Pss_File", (all_of_it.pss - all_of_it.pss_dirty) >> 22),
        _size("Pss_Shmem", 0),
    ]
    return (head.ljust(NAME_COLUMN) + "[rollup]\n" + "".join([*text[:3], *by_kind, *text[3:]])).encode()


def statm(k: Kernel, task: Task) -> str:
    """Pages: size, resident, shared, text, 0, data, 0."""
    space = space_of(k, task)
    if space is None:
        return "0 0 0 0 0 0 0\n"
    sizes, found = extents(space), usage(k, space)
    return (
        f"{sizes.total} {found.rss} {found.file + found.shmem} {sizes.text} 0 {sizes.data + sizes.stack} 0\n"
    )


# --- what exec left -----------------------------------------------------------------------------------------


def cmdline(k: Kernel, task: Task) -> bytes:
    """The arguments as they lie in the process's memory; one who overwrote them may go on into the
    environment (setproctitle, `get_mm_cmdline`)."""
    space = space_of(k, task)
    if space is None or space.arg_end <= space.arg_start:
        return b""
    data = read_memory(k, space, space.arg_start, space.arg_end - space.arg_start)
    if data and data[-1]:
        more = read_memory(k, space, space.arg_start, space.env_end - space.arg_start)
        return more.split(b"\0", 1)[0]
    return data


def environ(k: Kernel, task: Task) -> bytes:
    space = space_of(k, task)
    if space is None or space.env_end <= space.arg_end:
        return b""
    return read_memory(k, space, space.arg_end, space.env_end - space.arg_end)


def auxv(k: Kernel, task: Task) -> bytes:
    space = space_of(k, task)
    return space.auxv if space is not None else b""
