"""Memory and processes: mapping, `clone`, `prctl`, `futex`, descriptor tables, `ptrace`."""

from __future__ import annotations

from struct import unpack_from

from app.strace import text
from app.strace.arguments import part, parts, struct, struct_at
from app.strace.call import Call, Part
from app.strace.calls.common import Note, Special, after, hexes, numbers
from app.strace.structs import processes as process_structs
from app.strace.style import current
from app.strace.text import address, flags, hexadecimal, name
from kernel.abi import files, mman, process, time
from kernel.abi.structs import UserDesc


def _mmap(call: Call) -> list[Part]:
    return [*numbers(call, range(3)), Part(_map_flags(call.word(3))), part(call, 4), part(call, 5)]


def _map_flags(value: int) -> str:
    """The kind of mapping is a number of four bits among the flags."""
    kind, rest = value & mman.MAP_TYPE, value & ~mman.MAP_TYPE
    shown = name(kind, "map_type") if kind else "MAP_FILE"
    return f"{shown}|{_huge_flags(rest, 'map')}" if rest else shown


def _huge_flags(value: int, word: str) -> str:
    """Flags of which the upper six bits may be the size of huge pages, in a mapping if it is to have any."""
    size = value >> mman.MAP_HUGE_SHIFT if word == "memfd" or value & mman.MAP_HUGETLB else 0
    if not size:
        return flags(value, word)
    rest = value & (1 << mman.MAP_HUGE_SHIFT) - 1
    huge = f"{size}<<{_SHIFTS[word]}"
    return f"{flags(rest, word)}|{huge}" if rest else huge


_SHIFTS = {"map": "MAP_HUGE_SHIFT", "memfd": "MFD_HUGE_SHIFT"}


def _memfd_create(call: Call) -> list[Part]:
    data = call.before(0)
    shown = part(call, 0)
    if data is not None and len(data) > files.MEMFD_NAME_MAX:
        shown = Part(text.quote(data[: current().limit], more=True))
    return [shown, Part(_huge_flags(call.word(1), "memfd"))]


def _seccomp(call: Call) -> list[Part]:
    """What flags and what structure it is follows from the operation (`man 2 seccomp`)."""
    shown = [part(call, 0), Part(hexadecimal(call.word(1)))]
    operation, where = call.word(0), call.word(2)
    if operation == process.SECCOMP_SET_MODE_FILTER:
        shown[1] = Part(flags(call.word(1), "seccomp_filter"))
        return [*shown, Part(process_structs.fprog(call.before(2), where))]
    if operation == process.SECCOMP_GET_ACTION_AVAIL:
        action = call.before(2)
        known = f"[{name(unpack_from('<I', action)[0], 'seccomp_action')}]" if action else address(where)
        return [*shown, Part(known)]
    if operation == process.SECCOMP_GET_NOTIF_SIZES:
        sizes = call.after(2)
        return [*shown, Part(process_structs.notif_sizes(sizes) if sizes else address(where), late=True)]
    return [*shown, Part(address(where))]


def _remap_file_pages(call: Call) -> list[Part]:
    return [*numbers(call, range(4)), Part(_map_flags(call.word(4)))]


def _mremap(call: Call) -> list[Part]:
    """The new address is there only with both flags, for strace; the kernel looks at it with either."""
    shown = parts(call)
    fixed = mman.MREMAP_MAYMOVE | mman.MREMAP_FIXED
    return shown if call.word(3) & fixed == fixed else shown[:4]


def _clone(call: Call) -> list[Part]:
    """Which pointers are there follows from the flags; the lowest byte is the signal that tells the
    parent."""
    value = call.word(0)
    what, signo = value & ~process.CSIGNAL, value & process.CSIGNAL
    words = [flags(what, "clone")] if what else []
    words += [text.signal_of(signo)] if signo or not what else []
    shown = [Part(f"child_stack={address(call.word(1))}"), Part(f"flags={'|'.join(words)}")]
    if value & (process.CLONE_PARENT_SETTID | process.CLONE_PIDFD):
        shown.append(after(f"parent_tid={_word_at(call, 2)}"))
    if value & process.CLONE_SETTLS:
        shown.append(after(f"tls={struct(call.before(3), call, 3)}"))
    if value & (process.CLONE_CHILD_SETTID | process.CLONE_CHILD_CLEARTID):
        shown.append(after(f"child_tidptr={address(call.word(4))}"))
    return shown


def _word_at(call: Call, place: int) -> str:
    data = call.after(place)
    return f"[{unpack_from('<I', data)[0]}]" if data is not None else address(call.word(place))


def _clone3(call: Call) -> list[Part]:
    data, size = call.before(0), str(call.word(1))
    if data is None or call.word(1) < process.CLONE_ARGS_SIZE_VER0:
        return [part(call, 0), Part(size)]
    shown = [Part(process_structs.clone_args(data))]
    words = call.after(0) or b""
    wanted = ((process.CLONE_PIDFD, "pidfd"), (process.CLONE_PARENT_SETTID, "parent_tid"))
    asked = [word for flag, word in wanted if unpack_from("<Q", data)[0] & flag]
    if not asked:
        return [*shown, Part(size)]
    if words:
        given = [f"{word}=[{unpack_from('<I', words, 4 * at)[0]}]" for at, word in enumerate(asked)]
        shown.append(Part(text.structure(given), late=True, joint=" => "))
    return [*shown, after(size)]


_PRCTL_ALONE = frozenset(
    (process.PR_GET_DUMPABLE, process.PR_GET_KEEPCAPS, process.PR_GET_SECCOMP, process.PR_GET_TIMERSLACK)
) | {process.PR_GET_TIMING, process.PR_GET_SECUREBITS}
"""Options without a further argument."""
_DUMPABLE = {0: "SUID_DUMP_DISABLE", 1: "SUID_DUMP_USER", 2: "SUID_DUMP_ROOT"}
_SECCOMP_MODES = {0: "SECCOMP_MODE_DISABLED", 1: "SECCOMP_MODE_STRICT", 2: "SECCOMP_MODE_FILTER"}
_PRCTL_NUMBER = frozenset(
    (process.PR_SET_KEEPCAPS, process.PR_SET_TIMERSLACK, process.PR_SET_CHILD_SUBREAPER)
)
_PRCTL_SETS = frozenset((process.PR_SET_NO_NEW_PRIVS, process.PR_SET_THP_DISABLE, process.PR_SET_IO_FLUSHER))
_PRCTL_BOXED = frozenset((process.PR_GET_CHILD_SUBREAPER, process.PR_GET_ENDIAN, process.PR_GET_TSC))
_CAPABILITIES = {value: word for word, value in vars(process).items() if word.startswith("CAP_")}


def _prctl(call: Call) -> list[Part]:
    """What the arguments are, and how many there are, follows from the first."""
    option, value = call.word(0), call.word(1)
    shown = [part(call, 0)]
    if option in _PRCTL_ALONE:
        return shown
    if option in _PRCTL_NUMBER:
        return [*shown, Part(str(value))]
    if option in _PRCTL_SETS:
        return [*shown, Part(str(value)), *hexes(call, 2)]
    if option in _PRCTL_BOXED:
        return [*shown, Part(struct_at(call.after(1), "uint", value), late=True)]
    match option:
        case process.PR_SET_NAME:
            return [*shown, Part(_comm(call.before(1), value))]
        case process.PR_GET_NAME:
            return [*shown, Part(_comm(call.after(1), value), late=True)]
        case process.PR_SET_PDEATHSIG:
            return [*shown, Part(text.signal_of(value))]
        case process.PR_GET_PDEATHSIG:
            return [*shown, Part(_boxed_signal(call.after(1), value), late=True)]
        case process.PR_SET_DUMPABLE:
            return [*shown, Part(_DUMPABLE.get(value) or f"{value:#x} /* SUID_DUMP_??? */")]
        case process.PR_CAPBSET_READ | process.PR_CAPBSET_DROP:
            return [*shown, Part(_capability(value))]
        case process.PR_SET_SECUREBITS:
            return [*shown, Part(hexadecimal(value))]
        case process.PR_SET_SECCOMP:
            return [*shown, Part(_SECCOMP_MODES.get(value) or hexadecimal(value)), *hexes(call, 2)]
        case process.PR_CAP_AMBIENT:
            known = name(value, "cap_ambient")
            if value == 4:  # all are cleared: none is named
                return [*shown, Part(known), *hexes(call, 2)]
            return [*shown, Part(known), Part(_capability(call.word(2))), *hexes(call, 3)]
        case process.PR_SET_VMA if value == 0:
            mapping = (Part(hexadecimal(call.word(2))), Part(str(call.word(3))))
            return [*shown, Part("PR_SET_VMA_ANON_NAME"), *mapping, Part(_mapping_name(call))]
        case _:
            return [*shown, *hexes(call, 1)]


def _capability(value: int) -> str:
    return _CAPABILITIES.get(value) or f"{value:#x} /* CAP_??? */"


def _boxed_signal(data: bytes | None, where: int) -> str:
    return f"[{text.signal_of(unpack_from('<I', data)[0])}]" if data is not None else address(where)


def _mapping_name(call: Call) -> str:
    data = call.before(4)
    return text.text_of(data) if data is not None else address(call.word(4))


def _comm(data: bytes | None, where: int) -> str:
    """A task's name: 15 bytes and a NUL at most."""
    if data is None:
        return address(where)
    return text.quote(data[: process.TASK_COMM_LEN - 1], more=len(data) >= process.TASK_COMM_LEN)


def _prctl_note(call: Call) -> str | None:
    return _DUMPABLE.get(call.value) if call.word(0) == process.PR_GET_DUMPABLE else None


_MATCH_ANY = time.FUTEX_BITSET_MATCH_ANY


def _futex(call: Call) -> list[Part]:
    shown = numbers(call, range(3))
    timeout, second = part(call, 3), Part(str(call.word(3)))
    other, third = part(call, 4), Part(hexadecimal(call.word(5)))
    bits = Part("FUTEX_BITSET_MATCH_ANY" if call.word(5) == _MATCH_ANY else hexadecimal(call.word(5)))
    match call.word(1) & 0x7F:
        case time.FUTEX_WAIT:
            return [*shown, timeout]
        case time.FUTEX_LOCK_PI | time.FUTEX_LOCK_PI2:
            return [*shown[:2], timeout]
        case time.FUTEX_WAIT_BITSET:
            return [*shown, timeout, bits]
        case time.FUTEX_WAKE_BITSET:
            return [*shown, bits]
        case time.FUTEX_WAKE | time.FUTEX_FD:
            return shown
        case time.FUTEX_REQUEUE:
            return [*shown, second, other]
        case time.FUTEX_CMP_REQUEUE | time.FUTEX_CMP_REQUEUE_PI:
            return [*shown, second, other, Part(str(call.word(5)))]
        case time.FUTEX_WAKE_OP:
            return [*shown, second, other, Part(_wake_op(call.word(5)))]
        case time.FUTEX_WAIT_REQUEUE_PI:
            return [*shown, timeout, other]
        case time.FUTEX_UNLOCK_PI | time.FUTEX_TRYLOCK_PI:
            return shown[:2]
        case _:
            return [*shown, Part(address(call.word(3))), other, third]


_WAKE_OPS = ("FUTEX_OP_SET", "FUTEX_OP_ADD", "FUTEX_OP_OR", "FUTEX_OP_ANDN", "FUTEX_OP_XOR")
_WAKE_COMPARES = (
    *("FUTEX_OP_CMP_EQ", "FUTEX_OP_CMP_NE", "FUTEX_OP_CMP_LT", "FUTEX_OP_CMP_LE"),
    *("FUTEX_OP_CMP_GT", "FUTEX_OP_CMP_GE"),
)


def _wake_op(value: int) -> str:
    """The little program in `val3` of FUTEX_WAKE_OP (`man 2 futex`)."""
    done = _shifted(value >> 28 & 0x7, _WAKE_OPS, 28, "FUTEX_OP_???")
    compared = _shifted(value >> 24 & 0xF, _WAKE_COMPARES, 24, "FUTEX_OP_CMP_???")
    shift = "FUTEX_OP_OPARG_SHIFT<<28|" if value >> 31 else ""
    by, against = hexadecimal(value >> 12 & 0xFFF), hexadecimal(value & 0xFFF)
    return f"{shift}{done}|{by}<<12|{compared}|{against}"


def _shifted(value: int, names: tuple[str, ...], by: int, unknown: str) -> str:
    known = value < len(names)
    return f"{names[value]}<<{by}" if known else f"{value:#x}<<{by} /* {unknown} */"


def _setgroups(call: Call) -> list[Part]:
    """More groups than there may be are not looked at."""
    return parts(call) if call.word(0) <= NGROUPS_MAX else [part(call, 0), Part(address(call.word(1)))]


NGROUPS_MAX = 65536


def _set_thread_area_note(call: Call) -> str | None:
    """The entry that the kernel chose, where it was asked to choose."""
    data = call.after(0)
    return f"entry_number={unpack_from('<i', data)[0]}" if data is not None else None


def _get_thread_area(call: Call) -> list[Part]:
    before, after = call.before(0), call.after(0)
    if before is None or after is not None:
        return [Part(struct(after, call, 0), late=True)]
    return [Part(f"{{entry_number={unpack_from('<i', before)[0]}, ...}}", late=True)]


def _modify_ldt(call: Call) -> list[Part]:
    shown = parts(call)
    return shown if call.word(2) == UserDesc.SIZE else [shown[0], Part(address(call.word(1))), shown[2]]


def _arch_prctl(call: Call) -> list[Part]:
    shown = parts(call)
    return shown[:1] if call.word(0) == process.ARCH_GET_CPUID else shown


_PTRACE_ALONE = frozenset(
    (process.PTRACE_ATTACH, process.PTRACE_KILL, process.PTRACE_INTERRUPT, process.PTRACE_LISTEN)
)
_PTRACE_RUNS = frozenset(
    (process.PTRACE_CONT, process.PTRACE_SYSCALL, process.PTRACE_SINGLESTEP, process.PTRACE_DETACH)
) | {process.PTRACE_SYSEMU, process.PTRACE_SYSEMU_SINGLESTEP}
_PTRACE_SETS = frozenset((process.PTRACE_SETOPTIONS, process.PTRACE_SEIZE))
_PTRACE_REGISTERS = frozenset(
    (process.PTRACE_GETREGS, process.PTRACE_SETREGS, process.PTRACE_GETFPREGS, process.PTRACE_SETFPREGS)
) | {process.PTRACE_GETFPXREGS, process.PTRACE_SETFPXREGS}
_PTRACE_USER = frozenset((process.PTRACE_PEEKUSR, process.PTRACE_POKEUSR))
_USER_REGISTERS = (
    *("EBX", "ECX", "EDX", "ESI", "EDI", "EBP", "EAX", "DS", "ES"),
    *("FS", "GS", "ORIG_EAX", "EIP", "CS", "EFL", "UESP", "SS"),
)
"""Words at the beginning of `struct user` (sys/user.h)."""


def _ptrace(call: Call) -> list[Part]:
    """Most requests leave some arguments out (`man 2 ptrace`)."""
    request = call.word(0)
    if request == process.PTRACE_TRACEME:
        return [part(call, 0)]
    shown = [part(call, 0), part(call, 1)]
    where, data = call.word(2), call.word(3)
    if request in _PTRACE_ALONE:
        return shown
    if request in _PTRACE_RUNS:
        return [*shown, Part(address(where)), Part(text.signal_of(data))]
    if request in _PTRACE_SETS:
        return [*shown, Part(address(where)), Part(flags(data, "ptrace_options"))]
    if request in _PTRACE_REGISTERS:
        return [*shown, Part(address(data))]
    if request in _PTRACE_USER:
        at, rest = divmod(where, 4)
        known = not rest and at < len(_USER_REGISTERS)
        register = f"4*{_USER_REGISTERS[at]}" if known else hexadecimal(where)
        return [*shown, Part(register), Part(hexadecimal(data))]
    return [*shown, Part(address(where)), Part(hexadecimal(data))]


SPECIAL: dict[str, Special] = {
    **dict.fromkeys(("mmap", "mmap2"), _mmap),
    **dict.fromkeys(("futex", "futex_time64"), _futex),
    **dict.fromkeys(("setgroups", "setgroups32"), _setgroups),
    "mremap": _mremap,
    "remap_file_pages": _remap_file_pages,
    "clone": _clone,
    "clone3": _clone3,
    "prctl": _prctl,
    "get_thread_area": _get_thread_area,
    "modify_ldt": _modify_ldt,
    "arch_prctl": _arch_prctl,
    "memfd_create": _memfd_create,
    "seccomp": _seccomp,
    "ptrace": _ptrace,
}

NOTES: dict[str, Note] = {
    "prctl": _prctl_note,
    "set_thread_area": _set_thread_area_note,
}
