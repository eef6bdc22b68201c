"""A Minix file system on the disk, to be read (linux/minix_fs.h: version 1, names of 14 or 30 characters).

Mounting reads the superblock, all inodes that are named, and the directories, through the disk's page cache:
whoever mounts sleeps until they are there. Opening a file asks for its zones in the same way. From then on
its inode is an ordinary one of `ramfs` whose first contents lie in the disk's pages. Nothing is written to
it: such a mount is read-only.
"""

from __future__ import annotations

from struct import unpack, unpack_from
from typing import TYPE_CHECKING, NamedTuple

from kernel.abi.errno import Errno
from kernel.abi.files import MS_RDONLY, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG
from kernel.errors import KernelError
from kernel.fs import disk, mounts, ramfs
from kernel.fs.names import decode_name
from kernel.tables import FileSystem, Inode

if TYPE_CHECKING:
    from kernel.kernel import Kernel

BLOCK = ramfs.ZONE
MAGIC = {0x137F: 14, 0x138F: 30}
"""To how long a name can be."""
INODE_SIZE = 32
DIRECT = 7
PER_BLOCK = BLOCK // 2
ROOT = 1


class Super(NamedTuple):
    """What counts of the superblock."""

    inodes: int
    zones: int
    table: int
    """First block of the inodes."""
    first_zone: int
    name_length: int


class Node(NamedTuple):
    """An inode as it is on the disk, with all its zones (0: a hole), and what is in a directory or link."""

    mode: int
    uid: int
    gid: int
    size: int
    time: int
    links: int
    zones: list[int]
    data: bytes


def mount(k: Kernel, source: str, flags: int) -> FileSystem:
    """The file system on the disk. EINVAL where there is none, or a damaged one. Blocked while it is read."""
    found = _super(k)
    nodes: dict[int, Node] = {}
    names: dict[int, dict[str, int]] = {}
    waiting = [ROOT]
    while waiting:
        number = waiting.pop()
        if number in nodes:
            continue
        nodes[number] = _node(k, found, number)
        if nodes[number].mode & S_IFMT == S_IFDIR:
            names[number] = _entries(nodes[number].data, found)
            waiting += names[number].values()
    if nodes[ROOT].mode & S_IFMT != S_IFDIR:
        raise KernelError(Errno.EINVAL)
    made = mounts.new_filesystem(k, "minix", source, flags | MS_RDONLY)
    inodes = {number: _make(k, node, made.dev) for number, node in nodes.items()}
    inodes[ROOT].parent = inodes[ROOT].ino
    for number, inside in names.items():
        for name, below in inside.items():
            inodes[number].entries[name] = inodes[below].ino
            if below != ROOT:
                inodes[below].parent, inodes[below].name = inodes[number].ino, name
    made.root = inodes[ROOT].ino
    return made


def _super(k: Kernel) -> Super:
    inodes, zones, imap, zmap, first, log_size, _max, magic = unpack("<HHHHHHIH", disk.content(k, BLOCK, 18))
    table = 2 + imap + zmap
    if magic not in MAGIC or log_size or not inodes or first < table or zones <= first:
        raise KernelError(Errno.EINVAL)
    return Super(inodes, zones, table, first, MAGIC[magic])


def _node(k: Kernel, found: Super, number: int) -> Node:
    if not 0 < number <= found.inodes:
        raise KernelError(Errno.EINVAL)
    data = disk.content(k, found.table * BLOCK + (number - 1) * INODE_SIZE, INODE_SIZE)
    mode, uid, size, time, gid, links, *slots = unpack("<HHIIBB9H", data)
    kind = mode & S_IFMT
    if kind not in (S_IFREG, S_IFDIR, S_IFLNK):
        size, slots = 0, [0] * 9
    count = -(-size // BLOCK)
    if count > DIRECT + PER_BLOCK + PER_BLOCK**2 or (kind != S_IFREG and count > PER_BLOCK):
        raise KernelError(Errno.EINVAL)
    zones = slots[:DIRECT]
    if count > DIRECT:
        zones += _indirect(k, found, slots[7])
    if count > DIRECT + PER_BLOCK:
        for zone in _indirect(k, found, slots[8])[: -(-(count - DIRECT - PER_BLOCK) // PER_BLOCK)]:
            zones += _indirect(k, found, zone)
    zones = zones[:count]
    if any(zone and not found.first_zone <= zone < found.zones for zone in zones):
        raise KernelError(Errno.EINVAL)
    text = b"" if kind == S_IFREG else b"".join(_zone(k, found, zone) for zone in zones)[:size]
    return Node(mode, uid, gid, size, time, max(links, 1), zones, text)


def _zone(k: Kernel, found: Super, number: int) -> bytes:
    if not number:
        return bytes(BLOCK)
    if not found.first_zone <= number < found.zones:
        raise KernelError(Errno.EINVAL)
    return disk.content(k, number * BLOCK, BLOCK)


def _indirect(k: Kernel, found: Super, number: int) -> list[int]:
    return list(unpack(f"<{PER_BLOCK}H", _zone(k, found, number)))


def _entries(data: bytes, found: Super) -> dict[str, int]:
    """Names but `.` and `..`; what is no name is left out."""
    size = found.name_length + 2
    out: dict[str, int] = {}
    for at in range(0, len(data) - size + 1, size):
        number = unpack_from("<H", data, at)[0]
        name = data[at + 2 : at + size].partition(b"\0")[0]
        if number and name not in (b"", b".", b"..") and b"/" not in name:
            out[decode_name(name)] = number
    return out


def _make(k: Kernel, node: Node, dev: int) -> Inode:
    inode = ramfs.new_inode(k, node.mode, node.uid, node.gid, dev=dev)
    inode.size, inode.nlink = node.size, node.links
    inode.atime = inode.mtime = inode.ctime = inode.btime = node.time * 10**9 - k.tables.epoch
    if node.mode & S_IFMT == S_IFLNK:
        inode.target = decode_name(node.data.partition(b"\0")[0])
    elif node.mode & S_IFMT == S_IFREG:
        inode.zones, inode.blob_size = node.zones, node.size
    return inode
