"""Address spaces: VMAs cut and merged, pages mapped, copied, protected, gone.

The rules are those that the events' docstrings state, written down a second time on purpose: the kernel has
its own in `kernel.mm.address_space`, and the two are compared.
"""

from __future__ import annotations

from msgspec.structs import replace

from app.state.handlers import Handlers
from app.state.state import State
from cpu.paging import USER, WRITABLE
from kernel import events as e
from kernel.abi.mman import MAP_GROWSDOWN, MAP_PRIVATE, PAGE_SHIFT, PROT_EXEC, PROT_READ, PROT_WRITE
from kernel.describe import BITS_NX, SpaceView, VmaView
from kernel.mm.flags import LOCKED, VM_DONTCOPY, VM_WIPEONFORK


def address_space_created(state: State, event: e.AddressSpaceCreated) -> None:
    state.machine.spaces[event.space] = SpaceView(event.space, event.pgd)


def address_space_forked(state: State, event: e.AddressSpaceForked) -> None:
    parent = state.machine.spaces[event.parent]
    for vma in parent.vmas:
        if vma.flags & MAP_PRIVATE:
            for va in pages_between(parent.pages, vma.start, vma.end):
                frame, bits = parent.pages[va]
                if bits & WRITABLE:
                    parent.pages[va] = (frame, bits & ~WRITABLE)
    child = SpaceView(event.child, event.pgd, parent.brk, (), dict(parent.pages))
    for vma in parent.vmas:
        if vma.flags & (VM_DONTCOPY | VM_WIPEONFORK):
            drop_pages(child, vma.start, vma.end)
    kept = (vma for vma in parent.vmas if not vma.flags & VM_DONTCOPY)
    child.vmas = tuple(replace(vma, flags=vma.flags & ~LOCKED) if vma.flags & LOCKED else vma for vma in kept)
    state.machine.spaces[event.child] = child


def address_space_destroyed(state: State, event: e.AddressSpaceDestroyed) -> None:
    del state.machine.spaces[event.space]


def vma_mapped(state: State, event: e.VmaMapped) -> None:
    space = state.machine.spaces[event.space]
    new = VmaView(event.start, event.end, event.prot, event.flags, event.inode, event.offset, event.name)
    left, _, right = cut_out(space.vmas, event.start, event.end)
    space.vmas = merged((*left, new, *right), event.start, event.end)


def vma_unmapped(state: State, event: e.VmaUnmapped) -> None:
    space = state.machine.spaces[event.space]
    left, _, right = cut_out(space.vmas, event.start, event.end)
    space.vmas = left + right
    drop_pages(space, event.start, event.end)


def vma_protected(state: State, event: e.VmaProtected) -> None:
    space = state.machine.spaces[event.space]
    left, inside, right = cut_out(space.vmas, event.start, event.end)
    changed = (replace(vma, prot=event.prot) for vma in inside)
    space.vmas = merged((*left, *changed, *right), event.start, event.end)
    keep = ~0 if event.prot & PROT_WRITE else ~WRITABLE
    user = USER if event.prot & (PROT_READ | PROT_WRITE | PROT_EXEC) else 0
    nx = 0 if event.prot & PROT_EXEC else BITS_NX
    for va in pages_between(space.pages, event.start, event.end):
        frame, bits = space.pages[va]
        space.pages[va] = (frame, bits & keep & ~(USER | BITS_NX) | user | nx)


def vma_flagged(state: State, event: e.VmaFlagged) -> None:
    space = state.machine.spaces[event.space]
    left, inside, right = cut_out(space.vmas, event.start, event.end)
    changed = (replace(vma, flags=vma.flags & ~event.off | event.on) for vma in inside)
    space.vmas = merged((*left, *changed, *right), event.start, event.end)


def pages_moved(state: State, event: e.PagesMoved) -> None:
    space = state.machine.spaces[event.space]
    moved = {
        va - event.start + event.to: space.pages.pop(va)
        for va in pages_between(space.pages, event.start, event.end)
    }
    space.pages.update(moved)


def pages_dropped(state: State, event: e.PagesDropped) -> None:
    drop_pages(state.machine.spaces[event.space], event.start, event.end)


def break_moved(state: State, event: e.BreakMoved) -> None:
    state.machine.spaces[event.space].brk = event.brk


def page_mapped(state: State, event: e.PageMapped) -> None:
    state.machine.spaces[event.space].pages[event.va] = (event.frame, event.bits)


def page_copied(state: State, event: e.PageCopied) -> None:
    state.machine.spaces[event.space].pages[event.va] = (event.new, event.bits)


def page_reused(state: State, event: e.PageReused) -> None:
    state.machine.spaces[event.space].pages[event.va] = (event.frame, event.bits)


def out_of_memory(state: State, event: e.OutOfMemory) -> None:
    """Nothing changes by it: the task's end is told by events of its own."""


def cache_reclaimed(state: State, event: e.CacheReclaimed) -> None:
    """The page cache is not part of the State."""


Vmas = tuple[VmaView, ...]


def cut_out(vmas: Vmas, start: int, end: int) -> tuple[Vmas, Vmas, Vmas]:
    """What lies before, in and behind [start, end); VMAs across an edge are cut there."""
    left: list[VmaView] = []
    inside: list[VmaView] = []
    right: list[VmaView] = []
    for vma in vmas:
        if vma.end <= start:
            left.append(vma)
            continue
        if vma.start >= end:
            right.append(vma)
            continue
        if vma.start < start:
            left.append(part(vma, vma.start, start))
        inside.append(part(vma, max(vma.start, start), min(vma.end, end)))
        if vma.end > end:
            right.append(part(vma, end, vma.end))
    return tuple(left), tuple(inside), tuple(right)


def part(vma: VmaView, start: int, end: int) -> VmaView:
    """[start, end) of a VMA. A file's offset moves along; without a file only the lowest part keeps it."""
    if start == vma.start:
        return vma if end == vma.end else replace(vma, end=end)
    offset = vma.offset + (start - vma.start >> PAGE_SHIFT) if vma.inode else 0
    return replace(vma, start=start, end=end, offset=offset)


def merged(vmas: Vmas, start: int, end: int) -> Vmas:
    """Alike neighbours that meet in [start, end] as one."""
    found: list[VmaView] = []
    for vma in vmas:
        if found and start <= found[-1].end <= end and alike(found[-1], vma):
            found[-1] = replace(found[-1], end=vma.end)
        else:
            found.append(vma)
    return tuple(found)


def alike(left: VmaView, right: VmaView) -> bool:
    """Whether two neighbours are one VMA. A stack is not part of its neighbour: it grows by itself."""
    return (
        left.end == right.start
        and left.prot == right.prot
        and left.flags == right.flags
        and left.name == right.name
        and left.inode == right.inode
        and (not left.inode or left.offset + (left.end - left.start >> PAGE_SHIFT) == right.offset)
        and not left.flags & MAP_GROWSDOWN
    )


def pages_between(pages: dict[int, tuple[int, int]], start: int, end: int) -> list[int]:
    """Addresses of the present pages of [start, end), by whichever way is shorter."""
    if end - start >> PAGE_SHIFT < len(pages):
        return [va for va in range(start, end, 1 << PAGE_SHIFT) if va in pages]
    return [va for va in pages if start <= va < end]


def drop_pages(space: SpaceView, start: int, end: int) -> None:
    for va in pages_between(space.pages, start, end):
        del space.pages[va]


HANDLERS: Handlers = {
    e.AddressSpaceCreated: address_space_created,
    e.AddressSpaceForked: address_space_forked,
    e.AddressSpaceDestroyed: address_space_destroyed,
    e.VmaMapped: vma_mapped,
    e.VmaUnmapped: vma_unmapped,
    e.VmaProtected: vma_protected,
    e.PagesDropped: pages_dropped,
    e.VmaFlagged: vma_flagged,
    e.PagesMoved: pages_moved,
    e.BreakMoved: break_moved,
    e.PageMapped: page_mapped,
    e.PageCopied: page_copied,
    e.PageReused: page_reused,
    e.OutOfMemory: out_of_memory,
    e.CacheReclaimed: cache_reclaimed,
}
