"""The one way to what ships with int80: kernel image, guest programs and their sources.

In the wheel they lie inside this package, in a source tree beside it.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=1)
def assets() -> Path:
    here = Path(__file__).resolve().parent
    inside = here / "assets"
    return inside if inside.is_dir() else here.parent / "assets"


def kernel_image() -> bytes:
    return (assets() / "kernel" / "kernel.elf").read_bytes()


def program(name: str) -> Path | None:
    """One of our own programs by name, or None."""
    if not name or "/" in name or name.startswith("."):
        return None
    path = assets() / "programs" / "bin" / name
    return path if path.is_file() else None


def programs() -> list[str]:
    """The names of our own programs."""
    return sorted(path.name for path in (assets() / "programs" / "bin").iterdir() if path.is_file())


def source(name: str) -> Path | None:
    """The C of one of our own programs."""
    path = assets() / "programs" / f"{name}.c"
    return path if path.is_file() else None
