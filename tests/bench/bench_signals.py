"""Signal round trips (kill itself, handler, sigreturn): python tests/bench/bench_signals.py [TURNS]

How many a second with the log on, against the host, medians of pairs. Memory: without a log (`int80 exec`)
it must not grow from a tenth of the turns to all of them, with a recording not by more than that is long.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.bench.bench_fork import emulated, native
from tests.bench.bench_pipe import memory
from tests.oracle.harness import build

TURNS = 100_000
TIMES = 3


def main(turns: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        program = build(Path(__file__).with_name("signals.c"), Path(folder))
        ours, theirs = [], []
        for _ in range(TIMES):
            ours.append(emulated(program, turns, 0) - emulated(program, 0, 0))
            theirs.append(native(program, turns, 0) - native(program, 0, 0))
        here, there = turns / statistics.median(ours), turns / statistics.median(theirs)
        print(f"{here:,.0f} round trips/s with the log on  native {there:,.0f}  ratio {there / here:.1f}")
        memory(program, turns // 10, turns)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else TURNS)
