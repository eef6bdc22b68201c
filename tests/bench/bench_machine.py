"""How much the machine costs: python tests/bench/bench_machine.py

Ratios measured in one run, each pair in turn several times, the medians shown:

- `getpid` in a loop through the whole ring-0 path with the log on, against the bare mechanism: the same
  traps, entry code and `iret` with no Python behind the `hlt`;
- a hashing loop under the clock and the timer, against the same loop on the emulator alone: same
  memory, same page tables, nothing counted;
- recording to a file, against not recording.
"""

from __future__ import annotations

import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from app.history import History
from app.launch import Options, prepare
from app.log import Log
from app.machine import Machine
from app.recording import Recording
from app.resources import assets, kernel_image
from cpu.clock import REMAINING
from cpu.core import NEVER, Hypercall
from kernel.events import SyscallEntered
from kernel.kernel import Kernel

CALLS = 40_000
ROUNDS = 400
TIMES = 5
BENCH = assets() / "programs" / "bin" / "bench"


def machine(program: str, *arguments: str, log: Log | None = None) -> Kernel:
    modes = (0o100644, 0o100644, 0o100644)
    start, blobs = prepare(Options(program=str(BENCH / program), arguments=list(arguments), modes=modes))
    return Kernel(start, kernel_image(), blobs, log.append if log is not None else None)


def run_out(kernel: Kernel) -> None:
    while kernel.step(kernel.now + 2_000_000) is None:
        pass


def logged() -> float:
    """Seconds for CALLS calls of getpid, everything included."""
    kernel = machine("getpid", str(CALLS), log=Log())
    begun = time.perf_counter()
    run_out(kernel)
    return time.perf_counter() - begun


def bare() -> float:
    """The same traps with nobody behind the `hlt`."""
    kernel = machine("getpid", str(CALLS * 2))
    while kernel.bus.seq < 200:
        kernel.step(kernel.now + 2_000_000)
    core = kernel.core
    core.interrupt_at(NEVER, 0)
    calls = 0
    begun = time.perf_counter()
    while calls < CALLS:
        if type(core.run(NEVER)) is Hypercall:
            core.set_result(1)
            calls += 1
    return time.perf_counter() - begun


def until_write(kernel: Kernel) -> None:
    """Run a program to its first system call from `main` that writes."""
    found = False

    def sink(_tick: int, _pid: int, event: object) -> None:
        nonlocal found
        found = found or (type(event) is SyscallEntered and event.nr == 4)

    kernel.bus.sink = sink
    while not found and kernel.step(kernel.now + 2_000_000) is None:
        pass


def to_the_loop(*arguments: str) -> Kernel:
    """A machine inside the hashing loop, its pages there, its code translated."""
    kernel = machine("hash", *arguments)
    while kernel.now < 3_000_000:
        kernel.step(kernel.now + 100_000)
    return kernel


def counted_hash(*arguments: str) -> float:
    kernel = to_the_loop(*arguments)
    begun = time.perf_counter()
    until_write(kernel)
    return time.perf_counter() - begun


def raw_hash(*arguments: str) -> float:
    kernel = to_the_loop(*arguments)
    core = kernel.core
    clock = core.emulator.clock
    clock.unhook()
    core.flush_code()
    clock.cells[REMAINING] = NEVER
    begun = time.perf_counter()
    core.emulator.start(core.eip)
    return time.perf_counter() - begun


def recorded(record: bool) -> float:
    """Seconds for a getpid loop with a session file being written or only the log kept."""
    modes = (0o100644, 0o100644, 0o100644)
    options = Options(program=str(BENCH / "getpid"), arguments=[str(CALLS)], modes=modes)
    start, blobs = prepare(options)
    image = kernel_image()
    log = Log()
    with tempfile.TemporaryDirectory() as folder:
        whole = Machine(start, image, blobs, log, [], sealed=False, spacing=1 << 60)
        recording = None
        if record:
            path = str(Path(folder) / "bench.int80")
            recording = Recording(path, start, image, blobs, whole, History(log))
        begun = time.perf_counter()
        while whole.step(whole.tick + 20_000_000) is None:
            if recording is not None:
                recording.follow()
        seconds = time.perf_counter() - begun
        if recording is not None:
            recording.finish()
    return seconds


def pairs(one: Callable[[], float], other: Callable[[], float]) -> tuple[float, float]:
    """Medians of both, run in turn."""
    times = [(one(), other()) for _ in range(TIMES)]
    return statistics.median(t[0] for t in times), statistics.median(t[1] for t in times)


def main() -> None:
    full, alone = pairs(logged, bare)
    print(f"getpid with the log      {CALLS / full:9.0f} calls/s")
    print(
        f"the bare mechanism       {CALLS / alone:9.0f} calls/s    ratio {alone / full:.2f} (at least 0.33)"
    )
    for name, arguments in (("MurmurHash3", (str(4 * ROUNDS),)), ("FNV-1a", (str(ROUNDS), "fnv"))):
        ours, raw = pairs(partial(counted_hash, *arguments), partial(raw_hash, *arguments))
        print(f"{name:12} clocked     {ours * 1000:9.1f} ms")
        print(f"{name:12} uncounted   {raw * 1000:9.1f} ms         ratio {raw / ours:.2f}")
    kept, plain = pairs(lambda: recorded(True), lambda: recorded(False))
    print(f"recording                {kept / plain:9.2f} times the time of only keeping the log")
    print(f"largest resident size    {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:9.0f} MB")


if __name__ == "__main__":
    main()
