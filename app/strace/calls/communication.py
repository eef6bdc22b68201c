"""Sockets and System V messages."""

from __future__ import annotations

from struct import unpack_from

from app.strace import text
from app.strace.arguments import parts, struct
from app.strace.call import Call, Part
from app.strace.calls.common import Note, Special
from app.strace.names import NAMES
from app.strace.structs import sockets as socket_structs
from app.strace.text import address, name


def _socket(call: Call) -> list[Part]:
    """What the protocol's number means depends on the family."""
    shown = parts(call)
    family, protocol = call.word(0), call.word(2)
    if family in (2, 10):
        shown[2] = Part(name(protocol, "protocol"))
    elif family == 16 and protocol == 0:
        shown[2] = Part("NETLINK_ROUTE")
    else:
        shown[2] = Part(str(call.number(2)))
    return shown


def _with_address(place: int) -> Special:
    """A peer's address and its size: `[128 => 16]` where the kernel changed the size."""

    def show(call: Call) -> list[Part]:
        shown = parts(call)
        before, after = call.before(place + 1), call.after(place + 1)
        peer = call.after(place)
        if before is not None and peer is not None:
            peer = peer[: unpack_from("<I", before)[0]]
            shown[place] = Part(struct(peer, call, place) if peer else address(call.word(place)), late=True)
        if before is not None:
            room = unpack_from("<i", before)[0]
            used = unpack_from("<i", after)[0] if after is not None else room
            size = f"[{room}]" if used == room else f"[{room} => {used}]"
            shown[place + 1] = Part(size, late=True)
        return shown

    return show


def _setsockopt(call: Call) -> list[Part]:
    shown = parts(call)
    size, data = text.signed(call.word(4)), call.before(3)
    value = None
    if data is not None and size >= 0:
        value = socket_structs.option_given(data, call.word(1), call.word(2), size)
    shown[3] = Part(value if value is not None else address(call.word(3)))
    return shown


def _getsockopt(call: Call) -> list[Part]:
    """How much room there was, and how much of it the kernel used."""
    shown = parts(call)
    before = call.before(4)
    if before is None:
        return [*shown[:3], Part(address(call.word(3))), Part(address(call.word(4)))]
    data, after = call.after(3), call.after(4)
    room = unpack_from("<i", before)[0]
    used = unpack_from("<i", after)[0] if after is not None else room
    value = address(call.word(3))
    if data is not None and room > 0 and used > 0:
        value = socket_structs.option_got(data, call.word(1), call.word(2), used)
    size = f"[{room}]" if used == room else f"[{room} => {used}]"
    return [*shown[:3], Part(value, late=True), Part(size, late=True)]


def _message(call: Call) -> list[Part]:
    """A System V message: its type and its text."""
    shown = parts(call)
    received = call.row.name == "msgrcv"
    data = call.after(1) if received else call.before(1)
    if data is not None and len(data) >= 4:
        size = call.value if received else call.word(2)
        body = text.bytes_of(data[4:], size)
        shown[1] = Part(f"{{mtype={unpack_from('<i', data)[0]}, mtext={body}}}", shown[1].late)
    return shown


def _socketcall(call: Call) -> list[Part]:
    """Only if the block of arguments could not be read."""
    known = NAMES["socketcall"].names.get(call.word(0))
    return [Part(known or str(call.number(0))), Part(address(call.word(1)))]


SPECIAL: dict[str, Special] = {
    **dict.fromkeys(("socket", "socketpair"), _socket),
    **dict.fromkeys(("accept", "accept4", "getsockname", "getpeername"), _with_address(1)),
    "getsockopt": _getsockopt,
    "setsockopt": _setsockopt,
    **dict.fromkeys(("msgsnd", "msgrcv"), _message),
    "socketcall": _socketcall,
    "recvfrom": _with_address(4),
}


def _left_note(call: Call) -> str | None:
    """What is left of the time, or that it is over."""
    if not call.value:
        return "Timeout"
    data = call.after(4)
    return f"left {struct(data, call, 4)}" if data is not None else None


NOTES: dict[str, Note] = dict.fromkeys(("recvmmsg", "recvmmsg_time64"), _left_note)
