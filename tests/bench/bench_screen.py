"""The screen's speed in a real pseudo-terminal of 200 columns and 60 rows, with nine panes open.

    python -m tests.bench.bench_screen [PROGRAM...]

For each program: from key to painted frame (the time from writing the key until the terminal has been silent
for a moment, that silence subtracted: event loop, engine, panes, Textual and the terminal's bytes included),
what an idle screen costs, and going 1,000 events back where there are so many. Then from start to first paint
and to the first full screen, beside an empty Textual app. All times are on the wall, for a computer that does
nothing else; `cpu` is what the process itself used, which others disturb less.
"""

from __future__ import annotations

import fcntl
import os
import pty
import random
import re
import select
import signal
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path

from app.panes.timeline import LABEL

ROOT = Path(__file__).resolve().parents[2]
COLUMNS, ROWS = 200, 60
SILENCE = 0.06
FIRST_BYTE = 1.0
"""So long may a key take that shows nothing."""
KEYS = b"mmmmmmmmiiiiiissssmmmmiiiiSSMMIIssmmmmmmii.,.,ttTTllLLnnNN]][["
ROUNDS = 3
STARTS = 7
BACKS = 12
IDLE_SECONDS = 5
LIMITS = "wanted: p95 < 20 ms, idle < 2 %, 1,000 events back < 50 ms, first paint <= 2 x an empty app"
PROGRAMS = ("hello", "pipe", "spaces", "signal")
LOOP = "i=0; while [ $i -lt 30 ]; do echo $i | tr 0-9 a-j; i=$((i+1)); done"
LONG = ("/bin/busybox", "sh", "-c", LOOP)
"""Thousands of events: a shell that forks and pipes."""
EMPTY_APP = "from textual.app import App\nfrom textual.widgets import Static\n"
EMPTY_APP += "class A(App):\n    def compose(self):\n        yield Static('ready now')\nA().run()\n"


class Screen:
    """A program in a pseudo-terminal of its own, with nothing remembered from earlier runs."""

    def __init__(self, *command: str) -> None:
        self.state = tempfile.TemporaryDirectory(prefix="int80-bench-")
        self.began = time.perf_counter()
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.chdir(ROOT)
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", PYTHONPATH=str(ROOT))
            os.environ["XDG_STATE_HOME"] = self.state.name
            for name in ("NO_COLOR", "PYTHONDONTWRITEBYTECODE"):  # nobody compiles everything each time
                os.environ.pop(name, None)
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
            os.execv(sys.executable, [sys.executable, *command])
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.seen = b""

    def wait_for(self, text: bytes, limit: float = 20.0) -> float:
        """Seconds from the start until `text` was written."""
        while time.perf_counter() - self.began < limit:
            if text in self.seen:
                return time.perf_counter() - self.began
            if select.select([self.fd], [], [], 0.5)[0]:
                self.seen += os.read(self.fd, 65536)
        raise TimeoutError(f"{text!r} never came")

    def press(self, keys: bytes, silence: float = SILENCE) -> tuple[float, int]:
        """Seconds until the last byte of what keys make, and how many bytes that is."""
        began = last = time.perf_counter()
        os.write(self.fd, keys)
        self.seen = b""
        while select.select([self.fd], [], [], silence if self.seen else max(silence, FIRST_BYTE))[0]:
            self.seen += os.read(self.fd, 1 << 20)
            last = time.perf_counter()
        return last - began, len(self.seen)

    def click(self, column: int, line: int) -> tuple[float, int]:
        """As `press`, for the mouse's button; both count from 0."""
        place = f"0;{column + 1};{line + 1}"
        return self.press(f"\x1b[<{place}M\x1b[<{place}m".encode(), 0.2)

    def resident(self) -> float:
        """MiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    def cpu_seconds(self) -> float:
        """Of the processor, to the nanosecond where the kernel tells so."""
        return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[0]) / 1e9

    def close(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)
        self.state.cleanup()


def percentile(values: list[float], part: float) -> float:
    return sorted(values)[min(int(len(values) * part), len(values) - 1)]


def spread(values: list[float]) -> str:
    return (
        f"p50 {percentile(values, 0.5):6.1f} ms   p95 {percentile(values, 0.95):6.1f} ms   "
        f"worst {max(values):6.1f} ms"
    )


def opened(*program: str) -> Screen:
    screen = Screen("-m", "app.cli", "run", *program)
    screen.wait_for(b"paused")
    screen.press(b"", 0.5)
    return screen


def frames(program: str) -> None:
    screen = opened(program)
    times: list[float] = []
    cpu: list[float] = []
    by_key: dict[str, list[float]] = {}
    sizes = []
    for _ in range(ROUNDS):
        for key in KEYS:
            before = screen.cpu_seconds()
            taken, size = screen.press(bytes((key,)))
            if size:
                times.append(taken * 1000)
                cpu.append((screen.cpu_seconds() - before) * 1000)
                by_key.setdefault(chr(key), []).append(taken * 1000)
                sizes.append(size)
    before, began = screen.cpu_seconds(), time.perf_counter()
    screen.press(b"", IDLE_SECONDS)
    idle = (screen.cpu_seconds() - before) / (time.perf_counter() - began)
    print(f"{program:<9} frame  {spread(times)}   {len(times)} keys, {sum(sizes) // len(sizes)} bytes each")
    print(f"{'':<9}   cpu  {spread(cpu)}")
    slow = sorted(by_key, key=lambda key: -percentile(by_key[key], 0.5))[:6]
    print(f"{'':<9}   slowest keys  " + "  ".join(f"{k} {percentile(by_key[k], 0.5):.1f}" for k in slow))
    print(f"{'':<9} idle   {idle * 100:.2f} % of a CPU   resident {screen.resident():.0f} MiB")
    screen.close()


def place(seen: bytes) -> int:
    """The event that the timeline's title names."""
    return int(re.findall(rb"event ([\d,]+) of", seen)[-1].replace(b",", b""))


def back(*program: str) -> None:
    """To the end, then each time from somewhere 1,000 events back, places never seen before."""
    screen = opened(*program)
    screen.press(b"c", 2.0)
    screen.press(b",", 0.5)
    length = place(screen.seen)
    rng = random.Random(1)
    columns = COLUMNS - 2 - LABEL
    far = -(-1000 * columns // length)
    times: list[float] = []
    for _ in range(BACKS):
        start = rng.randrange(far, columns)
        places = []
        for column in (start, start - far):
            taken, _ = screen.click(1 + LABEL + column, ROWS - 3)
            places.append(place(screen.seen))
        if places[0] - places[1] < 1000:
            raise RuntimeError(f"went from {places[0]} to {places[1]}")
        times.append(taken * 1000)
    print(
        f"{program[0].rsplit('/', 1)[-1]:<9} back   {spread(times)}   1,000 of {length} events, {BACKS} times"
    )
    screen.close()


def starts(program: str) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(EMPTY_APP)
        file.flush()
        first: dict[str, float] = {}
        for name, command, text in (
            ("empty Textual app", (file.name,), b"ready now"),
            ("int80, first paint", ("-m", "app.cli", "run", program), b"instruction"),
            ("int80, all panes", ("-m", "app.cli", "run", program), b"paused"),
        ):
            times = []
            for _ in range(STARTS + 1):
                screen = Screen(*command)
                times.append(screen.wait_for(text) * 1000)
                screen.close()
            first[name] = percentile(times[1:], 0.5)  # the first one may have had to compile
            empty = first["empty Textual app"]
            print(f"start     {first[name]:6.0f} ms  {first[name] / empty:4.1f} x  {name}")


if __name__ == "__main__":
    chosen = sys.argv[1:] or list(PROGRAMS)
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}; {LIMITS}")
    for one in chosen:
        frames(one)
    back(*LONG)
    starts(chosen[0])
