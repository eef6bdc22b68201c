"""System calls: what is asked for, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.panes.cpu import call_of
from app.panes.trace import call_text
from app.panes.traps import vector_name
from app.state.state import State
from app.tellers.people import brief, listed, plural, who
from app.way import handler_name
from cpu import events as cpu_events
from cpu.descriptors import Gate
from cpu.events import SysenterTaken, TrapTaken
from kernel import events as e
from kernel import seccomp
from kernel.abi.errno import Errno, errno_of
from kernel.abi.signal import signal_name
from kernel.boot import SYSCALL_VECTOR
from kernel.describe import ZOMBIE

READS = ("read", "readv", "pread64", "preadv", "recv", "recvfrom", "recvmsg", "getrandom")
WRITES = ("write", "writev", "pwrite64", "pwritev", "send", "sendto", "sendmsg", "sendfile", "sendfile64")
OPENS = ("open", "openat", "openat2", "creat", "dup", "dup2", "dup3", "socket", "accept", "accept4")
ADDRESSES = ("brk", "mmap", "mmap2", "mremap", "shmat")
PARENTS = ("fork", "vfork", "clone", "clone3")
SIGRETURNS = ("sigreturn", "rt_sigreturn")
WAITS = ("wait4", "waitpid")


def number_text(eax: int) -> str:
    """`4 (__NR_write)`."""
    call = call_of(eax)
    return f"{eax} (__NR_{call.name})" if call is not None else str(eax)


def _trap(event: TrapTaken, state: State) -> str:
    gate = Gate.unpack(event.gate)
    if event.vector == SYSCALL_VECTOR:
        return (
            f"{who(state)} has entered the kernel through gate 0x80 at {gate.offset:08x}, in ring 0, on its"
            f" kernel stack, with {number_text(event.eax)} in eax."
        )
    where = f" at address {event.cr2:08x}" if event.vector == 14 else ""
    name = vector_name(event.vector)
    name = name[:1].upper() + name[1:]
    return (
        f"{name}{where}: {who(state)} is in the kernel at {gate.offset:08x} ({handler_name(event.vector)})."
    )


def _sysenter(event: SysenterTaken, state: State) -> str:
    return (
        f"{who(state)} has entered the kernel by sysenter at {event.msr_eip:08x}, in ring 0, interrupts off,"
        f" with {number_text(event.eax)} in eax. Nothing was pushed: esp is the TSS's address."
    )


def _entered(event: e.SyscallEntered, state: State) -> str:
    call = call_of(event.nr)
    if call is None:
        return f"{who(state)} asks for system call {event.nr}, which does not exist."
    line = state.trace.lines[-1] if state.trace.lines else None
    made = call_text(line) if line is not None else call.name
    return f"{who(state)} calls {made}: {call.note}."


def meaning(name: str, result: int, state: State) -> str:
    """What a result says, as the end of a sentence; '' where the number says it."""
    if name in PARENTS:
        return f", the child's pid: {brief(state, result)}" if result else ": it is the child"
    if name in WAITS:
        return f", the pid of {brief(state, result)}" if result else ": no child has changed yet"
    if name in READS:
        return ": the end of file" if not result else f": {plural(result, 'byte')} came"
    if name in WRITES:
        return f": {plural(result, 'byte')} went"
    if name in OPENS:
        return ", a descriptor"
    return ": done" if not result else ""


_FILTERED = {
    seccomp.RET_KILL_THREAD: "kills the thread",
    seccomp.RET_KILL_PROCESS: "kills the process",
    seccomp.RET_TRAP: "sends SIGSYS instead",
    seccomp.RET_TRACE: "asks a tracer, and there is none: ENOSYS",
    seccomp.RET_USER_NOTIF: "asks a supervisor, and there is none: ENOSYS",
    seccomp.RET_LOG: "lets it be made, and says so",
}


def _filtered(event: e.SyscallFiltered, state: State) -> str:
    call = call_of(event.nr)
    name = call.name if call is not None else f"system call {event.nr}"
    action, data = event.said & seccomp.RET_ACTION_FULL, event.said & seccomp.RET_DATA
    does = _FILTERED.get(action, "kills the process")
    if action == seccomp.RET_ERRNO:
        does = f"refuses it with {error_name(data)}"
    return f"{who(state)} may not simply call {name}: seccomp {does}."


def _injected(event: e.SyscallInjected, state: State) -> str:
    call = call_of(event.nr)
    name = call.name if call is not None else f"system call {event.nr}"
    return f"{name} of {who(state)} is not made: it is to fail with {error_name(event.error)}, from outside."


def error_name(error: int) -> str:
    """`ENOENT`, or the number where it has no name."""
    return Errno(error).name if error in Errno.__members__.values() else f"errno {error}"


def _returned(event: e.SyscallExited, state: State) -> str:
    call = call_of(event.nr)
    name = call.name if call is not None else f"system call {event.nr}"
    error = errno_of(event.result)
    waiting = pending_text(state)
    if name in SIGRETURNS:
        return _restored(event, name, state) + waiting
    if error in Errno.__members__.values():
        known = Errno(error)
        return (
            f"{name} fails: {-error} is {known.name} ({known.text}). {who(state)}'s C library will make of it"
            f" -1 and errno.{waiting}"
        )
    if error:
        return f"{name} is interrupted by a signal; it will be made again, or fail with EINTR."
    result = f"{event.result & 0xFFFF_FFFF:08x}" if name in ADDRESSES else str(event.result)
    return f"{name} returns {result} to {who(state)}{meaning(name, event.result, state)}.{waiting}"


def _restored(event: e.SyscallExited, name: str, state: State) -> str:
    """sigreturn has no result of its own: eax is one of the registers that it has put back."""
    line = state.trace.lines[-1] if state.trace.lines else None
    since = line.seq_begin if line is not None and line.kind in ("syscall", "resumed") else state.events_seen
    back = next(
        (life for life in reversed(state.lives) if life.back > since and life.taker == state.pid), None
    )
    at = (
        f" at {back.eip:08x}, as the frame on its stack says" if back is not None else " where the frame says"
    )
    return (
        f"{name} has put back all registers, eax among them ({event.result & 0xFFFF_FFFF:08x}): {who(state)}"
        f" goes on{at}."
    )


def pending_text(state: State) -> str:
    """The signals that the task which runs has pending and lets through, as a sentence to add."""
    names = deliverable(state)
    if not names:
        return ""
    are, they = ("is", "it is") if len(names) == 1 else ("are", "they are")
    return f" {listed(names)} {are} pending: {they} looked for on the way back."


def deliverable(state: State) -> list[str]:
    """Names of the pending signals that the mask of the task which runs does not hold back."""
    task = state.machine.tasks.get(state.machine.current)
    leader = state.machine.tasks.get(task.tgid) if task is not None else None
    if task is None or task.state == ZOMBIE:
        return []
    pending = {*task.pending, *(leader.shared_pending if leader is not None else ())}
    return [signal_name(signo) for signo in sorted(pending) if not task.blocked >> signo - 1 & 1]


TELLERS: dict[type, Callable[[Any, State], str]] = {
    cpu_events.TrapTaken: _trap,
    cpu_events.SysenterTaken: _sysenter,
    e.SyscallEntered: _entered,
    e.SyscallExited: _returned,
    e.SyscallFiltered: _filtered,
    e.SyscallInjected: _injected,
}
