"""Explanations: what Enter says about a register, a flag, a gate, a system call, an errno, a signal, a step.

`explain` is a pure function from a subject's name (as in `app.panes.row.Span`) and a Moment to text.
"""

from __future__ import annotations

from typing import NamedTuple

from app import explain_channels, explain_life, explain_memory, explain_stacks
from app.panes.cpu import ARGUMENTS, call_of
from app.panes.moment import Moment, task_name
from app.panes.processes import leads_to, state_word
from app.panes.signals import blocked_text, cell_text, pending_text
from app.panes.traps import vector_name
from app.panes.waiting import waiting_text
from app.state.fold_trace import status_text
from app.state.state import IDLE, INIT
from app.strace.structs.files import open_flags
from app.way import way_of
from app.words import FLAGS, STATES, flag_names, signal_about
from cpu.descriptors import GATE_INTERRUPT
from cpu.paging import NX, PRESENT, USER, WRITABLE
from kernel.abi.errno import Errno
from kernel.abi.signal import DEFAULT_ACTIONS, signal_name
from kernel.syscalls.registry import standing
from kernel.thread import PAGE_OFFSET


class Explanation(NamedTuple):
    title: str
    lines: tuple[str, ...]


REGISTERS = {
    "eax": "Accumulator. A system call's number on the way in, its result on the way out (-errno for an"
    " error).",
    "ebx": "A system call's first argument. Otherwise the program's; functions keep it for their caller.",
    "ecx": "A system call's second argument. Otherwise free for any use; `rep` counts with it.",
    "edx": "A system call's third argument. Otherwise free for any use.",
    "esi": "A system call's fourth argument; the source of string instructions.",
    "edi": "A system call's fifth argument; the destination of string instructions.",
    "ebp": "A system call's sixth argument. Otherwise it points to the saved ebp of the caller, above"
    " which the"
    " return address lies.",
    "esp": "Stack pointer: the address of the last word pushed. Each ring has a stack of its own.",
    "eip": "Address of the next instruction. No instruction can read it; calls, jumps and traps change it.",
    "eflags": "Condition codes of the last computation, and switches that the kernel sets.",
    "cs": "Code segment: a selector into the GDT. Its low two bits are the ring (CPL). 0073 is Linux's"
    " __USER_CS, 0060"
    " its __KERNEL_CS.",
    "ss": "Stack segment: 007b in user mode, 0068 in the kernel. It changes together with the ring.",
    "ds": "Data segment: 007b (__USER_DS), flat from 0 to 4 GiB.",
    "es": "Extra segment: 007b (__USER_DS), flat from 0 to 4 GiB.",
    "fs": "A segment without fixed use here.",
    "gs": "Thread-local storage: a C library loads a selector that set_thread_area gave it (0033).",
    "cr2": "The address of the last page fault.",
    "cr3": "Physical address of the page directory pointers: the address space. The kernel loads another"
    " one when it"
    " switches to another process.",
}
MICROSTEPS = (
    "What raised the vector: an instruction of the program (int n, int3, into), an instruction that could"
    " not be"
    " completed, or a device between two instructions.",
    "The IDT has 256 gates of 8 bytes. The gate with the vector's number says which code to go to, in"
    " which segment"
    " (and so in which ring), and who may ask for it.",
    "int n is allowed only if CPL ≤ the gate's DPL: so a program can call gate 0x80 (DPL 3), and int 0x20"
    " is a general"
    " protection fault. Hardware exceptions and interrupts are not checked.",
    "When the ring changes, so does the stack: SS and ESP for ring 0 are read from the task state segment."
    " The kernel"
    " keeps the current task's kernel stack there.",
    "The processor pushes where it was: SS, ESP, EFLAGS, CS, EIP, and for some exceptions an error code."
    " iret pops"
    " them again. Without a change of ring SS and ESP are left out.",
    "CS and EIP come from the gate: the next instruction is the kernel's, in ring 0.",
)
SYSENTER = (
    "sysenter asks for ring 0 like int $0x80, but does less: no gate, no descriptor, no stack is read"
    " from memory,"
    " and nothing is written. So it is faster, on a real processor by far.",
    "SYSENTER_CS (MSR 0x174) is CS; SS is the descriptor after it. Both become flat ring 0 segments"
    " whatever the GDT"
    " says. If it is 0, sysenter is a general protection fault.",
    "SYSENTER_ESP (MSR 0x175). It is the same for all tasks here, the address of the TSS: the entry code"
    " takes the"
    " task's own kernel stack, esp0, from there.",
    "SYSENTER_EIP (MSR 0x176): Linux's ia32_sysenter_target. IF is cleared. eip and esp of the program"
    " are not kept:"
    " the vDSO has put esp into ebp, and the kernel knows where in the vDSO to return to.",
)
PHASES = {
    "stack": "sysenter leaves esp at the TSS. One instruction makes it the current task's kernel stack.",
    "frame": "What a gate pushes by itself: ss, esp, eflags, cs, eip. esp is the ebp of the vDSO's"
    " protocol, eip the"
    " address behind the vDSO's int $0x80 (the landing pad). So pt_regs is the same whichever way was taken.",
    "argument": "ebp was needed for the user's esp, so the vDSO has pushed the sixth argument; it is read"
    " from the"
    " user's stack, with EFAULT if nothing is there.",
    "save": "SAVE_ALL pushes the other registers below the processor's five words. Together they are"
    " struct pt_regs:"
    " system calls read their arguments there, signals and ptrace see and change a task's registers there.",
    "result": "The function's result, in eax now, is stored over the saved eax: restore_all will pop it"
    " into the"
    " program's eax. From -4095 to -1 it is an error number, negated.",
    "exit": "Before it leaves the kernel looks into thread_info.flags: is another task to run"
    " (TIF_NEED_RESCHED), is a"
    " signal to be delivered (TIF_SIGPENDING)? It looks again until nothing is left, with interrupts off.",
    "iret": "iret pops EIP, CS and EFLAGS; because CS says ring 3, ESP and SS too. The program goes on"
    " behind its"
    " int $0x80 as if it had been a very long instruction (after sysenter, at the vDSO's landing pad); or"
    " elsewhere, if the kernel has changed pt_regs: for a signal's handler, in sigreturn or execve.",
}
TIMELINE = (
    "A lane for each process, from the first event at the left to the last at the right: the higher a block,"
    " the more of what happened there was this process's doing. Under the lanes lie marks.",
    "◆ a new process or program, ▲ a signal is delivered, ! a fault, ✕ an end, § a chapter. ] and [ go from"
    " mark to mark. • is a note; a adds notes and chapters, A lists them. * is what / searched for, until"
    " Esc.",
    "The arrows move the cursor by a column, + and - show a smaller or a larger part around it, a click goes"
    " to a place.",
)
RINGS = {0: "ring 0: the kernel", 3: "ring 3: programs"}


def explain(subject: str, now: Moment) -> Explanation | None:
    """What is to be said about a subject; None for one that is not known."""
    kind, _, rest = subject.partition(":")
    if kind == "timeline":
        return Explanation("the timeline", TIMELINE)
    if kind in _ROOMS:
        told = _ROOMS[kind](rest, now)
        return Explanation(*told) if told is not None else None
    teller = _TELLERS.get(kind)
    return teller(rest, now) if teller is not None else None


def _register(name: str, now: Moment) -> Explanation | None:
    regs = now.regs
    if name not in REGISTERS or regs is None:
        return None
    value = getattr(regs, name)
    lines = [REGISTERS[name], ""]
    if name in ("cs", "ss", "ds", "es", "fs", "gs"):
        table = "LDT" if value & 4 else "GDT"
        lines += [f"{value:04x} = {table} entry {value >> 3}, requested privilege level {value & 3}"]
        if name == "cs":
            lines.append(RINGS.get(value & 3, f"ring {value & 3}"))
    elif name == "eflags":
        lines += [f"{value:08x} = {flag_names(value)}"]
    else:
        signed = f" = {value - (1 << 32)}" if value >> 31 else ""
        lines += [f"{value:08x} = {value}{signed}"]
        if now.view is not None:
            label = now.view.label(value)
            if label != f"{value:08x}":
                lines.append(f"points to {label}")
            lines += _page(value, now)
    if now.before is not None and getattr(now.before, name) != value:
        lines.append(f"before this step: {getattr(now.before, name):08x}")
    return Explanation(name, tuple(lines))


def _page(address: int, now: Moment) -> list[str]:
    """How an address is translated, where it is one."""
    if now.view is None or address < 0x1000:
        return []
    steps = now.view.walk(address)
    if len(steps) < 2 or not steps[-1].word & PRESENT:
        return []
    word = steps[-1].word
    rights = ["user" if word & USER else "kernel only", "writable" if word & WRITABLE else "read-only"]
    rights.append("no execute" if word & NX else "executable")
    return [f"as an address: page {address & ~0xFFF:08x}, {', '.join(rights)}"]


def _flag(name: str, now: Moment) -> Explanation | None:
    if name not in FLAGS:
        return None
    bit, text = FLAGS[name]
    lines = [text, ""]
    if now.regs is not None:
        lines.append(f"bit {bit} of EFLAGS is {now.regs.eflags >> bit & 1}")
    return Explanation(f"EFLAGS.{name}", tuple(lines))


def _gate(rest: str, now: Moment) -> Explanation | None:
    vector = int(rest)
    if vector < 0:
        return Explanation(
            "sysenter", (SYSENTER[0], "", f"taken {now.state.vectors.get(vector, 0)} times so far")
        )
    if now.view is None:
        return None
    gate = now.view.gate(vector)
    if not gate.present:
        return Explanation(f"gate {vector:#04x}", ("not present: taking it is #NP, segment not present",))
    kind = (
        "interrupt gate: clears IF on the way in"
        if gate.type == GATE_INTERRUPT
        else "trap gate: leaves IF as it is"
    )
    return Explanation(
        f"gate {vector:#04x} · {vector_name(vector)}",
        (
            f"{gate.pack():016x} in the IDT",
            "",
            f"offset    {gate.offset:08x}  {now.view.label(gate.offset)}",
            f"selector  {gate.selector:04x}      {RINGS.get(gate.selector & 3, '')}",
            f"type      {gate.type:#x}       {kind}",
            f"DPL       {gate.dpl}         "
            + ("any program may ask for it with int n" if gate.dpl == 3 else "int n from ring 3 is #GP"),
            "P         1         present",
            "",
            f"taken {now.state.vectors.get(vector, 0)} times so far",
        ),
    )


def _call(rest: str, now: Moment) -> Explanation | None:
    number = int(rest)
    call = call_of(number)
    if call is None:
        return Explanation(f"system call {number}", ("There is none with this number: ENOSYS.",))
    args = [
        f"{ARGUMENTS[n] if n < 6 else '':<4} {arg.name:<14} {arg.kind.value}{':' + arg.of if arg.of else ''}"
        for n, arg in enumerate(call.args)
    ]
    times = now.state.calls.get(number, 0)
    return Explanation(
        f"{call.name} · system call {number}",
        (
            call.note,
            "",
            *(args or ["no arguments"]),
            "",
            f"category  {call.category.value}",
            f"Windows   {call.win32 or 'nothing comparable'}",
            f"here      {standing(call)}",
            f"so far    {times} call{'s' if times != 1 else ''}, {now.state.errors.get(number, 0)} of them"
            " failed",
        ),
    )


def _errno(rest: str, now: Moment) -> Explanation | None:
    number = int(rest)
    if number not in Errno.__members__.values():
        return Explanation(f"error {number}", ("not one that a program ever sees",))
    error = Errno(number)
    return Explanation(
        f"{error.name} · error {number}",
        (
            error.text,
            "",
            f"The kernel returned {-number} ({-number & 0xFFFF_FFFF:08x}) in eax. The C library's stub"
            " sees a value from"
            " -4095 to -1, stores it negated in errno and returns -1.",
        ),
    )


def _signal(rest: str, now: Moment) -> Explanation | None:
    """`10`, or `10:2` with the process whose action is asked for; else it is the one that runs."""
    first, _, second = rest.partition(":")
    number, pid = int(first), int(second) if second else now.pid
    action = DEFAULT_ACTIONS.get(number)
    if action is None:
        return None
    task = now.state.machine.tasks.get(pid)
    here: tuple[str, ...] = ()
    if task is not None and pid not in (IDLE, INIT):
        here = (f"{task_name(now.state, pid):<15} {cell_text(now, task, number)}",)
    return Explanation(
        f"{signal_name(number)} · signal {number}",
        (
            signal_about(number),
            "",
            f"default action  {action.value}",
            *here,
            f"so far          sent {times(now.state.generated.get(number, 0))}, delivered"
            f" {times(now.state.delivered.get(number, 0))}",
        ),
    )


def _sets(rest: str, now: Moment) -> Explanation | None:
    """A process' two signal sets."""
    task = now.state.machine.tasks.get(int(rest))
    if task is None:
        return None
    return Explanation(
        f"{task_name(now.state, task.pid)} · signals between sending and delivery",
        (
            "A signal that was sent is pending: it is in the generation set. On every way back to user mode"
            " the kernel delivers what is pending and not blocked by the delivery mask, which the process"
            " sets with sigprocmask; a handler's own signal is blocked while it runs.",
            "",
            pending_text(now.state, task),
            blocked_text(task),
            f"sigset_t of the mask: {task.blocked:016x}",
        ),
    )


def times(number: int) -> str:
    return "never" if not number else "once" if number == 1 else f"{number} times"


def _state(rest: str, now: Moment) -> Explanation | None:
    """`sleeping:3`: what a state means, and why this process is in it."""
    word, _, pid = rest.partition(":")
    task = now.state.machine.tasks.get(int(pid)) if pid else None
    if word not in STATES:
        return None
    lines = [STATES[word]]
    if task is not None and task.on:
        lines += ["", f"{task_name(now.state, task.pid)} {waiting_text(now, task)}."]
    return Explanation(word, tuple(lines))


def _file(rest: str, now: Moment) -> Explanation | None:
    """An open file: what fork, dup and passing descriptors share."""
    file = now.state.machine.files.get(int(rest))
    if file is None:
        return None
    what, _ = leads_to(now.state, file)
    holders = [
        f"{task_name(now.state, task.pid)} {fd}"
        for task in now.state.machine.tasks.values()
        for fd, number in now.state.machine.fdtables.get(task.fdtable, {}).items()
        if number == int(rest)
    ]
    return Explanation(
        f"open file {rest} · {what}",
        (
            "An open file description: position and flags are in it. fork and dup make further descriptors"
            " lead to the same one, so that all of them share the position.",
            "",
            f"flags        {open_flags(file.flags)}",
            f"descriptors  {', '.join(holders) or 'none'}",
        ),
    )


def _microstep(rest: str, now: Moment) -> Explanation | None:
    way, number = way_of(now), int(rest)
    if way is None or not 0 <= number < len(MICROSTEPS):
        return None
    step = way.steps[number]
    return Explanation(f"{number + 1} {step.name}", (step.detail, "", MICROSTEPS[number]))


def _sysenter(rest: str, now: Moment) -> Explanation | None:
    way, number = way_of(now), int(rest)
    if way is None or not 0 <= number < len(SYSENTER):
        return None
    step = way.steps[number]
    return Explanation(f"{number + 1} {step.name}", (step.detail, "", SYSENTER[number]))


def _phase(rest: str, now: Moment) -> Explanation | None:
    way = way_of(now)
    if way is None or rest not in PHASES:
        return None
    step = next(step for step in way.steps if step.subject == f"phase:{rest}")
    return Explanation(
        step.name, tuple(line for line in (step.detail, "", PHASES[rest]) if line or step.detail)
    )


def _task(rest: str, now: Moment) -> Explanation | None:
    task = now.state.machine.tasks.get(int(rest))
    if task is None:
        return None
    doing = state_word(now.state, task)
    if task.on:
        doing += f": {waiting_text(now, task)}"
    elif task.exit_status >= 0:
        doing += f": {status_text(task.exit_status)}"
    call = call_of(task.syscall) if task.syscall >= 0 else None
    return Explanation(
        f"{task_name(now.state, task.pid)} · {task.comm}",
        (
            f"pid {task.pid}, parent {task.ppid}",
            doing,
            f"in {call.name}" if call is not None else "in no system call",
            f"thread_info {task.thread:08x}",
        ),
    )


def _code(rest: str, now: Moment) -> Explanation | None:
    address, view = int(rest, 16), now.view
    found = view.instructions(address, 1) if view is not None else []
    if view is None or not found:
        return None
    one = found[0]
    ring = "the kernel's, in ring 0" if address >= PAGE_OFFSET else "the program's, in ring 3"
    stop = address in now.stops("code")
    return Explanation(
        f"{address:08x} · {one.mnemonic}",
        (
            f"{one.mnemonic} {one.operands}".strip(),
            "",
            f"{len(one.data)} bytes: {one.data.hex(' ')}",
            f"at {view.label(address)}, code of {ring}",
            "a breakpoint is here: b clears it" if stop else "b sets a breakpoint here: c and C go to it",
        ),
    )


_ROOMS = {
    **explain_memory.TELLERS,
    **explain_channels.TELLERS,
    **explain_stacks.TELLERS,
    **explain_life.TELLERS,
}
_TELLERS = {
    "reg": _register,
    "flag": _flag,
    "gate": _gate,
    "vector": _gate,
    "sys": _call,
    "errno": _errno,
    "signal": _signal,
    "state": _state,
    "file": _file,
    "sets": _sets,
    "microstep": _microstep,
    "sysenter": _sysenter,
    "phase": _phase,
    "task": _task,
    "code": _code,
}
