"""Random walks through mmap, munmap, mprotect, mremap, madvise, writes, forks, against a model by the page.

The model knows no VMAs: a page is a protection and a cell with one byte, which shared pages have in common.
Along the way the State folded from the events must be what the kernel describes.
"""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.abi.mman import (
    MADV_DONTNEED,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_PRIVATE,
    MAP_SHARED,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
    PROT_READ,
    PROT_WRITE,
)
from kernel.describe import describe
from kernel.errors import KernelError
from kernel.fs.proc.access import read_memory
from kernel.kernel import Kernel
from kernel.mm.address_space import drop_space, find_vma, fork_space
from kernel.mm.pagetables import count_pages, shared_owners
from kernel.syscalls import mapping, memory
from kernel.tables import Space
from kernel.uaccess import copy_to_user
from tests.app.machine import HELLO, Machine

BASE, PAGES, PAGE = 0x5000_0000 - 0x3000, 160, 4096
"""Across the end of a page table, and with room for one that fork shares."""


class Page(NamedTuple):
    prot: int
    shared: bool
    cell: list[int]


Model = dict[int, Page]

spans = st.tuples(st.integers(0, PAGES - 1), st.sampled_from((1, 2, 3, 7, 90)))
prots = st.sampled_from((0, PROT_READ, PROT_READ | PROT_WRITE))
steps = st.one_of(
    st.tuples(st.just("map"), spans, st.sampled_from((PROT_READ, PROT_READ | PROT_WRITE)), st.booleans()),
    st.tuples(st.just("unmap"), spans),
    st.tuples(st.just("protect"), spans, prots),
    st.tuples(st.just("forget"), spans),
    st.tuples(st.just("move"), spans, st.integers(0, PAGES - 1)),
    st.tuples(st.just("write"), spans, st.integers(1, 255)),
    st.tuples(st.just("fork")),
)


def machine() -> Machine:
    """In the first program, at its start."""
    made = Machine("hello", HELLO.read_bytes())
    tables = made.kernel.tables
    while not tables.first or tables.current != tables.first:
        made.step()
    return made


def at(page: int) -> int:
    return BASE + page * PAGE


class Walk:
    def __init__(self) -> None:
        self.machine = machine()
        self.k: Kernel = self.machine.kernel
        self.model: Model = {}
        self.child: tuple[Space, Model] | None = None

    @property
    def space(self) -> Space:
        return self.k.tables.spaces[self.k.task.space]

    def inside(self, span: tuple[int, int]) -> range:
        return range(span[0], min(span[0] + span[1], PAGES))

    def map(self, span: tuple[int, int], prot: int, shared: bool) -> None:
        pages = self.inside(span)
        flags = MAP_FIXED | MAP_ANONYMOUS | (MAP_SHARED if shared else MAP_PRIVATE)
        address = memory.do_mmap(self.k, at(pages[0]), len(pages) * PAGE, prot, flags, 0, 0)
        assert address == at(pages[0])
        self.model.update((page, Page(prot, shared, [0])) for page in pages)

    def unmap(self, span: tuple[int, int]) -> None:
        pages = self.inside(span)
        memory.sys_munmap(self.k, at(pages[0]), len(pages) * PAGE)
        for page in pages:
            self.model.pop(page, None)

    def protect(self, span: tuple[int, int], prot: int) -> None:
        """Up to the first hole, as Linux."""
        pages = self.inside(span)
        hole = next((page for page in pages if page not in self.model), None)
        try:
            memory.sys_mprotect(self.k, at(pages[0]), len(pages) * PAGE, prot)
            assert hole is None
        except KernelError:
            assert hole is not None
        for page in range(pages[0], pages[-1] + 1 if hole is None else hole):
            self.model[page] = self.model[page]._replace(prot=prot)

    def forget(self, span: tuple[int, int]) -> None:
        pages = self.inside(span)
        try:
            mapping.sys_madvise(self.k, at(pages[0]), len(pages) * PAGE, MADV_DONTNEED)
            assert all(page in self.model for page in pages)
        except KernelError:
            assert not all(page in self.model for page in pages)
        for page in pages:
            if page in self.model and not self.model[page].shared:
                self.model[page] = self.model[page]._replace(cell=[0])

    def move(self, span: tuple[int, int], to: int) -> None:
        pages = self.inside(span)
        count = len(pages)
        flags = MREMAP_MAYMOVE | MREMAP_FIXED
        if to + count > PAGES or (to < pages[-1] + 1 and pages[0] < to + count):
            return
        vma = find_vma(self.space, at(pages[0]))
        whole = vma is not None and vma.end >= at(pages[-1] + 1)
        try:
            mapping.sys_mremap(self.k, at(pages[0]), count * PAGE, count * PAGE, flags, at(to))
            assert whole
        except KernelError:
            assert not whole
            if vma is None:
                return
        for page in range(to, to + count):  # what was there is gone in any case
            self.model.pop(page, None)
        if whole:
            for page in pages:
                self.model[page - pages[0] + to] = self.model.pop(page)

    def write(self, span: tuple[int, int], value: int) -> None:
        for page in self.inside(span):
            may = page in self.model and self.model[page].prot & PROT_WRITE
            try:
                copy_to_user(self.k, at(page), bytes([value]))
                assert may
                self.model[page].cell[0] = value
            except KernelError:
                assert not may

    def fork(self) -> None:
        self.end_child()
        made = fork_space(self.k, self.space.id)
        model = {
            number: page if page.shared else page._replace(cell=page.cell[:])
            for number, page in self.model.items()
        }
        self.child = made, model

    def end_child(self) -> None:
        if self.child is not None:
            drop_space(self.k, self.child[0].id)
            self.child = None

    def check(self) -> None:
        assert self.machine.state.machine == describe(self.k)
        self.compare(self.space, self.model)
        if self.child is not None:
            self.compare(*self.child)

    def compare(self, space: Space, model: Model) -> None:
        before = None
        for vma in space.vmas:
            assert vma.start < vma.end
            assert before is None or before.end <= vma.start
            joined = before is not None and before.end == vma.start and not (before.inode or vma.inode)
            if joined and before is not None and before.name == vma.name:
                assert (before.prot, before.flags) != (vma.prot, vma.flags), "not merged"
            before = vma
        assert space.rss == count_pages(self.k, space.pgd)
        for page in range(PAGES):
            vma = find_vma(space, at(page))
            assert (vma is not None) == (page in model)
            if vma is None:
                continue
            known = model[page]
            assert (vma.prot, bool(vma.flags & MAP_SHARED)) == (known.prot, known.shared)
            if known.prot & PROT_READ:
                assert read_memory(self.k, space, at(page), 1)[0] == known.cell[0], hex(at(page))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(steps, min_size=4, max_size=25))
def test_pages_are_as_a_simple_model_says(walk: list[tuple[object, ...]]) -> None:
    one = Walk()
    free = len(one.k.tables.frame_refs)
    one.map((0, 90), PROT_READ | PROT_WRITE, False)
    one.write((0, 90), 7)
    for name, *arguments in walk:
        getattr(one, str(name))(*arguments)
        one.check()
    one.end_child()
    one.unmap((0, PAGES))
    one.unmap((90, PAGES))
    one.check()
    assert not shared_owners(one.k)
    tables = 2
    assert len(one.k.tables.frame_refs) <= free + tables
