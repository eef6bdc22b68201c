"""The host's side of a run without a screen: its descriptors 0-2, its clock, its signals.

Output leaves the machine by events; input enters it as recorded inputs. Nothing else crosses.
"""

from __future__ import annotations

import fcntl
import os
import select
import stat
import sys
import time
from collections.abc import Callable
from types import TracebackType

from cpu.bus import Sink
from kernel.events import StreamWritten, TerminalWritten
from kernel.fs.setup import ACCESS_AT
from kernel.kernel import Halted, Idle, Input, Kernel

SLICE = 2_000_000
"""Ticks between two looks at the host."""
NO_INPUT = b""
PIECE = 65536
"""Bytes taken from the host at once: what a pipe holds."""
FILE_PIECE = 4 << 20
"""The same where it is a file, of which the guest keeps all: few large pieces, as each is a copy."""


class TimedOut(Exception):
    """--timeout is over."""


class OutputFailed(Exception):
    """What the guest wrote cannot be written on the host; the text says where and why."""


class Deadlocked(Exception):
    """All processes sleep and nothing can wake any of them."""


def descriptor_modes() -> tuple[int, int, int] | None:
    """What the guest finds on its descriptors 0-2: 0 for a terminal, else st_mode and how it is open."""
    modes = []
    for fd in range(3):
        try:
            mode = os.fstat(fd).st_mode
            access = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE
            modes.append(0 if os.isatty(fd) else mode | access + 1 << ACCESS_AT)
        except OSError:  # closed: like /dev/null that can only be read
            modes.append(stat.S_IFCHR | 0o666 | os.O_RDONLY + 1 << ACCESS_AT)
    if not any(modes):
        return None
    return modes[0], modes[1], modes[2]


def terminal_size() -> tuple[int, int]:
    """Rows and columns of the terminal the command runs on, 24 and 80 where there is none."""
    for fd in range(3):
        try:
            size = os.get_terminal_size(fd)
        except OSError:
            continue
        return size.lines or 24, size.columns or 80
    return 24, 80


def output_to_host(then: Sink | None = None) -> Sink:
    """A sink that writes what the guest writes to the host's descriptors, and passes all on to `then`."""

    def sink(tick: int, pid: int, event: object) -> None:
        if type(event) is StreamWritten:
            write_all(event.stream, event.data)
        elif type(event) is TerminalWritten:
            write_all(1, event.data)
        if then is not None:
            then(tick, pid, event)

    return sink


def write_all(fd: int, data: bytes) -> None:
    """Raises BrokenPipeError, or OutputFailed where it cannot be written for another reason."""
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BrokenPipeError:
            raise
        except BlockingIOError:
            select.select([], [fd], [])
        except OSError as error:
            name = {1: "standard output", 2: "standard error"}.get(fd, f"descriptor {fd}")
            raise OutputFailed(f"{name}: {(error.strerror or str(error)).lower()}") from None


class RawTerminal:
    """The host's terminal hands every key on as it is; the guest's line discipline does the rest."""

    def __init__(self) -> None:
        self._kept: list[object] | None = None

    def __enter__(self) -> RawTerminal:
        if os.isatty(0):
            import termios
            import tty

            self._kept = termios.tcgetattr(0)
            tty.setraw(0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._kept is not None:
            import termios

            termios.tcsetattr(0, termios.TCSADRAIN, self._kept)  # type: ignore[arg-type]


class Driver:
    """Runs a kernel to its end against the host. `on_input` is told each input that was given."""

    def __init__(
        self,
        kernel: Kernel,
        timeout: float | None = None,
        on_input: Callable[[Input], None] | None = None,
        step: Callable[[int], Idle | Halted | None] | None = None,
    ) -> None:
        self.kernel = kernel
        self._step = step or kernel.step
        self.deadline = time.monotonic() + timeout if timeout else None
        self.on_input = on_input
        self.between: Callable[[], None] | None = None
        """Called now and then between two slices."""
        self._ended = False
        terminal = not kernel.start.modes or not kernel.start.modes[0]
        self._device = "tty" if terminal else "stream"
        regular = kernel.start.modes is not None and stat.S_ISREG(kernel.start.modes[0])
        self._piece = FILE_PIECE if regular else PIECE
        self._queue = f"{self._device}:0"

    def run(self) -> int:
        """Until no program is left; the first one's status as wait4 gives it."""
        kernel = self.kernel
        waiting = kernel.tables.waiting
        core = kernel.core
        looked = 0
        while True:
            for _ in range(64):
                outcome = self._step(core.ticks + SLICE)
                if outcome is not None:
                    break
                if waiting and self._queue in waiting and core.ticks != looked:
                    looked = core.ticks
                    self._read_host(0.0)
            if self.deadline is not None and time.monotonic() > self.deadline:
                raise TimedOut
            if self.between is not None:
                self.between()
            if isinstance(outcome, Halted):
                return outcome.status
            if isinstance(outcome, Idle):
                self._idle(outcome)

    def _idle(self, idle: Idle) -> None:
        """All sleep: wait for the host if somebody wants to read, else let time jump."""
        kernel = self.kernel
        person = self._device == "tty"
        reading = person or self._queue in kernel.tables.waiting
        if not reading or self._ended:
            if idle.until < 0:
                raise Deadlocked
            kernel.pass_time(idle.until)
            return
        begun = time.monotonic()
        patience = None if idle.until < 0 else (idle.until - kernel.now) / 1e9
        if self.deadline is not None:
            left = max(0.0, self.deadline - begun)
            patience = left if patience is None else min(patience, left)
        arrived = self._read_host(patience)
        if not arrived and patience is not None:
            kernel.pass_time(kernel.now + int((time.monotonic() - begun) * 1e9) + 1)

    def _read_host(self, patience: float | None) -> bool:
        """Give the guest what is there on descriptor 0 within `patience` seconds (None: wait)."""
        if self._ended:
            return False
        data = self.read_piece(patience)
        if data is None:
            return False
        if data == NO_INPUT:
            self._ended = True
        one = Input(self.kernel.input_tick, self._device, 0, data)
        if self.on_input is not None:
            self.on_input(one)
        self.kernel.give_input(one)
        return True

    def read_piece(self, patience: float | None) -> bytes | None:
        """What is there on descriptor 0 within `patience` seconds, NO_INPUT at its end; None for nothing."""
        try:
            ready, _, _ = select.select([0], [], [], patience)
            return os.read(0, self._piece) if ready else None
        except (OSError, ValueError):  # closed
            return NO_INPUT


def exit_code(status: int) -> int:
    """A wait status as a shell's `$?`."""
    if status < 0:
        return 1
    return 128 + (status & 0x7F) if status & 0x7F else status >> 8 & 0xFF


def complain(text: str) -> None:
    """One clear line on standard error."""
    line = " ".join(text.split())
    print(f"int80: {line}", file=sys.stderr)
