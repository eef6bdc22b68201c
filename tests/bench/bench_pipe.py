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


def memory(program: Path, few: int, many: int) -> None:
    """Print what memory `many` turns of a program take beyond `few`."""
    for command in ("exec", "record"):
        rows = []
        for count in (few, many):
            file = program.parent / f"{count}.int80"
            options = ["-o", str(file)] if command == "record" else []
            seconds, most = measured([command, *options, str(program), str(count)])
            rows.append(most)
            written = f", file {file.stat().st_size >> 10:,} KiB" if options else ""
            print(f"{command}: {count:,} turns, {seconds:.1f} s, memory {most:,} KiB{written}", flush=True)
        grown = rows[1] - rows[0]
        print(f"{command}: {grown:,} KiB more; {max(grown, 0) * 1024 / many:.1f} bytes a turn")


def main(turns: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        memory(build(Path(__file__).with_name("pipe.c"), Path(folder)), turns // 100, turns)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else TURNS)
