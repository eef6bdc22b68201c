"""The system call table: its numbers are the host's, and every row makes sense."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kernel.abi.structs import SIZES
from kernel.table import (
    BY_NAME,
    DEFAULT_COST,
    INNER_ROWS,
    NO_SIZE,
    RESULT_SIZE,
    TABLE,
    Category,
    Kind,
    NR_syscalls,
    Row,
    argument_block,
    inner_call,
)
from kernel.table_rows import COSTS

ROWS = [row for row in TABLE if row is not None]
HEADERS = ("/usr/include/asm/unistd_32.h", "/usr/include/*/asm/unistd_32.h")
POINTS_TO_STRUCTS = (Kind.STRUCT_IN, Kind.STRUCT_OUT, Kind.STRUCT_INOUT, Kind.REMAINDER, Kind.FUTEX_ARG)


def _host_numbers() -> dict[str, int]:
    found = [path for pattern in HEADERS for path in Path("/").glob(pattern.lstrip("/"))]
    if not found:
        pytest.skip("no asm/unistd_32.h here")
    text = found[0].read_text()
    return {name: int(number) for name, number in re.findall(r"#define __NR_(\w+) (\d+)", text)}


def test_numbers_are_those_of_the_hosts_header() -> None:
    host = _host_numbers()
    assert {name: BY_NAME[name].number if name in BY_NAME else None for name in host} == host
    newest = max(host.values())
    ours = {row.name for row in ROWS if row.number <= newest}
    assert ours == set(host)


def test_well_known_numbers() -> None:
    known = {"read": 3, "write": 4, "fork": 2, "execve": 11, "mmap": 90, "mmap2": 192, "exit_group": 252}
    known |= {"clone3": 435, "futex_time64": 422, "cachestat": 451, "mseal": 462, "listns": 470}
    assert {name: BY_NAME[name].number for name in known} == known


def test_rows_are_found_by_number_and_by_name() -> None:
    assert len(TABLE) == NR_syscalls
    for number, row in enumerate(TABLE):
        if row is not None:
            assert row.number == number
            assert BY_NAME[row.name] is row
    assert len(BY_NAME) == len(ROWS)


@pytest.mark.parametrize("row", [*ROWS, *INNER_ROWS], ids=lambda row: row.name)
def test_row_makes_sense(row: Row) -> None:
    assert len(row.args) <= 6
    names = [arg.name for arg in row.args]
    assert len(set(names)) == len(names)
    assert row.note
    assert "\n" not in row.note
    assert not row.note.endswith(".")
    assert row.win32 == "" or row.win32.endswith("()")
    assert row.cost >= DEFAULT_COST
    for arg in row.args:
        assert arg.size in (NO_SIZE, RESULT_SIZE) or 0 <= arg.size < len(row.args), arg
        assert (arg.kind in (Kind.BUF_IN, Kind.BUF_OUT, Kind.IOVEC_IN, Kind.IOVEC_OUT)) <= (
            arg.size != NO_SIZE
        ), arg
        if arg.kind in POINTS_TO_STRUCTS:
            assert arg.of in SIZES, arg
    for low, high in ((Kind.LOW, Kind.HIGH), (Kind.HIGH, Kind.LOW)):
        assert sum(arg.kind is low for arg in row.args) == sum(arg.kind is high for arg in row.args)


def test_every_category_has_calls_with_and_without_a_win32_counterpart() -> None:
    for category in Category:
        rows = [row for row in ROWS if row.category is category]
        assert any(row.win32 for row in rows)
        assert any(not row.win32 for row in rows)


def test_costs_are_about_rows() -> None:
    assert set(COSTS) <= set(BY_NAME)


def test_the_lectures_examples() -> None:
    examples = {
        "fork": "CreateProcess()",
        "read": "ReadFile()",
        "pipe": "CreatePipe()",
        "close": "CloseHandle()",
    }
    examples |= {"getpid": "GetCurrentProcessId()", "alarm": "SetTimer()", "ioctl": "DeviceIoControl()"}
    assert {name: BY_NAME[name].win32 for name in examples} == examples


def _words(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, "little") for value in values)


def test_calls_inside_calls() -> None:
    socketcall, ipc, mmap = BY_NAME["socketcall"], BY_NAME["ipc"], BY_NAME["mmap"]
    assert argument_block(socketcall, (1, 0x1000)) == (0x1000, 12)
    assert argument_block(socketcall, (99, 0x1000)) == (0x1000, 0)
    called = inner_call(socketcall, (9, 0x1000), _words(3, 0x2000, 5, 0))
    assert called is not None
    assert (called[0].name, called[1]) == ("send", (3, 0x2000, 5, 0))
    assert inner_call(socketcall, (9, 0x1000), None) is None
    assert inner_call(socketcall, (9, 0x1000), _words(3)) is None
    called = inner_call(ipc, (2, 7, 1, 0o600, 0, 0), None)
    assert called is not None
    assert (called[0].name, called[1]) == ("semget", (7, 1, 0o600))
    assert inner_call(ipc, (99, 0, 0, 0, 0, 0), None) is None
    called = inner_call(ipc, (12, 5, 64, 0, 0x1000, 0), _words(0x2000, 9))
    assert called is not None
    assert called[1] == (5, 0x2000, 64, 9, 0)
    called = inner_call(mmap, (0x1000,), _words(0, 4096, 3, 0x22, 0xFFFFFFFF, 0))
    assert called is not None
    assert [arg.name for arg in called[0].args] == ["addr", "len", "prot", "flags", "fd", "offset"]
