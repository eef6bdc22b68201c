"""Directories and files of the host below a mount, as far as the guest has touched them.

The kernel knows no host. It asks a port (`Kernel.host`, given by whoever builds the machine) for two things:
what is in a directory, with everything lstat tells, and a chunk of a file's contents. Both are asked for at
the first touch and answered by pure data, keyed by mount, path and chunk; an answer never changes afterwards,
so that running again needs no position for it, and no host.

A directory gets its names at the first look into it, and a block of inode numbers for them. The inode of a
name is made from the listing when it is first needed. From then on both are ordinary inodes of `ramfs`: what
the guest changes is changed there (copy on write), and the host's never.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Protocol

import msgspec

from kernel.abi.errno import Errno
from kernel.errors import KernelError
from kernel.tables import HostListing, HostNode, Inode

if TYPE_CHECKING:
    from kernel.kernel import Kernel

CHUNK = 1 << 18
"""Bytes of a file that are frozen at once."""


class HostEntry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A name in a directory and its lstat. Times in nanoseconds since 1970, `rdev` as `devfs.makedev`.

    `link` tells apart what has several names on the host, '' for what has one. Names and `target` as
    `names.decode_name` gives them.
    """

    name: str
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    nlink: int = 1
    rdev: int = 0
    target: str = ""
    link: str = ""
    atime: int = 0
    ctime: int = 0


class Host(Protocol):
    """The port. `path` is relative to the mount's directory, '' for that itself, without `.` and `..`."""

    def listing(self, mount: int, path: str) -> tuple[HostEntry, ...]:
        """The directory itself (with the name ''), then what is in it. KernelError as the host has it."""

    def chunk(self, mount: int, path: str, index: int) -> bytes:
        """CHUNK bytes from index * CHUNK on of a regular file, fewer at its end. KernelError."""

    def peek(self, mount: int, path: str, index: int) -> bytes | None:
        """The chunk if it has been asked for before: for those who only look."""


class NoHost:
    """The port of a machine without mounts of the host."""

    def listing(self, mount: int, path: str) -> tuple[HostEntry, ...]:
        raise KernelError(Errno.ENOENT)

    def chunk(self, mount: int, path: str, index: int) -> bytes:
        raise KernelError(Errno.ENOENT)

    def peek(self, mount: int, path: str, index: int) -> bytes | None:
        return None


def mount_top(k: Kernel, mount: int, dev: int) -> Inode:
    """The inode of a mount's own directory, its own parent. KernelError if it cannot be listed."""
    entry = k.host.listing(mount, "")[0]
    inode = _make(k, k.new_id(), entry, HostNode(mount, ""), dev)
    inode.parent = inode.ino
    return inode


def list_directory(k: Kernel, inode: Inode) -> None:
    """Fill a directory's entries at the first look into it."""
    host = inode.host
    if host is None or host.listed:
        return
    found = k.host.listing(host.mount, host.path)
    t = k.tables
    first = k.new_id()
    t.next_id += max(len(found) - 2, 0)
    t.listings.append(HostListing(first, len(found) - 1, host.mount, host.path, inode.ino, inode.dev))
    for number, entry in enumerate(found[1:], first):
        known = t.host_links.setdefault(f"{host.mount}:{entry.link}", number) if entry.link else number
        inode.entries[entry.name] = known
    host.listed = True


def make_inode(k: Kernel, ino: int) -> Inode | None:
    """The inode of a number that a listing gave away; None if none did."""
    listing = _listing_of(k, ino)
    if listing is None:
        return None
    entry = _entry(k, listing, ino)
    path = f"{listing.path}/{entry.name}" if listing.path else entry.name
    inode = _make(k, ino, entry, HostNode(listing.mount, path), listing.dev)
    inode.parent = listing.directory
    inode.name = entry.name
    return inode


def entry_of(k: Kernel, ino: int) -> HostEntry | None:
    """What a listing says of an inode that has not been made."""
    listing = _listing_of(k, ino)
    return _entry(k, listing, ino) if listing is not None else None


def _listing_of(k: Kernel, ino: int) -> HostListing | None:
    listings = k.tables.listings
    at = bisect_right(listings, ino, key=lambda listing: listing.first) - 1
    if at < 0 or ino - listings[at].first >= listings[at].count:
        return None
    return listings[at]


def _entry(k: Kernel, listing: HostListing, ino: int) -> HostEntry:
    return k.host.listing(listing.mount, listing.path)[1 + ino - listing.first]


def _make(k: Kernel, ino: int, entry: HostEntry, host: HostNode, dev: int) -> Inode:
    inode = Inode(
        ino,
        entry.mode,
        entry.uid,
        entry.gid,
        max(entry.nlink, 1),
        entry.size,
        entry.rdev,
        entry.mtime - k.tables.epoch,
        entry.atime - k.tables.epoch,
        entry.ctime - k.tables.epoch,
        entry.ctime - k.tables.epoch,
        target=entry.target,
        host=host,
        dev=dev,
    )
    inode.blob_size = entry.size
    inode.atime = inode.ctime = inode.btime = inode.mtime
    k.tables.inodes[ino] = inode
    return inode


def contents(k: Kernel, inode: Inode, host: HostNode, start: int, end: int, peek: bool = False) -> bytes:
    """Bytes of a file as the host has it, within one chunk; with `peek` nothing that was not read before.

    KernelError; what the host's file is shorter than its size was by now is missing.
    """
    index, offset = divmod(start, CHUNK)
    if peek:
        data = k.host.peek(host.mount, host.path, index) or b""
    else:
        data = k.host.chunk(host.mount, host.path, index)
    return data[offset : offset + min(end, inode.blob_size) - start]
