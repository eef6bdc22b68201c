"""Memory over a long run: python tests/bench/bench_pipe.py [TURNS]

A program writes a byte into a pipe and reads it, a million times. Its memory at most (`ru_maxrss`) is
compared with that of a run of a hundredth of it: without a log (`int80 exec`) it must not grow, with a
recording (`int80 record`) not by more than the recording is long.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.oracle.harness import build

TURNS = 1_000_000


def measured(words: list[str]) -> tuple[float, int]:
    """Seconds and the process's memory at most, in KiB."""
    begun = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "app.cli", *words], cwd=ROOT, stdin=subprocess.DEVNULL)
    _pid, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(words)}: status {status}")
    return time.perf_counter() - begun, usage.ru_maxrss


def main(turns: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        program = str(build(Path(__file__).with_name("pipe.c"), Path(folder)))
        for command in ("exec", "record"):
            rows = []
            for count in (turns // 100, turns):
                file = Path(folder) / f"{count}.int80"
                options = ["-o", str(file)] if command == "record" else []
                seconds, memory = measured([command, *options, program, str(count)])
                size = file.stat().st_size >> 10 if options else 0
                rows.append((memory, size))
                written = f", file {size:,} KiB" if options else ""
                print(
                    f"{command}: {count:,} turns, {seconds:.1f} s, memory {memory:,} KiB{written}", flush=True
                )
            grown = rows[1][0] - rows[0][0]
            print(f"{command}: {grown:,} KiB more; {max(grown, 0) * 1024 / turns:.1f} bytes a turn")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else TURNS)
