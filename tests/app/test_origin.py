"""Who wrote this: words, frames and registers, through copies on write and across processes."""

from __future__ import annotations

import pytest

from app.engine import Engine
from app.launch import Options, prepare
from app.origin import Target, named, target_of
from app.position import Position
from app.resources import kernel_image
from kernel import events as e
from tests.app.pictures import engine_for, run_to_the_end
from tests.app.test_screen_real import session
from tests.app.test_walks import recording_of
from tests.oracle import harness

SHARED = """
#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
int *shared;
__attribute__((noinline)) void store(int n) { shared[3] = n; }
int main(void)
{
	int status;
	shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	store(1);
	if (fork() == 0) { store(42); _exit(0); }
	wait(&status);
	_exit(shared[3] != 42);
}
"""


def find(engine: Engine, target: Target, direction: int = -1) -> str:
    """What is said; '' where nothing was found."""
    engine.step_origin(target, direction)
    while engine.seeking is not None:
        engine.run(0.1)
    return engine.reason if engine.found else ""


def target(engine: Engine, text: str) -> Target:
    view = engine.view
    assert view is not None
    found = named(text, view, engine.state.machine.current)
    assert found is not None
    return found


def exit_of(engine: Engine, pid: int) -> int:
    """On the way into the last system call of this process, which ends it."""
    return max(
        one.seq for one in engine.log.records() if type(one.event) is e.SyscallEntered and one.pid == pid
    )


def word_changes(engine: Engine, pa: int, end: Position) -> list[tuple[int, int]]:
    """Instruction by instruction from the start: the rests right before the word becomes another one."""
    machine = engine.machine
    machine.go_to(0, 0)
    found = []
    index = pa >> 2
    while (machine.seq, machine.tick) < (end.seq, end.tick):
        here, before = (machine.seq, machine.tick), machine.kernel.ram.u32[index]
        owned = machine.kernel.tables.frame_refs.get(pa >> 12, 0)
        outcome = machine.step_instruction()
        if owned and machine.kernel.ram.u32[index] != before:
            found.append(here)
        if outcome is not None and not machine.pass_idle(outcome):
            break
    return found


@pytest.mark.parametrize("recorded", [False, True])
def test_each_process_has_stored_its_own(recorded: bool) -> None:
    engine = engine_for("spaces")
    run_to_the_end(engine)
    digest = engine.log.digest()
    if recorded:
        engine = recording_of(engine)
    said = []
    for pid in (2, 3):
        engine.go_to(exit_of(engine, pid))
        value = target(engine, "value")
        said += [find(engine, value), find(engine, value), find(engine, value)]
        assert engine.found is False
    assert said == [
        "0804b000: set by mov dword ptr [0x804b000], 0x457 at main+0x26 (A)",
        said[1],
        "",
        "0804b000: set by mov dword ptr [0x804b000], 0x8ae at main+0x82 (B)",
        said[4],
        "",
    ]
    for one in (said[1], said[4]):
        assert one.startswith(
            "0804b000: the page was made here for the first program, with what execve put there"
        )
    assert said[1] != said[4]
    copied = [one.event for one in engine.log.records() if isinstance(one.event, e.PageCopied)]
    assert said[1].endswith(f"; copied on write into frame {copied[0].new:#x} later")
    assert engine.log.digest() == digest


@pytest.mark.parametrize(
    ("program", "pid", "address"),
    [("signal", 2, 0xBFFFFE90), ("signal", 3, 0xBFFFFE88), ("spaces", 3, 0x804B000)],
)
def test_no_change_is_missed(program: str, pid: int, address: int) -> None:
    """All that is found on the way back holds every rest before which the word became another one."""
    engine = engine_for(program)
    run_to_the_end(engine)
    engine.go_to(exit_of(engine, pid))
    word = target(engine, f"{address:08x}")
    end = engine.cursor
    places = []
    while find(engine, word):
        engine.to_cursor()
        places.append((engine.machine.seq, engine.machine.tick))
        if "copied on write" in engine.reason:
            break
    assert places == sorted(places, reverse=True)
    changed = word_changes(engine, word.start, end)
    assert changed
    assert set(changed) <= set(places)


def test_on_and_back_meet() -> None:
    engine = engine_for("signal")
    run_to_the_end(engine)
    engine.go_to(87)
    word = target(engine, "bffffe90")
    back = []
    while find(engine, word):
        back.append(engine.cursor)
    on = []
    engine.cursor = back[-1]
    while engine.cursor.key < back[0].key and find(engine, word, 1):
        on.append(engine.cursor)
    assert on == list(reversed(back[:-1]))


def test_registers() -> None:
    engine = engine_for("pipe")
    run_to_the_end(engine)
    behind = next(one.seq for one in engine.log.records() if isinstance(one.event, e.PipeRead))
    engine.go_to(behind + 2)
    while engine.view is not None and engine.view.regs.cpl != 3:
        engine.step_instruction(1)
    eax = target(engine, "eax")
    assert engine.view is not None
    assert engine.view.regs.eax == 6
    said = find(engine, eax)
    assert said == "eax: set by int 0x80 at read+0x12 (B)"
    esp = target(engine, "esp")
    assert "set by" in find(engine, esp)
    assert engine.view.regs.cpl == 3


def test_frames_and_bad_names() -> None:
    engine = engine_for("pipe")
    run_to_the_end(engine)
    engine.go_to(102)
    view = engine.view
    assert view is not None
    for text in ("", "nosuch", "frame", "frame zz", "123456789", "-1", "00000000"):
        assert named(text, view, 2) is None
    assert target_of("gate:80", view, 2) is None
    frame = target(engine, "frame 0x11e")
    assert (frame.start, frame.length) == (0x11E000, 4096)


def test_a_store_in_another_process_that_changed_a_shared_page(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("shared")
    source = folder / "shared.c"
    source.write_text(SHARED)
    try:
        program = harness.build(source, folder)
    except harness.Missing as missing:
        pytest.skip(str(missing))
    start, blobs = prepare(Options(program=str(program)))
    engine = Engine(start, kernel_image(), blobs)
    run_to_the_end(engine)
    assert engine.finished == 0
    engine.go_to(exit_of(engine, 2))
    view = engine.view
    assert view is not None
    at = view.word(target(engine, "shared").start and int(target(engine, "shared").name, 16))
    assert at is not None
    word = target(engine, f"{at + 12:08x}")
    said = find(engine, word)
    assert "at store+" in said
    assert said.endswith("(B)")
    assert engine.state.machine.current == 3
    said = find(engine, word)
    assert "at store+" in said
    assert said.endswith("(A)")


async def test_on_the_screen() -> None:
    async with session("signal") as on:
        run_to_the_end(on.engine)  # type: ignore[arg-type]
        on.app.go_to(87)
        await on.settle()
        await on.press("f3", "down", "O")
        for _ in range(200):
            await on.settle()
            if not on.app.player.on:
                break
        assert "bffff938: the page was made here" in on.text("footer")
        await on.press("escape", "O")
        await on.press(*"eax", "enter")
        assert "eax" in on.text("footer")
