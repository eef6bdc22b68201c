"""The screen's speed in a real pseudo-terminal: from key to painted frame, from start to first paint.

    python -m tests.bench.bench_screen [PROGRAM]

Prints one line per number. `frame` is the time from writing the key until the terminal has been silent for a
moment (that silence subtracted): event loop, engine, panes, Textual and the terminal's bytes included.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COLUMNS, ROWS = 200, 60
SILENCE = 0.06
KEYS = b"mmmmmmmmiiiiiissssmmmmiiiiSSMMIIssmmmmmmii.,.,ttTT"
ROUNDS = 4
STARTS = 5
EMPTY_APP = "from textual.app import App\nfrom textual.widgets import Static\n"
EMPTY_APP += "class A(App):\n    def compose(self):\n        yield Static('ready now')\nA().run()\n"


class Screen:
    """A program in a pseudo-terminal of its own."""

    def __init__(self, *command: str) -> None:
        self.began = time.perf_counter()
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.chdir(ROOT)
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", PYTHONPATH=str(ROOT))
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
            os.execv(sys.executable, [sys.executable, *command])
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))

    def wait_for(self, text: bytes, limit: float = 20.0) -> float:
        """Seconds from the start until `text` was written."""
        seen = b""
        while time.perf_counter() - self.began < limit:
            if select.select([self.fd], [], [], 0.5)[0]:
                seen += os.read(self.fd, 65536)
                if text in seen:
                    return time.perf_counter() - self.began
        raise TimeoutError(f"{text!r} never came")

    def press(self, key: bytes) -> tuple[float, int]:
        """Seconds until the last byte of what a key makes, and how many bytes that is."""
        began = last = time.perf_counter()
        os.write(self.fd, key)
        count = 0
        while select.select([self.fd], [], [], SILENCE)[0]:
            count += len(os.read(self.fd, 1 << 20))
            last = time.perf_counter()
        return last - began, count

    def resident(self) -> float:
        """MiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def percentile(values: list[float], part: float) -> float:
    return sorted(values)[min(int(len(values) * part), len(values) - 1)]


def frames(program: str) -> None:
    screen = Screen("-m", "app.cli", "run", program)
    screen.wait_for(b"instruction")
    time.sleep(0.5)
    screen.press(b"m")
    times, sizes = [], []
    for _ in range(ROUNDS):
        for key in KEYS:
            taken, size = screen.press(bytes((key,)))
            if size:
                times.append(taken * 1000)
                sizes.append(size)
    before, began = screen.cpu_seconds(), time.perf_counter()
    time.sleep(3)
    idle = (screen.cpu_seconds() - before) / (time.perf_counter() - began)
    median, p95 = percentile(times, 0.5), percentile(times, 0.95)
    print(f"frame     median {median:6.1f} ms   p95 {p95:6.1f} ms   worst {max(times):6.1f} ms")
    print(f"          {len(times)} keys, {sum(sizes) // len(sizes)} bytes each")
    print(f"idle      {idle * 100:.1f} % of a CPU")
    print(f"resident  {screen.resident():.0f} MiB")
    screen.close()


def starts(program: str) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(EMPTY_APP)
        file.flush()
        for name, command, text in (
            ("empty Textual app", (file.name,), b"ready now"),
            ("int80", ("-m", "app.cli", "run", program), b"instruction"),
        ):
            times = []
            for _ in range(STARTS):
                screen = Screen(*command)
                times.append(screen.wait_for(text) * 1000)
                screen.close()
            print(f"start     {percentile(times, 0.5):6.0f} ms  {name}")


if __name__ == "__main__":
    chosen = sys.argv[1] if len(sys.argv) > 1 else "hello"
    starts(chosen)
    frames(chosen)
