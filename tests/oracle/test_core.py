"""Core files: the host's debugger finds in them what it finds in those that the host's kernel writes."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from app.core_file import cores, save_core
from tests.app.pictures import engine_for, run_to_the_end
from tests.app.test_core_file import fault_of, notes
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


@pytest.mark.parametrize("how", ["segv", "threads"])
def test_gdb_finds_the_crash_in_what_was_saved(
    how: str, build: Callable[[Path, str], Path], tmp_path: Path
) -> None:
    if shutil.which("gdb") is None:
        missing("no gdb")
    binary = build(HERE / "core" / "crash.c", "glibc")
    engine = engine_for(str(binary), how)
    run_to_the_end(engine)
    engine.go_to(fault_of(engine))
    assert engine.view is not None
    kernel = engine.machine.kernel
    path = tmp_path / "core"
    save_core(kernel, cores(kernel)[0], str(path))
    words = (
        "gdb",
        "-nx",
        "-batch",
        "-ex",
        "bt",
        "-ex",
        "p $st1",
        "-ex",
        "p written_to",
        "-ex",
        "info threads",
    )
    done = subprocess.run(
        [*words, str(binary), str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert re.findall(r"^#\d+ .*?(\w+) \(", done.stdout, re.M)[-6:] == [*["deeper"] * 4, "crash", "main"]
    assert "3.14159265358979323" in done.stdout
    assert "= 4711" in done.stdout
    assert done.stdout.count("LWP") >= (4 if how == "threads" else 2)


def test_notes_are_those_of_the_host(build: Callable[[Path, str], Path], tmp_path: Path) -> None:
    """Kinds, order, owners; what each of them says as far as it is the program's doing."""
    binary = build(HERE / "core" / "crash.c", "glibc")
    expected, got = both([binary, "threads"])
    if b"core 1" not in expected.errors:
        missing("the host's kernel writes no core files here")
    told = []
    for name, output in (("expected", expected.output), ("got", got.output)):
        path = tmp_path / name
        path.write_bytes(output)
        kinds = [note for note in notes(path) if note["n_type"] not in OF_THE_PROCESSOR]
        files = next(note["n_desc"] for note in kinds if note["n_type"] == "NT_FILE")
        paths = list(dict.fromkeys(files["filename"]))
        statuses = [note["n_descdata"] for note in kinds if note["n_type"] == "NT_PRSTATUS"]
        signals = [data[:14] for data in statuses]
        told.append(([(note["n_name"], note["n_type"]) for note in kinds], paths, signals))
    assert told[0] == told[1]


OF_THE_PROCESSOR = (0x202, 0x205, "NT_X86_XSTATE", "NT_X86_SHSTK", 0x204)
"""What a processor has that is newer than an i686."""
