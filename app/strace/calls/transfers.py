"""Data from file to file without a buffer between, and files by handles instead of names."""

from __future__ import annotations

from struct import unpack_from

from app.strace.arguments import parts
from app.strace.call import Call, Part
from app.strace.calls.common import Note, Special, after
from app.strace.structs import files as file_structs
from app.strace.text import address, structure


def _sendfile(call: Call) -> list[Part]:
    """Where to begin, and where the next one would begin: `[6] => [21]`."""
    shown = parts(call)
    before, behind = call.before(2), call.after(2)
    if before is None:
        return shown
    shown[2] = Part(_offset(before))
    if behind is None or not call.value:
        return [*shown[:3], after(shown[3].text)]
    return [*shown[:3], Part(_offset(behind), late=True, joint=" => "), after(shown[3].text)]


def _offset(data: bytes) -> str:
    return f"[{int.from_bytes(data, 'little')}]"


def _name_to_handle_at(call: Call) -> list[Part]:
    """How much room there is for the handle, how much it needs, and the handle itself."""
    shown = parts(call)
    room = call.before(2)
    if room is None:
        return [*shown[:2], Part(shown[2].text), Part(address(call.word(3))), Part(shown[4].text)]
    given = call.after(2)
    size = unpack_from("<I", room)[0]
    rest: list[str] = []
    if given is not None:
        used = unpack_from("<I", given)[0]
        rest = [f" => {used}"] if used != size else []
        rest += [f", {file_structs.handle_body(given)}"] if not call.failed else []
    begun = Part(f"{{handle_bytes={size}")
    ended = Part("".join(rest) + "}", late=True, joint="")
    return [*shown[:2], begun, ended, *shown[3:]]


def _open_by_handle_at(call: Call) -> list[Part]:
    shown = parts(call)
    data = call.before(1)
    if data is not None:
        size = f"handle_bytes={unpack_from('<I', data)[0]}"
        shown[1] = Part(structure((size, file_structs.handle_body(data))))
    return shown


SPECIAL: dict[str, Special] = {
    **dict.fromkeys(("sendfile", "sendfile64"), _sendfile),
    "name_to_handle_at": _name_to_handle_at,
    "open_by_handle_at": _open_by_handle_at,
}

NOTES: dict[str, Note] = {}
