"""ptrace: one call for all that a tracer asks (man 2 ptrace; kernel/ptrace.c, arch/x86/kernel/ptrace.c)."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import TYPE_CHECKING

from kernel.abi import process as abi
from kernel.abi.errno import Errno
from kernel.abi.sigframe import SIGINFO_SIZE, Siginfo
from kernel.abi.signal import AUDIT_ARCH_I386, SI_USER, SIGKILL, SIGTRAP
from kernel.capabilities import capable
from kernel.errors import KernelError
from kernel.fs.proc.access import read_memory, write_memory
from kernel.ptrace import link, registers, stops, watch
from kernel.sched import GDT_TLS
from kernel.seccomp import INSTRUCTION, MODE_FILTER
from kernel.signals.frame import info_from, siginfo_of
from kernel.signals.pending import leader_of
from kernel.signals.state import send_signal, set_blocked, signal_wake_up
from kernel.syscalls.process import fill_thread_area, user_desc
from kernel.tables import SigInfo, Task, TaskState, Trace
from kernel.thread import Regs
from kernel.uaccess import copy_from_user, copy_to_user, put_user32, signed

if TYPE_CHECKING:
    from kernel.kernel import Kernel

PTRACE_OLDSETOPTIONS = 21
SIGSET_SIZE = 8
PEEKSIGINFO_SHARED = 1
NT_PRSTATUS, NT_PRFPREG, NT_386_TLS, NT_386_IOPERM, NT_X86_XSTATE = 1, 2, 0x200, 0x201, 0x202
NT_PRXFPREG = 0x46E6_2B7F
_IOVEC = Struct("<II")
_PEEKSIGINFO_ARGS = Struct("<QIi")
_SYSCALL_INFO = Struct("<BBHIQQ")
_ENTRY = Struct("<7Q")
_EXIT = Struct("<qB")
_SECCOMP = Struct("<7QI")
INFO_NONE, INFO_ENTRY, INFO_EXIT, INFO_SECCOMP = range(4)
RESUMING = {
    abi.PTRACE_CONT: (stops.NO_CALLS, False, "cont"),
    abi.PTRACE_SYSCALL: (stops.CALLS, False, "syscall"),
    abi.PTRACE_SINGLESTEP: (stops.NO_CALLS, True, "step"),
    abi.PTRACE_SYSEMU: (stops.EMULATED_CALLS, False, "sysemu"),
    abi.PTRACE_SYSEMU_SINGLESTEP: (stops.EMULATED_CALLS, True, "sysemu"),
}
"""Requests that let a task go on: stops at calls, one instruction only, what the event says."""


def sys_ptrace(k: Kernel, request: int, pid: int, addr: int, data: int) -> int:
    if request == abi.PTRACE_TRACEME:
        link.trace_me(k)
        return 0
    task = k.tables.tasks.get(signed(pid))
    if task is None or task.pid == 0:
        raise KernelError(Errno.ESRCH)
    if request == abi.PTRACE_ATTACH:
        link.attach(k, task, seized=False)
        return 0
    if request == abi.PTRACE_SEIZE:
        _seize(k, task, addr, data)
        return 0
    trace = task.trace
    if trace is None or trace.tracer != k.task.pid or task.state == TaskState.ZOMBIE:
        raise KernelError(Errno.ESRCH)
    if request == abi.PTRACE_KILL:
        send_signal(k, task, SigInfo(SIGKILL, SI_USER, pid=k.task.tgid, uid=k.task.cred.uid), shared=False)
        return 0
    if request == abi.PTRACE_INTERRUPT:
        return _interrupt(k, task, trace)
    if task.state != TaskState.TRACED or trace.listening:
        raise KernelError(Errno.ESRCH)
    if request in RESUMING:
        return _resume(k, task, trace, request, data)
    serve = _REQUESTS.get(request)
    if serve is None:
        raise KernelError(Errno.EIO)
    return serve(k, task, trace, addr, data)


# --- who traces, and going on -------------------------------------------------------------------------------


def _seize(k: Kernel, task: Task, addr: int, options: int) -> None:
    if addr or options & ~(link.KNOWN_OPTIONS | abi.PTRACE_O_SUSPEND_SECCOMP):
        raise KernelError(Errno.EIO)
    if options & ~link.KNOWN_OPTIONS:
        raise KernelError(Errno.EINVAL)
    link.attach(k, task, seized=True, options=options)


def _interrupt(k: Kernel, task: Task, trace: Trace) -> int:
    if not trace.seized:
        raise KernelError(Errno.EIO)
    trace.trap_stop = True
    if trace.listening:
        stops.trap_again(k, task)
    else:
        signal_wake_up(k, task)
    return 0


def _listen(k: Kernel, task: Task, trace: Trace, addr: int, data: int) -> int:
    info = task.stop_info
    if not trace.seized or info is None or info.code >> 8 != abi.PTRACE_EVENT_STOP:
        raise KernelError(Errno.EIO)
    trace.listening = True
    if trace.notify:
        stops.trap_again(k, task)
    return 0


def _resume(k: Kernel, task: Task, trace: Trace, request: int, signo: int) -> int:
    if signo > stops.MAX_SIGNAL:
        raise KernelError(Errno.EIO)
    trace.calls, step, how = RESUMING[request]
    if step:
        registers.enable_step(k, task)
    else:
        registers.disable_step(k, task)
    watch.remember(k, task)
    stops.resume(k, task, signo, how)
    return 0


def _detach(k: Kernel, task: Task, trace: Trace, addr: int, signo: int) -> int:
    if signo > stops.MAX_SIGNAL:
        raise KernelError(Errno.EIO)
    link.detach(k, task, "detach", signo)
    return 0


def _set_options(k: Kernel, task: Task, trace: Trace, addr: int, options: int) -> int:
    if options & ~link.KNOWN_OPTIONS:
        raise KernelError(Errno.EINVAL)
    trace.options = options
    return 0


# --- memory and registers -----------------------------------------------------------------------------------


def _peek(k: Kernel, task: Task, trace: Trace, addr: int, data: int) -> int:
    space = k.tables.spaces.get(task.space)
    word = read_memory(k, space, addr, 4) if space is not None else b""
    if len(word) < 4:
        raise KernelError(Errno.EIO)
    copy_to_user(k, data, word)
    return 0


def _poke(k: Kernel, task: Task, trace: Trace, addr: int, data: int) -> int:
    space = k.tables.spaces.get(task.space)
    if space is None or write_memory(k, space, addr, data.to_bytes(4, "little")) < 4:
        raise KernelError(Errno.EIO)
    return 0


def _peek_user(k: Kernel, task: Task, trace: Trace, addr: int, data: int) -> int:
    put_user32(k, data, registers.peek_user(k, task, addr))
    return 0


def _poke_user(k: Kernel, task: Task, trace: Trace, addr: int, data: int) -> int:
    registers.poke_user(k, task, addr, data)
    return 0


def _getter(get: Callable[[Kernel, Task], bytes]) -> _Request:
    def serve(k: Kernel, task: Task, trace: Trace, addr: int, data: int) -> int:
        copy_to_user(k, data, get(k, task))
        return 0

    return serve


def _setter(put: Callable[[Kernel, Task, bytes], None], size: int) -> _Request:
    def serve(k: Kernel, task: Task, trace: Trace, addr: int, data: int) -> int:
        put(k, task, copy_from_user(k, data, size))
        return 0

    return serve


def _get_tls(k: Kernel, task: Task) -> bytes:
    return b"".join(user_desc(GDT_TLS + n, word) for n, word in enumerate(task.tls))


def _set_tls(k: Kernel, task: Task, data: bytes) -> None:
    for n in range(len(data) // 16):
        fill_thread_area(k, task, data[16 * n : 16 * n + 16], GDT_TLS + n)


_REGSETS: dict[
    int, tuple[int, int, Callable[[Kernel, Task], bytes], Callable[[Kernel, Task, bytes], None]]
] = {
    NT_PRSTATUS: (4, registers.REGS_SIZE, registers.get_regs, registers.set_regs),
    NT_PRFPREG: (4, registers.FPREGS_SIZE, registers.get_fpregs, registers.set_fpregs),
    NT_PRXFPREG: (4, registers.FPXREGS_SIZE, registers.get_fpxregs, registers.set_fpxregs),
    NT_386_TLS: (16, 48, _get_tls, _set_tls),
}
"""Size of a register, size of all, how to read and how to write them."""


def _regset(k: Kernel, addr: int, data: int, write: bool) -> tuple[int, int, int]:
    """Address of what is read or written, how much of it, and which set. EINVAL, ENODEV, ENXIO."""
    base, length = _IOVEC.unpack(copy_from_user(k, data, 8))
    if addr == NT_X86_XSTATE and not length % 8:
        raise KernelError(Errno.ENODEV)  # a processor without xsave
    if addr == NT_386_IOPERM and not length % 4:
        raise KernelError(Errno.EOPNOTSUPP if write else Errno.ENXIO)
    if addr not in _REGSETS or length % _REGSETS[addr][0]:
        raise KernelError(Errno.EINVAL)
    return base, min(length, _REGSETS[addr][1]), addr


def _get_regset(k: Kernel, task: Task, trace: Trace, addr: int, data: int) -> int:
    base, length, number = _regset(k, addr, data, write=False)
    copy_to_user(k, base, _REGSETS[number][2](k, task)[:length])
    put_user32(k, data + 4, length)
    return 0


def _set_regset(k: Kernel, task: Task, trace: Trace, addr: int, data: int) -> int:
    base, length, number = _regset(k, addr, data, write=True)
    _REGSETS[number][3](k, task, copy_from_user(k, base, length))
    put_user32(k, data + 4, length)
    return 0


def _get_thread_area(k: Kernel, task: Task, trace: Trace, addr: int, data: int) -> int:
    if signed(addr) < 0:
        raise KernelError(Errno.EIO)
    if not GDT_TLS <= addr < GDT_TLS + 3:
        raise KernelError(Errno.EINVAL)
    copy_to_user(k, data, user_desc(addr, task.tls[addr - GDT_TLS]))
    return 0


def _set_thread_area(k: Kernel, task: Task, trace: Trace, addr: int, data: int) -> int:
    if signed(addr) < 0:
        raise KernelError(Errno.EIO)
    fill_thread_area(k, task, copy_from_user(k, data, 16), addr)
    return 0


# --- signals ------------------------------------------------------------------------------------------------


def _get_message(k: Kernel, task: Task, trace: Trace, addr: int, data: int) -> int:
    put_user32(k, data, trace.message)
    return 0


def _get_siginfo(k: Kernel, task: Task, trace: Trace, addr: int, data: int) -> int:
    if task.stop_info is None:
        raise KernelError(Errno.EINVAL)
    copy_to_user(k, data, siginfo_of(task.stop_info).pack())
    return 0


def _set_siginfo(k: Kernel, task: Task, trace: Trace, addr: int, data: int) -> int:
    given = Siginfo.unpack(copy_from_user(k, data, SIGINFO_SIZE))
    if task.stop_info is None:
        raise KernelError(Errno.EINVAL)
    task.stop_info = info_from(given, given.si_signo)
    return 0


def _peek_siginfo(k: Kernel, task: Task, trace: Trace, addr: int, data: int) -> int:
    """How many of the pending signals, from the one with number `off` on, could be told."""
    offset, flags, count = _PEEKSIGINFO_ARGS.unpack(copy_from_user(k, addr, _PEEKSIGINFO_ARGS.size))
    if flags & ~PEEKSIGINFO_SHARED or count < 0:
        raise KernelError(Errno.EINVAL)
    queue = leader_of(k, task).shared_pending if flags & PEEKSIGINFO_SHARED else task.pending
    told = 0
    for info in queue[offset : offset + count]:
        try:
            copy_to_user(k, data + told * SIGINFO_SIZE, siginfo_of(info).pack())
        except KernelError:
            if not told:
                raise
            break
        told += 1
    return told


def _get_sigmask(k: Kernel, task: Task, trace: Trace, addr: int, data: int) -> int:
    if addr != SIGSET_SIZE:
        raise KernelError(Errno.EINVAL)
    mask = task.blocked if task.saved_mask < 0 else task.saved_mask
    copy_to_user(k, data, mask.to_bytes(SIGSET_SIZE, "little"))
    return 0


def _set_sigmask(k: Kernel, task: Task, trace: Trace, addr: int, data: int) -> int:
    if addr != SIGSET_SIZE:
        raise KernelError(Errno.EINVAL)
    mask = int.from_bytes(copy_from_user(k, data, SIGSET_SIZE), "little")
    task.saved_mask = -1
    set_blocked(k, task, mask)
    return 0


def _syscall_info(k: Kernel, task: Task, trace: Trace, addr: int, data: int) -> int:
    """struct ptrace_syscall_info: as much as there is room for; its whole size."""
    code = task.stop_info.code if task.stop_info is not None else 0
    regs = Regs(k, task)
    op, rest = INFO_NONE, b""
    arguments = (regs.ebx, regs.ecx, regs.edx, regs.esi, regs.edi, regs.ebp)
    if code == SIGTRAP | 0x80 and trace.message == stops.MESSAGE_ENTRY:
        op, rest = INFO_ENTRY, _ENTRY.pack(_number(regs), *arguments)
    elif code == SIGTRAP | 0x80 and trace.message == stops.MESSAGE_EXIT:
        value = signed(regs.eax)
        failed = -4095 <= value < 0
        op, rest = INFO_EXIT, _EXIT.pack(value, failed)
    elif code == stops.event_code(abi.PTRACE_EVENT_SECCOMP):
        op, rest = INFO_SECCOMP, _SECCOMP.pack(_number(regs), *arguments, trace.message)
    whole = _SYSCALL_INFO.pack(op, 0, 0, AUDIT_ARCH_I386, regs.eip, regs.esp) + rest
    copy_to_user(k, data, whole[:addr])
    return len(whole)


def _get_filter(k: Kernel, task: Task, trace: Trace, number: int, data: int) -> int:
    """How many instructions the filter `number` of a task has, the oldest first; they are put at `data`."""
    if not capable(k, abi.CAP_SYS_ADMIN) or k.task.seccomp_mode:
        raise KernelError(Errno.EACCES)
    if task.seccomp_mode != MODE_FILTER:
        raise KernelError(Errno.EINVAL)
    if number >= len(task.seccomp_filters):
        raise KernelError(Errno.ENOENT)
    image = task.seccomp_filters[number]
    if data:
        copy_to_user(k, data, image)
    return len(image) // INSTRUCTION.size


def _number(regs: Regs) -> int:
    return signed(regs.orig_eax) & 0xFFFF_FFFF_FFFF_FFFF


_Request = Callable[["Kernel", Task, Trace, int, int], int]
_REQUESTS: dict[int, _Request] = {
    abi.PTRACE_DETACH: _detach,
    abi.PTRACE_LISTEN: _listen,
    abi.PTRACE_SETOPTIONS: _set_options,
    PTRACE_OLDSETOPTIONS: _set_options,
    abi.PTRACE_PEEKTEXT: _peek,
    abi.PTRACE_PEEKDATA: _peek,
    abi.PTRACE_POKETEXT: _poke,
    abi.PTRACE_POKEDATA: _poke,
    abi.PTRACE_PEEKUSR: _peek_user,
    abi.PTRACE_POKEUSR: _poke_user,
    abi.PTRACE_GETREGS: _getter(registers.get_regs),
    abi.PTRACE_SETREGS: _setter(registers.set_regs, registers.REGS_SIZE),
    abi.PTRACE_GETFPREGS: _getter(registers.get_fpregs),
    abi.PTRACE_SETFPREGS: _setter(registers.set_fpregs, registers.FPREGS_SIZE),
    abi.PTRACE_GETFPXREGS: _getter(registers.get_fpxregs),
    abi.PTRACE_SETFPXREGS: _setter(registers.set_fpxregs, registers.FPXREGS_SIZE),
    abi.PTRACE_GETREGSET: _get_regset,
    abi.PTRACE_SETREGSET: _set_regset,
    abi.PTRACE_GET_THREAD_AREA: _get_thread_area,
    abi.PTRACE_SET_THREAD_AREA: _set_thread_area,
    abi.PTRACE_GETEVENTMSG: _get_message,
    abi.PTRACE_GETSIGINFO: _get_siginfo,
    abi.PTRACE_SETSIGINFO: _set_siginfo,
    abi.PTRACE_PEEKSIGINFO: _peek_siginfo,
    abi.PTRACE_GETSIGMASK: _get_sigmask,
    abi.PTRACE_SETSIGMASK: _set_sigmask,
    abi.PTRACE_GET_SYSCALL_INFO: _syscall_info,
    abi.PTRACE_SECCOMP_GET_FILTER: _get_filter,
}
"""What can be asked of a task that has stopped."""
