"""Who called whom: the return addresses on a user stack.

A word is the return address of a function's call if the call instruction before the place that it points to
leads to that function. This needs no frame pointers, and no leftovers of calls that are over pass for it. ebp
says where to look first; where a call goes through a pointer, the chain of ebp alone is believed. A signal
handler returns to code that asks for `sigreturn`: behind it the program goes on where it was interrupted.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from typing import NamedTuple

from app.view import View
from kernel.abi import sigframe
from kernel.thread import PAGE_OFFSET

SCANNED = 1024
"""Words of the stack that are looked through for one return address."""
NEAR = 1 << 25
"""Bytes: a direct call from farther away is not looked for."""
CALL = 0xE8
CALL_SIZE = 5
PUSH_EBP = b"\x55"
NONE = -1


class Caller(NamedTuple):
    """One return address: at `slot`, leading to `address`.

    `ebp_at` is where the function that returns saved its caller's ebp, NONE if it did not. `sure` where a
    call instruction says so. `interrupted`: no call, but a signal's handler returns, and `address` is the
    instruction that comes next.
    """

    slot: int
    address: int
    ebp_at: int = NONE
    sure: bool = True
    interrupted: bool = False


def callers(
    view: View, address: int, esp: int, ebp: int, signal_frames: Collection[int] = (), most: int = 8
) -> list[Caller]:
    """Return addresses from the innermost on; `address` is the instruction that the program is at."""
    found: list[Caller] = []
    while len(found) < most:
        one = _caller(view, address, esp, ebp, signal_frames)
        if one is None or not one.address:
            break
        found.append(one)
        if one.interrupted:
            ebp = saved(view, one.slot, "ebp") or 0
            esp = saved(view, one.slot, "esp_at_signal") or 0
            address = one.address
            continue
        if one.ebp_at != NONE:
            ebp = view.word(one.ebp_at) or 0
        esp, address = one.slot + 4, one.address - 1
    return found


def _caller(view: View, address: int, esp: int, ebp: int, signal_frames: Collection[int]) -> Caller | None:
    for popped in (4, 8):  # the handler has returned, to where sigreturn is asked for
        if esp - popped in signal_frames:
            return _made(view, esp - popped, NONE, signal_frames, True)
    start = function_at(view, address)
    pushes = start is not None and view.read(start, 1) == PUSH_EBP
    begun = -1 if start is None else address - start
    chained = ebp + 4 if esp <= ebp < PAGE_OFFSET and not ebp & 3 else NONE
    if begun == 0 or (begun == 1 and pushes):
        slot = esp + 4 * begun  # nothing or only ebp is pushed so far
        return _made(view, slot, esp if begun else NONE, signal_frames, _calls(view, slot, start))
    if chained != NONE and (_calls(view, chained, start) or chained in signal_frames):
        return _made(view, chained, ebp, signal_frames, True)
    if start is not None:
        slot = _scan(view, esp, start, signal_frames)
        if slot != NONE:
            return _made(view, slot, slot - 4 if pushes and slot > esp else NONE, signal_frames, True)
    if chained != NONE:
        return _made(view, chained, ebp, signal_frames, False)
    return None


def _made(view: View, slot: int, ebp_at: int, signal_frames: Collection[int], sure: bool) -> Caller | None:
    back = view.word(slot)
    if back is None:
        return None
    if slot in signal_frames:
        eip = saved(view, slot, "eip")
        return Caller(slot, eip, ebp_at, True, True) if eip is not None else None
    return Caller(slot, back, ebp_at, sure) if sure or _behind_a_call(view, back) else None


def function_at(view: View, address: int) -> int | None:
    """Where the function begins that an address is in; None where no symbol says."""
    label, _, offset = view.label(address).partition("+")
    if label == f"{address:08x}":
        return None
    return address - int(offset or "0", 16)


def _calls(view: View, slot: int, start: int | None) -> bool:
    """Whether the word at `slot` is where a direct call of the function at `start` returns to."""
    back = view.word(slot)
    return back is not None and start is not None and _leads(view, back, start)


def _leads(view: View, back: int, start: int) -> bool:
    if not CALL_SIZE <= back < PAGE_OFFSET or abs(back - start) > NEAR:
        return False
    code = view.read(back - CALL_SIZE, CALL_SIZE)
    if code is None or code[0] != CALL:
        return False
    return back + int.from_bytes(code[1:], "little", signed=True) & 0xFFFF_FFFF == start


def _behind_a_call(view: View, back: int) -> bool:
    """Whether there may be a call, direct or through a pointer (FF /2), before an address."""
    code = view.read(back - 7, 7) if 7 <= back < PAGE_OFFSET else None
    if code is None:
        return False
    return code[-CALL_SIZE] == CALL or any(
        code[-size] == 0xFF and code[1 - size] & 0x38 == 0x10 for size in (2, 3, 4, 6, 7)
    )


def _scan(view: View, esp: int, start: int, signal_frames: Collection[int]) -> int:
    """The first word from `esp` on that is a return address of the function at `start`."""
    end = min((frame for frame in signal_frames if frame >= esp), default=esp + 4 * SCANNED)
    end = min(end, esp + 4 * SCANNED)
    at = esp
    while at < end:
        size = min(end - at, 0x1000 - (at & 0xFFF)) & ~3
        data = view.read(at, size) if size else None
        if data is None:
            return NONE
        for n, word in enumerate(struct.unpack(f"<{size // 4}I", data)):
            if -NEAR <= word - start <= NEAR and _leads(view, word, start):
                return at + 4 * n
        at += size
    return end if end in signal_frames else NONE


def saved(view: View, frame: int, name: str) -> int | None:
    """A register in the signal frame at `frame`."""
    real_time = view.word(frame + 8) == frame + sigframe.RT_SIGFRAME_INFO
    context = frame + (sigframe.RT_SIGFRAME_CONTEXT if real_time else sigframe.SIGFRAME_CONTEXT)
    return view.word(context + 4 * sigframe.Sigcontext.__struct_fields__.index(name))
