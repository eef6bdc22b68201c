"""From a command line to a `Start`: find the program on the host, read it once, say what is wrong with it.

The guest sees the program at its absolute host path (int80's own: in /bin) and nothing else of the host.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from app.resources import program
from kernel.elf import BadElf, parse
from kernel.kernel import GuestFile, Start

MAX_PROGRAM = 32 << 20
ENVIRONMENT = ("PATH=/bin:/usr/bin", "HOME=/root", "TERM=xterm", "USER=root")
"""What a program finds in its environment unless told otherwise: the same on every host."""


class LaunchError(Exception):
    """The program cannot be started; one line for a person, and a shell's exit status."""

    def __init__(self, message: str, status: int = 126) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Options:
    """What the commands that run a program share."""

    program: str
    arguments: list[str] = field(default_factory=list)
    cwd: str = "/"
    env: list[str] = field(default_factory=list)
    uid: int = 0
    memory: int = 64
    seed: int = 1
    modes: tuple[int, int, int] | None = None
    rows: int = 24
    columns: int = 80


def prepare(options: Options) -> tuple[Start, dict[str, bytes]]:
    """The machine's start and the contents of its files. Raises LaunchError."""
    path, guest = find(options.program)
    data = compiled(path) if path.suffix == ".c" else read_program(path)
    if path.suffix == ".c":
        guest = f"/bin/{path.stem}"
    if not data.startswith(b"#!"):
        try:
            image = parse(data)
        except BadElf as error:
            raise LaunchError(f"{options.program}: {error}") from None
        if image.interpreter:
            raise LaunchError(
                f"{options.program}: a dynamically linked program; its interpreter {image.interpreter} "
                "is not in the guest (link it with -static)"
            )
    blob = hashlib.sha256(data).hexdigest()
    environment = {item.split("=", 1)[0]: item for item in (*ENVIRONMENT, *options.env)}
    start = Start(
        path=guest,
        argv=(options.program.removesuffix(".c"), *options.arguments),
        envp=tuple(environment.values()),
        files=(GuestFile(guest, blob, 0o755, len(data)),),
        modes=options.modes,
        cwd=options.cwd,
        uid=options.uid,
        memory=options.memory << 20,
        seed=options.seed,
        rows=options.rows,
        columns=options.columns,
    )
    return start, {blob: data}


def find(name: str) -> tuple[Path, str]:
    """The host's file and its path in the guest: our own programs go by their name and live in /bin."""
    path = Path(name)
    if not path.exists() and (own := program(name)) is not None:
        return own, f"/bin/{name}"
    absolute = os.path.abspath(path)
    return Path(absolute), absolute


def compiled(path: Path) -> bytes:
    """A C file, compiled by the host's compiler into a static i386 program with line numbers."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise LaunchError(f"{path}: no C compiler (gcc or cc) was found to compile it with")
    read_program(path)
    with tempfile.TemporaryDirectory(prefix="int80-") as folder:
        target = Path(folder) / "program"
        flags = ("-m32", "-static", "-g", "-O0", "-fno-omit-frame-pointer", "-fno-pie", "-no-pie")
        done = subprocess.run(
            [compiler, *flags, "-o", str(target), str(path)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode or not target.is_file():
            lines = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines()
            reason = lines[0] if lines else f"the compiler failed with status {done.returncode}"
            raise LaunchError(f"{path}: cannot be compiled with -m32: {reason}")
        return target.read_bytes()


def read_program(path: Path) -> bytes:
    """The bytes of a regular, readable file of reasonable size."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise LaunchError(f"{path}: is a directory")
        if not stat.S_ISREG(status.st_mode):
            raise LaunchError(f"{path}: not a regular file")
        if status.st_size > MAX_PROGRAM:
            raise LaunchError(f"{path}: larger than {MAX_PROGRAM >> 20} MiB")
        data = path.read_bytes()
    except FileNotFoundError:
        raise LaunchError(f"{path}: no such file", 127) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise LaunchError(f"{path}: {reason.lower()}") from None
    if not data:
        raise LaunchError(f"{path}: the file is empty")
    return data
