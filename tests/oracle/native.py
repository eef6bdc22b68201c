"""The oracle: the same i386 binary on this host's kernel and in int80, and what came out of both.

Where the host cannot run i386 programs, or lacks a compiler, tests skip and say why. With
INT80_REQUIRE_ORACLE set, as in CI, a missing oracle is a failure instead.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {"PATH": "/bin:/usr/bin", "HOME": "/root", "TERM": "xterm", "USER": "root"}
"""What int80 gives a program when nothing else is asked for."""


class Outcome(NamedTuple):
    """What a run leaves behind. `status` is a shell's `$?`."""

    output: bytes
    status: int


def missing(what: str) -> None:
    if os.environ.get("INT80_REQUIRE_ORACLE"):
        pytest.fail(f"the oracle needs {what}")
    pytest.skip(f"no {what} on this host")


def native(*argv: str, stdin: bytes = b"") -> Outcome:
    done = subprocess.run(
        argv,
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
        cwd="/",
        timeout=60,
        check=False,
    )
    return Outcome(done.stdout, 128 - done.returncode if done.returncode < 0 else done.returncode)


def ours(*argv: str, stdin: bytes = b"") -> Outcome:
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "exec", "--timeout", "60", "--", *argv],
        input=stdin,
        capture_output=True,
        env={**ENVIRONMENT, "PYTHONPATH": str(ROOT)},
        cwd="/",
        timeout=90,
        check=False,
    )
    assert b"bug in int80" not in done.stderr, done.stderr.decode()
    return Outcome(done.stdout, done.returncode)


@lru_cache(maxsize=1)
def host_runs_i386() -> bool:
    probe = ROOT / "assets" / "programs" / "bin" / "hello"
    try:
        return subprocess.run([str(probe)], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def need_i386() -> None:
    if not host_runs_i386():
        missing("kernel that runs i386 programs")


@lru_cache(maxsize=1)
def busybox() -> str | None:
    for path in ("/bin/busybox", "/usr/bin/busybox"):
        if os.path.exists(path):
            head = Path(path).read_bytes()[:20]
            if head[4:5] == b"\x01" and b"/lib/ld-" not in Path(path).read_bytes()[:4096]:
                return path
    return None


def compiled(source: str, target: Path, libc: str) -> Path:
    """`source` as a static i386 program with glibc or musl."""
    if libc == "glibc":
        multiarch = subprocess.run(["gcc", "-print-multiarch"], capture_output=True, text=True, check=False)
        headers = f"/usr/include/{multiarch.stdout.strip()}"
        command = ["gcc", "-m32", "-isystem", headers]
    else:
        found = shutil.which("i386-linux-musl-gcc") or shutil.which("musl-gcc")
        if found is None:
            missing("musl compiler for i386")
        command = [str(found), "-m32"]
    path = target.with_suffix(".c")
    path.write_text(source)
    done = subprocess.run(
        [*command, "-static", "-O1", "-o", str(target), str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        missing(f"{libc} for i386 ({done.stderr.splitlines()[:1]})")
    return target


SEGFAULT = 128 + signal.SIGSEGV
