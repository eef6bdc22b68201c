"""fork, exit and wait with the log on, against the host: python tests/bench/bench_fork.py

For a small process and for one that has touched 32 MiB. The time of touching is taken out: a run without any
fork is subtracted. Ratios are of one run, each pair in turn, the medians shown.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from app.launch import Options, prepare
from app.log import Log
from app.resources import kernel_image
from kernel.kernel import Kernel
from tests.oracle.harness import build

CHILDREN = 600
TIMES = 5


def emulated(program: Path, children: int, mib: int) -> float:
    """Seconds for a whole run with the log on."""
    modes = (0o100644, 0o100644, 0o100644)
    options = Options(program=str(program), arguments=[str(children), str(mib)], modes=modes, memory=64)
    start, blobs = prepare(options)
    kernel = Kernel(start, kernel_image(), blobs, Log().append)
    begun = time.perf_counter()
    while kernel.step(kernel.now + 2_000_000) is None:
        pass
    return time.perf_counter() - begun


def native(program: Path, children: int, mib: int) -> float:
    begun = time.perf_counter()
    subprocess.run([str(program), str(children), str(mib)], check=True)
    return time.perf_counter() - begun


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        program = build(Path(__file__).with_name("fork.c"), Path(folder))
        for mib in (0, 32):
            ours, theirs = [], []
            for _ in range(TIMES):
                ours.append(emulated(program, CHILDREN, mib) - emulated(program, 0, mib))
                theirs.append(native(program, CHILDREN, mib) - native(program, 0, mib))
            here, there = CHILDREN / statistics.median(ours), CHILDREN / statistics.median(theirs)
            print(f"{mib:3} MiB  {here:7.0f} forks/s  native {there:7.0f}  ratio {there / here:5.1f}")


if __name__ == "__main__":
    main()
