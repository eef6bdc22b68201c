"""Core files: the host's debugger finds in them what it finds in those that the host's kernel writes."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.oracle.conftest import missing
from tests.oracle.harness import HERE, both

QUESTIONS = (
    "bt",
    "info registers eax",
    "p written_to",
    "p text",
    "p never_touched[5]",
    "p $_siginfo.si_signo",
    "p $_siginfo.si_code",
    "frame 3",
    "p here",
    "frame function crash",
    "p heap",
    "p shared",
    "info threads",
)

ELSEWHERE = (
    (r"Thread 0x\w+ \(LWP \d+\)|LWP \d+", "WHO"),
    (r"0x\w+ in (__kernel_vsyscall|_dl_sysinfo_int80) \(\)", "IN A SYSTEM CALL"),
    (r"0xb[0-9a-f]{7}", "ON THE STACK"),
    (r"depth=\d+, ", ""),
)
"""Pids, and where things lie that each kernel puts elsewhere."""


def asked(program: Path, core: bytes, folder: Path, floating: bool = False) -> list[str]:
    """What gdb says; who is who (pids) left out."""
    file = folder / "core"
    file.write_bytes(core)
    questions = [word for text in QUESTIONS for word in ("-ex", f"echo {text}\\n", "-ex", text)]
    questions += ["-ex", "frame 0", "-ex", "p $st0", "-ex", "p $st1"] if floating else []
    words = ["gdb", "-nx", "-batch", *questions, str(program), str(file)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    said = done.stdout.partition("bt\n")[2]
    for pattern, name in ELSEWHERE:
        said = re.sub(pattern, name, said)
    return [" ".join(line.split()) for line in said.splitlines()]


@pytest.mark.parametrize("how", ["segv", "abort", "divide", "threads"])
def test_gdb_reads_it(how: str, build: Callable[[Path, str], Path], tmp_path: Path) -> None:
    if shutil.which("gdb") is None:
        missing("no gdb")
    program = build(HERE / "core" / "crash.c", "glibc")
    expected, got = both([program, how])
    if b"core 1" in expected.errors:
        assert got.errors == expected.errors
        assert asked(program, got.output, tmp_path) == asked(program, expected.output, tmp_path)
    assert b"core 1" in got.errors
    said = "\n".join(asked(program, got.output, tmp_path, floating=True))
    assert all(word in said for word in ("deeper", "crash", '"on the heap"', "= 4711", "3.14159265358979323"))


@pytest.mark.parametrize("how", ["none", "short", "linked", "open"])
def test_where_there_is_none_or_half_of_one(how: str, build: Callable[[Path, str], Path]) -> None:
    program = build(HERE / "core" / "crash.c", "glibc")
    expected, got = both([program, how])
    assert got.errors == expected.errors
    if how in ("none", "short"):
        assert len(got.output) <= 8192
