"""Explanations of the words on a stack: who put one there, and what for.

What a word is `app.panes.stacks` has found out; its note comes along in the subject.
"""

from __future__ import annotations

from collections.abc import Callable

from app import explain_memory
from app.panes.cpu import ARGUMENTS
from app.panes.moment import Moment, elsewhere
from app.panes.stacks import ERROR_CODE
from app.strace.text import signed
from app.words import flag_names
from cpu.events import TrapTaken
from cpu.interrupts import PAGE_FAULT
from kernel.abi import elf, sigframe
from kernel.thread import PAGE_OFFSET, PT_REGS, PT_SIZE, THREAD_SIZE

Told = tuple[str, tuple[str, ...]]

BY_PROCESSOR = {
    "eip": "where the program goes on, behind its int $0x80 or at the very instruction that faulted",
    "cs": "the code segment; its two lowest bits say from which ring the trap came",
    "eflags": "the flags; iret restores them, and IF with them",
    "esp": "where the program's own stack was, pushed because the trap changed the ring",
    "ss": "the program's stack segment, pushed because the trap changed the ring",
    "error": "the error code: some exceptions push one, a page fault says in it what was tried; it takes"
    " orig_eax's place in pt_regs, until the handler has read it and put -1 there",
}
RETURN = (
    "A return address: call pushed it, and ret will take it off. It is the address behind the call"
    " instruction."
)
ARGUMENT = (
    "An argument, as C passes it on the i386: the caller pushes the arguments on its stack, the last one"
    " first, so that the first is next to the return address. The stub moves them into the registers that"
    " the kernel expects: {registers}."
)
FRAME = (
    "Part of the frame that the kernel has put on the user stack to run a signal's handler: all registers of"
    " the interrupted program. sigreturn takes them back from here, whatever the handler made of them."
)
ANEW = " The kernel has written it anew since: the program does not go on where it was."
LIST_END = "NULL: the end of the list."
SMALL = 1 << 16
"""A word is told as a negative number if it is not below minus that."""
KINDS: tuple[tuple[str, str], ...] = (
    ("ret ", RETURN),
    (
        "saved ebp",
        "The caller's ebp: a function pushes it first and then lets ebp point here, so that the frames form"
        " a chain.",
    ),
    ("ebp: outermost", "0 in ebp's place: _start has cleared it, there is no caller above."),
    ("argc", "How many arguments the program got: execve put it where esp points at the program's start."),
    ("argv[", "A pointer to an argument's text, put there by execve, which copied the text above it."),
    ("envp[", "A pointer to a variable of the environment, NAME=value, put there by execve."),
    ("signal frame", f"{FRAME} The first word is the handler's return address: code that calls sigreturn."),
    ("signal SIG", f"{FRAME} This is the handler's argument, the signal's number."),
    ("pointer to ", f"{FRAME} An argument of a handler that was set with SA_SIGINFO."),
    ("siginfo", f"{FRAME} struct siginfo: who sent the signal, and why."),
    ("saved ", FRAME),
    ("→ ", "A pointer: the address of something that has a name in the program."),
    ('"', "Four characters of a text; the lowest address holds the first one."),
)
AUXILIARY = {
    "AT_NULL": "the end of the vector",
    "AT_PHDR": "where the program's headers are in memory",
    "AT_PHENT": "the size of a program header",
    "AT_PHNUM": "how many program headers there are",
    "AT_PAGESZ": "the size of a page",
    "AT_BASE": "where the dynamic linker is mapped, 0 if there is none",
    "AT_ENTRY": "where the program's first instruction is",
    "AT_UID": "the real user id",
    "AT_EUID": "the effective user id",
    "AT_GID": "the real group id",
    "AT_EGID": "the effective group id",
    "AT_HWCAP": "what the processor can do, edx of cpuid",
    "AT_CLKTCK": "how many ticks of times(2) a second has",
    "AT_SECURE": "whether the program got rights from its file (set-user-id)",
    "AT_RANDOM": "the address of 16 random bytes",
    "AT_EXECFN": "the address of the path that was executed",
    "AT_PLATFORM": "the address of the platform's name",
    "AT_SYSINFO": "__kernel_vsyscall, the vDSO's way into the kernel",
    "AT_SYSINFO_EHDR": "where the vDSO is mapped",
    "AT_MINSIGSTKSZ": "how much stack a signal's frame needs at least",
}


def word(rest: str, now: Moment) -> Told | None:
    """A word of a stack: its value in all readings, and where it comes from."""
    at, _, note = rest.partition(":")
    address = int(at, 16)
    value = now.view.word(address) if now.view is not None else None
    found = [_origin(address, note.strip(), now)]
    if value is not None:
        label = now.view.label(value) if now.view is not None else ""
        found += [
            "",
            f"value      {value:08x}  {signed(value) if -SMALL <= signed(value) < 0 else value:,}",
            f"bytes      {value.to_bytes(4, 'little').hex(' ')}  from {address:08x} on: the lowest first",
        ]
        if label != f"{value:08x}":
            found.append(f"points to  {label}")
        if _register_of(note.strip()) in ("eflags", "flags"):
            found.append(f"flags      {flag_names(value)}")
        if note.strip() == ERROR_CODE and _vector(now) == PAGE_FAULT:
            found += ["", *explain_memory.error_lines(value)]
    return f"{address:08x} · {' '.join(note.split())}", tuple(found)


def _register_of(note: str) -> str:
    """The register whose value a note says the word is."""
    return note.removeprefix("saved ").partition(" ")[0]


def _vector(now: Moment) -> int:
    trap = now.trap or now.state.trap
    return trap.vector if isinstance(trap, TrapTaken) else -1


def _origin(address: int, note: str, now: Moment) -> str:
    name, _, rest = note.partition(" ")
    if address >= PAGE_OFFSET and not note.startswith("ret "):
        return _in_pt_regs(name, rest) + (ANEW if name in PT_REGS and _anew(now) else "")
    if note.endswith("] NULL"):
        return LIST_END
    if note.startswith("saved ") and _in_a_frame(address, now):
        return FRAME
    kind = next((text for begin, text in KINDS if note.startswith(begin)), None)
    if kind is not None:
        return kind
    aux = note.removeprefix("of ")
    if aux in vars(elf):
        about = AUXILIARY.get(aux, "something about the machine or the program")
        part = "the value" if note.startswith("of ") else "the key, and the next word is its value"
        return f"The auxiliary vector, from the kernel to the program's start: {about}. This is {part}."
    return ARGUMENT.format(registers=", ".join(ARGUMENTS))


def _in_a_frame(address: int, now: Moment) -> bool:
    frames = now.state.frames.get(now.pid, ())
    return any(at <= address < at + sigframe.SIGFRAME_SIZE for at in frames)


def _anew(now: Moment) -> bool:
    """Whether pt_regs are no longer those of the trap."""
    task, view = now.task, now.view
    if task is None or view is None or not task.thread or now.trap is not None:
        return False
    eip = view.word(task.thread + THREAD_SIZE - PT_SIZE + 4 * PT_REGS.index("eip"))
    return eip is not None and elsewhere(now, eip)


def _in_pt_regs(name: str, rest: str) -> str:
    if name == "no" and rest:
        return (
            "A 0 that the entry code has pushed in the place of an error code: this exception has none. So"
            " pt_regs is always alike. The handler puts -1 here: this is no system call."
        )
    if name in BY_PROCESSOR:
        return f"Pushed by the processor on its way into the kernel: {BY_PROCESSOR[name]}."
    if name == "orig_eax":
        return (
            "struct pt_regs, pushed by the entry code: eax as the program had it, the system call's number."
            " It is kept apart from eax, which takes the result; -1 where no system call was made."
        )
    if name not in PT_REGS:
        return "A word of the kernel's own on the current task's kernel stack."
    about = "a system call's result will be stored here" if name == "eax" else ""
    if name in ("ds", "es", "fs", "gs"):
        about = "a segment register"
    if name in ARGUMENTS and rest:
        about = f"it carries the call's argument number {ARGUMENTS.index(name) + 1}"
    return f"struct pt_regs, pushed by SAVE_ALL: the program's {name}" + (f"; {about}." if about else ".")


TELLERS: dict[str, Callable[[str, Moment], Told | None]] = {"word": word}
