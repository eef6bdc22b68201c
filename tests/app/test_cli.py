"""The command line: what it refuses it refuses in one clear line and an exit status, never a traceback."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.cli import main
from app.resources import program
from kernel.syscalls.registry import handlers
from kernel.table import BY_NAME, TABLE

ROOT = Path(__file__).resolve().parents[2]
TIMED_OUT, NOT_FOUND, NOT_RUNNABLE, USAGE = 124, 127, 126, 2


def run(*words: str | Path, stdin: bytes = b"", **more: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *map(str, words)],
        input=stdin,
        capture_output=True,
        cwd=ROOT,
        timeout=60,
        check=False,
        **more,  # type: ignore[call-overload]
    )


def complaint(done: subprocess.CompletedProcess[bytes]) -> str:
    """The one line on standard error."""
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("int80"), lines
    assert "bug in int80" not in lines[0]
    return lines[0]


def hello() -> bytes:
    path = program("hello")
    assert path is not None
    return path.read_bytes()


# --- programs that are none ---------------------------------------------------------------------------------


def test_a_missing_file() -> None:
    for command in ("exec", "trace"):
        done = run(command, "/nonexistent/program")
        assert complaint(done) == "int80: /nonexistent/program: no such file"
        assert done.returncode == NOT_FOUND
        assert done.stdout == b""


def test_a_directory(tmp_path: Path) -> None:
    done = run("exec", tmp_path)
    assert "is a directory" in complaint(done)
    assert done.returncode == NOT_RUNNABLE


def test_a_device() -> None:
    done = run("exec", "/dev/zero")
    assert "not a regular file" in complaint(done)
    assert done.returncode == NOT_RUNNABLE


@pytest.mark.skipif(os.getuid() == 0, reason="root reads every file")
def test_an_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(hello())
    path.chmod(0)
    done = run("exec", path)
    assert "permission denied" in complaint(done)
    assert done.returncode == NOT_RUNNABLE


def elf(**fields: int) -> bytes:
    """`hello` with words of its ELF header replaced, by name."""
    data = bytearray(hello())
    places = {
        "class": (4, "B"),
        "data": (5, "B"),
        "type": (16, "<H"),
        "machine": (18, "<H"),
        "entry": (24, "<I"),
        "phoff": (28, "<I"),
        "phentsize": (42, "<H"),
        "phnum": (44, "<H"),
        "offset": (52 + 4, "<I"),
        "vaddr": (52 + 8, "<I"),
        "filesz": (52 + 16, "<I"),
        "memsz": (52 + 20, "<I"),
    }
    for name, value in fields.items():
        at, form = places[name]
        struct.pack_into(form, data, at, value)
    return bytes(data)


REFUSED = {
    "empty": (b"", "empty"),
    "text": (b"hello\n", "not an ELF file"),
    "magic only": (b"\x7fELF", "cut off"),
    "64 bits": (elf(**{"class": 2}), "64-bit"),
    "big-endian": (elf(data=2), "little-endian"),
    "another machine": (elf(machine=40), "e_machine 40"),
    "an object file": (elf(type=1), "not a program"),
    "no headers": (elf(phnum=0), "make no sense"),
    "too many headers": (elf(phnum=65535), "make no sense"),
    "odd headers": (elf(phentsize=7), "make no sense"),
    "headers outside": (elf(phoff=0xFFFF_FFF0), "outside"),
    "a segment outside": (elf(offset=0x7FFF_F000), "segment"),
    "a segment of 3 GiB": (elf(filesz=0xC000_0000, memsz=0xC000_0000), "segment"),
    "a segment in the kernel": (elf(vaddr=0xC000_0000), "segment"),
    "a segment around the end": (elf(vaddr=0xFFFF_F000), "segment"),
    "a script for nobody": (b"#!\n", "interpreter"),
    "a script of blanks": (b"#!   \t\n", "interpreter"),
    "a script without its interpreter": (b"#!/no/such/shell\n", ""),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_program(what: str, tmp_path: Path) -> None:
    data, reason = REFUSED[what]
    path = tmp_path / "program"
    path.write_bytes(data)
    done = run("exec", path)
    assert reason in complaint(done)
    assert str(path) in complaint(done)
    assert done.returncode in (NOT_RUNNABLE, NOT_FOUND)
    assert done.stdout == b""


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(st.integers(4, 115), st.integers(0, 255)), min_size=1, max_size=6),
    length=st.one_of(st.none(), st.integers(0, 200)),
)
def test_any_header(
    changes: list[tuple[int, int]], length: int | None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = bytearray(hello()[:length])
    for at, value in changes:
        if at < len(data):
            data[at] = value
    path = tmp_path / "program"
    path.write_bytes(data)
    status = main(["exec", "--timeout", "5", "--memory", "16", str(path)])
    errors = capfd.readouterr().err
    assert status != 70, errors
    assert "Traceback" not in errors
    assert errors.count("\n") <= 1, errors


# --- options ------------------------------------------------------------------------------------------------

BAD_OPTIONS = [
    ["exec"],
    ["nonsense"],
    ["exec", "--nonsense", "hello"],
    ["exec", "--memory", "7", "hello"],
    ["exec", "--memory", "1000000", "hello"],
    ["exec", "--memory", "many", "hello"],
    ["exec", "--memory", "33", "hello"],
    ["exec", "--timeout", "0", "hello"],
    ["exec", "--timeout", "nan", "hello"],
    ["exec", "--timeout", "soon", "hello"],
    ["exec", "--uid", "-1", "hello"],
    ["exec", "--uid", "root", "hello"],
    ["exec", "--seed", "4294967296", "hello"],
    ["exec", "--env", "NOVALUE", "hello"],
    ["exec", "--env", "=x", "hello"],
    ["exec", "--env"],
    ["record", "hello"],
    ["play"],
    ["play", "/nonexistent.int80"],
    ["play", "--at", "x", "/nonexistent.int80"],
    ["play", "--by", "x", "/nonexistent.int80"],
    ["play", "--speed", "/nonexistent.int80"],
    ["run", "hello"],
    ["syscalls", "nosuchcall"],
    ["syscalls", "read", "nosuch*"],
    ["trace", "-o", "/nonexistent/directory/file", "hello"],
]


@pytest.mark.parametrize("words", BAD_OPTIONS, ids=[" ".join(words) for words in BAD_OPTIONS])
def test_bad_options(words: list[str]) -> None:
    done = run(*words)
    assert complaint(done)
    assert done.returncode == USAGE


def test_the_table_of_system_calls() -> None:
    lines = run("syscalls").stdout.decode().splitlines()
    assert len(lines) == sum(row is not None for row in TABLE)
    assert [line.split()[:2] for line in lines[:4]] == [
        ["0", "restart_syscall"],
        ["1", "exit"],
        ["2", "fork"],
        ["3", "read"],
    ]
    some = run("syscalls", "fcntl*", "3").stdout.decode()
    assert [line.split()[1] for line in some.splitlines() if line[:3].strip()] == ["read", "fcntl", "fcntl64"]
    assert BY_NAME["fcntl"].lacks in some
    assert "read(fd, buf, count)" in some
    told = json.loads(run("syscalls", "--json", "read", "ptrace", "statx").stdout)
    assert [(one["number"], one["whole"], one["implemented"]) for one in told] == [
        (3, True, True),
        (26, False, "ptrace" in handlers()),
        (383, not BY_NAME["statx"].lacks, True),
    ]
    assert told[0]["arguments"][1] == {"name": "buf", "type": "out"}


def test_options_end_where_the_program_is_named() -> None:
    plain = run("exec", "args")
    assert plain.returncode == 0
    assert run("exec", "args", "--help").stdout == plain.stdout
    assert run("exec", "args", "--", "--timeout", "x").stdout == plain.stdout
    assert run("exec", "--", "args", "-x").stdout == plain.stdout
    assert run("exec", "--memory", "16", "--", "args").stdout == plain.stdout


@pytest.mark.parametrize(
    "words", [["--help"], ["exec", "--help"], ["--version"], ["syscalls"], ["syscalls", "write"]]
)
def test_what_is_asked_for_goes_to_standard_output(words: list[str]) -> None:
    done = run(*words)
    assert done.returncode == 0
    assert done.stdout
    assert done.stderr == b""


@pytest.mark.parametrize("size", ["8", "16", "64", "896"])
def test_memory(size: str) -> None:
    done = run("exec", "--memory", size, "hello")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hello, world\n", b"")


def test_a_directory_that_is_not_there() -> None:
    done = run("exec", "--cwd", "/nonexistent", "hello")
    assert complaint(done)
    assert done.returncode != 0


# --- how a run ends -----------------------------------------------------------------------------------------

ENDLESS = bytes.fromhex("ebfe")  # jmp .
EXIT_3 = bytes.fromhex("b801000000 bb03000000 cd80".replace(" ", ""))
HALT = bytes.fromhex("f4")
READ = bytes.fromhex("b803000000 31db b900900408 ba01000000 cd80 ebeb".replace(" ", ""))
PAUSE = bytes.fromhex("b81d000000 cd80 ebf7".replace(" ", ""))


def tiny(code: bytes, path: Path) -> Path:
    """A program of one segment that is only this code."""
    header = struct.pack(
        "<4sBBBB8xHHIIIIIHHHHHH", b"\x7fELF", 1, 1, 1, 0, 2, 3, 1, 0x0804_8054, 52, 0, 0, 52, 32, 1, 0, 0, 0
    )
    size = 84 + len(code)
    segment = struct.pack("<8I", 1, 0, 0x0804_8000, 0x0804_8000, size, 0x2000, 7, 0x1000)
    path.write_bytes(header + segment + code)
    return path


def kill_self(number: int) -> bytes:
    """kill(getpid(), number)"""
    return (
        bytes.fromhex("b814000000cd8089c3b9")
        + struct.pack("<I", number)
        + bytes.fromhex("b825000000cd80")
        + ENDLESS
    )


def test_exit_status(tmp_path: Path) -> None:
    done = run("exec", tiny(EXIT_3, tmp_path / "p"))
    assert (done.returncode, done.stdout, done.stderr) == (3, b"", b"")


def test_a_fault(tmp_path: Path) -> None:
    done = run("exec", tiny(HALT, tmp_path / "p"))
    assert (done.returncode, done.stderr) == (128 + signal.SIGSEGV, b"")


@pytest.mark.parametrize("number", [1, 2, 6, 9, 13, 15, 31, 64])
def test_a_signal(number: int, tmp_path: Path) -> None:
    done = run("exec", tiny(kill_self(number), tmp_path / "p"))
    assert (done.returncode, done.stderr) == (128 + number, b"")


@pytest.mark.parametrize("code", [ENDLESS, READ], ids=["busy", "reading for ever"])
def test_timeout(code: bytes, tmp_path: Path) -> None:
    path = tiny(code, tmp_path / "p")
    with open("/dev/zero", "rb") as zero:
        done = subprocess.run(
            [sys.executable, "-m", "app.cli", "exec", "--timeout", "0.3", str(path)],
            stdin=zero,
            capture_output=True,
            cwd=ROOT,
            timeout=30,
            check=False,
        )
    assert "--timeout" in complaint(done)
    assert done.returncode == TIMED_OUT


def test_timeout_while_waiting_for_input(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "app.cli", "exec", "--timeout", "0.3", str(tiny(READ, tmp_path / "p"))],
            stdin=reading,
            capture_output=True,
            cwd=ROOT,
            timeout=30,
            check=False,
        )
    finally:
        os.close(reading)
        os.close(writing)
    assert "--timeout" in complaint(done)
    assert done.returncode == TIMED_OUT


def test_all_asleep_for_ever(tmp_path: Path) -> None:
    done = run("exec", tiny(PAUSE, tmp_path / "p"))
    assert "sleep" in complaint(done)
    assert done.returncode == 1


def test_output_that_nobody_reads() -> None:
    for command in ("exec", "trace"):
        reading, writing = os.pipe()
        os.close(reading)
        try:
            done = subprocess.run(
                [sys.executable, "-m", "app.cli", command, "hello"],
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=subprocess.PIPE,
                cwd=ROOT,
                timeout=30,
                check=False,
            )
        finally:
            os.close(writing)
        assert done.returncode == 128 + signal.SIGPIPE
        assert b"Traceback" not in done.stderr
        if command == "exec":
            assert done.stderr == b""


@pytest.mark.parametrize("command", [["--help"], ["syscalls"]])
def test_a_list_that_nobody_reads(command: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "app.cli", *command],
            stdout=writing,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            timeout=30,
            check=False,
        )
    finally:
        os.close(writing)
    assert b"Traceback" not in done.stderr
    assert b"Exception" not in done.stderr


def test_full_disk() -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "app.cli", "exec", "hello"],
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            timeout=30,
            check=False,
        )
    assert "no space left" in complaint(done).lower()
    assert done.returncode != 0
    for words in (["-o", "/dev/full"], ["-o", "/dev/full", "--events"], ["-o", "/dev/full", "-l"]):
        done = run("trace", *words, "hello")
        assert complaint(done) == "int80: /dev/full: no space left on device"
        assert done.returncode == 1


def test_closed_descriptors(tmp_path: Path) -> None:
    shell = 'exec "$0" -m app.cli exec "$1" <&- >&- 2>&-'
    done = subprocess.run(
        ["/bin/sh", "-c", shell, sys.executable, str(tiny(EXIT_3, tmp_path / "p"))],
        cwd=ROOT,
        timeout=30,
        check=False,
    )
    assert done.returncode == 3


@pytest.mark.parametrize("how", [">&-", "1</dev/null"])
def test_what_cannot_be_written_here_cannot_be_written_by_the_program(how: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {how}', "sh", sys.executable, "-m", "app.cli", "trace", "hello"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        timeout=30,
        check=False,
    )
    assert b"= -1 EBADF (Bad file descriptor)" in done.stderr
    assert done.returncode == 0


def test_a_keyboard_interrupt(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "exec", str(tiny(ENDLESS, tmp_path / "p"))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.5)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode in (130, -signal.SIGINT)
    assert b"Traceback" not in errors


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["run"], "int80 run: needs a program: one of int80's own, or a path (try int80 run --help)"),
        (["record", "hello"], "int80 record: needs -o FILE, where to record (try int80 record --help)"),
        (["play"], "int80 play: needs a session file (try int80 play --help)"),
        (["trace", "-o", "", "hello"], "int80: -o needs the name of a file"),
    ],
)
def test_what_is_missing_is_said_in_plain_words(line: list[str], said: str) -> None:
    done = run(*line)
    assert (done.returncode, complaint(done), done.stdout) == (2, said, b"")


def test_a_place_beyond_the_end_and_a_name_of_no_function(tmp_path: Path) -> None:
    path = tmp_path / "s.int80"
    assert run("record", "-o", path, "hello").returncode == 0
    done = run("play", path, "--text", "--at", "99999")
    assert done.returncode == 2
    assert complaint(done).startswith(f"int80: {path}: --at 99999: there are only ")
    done = run("trace", "--functions", "nosuch", "hello")
    assert done.stderr.decode().endswith("int80: no function is called nosuch\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the host has no /dev/full")
@pytest.mark.parametrize("line", [["syscalls"], ["exec", "hello"]])
def test_a_full_disk_is_one_line(line: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "app.cli", *line],
            stdout=full,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            check=False,
        )
    assert done.returncode == 1
    assert "no space left on device" in complaint(done)  # type: ignore[arg-type]
