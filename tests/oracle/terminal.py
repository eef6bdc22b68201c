"""A program on a pseudoterminal of the host, and somebody who types into it: what a shell on the screen is
compared with."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Sequence

from app.state.state import Output, append_output, resize_output
from app.vt.replay import Replay
from tests.oracle import harness

PATIENCE = 20.0


class Native:
    """Runs `argv` on a terminal of `rows` and `columns`."""

    def __init__(self, argv: Sequence[str], rows: int, columns: int, env: dict[str, str]) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("<4H", rows, columns, 0, 0))

        def in_child() -> None:
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            harness.look_like_i386()

        self._process = subprocess.Popen(
            list(argv),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd="/",
            env={**harness.ENVIRONMENT, **env},
            preexec_fn=in_child,
        )
        os.close(slave)
        self._output = Output()
        resize_output(self._output, rows, columns)
        self._heard = 0

    @property
    def screen(self) -> list[str]:
        shown = Replay().follow(self._output).display
        return [line.rstrip() for line in shown if line.strip()]

    def type(self, text: str) -> None:
        self._heard = self._output.total
        os.write(self._master, text.replace("\n", "\r").encode())

    def wait(self, last: str) -> None:
        """Until that is the last line and nothing more comes."""
        end = time.monotonic() + PATIENCE
        while self._read(0.1) or self._output.total == self._heard or self.screen[-1:] != [last]:
            if time.monotonic() > end:
                raise AssertionError((last, self.screen))

    def rest(self) -> None:
        """What is under way has its time."""
        while self._read(0.5):
            pass

    def _read(self, patience: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], patience)
        if not ready:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the last one with the terminal open has gone
            return False
        append_output(self._output, data)
        return bool(data)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)
