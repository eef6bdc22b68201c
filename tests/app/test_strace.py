"""strace's text: lines that the real strace 6.1 wrote about i386 programs, halves of lines, and damaged
captures.

`strace_goldens.jsonl` has one call a line: name, arguments, what was captured at entry and at exit
(hexadecimal), result, and the line as strace wrote it about the same call of the same program.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from struct import pack

import pytest

from app.strace import (
    format_call,
    format_exit,
    format_resumed,
    format_signal,
    format_stopped,
    format_unfinished,
    format_unknown,
)
from app.strace.calls import NOTES, SPECIAL
from app.strace.names import FLAGS, NAMES
from app.strace.structs import ITEMS, STRUCTS
from kernel.abi.sigframe import Siginfo
from kernel.capture import Items
from kernel.table import BY_NAME, INNER_ROWS, TABLE, Kind

GOLDENS = [
    json.loads(line) for line in Path(__file__).with_name("strace_goldens.jsonl").read_text().splitlines()
]


def _items(captured: list[str | None]) -> Items:
    return tuple(None if item is None else bytes.fromhex(item) for item in captured)


@pytest.mark.parametrize("name", sorted({golden[0] for golden in GOLDENS}))
def test_lines_are_those_of_the_real_strace(name: str) -> None:
    for call, args, entered, exited, result, expected in GOLDENS:
        if call == name:
            row = BY_NAME[call]
            assert format_call(row, tuple(args), _items(entered), _items(exited), result) == expected


def test_a_call_without_a_row_shows_its_numbers() -> None:
    line = "syscall_0x1135(0, 0x5, 0, 0, 0, 0)      = -1 ENOSYS (Function not implemented)"
    assert format_unknown(0x1135, (0, 5, 0, 0, 0, 0), -38) == line


def test_the_result_stands_in_column_40_of_the_whole_line() -> None:
    row = BY_NAME["getpid"]
    assert format_call(row, (), (), (), 7) == "getpid()                                = 7"
    assert (
        "[pid  7] " + format_call(row, (), (), (), 7, column=9)
        == "[pid  7] getpid()                       = 7"
    )


def test_a_call_that_never_returns_has_a_question_mark() -> None:
    assert format_call(BY_NAME["exit_group"], (3,), ()) == "exit_group(3)                           = ?"
    line = "read(0,  <unfinished ...>)              = ?"
    assert format_call(BY_NAME["read"], (0, 0x1000, 5), ()) == line
    line = "poll([{fd=3, events=POLLIN}], 1, -1 <unfinished ...>) = ?"
    poll = (pack("<iHH", 3, 1, 0), None, None)
    assert format_call(BY_NAME["poll"], (0x1000, 1, 0xFFFFFFFF), poll) == line


def test_an_interrupted_call_shows_how_it_will_be_restarted() -> None:
    line = format_call(BY_NAME["pause"], (), (), (), -514)
    assert (
        line == "pause()                                 = ? ERESTARTNOHAND (To be restarted if no handler)"
    )


HALVES: list[tuple[str, tuple[int, ...], Items, Items, int, str, str]] = [
    ("read", (3, 0x1000, 1), (), (None, b"x", None), 1, "read(3,  <unfinished ...>", '"x", 1)    = 1'),
    ("wait4", (0xFFFFFFFF, 0, 0, 0), (), (), 17, "wait4(-1,  <unfinished ...>", "NULL, 0, NULL) = 17"),
    ("write", (1, 0x1000, 1), (None, b"x", None), (), 1, 'write(1, "x", 1 <unfinished ...>', ")        = 1"),
    ("pipe", (0x1000,), (), (pack("<ii", 3, 4),), 0, "pipe( <unfinished ...>", "[3, 4])      = 0"),
    ("pause", (), (), (), -4, "pause( <unfinished ...>", ") = -1 EINTR (Interrupted system call)"),
    (
        *("clone", (0x1200011, 0, 0, 0, 0x81193E8), (), (), 5),
        "clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD <unfinished ...>",
        ", child_tidptr=0x81193e8) = 5",
    ),
    (
        *("clone3", (0x1000, 88), (pack("<QQQQQQQ", 0x100000, 0, 0, 0x99, 17, 0, 0) + bytes(32), None)),
        *((pack("<I", 9), None), 9),
        "clone3({flags=CLONE_PARENT_SETTID, parent_tid=0x99, exit_signal=SIGCHLD, stack=NULL, stack_size=0} "
        "<unfinished ...>",
        " => {parent_tid=[9]}, 88) = 9",
    ),
    (
        *("nanosleep", (0x1000, 0x2000), (pack("<ii", 1, 0), None), (None, pack("<ii", 0, 5)), -516),
        "nanosleep({tv_sec=1, tv_nsec=0},  <unfinished ...>",
        "{tv_sec=0, tv_nsec=5}) = ? ERESTART_RESTARTBLOCK (Interrupted by signal)",
    ),
]


@pytest.mark.parametrize(("name", "args", "entered", "exited", "result", "first", "second"), HALVES)
def test_halves_of_a_line(
    name: str, args: tuple[int, ...], entered: Items, exited: Items, result: int, first: str, second: str
) -> None:
    assert format_unfinished(BY_NAME[name], args, entered) == first
    resumed = format_resumed(BY_NAME[name], args, entered, exited, result)
    assert " ".join(resumed.split()) == " ".join(f"<... {name} resumed>{second}".split())


def test_a_call_killed_after_others_lines_came_between() -> None:
    line = "<... nanosleep resumed> <unfinished ...>) = ?"
    assert format_resumed(BY_NAME["nanosleep"], (0, 0), ()) == line
    line = "<... exit_group resumed>)               = ?"
    assert format_resumed(BY_NAME["exit_group"], (0,), ()) == line


SIGNALS = [
    (
        Siginfo(17, 1, si_pid=3),
        "SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=3, si_uid=0, si_status=0, si_utime=0, "
        "si_stime=0}",
    ),
    (
        Siginfo(17, 5, si_pid=3, si_status=19),
        "SIGCHLD {si_signo=SIGCHLD, si_code=CLD_STOPPED, si_pid=3, si_uid=0, si_status=SIGSTOP, si_utime=0, "
        "si_stime=0}",
    ),
    (Siginfo(11, 1, si_addr=0x18), "SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=0x18}"),
    (Siginfo(11, 0x80), "SIGSEGV {si_signo=SIGSEGV, si_code=SI_KERNEL, si_addr=NULL}"),
    (Siginfo(8, 1, si_addr=0x80480), "SIGFPE {si_signo=SIGFPE, si_code=FPE_INTDIV, si_addr=0x80480}"),
    (Siginfo(14, 0x80), "SIGALRM {si_signo=SIGALRM, si_code=SI_KERNEL}"),
    (Siginfo(10, 0, si_pid=7, si_uid=1), "SIGUSR1 {si_signo=SIGUSR1, si_code=SI_USER, si_pid=7, si_uid=1}"),
    (Siginfo(12, -6, si_pid=7), "SIGUSR2 {si_signo=SIGUSR2, si_code=SI_TKILL, si_pid=7, si_uid=0}"),
    (
        Siginfo(35, -1, si_pid=1, si_uid=2, si_value=0x1234),
        "SIGRT_3 {si_signo=SIGRT_3, si_code=SI_QUEUE, si_pid=1, si_uid=2, si_int=4660, si_ptr=0x1234}",
    ),
]


@pytest.mark.parametrize(("info", "shown"), SIGNALS)
def test_signals(info: Siginfo, shown: str) -> None:
    about = (info.si_pid, info.si_uid, info.si_status, info.si_addr, info.si_value)
    assert format_signal(info.si_signo, info.si_code, about) == f"--- {shown} ---"


def test_ends() -> None:
    assert format_exit(3 << 8) == "+++ exited with 3 +++"
    assert format_exit(9) == "+++ killed by SIGKILL +++"
    assert format_exit(11 | 0x80) == "+++ killed by SIGSEGV (core dumped) +++"
    assert format_stopped(19) == "--- stopped by SIGSTOP ---"


def test_every_word_of_the_table_is_known() -> None:
    """Flag sets, lists and structures that rows name have their texts."""
    inner = {
        "clone_args",
        "mmap",
        "select",
        "name",
        "old",
        "rt",
        "unsigned",
        "memfd",
        "dirents",
        "dirents64",
        "msgbuf",
    }
    shown_elsewhere = inner | {"pollfd", "sembuf", "file_handle", "file_handle_room", "seccomp_arg", "optval"}
    for row in (*TABLE, *INNER_ROWS):
        for arg in row.args if row is not None else ():
            if arg.kind is Kind.FLAGS or arg.kind is Kind.IPC_MODE:
                assert arg.of in FLAGS, (row, arg)
            elif arg.kind is Kind.ENUM:
                assert arg.of in NAMES, (row, arg)
            elif arg.of:
                assert arg.of in STRUCTS or arg.of in ITEMS or arg.of in shown_elsewhere, (row, arg)


def test_special_calls_exist() -> None:
    names = set(BY_NAME) | {row.name for row in INNER_ROWS}
    assert set(SPECIAL) <= names
    assert set(NOTES) <= names


def test_captures_of_any_content_never_raise() -> None:
    """A session file from elsewhere may hold anything; its lines are still lines."""
    source = random.Random(80)

    def captured(count: int) -> Items:
        sizes = (source.choice((None, 0, 1, 3, 4, 7, 8, 16, 28, 40, 88, 200)) for _ in range(count))
        return tuple(None if size is None else source.randbytes(size) for size in sizes)

    for row in TABLE:
        if row is None:
            continue
        for _ in range(12):
            args = tuple(
                source.choice((0, 1, 2, 5, 16, 0xFFFFFFFF, source.getrandbits(32))) for _ in range(6)
            )
            entered, exited = captured(source.randrange(12)), captured(source.randrange(12))
            result = source.choice((None, 0, 1, -4, -516, -22, source.randrange(-(1 << 31), 1 << 31)))
            line = format_call(row, args, entered, exited if result is not None else None, result)
            assert "\n" not in line
            format_unfinished(row, args, entered)
            format_resumed(row, args, entered, exited if result is not None else None, result)
