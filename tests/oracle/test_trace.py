"""`int80 trace` against strace: the same calls, arguments and results, line by line.

Both texts are brought to one form first. Everything in which a run in int80 may differ from one on the
host is in `NORMAL` and `normalised`, each with its reason; the rest has to be the same.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.oracle.harness import ENVIRONMENT, HERE, OWN, TIMEOUT, _look_like_i386, int80

PROGRAMS = HERE / "programs"
Build = Callable[[Path, str], Path]

NORMAL: tuple[tuple[str, str], ...] = (
    # The first execve: strace sees the host's environment pointer, int80 has no caller to have one. The path
    # is the one in the guest.
    (r"^execve\(\"[^\"]*\", (.*), (0x[0-9a-f]+|0)( /\*.*\*/)?\)\s+= 0$", r"execve(\1) = 0"),
    # Environment pointers lie where earlier allocations put them, which depends on the host's name.
    (r"0x[0-9a-f]+ /\* (\d+) vars \*/", r"ENVP /* \1 vars */"),
    # The stack: auxv is shorter in int80, as there is no vDSO to point at.
    (r"\b0xbff[0-9a-f]{5}\b", "STACK"),
    # TLS descriptors are GDT entries 6-8 on i386, 12-14 for i386 programs on x86-64.
    (r"\(entry_number=(6|12)\)", "(entry_number=TLS)"),
    # Linux drops SA_RESTORER's absence in favour of its vDSO; libc passes one where AT_SYSINFO is absent.
    (r"SA_RESTORER\|", ""),
    (r"\|SA_RESTORER", ""),
    (r"sa_flags=SA_RESTORER", "sa_flags=0"),
    (r", sa_restorer=0x[0-9a-f]+", ""),
    # Random bytes, and who and where we are.
    (r"getrandom\(\"[^\"]*\"", 'getrandom("RANDOM"'),
    (r"nodename=\"[^\"]*\"", 'nodename="NODE"'),
    # Debian's /bin is a link to /usr/bin; the guest's is none.
    (r"\"/usr/bin/busybox\"(.*)= 16$", r'"/bin/busybox"\1= 12'),
    # What a file system says of itself, as that a file is a mount's root.
    (r"stx_attributes=[^,]*, ", ""),
    # int80 lets the call return to its task before the task ends of the signal.
    (r"(kill\(PID, SIGKILL\)) += \?$", r"\1 = 0"),
)
PIDS = re.compile(r"^(getpid\(\)|getppid\(\)|gettid\(\)|getpgrp\(\)|set_tid_address\(.*\)) += \d+$")


def normalised(lines: list[str], mapped: int) -> list[str]:
    """`mapped` is the first address that mmap chose: the host's vDSO shifts all of them."""
    out = []
    pid = ""
    heap = 0
    for line in lines:
        if line.startswith("[ Process PID="):  # strace notes that the program is a 32-bit one
            continue
        if "sendfile64(" in line:  # not implemented in int80; with a pipe on its input Linux refuses it too
            continue
        if line.startswith("brk("):
            heap = heap or int(line.rpartition("= ")[2], 16)
        elif heap and not line.startswith(("set_", "rseq")):
            # What lies where in the heap depends on the processor: glibc has directories for its features.
            line = re.sub(
                r"\b0x8[0-9a-f]{6}\b", lambda at, heap=heap: "HEAP" if int(at[0], 16) >= heap else at[0], line
            )
        line = PIDS.sub(r"\1 = PID", line)
        if found := re.match(r"(?:kill|tkill|tgkill)\((\d+)", line):
            pid = found[1]
        if pid:
            line = re.sub(rf"\b{pid}\b", "PID", line)
        line = re.sub(r"si_pid=\d+", "si_pid=PID", line)
        for pattern, text in NORMAL:
            line = re.sub(pattern, text, line)
        line = re.sub(
            r"\b0xb[0-9a-f]{7}\b",
            lambda found: f"MMAP{int(found[0], 16) - mapped:+#x}" if mapped else "MMAP",
            line,
        )
        out.append(re.sub(r" +(= \S+.*)$", r" \1", line))
    return out


def first_mapped(lines: list[str]) -> int:
    for line in lines:
        if found := re.match(r"(?:old_)?mmap2?\(NULL.*= (0xb[0-9a-f]+)$", line):
            return int(found[1], 16)
    return 0


def traces(
    strace: str, argv: list[str | Path], folder: Path, stdin: bytes = b""
) -> tuple[list[str], list[str]]:
    words = [str(word) for word in argv]
    theirs, ours = folder / "strace", folder / "int80"
    subprocess.run(
        [strace, "-o", str(theirs), *words],
        input=stdin,
        capture_output=True,
        cwd="/",
        env=ENVIRONMENT,
        preexec_fn=_look_like_i386,
        process_group=0,
        timeout=TIMEOUT,
        check=False,
    )
    int80("trace", words, stdin, ["-o", str(ours)])
    texts = [path.read_text(errors="replace").splitlines() for path in (theirs, ours)]
    return normalised(texts[0], first_mapped(texts[0])), normalised(texts[1], first_mapped(texts[1]))


def same(strace: str, argv: list[str | Path], folder: Path, stdin: bytes = b"") -> None:
    expected, got = traces(strace, argv, folder, stdin)
    assert got == expected


SINGLE = ("args", "badptr", "divzero", "hello", "printf")
"""Our own programs of one process: of several, the order of lines is the scheduler's."""


@pytest.mark.parametrize("name", SINGLE)
def test_own_programs(name: str, strace: str, tmp_path: Path) -> None:
    same(strace, [OWN / name, "an argument", "x" * 50], tmp_path)


@pytest.mark.parametrize("libc", ["glibc", "musl"])
@pytest.mark.parametrize(
    "line",
    ["hello", "args one two", "heap", "numbers", "ends abort", "ends segfault", "ends divide", "ends pipe"]
    + ["ends int3", "ends hlt", "ends kill", "ends term", "ends _exit", "ends stack", "ends assert"],
)
def test_c_programs(line: str, libc: str, strace: str, build: Build, tmp_path: Path) -> None:
    name, *arguments = line.split()
    same(strace, [build(PROGRAMS / f"{name}.c", libc), *arguments], tmp_path)


APPLETS = [
    ("echo hello", b""),
    ("uname -s", b""),
    ("seq 3", b""),
    ("cat", b"one\ntwo\n"),
    ("wc", b"one\ntwo\n"),
    ("sort", b"b\na\n"),
    ("head -1", b"b\na\n"),
    ("sed s/a/b/", b"a\n"),
    ("grep x", b"ax\nby\n"),
    ("awk {print$1}", b"a b\nc d\n"),
    ("md5sum", b"abc"),
    ("cat /nonexistent", b""),
    ("mkdir /dev/null/x", b""),
    ("test -e /dev/zero", b""),
    ("expr 1 + 1", b""),
    ("sleep 0", b""),
    ("true", b""),
    ("kill -0 1", b""),
    ("pwd", b""),
    ("env", b""),
    ("tr a b", b"banana"),
    ("dd bs=2 count=2", b"abcdef"),
    ("readlink /nothing", b""),
    ("nosuchapplet", b""),
]


@pytest.mark.parametrize(("line", "stdin"), APPLETS, ids=[line for line, _ in APPLETS])
def test_applets(line: str, stdin: bytes, strace: str, busybox: Path, tmp_path: Path) -> None:
    same(strace, [busybox, *line.split()], tmp_path, stdin)
