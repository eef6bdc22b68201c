"""What the trace takes of structures that say themselves how long they are, or of which only a part counts.

A file of `kernel/capture.py`'s, which says what captures are. `ENTER` and `LEAVE` have functions by the
structure's name in the table; `FAILED` those that are wanted of a call that failed with that error.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

from kernel.abi import process, sigframe
from kernel.abi.errno import Errno
from kernel.abi.mman import PAGE_SIZE
from kernel.abi.structs import SIZES, CloneArgs, UserDesc
from kernel.captured import TEXT

Args = tuple[int, ...]
Reader = Callable[[int, int], bytes | None]
Enter = Callable[[int, Args, Reader], bytes | None]
Leave = Callable[[int, Args, int, Reader], bytes | None]

_PAIR = Struct("<II")
_MAX_HANDLE_SIZE = 128
_NAME_MAX = 255


def memory_at(address: int, size: int, read: Reader) -> bytes | None:
    """Memory as it is; none of it for a size of 0, None for NULL and for what cannot be read."""
    if address == 0:
        return None
    return read(address, size) if size > 0 else b""


def elements_at(address: int, size: int, how_many: int, read: Reader) -> bytes | None:
    """As many whole elements of an array as can be read; None for NULL and where not even one can be."""
    data = memory_at(address, size * how_many, read)
    if data is not None or not address:
        return data
    parts: list[bytes] = []
    while how_many > 0:
        near = max(1, min(how_many, (PAGE_SIZE - address % PAGE_SIZE) // size))
        part = read(address, near * size)
        if part is None:
            break
        parts.append(part)
        address += len(part)
        how_many -= near
    return b"".join(parts) or None


def _sigset_argpack(value: int, args: Args, read: Reader) -> bytes | None:
    """`pselect6`'s pointer and size of a signal set, and behind them the set."""
    data = read(value, SIZES["sigset_argpack"]) if value else None
    if data is None:
        return None
    where, size = _PAIR.unpack(data)
    return data + ((read(where, 8) if where else None) or b"") if size == 8 else data


def _sched_attr(value: int, args: Args, read: Reader) -> bytes | None:
    """Its first word is its size (0 means the oldest); only that where it is shorter than any may be."""
    size = read(value, 4) if value else None
    if size is None:
        return None
    wanted = min(int.from_bytes(size, "little") or _OLDEST_SCHED_ATTR, SIZES["sched_attr"])
    return read(value, wanted) if wanted >= _OLDEST_SCHED_ATTR else size


_OLDEST_SCHED_ATTR = 48


def _handle_header(value: int, args: Args, read: Reader) -> bytes | None:
    """How much room there is for a handle."""
    return read(value, 8) if value else None


def _handle(value: int, args: Args, read: Reader) -> bytes | None:
    header = _handle_header(value, args, read)
    if header is None:
        return None
    size = min(_PAIR.unpack(header)[0], _MAX_HANDLE_SIZE)
    return header + ((read(value + 8, size) if size else None) or b"")


def _handle_out(value: int, args: Args, result: int, read: Reader) -> bytes | None:
    return _handle(value, args, read)


def _handle_size(value: int, args: Args, result: int, read: Reader) -> bytes | None:
    return _handle_header(value, args, read)


def _open_how(value: int, args: Args, read: Reader) -> bytes | None:
    """`openat2`'s rules, and what a longer structure than ours has behind them."""
    size = args[3]
    data = read(value, SIZES["open_how"]) if value and size >= SIZES["open_how"] else None
    more = min(size, PAGE_SIZE) - SIZES["open_how"]
    return data + (read(value + len(data), more) or b"") if data is not None and more > 0 else data


def _old_dirent(value: int, args: Args, result: int, read: Reader) -> bytes | None:
    """One entry of a directory, as long as its name is; none at the directory's end."""
    head = read(value, SIZES["old_dirent"]) if value and result else None
    if head is None:
        return None
    length = min(int.from_bytes(head[8:10], "little"), _NAME_MAX)
    return head + (read(value + len(head), length) or b"")


def clone_args(value: int, args: Args, read: Reader) -> bytes | None:
    data = memory_at(value, min(args[1], CloneArgs.SIZE), read)
    if data is None:
        return None
    data = data.ljust(CloneArgs.SIZE, b"\0")
    given = CloneArgs.unpack(data)
    if not given.flags & process.CLONE_SETTLS:
        return data
    return data + (memory_at(given.tls & 0xFFFFFFFF, UserDesc.SIZE, read) or b"")


def clone_args_out(value: int, args: Args, result: int, read: Reader) -> bytes | None:
    data = memory_at(value, min(args[1], CloneArgs.SIZE), read)
    if data is None or result <= 0:
        return None
    given = CloneArgs.unpack(data.ljust(CloneArgs.SIZE, b"\0"))
    words = ((process.CLONE_PIDFD, given.pidfd), (process.CLONE_PARENT_SETTID, given.parent_tid))
    return b"".join(memory_at(address, 4, read) or bytes(4) for flag, address in words if given.flags & flag)


_OLD_MASK = sigframe.SIGFRAME_CONTEXT + sigframe.Sigcontext.offsets()["oldmask"] - sigframe.SIGRETURN_POPPED
_EXTRA_MASK = sigframe.SIGFRAME_EXTRAMASK - sigframe.SIGRETURN_POPPED
_RT_MASK = sigframe.RT_SIGFRAME_MASK - sigframe.RT_SIGRETURN_POPPED


def frame_mask(kind: str) -> Enter:
    """The mask in a signal handler's frame, which `sigreturn` brings back, or `rt_sigreturn` (kind "rt")."""

    def take_rt(value: int, args: Args, read: Reader) -> bytes | None:
        return read(value + _RT_MASK, 8)

    def take_old(value: int, args: Args, read: Reader) -> bytes | None:
        low, high = read(value + _OLD_MASK, 4), read(value + _EXTRA_MASK, 4)
        return None if low is None or high is None else low + high

    return take_rt if kind == "rt" else take_old


def _option(value: int, args: Args, read: Reader) -> bytes | None:
    """A socket option: of one that goes on where nothing is mapped the number or the two that count."""
    size = args[4]
    for part in (min(size, TEXT), 8, 4):
        data = memory_at(value, part, read) if part <= size else None
        if data is not None:
            return data
    return None


def _pending_set(value: int, args: Args, result: int, read: Reader) -> bytes | None:
    """As many bytes of the set as were asked for."""
    data = memory_at(value, min(args[1], SIZES["sigset"]), read)
    return data.ljust(SIZES["sigset"], b"\0") if data else None


_SECCOMP_IN = {process.SECCOMP_SET_MODE_FILTER: SIZES["sock_fprog"], process.SECCOMP_GET_ACTION_AVAIL: 4}


def _seccomp_in(value: int, args: Args, read: Reader) -> bytes | None:
    size = _SECCOMP_IN.get(args[0])
    return memory_at(value, size, read) if size else None


def _seccomp_out(value: int, args: Args, result: int, read: Reader) -> bytes | None:
    wanted = args[0] == process.SECCOMP_GET_NOTIF_SIZES
    return memory_at(value, SIZES["seccomp_notif_sizes"], read) if wanted else None


ENTER: dict[str, Enter] = {
    "sigset_argpack": _sigset_argpack,
    "sched_attr": _sched_attr,
    "file_handle": _handle,
    "file_handle_room": _handle_header,
    "open_how": _open_how,
    "seccomp_arg": _seccomp_in,
    "optval": _option,
}
LEAVE: dict[str, Leave] = {
    "file_handle_room": _handle_out,
    "old_dirent": _old_dirent,
    "pending_set": _pending_set,
    "seccomp_arg": _seccomp_out,
}
FAILED: dict[int, dict[str, Leave]] = {-Errno.EOVERFLOW: {"file_handle_room": _handle_size}}
"""By the result: what the kernel wrote although the call failed."""
