"""Information: time, random numbers, the kernel's messages."""

from __future__ import annotations

from app.strace import text
from app.strace.arguments import part, parts
from app.strace.call import Call, Part
from app.strace.calls.common import Note, Special
from app.strace.names import NAMES
from app.strace.text import address, flags, hexadecimal, name


def _time_note(call: Call) -> str:
    return text.date(call.value)


def _getrandom(call: Call) -> list[Part]:
    """Random bytes are all shown in hexadecimal."""
    shown = parts(call)
    data = call.after(0)
    if data is not None:
        shown[0] = Part(text.hex_of(data), late=True)
    return shown


def _clock_state_note(call: Call) -> str | None:
    return text.known_name(call.value, "clock_state")


def _syslog(call: Call) -> list[Part]:
    kind = call.number(0)
    known = NAMES["syslog"].names.get(kind)
    shown = [Part(f"{kind} /* {known} */" if known is not None else f"{kind} /* SYSLOG_ACTION_??? */")]
    if kind in (2, 3, 4):
        return [*shown, part(call, 1), part(call, 2)]
    if known is not None and kind != _CONSOLE_LEVEL:
        return shown
    return [*shown, Part(address(call.word(1))), part(call, 2)]


_CONSOLE_LEVEL = 8


def _named(call: Call) -> list[Part]:
    """A host's or domain's name, unless it is too long to be one."""
    shown = parts(call)
    return shown if call.word(1) <= _NAME_SIZE else [Part(address(call.word(0))), shown[1]]


_NAME_SIZE = 64
"""__NEW_UTS_LEN of uapi linux/utsname.h."""


def _swapon(call: Call) -> list[Part]:
    """The priority is a number in the low 15 bits."""
    ways, priority = call.word(1) & ~0x7FFF, call.word(1) & 0x7FFF
    shown = flags(ways, "swapon") if ways else str(priority)
    preferred = ways & _SWAP_FLAG_PREFER or priority
    return [part(call, 0), Part(f"{shown}|{priority}" if ways and preferred else shown)]


_SWAP_FLAG_PREFER = 0x8000


def _reboot(call: Call) -> list[Part]:
    """One of the things to do has a text for the firmware with it."""
    return parts(call) if call.word(2) == _RESTART2 else parts(call)[:3]


_RESTART2 = 0xA1B2C3D4


def _personality(call: Call) -> list[Part]:
    value = call.word(0)
    return [Part(hexadecimal(value) if value == 0xFFFFFFFF else _persona(value))]


def _persona(value: int) -> str:
    """Which Unix to be, a number of one byte, and what to do otherwise than usual (`man 2 personality`)."""
    kind, ways = name(value & 0xFF, "persona"), value & ~0xFF
    return f"{kind}|{flags(ways, 'persona')}" if ways else kind


def _personality_note(call: Call) -> str | None:
    return _persona(call.value)


SPECIAL: dict[str, Special] = {
    **dict.fromkeys(("sethostname", "setdomainname"), _named),
    "swapon": _swapon,
    "reboot": _reboot,
    "personality": _personality,
    "syslog": _syslog,
    "getrandom": _getrandom,
}

NOTES: dict[str, Note] = {
    "personality": _personality_note,
    "time": _time_note,
    **dict.fromkeys(("adjtimex", "clock_adjtime", "clock_adjtime64"), _clock_state_note),
}
