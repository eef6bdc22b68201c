"""What the guest has touched of the host, frozen: the one place that the kernel's questions go through.

Each question (`kernel.fs.hostfs.Host`) is answered once, by the source behind the mount, and that answer is
kept for good: going back, running again and playing a recording find it here and never ask the host. A
session file stores the answers; a player has those and no sources.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from kernel.abi.errno import Errno
from kernel.errors import KernelError, Panic
from kernel.fs.hostfs import HostEntry

MAX_FROZEN = 384 << 20
"""Bytes of answers that a machine may have: beyond, EIO."""
MAX_ANSWERS = 1 << 19
OVERHEAD = 256
"""What an answer counts besides its data."""
LISTING = -1


class Source(Protocol):
    """A tree of files outside. Paths as in `kernel.fs.hostfs.Host`; KernelError as the guest gets it."""

    def listing(self, path: str) -> tuple[HostEntry, ...]: ...

    def chunk(self, path: str, index: int) -> bytes: ...


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """Of mount `mount`: `data` is a packed listing of `path` (chunk -1) or a chunk of that file.

    Or there is an `errno` other than 0.
    """

    mount: int
    path: str
    chunk: int
    errno: int
    data: bytes


decode_listing = msgspec.msgpack.Decoder(tuple[HostEntry, ...]).decode


class Frozen:
    """`Host` for a kernel. Without sources only what `answers` has exists."""

    def __init__(self, sources: Sequence[Source] = (), answers: Iterable[Answer] = ()) -> None:
        self._sources = sources
        self.answers: list[Answer] = []
        """All so far, in the order in which they were asked for."""
        self.gone = False
        """What nobody has looked at cannot be read any more, which is an error of the guest's."""
        self._known: dict[tuple[int, str, int], Answer] = {}
        self._listings: dict[tuple[int, str], tuple[HostEntry, ...]] = {}
        self._bytes = 0
        for answer in answers:
            self._keep(answer)

    def listing(self, mount: int, path: str) -> tuple[HostEntry, ...]:
        found = self._listings.get((mount, path))
        if found is None:
            answer = self._known.get((mount, path, LISTING)) or self._ask(mount, path, LISTING)
            if answer.errno:
                raise KernelError(answer.errno)
            found = self._listings[mount, path] = decode_listing(answer.data)
        return found

    def chunk(self, mount: int, path: str, index: int) -> bytes:
        answer = self._known.get((mount, path, index)) or self._ask(mount, path, index)
        if answer.errno:
            raise KernelError(answer.errno)
        return answer.data

    def peek(self, mount: int, path: str, index: int) -> bytes | None:
        answer = self._known.get((mount, path, index))
        return answer.data if answer is not None else None

    def _ask(self, mount: int, path: str, index: int) -> Answer:
        errno, data = 0, b""
        if mount < len(self._sources):
            source = self._sources[mount]
            try:
                if index == LISTING:
                    data = msgspec.msgpack.encode(source.listing(path))
                else:
                    data = source.chunk(path, index)
            except KernelError as error:
                errno = error.errno
        elif self.gone:
            errno = Errno.EIO
        else:
            raise Panic(f"the recording has nothing about {path or '/'} of the directory that was mounted")
        if self._bytes + len(data) > MAX_FROZEN or len(self.answers) >= MAX_ANSWERS:
            errno, data = Errno.EIO, b""
        answer = Answer(mount, path, index, int(errno), data)
        self._keep(answer)
        return answer

    def _keep(self, answer: Answer) -> None:
        self._known[answer.mount, answer.path, answer.chunk] = answer
        self.answers.append(answer)
        self._bytes += len(answer.data) + OVERHEAD
