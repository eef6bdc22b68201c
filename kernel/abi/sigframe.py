"""What a signal leaves in user memory: `siginfo`, `sigcontext`, and the two frames on the user stack.

Layouts: uapi `asm-generic/siginfo.h`, uapi `asm/sigcontext.h` (`struct sigcontext_32`), `asm/sigframe.h` and
`asm/user32.h` of x86. The frames begin where `esp` points when the handler starts, 4 below a multiple of 16.

    struct sigframe           0 pretcode   4 sig   8 sigcontext   96 fpstate_unused   720 extramask   724
    retcode struct rt_sigframe        0 pretcode   4 sig   8 pinfo   12 puc   16 siginfo   144 ucontext   260
    retcode ucontext (at 144)         0 uc_flags   4 uc_link   8 uc_stack   20 uc_mcontext (sigcontext)   108
    uc_sigmask

The floating point state (`FPSTATE_32` bytes and, where the processor has SSE, the `fxsave` image inside it)
lies above the frame, and `sigcontext.fpstate` points to it.
"""

from __future__ import annotations

from struct import Struct

import msgspec

from kernel.abi import signal
from kernel.abi.structs import CStruct, StackT


class Sigcontext(CStruct, frozen=True):
    """`struct sigcontext_32` (88 bytes): the registers that `sigreturn` restores."""

    FORMAT = "H 2x H 2x H 2x H 2x I I I I I I I I I I I H 2x I I H 2x I I I"
    gs: int = 0
    fs: int = 0
    es: int = 0
    ds: int = 0
    edi: int = 0
    esi: int = 0
    ebp: int = 0
    esp: int = 0
    ebx: int = 0
    edx: int = 0
    ecx: int = 0
    eax: int = 0
    trapno: int = 0
    err: int = 0
    eip: int = 0
    cs: int = 0
    eflags: int = 0
    esp_at_signal: int = 0
    ss: int = 0
    fpstate: int = 0
    oldmask: int = 0
    cr2: int = 0


SIGINFO_SIZE = 128
FPSTATE_32 = 624
"""`struct _fpstate_32`: 112 bytes of `fsave`, 512 of `fxsave`."""
FPSTATE_MAGIC_OFFSET = 110
"""In it, a 16-bit word: 0xffff where there is no `fxsave` image, else 0 (`X86_FXSR_MAGIC`)."""
FXSAVE_OFFSET = 112

SIGFRAME_SIZE = 732
SIGFRAME_CONTEXT = 8
SIGFRAME_FPSTATE = 96
SIGFRAME_EXTRAMASK = 720
SIGFRAME_RETCODE = 724

RT_SIGFRAME_SIZE = 268
RT_SIGFRAME_INFO = 16
RT_SIGFRAME_UCONTEXT = 144
RT_SIGFRAME_CONTEXT = 164
RT_SIGFRAME_MASK = 252
RT_SIGFRAME_RETCODE = 260

RETCODE = bytes((0x58, 0xB8, 119, 0, 0, 0, 0xCD, 0x80))
"""`popl %eax; movl $__NR_sigreturn, %eax; int $0x80`: kept for debuggers, run only without a restorer or
vDSO."""
RT_RETCODE = bytes((0xB8, 173, 0, 0, 0, 0xCD, 0x80, 0))
"""`movl $__NR_rt_sigreturn, %eax; int $0x80`."""

SIGRETURN_POPPED = 8
"""How far above its frame esp is in `sigreturn`: the handler's `ret` took pretcode, the restorer's `pop` took
sig."""
RT_SIGRETURN_POPPED = 4
"""The same in `rt_sigreturn`, whose restorer pops nothing."""

_UNUSED = bytes(FPSTATE_32)
_WORD = Struct("<I")
_SIGFRAME_HEAD = Struct("<Ii")
_RT_SIGFRAME_HEAD = Struct("<IiII")
_UCONTEXT_HEAD = Struct("<II")
_MASK = Struct("<Q")


class Siginfo(msgspec.Struct, frozen=True):
    """`siginfo_t` as data: the fields of all its variants; which of them count follows from number and
    code."""

    si_signo: int
    si_code: int = signal.SI_USER
    si_errno: int = 0
    si_pid: int = 0
    si_uid: int = 0
    si_status: int = 0
    si_utime: int = 0
    si_stime: int = 0
    si_addr: int = 0
    si_value: int = 0
    si_timerid: int = 0
    si_overrun: int = 0
    si_band: int = 0
    si_fd: int = 0
    si_call_addr: int = 0
    si_syscall: int = 0
    si_arch: int = 0

    @property
    def variant(self) -> str:
        """Which fields count: `kill`, `rt`, `timer`, `chld`, `fault`, `poll` or `sys`
        (`siginfo_layout()`)."""
        return siginfo_variant(self.si_signo, self.si_code)

    def pack(self) -> bytes:
        """The 128 bytes of the i386 `siginfo_t`."""
        names, layout = _VARIANTS[self.variant]
        head = _SIGINFO_HEAD.pack(self.si_signo, self.si_errno, self.si_code)
        return (head + layout.pack(*(getattr(self, name) for name in names))).ljust(SIGINFO_SIZE, b"\0")

    @classmethod
    def unpack(cls, data: bytes, offset: int = 0, signo: int = 0) -> Siginfo:
        """From 128 bytes at `offset`; `signo` counts instead of the signal in them, if given."""
        inside, errno, code = _SIGINFO_HEAD.unpack_from(data, offset)
        signo = signo or inside
        names, layout = _VARIANTS[siginfo_variant(signo, code)]
        values = dict(zip(names, layout.unpack_from(data, offset + _SIGINFO_HEAD.size), strict=True))
        return cls(si_signo=signo, si_code=code, si_errno=errno, **values)


_SIGINFO_HEAD = Struct("<iii")
_VARIANTS: dict[str, tuple[tuple[str, ...], Struct]] = {
    "kill": (("si_pid", "si_uid"), Struct("<iI")),
    "rt": (("si_pid", "si_uid", "si_value"), Struct("<iII")),
    "timer": (("si_timerid", "si_overrun", "si_value"), Struct("<iiI")),
    "chld": (("si_pid", "si_uid", "si_status", "si_utime", "si_stime"), Struct("<iIiii")),
    "fault": (("si_addr",), Struct("<I")),
    "poll": (("si_band", "si_fd"), Struct("<ii")),
    "sys": (("si_call_addr", "si_syscall", "si_arch"), Struct("<IiI")),
}
_OF_A_SIGNAL = {
    signal.SIGILL: (11, "fault"),
    signal.SIGFPE: (15, "fault"),
    signal.SIGSEGV: (10, "fault"),
    signal.SIGBUS: (5, "fault"),
    signal.SIGTRAP: (6, "fault"),
    signal.SIGCHLD: (6, "chld"),
    signal.SIGPOLL: (6, "poll"),
    signal.SIGSYS: (2, "sys"),
}
"""Signals with fields of their own: up to which code (NSIGILL, ...), and which fields."""


def siginfo_variant(signo: int, code: int) -> str:
    """`siginfo_layout()` of kernel/signal.c: by the code when a person or timer sent it, else by the
    signal."""
    if 0 < code < signal.SI_KERNEL:
        most, variant = _OF_A_SIGNAL.get(signo, (0, ""))
        if code <= most:
            return variant
        return "poll" if code <= signal.POLL_HUP else "kill"
    if code >= signal.SI_USER:
        return "kill"
    if code == signal.SI_TIMER:
        return "timer"
    return "poll" if code == signal.SI_SIGIO else "rt"


def pack_sigframe(pretcode: int, signo: int, context: Sigcontext, mask: int) -> bytes:
    """`struct sigframe`: the blocked signals go half into the context's `oldmask`, half into `extramask`."""
    if context.oldmask != mask & 0xFFFF_FFFF:
        context = msgspec.structs.replace(context, oldmask=mask & 0xFFFF_FFFF)
    head = _SIGFRAME_HEAD.pack(pretcode, signo) + context.pack()
    return head + _UNUSED + _WORD.pack(mask >> 32) + RETCODE


def unpack_sigframe(data: bytes) -> tuple[Sigcontext, int]:
    """(registers, blocked signals) of a `struct sigframe`."""
    context = Sigcontext.unpack(data, SIGFRAME_CONTEXT)
    return context, context.oldmask | int(_WORD.unpack_from(data, SIGFRAME_EXTRAMASK)[0]) << 32


def pack_rt_sigframe(
    pretcode: int,
    address: int,
    info: Siginfo,
    context: Sigcontext,
    stack: StackT,
    mask: int,
    uc_flags: int = 0,
) -> bytes:
    """`struct rt_sigframe` that will lie at `address`, which the pointers to its own parts need."""
    head = _RT_SIGFRAME_HEAD.pack(
        pretcode, info.si_signo, address + RT_SIGFRAME_INFO, address + RT_SIGFRAME_UCONTEXT
    )
    context = msgspec.structs.replace(context, oldmask=mask & 0xFFFFFFFF)
    ucontext = _UCONTEXT_HEAD.pack(uc_flags, 0) + stack.pack() + context.pack() + _MASK.pack(mask)
    return head + info.pack() + ucontext + RT_RETCODE


def unpack_rt_sigframe(data: bytes) -> tuple[Sigcontext, StackT, int]:
    """(registers, alternate stack, blocked signals) of a `struct rt_sigframe`."""
    context = Sigcontext.unpack(data, RT_SIGFRAME_CONTEXT)
    stack = StackT.unpack(data, RT_SIGFRAME_UCONTEXT + 8)
    return context, stack, int(_MASK.unpack_from(data, RT_SIGFRAME_MASK)[0])
