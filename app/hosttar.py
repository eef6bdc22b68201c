"""A tar file as a source of files: what unpacking it would give, without unpacking it.

It is only ever read; a compressed one is decompressed once, into a nameless temporary file. Names are taken
as they are, apart from a leading `/` or `./`; `..` is refused. A member below a symbolic link to another
directory of the tar lands there, as it would when unpacked (`bin` -> `usr/bin`).
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import tarfile
import tempfile
import weakref
import zlib
from typing import IO, cast

import zstandard

from kernel.abi.errno import Errno
from kernel.abi.files import MAXSYMLINKS
from kernel.errors import KernelError
from kernel.fs.devfs import makedev
from kernel.fs.hostfs import CHUNK, HostEntry
from kernel.fs.names import decode_name, encode_name

MAX_BYTES = 8 << 30
"""What a compressed one may decompress to."""
MAX_MEMBERS = 1_000_000
_BLOCK = 1 << 20
_DAMAGED = (zlib.error, lzma.LZMAError, zstandard.ZstdError)
_TYPES = {
    tarfile.DIRTYPE: stat.S_IFDIR,
    tarfile.SYMTYPE: stat.S_IFLNK,
    tarfile.CHRTYPE: stat.S_IFCHR,
    tarfile.BLKTYPE: stat.S_IFBLK,
    tarfile.FIFOTYPE: stat.S_IFIFO,
}


class BadTar(Exception):
    """Not a tar file that can be used; the text says why."""


class _Node:
    """A file in the tree. Names of one file share the node."""

    def __init__(self, number: int, mode: int, member: tarfile.TarInfo | None) -> None:
        self.number = number
        self.mode = mode
        self.member = member
        self.nlink = 1
        self.children: dict[str, _Node] = {}

    @property
    def is_dir(self) -> bool:
        return stat.S_ISDIR(self.mode)


class HostTar:
    """The tree in the tar file `path`. OSError, or BadTar."""

    def __init__(self, path: str) -> None:
        self._count = 0
        self._top = self._node(stat.S_IFDIR | 0o755, None)
        file = open(path, "rb")  # noqa: SIM115 - as long as this is used
        weakref.finalize(self, file.close)
        try:
            plain = _plain(file)
            weakref.finalize(self, plain.close)
            self._tar = tarfile.open(fileobj=plain, mode="r:")  # noqa: SIM115
            for member in self._tar:
                self._add(member)
        except (tarfile.TarError, EOFError, ValueError, OverflowError, *_DAMAGED) as error:
            raise BadTar(f"not a tar file that can be read: {error}") from None

    def listing(self, path: str) -> tuple[HostEntry, ...]:
        node = self._find(path)
        if not node.is_dir:
            raise KernelError(Errno.ENOTDIR)
        return (self._entry("", node), *(self._entry(name, one) for name, one in node.children.items()))

    def chunk(self, path: str, index: int) -> bytes:
        node = self._find(path)
        if not stat.S_ISREG(node.mode) or node.member is None:
            raise KernelError(Errno.EIO)
        try:
            file = self._tar.extractfile(node.member)
            if file is None:
                raise KernelError(Errno.EIO)
            file.seek(index * CHUNK)
            return file.read(CHUNK)
        except (OSError, tarfile.TarError):
            raise KernelError(Errno.EIO) from None

    # The tree.

    def _node(self, mode: int, member: tarfile.TarInfo | None) -> _Node:
        self._count += 1
        if self._count > MAX_MEMBERS:
            raise BadTar(f"more than {MAX_MEMBERS} members")
        return _Node(self._count, mode, member)

    def _add(self, member: tarfile.TarInfo) -> None:
        names = _names(member.name)
        if not names:
            if member.isdir():
                self._top.mode, self._top.member = stat.S_IFDIR | member.mode & 0o7777, member
            return
        parent = self._directory(names[:-1])
        name = names[-1]
        if member.islnk():
            way = _names(member.linkname) or [""]
            target = self._directory(way[:-1]).children.get(way[-1])
            if target is None or target.is_dir:
                raise BadTar(f"{_shown(member.name)} links to {_shown(member.linkname)}, which is not there")
            target.nlink += 1
            parent.children[name] = target
            return
        kind = stat.S_IFREG if member.isreg() else _TYPES.get(member.type)
        if kind is None:
            return  # what other systems have besides
        old = parent.children.get(name)
        if old is not None and old.is_dir and kind == stat.S_IFDIR:
            old.mode, old.member = kind | member.mode & 0o7777, member
        elif old is None or not old.is_dir:
            parent.children[name] = self._node(kind | member.mode & 0o7777, member)

    def _directory(self, names: list[str]) -> _Node:
        """Where a member belongs: directories that the tar has not mentioned are made."""
        way = [self._top]
        pending = names[::-1]
        links = 0
        while pending:
            name = pending.pop()
            if name == "..":
                way = way[:-1] or [self._top]
                continue
            node = way[-1].children.get(name)
            if node is None:
                node = way[-1].children[name] = self._node(stat.S_IFDIR | 0o755, None)
            if stat.S_ISLNK(node.mode) and node.member is not None:
                links += 1
                target = node.member.linkname
                if links > MAXSYMLINKS:
                    raise BadTar(f"{_shown(name)} leads nowhere: too many links")
                if target.startswith("/"):
                    way = [self._top]
                pending += [part for part in _decoded(target).split("/")[::-1] if part not in ("", ".")]
                continue
            if not node.is_dir:
                raise BadTar(f"{_shown(name)} is no directory but has members")
            way.append(node)
        return way[-1]

    def _find(self, path: str) -> _Node:
        node = self._top
        for name in path.split("/") if path else ():
            found = node.children.get(name)
            if found is None:
                raise KernelError(Errno.ENOENT)
            node = found
        return node

    def _entry(self, name: str, node: _Node) -> HostEntry:
        member = node.member
        if member is None:
            return HostEntry(name, node.mode, 0, 0, 4096, 0, 2)
        time = max(-(1 << 62), min(int(member.mtime * 1_000_000_000), 1 << 62))
        target = _decoded(member.linkname) if member.issym() else ""
        size = len(encode_name(target)) if target else member.size if member.isreg() else 0
        folders = sum(1 for one in node.children.values() if one.is_dir)
        return HostEntry(
            name,
            node.mode,
            member.uid & 0xFFFF_FFFF,
            member.gid & 0xFFFF_FFFF,
            4096 if node.is_dir else max(size, 0),
            time,
            2 + folders if node.is_dir else node.nlink,
            makedev(member.devmajor & 0xFFF, member.devminor & 0xFFFFF) if member.isdev() else 0,
            target,
            str(node.number) if node.nlink > 1 else "",
            time,
            time,
        )


def _plain(file: IO[bytes]) -> IO[bytes]:
    """The tar itself, whatever it is compressed with."""
    head = file.read(6)
    file.seek(0)
    stream: IO[bytes]
    if head.startswith(b"\x1f\x8b"):
        stream = cast("IO[bytes]", gzip.GzipFile(fileobj=file))
    elif head.startswith(b"BZh"):
        stream = cast("IO[bytes]", bz2.BZ2File(file))
    elif head.startswith(b"\xfd7zXZ\0"):
        stream = cast("IO[bytes]", lzma.LZMAFile(file))  # noqa: SIM115
    elif head.startswith(b"\x28\xb5\x2f\xfd"):
        unpacker = zstandard.ZstdDecompressor(max_window_size=1 << 27)
        stream = cast("IO[bytes]", unpacker.stream_reader(file))
    else:
        return file
    out = cast("IO[bytes]", tempfile.TemporaryFile(prefix="int80-"))  # noqa: SIM115
    size = 0
    try:
        while block := stream.read(_BLOCK):
            size += len(block)
            if size > MAX_BYTES:
                raise BadTar(f"it decompresses to more than {MAX_BYTES >> 30} GiB")
            out.write(block)
    except BaseException:
        out.close()
        raise
    out.seek(0)
    return out


def _decoded(text: str) -> str:
    return decode_name(text.encode("utf-8", "surrogateescape"))


def _names(path: str) -> list[str]:
    names = [name for name in _decoded(path).split("/") if name not in ("", ".")]
    if ".." in names:
        raise BadTar(f"a member is called {_shown(path)}")
    return names


def _shown(text: str) -> str:
    return ascii(text)[:100]
