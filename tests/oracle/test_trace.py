"""`int80 trace` against strace: the same calls, arguments and results, line by line, of every process.

`traces.py` says in what a run in int80 may differ from one on the host. Programs are run in batches: one
strace and one int80 for many of them.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.oracle.commands import COMMANDS, lines
from tests.oracle.harness import HERE, OWN, ROOT
from tests.oracle.traces import batch, differences

PROGRAMS = HERE / "programs"
ATTEMPTS = 5
Build = Callable[[Path, str], Path]


Pair = tuple[dict[str, list[str]], dict[str, list[str]]]


def agree(
    programs: Sequence[Sequence[str]],
    run: Callable[[Sequence[int], Path], list[Pair]],
    folder: Path,
    without: Sequence[frozenset[str]] = (),
) -> None:
    """Whether all of them do, as `run` runs some; those that differ are run again: what the host does may depend
    on how busy it is."""
    left = list(range(len(programs)))
    for attempt in range(ATTEMPTS):
        place = folder / str(attempt)
        place.mkdir()
        wrong: dict[int, str] = {}
        for number, pair in zip(left, run(left, place), strict=True):
            assert len(pair[0].get("1", ())) > 3, f"strace saw nothing of {programs[number]}"
            found = differences(pair, without[number] if without else frozenset())
            if found:
                wrong[number] = "\n".join([f"=== {' '.join(programs[number])}", *found[:60]])
        if not wrong:
            return
        left = list(wrong)
    pytest.fail(f"{len(wrong)} of {len(programs)} differ:\n" + "\n".join(wrong.values()))


def same(
    strace: str,
    build: Build,
    programs: Sequence[Sequence[str]],
    folder: Path,
    mounts: Sequence[Path],
    without: Sequence[frozenset[str]] = (),
) -> None:
    """These programs do the same on either side."""
    runner = build(PROGRAMS / "batch.c", "glibc")

    def run(numbers: Sequence[int], place: Path) -> list[Pair]:
        chosen = [programs[number] for number in numbers]
        return batch(strace, str(runner), chosen, place, [runner.parent, *mounts])

    agree(programs, run, folder, without)


def test_own_programs(strace: str, build: Build, tmp_path: Path) -> None:
    programs = [
        [str(OWN / name), "an argument", "x" * 50]
        for name in ("args", "badptr", "divzero", "hello", "printf")
    ]
    same(strace, build, programs, tmp_path, [OWN])


def test_c_programs(strace: str, build: Build, tmp_path: Path) -> None:
    lines = ["hello", "args one two", "heap", "numbers", "ends abort", "ends segfault", "ends divide"]
    lines += ["ends pipe", "ends int3", "ends hlt", "ends kill", "ends term", "ends _exit", "ends stack"]
    lines += ["ends assert", "edges"]
    programs = [
        [str(build(PROGRAMS / f"{name}.c", libc)), *arguments]
        for name, *arguments in map(str.split, lines)
        for libc in ("glibc", "musl")
    ]
    same(strace, build, programs, tmp_path, [])


@pytest.mark.parametrize("how", ["-y", "-yy"])
def test_names_behind_descriptors(strace: str, build: Build, tmp_path: Path, how: str) -> None:
    """Escaped, so that no file's name can write lines of its own into a trace."""
    program = str(build(PROGRAMS / "names.c", "glibc"))
    traces = []
    for number, command in enumerate(([strace], [sys.executable, "-m", "app.cli", "trace"])):
        trace = tmp_path / str(number)
        given = [*command, how, "-e", "trace=openat,fsync", "-o", str(trace), program]
        subprocess.run(given, check=True, capture_output=True, cwd=ROOT)
        traces.append(re.sub(r"<pid:\d+>\) +", "<pid:N>) ", trace.read_text()).splitlines())
    assert len(traces[0]) > 8
    assert traces[1] == traces[0]


OTHERWISE = {
    "fdinfo": "what it reads has the numbers of inodes, mounts and processes, and all of the host's locks",
    "pagemap": "what it reads has the numbers of frames",
    "memory": "the host's processor has protection keys, and makes memory that can be executed unreadable",
    "pipes": "how much is in a pipe when it is read depends on the scheduler",
    "pthreads": "which locks a thread finds held depends on the scheduler",
    "preemption": "how often a task turns while another computes depends on the scheduler",
    "ptrace": "a traced task cannot be traced by strace as well",
    "ptrace_events": "the same",
    "ptrace_groups": "the same",
    "seccomp": "strace shows what seccomp's pointer leads to; a filter's programs have threads and races",
    "timers": "it asks again and again until time has passed",
    "vdso": "the host's vDSO has two pages and lies elsewhere, so /proc/self/maps is longer",
}
"""Programs whose traces differ, and why; that they print the same is tested in `test_conformance.py`."""
RACES = {
    "identity": {"1.7.1": "how far it has come when it is killed"},
    "signals": {"1.13": "which of two signals it sees first when it goes on"},
    "wait": {
        "--- SIGCHLD": "two children that end while it does not run are one signal",
        "1.69": "whether it has come to its pause when it is stopped",
        "1.76.1": "whether its parent has ended when it asks for it",
    },
    "threads": {
        "1.16.1": "whether it has come to its pause when its process ends",
        "1.16": "the same",
        "1.18.1": "the same",
        "1.17": "a first thread's end is told by strace when all threads have ended",
        "1.15": "whether it has come to its pause when its process ends",
        "1.15.1": "on a busy host strace sees nothing of a thread that ends all of them at once",
    },
    "futexes": {"clock_nanosleep(": "it sleeps until the others are where it wants them"},
    "leases": {"rt_sigtimedwait(": "a traced task is woken by signals, too, that it ignores"},
    "orphans": {
        "read(": "how much it has been told when it looks",
        "getppid(": "how often it looks until it has another parent",
        "clock_nanosleep(": "the same",
    },
    "pty": {
        "clock_nanosleep(": "whether a signal comes while it writes or while it sleeps",
        "sigreturn(": "the same",
    },
    "unix_messages": {
        "getsockname(": "a name that the kernel chose",
        "recvfrom(": "the same",
        "prlimit64(": "the host's own limit",
    },
    "unix_streams": {
        "getsockname(": "a name that the kernel chose",
        "bind(": "the same",
        "readlink(": "the number of a socket",
        "read(": "what other sockets the host has",
        "_llseek(": "the same",
    },
    "opening": {"1.4": "how far it has come when it is killed"},
    "pidfds": {
        "1.2": "how far it has come when it is killed",
        "1.3": "the same",
        "1.4": "whether its parent has been told of its descriptor when it looks at that",
    },
}
"""Processes and calls of the others that run against time."""
CONFORMANCE = sorted(path for path in (HERE / "conformance").glob("*.c") if path.stem not in OTHERWISE)


BRIEF = ("inotify",)
"""Programs that leave out what takes thousands of calls if they are given an argument."""


def test_conformance_programs(strace: str, build: Build, tmp_path: Path) -> None:
    programs = [[str(build(source, "glibc"))] for source in CONFORMANCE]
    for program, source in zip(programs, CONFORMANCE, strict=True):
        program += ["brief"] if source.stem in BRIEF else []
    without = [frozenset(RACES.get(source.stem, ())) for source in CONFORMANCE]
    same(strace, build, programs, tmp_path, [], without)


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
    ("od -c", b"abc\n"),
    ("tac", b"1\n2\n"),
    ("tee /dev/null", b"x\n"),
    ("sha256sum", b"abc"),
    ("ls /dev/null", b""),
    ("stat -c %F /dev/null", b""),
    ("sh -c true", b""),
    ("sh -c exit\\t3", b""),
    ("cmp /dev/null /dev/null", b""),
    ("ln -s a /dev/null/b", b""),
]
SHELL = [
    "(exit 3); echo $?",
    "for i in 1 2; do busybox echo $i; done",
    "kill -TERM $$",
    "trap 'echo got' USR1; kill -USR1 $$; echo end",
]


def test_busybox(strace: str, build: Build, busybox: Path, tmp_path: Path) -> None:
    own = tmp_path / "busybox"
    shutil.copy(busybox, own)
    programs = [[f"<{stdin.decode()}", str(own), *line.split(" ")] for line, stdin in APPLETS]
    programs += [[str(own), "sh", "-c", line.replace("busybox", str(own))] for line in SHELL]
    same(strace, build, programs, tmp_path, [tmp_path])


LINES = [line for line in (HERE / "traced.txt").read_text().splitlines() if line and not line.startswith("#")]
SIGNALS = frozenset(("--- SIGCHLD", "sigreturn(", "rt_sigreturn("))
"""Two children that end while their parent does not run are one signal."""


def test_debian(strace: str, build: Build, debian_root: Path, tmp_path: Path) -> None:
    """Dynamic programs, from the loader's first call on, each line in an empty directory of its own."""
    runner = build(PROGRAMS / "batch.c", "glibc")

    def run(numbers: Sequence[int], place: Path) -> list[Pair]:
        tmp = place / "tmp"
        tmp.mkdir()
        shutil.copy(runner, tmp / "batch")
        for number in numbers:
            (tmp / f"{number:03}").mkdir()
        programs = [["/bin/sh", "-c", f"cd /tmp/{number:03}; {LINES[number]}"] for number in numbers]
        return batch(strace, "/tmp/batch", programs, place, (), debian_root)

    assert len(LINES) >= 40
    assert set(LINES) <= {line for path in COMMANDS.glob("*.txt") for line in lines(path.stem)}
    agree([[line] for line in LINES], run, tmp_path, [SIGNALS] * len(LINES))
