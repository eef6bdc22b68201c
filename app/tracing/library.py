"""Calls of functions, as ltrace shows them: of libraries by dynamic programs, and of a program's own by name.

Where a call arrives, `linkage.py` finds in the program's file; what an argument means, `prototypes.py` knows.
Those addresses, and the ones behind each call of them, are watched (`Core.watch`), which changes nothing of
what happens: here is only looked at. Of a static program's libraries, those calls are shown that no function
of a library makes itself.
"""

from __future__ import annotations

import struct
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from app.tracing import prototypes
from app.tracing.linkage import Linkage, read_linkage
from app.tracing.prototypes import PROTOTYPES, UNKNOWN
from app.tracing.tracer import Tracer
from cpu import registers as r
from cpu.events import TrapTaken
from cpu.interrupts import PAGE_FAULT
from kernel import events as e
from kernel.kernel import Kernel
from kernel.tables import Space

MOST_FRAMES = 10_000
"""Calls of one task that have not returned; the oldest are forgotten."""
MOST_FILE = 64 << 20
_MOST_POPPED = 8
"""How far above its return address a function leaves the stack pointer: that word, and what `ret n` takes."""
_PIECE = 64


class _Frame(msgspec.Struct):
    """A call that has not returned. `sp` is where its return address, `back`, lies."""

    name: str
    back: int
    sp: int
    tick: int
    inner: bool


class Library:
    """Tells `tracer` of calls: of libraries (`imports`), and of functions whose names match `globs`."""

    def __init__(
        self, kernel: Kernel, tracer: Tracer, imports: bool, globs: tuple[str, ...], limit: int
    ) -> None:
        self._kernel = kernel
        self._tracer = tracer
        self._imports = imports
        self._globs = globs
        self.unmatched = set(globs)
        """Those that no function's name has matched so far."""
        self._limit = limit
        self._programs: dict[tuple[int, int], Linkage] = {}
        self._targets: dict[int, tuple[int, str]] = {}
        """What words hold that are called through: a function, and the word."""
        self._unresolved: dict[int, set[int]] = {}
        """By process: its words that hold no function yet."""
        self._frames: dict[int, list[_Frame]] = {}
        self._begun: set[int] = set()
        """Processes in which main has begun."""
        self._last: dict[int, tuple[int, int]] = {}
        """By task: the address seen last, and the stack pointer there."""
        self._again: dict[int, tuple[int, int]] = {}
        """Likewise, if that instruction faulted and will be run again."""
        kernel.core.watch(frozenset(), self._seen)

    def sink(self, tick: int, pid: int, event: Any) -> None:
        """Every event, after the tracer has had it."""
        match event:
            case TrapTaken(vector=vector, cpl=3) if vector == PAGE_FAULT:
                if self._last.get(pid) == (event.eip, event.esp):
                    self._again[pid] = event.eip, event.esp
            case e.SyscallExited() if self._unresolved:
                self._resolve()
            case e.ProgramExecuted():
                self._forget(event.task)
                self._load(event.task)
            case e.TaskCreated():
                if event.child == event.tgid:
                    frames = self._frames.get(event.parent, [])
                    self._frames[event.child] = [msgspec.structs.replace(one) for one in frames]
                    if self._kernel.tables.tasks[event.parent].tgid in self._begun:
                        self._begun.add(event.child)
            case e.TaskExited():
                self._forget(event.task)

    def _forget(self, pid: int) -> None:
        self._frames.pop(pid, None)
        self._last.pop(pid, None)
        self._again.pop(pid, None)
        self._unresolved.pop(pid, None)
        self._begun.discard(pid)

    # Programs.

    def _space(self) -> Space | None:
        return self._kernel.tables.spaces.get(self._kernel.task.space)

    def _load(self, pid: int) -> None:
        """Find out what to watch of the program that a task has just begun."""
        kernel = self._kernel
        space = kernel.tables.spaces[kernel.tables.tasks[pid].space]
        key = (space.exe, space.start_code)
        inode = kernel.tables.inodes.get(space.exe)
        if inode is None:
            return
        if key not in self._programs:
            data = kernel.peek_inode(space.exe, 0, min(inode.size, MOST_FILE))
            self._programs[key] = read_linkage(data, space.start_code, self._is_import, self._is_chosen)
        program = self._programs[key]
        if program.slots:
            self._unresolved[pid] = set(program.slots)
        watched = set(program.entries)
        if program.main:
            watched.add(program.main)
        kernel.core.watch_too(watched)

    def _is_chosen(self, name: str) -> bool:
        matched = [glob for glob in self._globs if fnmatchcase(name, glob)]
        self.unmatched.difference_update(matched)
        return bool(matched)

    def _is_import(self, name: str) -> bool:
        return self._imports or self._is_chosen(name)

    def _resolve(self) -> None:
        """The dynamic linker fills the table before the program begins."""
        kernel = self._kernel
        slots = self._unresolved.get(kernel.task.tgid)
        space = self._space()
        if slots is None or space is None:
            return
        program = self._programs[space.exe, space.start_code]
        for slot in sorted(slots):
            value = int.from_bytes(kernel.peek(slot, 4) or b"", "little")
            if program.low <= value < program.high:
                continue
            if any(vma.start <= value < vma.end and vma.prot & 4 for vma in space.vmas):
                slots.discard(slot)
                self._targets[value] = slot, program.slots[slot]
                kernel.core.watch_too((value,))
        if not slots:
            del self._unresolved[kernel.task.tgid]

    # Calls.

    def _seen(self, address: int, tick: int) -> None:
        space = self._space()
        if space is None:
            return
        kernel = self._kernel
        task = kernel.task
        regs = kernel.core.emulator.bank.read()
        sp, result = int(regs[r.ESP]), (int(regs[r.EAX]), int(regs[r.EDX]))
        if self._again.get(task.pid) == (address, sp):
            del self._again[task.pid]
            return
        before, self._last[task.pid] = self._last.get(task.pid), (address, sp)
        frames = self._frames.setdefault(task.pid, [])
        self._returned(task.pid, frames, address, sp, result, tick)
        program = self._programs.get((space.exe, space.start_code))
        if program is None:
            return
        if address == program.main:
            self._begun.add(task.tgid)
        name, inner = program.entries.get(address), address in program.inner
        words = self._words(sp)
        if name is None and program.slots and words and program.low <= words[0] < program.high:
            slot, name = self._targets.get(address, (0, None))
            jumped = before is not None and before[1] == sp and program.entries.get(before[0]) == name
            if jumped or kernel.peek(slot, 4) != address.to_bytes(4, "little"):
                name = None
        if name is not None and words:
            self._drop_dead(frames, address, name, words[0], sp, inner)
            if inner and (task.tgid not in self._begun or any(frame.inner for frame in frames)):
                return
            self._called(task.pid, frames, _Frame(name, words[0], sp, tick, inner), words[1:])

    def _words(self, sp: int) -> tuple[int, ...]:
        """The return address and what lies above it."""
        size = 4 * (1 + prototypes.MOST)
        data = self._kernel.peek(sp, size) or self._kernel.peek(sp, min(size, -sp & 0xFFF) & ~3) or b""
        return struct.unpack(f"<{len(data) // 4}I", data)

    def _drop_dead(
        self, frames: list[_Frame], address: int, name: str, back: int, sp: int, inner: bool
    ) -> None:
        """Forget calls that longjmp has left: what lies at their places shows it.

        At the same place with the same return address there may be a call that ends in this one (`jmp`).
        """
        if inner:
            while frames and self._kernel.peek(frames[-1].sp, 4) != frames[-1].back.to_bytes(4, "little"):
                frames.pop()
        while frames and frames[-1].sp == sp:
            top = frames[-1]
            if top.back == back and top.name != name and not self._is_direct(back, address):
                break
            frames.pop()

    def _is_direct(self, back: int, address: int) -> bool:
        """Whether the instruction before `back` is a call of exactly this address."""
        code = self._kernel.peek(max(back - 5, 0), 5) or b""
        return code[:1] == b"\xe8" and back + int.from_bytes(code[1:], "little") & 0xFFFF_FFFF == address

    def _called(self, pid: int, frames: list[_Frame], frame: _Frame, words: tuple[int, ...]) -> None:
        frames.append(frame)
        del frames[:-MOST_FRAMES]
        self._kernel.core.watch_too((frame.back,))
        prototype = PROTOTYPES.get(frame.name, UNKNOWN)
        shown = prototypes.show_arguments(prototype, words, self._text, self._limit)
        self._tracer.function_called(pid, frame.tick, frame, f"{frame.name}({shown}", frame.back)

    def _returned(
        self, pid: int, frames: list[_Frame], address: int, sp: int, result: tuple[int, int], tick: int
    ) -> None:
        """Perhaps: to `address`, with the stack pointer behind the return address."""

        def ends(frame: _Frame) -> bool:
            return frame.back == address and 0 < sp - frame.sp <= _MOST_POPPED

        place = next((n for n in range(len(frames) - 1, -1, -1) if ends(frames[n])), -1)
        if place < 0:
            return
        del frames[place + 1 :]  # what lies above was left by longjmp
        while frames and ends(frames[-1]):  # one, and those that it was the end of
            frame = frames.pop()
            prototype = PROTOTYPES.get(frame.name, UNKNOWN)
            top = self._top_of_fpu() if prototype.result == "double" else (0, 0)
            shown = prototypes.show_result(prototype, result, top, self._text, self._limit)
            self._tracer.function_returned(pid, tick, frame, frame.name, frame.tick, shown)

    def _top_of_fpu(self) -> tuple[int, int]:
        fpu = self._kernel.core.emulator.read_fpu()
        return fpu.st[fpu.fpsw >> 11 & 7]

    def _text(self, address: int, size: int) -> bytes | None:
        """The bytes at an address, as many of them as there are; up to a NUL if `size` is negative."""
        found = b""
        most = abs(size)
        while len(found) < most:
            count = min(_PIECE, 0x1000 - (address & 0xFFF), most - len(found))
            piece = self._kernel.peek(address, count)
            if piece is None:
                return found or None
            before, end, _ = piece.partition(b"\0") if size < 0 else (piece, b"", b"")
            found += before
            if end:
                break
            address += count
        return found
