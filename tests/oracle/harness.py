"""Run one program both ways: by the host's kernel, and by int80. What is compared is the tests' business.

The host is made to look like the i386 machine that int80 is, as far as a process may: 3 GiB of address
space, no randomisation, `uname` of i686, the same limits, environment, directory and process group.
Nothing here knows pytest; `conftest.py` turns what is missing into skips.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests import forkserver

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
OWN = ROOT / "assets" / "programs" / "bin"
BUSYBOX = Path("/bin/busybox")
ENVIRONMENT = {"PATH": "/bin:/usr/bin", "HOME": "/root", "TERM": "xterm", "USER": "root"}
"""What int80 gives a program unless told otherwise."""
TIMEOUT = 60

PER_LINUX32, ADDR_NO_RANDOMIZE, ADDR_LIMIT_3GB = 0x8, 0x4_0000, 0x800_0000
LIMITS = {
    resource.RLIMIT_STACK: 8 << 20,
    resource.RLIMIT_NOFILE: 1024,
    resource.RLIMIT_CORE: 0,
}


class Missing(Exception):
    """The host lacks something that the oracle needs; the text says what."""


class Result(NamedTuple):
    """How a run ended; `status` as a shell's `$?`."""

    status: int
    output: bytes
    errors: bytes


# --- what the host has --------------------------------------------------------------------------------------


def _headers() -> str:
    """Where `asm/` is found when gcc-multilib's link to it is not installed."""
    gcc = shutil.which("gcc")
    if gcc is None:
        return "/usr/include"
    done = subprocess.run([gcc, "-print-multiarch"], capture_output=True, text=True, check=False)
    return f"/usr/include/{done.stdout.strip()}"


COMPILERS = {
    "glibc": (("gcc", "-m32", "-idirafter", _headers()),),
    "musl": (("i386-linux-musl-gcc", "-m32"), ("musl-gcc", "-m32")),
}
FLAGS = ("-static", "-O1", "-g", "-fno-pie", "-no-pie", "-w", f"-I{HERE / 'conformance'}")


@cache
def compiler(libc: str) -> tuple[str, ...]:
    """The command that makes static i386 programs with this C library. Raises Missing."""
    for command in COMPILERS[libc]:
        if shutil.which(command[0]) is None:
            continue
        program = "#include <errno.h>\n#include <sys/syscall.h>\nint main(void) { return 0; }\n"
        with tempfile.NamedTemporaryFile() as out:  # not /dev/null: root's linker may change that
            tried = subprocess.run(
                [*command, "-static", "-x", "c", "-o", out.name, "-"],
                input=program.encode(),
                capture_output=True,
                check=False,
            )
        if tried.returncode == 0:
            return command
    raise Missing(f"no compiler for static i386 programs with {libc}")


def build(source: Path, folder: Path, libc: str = "glibc", *flags: str) -> Path:
    """The program of a C file, built once for all workers that share `folder`. Raises Missing."""
    target = folder / f"{source.stem}.{libc}"
    with open(folder / f"{target.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            made = folder / f"{target.name}.new"
            subprocess.run([*compiler(libc), *FLAGS, "-o", made, source, "-lm", *flags], check=True)
            made.rename(target)
    return target


@cache
def runs_i386() -> bool:
    """Whether the host's kernel executes i386 programs."""
    try:
        return subprocess.run([OWN / "hello"], capture_output=True, check=False, timeout=10).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def busybox() -> Path:
    """An i386 static busybox. Raises Missing."""
    try:
        with open(BUSYBOX, "rb") as file:
            head = file.read(20)
    except OSError:
        head = b""
    if head[:5] != b"\x7fELF\x01" or head[18:20] != b"\x03\x00":
        raise Missing("no i386 busybox at /bin/busybox (Debian: busybox-static:i386)")
    return BUSYBOX


@cache
def scratch() -> str:
    """A directory in which 32-bit programs can work: a time of one beyond 2038 is EOVERFLOW to some."""
    for directory in ("/tmp", "/var/tmp", "/dev/shm"):
        tried = subprocess.run([busybox(), "test", "-d", directory], check=False, preexec_fn=look_like_i386)
        if tried.returncode == 0:
            return directory
    raise Missing("no directory for temporary files that a 32-bit program can stat")


def strace() -> str:
    found = shutil.which("strace")
    if found is None:
        raise Missing("no strace")
    return found


# --- running ------------------------------------------------------------------------------------------------

_libc = ctypes.CDLL(None, use_errno=True)


def look_like_i386() -> None:
    """In the child, before exec."""
    _libc.personality(PER_LINUX32 | ADDR_NO_RANDOMIZE | ADDR_LIMIT_3GB)
    for which, soft in LIMITS.items():
        hard = resource.getrlimit(which)[1]
        resource.setrlimit(which, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))
    os.umask(0o022)


def native(argv: Sequence[str | Path], stdin: bytes = b"", timeout: float = TIMEOUT) -> Result:
    """Run `argv` on the host."""
    process = subprocess.Popen(
        [str(word) for word in argv],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        env=ENVIRONMENT,
        preexec_fn=look_like_i386,
        process_group=0,
    )
    try:
        output, errors = process.communicate(stdin, timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    return Result(_status(process.returncode), output, errors)


def int80(
    command: str,
    argv: Sequence[str | Path],
    stdin: bytes = b"",
    options: Sequence[str] = (),
    timeout: float = TIMEOUT,
) -> Result:
    """`int80 COMMAND ARGV`, as a shell would run it."""
    words = [command, "--timeout", str(timeout), "--uid", str(os.getuid()), *options, *map(str, argv)]
    done = forkserver.run(words, stdin, timeout + 30)
    return Result(_status(done.status), done.output, done.errors)


def both(
    argv: Sequence[str | Path], stdin: bytes = b"", options: Sequence[str] = ()
) -> tuple[Result, Result]:
    """The same command on the host and in int80."""
    return native(argv, stdin), int80("exec", argv, stdin, options)


def _status(returncode: int) -> int:
    return 128 - returncode if returncode < 0 else returncode
