"""Calls whose text does not follow from the kinds of their arguments: `SPECIAL` by name; and what stands in
parentheses behind a result: `NOTES`.

A special call's function gives its parts. Where an argument's meaning depends on another (`fcntl`, `futex`,
`prctl`) or strace leaves arguments out (`open` without O_CREAT), it is here.
"""

from __future__ import annotations

from collections.abc import Callable

from app.strace.call import Call
from app.strace.calls import communication, files, information, processes, scheduling, signals, transfers
from app.strace.calls.common import Note, Special

_SUBJECTS = (files, transfers, processes, scheduling, signals, information, communication)

SPECIAL: dict[str, Special] = {name: show for subject in _SUBJECTS for name, show in subject.SPECIAL.items()}
"""How to show calls that are not shown by the kinds of their arguments alone."""

WAITS = files.WAITS
"""Calls that tell what they found behind their result."""

NOTES: dict[str, Note] = {name: note for subject in _SUBJECTS for name, note in subject.NOTES.items()}
"""What stands in parentheses behind the result of a call that succeeded; None for no parentheses."""

HEXADECIMAL: dict[str, Callable[[Call], bool]] = {**files.HEXADECIMAL, **scheduling.HEXADECIMAL}
"""Calls that may return flags: whether this one did, so that its result is hexadecimal before them."""
