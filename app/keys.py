"""Keys of the screen as the bytes that a terminal would send (xterm's, `man 5 terminfo`: kcuu1 and so on)."""

from __future__ import annotations

NAMED: dict[str, bytes] = {
    "enter": b"\r",
    "tab": b"\t",
    "shift+tab": b"\x1b[Z",
    "backspace": b"\x7f",
    "escape": b"\x1b",
    "space": b" ",
    "up": b"\x1b[A",
    "down": b"\x1b[B",
    "right": b"\x1b[C",
    "left": b"\x1b[D",
    "home": b"\x1b[H",
    "end": b"\x1b[F",
    "insert": b"\x1b[2~",
    "delete": b"\x1b[3~",
    "pageup": b"\x1b[5~",
    "pagedown": b"\x1b[6~",
    "f1": b"\x1bOP",
    "f2": b"\x1bOQ",
    "f3": b"\x1bOR",
    "f4": b"\x1bOS",
    "f5": b"\x1b[15~",
    "f6": b"\x1b[17~",
    "f7": b"\x1b[18~",
    "f8": b"\x1b[19~",
    "f9": b"\x1b[20~",
    "f10": b"\x1b[21~",
    "f11": b"\x1b[23~",
    "f12": b"\x1b[24~",
    "ctrl+at": b"\0",
    "ctrl+space": b"\0",
    "ctrl+backslash": b"\x1c",
    "ctrl+right_square_bracket": b"\x1d",
    "ctrl+circumflex_accent": b"\x1e",
    "ctrl+underscore": b"\x1f",
}
_CURSOR = ("up", "down", "right", "left", "home", "end")
_MODIFIED = {name for name, data in NAMED.items() if data[:2] in (b"\x1b[", b"\x1bO") and "+" not in name}
_MODIFIERS = {"shift": 1, "alt": 2, "ctrl": 4}
LEAVE = "ctrl+right_square_bracket"


def terminal_bytes(key: str, character: str | None, application: bool = False) -> bytes:
    """What the guest's terminal gets for a key; nothing for one that no terminal sends.

    `application`: the program asked for the cursor keys' other form (DECCKM).
    """
    if application and key in _CURSOR:
        return NAMED[key].replace(b"[", b"O")
    if key in NAMED:
        return NAMED[key]
    *held, last = key.split("+")
    if last in _MODIFIED and {*held} <= {*_MODIFIERS}:
        return _modified(NAMED[last], 1 + sum(_MODIFIERS[name] for name in held))
    if key.startswith("alt+"):
        rest = key.removeprefix("alt+")
        return b"\x1b" + (
            terminal_bytes(rest, rest if len(rest) == 1 else None) or (character or "").encode()
        )
    if key.startswith("ctrl+") and len(key) == 6 and key[5].isascii() and key[5].isalpha():
        return bytes((ord(key[5].upper()) & 0x1F,))
    return character.encode("utf-8") if character else b""


def _modified(data: bytes, number: int) -> bytes:
    """A named key while others are held (xterm's ctlseqs, "PC-Style Function Keys")."""
    first = data[2:-1].decode() or "1"
    return f"\x1b[{first};{number}".encode() + data[-1:]


def pasted_bytes(text: str, bracketed: bool) -> bytes:
    """A paste as a terminal sends it: lines end as Return does; between brackets if the program asked for it,
    without an escape that could end them."""
    data = text.replace("\r\n", "\r").replace("\n", "\r").encode("utf-8", "replace")
    return b"\x1b[200~" + data.replace(b"\x1b", b"") + b"\x1b[201~" if bracketed else data
