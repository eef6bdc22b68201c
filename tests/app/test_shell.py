"""A shell that somebody types into on the screen: keys, jobs, going back, and other futures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from app.engine import Engine
from app.launch import Options, prepare
from app.resources import kernel_image
from app.state.fold import fold
from app.state.state import State
from cpu.events import TrapTaken
from kernel.boot import KEYBOARD_VECTOR
from kernel.describe import describe
from kernel.events import InputArrived, SyscallExited, TaskBlocked
from kernel.kernel import Input
from tests.app.pictures import BUSYBOX
from tests.app.shell import Shell, shell
from tests.app.test_tui import MEDIUM
from tests.oracle import harness
from tests.oracle.terminal import Native


def bytes_typed(inputs: list[Input]) -> bytes:
    """Without what the terminal answered to the shell."""
    return b"".join(one.data for one in inputs if not one.data.startswith(b"\x1b"))


async def test_a_key_in_the_past_begins_another_future(tmp_path: Path) -> None:
    async with shell(MEDIUM) as on:
        engine, app = on.machine, on.app
        await on.wait("/ #")
        before = engine.length
        await on.type("echo one\n")
        await on.wait("one", "/ #")
        await on.type("x=3\n")
        await on.wait("/ # x=3", "/ #")
        await on.stop()
        length = engine.length

        # To have the keyboard in the past changes nothing, and says what a key will do.
        app.go_to(before)
        await on.press("enter")
        assert app.typing
        assert "a key begins another future here" in on.text("console")
        assert f"{length - before:,} events stay on trunk" in on.text("footer")
        await on.stop()
        assert (engine.length, engine.cursor.seq) == (length, before)

        # At the end typing goes on as before.
        await on.press("end", "enter")
        await on.type("echo $x\n")
        await on.wait("3", "/ #")
        assert bytes_typed(engine.machine.inputs) == b"echo one\rx=3\recho $x\r"

        # The first key in the past: what came after it has not been.
        await on.stop()
        app.go_to(before)
        await on.press("enter")
        await on.type("e")
        assert "begins here, f leads back" in on.text("footer")
        await on.type("cho two $x.\n")
        await on.wait("/ # echo two $x.", "two .", "/ #")
        assert bytes_typed(engine.machine.inputs) == b"echo two $x.\r"
        await on.stop()
        digest = engine.log.digest()
        for seq in (before, before // 2, engine.length):
            app.go_to(seq)
            assert engine.view is not None  # run again, and compared with the log
        state = State()
        for tick, pid, event in engine.log.rows():
            fold(state, tick, pid, event)
        assert state.machine == describe(engine.machine.kernel)
        assert engine.log.digest() == digest

        # What was left is still there.
        await on.press("f", "enter", "enter")
        assert engine.branches.here.number == 0
        assert bytes_typed(engine.machine.inputs) == b"echo one\rx=3\recho $x\r"


ASKING = r"""
stty -icanon -echo
printf 'ab\n\033[6'
printf 'n\033[c'
head -c 13 | od -An -c
printf '\033[?6n\033[5n'
head -c 11 | od -An -c
"""


def test_what_the_terminal_answers_is_an_input() -> None:
    """The same however the run is cut up, run again, in a recording, and where another future begins."""
    start, blobs = prepare(Options(str(BUSYBOX), ["sh", "-c", ASKING]))
    runs = []
    for seconds in (0.05, 0.0):
        engine = Engine(start, kernel_image(), blobs)
        while engine.finished is None:
            if seconds or not engine.step_message(1):
                engine.run(seconds)
        runs.append(engine)
    engine = runs[0]
    assert runs[1].log.digest() == engine.log.digest()
    text = " ".join(engine.state.terminals[0].kept.decode().split())
    assert "033 [ 2 ; 1 R 033 [ ? 1 ; 2 c" in text
    assert "033 [ ? 3 ; 1 R 033 [ 0 n" in text
    answers = b"\x1b[2;1R\x1b[?1;2c\x1b[?3;1R\x1b[0n"
    assert b"".join(one.data for one in engine.machine.inputs) == answers
    engine.go_to(engine.length // 2)
    assert engine.view is not None
    engine.go_end()
    assert engine.view is not None
    recorded = Engine(start, kernel_image(), blobs, engine.log, list(engine.machine.inputs), live=False)
    recorded.go_end()
    assert recorded.view is not None
    assert not recorded.broken
    asked = next(one.seq for one in engine.log.records() if getattr(one.event, "data", b"").endswith(b"[c"))
    engine.go_to(asked + 1)
    assert engine.type_keys(b"x") == ""
    while engine.run(0.05) == "running":
        pass
    text = " ".join(engine.state.terminals[0].kept.decode().split())
    assert "033 [ 2 ; 1 R 033 [ ? 1 ; 2 c" in text


PROMPT = "$"
JOBS: tuple[tuple[str, str], ...] = (
    ("echo one two | tr a-z A-Z | wc -c\n", ""),
    ("x=$(echo 3 4 | (read a b; echo $b$a)); echo $x\n", ""),
    ("sleep 98 &\n", ""),
    ("sleep 99\n", "sleep"),
    ("\x1a", ""),
    ("jobs\n", ""),
    ("fg\n", "sleep"),
    ("\x03", ""),
    ("echo $?; cat & sleep 0.2\n", ""),
    ("jobs; kill %1\n", ""),
    ("wait %1; echo done $?\n", ""),
)
"""What is typed, and the program that is waited for before more is; '' for the shell's prompt."""
NUMBERS = re.compile(r"(?<=[0-9]\] )[0-9]+$")


async def with_jobs(on: Shell) -> None:
    """A pipeline, a background job, Ctrl+Z, fg; from a key's interrupt into the shell, and back."""
    await on.wait(PROMPT)
    for text, program in JOBS:
        await on.paste(text)
        await (on.sleeps(program) if program else on.wait(PROMPT))


async def from_interrupt_to_read(on: Shell) -> None:
    """The Enter key's interrupt, the shell's read that returns with it, and before the key again."""
    engine, app = on.machine, on.app
    await on.paste("echo $((6 * 7))\n")
    await on.wait("$ echo $((6 * 7))", "42", PROMPT)
    await on.stop()
    inputs = [one for one in engine.log.records() if type(one.event) is InputArrived]
    arrived = [one.seq for one in inputs if cast(InputArrived, one.event).data.endswith(b"\r")][-1]
    rows = [(one.seq, one.event) for one in engine.log.records(0, arrived)]
    trap = next(seq for seq, event in reversed(rows) if type(event) is TrapTaken)
    assert cast(TrapTaken, engine.log.record(trap).event).vector == KEYBOARD_VECTOR
    app.go_to(trap)
    await on.settle()
    here, picture, screen = engine.cursor, on.picture(), on.screen
    assert "42" not in screen
    await on.press("m")
    assert "keyboard interrupt" in on.text("traps")
    presses = 0
    while True:
        await on.press("s")
        presses += 1
        event = engine.event
        if type(event) is SyscallExited and event.nr == 3:
            break
        assert presses < 12, event
    assert event.result > 0
    assert engine.log.record(engine.cursor.seq - 1).pid == min(engine.state.letters)
    for _ in range(presses):
        await on.press("S")
    await on.press("M")
    assert (engine.cursor, on.picture(), on.screen) == (here, picture, screen)


def as_natively(found: list[str], argv: Sequence[str], size: tuple[int, int]) -> None:
    """The same keys into the same shell on a terminal of the host: the same screen, but for pids."""
    native = Native(argv, *size, {"PS1": f"{PROMPT} "})
    try:
        native.wait(PROMPT)
        for text, program in JOBS:
            native.type(text)
            if program:
                native.rest()
            else:
                native.wait(PROMPT)
        expected = native.screen
    finally:
        native.close()
    assert [NUMBERS.sub("N", line) for line in found] == [NUMBERS.sub("N", line) for line in expected]


async def test_jobs_and_keys_in_our_shell() -> None:
    async with shell(MEDIUM, env=["PS1=$ "]) as on:
        on.app.zoom()
        await with_jobs(on)
        found = on.screen
        on.app.zoom()
        await from_interrupt_to_read(on)
    if harness.runs_i386():
        as_natively(found, [str(BUSYBOX), "sh"], (30, 118))


FIFO = """mkfifo my_pipe
gzip -9 -c < my_pipe > out.gz &
cat file > my_pipe
ls -all my_pipe
"""
"""The lecture's lines for a named pipe."""


async def test_the_named_pipe_of_the_lecture() -> None:
    """Its ends, what is in it and who sleeps there are seen in IPC; what comes out is the same natively."""
    first, second, third, fourth = FIFO.splitlines(keepends=True)
    async with shell(MEDIUM, env=["PS1=$ "]) as on:
        engine, app = on.machine, on.app
        await on.wait(PROMPT)
        await on.paste("cd /tmp; head -c 80000 /bin/busybox > file\n")
        await on.wait(PROMPT)
        for line in (first, second, third, fourth):
            await on.paste(line)
            await on.wait(PROMPT)
        listed = next(line for line in on.screen if line.startswith("p"))
        await on.paste("wait; sha1sum < out.gz\n")
        await on.wait(PROMPT)
        made = next(line for line in on.screen if line.endswith("  -"))
        await on.stop()

        def blocked(queue: str) -> int:
            """Behind the event with which somebody falls asleep there."""
            for one in engine.log.records():
                if isinstance(one.event, TaskBlocked) and any(
                    re.fullmatch(queue, name) for name in one.event.on
                ):
                    return one.seq + 1
            raise AssertionError(queue)

        app.pane("ipc")
        await on.settle()
        app.zoom()
        looks = {}
        for queue in ("fifo:[0-9]+", "pipe:[0-9]+:read", "pipe:[0-9]+:write"):
            app.go_to(blocked(queue))
            await on.settle()
            looks[queue] = on.text("ipc")
        opening, empty, full = looks.values()
        assert all(re.search(r"pipe [0-9]+ my_pipe ━", look) for look in looks.values())
        assert all("· a named pipe" in look for look in looks.values())
        assert "○D opens" in opening
        assert "openat, asleep" in opening
        assert "D gzip" in empty
        assert "○D reads" in empty
        assert "0/65536" in empty
        assert "E cat" in full
        assert "○E writes" in full
        assert "65536/65536" in full
        app.go_to(blocked("fifo:[0-9]+"))
        await on.settle()
        assert on.text("ipc") == opening
    assert listed.startswith("prw-r--r--")
    if harness.runs_i386():
        script = (
            f"cd $(mktemp -d); head -c 80000 /bin/busybox > file\n{FIFO}wait; sha1sum < out.gz; rm -r $PWD"
        )
        done = harness.native([BUSYBOX, "sh", "-c", script])
        assert done.output.decode().splitlines()[-1] == made
        assert done.output.decode().startswith(listed[:10])
