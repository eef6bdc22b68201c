"""A machine for tests: one of our programs, or one made up, with its log and its State."""

from __future__ import annotations

import hashlib
from pathlib import Path

from app.log import Event, Log
from app.state import State, fold
from cpu.core import NEVER
from kernel.kernel import GuestFile, Halted, Idle, Kernel, Start

ASSETS = Path(__file__).parents[2] / "assets"
HELLO = ASSETS / "programs" / "bin" / "hello"


class Machine:
    """A kernel whose events go to a log and into a State at once."""

    def __init__(self, name: str, contents: bytes, disk: bytes = b"", schedule: int = -1) -> None:
        programs = {name: contents, "hello": HELLO.read_bytes()}
        keys = {path: hashlib.sha256(data).hexdigest() for path, data in programs.items()}
        files = [
            GuestFile(f"/bin/{path}", keys[path], 0o100755, len(data)) for path, data in programs.items()
        ]
        if disk:
            keys["disk"], programs["disk"] = hashlib.sha256(disk).hexdigest(), disk
            files.append(GuestFile("/dev/hda0", keys["disk"], 0o060660, len(disk)))
        start = Start(f"/bin/{name}", (name,), files=tuple(files), schedule=schedule)
        self.log = Log()
        self.state = State()
        image = (ASSETS / "kernel" / "kernel.elf").read_bytes()
        blobs = {keys[path]: data for path, data in programs.items()}
        self.kernel = Kernel(start, image, blobs, self.take)

    def take(self, tick: int, pid: int, event: Event) -> None:
        self.log.append(tick, pid, event)
        fold(self.state, tick, pid, event)

    def step(self) -> bool:
        """One slice; False when nothing will happen any more."""
        return self.goes_on(self.kernel.step(NEVER))

    def goes_on(self, rest: Idle | Halted | None) -> bool:
        """What follows a slice: time passes while all sleep, unless that would be for ever."""
        if isinstance(rest, Halted):
            return False
        if isinstance(rest, Idle):
            if rest.until < 0:
                return False
            self.kernel.pass_time(rest.until)
        return True
