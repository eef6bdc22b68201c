"""Memory: address spaces, areas, pages that come, are shared, and are copied on write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.panes.memory_facts import rights, vma_at, vma_name
from app.state.state import State
from app.tellers.people import in_space, listed, plural, task
from kernel import events as e
from kernel.abi.mman import PAGE_SIZE
from kernel.mm.flags import (
    VM_DONTCOPY,
    VM_DONTDUMP,
    VM_LOCKED,
    VM_LOCKONFAULT,
    VM_RAND_READ,
    VM_SEQ_READ,
    VM_WIPEONFORK,
)


def _whose(state: State, space: int) -> str:
    owner = in_space(state, space)
    return f"{owner}'s address space" if owner else "the new address space"


def _area(state: State, number: int, va: int) -> str:
    """What a page belongs to: ` of the stack`, ` of .data`; '' if that is not known."""
    space = state.machine.spaces.get(number)
    vma = vma_at(space, va) if space is not None else None
    if space is None or vma is None:
        return ""
    name = vma_name(vma, space)
    return f" ({name})" if name else ""


def _owners(state: State, va: int, frame: int, but: int) -> str:
    """Who else has a frame at the same address."""
    spaces = [
        one.id
        for one in state.machine.spaces.values()
        if one.id != but and one.pages.get(va, (-1,))[0] == frame
    ]
    return listed([name for space in spaces if (name := in_space(state, space))])


FLAGS = {
    VM_LOCKED: "kept in memory",
    VM_LOCKONFAULT: "as far as it is touched",
    VM_DONTCOPY: "left out by fork",
    VM_WIPEONFORK: "emptied for a child",
    VM_DONTDUMP: "left out of core dumps",
    VM_RAND_READ: "expected to be read here and there",
    VM_SEQ_READ: "expected to be read in order",
}


def flag_text(on: int, off: int) -> str:
    """What flags that were set and cleared say of a stretch."""
    found = [text for flag, text in FLAGS.items() if on & flag]
    if found:
        return ", ".join(found)
    return "no longer " + " or ".join(text for flag, text in FLAGS.items() if off & flag)


def _forked(event: e.AddressSpaceForked, state: State) -> str:
    parent = in_space(state, event.parent) or "the parent"
    return (
        f"fork copies page tables, not pages: {plural(event.pages, 'frame')} of {parent} will be the child's"
        " as well. The private ones are read-only in both from now on; the first to write gets a copy."
    )


def _mapped(event: e.PageMapped, state: State) -> str:
    how = {
        "zero": "an empty frame",
        "file": "a frame of the page cache, with the file's bytes",
        "share": "a frame that others have too",
        "stack": "a frame for the stack",
        "load": "a frame with a copy of the program's bytes",
    }.get(event.reason, "a frame")
    can = "writable" if event.bits & 2 else "read-only"
    whose = in_space(state, event.space)
    page = f"{event.va:08x}{_area(state, event.space, event.va)}{f' of {whose}' if whose else ''}"
    return f"Page {page} is present now: {how}, {event.frame:#x}, {can}."


def _copied(event: e.PageCopied, state: State) -> str:
    whose = in_space(state, event.space) or "The process"
    others = _owners(state, event.va, event.old, event.space)
    space = state.machine.spaces.get(event.space)
    vma = vma_at(space, event.va) if space is not None else None
    shared = f"was shared with {others}" if others else "was shared"
    kept = f" {others} {'keep' if ' and ' in others else 'keeps'} {event.old:#x}." if others else ""
    if not others and vma is not None and vma.inode:
        shared, kept = "is the page cache's", " The file stays as it is."
    return (
        f"Copy on write: {whose} wrote to page {event.va:08x}{_area(state, event.space, event.va)}, whose"
        f" frame {event.old:#x} {shared}. {whose} gets a copy,"
        f" frame {event.new:#x}, writable.{kept}"
    )


def _reused(event: e.PageReused, state: State) -> str:
    whose = in_space(state, event.space) or "The process"
    return (
        f"Copy on write without a copy: {whose} wrote to page {event.va:08x}"
        f"{_area(state, event.space, event.va)}, and nobody else has frame {event.frame:#x} any more. It is"
        " simply writable again."
    )


def _vma(event: e.VmaMapped, state: State) -> str:
    what = event.name or "anonymous memory"
    pages = (event.end - event.start) // PAGE_SIZE
    return (
        f"[{event.start:08x}, {event.end:08x}) is part of {_whose(state, event.space)} now: {what},"
        f" {rights(event.prot)}, {plural(pages, 'page')}, each to come when it is touched."
    )


def _break(event: e.BreakMoved, state: State) -> str:
    return (
        f"The heap of {_whose(state, event.space)} ends at {event.brk:08x} now. Its pages come when they are"
        " touched."
    )


TELLERS: dict[type, Callable[[Any, State], str]] = {
    e.AddressSpaceCreated: lambda ev, s: (
        f"An address space is made: its page directory pointers lie in frame {ev.pgd:#x}, so cr3 will be"
        f" {ev.pgd * PAGE_SIZE:08x}."
    ),
    e.AddressSpaceForked: _forked,
    e.AddressSpaceDestroyed: lambda ev, s: (
        "An address space is given back: its page tables, and all frames that nobody else has."
    ),
    e.VmaMapped: _vma,
    e.VmaUnmapped: lambda ev, s: (
        f"[{ev.start:08x}, {ev.end:08x}) is part of {_whose(s, ev.space)} no longer; its pages are gone."
    ),
    e.VmaProtected: lambda ev, s: (
        f"[{ev.start:08x}, {ev.end:08x}) of {_whose(s, ev.space)} is {rights(ev.prot)} now."
    ),
    e.PagesDropped: lambda ev, s: (
        f"The pages of [{ev.start:08x}, {ev.end:08x}) in {_whose(s, ev.space)} are dropped; a touch supplies"
        " new ones."
    ),
    e.VmaFlagged: lambda ev, s: (
        f"[{ev.start:08x}, {ev.end:08x}) of {_whose(s, ev.space)} is {flag_text(ev.on, ev.off)} now."
    ),
    e.PagesMoved: lambda ev, s: (
        f"The pages of [{ev.start:08x}, {ev.end:08x}) in {_whose(s, ev.space)} lie at {ev.to:08x} now:"
        " entries of page tables moved, no byte was copied."
    ),
    e.BreakMoved: _break,
    e.PageMapped: _mapped,
    e.PageCopied: _copied,
    e.PageReused: _reused,
    e.OutOfMemory: lambda ev, s: (
        f"No frame is free, and none can be had. The out-of-memory killer takes {task(s, ev.task)}, which has"
        f" {plural(ev.pages, 'page')}: nobody else has so many, or is so ready to go (oom_score_adj)."
    ),
    e.CacheReclaimed: lambda ev, s: (
        f"No frame is free. {plural(ev.pages, 'page')} of the page cache that nobody has mapped or changed"
        " are given back; the files are still where they came from."
    ),
}
