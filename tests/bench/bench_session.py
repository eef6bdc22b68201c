"""A shell's session of a million events: its file, what recording costs, how far away any moment is.

    python -m tests.bench.bench_session [EVENTS]

A busybox shell forks, pipes and reads until there are so many events. Twice: with a file being written, and
only with the log. Then the file is opened and gone about in: the panes that the log alone can paint, the
machine (which is loaded from a checkpoint and run again), and one instruction back, after having been there.
"""

from __future__ import annotations

import random
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

from app.engine import Engine
from app.history import History
from app.launch import Options, prepare
from app.log import Log
from app.machine import Machine
from app.panes.moment import Moment
from app.recording import Recording, open_engine
from app.resources import kernel_image
from app.session.store import open_session
from tests.app.pictures import BUSYBOX, Panes, moment

EVENTS = 1_000_000
PLACES = 100
SCRIPT = "i=0; while :; do echo $i | tr 0-9 a-j | cat > /tmp/x; x=$(cat /tmp/x); i=$((i+1)); done"
WITHOUT_MACHINE = ("trace", "processes", "signals", "ipc", "story", "timeline", "console")


def run(events: int, path: Path | None) -> tuple[float, float]:
    """Seconds on the wall and of the processor (the thread that writes included) for so many events."""
    modes = (0o100644, 0o100644, 0o100644)
    start, blobs = prepare(Options(str(BUSYBOX), ["sh", "-c", SCRIPT], modes=modes))
    image = kernel_image()
    log = Log()
    machine = Machine(start, image, blobs, log, [], False, 1 << 60)
    recording = Recording(str(path), start, image, blobs, machine, History(log)) if path is not None else None
    begun = time.perf_counter(), time.process_time()
    while len(log) < events:
        outcome = machine.step(machine.tick + 1_000_000)
        if outcome is not None and not machine.pass_idle(outcome):
            break
        if recording is not None:
            recording.follow()
    if recording is not None:
        recording.finish()
    return time.perf_counter() - begun[0], time.process_time() - begun[1]


def of_the_log(engine: Engine) -> Moment:
    """What there is to be seen without the machine."""
    return Moment(
        engine.state, None, engine.cursor, engine.event, log=engine.log, length=engine.length, status="replay"
    )


def told(times: list[float]) -> str:
    high = sorted(times)[len(times) * 95 // 100]
    return f"median {statistics.median(times) * 1000:6.1f} ms, p95 {high * 1000:6.1f} ms"


def main() -> None:
    events = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    with tempfile.TemporaryDirectory(prefix="int80-bench-") as folder:
        path = Path(folder) / "long.int80"
        kept = run(events, path)
        plain = run(events, None)
        size = path.stat().st_size
        wall, cpu = kept[0] / plain[0], kept[1] / plain[1]
        print(f"recording            {kept[0]:.1f} s, {wall:.2f} times the log alone (at most 1.3)")
        print(f"  processor time     {cpu:.2f} times")
        begun = time.perf_counter()
        session = open_session(path)
        engine = open_engine(session)
        chunks = sum(len(engine.log.encoded(n)) for n in range(engine.log.chunks))
        length = engine.length
        print(f"events               {length:,}")
        print(f"the log on disk      {chunks / length:.1f} bytes an event (at most 16)")
        print(f"the file             {size / length:.1f} bytes an event")
        print(f"opening              {time.perf_counter() - begun:.1f} s")
        rng = random.Random(1)
        places = [rng.randrange(1, length) for _ in range(PLACES)]
        panes = Panes()
        engine.go_to(places[0])
        panes.pictures(moment(engine), 100, 30)
        states, pictures, machines, backs, again = [], [], [], [], []
        for seq in places:
            begun = time.perf_counter()
            engine.go_to(seq)
            now = of_the_log(engine)
            states.append(time.perf_counter() - begun)
            for name in WITHOUT_MACHINE:
                panes.rows(name, now, 100, 30)
            pictures.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            assert engine.view is not None
            machines.append(time.perf_counter() - begun)
            for times in (backs, again):
                begun = time.perf_counter()
                engine.step_instruction(-1)
                assert engine.view is not None
                times.append(time.perf_counter() - begun)
        print(f"the State there      {told(states)}")
        print(f"panes of the log     {told(pictures)} (under 30)")
        print(f"the machine there    {told(machines)} (under 150)")
        print(f"one instruction back {told(backs)}; once more {told(again)} (under 30)")
        session.close()
        print(f"largest resident     {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
