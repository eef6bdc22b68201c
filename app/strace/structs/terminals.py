"""Terminals: `termios` with the numbers that hide in its flags, window sizes."""

from __future__ import annotations

from collections.abc import Callable
from struct import unpack_from

from app.strace.style import current
from app.strace.text import flags, hexadecimal, structure
from kernel.abi import tty
from kernel.abi.structs import Termios, Winsize

_SPEEDS = {
    getattr(tty, speed): speed
    for speed in (
        *(
            "B0",
            "B50",
            "B75",
            "B110",
            "B134",
            "B150",
            "B200",
            "B300",
            "B600",
            "B1200",
            "B1800",
            "B2400",
            "B4800",
        ),
        *(
            "B9600",
            "B19200",
            "B38400",
            "BOTHER",
            "B57600",
            "B115200",
            "B230400",
            "B460800",
            "B500000",
            "B576000",
        ),
        *(
            "B921600",
            "B1000000",
            "B1152000",
            "B1500000",
            "B2000000",
            "B2500000",
            "B3000000",
            "B3500000",
            "B4000000",
        ),
    )
}
_CHARACTER_SIZES = ("CS5", "CS6", "CS7", "CS8")
_DELAYS = (
    *((tty.NLDLY, ("NL0", "NL1")), (tty.CRDLY, ("CR0", "CR1", "CR2", "CR3"))),
    *((tty.TABDLY, ("TAB0", "TAB1", "TAB2", "XTABS")), (tty.BSDLY, ("BS0", "BS1"))),
    *((tty.VTDLY, ("VT0", "VT1")), (tty.FFDLY, ("FF0", "FF1"))),
)
_OUTPUT = ("OPOST", "OLCUC", "ONLCR", "OCRNL", "ONOCR", "ONLRET", "OFILL", "OFDEL")
_CONTROL = ("CSTOPB", "CREAD", "PARENB", "PARODD", "HUPCL", "CLOCAL", "CMSPAR", "CRTSCTS")


def _field(mask: int, names: tuple[str, ...], value: int) -> str:
    """The name of a number inside flags."""
    return names[(value & mask) // (mask & -mask)]


def _termio(data: bytes) -> str:
    """The older `struct termio`: the same flags, 16 bits each."""
    return _termios(Termios(*unpack_from("<HHHH", data)).pack())


def _termios(data: bytes) -> str:
    term = Termios.unpack(data)
    output = [_field(mask, names, term.c_oflag) for mask, names in _DELAYS]
    output += [word for word in _OUTPUT if term.c_oflag & getattr(tty, word)]
    speed = _SPEEDS.get(term.c_cflag & tty.CBAUD, hexadecimal(term.c_cflag & tty.CBAUD))
    control = [speed, _field(tty.CSIZE, _CHARACTER_SIZES, term.c_cflag)]
    control += [word for word in _CONTROL if term.c_cflag & getattr(tty, word)]
    fields = (
        f"c_iflag={flags(term.c_iflag, 'c_iflag')}",
        f"c_oflag={'|'.join(output)}",
        f"c_cflag={'|'.join(control)}",
        f"c_lflag={flags(term.c_lflag, 'c_lflag')}",
    )
    if not current().verbose:
        return structure(fields, more=True)
    line = "N_TTY" if not term.c_line else hexadecimal(term.c_line)
    keys = [f"[{key}]={hexadecimal(byte)}" for key, byte in zip(_KEYS, term.c_cc, strict=True)]
    return structure((*fields, f"c_line={line}", f"c_cc=[{', '.join(keys)}]"))


_KEYS = (
    *("VINTR", "VQUIT", "VERASE", "VKILL", "VEOF", "VTIME", "VMIN", "VSWTC", "VSTART", "VSTOP", "VSUSP"),
    *("VEOL", "VREPRINT", "VDISCARD", "VWERASE", "VLNEXT", "VEOL2", "17", "18"),
)
"""Places in `c_cc` (asm-generic/termbits.h)."""


def _winsize(data: bytes) -> str:
    size = Winsize.unpack(data)
    return structure([f"{word}={getattr(size, word)}" for word in Winsize.__struct_fields__])


def _modem(data: bytes) -> str:
    return f"[{flags(unpack_from('<I', data)[0], 'modem')}]"


STRUCTS: dict[str, Callable[[bytes], str]] = {
    "modem": _modem,
    "termios": _termios,
    "termio": _termio,
    "winsize": _winsize,
}
"""Text of each structure by its name in the table."""
