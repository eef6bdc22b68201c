"""From a command line to a `Start`: find the program on the host, read it once, say what is wrong with it.

The guest sees the program at its absolute host path (int80's own: in /bin) and nothing else of the host.
With `--root` a program is looked for inside that root: a path from `/` on as it is, a bare name along PATH,
then among int80's own. What is named by a relative path with a slash, or a .c file, is still the host's.
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

from app.frozen import Frozen, Source
from app.hosttar import BadTar, HostTar
from app.hosttree import HostTree
from app.resources import program, programs
from kernel.elf import BadElf, parse
from kernel.kernel import GuestFile, HostMount, Start

OWN_PROGRAMS = "/usr/lib/int80"
"""Where one of int80's own programs is in a root of the host's that has none of that name along PATH."""
MAX_PROGRAM = 32 << 20
SESSION = "no program, but what looks like a session file: int80 play opens it"
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
    schedule: int = -1
    """Seed of random schedules, -1 for taking turns."""
    root: str | None = None
    """A directory of the host or a tar file that becomes the guest's root, copy on write."""
    mounts: list[str] = field(default_factory=list)
    """HOST:GUEST or HOST:GUEST:ro, likewise further directories."""
    disk: str | None = None
    """A file that is the disk /dev/hda0; FILE:rw writes what the guest wrote there back to it at the end."""
    core: str | None = None
    """Where on the host the core file goes that a program leaves; None: they leave none unless they want."""
    modes: tuple[int, int, int] | None = None
    rows: int = 24
    columns: int = 80


def prepare(options: Options) -> tuple[Start, dict[str, bytes]]:
    """The machine's start and the contents of its files. Raises LaunchError."""
    mounts = tuple(HostMount(guest, read_only) for _, guest, read_only in host_mounts(options))
    environment = {item.split("=", 1)[0]: item for item in (*ENVIRONMENT, *options.env)}
    files: tuple[GuestFile, ...] = ()
    blobs: dict[str, bytes] = {}
    guest = options.program
    if options.root is None or _is_of_host(options.program):
        guest, blobs, files = _from_host(options)
    elif "/" not in guest and (own := program(guest)) is not None:
        files, blobs = _file(f"{OWN_PROGRAMS}/{guest}", own.read_bytes())
    if options.core is not None:
        from app.core_file import why_not

        if why := why_not(options.core):
            raise LaunchError(f"--core {why}", 2)
    if options.disk is not None:
        from app.disk import read_disk

        image = read_disk(options.disk)
        key = hashlib.sha256(image).hexdigest()
        files = (*files, GuestFile("/dev/hda0", key, stat.S_IFBLK | 0o660, len(image)))
        blobs = {**blobs, key: image}
    start = Start(
        path=guest,
        argv=(options.program.removesuffix(".c"), *options.arguments),
        envp=tuple(environment.values()),
        files=files,
        modes=options.modes,
        cwd=options.cwd,
        uid=options.uid,
        memory=options.memory << 20,
        seed=options.seed,
        schedule=options.schedule,
        rows=options.rows,
        columns=options.columns,
        mounts=mounts,
        core=options.core is not None,
    )
    return start, blobs


def host_mounts(options: Options) -> list[tuple[str, str, bool]]:
    """Where on the host, where in the guest, whether read-only: the root first. Raises LaunchError."""
    out = [(options.root, "/", False)] if options.root is not None else []
    for text in options.mounts:
        where, _, last = text.rpartition(":")
        read_only = last == "ro"
        if last in ("ro", "rw"):
            where, _, last = where.rpartition(":")
        target = "/" + "/".join(name for name in last.split("/") if name not in ("", "."))
        if not where or not last.startswith("/") or ".." in last.split("/") or target == "/":
            raise LaunchError(f"--mount {text}: not HOST:GUEST or HOST:GUEST:ro with a path in the guest", 2)
        out.append((where, target, read_only))
    return out


def open_mounts(options: Options) -> Frozen | None:
    """What answers for the host's directories; None where there are none. Raises LaunchError."""
    mounts = host_mounts(options)
    sources: list[Source] = []
    for where, _, _ in mounts:
        try:
            sources.append(HostTree(where) if os.path.isdir(where) else HostTar(where))
        except BadTar as error:
            raise LaunchError(f"{where}: {error}", 2) from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise LaunchError(f"{where}: {reason.lower()}", 2) from None
    return Frozen(sources) if sources else None


def _is_of_host(name: str) -> bool:
    return name.endswith(".c") or ("/" in name and not name.startswith("/"))


def _file(path: str, data: bytes) -> tuple[tuple[GuestFile, ...], dict[str, bytes]]:
    blob = hashlib.sha256(data).hexdigest()
    return (GuestFile(path, blob, 0o755, len(data)),), {blob: data}


def _from_host(options: Options) -> tuple[str, dict[str, bytes], tuple[GuestFile, ...]]:
    """The program's path in the guest, and the file to put there."""
    path, guest = find(options.program)
    data = compiled(path) if path.suffix == ".c" else read_program(path)
    if path.suffix == ".c":
        guest = f"/bin/{path.stem}"
    if options.root is not None:
        guest = f"/tmp/{path.name.removesuffix('.c')}"
    if not data.startswith(b"#!"):
        try:
            image = parse(data)
        except BadElf as error:
            why = SESSION if data.startswith(b"SQLite format 3\0") else str(error)
            raise LaunchError(f"{options.program}: {why}") from None
        if image.interpreter and options.root is None:
            raise LaunchError(
                f"{options.program}: a dynamically linked program; its interpreter {image.interpreter} "
                "is not in the guest (give a --root that has it, or link it with -static)"
            )
    files, blobs = _file(guest, data)
    return guest, blobs, files


def find(name: str) -> tuple[Path, str]:
    """The host's file and its path in the guest: our own programs go by their name and live in /bin.

    LaunchError for a mere name that is neither.
    """
    path = Path(name)
    if not path.exists() and (own := program(name)) is not None:
        return own, f"/bin/{name}"
    if "/" not in name and not path.exists():
        raise LaunchError(f"{name}: {_not_there(name)}", 127)
    absolute = os.path.abspath(path)
    return Path(absolute), absolute


def _not_there(name: str) -> str:
    """Neither a file here nor one of int80's own; perhaps one that is called nearly so was meant."""
    from difflib import get_close_matches

    near = get_close_matches(name, programs(), 1)
    meant = f": {near[0]}, perhaps?" if near else " (int80 without arguments lists them)"
    return f"no such file, and none of int80's own programs{meant}"


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
