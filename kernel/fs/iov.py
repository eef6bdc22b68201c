"""User memory as read, write, readv and writev move through it: Linux's `struct iov_iter`.

Whoever serves a file takes or gives pieces and learns how far user memory could be reached; what a fault in
the middle of a piece means (a short count, EFAULT) is for each kind of file to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel import uaccess
from kernel.abi.errno import Errno
from kernel.abi.files import IOV_MAX, MAX_RW_COUNT
from kernel.abi.structs import Iovec
from kernel.errors import KernelError

if TYPE_CHECKING:
    from kernel.kernel import Kernel


class IovIter:
    """Segments of user memory and a place in them; `count` bytes are left. Lives as long as one call."""

    __slots__ = ("_index", "_offset", "_segments", "count")

    def __init__(self, segments: list[tuple[int, int]]) -> None:
        self._segments = segments
        self._index = 0
        self._offset = 0
        self.count = sum(length for _, length in segments)

    def advance(self, count: int) -> None:
        """Pass over `count` bytes."""
        self.count -= count
        while count:
            left = self._segments[self._index][1] - self._offset
            if count < left:
                self._offset += count
                return
            count -= left
            self._index += 1
            self._offset = 0

    def _piece(self) -> tuple[int, int]:
        """Address and length of what is left of the present segment, empty ones passed over."""
        base, length = self._segments[self._index]
        while length == self._offset:
            self._index += 1
            self._offset = 0
            base, length = self._segments[self._index]
        return base + self._offset, length - self._offset

    def segment(self) -> int:
        """Bytes left of the present segment: what a file that knows no vectors gets at once."""
        return self._piece()[1] if self.count else 0

    def to_page_end(self) -> int:
        """Bytes left of the present segment within its first page."""
        if not self.count:
            return 0
        address, length = self._piece()
        return min(length, 0x1000 - (address & 0xFFF))

    def take(self, k: Kernel, count: int) -> bytes:
        """Up to `count` bytes from user memory; fewer if it could not be reached further."""
        wanted = min(count, self.count)
        parts: list[bytes] = []
        while wanted:
            address, length = self._piece()
            length = min(length, wanted)
            data = uaccess.copy_from_user_partial(k, address, length)
            parts.append(data)
            self.advance(len(data))
            wanted -= len(data)
            if len(data) < length:
                break
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def give(self, k: Kernel, data: bytes) -> int:
        """How many bytes of `data` (not more than `count`) went into user memory."""
        done = 0
        while done < len(data):
            address, length = self._piece()
            piece = data[done : done + length]
            copied = uaccess.copy_to_user_partial(k, address, piece)
            self.advance(copied)
            done += copied
            if copied < len(piece):
                break
        return done


def one_buffer(address: int, count: int) -> IovIter:
    """The buffer of read or write; no call moves more than MAX_RW_COUNT bytes."""
    return IovIter([(address, min(count, MAX_RW_COUNT))])


def import_iovec(k: Kernel, address: int, length: int) -> IovIter:
    """The vector of readv or writev (lib/iov_iter.c). EINVAL for a bad length, its own or in it; EFAULT."""
    if length > IOV_MAX:
        raise KernelError(Errno.EINVAL)
    data = uaccess.copy_from_user(k, address, length * Iovec.SIZE) if length else b""
    segments: list[tuple[int, int]] = []
    total = 0
    for at in range(0, len(data), Iovec.SIZE):
        vector = Iovec.unpack(data, at)
        if vector.iov_len & 0x8000_0000:
            raise KernelError(Errno.EINVAL)
        size = min(vector.iov_len, MAX_RW_COUNT - total)
        segments.append((vector.iov_base, size))
        total += size
    return IovIter(segments)


class KernelIter(IovIter):
    """The same interface over memory of the kernel's own: what sendfile and splice move never sees a program.

    Given `data` to be taken, or room for `size` bytes, which are then in `data`.
    """

    __slots__ = ("data",)

    def __init__(self, data: bytes = b"", size: int = 0) -> None:
        super().__init__([])
        self.data = data
        self.count = len(data) or size

    def advance(self, count: int) -> None:
        self.count -= min(count, self.count)

    def segment(self) -> int:
        return self.count

    def take(self, k: Kernel, count: int) -> bytes:
        at = len(self.data) - self.count
        piece = self.data[at : at + count]
        self.count -= len(piece)
        return piece

    def give(self, k: Kernel, data: bytes) -> int:
        piece = data[: self.count]
        self.data += piece
        self.count -= len(piece)
        return len(piece)
