"""Processes and the system: limits, usage, names, TLS descriptors, `clone3`, wait status, capabilities."""

from __future__ import annotations

from collections.abc import Callable
from struct import unpack_from

from app.strace import text
from app.strace.structs.numbers import user_id
from app.strace.style import current
from app.strace.text import address, flags, hexadecimal, structure
from kernel.abi import process
from kernel.abi.structs import CloneArgs, Rusage, Sysinfo, UserDesc, Utsname


def _rlimit(data: bytes) -> str:
    return _rlimits(unpack_from("<II", data), process.RLIM_INFINITY, "RLIM_INFINITY")


def _rlimit64(data: bytes) -> str:
    return _rlimits(unpack_from("<QQ", data), process.RLIM64_INFINITY, "RLIM64_INFINITY")


def _rlimits(values: tuple[int, ...], infinity: int, word: str) -> str:
    current, maximum = (text.size_of_limit(value, infinity, word) for value in values)
    return f"{{rlim_cur={current}, rlim_max={maximum}}}"


def _rusage(data: bytes) -> str:
    usage = Rusage.unpack(data)
    user = f"{{tv_sec={usage.utime_sec}, tv_usec={usage.utime_usec & 0xFFFFFFFF}}}"
    system = f"{{tv_sec={usage.stime_sec}, tv_usec={usage.stime_usec & 0xFFFFFFFF}}}"
    if not current().verbose:
        return structure((f"ru_utime={user}", f"ru_stime={system}"), more=True)
    rest = [f"{word}={getattr(usage, word) & 0xFFFFFFFF}" for word in Rusage.__struct_fields__[4:]]
    return structure((f"ru_utime={user}", f"ru_stime={system}", *rest))


def _utsname(data: bytes) -> str:
    uts = Utsname.unpack(data)
    verbose = current().verbose
    words = Utsname.__struct_fields__ if verbose else ("sysname", "nodename")
    fields = [f"{word}={text.quote(text.cstring(getattr(uts, word)))}" for word in words]
    return structure(fields, more=not verbose)


def _sysinfo(data: bytes) -> str:
    info = Sysinfo.unpack(data)
    fields = [
        f"uptime={info.uptime}",
        f"loads=[{info.loads_1}, {info.loads_5}, {info.loads_15}]",
        *(f"{word}={getattr(info, word)}" for word in Sysinfo.__struct_fields__[4:]),
    ]
    return structure(fields)


def _padded(value: int) -> str:
    """C's `%#08x`, which gives 0 no prefix."""
    return f"{value:#08x}" if value else "00000000"


def user_desc(data: bytes) -> str:
    """`struct user_desc` with its bit field taken apart."""
    desc = UserDesc.unpack(data)
    return structure(
        (
            f"entry_number={user_id(desc.entry_number)}",
            f"base_addr={_padded(desc.base_addr)}",
            f"limit={_padded(desc.limit)}",
            f"seg_32bit={desc.seg_32bit}",
            f"contents={desc.contents}",
            f"read_exec_only={desc.read_exec_only}",
            f"limit_in_pages={desc.limit_in_pages}",
            f"seg_not_present={desc.seg_not_present}",
            f"useable={desc.useable}",
        )
    )


def clone_args(data: bytes) -> str:
    """`struct clone_args` and perhaps the TLS descriptor that it points to, as captured.

    Fields that the flags don't ask for are left out unless they are set.
    """
    args = CloneArgs.unpack(data)
    fields = [f"flags={flags(args.flags, 'clone3')}"]
    pointers = (
        ("pidfd", args.pidfd, process.CLONE_PIDFD),
        ("child_tid", args.child_tid, process.CLONE_CHILD_SETTID | process.CLONE_CHILD_CLEARTID),
        ("parent_tid", args.parent_tid, process.CLONE_PARENT_SETTID),
    )
    fields += [f"{word}={address(value)}" for word, value, wanted in pointers if args.flags & wanted]
    signo = args.exit_signal
    fields.append(f"exit_signal={text.signal_of(signo) if signo < 1 << 31 else signo}")
    fields.append(f"stack={address(args.stack)}")
    fields.append(f"stack_size={hexadecimal(args.stack_size)}")
    if args.flags & process.CLONE_SETTLS:
        descriptor = data[CloneArgs.SIZE :]
        fields.append(f"tls={user_desc(descriptor) if descriptor else address(args.tls)}")
    if args.set_tid or args.set_tid_size:
        fields += [f"set_tid={address(args.set_tid)}", f"set_tid_size={args.set_tid_size}"]
    if args.flags & process.CLONE_INTO_CGROUP or args.cgroup:
        fields.append(f"cgroup={args.cgroup}")
    return structure(fields)


def wait_status(status: int) -> str:
    """`{WIFEXITED(s) && WEXITSTATUS(s) == 3}` (`man 2 wait`)."""
    low = status & 0x7F
    if status == 0xFFFF:
        return "{WIFCONTINUED(s)}"
    if low == 0x7F:
        stopped = status >> 8 & 0xFF
        if stopped & 0x80:
            return f"{{WIFSTOPPED(s) && WSTOPSIG(s) == {text.signal_of(stopped & 0x7F)} | 0x80}}"
        return f"{{WIFSTOPPED(s) && WSTOPSIG(s) == {text.signal_of(stopped)}}}"
    if low:
        core = " && WCOREDUMP(s)" if status & 0x80 else ""
        return f"{{WIFSIGNALED(s) && WTERMSIG(s) == {text.signal_of(low)}{core}}}"
    return f"{{WIFEXITED(s) && WEXITSTATUS(s) == {status >> 8 & 0xFF}}}"


def _wstatus(data: bytes) -> str:
    return f"[{wait_status(unpack_from('<I', data)[0])}]"


def _capabilities(bits: int) -> str:
    shown = [
        f"1<<{_CAPABILITIES[bit]}" if bit in _CAPABILITIES else f"1<<{bit}"
        for bit in range(64)
        if bits >> bit & 1
    ]
    return "|".join(shown) or "0"


_CAPABILITIES = {value: word for word, value in vars(process).items() if word.startswith("CAP_")}
_CAPABILITY_VERSIONS = {
    0x19980330: "_LINUX_CAPABILITY_VERSION_1",
    0x20071026: "_LINUX_CAPABILITY_VERSION_2",
    0x20080522: "_LINUX_CAPABILITY_VERSION_3",
}


def _cap_header(data: bytes) -> str:
    version, pid = unpack_from("<Ii", data)
    known = _CAPABILITY_VERSIONS.get(version)
    shown = known or f"{hexadecimal(version)} /* _LINUX_CAPABILITY_VERSION_??? */"
    return f"{{version={shown}, pid={pid}}}"


def _cap_data(data: bytes) -> str:
    low, high = unpack_from("<III", data), unpack_from("<III", data, 12)
    words = ("effective", "permitted", "inheritable")
    return structure(
        [f"{word}={_capabilities(a | b << 32)}" for word, a, b in zip(words, low, high, strict=True)]
    )


def fprog(data: bytes | None, where: int) -> str:
    """`struct sock_fprog`: how many instructions a filter has, and where they are."""
    if data is None:
        return address(where)
    count, instructions = unpack_from("<H2xI", data)
    return structure((f"len={count}", f"filter={address(instructions)}"))


def notif_sizes(data: bytes) -> str:
    words = ("seccomp_notif", "seccomp_notif_resp", "seccomp_data")
    return structure([f"{word}={size}" for word, size in zip(words, unpack_from("<3H", data), strict=True)])


STRUCTS: dict[str, Callable[[bytes], str]] = {
    "rlimit": _rlimit,
    "rlimit64": _rlimit64,
    "rusage": _rusage,
    "utsname": _utsname,
    "sysinfo": _sysinfo,
    "user_desc": user_desc,
    "wstatus": _wstatus,
    "cap_header": _cap_header,
    "cap_data": _cap_data,
}
"""Text of each structure by its name in the table."""
