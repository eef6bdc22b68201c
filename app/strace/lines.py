"""Whole lines of a trace: a call with its result, its two halves, signals, and the end."""

from __future__ import annotations

import struct

from app.strace import text
from app.strace.arguments import parts
from app.strace.call import Call, Part, early_half, first_late, joined, late_half
from app.strace.calls import HEXADECIMAL, NOTES, SPECIAL, WAITS
from app.strace.structs import signals as signal_structs
from app.strace.style import current, descriptor
from kernel.abi.errno import RESTART_TEXTS, STRERROR, Errno, errno_of
from kernel.capture import Items
from kernel.captured import Strings
from kernel.signals.frame import siginfo_of
from kernel.signals.state import told_of
from kernel.table import BY_NAME, HAS_INNER_CALL, Kind, Row, inner_call

RESULT_COLUMN = 40
"""Where the `=` stands if the call is short enough (strace's `-a 40`)."""


def format_call(
    row: Row,
    args: tuple[int, ...],
    entered: Items,
    exited: Items | None = None,
    result: int | None = None,
    column: int = 0,
) -> str:
    """`write(1, "hello\\n", 6) = 6`.

    `entered` and `exited` are what `kernel.capture` gave, `result` is signed; both are None for a call that
    never returned. `column` is the width of what the line begins with, such as a pid.
    """
    call = _inner(Call(row, args, entered, exited, result))
    shown = _parts(call)
    if result is None and _told_late(call, shown):
        return _aligned(f"{call.row.name}({early_half(shown)} <unfinished ...>)", column) + "= ?"
    return _aligned(f"{call.row.name}({joined(shown)})", column) + f"= {result_text(call)}"


def format_begin(row: Row, args: tuple[int, ...], entered: Items) -> str:
    """`read(3, `: what is known when the call begins."""
    call = _inner(Call(row, args, entered))
    return f"{call.row.name}({early_half(_parts(call))}"


def format_end(
    row: Row, args: tuple[int, ...], entered: Items, exited: Items | None = None, result: int | None = None
) -> tuple[str, str]:
    """The rest of it, `"x", 1)`, and what stands behind the `=`."""
    call = _inner(Call(row, args, entered, exited, result))
    shown = _parts(call)
    rest = UNFINISHED if result is None and _told_late(call, shown) else late_half(shown)
    return f"{rest})", result_text(call)


UNFINISHED = " <unfinished ...>"


def format_unfinished(row: Row, args: tuple[int, ...], entered: Items) -> str:
    """`read(3,  <unfinished ...>`: a call during which another process's line has to be written."""
    return format_begin(row, args, entered) + UNFINISHED


def format_resumed(
    row: Row,
    args: tuple[int, ...],
    entered: Items,
    exited: Items | None = None,
    result: int | None = None,
    column: int = 0,
) -> str:
    """`<... read resumed>"x", 1) = 1`: the rest of a line that `format_unfinished` began."""
    rest, shown = format_end(row, args, entered, exited, result)
    return _aligned(f"<... {shown_name(row, args, entered)} resumed>{rest}", column) + f"= {shown}"


def shown_name(row: Row, args: tuple[int, ...], entered: Items) -> str:
    """The call's name, or that of the call inside it."""
    return _inner(Call(row, args, entered)).row.name


def format_executed(path: str, argv: tuple[str, ...], envp: tuple[str, ...] | None, where: int) -> str:
    """The first program's `execve("/bin/ls", ["ls"], 0xbffffe00 /* 4 vars */)`, which no program called.

    `where` is the environment's address; `envp` None where it is not known what is in it.
    """
    row = BY_NAME["execve"]
    environment: bytes | None = None
    if envp is not None and current().verbose:
        environment = Strings(tuple(word.encode("utf-8", "replace") for word in envp), False).encode()
    elif envp is not None:
        environment = len(envp).to_bytes(4, "little")
    words = Strings(tuple(word.encode("utf-8", "replace") for word in argv), False).encode()
    call = Call(row, (0, 0, where), (path.encode("utf-8", "replace"), words, environment), (), 0)
    return f"execve({joined(_parts(call))})"


def format_unknown(number: int, args: tuple[int, ...], result: int | None, column: int = 0) -> str:
    """A call that no row is about: `syscall_0x1135(0, 0, 0, 0, 0, 0) = -1 ENOSYS (...)`."""
    body = ", ".join(text.hexadecimal(value) for value in args)
    shown = "?" if result is None else _number(result, Kind.INT)
    return _aligned(f"syscall_{number:#x}({body})", column) + f"= {shown}"


def format_signal(signo: int, code: int, about: tuple[int, ...]) -> str:
    """`--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=3, ...} ---`; `about` is the event's."""
    info = siginfo_of(told_of(signo, code, about))
    return f"--- {text.signal_of(info.si_signo)} {signal_structs.siginfo(info)} ---"


def format_stopped(signo: int) -> str:
    """`--- stopped by SIGSTOP ---`."""
    return f"--- stopped by {text.signal_of(signo)} ---"


def format_exit(status: int) -> str:
    """`+++ exited with 3 +++` or `+++ killed by SIGSEGV (core dumped) +++`; `status` as `wait4` gives it."""
    signo = status & 0x7F
    if not signo:
        return f"+++ exited with {status >> 8 & 0xFF} +++"
    core = " (core dumped)" if status & 0x80 else ""
    return f"+++ killed by {text.signal_of(signo)}{core} +++"


def result_text(call: Call) -> str:
    """What stands behind the `=`."""
    if call.result is None:
        return "?"
    shown = _number(call.result, call.row.result)
    if call.failed:
        return shown
    note = _note(call)
    if note is None:
        return shown
    if call.row.name in HEXADECIMAL and HEXADECIMAL[call.row.name](call):
        shown = text.hexadecimal(call.result)
    return f"{shown} ({note})"


def _note(call: Call) -> str | None:
    try:
        return NOTES[call.row.name](call) if call.row.name in NOTES else None
    except (struct.error, IndexError):
        return None


def _number(result: int, kind: Kind) -> str:
    error = errno_of(result)
    if error in RESTART_TEXTS:
        word, meaning = RESTART_TEXTS[error]
        return f"? {word} ({meaning})"
    if error:
        return f"-1 {Errno(error).name} ({STRERROR[error]})" if error in STRERROR else f"-1 (errno {error})"
    if kind in (Kind.ADDR, Kind.HEX, Kind.HANDLER):
        return text.hexadecimal(result & 0xFFFFFFFF)
    if kind is Kind.FD:
        return descriptor(result)
    return text.mode(result) if kind is Kind.MODE else str(result)


def _inner(call: Call) -> Call:
    """The call that is meant, where it is wrapped in another."""
    if call.row.name not in HAS_INNER_CALL:
        return call
    own = len(call.row.args)
    found = inner_call(call.row, call.args, call.before(own - 1))
    if found is None:
        return call
    row, args = found
    exited = call.exited[own:] if call.exited is not None else None
    result = call.result
    if exited and row.name == "shmat" and exited[-1] is not None:
        result = int.from_bytes(exited[-1], "little")
    return Call(row, args, call.entered[own:], exited, result)


def _parts(call: Call) -> list[Part]:
    if call.row.name in current().raw:
        return _plain(call)
    special = SPECIAL.get(call.row.name)
    unread_block = bool(call.row.args) and call.row.args[0].kind is Kind.BLOCK
    try:
        return parts(call) if special is None or unread_block else special(call)
    except (struct.error, IndexError):
        return _plain(call)


def _told_late(call: Call, shown: list[Part]) -> bool:
    """Whether something remained to be written when the call never returned."""
    return first_late(shown) < len(shown) or call.row.name in WAITS


def _plain(call: Call) -> list[Part]:
    """The arguments as numbers: what was captured is cut short, as only a damaged log has it."""
    return [Part(text.hexadecimal(word)) for word in call.args[: len(call.row.args)]]


def _aligned(shown: str, column: int) -> str:
    return (shown + " ").ljust(RESULT_COLUMN - column)
