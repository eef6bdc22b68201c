"""Scheduling: attributes of a policy, what a task waits for on several words, an epoll's entry."""

from __future__ import annotations

from collections.abc import Callable
from struct import unpack_from

from app.strace.style import descriptor
from app.strace.text import address, flags, hexadecimal, name, structure

_KEEP_POLICY, _KEEP_PARAMS = 0x8, 0x10
_OLDEST, _WITH_CLAMPS = 48, 56


def sched_attr(data: bytes, *, given: bool) -> str:
    """`struct sched_attr` (`man 2 sched_setattr`), `given` by a program or else told by the kernel."""
    told = unpack_from("<I", data)[0]
    size = min(told or _OLDEST, _WITH_CLAMPS) if given else told
    fields = [f"size={told}"]
    if size >= _OLDEST and len(data) >= _OLDEST:
        fields += _attributes(data, size, given=given)
    return structure(fields, more=given and told > size)


def _attributes(data: bytes, size: int, *, given: bool) -> list[str]:
    policy, how, nice, priority, *times = unpack_from("<IQiIQQQ", data, 4)
    fields: list[str] = []
    if not given or policy >> 31 or not how & (_KEEP_POLICY | _KEEP_PARAMS):
        fields.append(f"sched_policy={name(policy, 'sched')}")
    fields.append(f"sched_flags={flags(how, 'sched_flags')}")
    if not given or not how & _KEEP_PARAMS:
        fields += [f"sched_nice={nice}", f"sched_priority={priority}"]
        words = zip(("runtime", "deadline", "period"), times, strict=True)
        fields += [f"sched_{word}={value}" for word, value in words]
    if size >= _WITH_CLAMPS and len(data) >= _WITH_CLAMPS:
        low, high = unpack_from("<II", data, _OLDEST)
        fields += [f"sched_util_min={low}", f"sched_util_max={high}"]
    return fields


def futex_waitv(data: bytes) -> str:
    """One word that `futex_waitv` waits for."""
    value, where, how, reserved = unpack_from("<QQII", data)
    fields = [f"val={hexadecimal(value)}", f"uaddr={address(where)}", f"flags={flags(how, 'futex2')}"]
    return structure([*fields, f"__reserved={hexadecimal(reserved)}"] if reserved else fields)


def _epoll_slot(data: bytes) -> str:
    epoll, watched, at = unpack_from("<iiI", data)
    return structure((f"efd={descriptor(epoll)}", f"tfd={descriptor(watched)}", f"toff={at}"))


STRUCTS: dict[str, Callable[[bytes], str]] = {
    "sched_attr": lambda data: sched_attr(data, given=False),
    "kcmp_epoll_slot": _epoll_slot,
}
"""Text of each structure by its name in the table."""
