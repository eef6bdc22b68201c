"""Make assets/disk/hda0.img: a Minix file system of the first version with a few files.

    python assets/disk/mkfs.py

The same bytes every time: a fixed date, files in a fixed order. Layout (linux/minix_fs.h), in blocks of 1024
bytes: boot block, superblock, maps of inodes and of zones, inodes, data.
"""

from __future__ import annotations

import struct
from pathlib import Path

HERE = Path(__file__).resolve().parent
BLOCK, ZONES, INODES = 1024, 192, 96
DATE = 1_700_000_000
MAGIC = 0x137F
DIRECT, PER_BLOCK = 7, BLOCK // 2
DIRECTORY, REGULAR, LINK = 0o040755, 0o100644, 0o120777
PROGRAM = 0o100755

README = b"""\
This is a disk: /dev/hda0, with a file system of Minix, as the first Linux had it.
Every block of it was asked of the disk; who needed it slept until the disk's interrupt.
"""
TABLE = b"".join(b"%4d squared is %7d\n" % (n, n * n) for n in range(1, 1001))

TREE: tuple[tuple[str, int, bytes], ...] = (
    ("README", REGULAR, README),
    ("bin", DIRECTORY, b""),
    ("bin/hello", PROGRAM, (HERE.parent / "programs" / "bin" / "hello").read_bytes()),
    ("etc", DIRECTORY, b""),
    ("etc/motd", REGULAR, b"Welcome to the disk.\n"),
    ("squares", REGULAR, TABLE),
    ("motd", LINK, b"etc/motd"),
)
"""Path, mode and contents; a directory before what is in it."""


class Image:
    def __init__(self) -> None:
        self.zones: dict[int, bytes] = {}
        self.inodes: dict[int, bytes] = {}
        self.first = 2 + 1 + 1 + -(-INODES * 32 // BLOCK)
        self.next_zone = self.first

    def zone(self, data: bytes) -> int:
        number = self.next_zone
        self.next_zone += 1
        self.zones[number] = data.ljust(BLOCK, b"\0")
        return number

    def add(self, number: int, mode: int, links: int, data: bytes) -> None:
        zones = [self.zone(data[at : at + BLOCK]) for at in range(0, len(data), BLOCK)]
        slots = zones[:DIRECT] + [0] * (DIRECT - len(zones[:DIRECT]))
        more = zones[DIRECT:]
        if len(more) > PER_BLOCK:
            raise ValueError("a file is too large for one indirect block")
        slots.append(self.zone(struct.pack(f"<{len(more)}H", *more)) if more else 0)
        self.inodes[number] = struct.pack("<HHIIBB9H", mode, 0, len(data), DATE, 0, links, *slots, 0)

    def bytes(self) -> bytes:
        head = (INODES, ZONES, 1, 1, self.first, 0, (DIRECT + PER_BLOCK + PER_BLOCK**2) * BLOCK, MAGIC, 1)
        blocks = {1: struct.pack("<HHHHHHIHH", *head)}
        blocks[2] = bitmap(len(self.inodes) + 1, INODES + 1)
        blocks[3] = bitmap(self.next_zone - self.first + 1, ZONES - self.first + 1)
        table = b"".join(self.inodes.get(n, b"").ljust(32, b"\0") for n in range(1, INODES + 1))
        blocks |= {4 + n: table[at : at + BLOCK] for n, at in enumerate(range(0, len(table), BLOCK))}
        blocks |= self.zones
        return b"".join(blocks.get(n, b"").ljust(BLOCK, b"\0") for n in range(ZONES))


def bitmap(used: int, size: int) -> bytes:
    """The first `used` bits set, and all from `size` on."""
    bits = (1 << used) - 1 | (1 << 8 * BLOCK) - (1 << size)
    return bits.to_bytes(BLOCK, "little")


def image() -> bytes:
    numbers = {"": 1} | {path: n for n, (path, _, _) in enumerate(TREE, 2)}
    modes = {"": DIRECTORY} | {path: mode for path, mode, _ in TREE}
    made = Image()
    for path, number in numbers.items():
        if modes[path] != DIRECTORY:
            made.add(number, modes[path], 1, next(data for name, _, data in TREE if name == path))
            continue
        above = path.rpartition("/")[0]
        inside = [name for name in numbers if name and name.rpartition("/")[0] == path]
        entries = [(".", number), ("..", numbers[above])]
        entries += [(name.rpartition("/")[2], numbers[name]) for name in inside]
        data = b"".join(struct.pack("<H14s", ino, name.encode()) for name, ino in entries)
        below = sum(modes[name] == DIRECTORY for name in inside)
        made.add(number, DIRECTORY, 2 + below, data)
    return made.bytes()


if __name__ == "__main__":
    (HERE / "hda0.img").write_bytes(image())
