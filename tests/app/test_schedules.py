"""Many schedules of one program: both ends of a race are found, shown, and brought back by their seed."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from app.launch import Options
from app.recording import open_engine
from app.schedules import Outcome, Schedules, grouped, rarest, table
from app.session.store import open_session
from kernel.events import SignalDelivered, StreamWritten
from kernel.table import TABLE
from kernel.tables import TaskState

ROOT = Path(__file__).resolve().parents[2]


def int80(*words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *words],
        input=stdin,
        capture_output=True,
        cwd=ROOT,
        timeout=120,
        check=False,
    )


def outcomes(count: int, program: str, *arguments: str) -> dict[int, Outcome]:
    job = Schedules(Options(program, list(arguments)), 1, count)
    return {seed: job.run(seed) for seed in range(1, count + 1)}


def words(runs: dict[int, Outcome]) -> set[str]:
    return {one.words for one in runs.values()}


LOSTWAKE = """\
lostwake, schedules 1 to 100: 3 outcomes, 1 of them failed

runs  outcome               output                                  schedules
  87  exit 0                nothing yet: going to sleep (+ 1 line)  1, 2, 3, ...
  10  exit 0                the signal is here                      9, 21, 39, ...
   3  deadlock: 2 in pause  nothing yet: going to sleep             13, 15, 72

The rarer ones, call by call:
  int80 trace -f --schedule 9 lostwake
  int80 trace -f --schedule 13 lostwake
"""


def test_a_lost_wake_up_is_found_and_always_in_the_same_schedules() -> None:
    for _ in range(2):
        done = int80("trace", "--schedules", "100", "lostwake")
        assert (done.stdout.decode(), done.stderr, done.returncode) == (LOSTWAKE, b"", 1)


def test_the_command_that_is_printed_brings_the_failure_back() -> None:
    command = shlex.split(LOSTWAKE.splitlines()[-1])
    done = int80(*command[1:])
    assert done.returncode == 1
    assert done.stdout == b"nothing yet: going to sleep\n"
    assert b"SIGUSR1 {si_signo=SIGUSR1" in done.stderr
    assert done.stderr.endswith(b"lostwake: stopped: all processes sleep and nothing can wake them\n")


def test_the_cure_never_fails() -> None:
    assert words(outcomes(100, "lostwake", "cure")) == {"exit 0"}


def test_a_list_that_a_handler_corrupts() -> None:
    runs = outcomes(50, "corrupt")
    assert words(runs) == {"exit 0", "exit 1"}
    assert all(b" nodes lost" in one.output for one in runs.values() if one.failed)
    assert words(outcomes(50, "corrupt", "cure")) == {"exit 0"}


def test_the_rarest_failure_is_recorded(tmp_path: Path) -> None:
    path = tmp_path / "lost.int80"
    done = int80("trace", "--schedules", "100", "--record", str(path), "lostwake")
    assert done.returncode == 1
    with open_session(path) as session:
        seed = session.start.schedule
        assert done.stdout.decode() == f"{LOSTWAKE}\nSchedule {seed} is recorded: int80 play {path}\n"
        engine = open_engine(session)
        engine.go_end()
        engine.to_cursor()
        task = engine.machine.kernel.tables.tasks[2]
        assert (task.state, TABLE[task.syscall].name) == (TaskState.SLEEPING, "pause")
        assert engine.machine.kernel.describe() == engine.state.machine
        seen = [event for _, _, event in session.log.rows()]
        assert [event.signo for event in seen if isinstance(event, SignalDelivered) and event.task == 2] == [
            10
        ]
        assert b"".join(event.data for event in seen if isinstance(event, StreamWritten)) == (
            b"nothing yet: going to sleep\n"
        )


def test_one_outcome() -> None:
    done = int80("trace", "--schedules", "3", "--schedule", "7", "hello")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == (
        "hello, schedules 7 to 9: one outcome, no failure\n\n"
        "runs  outcome  output        schedules\n"
        "   3  exit 0   hello, world  7, 8, 9\n"
    )


def test_a_task_that_is_reaped_before_it_left_the_processor_is_not_interrupted_for_ever() -> None:
    """Schedule 3 of lostwake: the timer comes between the end of a task and its last call of schedule."""
    assert words({3: Schedules(Options("lostwake"), 3, 1, limit=0.01).run(3)}) == {"exit 0"}


def compiled(tmp_path: Path, text: str) -> str:
    path = tmp_path / "prog.c"
    path.write_text(text)
    return str(path)


COUNTER = """
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void)
{
    volatile int *n = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int child = fork();
    for (int i = 0; i < 10000; i++)
        ++*n;
    if (child == 0)
        _exit(0);
    waitpid(child, 0, 0);
    puts(*n == 20000 ? "right" : "wrong");
    return *n != 20000;
}
"""


def test_an_update_that_is_lost_in_the_midst_of_straight_code(tmp_path: Path) -> None:
    """Load, add, store, with no control transfer in between: any instruction may be a turn's last."""
    runs = outcomes(60, compiled(tmp_path, COUNTER))
    assert {(one.words, one.output) for one in runs.values()} == {
        ("exit 0", b"right\r\n"),
        ("exit 1", b"wrong\r\n"),
    }


def test_a_run_that_does_not_end_is_given_up_at_the_same_place(tmp_path: Path) -> None:
    path = compiled(tmp_path, "int main(void) { for (;;) ; }")
    done = int80("trace", "--schedules", "2", "--limit", "0.01", path)
    assert "   2  not over after 0.01 s          1, 2" in done.stdout.decode()
    assert done.returncode == 0


def test_sleeping_takes_no_processor_time(tmp_path: Path) -> None:
    path = compiled(tmp_path, "#include <unistd.h>\nint main(void) { sleep(1000); return 3; }")
    job = Schedules(Options(path), 1, 1, limit=0.01)
    assert job.run(1).words == "exit 3"


def test_a_signal_is_named(tmp_path: Path) -> None:
    path = compiled(tmp_path, "int main(void) { return *(volatile int *) 0; }")
    assert words(outcomes(1, path)) == {"killed by SIGSEGV"}


def test_every_run_gets_the_same_input(tmp_path: Path) -> None:
    text = "#include <stdio.h>\nint main(void) { int c; while ((c = getchar()) != EOF) putchar(c); }"
    done = int80("trace", "--schedules", "3", compiled(tmp_path, text), stdin=b"one\ntwo\n")
    assert "   3  exit 0   one (+ 1 line)  1, 2, 3" in done.stdout.decode()


def test_timeout_shows_what_there_is(tmp_path: Path) -> None:
    path = compiled(tmp_path, "int main(void) { for (;;) ; }")
    done = int80("trace", "--schedules", "100000", "--limit", "0.01", "--timeout", "2", path)
    assert done.returncode == 124
    assert b"not over after 0.01 s" in done.stdout
    assert len(done.stderr.splitlines()) == 1


def outcome(words: str, output: bytes) -> Outcome:
    return Outcome(words, output, len(output), output)


def test_the_table_tells_equal_beginnings_apart() -> None:
    runs = {seed: outcome("exit 0", b"a\nb\n") for seed in range(1, 6)}
    runs |= {6: outcome("exit 0", b"a\nc\n"), 7: outcome("killed by SIGSEGV", b"\x1b[1m" + b"x" * 100)}
    runs |= {8: outcome("exit 0", b"a\n"), 9: outcome("killed by SIGSEGV", b"\x1b[1m" + b"x" * 100)}
    groups = grouped(runs)
    assert table(groups) == [
        "runs  outcome            output                                            schedules",
        "   5  exit 0             a (+ 1 line)                                      1, 2, 3, ...",
        "   2  killed by SIGSEGV  ?[1mxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...  7, 9",
        "   1  exit 0             line 2: c                                         6",
        "   1  exit 0             a                                                 8",
    ]
    assert rarest(groups).seeds == [7, 9]
    assert rarest(grouped({1: outcome("exit 0", b""), 2: outcome("exit 0", b"x")})).seeds == [2]


def test_very_many_outcomes() -> None:
    runs = {seed: outcome("exit 0", b"%d" % seed) for seed in range(1, 101)}
    lines = table(grouped(runs))
    assert len(lines) == 22
    assert lines[-2:] == ["   1  exit 0   20      20", "  80  in 80 more outcomes"]
    lines = table(grouped(runs | {99: outcome("deadlock: 2 in read", b"")}))
    assert len(lines) == 22
    assert [" ".join(line.split()) for line in lines[-3:]] == [
        "1 exit 0 19 19",
        "1 deadlock: 2 in read 99",
        "80 in 80 more outcomes",
    ]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--schedules", "0"], "0 is not a number from 1 to 100000"),
        (["--schedules", "-3"], "-3 is not a number from 1 to 100000"),
        (["--schedules", "many"], "many is not a number from 1 to 100000"),
        (["--schedules", "99999999999999999999"], "is not a number from 1 to 100000"),
        (["--schedules", "2", "--schedule", "4294967295"], "schedules go up to 4294967295"),
        (["--schedules", "2", "--limit", "0"], "0 is not a number of seconds"),
        (["--schedules", "2", "-c"], "--summary-only makes no sense with --schedules"),
        (["--schedules", "2", "-o", "file"], "--output makes no sense with --schedules"),
        (["--schedules", "2", "-e", "trace=read"], "-e makes no sense with --schedules"),
        (["--schedules", "2", "--events"], "--events makes no sense with --schedules"),
        (["--schedules", "2", "--core", "file"], "--core makes no sense with --schedules"),
        (["--schedules", "2", "--disk", "file:rw"], "leave :rw out"),
        (["--schedules", "2", "--record", "/nonexistent/x"], "there is no such directory"),
        (["--schedules", "2", "--record", "README.md"], "not an int80 session"),
        (["--record", "x"], "--record is for --schedules only"),
        (["--limit", "3"], "--limit is for --schedules only"),
    ],
)
def test_what_is_refused(options: list[str], complaint: str) -> None:
    done = int80("trace", *options, "hello")
    assert (done.returncode, done.stdout) == (2, b"")
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("int80")
    assert complaint in line


def test_a_program_that_does_not_start(tmp_path: Path) -> None:
    for program, status in (("/nonexistent", 127), ("README.md", 126)):
        done = int80("trace", "--schedules", "2", program)
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (status, b"", 1)
