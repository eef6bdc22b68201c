"""execve: a new address space from an ELF file, and the stack a program finds at its entry.

Scripts (`#!`) are turned into their interpreter here. The layout of the stack is the System V
i386 ABI's, the auxiliary vector Linux's (man 3 getauxval).
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from kernel import posix_timers
from kernel.abi import elf as auxv
from kernel.abi.errno import Errno
from kernel.abi.mman import MAP_GROWSDOWN, MAP_PRIVATE, PROT_EXEC, PROT_READ, PROT_WRITE, TASK_SIZE
from kernel.abi.process import PTRACE_EVENT_EXEC, RLIMIT_STACK
from kernel.abi.signal import SIGTRAP
from kernel.capabilities import ExecCredentials, commit, exec_credentials
from kernel.cputime import note_peak
from kernel.elf import ET_DYN, PF_R, PF_W, PF_X, PT_GNU_STACK, BadElf, Image, parse
from kernel.errors import Fault, KernelError
from kernel.events import BreakMoved, ProgramExecuted
from kernel.fs.files import close_on_exec
from kernel.fs.vfs import executable, executable_in
from kernel.futex import exit_futexes
from kernel.mm.address_space import create_space, drop_space, find_gap, insert, overlaps, remove
from kernel.mm.fault import user_page
from kernel.signals.state import flush_handlers, send_signal
from kernel.tables import Inode, SigInfo, Space, Task, Vma
from kernel.thread import INITIAL_FXSAVE, Regs, fxsave_write
from kernel.vdso import map_vdso, vdso_symbol
from kernel.wait import wake_up

if TYPE_CHECKING:
    from kernel.kernel import Kernel

STACK_TOP = TASK_SIZE
DYN_BASE = 0x0040_0000
"""Where a position-independent program with an interpreter is put (ELF_ET_DYN_BASE of an i386 kernel)."""
MAX_ARG_STRLEN = 131072
HWCAP = 0x0FC9_FBFD
"""What cpuid's leaf 1 gives in edx on this processor."""
MINIMUM_SIGNAL_STACK = 1440
"""Room for the largest signal frame: sigframe_ia32, the i387 and fxsave state, alignments (signal.c)."""
SCRIPT_DEPTH = 4
SCRIPT_HEAD = 256
"""Bytes of a script that are looked at (BINPRM_BUF_SIZE)."""


class ExecRefused(KernelError):
    """ENOEXEC and the like with the reason in words."""

    def __init__(self, errno: int, reason: str) -> None:
        super().__init__(errno)
        self.reason = reason


def do_execve(
    k: Kernel,
    task: Task,
    path: str,
    argv: list[bytes],
    envp: list[bytes],
    found: tuple[int, Inode, str] | None = None,
    closes: bool = False,
) -> None:
    """Replace the task's program. Until everything has been found in order, nothing is changed.

    `found` are the mount, inode and last known path of the program where `path` is only what it is called
    (execveat); with `closes` no interpreter could open it behind that name.
    """
    filename = path
    once = found[2] if found is not None else ""
    for _ in range(SCRIPT_DEPTH + 1):
        mount, inode = found[:2] if found is not None else executable_in(k, task, path)
        head = k.read_inode(inode, 0, SCRIPT_HEAD)
        if head[:2] != b"#!":
            break
        if found is not None and closes:
            raise KernelError(Errno.ENOENT)
        found, once = None, ""
        interpreter, argument = _script(head)
        argv = [
            interpreter,
            *([argument] if argument else []),
            path.encode("utf-8", "surrogateescape"),
            *argv[1:],
        ]
        path = interpreter.decode("utf-8", "surrogateescape")
    else:
        raise KernelError(Errno.ELOOP)
    image = _parse(k, inode)
    loader = loader_inode = None
    if image.interpreter:
        try:
            loader_inode = executable(k, task, image.interpreter)
        except KernelError as error:
            raise ExecRefused(error.errno, f"its ELF interpreter {image.interpreter} is not there") from None
        loader = _parse(k, loader_inode)
    if not argv:
        argv = [b""]
    total = sum(len(text) + 5 for text in argv + envp)
    if total > min(k.rlimit(RLIMIT_STACK) // 4, 6 << 20) or any(
        len(a) >= MAX_ARG_STRLEN for a in argv + envp
    ):
        raise KernelError(Errno.E2BIG)

    former = task.pid
    become = exec_credentials(k, task, inode, mount)
    space = create_space(k)
    try:
        entry, stack = _build(
            k, space, inode, once, image, loader_inode, loader, filename, argv, envp, become
        )
    except KernelError:
        drop_space(k, space.id)
        raise
    except Fault:  # a page of the new stack or data could not be supplied
        drop_space(k, space.id)
        raise KernelError(Errno.ENOMEM) from None
    _adopt(k, task, space, filename, once, argv, entry, stack, inode)
    cred = become.cred
    task.dumpable = int(cred.euid == cred.uid and cred.egid == cred.gid)
    if become.secure:
        task.pdeath_signal = 0
    commit(task, cred)
    if task.trace is not None:
        task.trace.debug, task.trace.forced_tf = [], False
        if task.trace.options >> PTRACE_EVENT_EXEC & 1:
            task.trace.event = [PTRACE_EVENT_EXEC, former]
        elif not task.trace.seized:
            send_signal(k, task, SigInfo(SIGTRAP, pid=task.pid, uid=task.cred.uid), shared=False)


def _parse(k: Kernel, inode: Inode) -> Image:
    try:
        return parse(k.read_inode(inode, 0, inode.size))
    except BadElf as error:
        raise ExecRefused(Errno.ENOEXEC, str(error)) from None


def _script(head: bytes) -> tuple[bytes, bytes]:
    line, newline, _ = head[2:].partition(b"\n")
    if not newline and len(head) == SCRIPT_HEAD and not any(c in line.lstrip(b" \t") for c in b" \t\0"):
        raise ExecRefused(Errno.ENOEXEC, "a script whose interpreter's name is too long")
    line = line.strip(b" \t\0")
    interpreter, _, argument = line.partition(b" ")
    if not interpreter:
        raise ExecRefused(Errno.ENOEXEC, "a script whose first line names no interpreter")
    return interpreter, argument.strip(b" \t")


def _build(
    k: Kernel,
    space: Space,
    inode: Inode,
    once: str,
    image: Image,
    loader_inode: Inode | None,
    loader: Image | None,
    filename: str,
    argv: list[bytes],
    envp: list[bytes],
    become: ExecCredentials,
) -> tuple[int, int]:
    """Map the program and its stack; the entry point and stack pointer."""
    bias = 0
    if image.type == ET_DYN:
        bias = _bias(space, image, DYN_BASE if loader is not None else 0)
    end = _map_image(k, space, inode, image, bias, once)
    entry = image.entry + bias & 0xFFFF_FFFF
    base = 0
    if loader is not None and loader_inode is not None:
        base = _bias(space, loader) if loader.type == ET_DYN else 0
        _map_image(k, space, loader_inode, loader, base)
        start = loader.entry + base & 0xFFFF_FFFF
    else:
        start = entry
    _note_extents(space, image, bias)
    space.exe = inode.ino
    map_vdso(k, space)
    if image.type == ET_DYN and loader is None:
        end = DYN_BASE  # so that the heap has room to grow
    space.brk_start = space.brk = end + 0xFFF & ~0xFFF
    k.emit(BreakMoved(space.id, space.brk))
    executable_stack = not any(s.type == PT_GNU_STACK and not s.flags & PF_X for s in image.segments)
    prot = PROT_READ | PROT_WRITE | (PROT_EXEC if executable_stack else 0)
    size = 0x2_1000
    insert(
        k,
        space,
        Vma(STACK_TOP - size, STACK_TOP, prot, MAP_PRIVATE | MAP_GROWSDOWN, 0, 0, "[stack]"),
    )
    first = image.loads[0]
    phdr = image.phoff - first.offset + first.vaddr + bias
    aux = [
        (auxv.AT_SYSINFO, vdso_symbol(k, space, "__kernel_vsyscall")),
        (auxv.AT_SYSINFO_EHDR, space.vdso),
        (auxv.AT_MINSIGSTKSZ, MINIMUM_SIGNAL_STACK),
        (auxv.AT_HWCAP, HWCAP),
        (auxv.AT_PAGESZ, 4096),
        (auxv.AT_CLKTCK, 100),
        (auxv.AT_PHDR, phdr & 0xFFFF_FFFF),
        (auxv.AT_PHENT, 32),
        (auxv.AT_PHNUM, image.phnum),
        (auxv.AT_BASE, base),
        (auxv.AT_FLAGS, 0),
        (auxv.AT_ENTRY, entry),
    ]
    return start, _push_stack(k, space, filename.encode("utf-8", "surrogateescape"), argv, envp, aux, become)


def _bias(space: Space, image: Image, base: int = 0) -> int:
    """What is added to the addresses of a position-independent image: so that it lies at `base`, or, as any
    mapping would, below what is mapped (fs/binfmt_elf.c without randomisation)."""
    first = min(segment.vaddr for segment in image.loads) & ~0xFFF
    if base:
        align = max((s.align for s in image.loads if s.align & s.align - 1 == 0), default=0)
        return (base & ~(align - 1) if 0x1000 < align <= base else base) - first
    end = max(segment.vaddr + segment.memsz for segment in image.loads) + 0xFFF & ~0xFFF
    return find_gap(space, end - first) - first


def _note_extents(space: Space, image: Image, bias: int) -> None:
    """Where the program's code and data begin and end, as /proc/PID/stat tells it (fs/binfmt_elf.c)."""
    code = [segment for segment in image.loads if segment.flags & PF_X]
    space.start_code = min((segment.vaddr + bias for segment in code), default=0xFFFF_FFFF)
    space.end_code = max((segment.vaddr + bias + segment.filesz for segment in code), default=0)
    space.start_data = max(segment.vaddr + bias for segment in image.loads)
    space.end_data = max(segment.vaddr + bias + segment.filesz for segment in image.loads)


def _map_image(k: Kernel, space: Space, inode: Inode, image: Image, bias: int, once: str = "") -> int:
    """Map every PT_LOAD; the end of the last one's memory. ENOEXEC or ENOMEM if they do not fit."""
    highest = 0
    name = k.path_of(inode) or once
    for segment in image.loads:
        if not segment.memsz:
            continue
        prot = (
            (PROT_READ if segment.flags & PF_R else 0)
            | (PROT_WRITE if segment.flags & PF_W else 0)
            | (PROT_EXEC if segment.flags & PF_X else 0)
        )
        start = segment.vaddr + bias & ~0xFFF
        file_end = segment.vaddr + bias + segment.filesz
        end = segment.vaddr + bias + segment.memsz
        if start < 0x1000 or end > STACK_TOP - 0x80_0000:
            raise ExecRefused(Errno.ENOEXEC, "an ELF segment lies where no program may be")
        mapped_end = file_end + 0xFFF & ~0xFFF if segment.filesz else start
        remove(k, space, start, max(mapped_end, end + 0xFFF & ~0xFFF))
        if segment.filesz:
            offset = segment.offset >> 12
            insert(k, space, Vma(start, mapped_end, prot, MAP_PRIVATE, inode.ino, offset, name))
        if end > file_end and prot & PROT_WRITE and segment.filesz and file_end & 0xFFF:
            pa = user_page(k, space, file_end, write=True)
            rest = min(0x1000 - (file_end & 0xFFF), end - file_end)
            if rest:
                k.ram.write(pa, bytes(0x1000 - (file_end & 0xFFF)))
        bss_end = end + 0xFFF & ~0xFFF
        if bss_end > mapped_end:
            insert(k, space, Vma(mapped_end, bss_end, prot, MAP_PRIVATE, 0, 0, ""))
        highest = max(highest, end)
    return highest


def _push_stack(
    k: Kernel,
    space: Space,
    filename: bytes,
    argv: list[bytes],
    envp: list[bytes],
    aux: list[tuple[int, int]],
    become: ExecCredentials,
) -> int:
    """Strings, auxv, envp, argv, argc from the top down (System V ABI i386, figure 3-31)."""
    at = STACK_TOP - 4

    def push(data: bytes) -> int:
        nonlocal at
        at -= len(data)
        _store(k, space, at, data)
        return at

    execfn = push(filename + b"\0")
    env_end = at
    env_at = [push(text + b"\0") for text in reversed(envp)][::-1]
    env_start = at
    arg_at = [push(text + b"\0") for text in reversed(argv)][::-1]
    space.arg_start, space.arg_end, space.env_end = at, env_start, env_end
    at &= ~15
    platform = push(b"i686\0")
    random = push(k.entropy(16))
    at &= ~15
    cred = become.cred
    ids = (cred.uid, cred.euid, cred.gid, cred.egid)
    aux = [
        *aux,
        *zip((auxv.AT_UID, auxv.AT_EUID, auxv.AT_GID, auxv.AT_EGID), ids, strict=True),
        (auxv.AT_SECURE, int(become.secure)),
        (auxv.AT_RANDOM, random),
        (auxv.AT_HWCAP2, 0),
        (auxv.AT_EXECFN, execfn),
        (auxv.AT_PLATFORM, platform),
        (auxv.AT_NULL, 0),
    ]
    words = [len(argv), *arg_at, 0, *env_at, 0]
    for pair in aux:
        words += pair
    at = (at - 4 * len(words)) & ~15
    _store(k, space, at, struct.pack(f"<{len(words)}I", *words))
    space.auxv = struct.pack(f"<{2 * len(aux)}I", *(word for pair in aux for word in pair))
    space.stack_top = at
    return at


def _store(k: Kernel, space: Space, address: int, data: bytes) -> None:
    done = 0
    while done < len(data):
        pa = user_page(k, space, address + done, write=True)
        n = min(len(data) - done, 0x1000 - (pa & 0xFFF))
        k.ram.write(pa, data[done : done + n])
        done += n


def _adopt(
    k: Kernel,
    task: Task,
    space: Space,
    filename: str,
    once: str,
    argv: list[bytes],
    entry: int,
    stack: int,
    inode: Inode,
) -> None:
    """The point of no return: the task takes the new space and starts afresh in it."""
    k.leave_thread_group(task)
    if task.space:
        note_peak(k, task)
        exit_futexes(k, task)
    posix_timers.delete_all(k, task.tgid, keep_itimers=True)
    old = task.space
    task.space = space.id
    k.set_space(task, space)
    if old:
        drop_space(k, old)
    task.exe = k.path_of(inode) or once
    called = task.exe if re.fullmatch("/dev/fd/[0-9]+", filename) else filename
    name = called.encode("utf-8", "surrogateescape").rsplit(b"/", 1)[-1]
    task.comm = name[:15].decode("utf-8", "replace")
    task.tls = [0, 0, 0]
    task.altstack = [0, task.altstack[1], 0]
    task.rseq = 0
    k.free_ldt(task)
    if task.pid == k.tables.current:
        k.load_tls()
    regs = Regs(k, task)
    regs.load([0, 0, 0, 0, 0, 0, 0, 0x7B, 0x7B, 0, 0, regs.orig_eax, entry, 0x73, 0x202, stack, 0x7B])
    fxsave_write(k, task, INITIAL_FXSAVE)
    k.emit(
        ProgramExecuted(
            task.pid,
            task.exe,
            tuple(text.decode("utf-8", "replace") for text in argv),
            task.comm,
            space.id,
            entry,
            stack,
            inode.ino,
            task.sighand,
            task.fdtable,
        )
    )
    if task.fdtable:
        close_on_exec(k, task.fdtable)
    if task.sighand:
        flush_handlers(k, task)
    if task.vfork_parent:
        task.vfork_parent = 0
        wake_up(k, f"vfork:{task.pid}")


def strings(k: Kernel, address: int) -> list[bytes]:
    """argv or envp of the current task's memory: pointers up to a null one. E2BIG past all reason."""
    from kernel.uaccess import get_user32, strncpy_from_user

    out: list[bytes] = []
    total = 0
    while address:
        pointer = get_user32(k, address + 4 * len(out))
        if not pointer:
            break
        try:
            out.append(strncpy_from_user(k, pointer, MAX_ARG_STRLEN))
        except KernelError as error:
            raise KernelError(Errno.E2BIG if error.errno == Errno.ENAMETOOLONG else error.errno) from None
        total += len(out[-1]) + 5
        if total > 6 << 20:
            raise KernelError(Errno.E2BIG)
    return out


__all__ = ["ExecRefused", "do_execve", "overlaps", "strings"]
