"""A line of the trace as text, in short: names from the system call table, arguments as they are.

What strace would print to the letter is `app.strace`'s business; this is what fits a pane.
"""

from __future__ import annotations

from app.state.fold_trace import status_text
from app.state.state import TraceLine
from kernel.abi.errno import RESTART_TEXTS, Errno
from kernel.abi.signal import signal_name
from kernel.table import TABLE, Arg, Kind, Row

_SIGNED = frozenset((Kind.INT, Kind.FD, Kind.PID, Kind.UID, Kind.GID, Kind.DIRFD, Kind.OFFSET))
_PLAIN = frozenset((Kind.UINT, Kind.LOW, Kind.HIGH, Kind.PAGE_OFFSET))
_OCTAL = frozenset((Kind.MODE, Kind.FILE_MODE, Kind.IPC_MODE))
_TEXT = frozenset((Kind.PATH, Kind.STRING, Kind.STRING_OUT, Kind.BUF_IN, Kind.BUF_OUT))
_SHOWN = 32


def trace_text(line: TraceLine) -> str:
    """The line without pid and times. An open call has no closing parenthesis yet."""
    if line.kind == "syscall":
        return _call(line)
    if line.kind == "resumed":
        return f"<... {call_name(line.nr)} resumed>) = {result_text(line)}"
    if line.kind == "signal":
        return f"--- {signal_name(line.signo)} ({line.name}) ---"
    if line.kind == "stopped":
        return f"--- stopped by {signal_name(line.signo)} ---"
    if line.kind == "exit":
        return f"+++ {status_text(line.result or 0)} +++"
    if line.kind == "exec":
        return f"execve({quoted(line.name.encode('utf-8', 'replace'))}) = 0"
    if line.kind == "fault":
        return f"*** vector {line.nr} at {line.args[0]:#x} -> {signal_name(line.signo)} ***"
    raise ValueError(f"no such kind of line: {line.kind}")


def _call(line: TraceLine) -> str:
    row = row_of(line.nr)
    rows = row.args if row is not None else ()
    words = line.args[: len(rows)] if row is not None else line.args
    shown = [_argument(rows[n] if rows else None, n, word, line) for n, word in enumerate(words)]
    text = f"{call_name(line.nr)}({', '.join(shown)}"
    if line.unfinished:
        return f"{text} <unfinished ...>"
    return f"{text}) = {result_text(line)}" if line.seq_end >= 0 else text


def _argument(arg: Arg | None, place: int, word: int, line: TraceLine) -> str:
    if arg is None:
        return f"{word:#x}"
    if arg.kind in _TEXT and word:
        source = line.given if arg.kind in (Kind.BUF_OUT, Kind.STRING_OUT) else line.taken
        data = source[place] if place < len(source) else None
        if data is not None:
            return quoted(data)
    if arg.kind is Kind.SIGNAL:
        return signal_name(word)
    if arg.kind in _SIGNED:
        return str(word - (1 << 32) if word >> 31 else word)
    if arg.kind in _PLAIN:
        return str(word)
    if arg.kind in _OCTAL:
        return f"{word:#o}" if word else "0"
    return f"{word:#x}" if word else "NULL" if arg.kind is Kind.ADDR else "0"


def row_of(nr: int) -> Row | None:
    return TABLE[nr] if 0 <= nr < len(TABLE) else None


def call_name(nr: int) -> str:
    row = row_of(nr)
    return row.name if row is not None else f"syscall_{nr:#x}"


def result_text(line: TraceLine) -> str:
    """`?` for a call that never returned; an errno by its name and text; addresses in hexadecimal."""
    return _result(line) + (" (INJECTED)" if line.injected else "")


def _result(line: TraceLine) -> str:
    result = line.result
    if result is None:
        return "?"
    if -result in RESTART_TEXTS:
        name, text = RESTART_TEXTS[-result]
        return f"? {name} ({text})"
    if -4096 < result < 0:
        try:
            error = Errno(-result)
        except ValueError:
            return f"-1 (errno {-result})"
        return f"-1 {error.name} ({error.text})"
    row = row_of(line.nr)
    if row is not None and row.result in (Kind.ADDR, Kind.HEX, Kind.HANDLER):
        return f"{result & 0xFFFF_FFFF:#x}"
    return str(result)


def quoted(data: bytes) -> str:
    """As C would write it, the first bytes of it."""
    text = "".join(
        _QUOTED.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\{byte:o}") for byte in data[:_SHOWN]
    )
    return f'"{text}"' + ("..." if len(data) > _SHOWN else "")


_QUOTED = {0x22: '\\"', 0x5C: "\\\\", 0x0A: "\\n", 0x09: "\\t", 0x0D: "\\r"}
