"""How `kernel/capture.py` packs what is more than one piece of memory: each encoding with its decoder.

Plain NamedTuples with `encode` and `decode`; the log keeps the bytes, `app/strace` reads them.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from kernel.abi.structs import SIZES

SHOWN = 32
"""Bytes of a string, and elements of an array, that a trace shows (strace's `-s 32`)."""
TEXT = SHOWN + 1
"""Bytes that are taken of a string: one more than is shown tells that there is more."""


class Extent(NamedTuple):
    """How much is taken: bytes of a string that will be shown, and whether arrays are taken whole."""

    shown: int = SHOWN
    whole: bool = False

    @property
    def text(self) -> int:
        """Bytes of a string."""
        return self.shown + 1

    @property
    def elements(self) -> int:
        """Elements of an array."""
        return _WHOLE if self.whole else self.shown + 1


PLAIN = Extent()
"""What the log has."""
_WHOLE = 1 << 16

_WORD = Struct("<I")
_PAIR = Struct("<II")


def _sized(data: bytes) -> bytes:
    """With its length in front: a byte, or for what only an extent beyond `PLAIN` takes `#` and a word."""
    return (bytes((len(data),)) if len(data) < ord("#") else b"#" + _WORD.pack(len(data))) + data


def _extent_of(data: bytes, at: int) -> tuple[int, int]:
    """Where what `_sized` packed begins and ends."""
    if data[at] != ord("#"):
        return at + 1, at + 1 + data[at]
    if at + 5 > len(data):
        return len(data), len(data)
    return at + 5, at + 5 + int(_WORD.unpack_from(data, at + 1)[0])


class Strings(NamedTuple):
    """An `argv`: each element its text, or its address where that cannot be read; `more` of them may
    follow."""

    items: tuple[bytes | int, ...]
    more: bool

    def encode(self) -> bytes:
        parts = [b"@" + _WORD.pack(item) if isinstance(item, int) else _sized(item) for item in self.items]
        return (b"+" if self.more else b".") + b"".join(parts)

    @classmethod
    def decode(cls, data: bytes) -> Strings:
        items: list[bytes | int] = []
        at = 1
        while at < len(data):
            length = data[at]
            if length == ord("@"):
                items.append(_WORD.unpack_from(data, at + 1)[0])
                at += 5
            else:
                at, end = _extent_of(data, at)
                items.append(data[at:end])
                at = end
        return cls(tuple(items), data[:1] == b"+")


class Vector(NamedTuple):
    """One `iovec`: address, length, and the first bytes there (None where they cannot be read)."""

    base: int
    length: int
    data: bytes | None

    def encode(self) -> bytes:
        head = _PAIR.pack(self.base, self.length)
        return head + (b"\xff" if self.data is None else _sized(self.data))

    @classmethod
    def decode_all(cls, data: bytes) -> list[Vector]:
        vectors: list[Vector] = []
        at = 0
        while at + 9 <= len(data):
            base, length = _PAIR.unpack_from(data, at)
            at += 8
            if data[at] == 0xFF:
                vectors.append(cls(base, length, None))
                at += 1
            else:
                at, end = _extent_of(data, at)
                vectors.append(cls(base, length, data[at:end]))
                at = end
        return vectors


class Message(NamedTuple):
    """A `msghdr` (28 bytes) with name, vectors (as `Vector`s) and control data, each None where it is not
    there."""

    header: bytes
    name: bytes | None
    vectors: bytes | None
    control: bytes | None

    def encode(self) -> bytes:
        parts = (self.name, self.vectors, self.control)
        return self.header + b"".join(map(_part, parts))

    @classmethod
    def decode(cls, data: bytes) -> Message:
        size = SIZES["msghdr"]
        parts: list[bytes | None] = []
        at = size
        for _ in range(3):
            length = int.from_bytes(data[at : at + 2], "little")
            at += 2
            if length == _NO_PART:
                parts.append(None)
                continue
            if length == _LONG_PART:
                length = int.from_bytes(data[at : at + 4], "little")
                at += 4
            parts.append(data[at : at + length])
            at += length
        return cls(data[:size], *parts)


_NO_PART, _LONG_PART = 0xFFFF, 0xFFFE


def _part(part: bytes | None) -> bytes:
    """With its length in front: two bytes, or 0xFFFE and four, which only an extent beyond `PLAIN` needs."""
    if part is None:
        return _NO_PART.to_bytes(2, "little")
    if len(part) < _LONG_PART:
        return len(part).to_bytes(2, "little") + part
    return _LONG_PART.to_bytes(2, "little") + len(part).to_bytes(4, "little") + part


class Messages(NamedTuple):
    """One of several messages (`struct mmsghdr`), and how many bytes of it were sent or received."""

    message: Message
    length: int

    def encode(self) -> bytes:
        data = self.message.encode()
        return _PAIR.pack(len(data), self.length) + data

    @classmethod
    def decode_all(cls, data: bytes) -> list[Messages]:
        found: list[Messages] = []
        at = 0
        while at + 8 <= len(data):
            size, length = _PAIR.unpack_from(data, at)
            at += 8
            found.append(cls(Message.decode(data[at : at + size]), length))
            at += size
        return found


def count(data: bytes) -> int:
    """The number that stands for an `envp` (how many variables) or for directory entries."""
    return int(_WORD.unpack_from(data)[0])
