"""Single numbers behind a pointer, shown in brackets, and user ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from struct import unpack_from

from app.strace.style import descriptor
from app.strace.text import address


def words(data: bytes) -> Iterator[int]:
    for at in range(0, len(data) - 3, 4):
        yield unpack_from("<I", data, at)[0]


def boxed_int(data: bytes) -> str:
    return f"[{unpack_from('<i', data)[0]}]"


def boxed_uint(data: bytes) -> str:
    return f"[{unpack_from('<I', data)[0]}]"


def boxed_address(data: bytes) -> str:
    return f"[{address(unpack_from('<I', data)[0])}]"


def user_id(value: int) -> str:
    return "-1" if value == 0xFFFFFFFF else str(value)


def uid16(value: int) -> str:
    return "-1" if value & 0xFFFF == 0xFFFF else str(value & 0xFFFF)


def _sched_param(data: bytes) -> str:
    return boxed_int(data)


def _fdpair(data: bytes) -> str:
    first, second = unpack_from("<ii", data)
    return f"[{descriptor(first)}, {descriptor(second)}]"


STRUCTS: dict[str, Callable[[bytes], str]] = {
    "int": boxed_int,
    "uint": boxed_uint,
    "addr": boxed_address,
    "off_t": boxed_int,
    "loff_t": lambda data: f"[{unpack_from('<q', data)[0]}]",
    "uid16": lambda data: f"[{uid16(int.from_bytes(data, 'little'))}]",
    "gid16": lambda data: f"[{uid16(int.from_bytes(data, 'little'))}]",
    "uid32": lambda data: f"[{user_id(int.from_bytes(data, 'little'))}]",
    "gid32": lambda data: f"[{user_id(int.from_bytes(data, 'little'))}]",
    "sched_param": _sched_param,
    "fdpair": _fdpair,
}
"""Text of each structure by its name in the table."""
