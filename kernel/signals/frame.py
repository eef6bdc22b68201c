"""The frames of signal handlers on the user stack: built before a handler runs, taken off by sigreturn.

As i386 Linux builds them (arch/x86/kernel/signal.c, signal_32.c), on a processor with `fxsave` and without
`xsave`. From high addresses down: the floating point state, its `fxsave` image on a 64-byte border; then the
frame, 4 below a multiple of 16, so that the handler starts as if it had been called. Which signal comes, and
what is blocked while the handler runs, is `kernel.signals.delivery`'s.

A handler without SA_RESTORER returns into the vDSO. The code at the frame's end, which once was for that,
is for debuggers only: they know a signal frame by it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kernel.abi.sigframe import (
    FPSTATE_32,
    FXSAVE_OFFSET,
    RT_SIGFRAME_CONTEXT,
    RT_SIGFRAME_MASK,
    RT_SIGFRAME_RETCODE,
    RT_SIGFRAME_SIZE,
    RT_SIGFRAME_UCONTEXT,
    RT_SIGRETURN_POPPED,
    SIGFRAME_CONTEXT,
    SIGFRAME_EXTRAMASK,
    SIGFRAME_FPSTATE,
    SIGFRAME_RETCODE,
    SIGFRAME_SIZE,
    SIGRETURN_POPPED,
    Sigcontext,
    Siginfo,
    pack_rt_sigframe,
    pack_sigframe,
)
from kernel.abi.signal import (
    SA_ONSTACK,
    SA_RESTORER,
    SA_SIGINFO,
    SI_KERNEL,
    SIGSEGV,
    SS_AUTODISARM,
    SS_DISABLE,
    SS_ONSTACK,
)
from kernel.abi.structs import StackT
from kernel.errors import KernelError
from kernel.events import SignalReturned
from kernel.ptrace.watch import hold
from kernel.signals.fpstate import FXSAVE_SIZE, fpstate_from_fxsave, fxsave_from_fpstate
from kernel.signals.pending import recalc_pending
from kernel.signals.state import UNBLOCKABLE, force_signal, last_trap, retarget_shared
from kernel.tables import SigAction, SigInfo, Task
from kernel.thread import (
    CS,
    DS,
    EAX,
    ECX,
    EDX,
    EFLAGS,
    EIP,
    ES,
    ESP,
    INITIAL_FXSAVE,
    SS,
    Regs,
    fxsave_read,
    fxsave_write,
)
from kernel.uaccess import copy_from_user, copy_to_user, signed
from kernel.vdso import vdso_symbol

if TYPE_CHECKING:
    from kernel.kernel import Kernel

USER_CS, USER_DS = 0x73, 0x7B
DF, TF, RF = 1 << 10, 1 << 8, 1 << 16
FIX_EFLAGS = 0x0005_0DD5
"""What sigreturn lets a program set: AC RF OF DF TF SF ZF AF PF CF (asm/sighandling.h)."""
NO_SYSCALL = 0xFFFF_FFFF
"""orig_eax outside of system calls."""
MINSIGSTKSZ = 2048


def siginfo_of(info: SigInfo) -> Siginfo:
    """The `siginfo_t` that a program sees."""
    return Siginfo(
        si_signo=info.signo,
        si_code=info.code,
        si_errno=info.errno,
        si_pid=info.pid,
        si_uid=info.uid,
        si_status=info.status,
        si_utime=info.utime,
        si_stime=info.stime,
        si_addr=info.address,
        si_value=info.value,
        si_timerid=info.pid,
        si_overrun=info.uid,
        si_band=info.pid,
        si_fd=info.uid,
        si_call_addr=info.address,
        si_syscall=signed(info.value),
        si_arch=info.status,
    )


def info_from(given: Siginfo, signo: int) -> SigInfo:
    """What a program sends as a `siginfo_t` of its own making."""
    pid, uid = {
        "poll": (given.si_band, given.si_fd),
        "timer": (given.si_timerid, given.si_overrun),
    }.get(given.variant, (given.si_pid, given.si_uid))
    status, address, value = given.si_status, given.si_addr, given.si_value
    if given.variant == "sys":
        status, address, value = given.si_arch, given.si_call_addr, given.si_syscall & 0xFFFF_FFFF
    times = given.si_utime, given.si_stime
    return SigInfo(signo, given.si_code, given.si_errno, pid, uid, status, address, value, *times)


# --- the alternate stack ------------------------------------------------------------------------------------


def within_altstack(task: Task, sp: int) -> bool:
    """Whether `sp` points into the alternate stack (__on_sig_stack)."""
    start, _flags, size = task.altstack
    return sp > start and sp - start <= size


def on_altstack(task: Task, sp: int) -> bool:
    """The same, but a stack with SS_AUTODISARM is free again as soon as its handler runs (on_sig_stack)."""
    return not task.altstack[1] & SS_AUTODISARM and within_altstack(task, sp)


def altstack_flags(task: Task, sp: int) -> int:
    """SS_DISABLE, SS_ONSTACK or 0 (sas_ss_flags)."""
    if not task.altstack[2]:
        return SS_DISABLE
    return SS_ONSTACK if on_altstack(task, sp) else 0


def set_altstack(task: Task, stack: StackT, sp: int) -> str:
    """do_sigaltstack's change; the name of the errno with which it is refused, or ''."""
    if on_altstack(task, sp):
        return "EPERM"
    flags = stack.ss_flags & 0xFFFF_FFFF
    mode = flags & ~SS_AUTODISARM
    if mode not in (SS_DISABLE, SS_ONSTACK, 0):
        return "EINVAL"
    if mode == SS_DISABLE:
        task.altstack = [0, flags, 0]
    elif task.altstack == [stack.ss_sp, flags, stack.ss_size]:
        return ""
    elif stack.ss_size < MINSIGSTKSZ:
        return "ENOMEM"
    else:
        task.altstack = [stack.ss_sp, flags, stack.ss_size]
    return ""


def _altstack(task: Task) -> StackT:
    start, flags, size = task.altstack
    return StackT(start, flags - (1 << 32) if flags & 1 << 31 else flags, size)


# --- before the handler -------------------------------------------------------------------------------------


def setup_frame(k: Kernel, task: Task, regs: Regs, action: SigAction, info: SigInfo) -> int | None:
    """Build the frame for this handler and point the task's registers to it.

    Its address, or None if the stack cannot take it; then nothing but memory has changed.
    """
    words = regs.all()
    rt = bool(action.flags & SA_SIGINFO)
    places = _places(task, action, words[ESP], RT_SIGFRAME_SIZE if rt else SIGFRAME_SIZE)
    if places is None:
        return None
    address, fpstate = places
    mask = task.blocked if task.saved_mask < 0 else task.saved_mask
    context = _context(k, task, words, fpstate, mask)
    try:
        copy_to_user(k, fpstate, fpstate_from_fxsave(fxsave_read(k, task)))
        if rt:
            pretcode = _restorer(k, task, action, "__kernel_rt_sigreturn", address + RT_SIGFRAME_RETCODE)
            data = pack_rt_sigframe(
                pretcode, address, siginfo_of(info), context, _altstack(task), mask, uc_flags=0
            )
            copy_to_user(k, address, data)
        else:
            pretcode = _restorer(k, task, action, "__kernel_sigreturn", address + SIGFRAME_RETCODE)
            data = pack_sigframe(pretcode, info.signo, context, mask)
            copy_to_user(k, address, data[:SIGFRAME_FPSTATE])  # fpstate_unused keeps what was there
            copy_to_user(k, address + SIGFRAME_EXTRAMASK, data[SIGFRAME_EXTRAMASK:])
    except KernelError:
        return None
    words[ESP] = address
    words[EIP] = action.handler
    words[EAX] = info.signo
    words[EDX] = address + 16 if rt else 0
    words[ECX] = address + RT_SIGFRAME_UCONTEXT if rt else 0
    words[DS] = words[ES] = words[SS] = USER_DS
    words[CS] = USER_CS
    words[EFLAGS] &= ~(DF | TF | RF)
    regs.load(words)
    fxsave_write(k, task, INITIAL_FXSAVE)
    return address


def _restorer(k: Kernel, task: Task, action: SigAction, name: str, retcode: int) -> int:
    """Where the handler returns to."""
    if action.flags & SA_RESTORER:
        return action.restorer
    return vdso_symbol(k, k.tables.spaces[task.space], name) or retcode


def _places(task: Task, action: SigAction, sp: int, size: int) -> tuple[int, int] | None:
    """Where the frame and the floating point state go (get_sigframe), None for want of room."""
    nested = on_altstack(task, sp)
    entering = False
    if action.flags & SA_ONSTACK and altstack_flags(task, sp) == 0:
        sp = task.altstack[0] + task.altstack[2]
        entering = True
    fpstate = (sp - FXSAVE_SIZE & ~63) - FXSAVE_OFFSET
    address = ((fpstate - size + 4) & ~15) - 4
    if (nested or entering) and not within_altstack(task, address):
        return None
    return (address, fpstate) if address > 0 else None


def _context(k: Kernel, task: Task, words: list[int], fpstate: int, mask: int) -> Sigcontext:
    trap_nr, error_code, cr2 = last_trap(k, task)
    ebx, ecx, edx, esi, edi, ebp, eax, ds, es, fs, gs, _orig_eax, eip, cs, eflags, esp, ss = words
    return Sigcontext(
        gs & 0xFFFF,
        fs & 0xFFFF,
        es & 0xFFFF,
        ds & 0xFFFF,
        edi,
        esi,
        ebp,
        esp,
        ebx,
        edx,
        ecx,
        eax,
        trap_nr,
        error_code,
        eip,
        cs & 0xFFFF,
        eflags,
        esp,
        ss & 0xFFFF,
        fpstate,
        mask & 0xFFFF_FFFF,
        cr2,
    )


# --- after the handler --------------------------------------------------------------------------------------


def do_sigreturn(k: Kernel) -> int:
    """sigreturn: all registers and the mask as the frame says; eax, which the entry code will put back.

    A frame that cannot be read is SIGSEGV.
    """
    task = k.task
    regs = Regs(k, task)
    address = regs.esp - SIGRETURN_POPPED
    try:
        data = copy_from_user(k, address + SIGFRAME_CONTEXT, SIGFRAME_RETCODE - SIGFRAME_CONTEXT)
    except KernelError:
        return _bad_frame(k)
    context = Sigcontext.unpack(data)
    mask = context.oldmask | int.from_bytes(data[-4:], "little") << 32
    return _restore(k, task, regs, address, context, mask)


def do_rt_sigreturn(k: Kernel) -> int:
    """The same for the frame of a handler with SA_SIGINFO; the alternate stack is set again as well."""
    task = k.task
    regs = Regs(k, task)
    address = regs.esp - RT_SIGRETURN_POPPED
    try:
        context = Sigcontext.unpack(copy_from_user(k, address + RT_SIGFRAME_CONTEXT, Sigcontext.SIZE))
        mask = int.from_bytes(copy_from_user(k, address + RT_SIGFRAME_MASK, 8), "little")
        stack = StackT.unpack(copy_from_user(k, address + RT_SIGFRAME_UCONTEXT + 8, StackT.SIZE))
    except KernelError:
        return _bad_frame(k)
    result = _restore(k, task, regs, address, context, mask)
    set_altstack(task, stack, regs.esp)
    return result


def _restore(k: Kernel, task: Task, regs: Regs, address: int, context: Sigcontext, mask: int) -> int:
    gs, fs, es, ds, edi, esi, ebp, esp, ebx, edx, ecx, eax, _trap, _error, eip, cs, eflags, _sp, ss, *_ = (
        msgspec.structs.astuple(context)
    )
    eflags = regs.eflags & ~FIX_EFLAGS | eflags & FIX_EFLAGS
    general = (ebx, ecx, edx, esi, edi, ebp, eax)
    regs.load((*general, ds, es, fs, gs, NO_SYSCALL, eip, cs | 3, eflags, esp, ss | 3))
    if task.trace is not None:
        hold(k, task)
    newly = mask & ~UNBLOCKABLE & ~task.blocked
    task.blocked = mask & ~UNBLOCKABLE
    k.emit(SignalReturned(task.pid, address, task.blocked, context.eip))
    retarget_shared(k, task, newly)
    recalc_pending(k, task)
    image = INITIAL_FXSAVE
    readable = True
    if context.fpstate:
        try:
            image = fxsave_from_fpstate(copy_from_user(k, context.fpstate, FPSTATE_32))
        except KernelError:
            readable = False
    fxsave_write(k, task, image)
    return context.eax if readable else _bad_frame(k)


def _bad_frame(k: Kernel) -> int:
    force_signal(k, k.task, SigInfo(SIGSEGV, SI_KERNEL))
    return 0
