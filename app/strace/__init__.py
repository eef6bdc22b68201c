"""System calls, signals and ends of processes as lines of text, in the words of strace 6.1.

Pure functions from a table row and what was recorded to text. `kernel/capture.py` recorded it; `lines.py` has
the lines, `calls.py` the calls that need more than the kinds of their arguments (`arguments.py`),
`structs.py` the structures, `text.py` and `names.py` the small words.
"""

from app.strace.lines import (
    format_begin,
    format_call,
    format_end,
    format_executed,
    format_exit,
    format_resumed,
    format_signal,
    format_stopped,
    format_unfinished,
    format_unknown,
    shown_name,
)

__all__ = [
    "format_begin",
    "format_call",
    "format_end",
    "format_executed",
    "format_exit",
    "format_resumed",
    "format_signal",
    "format_stopped",
    "format_unfinished",
    "format_unknown",
    "shown_name",
]
