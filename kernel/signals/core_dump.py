"""Core dumps: a process that a signal ends leaves its memory and registers in a file (man 5 core).

An ELF file as Linux's fs/coredump.c and binfmt_elf.c write it: one PT_NOTE with the registers of all threads,
who the process was, what ended it, its auxiliary vector and its files; a PT_LOAD for each stretch of memory,
with what the program has written there, and the first page of the files that it executes. `core_image` makes
the same of any process at any moment, for those who only look (as gcore does).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from struct import pack
from typing import TYPE_CHECKING

from kernel import uaccess
from kernel.abi.elf import EM_386, ET_CORE, PF_R, PF_W, PF_X, PT_LOAD, PT_NOTE
from kernel.abi.files import O_CREAT, O_EXCL, O_LARGEFILE, O_NOFOLLOW, O_RDWR
from kernel.abi.mman import MAP_SHARED, PROT_EXEC, PROT_READ, PROT_WRITE
from kernel.abi.process import RLIMIT_CORE
from kernel.cputime import cpu_times
from kernel.errors import Blocked, KernelError
from kernel.events import FileWritten
from kernel.fs import directory, ramfs
from kernel.fs.files import close_file
from kernel.fs.names import encode_name
from kernel.fs.opening import do_open
from kernel.mm.pagetables import pages
from kernel.signals.fpstate import fpstate_from_fxsave, fxsave_of
from kernel.signals.frame import NO_SYSCALL, siginfo_of
from kernel.signals.pending import leader_of, thread_group
from kernel.syscalls.process import user_desc
from kernel.tables import Inode, SigInfo, Space, Task, TaskState, Vma
from kernel.thread import PT_REGS, Regs, fxsave_read

if TYPE_CHECKING:
    from kernel.kernel import Kernel

PAGE = 4096
EHDR, PHDR = 52, 32
FRAME_MASK = 0x000F_FFFF_FFFF_F000
NT_PRSTATUS, NT_FPREGSET, NT_PRPSINFO, NT_AUXV = 1, 2, 3, 6
NT_SIGINFO, NT_FILE, NT_PRXFPREG, NT_386_TLS = 0x5349_4749, 0x4649_4C45, 0x46E6_2B7F, 0x200
GDT_TLS = 12
FSAVE_SIZE = 108
PSARGS = 80
VDSO = "[vdso]"
DELETED = " (deleted)"
MAX_FILES = 4 << 20
"""NT_FILE is left out where it would be larger (MAX_FILE_NOTE_SIZE)."""


def do_coredump(k: Kernel, info: SigInfo) -> bool:
    """Write `core` into the current directory, up to RLIMIT_CORE; whether there is one.

    Not of a process that is not dumpable.
    """
    task = k.task
    limit = k.rlimit(RLIMIT_CORE)
    space = k.tables.spaces.get(task.space)
    if limit < PAGE or space is None or task.dumpable != 1:
        return False
    try:
        inode = _open(k)
    except (KernelError, Blocked):
        return False
    if inode is None:
        return False
    inode.opened += 1
    _write(k, inode, _image(k, task, space, info, _Looking(k)), limit)
    ramfs.release_inode(k, inode.ino)
    return True


def core_image(k: Kernel, task: Task) -> Iterator[tuple[int, bytes]]:
    """A core file of a live process as it stands, as offset and bytes of one piece after another.

    Nothing is changed by it. The signal that it tells of is the first one that is pending, 0 for none.
    """
    space = k.tables.spaces[task.space]
    pending = (*task.pending, *leader_of(k, task).shared_pending)
    return _image(k, task, space, pending[0] if pending else SigInfo(0), _Looking(k, outside=True))


class _Looking:
    """Where registers and pages are found: in a dump of the kernel's own, and by who looks from outside.

    Whoever is in ring 3 has its registers in the processor only; x87 and SSE registers are there until
    another task runs.
    """

    def __init__(self, k: Kernel, outside: bool = False) -> None:
        self.k = k
        self.outside = outside

    def regs(self, task: Task) -> list[int]:
        """pt_regs. A process's end takes a thread that sleeps in a system call out of it first."""
        k = self.k
        if self.outside and task.pid == k.tables.current and (now := k.core.registers()).cpl == 3:
            return [NO_SYSCALL if name == "orig_eax" else getattr(now, name) for name in PT_REGS]
        words = Regs(k, task).all()
        if not self.outside and task.state == TaskState.SLEEPING and task.syscall >= 0:
            words[PT_REGS.index("eax")] = -task.interrupted & 0xFFFF_FFFF
        return words

    def fxsave(self, task: Task) -> bytes:
        if self.outside and task.pid == self.k.tables.current:
            return fxsave_of(self.k.core.emulator.read_fpu())
        return fxsave_read(self.k, task)

    def page(self, inode: Inode, index: int) -> bytes:
        """A page of a file that is not in memory."""
        data = ramfs.peek_inode(self.k, inode.ino, index << 12, PAGE)
        if not self.outside and index not in inode.pages:
            with suppress(KernelError):
                data = ramfs.page_from_outside(self.k, inode, index)
        return data.ljust(PAGE, b"\0")


def _open(k: Kernel) -> Inode | None:
    """A new file: one that is there, or a link, is removed before."""
    with suppress(KernelError):
        directory.unlink(k, "core")
    flags = O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_LARGEFILE
    file = do_open(k, "core", flags, 0o600)
    inode = k.tables.inodes.get(file.inode)
    close_file(k, file)
    return inode


def _write(k: Kernel, inode: Inode, pieces: Iterator[tuple[int, bytes]], limit: int) -> None:
    """Pieces by their offsets, as many as the limit and the machine's memory allow; zeroes are a hole."""
    size = 0
    for at, data in pieces:
        if at + len(data) > limit:
            break
        if any(data):
            try:
                ramfs.write_inode(k, inode, at, data)
            except KernelError:
                break
        size = at + len(data)
    inode.size = max(inode.size, size)
    if size:
        k.emit(FileWritten(inode.ino, 0, size))


# --- the file -----------------------------------------------------------------------------------------------


def _image(
    k: Kernel, task: Task, space: Space, info: SigInfo, looking: _Looking
) -> Iterator[tuple[int, bytes]]:
    """Offset and bytes of one piece after another."""
    vmas = [vma for vma in space.vmas if vma.end > vma.start]
    notes = _notes(k, task, space, info, looking)
    first = EHDR + PHDR * (len(vmas) + 1)
    at = -(-(first + len(notes)) // PAGE) * PAGE
    headers = [pack("<8I", PT_NOTE, first, 0, 0, len(notes), 0, 0, 4)]
    stretches: list[tuple[int, Vma, int, dict[int, int]]] = []
    for vma in vmas:
        present = {va: (word & FRAME_MASK) >> 12 for va, _, word in pages(k, space.pgd, vma.start, vma.end)}
        size = _dumped(k, vma, present)
        flags = sum(bit for bit, prot in _FLAGS if vma.prot & prot)
        headers.append(pack("<8I", PT_LOAD, at, vma.start, 0, size, vma.end - vma.start, flags, PAGE))
        stretches.append((at, vma, size, present))
        at += size
    ident = b"\x7fELF" + bytes((1, 1, 1)) + bytes(9)
    ehdr = ident + pack(
        "<HHIIIIIHHHHHH", ET_CORE, EM_386, 1, 0, EHDR, 0, 0, EHDR, PHDR, len(headers), 0, 0, 0
    )
    yield 0, ehdr + b"".join(headers) + notes
    for start, vma, size, present in stretches:
        for offset in range(0, size, PAGE):
            yield start + offset, _page(k, vma, vma.start + offset, present, looking)


_FLAGS = ((PF_R, PROT_READ), (PF_W, PROT_WRITE), (PF_X, PROT_EXEC))


def _page(k: Kernel, vma: Vma, address: int, present: dict[int, int], looking: _Looking) -> bytes:
    frame = present.get(address)
    if frame is not None:
        return bytes(k.ram.frame(frame))
    inode = k.tables.inodes.get(vma.inode)
    if inode is not None:
        return looking.page(inode, vma.offset + (address - vma.start >> 12))
    return bytes(PAGE)


def _dumped(k: Kernel, vma: Vma, present: dict[int, int]) -> int:
    """How much of a stretch goes into the file (`vma_dump_size` with the usual filter, 0x33)."""
    whole = vma.end - vma.start
    inode = k.tables.inodes.get(vma.inode)
    if vma.name == VDSO:
        return whole
    if inode is None:
        return whole if present else 0
    if vma.flags & MAP_SHARED:
        return whole if not inode.nlink or not inode.parent else 0
    cached = set(inode.pages.values())
    if any(frame not in cached for frame in present.values()):
        return whole
    return PAGE if not vma.offset and vma.prot & PROT_READ and inode.mode & 0o111 else 0


# --- notes --------------------------------------------------------------------------------------------------


def _note(kind: int, data: bytes, owner: bytes = b"CORE") -> bytes:
    name = owner + b"\0"
    head = pack("<III", len(name), len(data), kind)
    return head + name.ljust(-(-len(name) // 4) * 4, b"\0") + data.ljust(-(-len(data) // 4) * 4, b"\0")


def _notes(k: Kernel, task: Task, space: Space, info: SigInfo, looking: _Looking) -> bytes:
    out = [
        _note(NT_PRSTATUS, _prstatus(k, task, info, looking)),
        _note(NT_PRPSINFO, _prpsinfo(k, task, space)),
        _note(NT_SIGINFO, siginfo_of(info).pack()),
        _note(NT_AUXV, space.auxv),
    ]
    files = _files(k, space)
    if len(files) <= MAX_FILES:
        out.append(_note(NT_FILE, files))
    out += _registers(task, looking)
    for thread in thread_group(k, task):
        if thread is not task:
            out.append(_note(NT_PRSTATUS, _prstatus(k, thread, info, looking)))
            out += _registers(thread, looking)
    return b"".join(out)


def _registers(task: Task, looking: _Looking) -> list[bytes]:
    """x87, SSE and the three TLS entries."""
    image = looking.fxsave(task)
    tls = b"".join(user_desc(GDT_TLS + n, word) for n, word in enumerate(task.tls))
    return [
        _note(NT_FPREGSET, fpstate_from_fxsave(image)[:FSAVE_SIZE]),
        _note(NT_PRXFPREG, image, b"LINUX"),
        _note(NT_386_TLS, tls, b"LINUX"),
    ]


def _timeval(ticks: int) -> tuple[int, int]:
    return ticks // 10**9 & 0xFFFF_FFFF, ticks // 1000 % 10**6


def _prstatus(k: Kernel, task: Task, info: SigInfo, looking: _Looking) -> bytes:
    """`struct elf_prstatus` (uapi linux/elfcore.h); of `pr_info` Linux fills in the number only."""
    user, system = cpu_times(k, task)
    leader = leader_of(k, task)
    children = leader.children
    times = (user, system, children.ran - children.system, children.system)
    pending = sum({1 << one.signo - 1 for one in task.pending}) & 0xFFFF_FFFF
    head = pack("<iiihxxII", info.signo, 0, 0, info.signo, pending, task.blocked & 0xFFFF_FFFF)
    head += pack("<4i", task.pid, leader.ppid, task.pgrp, task.session)
    head += b"".join(pack("<II", *_timeval(ticks)) for ticks in times)
    return head + pack("<17I", *looking.regs(task)) + pack("<I", 1)


def _prpsinfo(k: Kernel, task: Task, space: Space) -> bytes:
    """`struct elf_prpsinfo`: the process is running (R), with the beginning of its command line."""
    size = min(space.arg_end - space.arg_start, PSARGS - 1)
    arguments = uaccess.copy_from_user_partial(k, space.arg_start, size).replace(b"\0", b" ")
    leader = leader_of(k, task)
    ids = (min(task.cred.uid, 0xFFFF), min(task.cred.gid, 0xFFFF))
    head = pack("<BcBbI", 0, b"R", 0, task.nice, 0x0040_0600)
    head += pack("<HH4i", *ids, leader.tgid, leader.ppid, leader.pgrp, leader.session)
    comm = task.comm.encode("utf-8", "replace")[:15]
    return head + comm.ljust(16, b"\0") + arguments.ljust(PSARGS, b"\0")


def _files(k: Kernel, space: Space) -> bytes:
    """NT_FILE: which part of which file is mapped where."""
    mapped = [vma for vma in space.vmas if vma.inode in k.tables.inodes and vma.name != VDSO]
    table = b"".join(pack("<III", vma.start, vma.end, vma.offset) for vma in mapped)
    names = b"".join(encode_name(_name(k, vma)) + b"\0" for vma in mapped)
    return pack("<II", len(mapped), PAGE) + table + names


def _name(k: Kernel, vma: Vma) -> str:
    return k.path_of(k.tables.inodes[vma.inode]) or vma.name.removesuffix(DELETED) + DELETED
