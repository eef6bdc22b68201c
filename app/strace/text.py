"""The small words of strace's language: strings, addresses, flags, modes, signals, times.

Everything here turns plain values into text as strace 6.1 does (`man 1 strace`), in the style that `style.py`
keeps; nothing knows a system call. What was cut to the style's limit is shown with "..." behind it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from app.strace.names import FILE_TYPES, FLAGS, NAMES, Flags, Names
from app.strace.style import current
from kernel.abi import signal

_ESCAPES = {
    ord("\n"): "\\n",
    ord("\t"): "\\t",
    ord("\r"): "\\r",
    ord("\v"): "\\v",
    ord("\f"): "\\f",
    ord('"'): '\\"',
    ord("\\"): "\\\\",
}


def quote(data: bytes, *, more: bool = False, octal: bytes = b"") -> str:
    """A C string literal; `more` puts dots behind it. Other bytes, and those in `octal`, are octal, as short
    as what follows allows."""
    form = current().hexadecimal
    if form == "all" or (form and any(byte >= 0x80 or byte in _CONTROLS for byte in data)):
        return quote_hex(data, more=more)
    out: list[str] = []
    for at, byte in enumerate(data):
        if byte in _ESCAPES:
            out.append(_ESCAPES[byte])
        elif 0x20 <= byte < 0x7F and byte not in octal:
            out.append(chr(byte))
        elif data[at + 1 : at + 2] in _OCTAL_DIGITS:
            out.append(f"\\{byte:03o}")
        else:
            out.append(f"\\{byte:o}")
    return '"' + "".join(out) + ('"...' if more else '"')


_CONTROLS = frozenset(range(0x20)) - {9, 10, 11, 12, 13} | {0x7F}
"""What makes a string "non-ascii": everything but printable characters and white space."""
_OCTAL_DIGITS = {bytes((digit,)) for digit in b"01234567"}


def quote_hex(data: bytes, *, more: bool = False) -> str:
    """Every byte as `\\x..`: for what is never text."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in data) + ('"...' if more else '"')


def text_of(data: bytes) -> str:
    """A captured string, of which one byte more than is shown may be there."""
    shown = current().limit
    return quote(data[:shown], more=len(data) > shown)


def bytes_of(data: bytes, size: int) -> str:
    """The beginning of a buffer of `size` bytes."""
    shown = current().limit
    return quote(data[:shown], more=size > shown)


def hex_of(data: bytes) -> str:
    """As `text_of`, of what is never text."""
    shown = current().limit
    return quote_hex(data[:shown], more=len(data) > shown)


def cstring(data: bytes) -> bytes:
    """Up to the NUL."""
    return data.partition(b"\0")[0]


def signed(value: int) -> int:
    """A 32-bit word as C's int."""
    value &= 0xFFFFFFFF
    return value - 0x1_0000_0000 if value >= 0x8000_0000 else value


def signed64(value: int) -> int:
    """64 bits as C's long long."""
    value &= 0xFFFFFFFF_FFFFFFFF
    return value - (1 << 64) if value >> 63 else value


def hexadecimal(value: int) -> str:
    """C's `%#x`: zero is 0."""
    return f"{value:#x}" if value else "0"


def address(value: int) -> str:
    return f"{value:#x}" if value else "NULL"


def flags_of(value: int, known: Flags) -> str:
    """`A|B|0x100`; where no flag is known the number with a comment; for 0 the flag that means 0, if there is
    one."""
    if value == 0:
        return known.zero or "0"
    found: list[str] = []
    rest = value
    for bits, name in known.flags:
        if bits and rest & bits == bits:
            found.append(name)
            rest &= ~bits
    if not found:
        return f"{value:#x} /* {known.unknown} */" if known.unknown else f"{value:#x}"
    if rest:
        found.append(f"{rest:#x}")
    return "|".join(found)


def flags(value: int, word: str) -> str:
    return flags_of(value, FLAGS[word])


def name_of(value: int, known: Names) -> str:
    """The name of a value; the number with a comment where it has none."""
    name = known.names.get(value)
    if name is not None:
        return name
    return f"{hexadecimal(value)} /* {known.unknown} */" if known.unknown else hexadecimal(value)


def name(value: int, word: str) -> str:
    return name_of(value, NAMES[word])


def known_name(value: int, word: str) -> str | None:
    """The name, if the value has one."""
    return NAMES[word].names.get(value)


def mode(value: int) -> str:
    """Permissions: octal, three digits at least behind the 0 (`0644`, `000`)."""
    return f"0{value:o}" if value > 0o77 else f"{value:03o}"


def file_mode(value: int) -> str:
    """`S_IFREG|S_ISUID|0755`."""
    kind = FILE_TYPES.get(value & 0o170000)
    if kind is None and value & 0o170000:
        return mode(value)
    parts = [kind] if kind is not None else []
    parts += [
        word for bit, word in ((0o4000, "S_ISUID"), (0o2000, "S_ISGID"), (0o1000, "S_ISVTX")) if value & bit
    ]
    parts.append(mode(value & 0o777))
    rest = value & ~0o177777
    if rest:
        parts.append(f"0{rest:o}")
    return "|".join(parts)


def device(value: int) -> str:
    """`makedev(0x1, 0x3)`: `dev_t` of user space, major and minor interleaved (`man 3 makedev`)."""
    major = (value >> 8 & 0xFFF) | (value >> 32 & ~0xFFF)
    minor = (value & 0xFF) | (value >> 12 & 0xFFFFFF00)
    return f"makedev({hexadecimal(major)}, {hexadecimal(minor)})"


def signal_of(value: int) -> str:
    """`SIGINT`; what is no signal as a number."""
    number = signed(value)
    return signal.signal_name(number) if number > 0 else str(number)


def signal_set(mask: int, size: int = 8) -> str:
    """`[INT CHLD]`, or `~[KILL STOP]` where more than two thirds of `size` bytes' signals are in it."""
    total = size * 8
    mask &= (1 << total) - 1
    inverted = mask.bit_count() >= total * 2 // 3
    if inverted:
        mask = ~mask & (1 << total) - 1
    words = [_SIGNAL_WORDS[number] for number in range(total) if mask >> number & 1]
    return ("~[" if inverted else "[") + " ".join(words) + "]"


_SIGNAL_WORDS = tuple(word.removeprefix("SIG") for word in signal.SIGNAL_NAMES[1:])


def array(items: Iterable[str], *, more: bool = False) -> str:
    return "[" + ", ".join([*items, *(("...",) if more else ())]) + "]"


def elements() -> int:
    """How many elements of an array are shown."""
    style = current()
    return sys.maxsize if style.verbose else style.limit


def elements_of(found: Sequence[str], how_many: int, where: int, size: int) -> str:
    """An array of `how_many` elements at `where`, of which only the first could be read, or are shown."""
    if not found and how_many:
        return address(where)
    shown = found[: elements()]
    if len(shown) == len(found) < how_many:
        return array([*shown, f"... /* {address(where + size * len(found))} */"])
    return array(shown, more=len(found) > len(shown))


def structure(fields: Sequence[str], *, more: bool = False) -> str:
    """`{a=1, b=2, ...}`."""
    return "{" + ", ".join([*fields, *(("...",) if more else ())]) + "}"


def size_of_limit(value: int, infinity: int, infinity_name: str) -> str:
    """A resource limit: `8192*1024` for multiples of 1024."""
    if value == infinity:
        return infinity_name
    return f"{value // 1024}*1024" if value > 1024 and value % 1024 == 0 else str(value)


def date(seconds: int, part: int = 0, digits: int = 9) -> str:
    """`2023-11-14T22:13:20+0000`, and the part of a second in `digits` digits unless it is 0: UTC, for the
    guest knows no other zone; '' for years that no calendar has."""
    try:
        shown = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return ""
    return f"{shown}.{part:0{digits}d}+0000" if part else f"{shown}+0000"
