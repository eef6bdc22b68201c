"""A root directory with Debian's i386 packages: programs that nobody here wrote, to run natively and in int80.

`root()` gives its path; it is made once, outside of the repository, in INT80_TEST_CACHE or the user's cache
directory, from what apt can download (`dpkg --add-architecture i386` and `apt-get update` must have been
done). Nobody may change it: `copy` gives a test one of its own. `python -m tests.oracle.debian` makes it and
tells where it is.

`native` and `int80` run a command in such a root, by the host's kernel (chroot, which needs root) and here.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from tests.oracle import harness
from tests.oracle.harness import Missing, Result

PACKAGES = (
    *("base-files", "base-passwd", "libc6", "libc-bin", "libc6-dev", "debianutils"),
    *(
        "dash",
        "bash",
        "busybox",
        "coreutils",
        "grep",
        "sed",
        "gawk",
        "mawk",
        "gzip",
        "bc",
        "lua5.4",
        "sqlite3",
    ),
    *("tcc", "perl", "python3-minimal", "python3", "less", "vim-tiny", "findutils", "diffutils", "tar"),
    *("xz-utils", "file", "ncurses-base", "ncurses-bin", "procps", "util-linux", "hostname"),
    *("bsdutils", "bzip2", "cpio", "ed", "m4", "make", "patch", "strace", "gdb"),
)
MERGED = ("bin", "sbin", "lib")
"""Links into /usr, as every Debian has them (man 7 file-hierarchy, usr-merge)."""
ALTERNATIVES = {"awk": "gawk", "vi": "vim.tiny", "pager": "less", "lua": "lua5.4"}
LEFT_OUT = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/lintian")
DEVICES = {"null": (1, 3, 0o666), "zero": (1, 5, 0o666), "full": (1, 7, 0o666), "urandom": (1, 9, 0o666)}
"""For the native side: int80 has a /dev of its own."""
_VERSION = 1


def cache_directory() -> Path:
    """Where roots are kept between runs."""
    named = os.environ.get("INT80_TEST_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "int80-tests"


@cache
def root() -> Path:
    """The root directory, made if it is not there yet. Raises Missing with the reason."""
    key = hashlib.sha256(repr((_VERSION, PACKAGES, MERGED, ALTERNATIVES, LEFT_OUT, DEVICES)).encode())
    place = cache_directory() / f"debian-i386-{key.hexdigest()[:12]}"
    if place.is_dir():
        return place
    for tool in ("apt-get", "dpkg-deb", "tar"):
        if shutil.which(tool) is None:
            raise Missing(f"no root with Debian's i386 packages, and no {tool} to make one")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with open(place.parent / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not place.is_dir():
                _make(place)
    except OSError as error:
        raise Missing(f"no root with Debian's i386 packages can be made in {place.parent}: {error}") from None
    return place


def _make(place: Path) -> None:
    with tempfile.TemporaryDirectory(dir=place.parent, prefix="making-") as work:
        made = Path(work, "root")
        for name in MERGED:
            (made / "usr" / name).mkdir(parents=True)
            (made / name).symlink_to(f"usr/{name}")
        for package in _download(Path(work)):
            _extract(package, made)
        for name, program in ALTERNATIVES.items():
            link = made / "usr/bin" / name
            if not link.is_symlink() and (made / "usr/bin" / program).exists():
                link.symlink_to(program)
        for name in ("passwd", "group"):
            shutil.copy(made / f"usr/share/base-passwd/{name}.master", made / f"etc/{name}")
        for name in LEFT_OUT:
            shutil.rmtree(made / name, ignore_errors=True)
        for name, (major, minor, mode) in DEVICES.items():
            try:
                os.mknod(made / "dev" / name, stat.S_IFCHR | mode, os.makedev(major, minor))
                os.chmod(made / "dev" / name, mode)
            except OSError:  # not root: then nothing is run natively either
                break
        made.rename(place)


def _download(work: Path) -> list[Path]:
    """The packages with all that they depend on, as for an empty system."""
    archives = work / "cache" / "archives"
    (archives / "partial").mkdir(parents=True)
    (work / "status").touch()
    settings = {
        "APT::Architecture": "i386",
        "APT::Architectures": "i386",
        "APT::Sandbox::User": "",
        "Dir::State::status": work / "status",
        "Dir::Cache": work / "cache",
        "Debug::NoLocking": "1",
        "Acquire::Retries": "3",
    }
    command = ["apt-get", "-q", "-y", "--no-install-recommends", "--download-only"]
    for name, value in settings.items():
        command += ["-o", f"{name}={value}"]
    done = subprocess.run(
        [*command, "install", *PACKAGES], capture_output=True, text=True, check=False, timeout=600
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("E:")] or ["it failed"]
        raise Missing(f"Debian's i386 packages cannot be downloaded: apt-get: {lines[0]}")
    return sorted(archives.glob("*.deb"))


def _extract(package: Path, target: Path) -> None:
    owner = () if os.getuid() == 0 else ("--no-same-owner",)
    command = ["dpkg-deb", "--fsys-tarfile", str(package)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as unpacked:
        done = subprocess.run(
            ["tar", "-x", "--keep-directory-symlink", *owner, "-C", str(target)],
            stdin=unpacked.stdout,
            capture_output=True,
            text=True,
            check=False,
        )
    if unpacked.returncode or done.returncode:
        raise Missing(f"{package.name} cannot be unpacked: {' '.join(done.stderr.split())[:200]}")


def copy(target: Path) -> Path:
    """A root of one's own at `target`, to be changed. Takes about a second."""
    subprocess.run(["cp", "-a", "--reflink=auto", f"{root()}/.", str(target)], check=True)
    return target


def runs_natively() -> bool:
    """Whether commands can be run in a root by the host's kernel."""
    return os.getuid() == 0 and shutil.which("chroot") is not None and harness.runs_i386()


def native(where: Path, argv: Sequence[str], stdin: bytes = b"", timeout: float = harness.TIMEOUT) -> Result:
    """Run `argv` in the root `where` on the host. It can change what is there: give it a copy if it does."""
    return harness.native([shutil.which("chroot") or "chroot", where, *argv], stdin, timeout)


def int80(
    where: Path,
    argv: Sequence[str],
    stdin: bytes = b"",
    options: Sequence[str] = (),
    timeout: float = harness.TIMEOUT,
) -> Result:
    """Run `argv` in the root `where` by `int80 exec`, where it changes nothing."""
    return harness.int80("exec", argv, stdin, ["--root", str(where), *options], timeout)


def main() -> int:
    try:
        print(root())
    except Missing as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
