"""The small files of a process: status, stat, limits, io, sched and so on (Linux's fs/proc/array.c, base.c).

`whole` says whether a file tells of the whole process or, below task/, of one thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.process import CAP_SYS_RESOURCE, RLIM64_INFINITY
from kernel.abi.signal import SIG_IGN, sigmask
from kernel.capabilities import capable
from kernel.cputime import TICKS_PER_JIFFY, cpu_times
from kernel.errors import KernelError
from kernel.events import TaskRenamed
from kernel.fs.devfs import device_of
from kernel.fs.names import encode_name
from kernel.fs.proc import memory
from kernel.fs.proc.access import may_access
from kernel.mm.pagetables import table_frames
from kernel.ptrace.stops import ENTERING, FILTERED
from kernel.table import TABLE
from kernel.tables import SigInfo, Task, TaskState
from kernel.thread import PAGE_OFFSET, THREAD_SIZE, TI_ESP, Regs

if TYPE_CHECKING:
    from kernel.kernel import Kernel

ALL_CAPABILITIES = 0x1FF_FFFF_FFFF
"""CAP_CHOWN to CAP_CHECKPOINT_RESTORE: what root has."""
_STATES = {
    "R": "running",
    "S": "sleeping",
    "D": "disk sleep",
    "T": "stopped",
    "t": "tracing stop",
    "Z": "zombie",
}
_LIMITS = (
    ("Max cpu time", "seconds"),
    ("Max file size", "bytes"),
    ("Max data size", "bytes"),
    ("Max stack size", "bytes"),
    ("Max core file size", "bytes"),
    ("Max resident set", "bytes"),
    ("Max processes", "processes"),
    ("Max open files", "files"),
    ("Max locked memory", "bytes"),
    ("Max address space", "bytes"),
    ("Max file locks", "locks"),
    ("Max pending signals", "signals"),
    ("Max msgqueue size", "bytes"),
    ("Max nice priority", ""),
    ("Max realtime priority", ""),
    ("Max realtime timeout", "us"),
)


def state_letter(task: Task) -> str:
    """As ps shows it."""
    if task.state == TaskState.SLEEPING:
        return "S" if task.wait is None or task.wait.interruptible or task.pid == 1 else "D"
    return {TaskState.RUNNABLE: "R", TaskState.STOPPED: "T", TaskState.TRACED: "t"}.get(
        TaskState(task.state), "Z"
    )


def threads(k: Kernel, task: Task) -> list[Task]:
    return [other for other in k.tables.tasks.values() if other.tgid == task.tgid]


def _mask(pending: list[SigInfo]) -> int:
    mask = 0
    for info in pending:
        mask |= sigmask(info.signo)
    return mask


def _dispositions(k: Kernel, task: Task) -> tuple[int, int]:
    """Masks of the signals that are ignored and caught."""
    sighand = k.tables.sighands.get(task.sighand)
    actions = sighand.actions if sighand is not None else {}
    ignored = sum(sigmask(n) for n, action in actions.items() if action.handler == SIG_IGN)
    caught = sum(sigmask(n) for n, action in actions.items() if action.handler > SIG_IGN)
    return ignored, caught


def _shared_pending(k: Kernel, task: Task) -> list[SigInfo]:
    leader = k.tables.tasks.get(task.tgid)
    return leader.shared_pending if leader is not None else []


def _escaped(comm: str) -> str:
    return comm.replace("\\", "\\\\").replace("\n", "\\n")


def status(k: Kernel, task: Task, whole: bool) -> str:
    """man 5 proc, /proc/pid/status, field by field in the order of 6.1."""
    t = k.tables
    cred = task.cred
    letter = state_letter(task)
    table = t.fdtables.get(task.fdtable)
    size = 0
    if table is not None:
        size = 64
        while table.fds and max(table.fds) >= size:
            size *= 2
    ignored, caught = _dispositions(k, task)
    lines: list[tuple[str, object]] = [
        ("Name", _escaped(task.comm)),
        ("Umask", f"{task.umask:04o}"),
        ("State", f"{letter} ({_STATES[letter]})"),
        ("Tgid", task.tgid),
        ("Ngid", 0),
        ("Pid", task.pid),
        ("PPid", task.ppid),
        ("TracerPid", task.trace.tracer if task.trace is not None else 0),
        ("Uid", f"{cred.uid}\t{cred.euid}\t{cred.suid}\t{cred.fsuid}"),
        ("Gid", f"{cred.gid}\t{cred.egid}\t{cred.sgid}\t{cred.fsgid}"),
        ("FDSize", size),
        ("Groups", "".join(f"{group} " for group in cred.groups) or " "),
        ("NStgid", task.tgid),
        ("NSpid", task.pid),
        ("NSpgid", task.pgrp),
        ("NSsid", task.session),
        *_memory_lines(k, task),
        ("Threads", len(threads(k, task))),
        ("SigQ", f"{_queued(k, task)}/{signal_limit(k, task)}"),
        ("SigPnd", f"{_mask(task.pending):016x}"),
        ("ShdPnd", f"{_mask(_shared_pending(k, task)):016x}"),
        ("SigBlk", f"{task.blocked:016x}"),
        ("SigIgn", f"{ignored:016x}"),
        ("SigCgt", f"{caught:016x}"),
        ("CapInh", f"{cred.inheritable:016x}"),
        ("CapPrm", f"{cred.permitted:016x}"),
        ("CapEff", f"{cred.effective:016x}"),
        ("CapBnd", f"{cred.bounding:016x}"),
        ("CapAmb", f"{cred.ambient:016x}"),
        ("NoNewPrivs", int(task.no_new_privs)),
        ("Seccomp", task.seccomp_mode),
        ("Seccomp_filters", len(task.seccomp_filters)),
        ("Speculation_Store_Bypass", "not vulnerable"),
        ("SpeculationIndirectBranch", "not affected"),
        ("Cpus_allowed", "1"),
        ("Cpus_allowed_list", "0"),
        ("Mems_allowed", "1"),
        ("Mems_allowed_list", "0"),
        ("voluntary_ctxt_switches", task.voluntary_switches),
        ("nonvoluntary_ctxt_switches", task.involuntary_switches),
    ]
    return "".join(f"{name}:\t{value}\n" for name, value in lines)


def _queued(k: Kernel, task: Task) -> int:
    return sum(
        len(other.pending) + len(other.shared_pending)
        for other in k.tables.tasks.values()
        if other.cred.uid == task.cred.uid
    )


def signal_limit(k: Kernel, task: Task) -> int:
    soft = limits_of(k, task, 11)[0]
    return soft if soft != RLIM64_INFINITY else 0xFFFF_FFFF


def _memory_lines(k: Kernel, task: Task) -> list[tuple[str, object]]:
    space = memory.space_of(k, task)
    if space is None:
        return []
    sizes, found = memory.extents(space), memory.usage(k, space)
    tables = table_frames(k, space.pgd)
    fields = (
        ("VmPeak", max(space.peak, sizes.total) * 4),
        ("VmSize", sizes.total * 4),
        ("VmLck", sizes.locked * 4),
        ("VmPin", 0),
        ("VmHWM", found.rss * 4),
        ("VmRSS", found.rss * 4),
        ("RssAnon", found.anon * 4),
        ("RssFile", found.file * 4),
        ("RssShmem", found.shmem * 4),
        ("VmData", sizes.data * 4),
        ("VmStk", sizes.stack * 4),
        ("VmExe", sizes.text * 4),
        ("VmLib", sizes.library * 4),
        ("VmPTE", tables * 4),
        ("VmSwap", 0),
    )
    lines: list[tuple[str, object]] = [(name, f"{kib:8} kB") for name, kib in fields]
    return [*lines, ("CoreDumping", 0), ("THP_enabled", 0)]


def _terminal_of(k: Kernel, task: Task) -> tuple[int, int]:
    """Device number of the controlling terminal and its foreground group; 0 and -1 without one."""
    for number, terminal in k.tables.terminals.items():
        if terminal.session and terminal.session == task.session:
            return device_of(number), terminal.pgrp or -1
    return 0, -1


def stat(k: Kernel, task: Task, whole: bool) -> str:
    """man 5 proc, /proc/pid/stat: 52 fields. Addresses are 0 for who may not look into the process."""
    space = memory.space_of(k, task)
    allowed = may_access(k.task, task)
    ignored, caught = _dispositions(k, task)
    device, foreground = _terminal_of(k, task)
    group = threads(k, task) if whole else [task]
    user, system = (sum(times) for times in zip(*(cpu_times(k, one) for one in group), strict=True))
    user += task.gone.ran - task.gone.system
    system += task.gone.system
    child_user, child_system = task.children.ran - task.children.system, task.children.system
    low = 0x7FFF_FFFF
    fields: list[object] = [
        task.pid,
        f"({_escaped(task.comm)})",
        state_letter(task),
        task.ppid,
        task.pgrp,
        task.session,
        device,
        foreground,
        0 if task.space else 0x0020_0000,
        task.minor_faults,
        task.children.minor_faults,
        0,
        0,
        user // TICKS_PER_JIFFY,
        system // TICKS_PER_JIFFY,
        child_user // TICKS_PER_JIFFY,
        child_system // TICKS_PER_JIFFY,
        20 + nice_of(task),
        nice_of(task),
        len(threads(k, task)),
        0,
        task.start_tick // TICKS_PER_JIFFY,
        memory.extents(space).total << 12 if space is not None else 0,
        space.rss if space is not None else 0,
        limits_of(k, task, 5)[0] if limits_of(k, task, 5)[0] != RLIM64_INFINITY else 0xFFFF_FFFF,
    ]
    shown = space if space is not None and allowed else None
    fields += [shown.start_code, shown.end_code, shown.stack_top] if shown else [int(allowed)] * 2 + [0]
    fields += [
        0,
        0,
        (_mask(task.pending) | _mask(_shared_pending(k, task))) & low,
        task.blocked & low,
        ignored & low,
        caught & low,
        int(task.state != TaskState.RUNNABLE and allowed),
        0,
        0,
        task.exit_signal if whole and task.pid == task.tgid else -1,
        0,
        0,
        0,
        0,
        0,
        0,
    ]
    if shown:
        fields += [shown.start_data, shown.end_data, shown.brk_start]
        fields += [shown.arg_start, shown.arg_end, shown.arg_end, shown.env_end]
        fields.append(max(task.exit_status, 0) if allowed else 0)
    else:
        fields += [0] * 7 + [max(task.exit_status, 0) if allowed else 0]
    return " ".join(map(str, fields)) + "\n"


def nice_of(task: Task) -> int:
    return task.nice


# --- limits, io, sched --------------------------------------------------------------------------------------


def limits_of(k: Kernel, task: Task, number: int) -> tuple[int, int]:
    return k.limits_of(task, number)


def limits(k: Kernel, task: Task, whole: bool) -> str:
    def text(value: int) -> str:
        return "unlimited" if value == RLIM64_INFINITY else str(value)

    lines = [f"{'Limit':<25} {'Soft Limit':<20} {'Hard Limit':<20} {'Units':<10}\n"]
    for number, (name, unit) in enumerate(_LIMITS):
        soft, hard = limits_of(k, task, number)
        lines.append(f"{name:<25} {text(soft):<20} {text(hard):<20} " + (f"{unit:<10}\n" if unit else "\n"))
    return "".join(lines)


def wchan(k: Kernel, task: Task, whole: bool) -> str:
    """The kernel's function in which it waits; without a newline, as Linux has it."""
    if task.state != TaskState.SLEEPING or not may_access(k.task, task):
        return "0"
    row = TABLE[task.syscall] if 0 <= task.syscall < len(TABLE) else None
    return f"sys_{row.name}" if row is not None else "schedule"


def syscall(k: Kernel, task: Task, whole: bool) -> str:
    """The call that a task waits in: number, arguments, stack pointer and place in the program."""
    if task.pid == k.tables.current or task.state == TaskState.RUNNABLE:
        return "running\n"
    if not task.space:
        return "0 0x0 0x0 0x0 0x0 0x0 0x0 0x0 0x0\n" if task.state == TaskState.ZOMBIE else "-1 0x0 0x0\n"
    regs = Regs(k, task)
    number = regs.orig_eax if task.trap in (ENTERING, FILTERED) else task.syscall
    if number < 0:
        return f"-1 {regs.esp:#x} {regs.eip:#x}\n"
    arguments = (regs.ebx, regs.ecx, regs.edx, regs.esi, regs.edi, regs.ebp)
    shown = " ".join(f"{value:#x}" for value in arguments)
    return f"{number} {shown} {regs.esp:#x} {regs.eip:#x}\n"


def io(k: Kernel, task: Task, whole: bool) -> str:
    group = threads(k, task) if whole else [task]
    fields = [sum(column) for column in zip(*(one.io for one in group), strict=True)]
    names = ("rchar", "wchar", "syscr", "syscw", "read_bytes", "write_bytes", "cancelled_write_bytes")
    return "".join(f"{name}: {value}\n" for name, value in zip(names, [*fields, 0, 0, 0], strict=True))


def sched(k: Kernel, task: Task, whole: bool) -> str:
    head = f"{task.comm} ({task.pid}, #threads: {len(threads(k, task))})\n"
    user, system = cpu_times(k, task)
    switches = task.voluntary_switches + task.involuntary_switches

    def milliseconds(ticks: int) -> str:
        return f"{ticks // 1_000_000}.{ticks % 1_000_000:06}"

    fields = (
        ("se.exec_start", milliseconds(k.now)),
        ("se.vruntime", milliseconds(user + system)),
        ("se.sum_exec_runtime", milliseconds(user + system)),
        ("nr_switches", switches),
        ("nr_voluntary_switches", task.voluntary_switches),
        ("nr_involuntary_switches", task.involuntary_switches),
        ("policy", task.policy),
        ("prio", 120 + nice_of(task)),
    )
    rule = "-" * 67 + "\n"
    return head + rule + "".join(f"{name:<45}:{value:>21}\n" for name, value in fields)


def stack(k: Kernel, task: Task, whole: bool) -> str:
    """Return addresses on the kernel stack that lie in the kernel's code, the innermost first."""
    if task.pid == k.tables.current or not task.thread:
        return ""
    start = k.symbol("startup_32")
    end = k.symbol("__start___rodata")
    info = task.thread - PAGE_OFFSET >> 2
    first = k.ram.u32[info + (TI_ESP >> 2)] - PAGE_OFFSET >> 2
    words = k.ram.u32[first : info + (THREAD_SIZE >> 2)].tolist()
    return "".join(f"[<0>] {k.symbols.label(word)}\n" for word in words if start <= word < end)


# --- one line each ------------------------------------------------------------------------------------------


def comm(k: Kernel, task: Task, whole: bool) -> bytes:
    return encode_name(task.comm) + b"\n"


def set_comm(k: Kernel, task: Task, data: bytes) -> None:
    """A thread of the same process may."""
    if task.tgid != k.task.tgid:
        raise KernelError(Errno.EINVAL)
    task.comm = data[:15].split(b"\0", 1)[0].rstrip(b"\n").decode("utf-8", "replace")
    k.emit(TaskRenamed(task.pid, task.comm))


def oom_score(k: Kernel, task: Task, whole: bool) -> str:
    """What the out-of-memory killer goes by: its part of memory, moved by oom_score_adj."""
    space = memory.space_of(k, task)
    if space is None or task.oom_score_adj == -1000:
        return "0\n"
    found = memory.usage(k, space)
    points = found.rss + table_frames(k, space.pgd) + task.oom_score_adj * (k.ram.frames // 1000)
    return f"{max(0, (1000 + points * 1000 // k.ram.frames) * 2 // 3)}\n"


def oom_score_adj(k: Kernel, task: Task, whole: bool) -> str:
    return f"{task.oom_score_adj}\n"


def set_oom_score_adj(k: Kernel, task: Task, data: bytes) -> None:
    value = number_of(data)
    if not -1000 <= value <= 1000:
        raise KernelError(Errno.EINVAL)
    if value < task.oom_score_adj and not capable(k, CAP_SYS_RESOURCE):
        raise KernelError(Errno.EACCES)
    for other in threads(k, task):
        other.oom_score_adj = value


def number_of(data: bytes) -> int:
    """A number as a person writes it into a file. EINVAL for anything else."""
    text = data.strip(b" \t\n\0")
    try:
        return int(text, 0) if len(text) < 32 else _invalid()
    except ValueError:
        return _invalid()


def _invalid() -> int:
    raise KernelError(Errno.EINVAL)


def personality(k: Kernel, task: Task, whole: bool) -> str:
    return f"{getattr(task, 'personality', 0):08x}\n"


def loginuid(k: Kernel, task: Task, whole: bool) -> str:
    """Nobody logged in: (uid_t)-1, without a newline."""
    return "4294967295"


def sessionid(k: Kernel, task: Task, whole: bool) -> str:
    return "4294967295"


def cgroup(k: Kernel, task: Task, whole: bool) -> str:
    return "0::/\n"
