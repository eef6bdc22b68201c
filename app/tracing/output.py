"""A file of the host that a trace or export is written to: what goes wrong with it is one line, not a bug."""

from __future__ import annotations

import io
from typing import BinaryIO, TextIO

from app.host import OutputFailed


class _File(io.FileIO):
    """Raises OutputFailed once; what is written after that is lost."""

    _failed = False

    def write(self, data: object) -> int:
        size = len(memoryview(data).cast("B"))  # type: ignore[arg-type]
        if self._failed:
            return size
        try:
            return super().write(data)  # type: ignore[arg-type]
        except BrokenPipeError:
            self._failed = True
            raise
        except OSError as error:
            self._failed = True
            raise OutputFailed(f"{self.name}: {(error.strerror or str(error)).lower()}") from None


def open_output(path: str) -> TextIO:
    """Raises OutputFailed, also when it is written to."""
    return io.TextIOWrapper(open_binary(path), encoding="utf-8", errors="replace")


def open_binary(path: str) -> BinaryIO:
    """The same for bytes."""
    try:
        raw = _File(path, "w")
    except OSError as error:
        raise OutputFailed(f"{path}: {(error.strerror or str(error)).lower()}") from None
    return io.BufferedWriter(raw)
