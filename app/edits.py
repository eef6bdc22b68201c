"""What a person changes of the machine, in words: `eax = 5`, `counter = 0x2a`, `fail EIO`.

The inputs that `kernel.edits` takes. ` of B` behind it names the process; without it is the one that runs.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import NamedTuple

from app.state.state import State
from cpu.registers import GENERAL
from cpu.symbols import Symbols
from kernel.abi.errno import Errno
from kernel.abi.mman import TASK_SIZE
from kernel.edits import ADDRESS, ERROR, MAX_ERRNO, MOST_BYTES, REGISTER
from kernel.thread import PT_REGS

HINT = 'eax = 5, counter = 0x2a, 0804b010 = "text", fail EIO (the next call); of B: in another process'
VALUE_HINT = "a number: 42, -1, 0x2a, 0804b010; a function or variable for its address"
WORD = 1 << 32


class Edit(NamedTuple):
    """`device`, `pid` and `data` of the input; `text` says what it changes."""

    device: str
    pid: int
    data: bytes
    text: str


def parse_edit(text: str, state: State, known: Iterable[Symbols]) -> Edit | None:
    """None if it is not understood, or names no task."""
    symbols = list(known)
    body, pid = _whose(text.strip(), state)
    if pid < 0:
        return None
    if body.lower().startswith("fail "):
        return _failing(body[5:].strip(), pid)
    name, equals, value = (part.strip() for part in body.partition("="))
    if not equals:
        return None
    if name.lower() in GENERAL:
        number = _number(value, symbols)
        return register(name.lower(), number, pid) if number is not None else None
    address = _address(name, symbols)
    data = _bytes(value, symbols)
    if data is None or not 0 <= address <= TASK_SIZE - len(data):
        return None
    return Edit("memory", pid, ADDRESS.pack(address) + data, f"{name} = {value}")


def register(name: str, value: int, pid: int) -> Edit:
    data = REGISTER.pack(PT_REGS.index(name), value)
    return Edit("register", pid, data, f"{name} = {value:08x}")


def _whose(text: str, state: State) -> tuple[str, int]:
    """The words without ` of B`, and the pid; -1 for none that is known."""
    body, of, whom = text.rpartition(" of ")
    if not of or '"' in whom:
        return text, state.machine.current
    tasks = state.machine.tasks
    return body.strip(), next((pid for pid in tasks if whom.strip() in (str(pid), state.letter(pid))), -1)


def _failing(word: str, pid: int) -> Edit | None:
    if word.lower() == "off":
        return Edit("fail", pid, ERROR.pack(0), "the next system call is made")
    name = word.upper()
    if name in Errno.__members__:
        number = int(Errno[name])
    elif word.isascii() and word.isdigit() and 0 < int(word[:5]) <= MAX_ERRNO:
        number = int(word[:5])
    else:
        return None
    return Edit("fail", pid, ERROR.pack(number), f"the next system call fails with {name}")


def _number(word: str, known: Iterable[Symbols]) -> int | None:
    """A word of 32 bits: decimal, 0x, eight digits as panes show them, or what a symbol stands for."""
    if found := _symbol(word, known):
        return found
    hexadecimal = len(word) == 8 or word.lower().startswith("0x")
    try:
        number = int(word, 16 if hexadecimal else 10)
    except ValueError:
        return None
    return number % WORD if -WORD // 2 <= number < WORD else None


def _address(word: str, known: Iterable[Symbols]) -> int:
    """-1 if it is none."""
    if found := _symbol(word, known):
        return found
    try:
        return int(word, 16)
    except ValueError:
        return -1


def _symbol(word: str, known: Iterable[Symbols]) -> int:
    return next((one.by_name[word].address for one in known if word in one.by_name), 0)


def _bytes(word: str, known: Iterable[Symbols]) -> bytes | None:
    """A quoted text's bytes as Python writes them (no NUL behind), else a word's."""
    if word.startswith('"'):
        return _quoted(word)
    number = _number(word, known)
    return ADDRESS.pack(number) if number is not None else None


def _quoted(word: str) -> bytes | None:
    try:
        text = ast.literal_eval(f"b{word}")
    except (ValueError, SyntaxError, MemoryError):
        return None
    return text if isinstance(text, bytes) and 0 < len(text) <= MOST_BYTES else None
