"""The guest's disk and the host's file: read at the start, and with `:rw` written back at the end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app.host import complain
from app.launch import LaunchError
from app.resources import assets
from kernel.fs.ramfs import PAGE, page_of

if TYPE_CHECKING:
    from kernel.kernel import Kernel

MAX_DISK = 64 << 20


def disk_file(text: str) -> tuple[Path, bool]:
    """Which file, and whether it is to be written. `default` is the one that int80 brings, never written."""
    path = text.removesuffix(":rw")
    if path == "default":
        return assets() / "disk" / "hda0.img", False
    return Path(path), path != text


def read_disk(text: str) -> bytes:
    """The image as it is at the start. Raises LaunchError."""
    path, _ = disk_file(text)
    try:
        if path.stat().st_size > MAX_DISK:
            raise LaunchError(f"--disk {path}: larger than {MAX_DISK >> 20} MiB", 2)
        data = path.read_bytes()
    except OSError as error:
        raise LaunchError(f"--disk {path}: {(error.strerror or str(error)).lower()}", 2) from None
    if not data or len(data) % 512:
        raise LaunchError(f"--disk {path}: not a disk's image: its size is no multiple of 512", 2)
    return data


def keep_disk(text: str | None, kernel: Kernel) -> bool:
    """Write what the guest has written to the file, if that was asked for; whether all went well."""
    one = kernel.tables.disk
    if text is None or one is None or not one.changed:
        return True
    path, wanted = disk_file(text)
    if not wanted:
        return True
    inode = kernel.tables.inodes[one.inode]
    try:
        with open(path, "r+b") as file:
            for index in one.changed:
                size = min(PAGE, inode.blob_size - index * PAGE)
                file.seek(index * PAGE)
                file.write(bytes(kernel.ram.frame(page_of(kernel, inode, index))[:size]))
    except OSError as error:
        complain(f"--disk {path}: {(error.strerror or str(error)).lower()}")
        return False
    return True
