"""A recording is the session: the same events, States and machine at every position."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.engine import Engine
from app.launch import Options, prepare
from app.recording import Recording, open_engine
from app.resources import kernel_image
from app.session.store import open_session
from app.state import state as states
from kernel.kernel import Input

PROGRAMS = Path(__file__).resolve().parents[2] / "assets" / "programs" / "bin"


def live(program: str, *arguments: str) -> Engine:
    start, blobs = prepare(Options(program=program, arguments=list(arguments)))
    return Engine(start, kernel_image(), blobs)


def run_out(engine: Engine) -> None:
    while engine.run(0.05) == "running":
        pass


def written(engine: Engine, path: Path) -> Engine:
    """The engine's session, saved and opened again."""
    machine = engine.machine
    recording = Recording(
        str(path), machine.kernel.start, machine.kernel.image, machine.kernel.blobs, machine, engine.history
    )
    recording.follow()
    recording.finish()
    with open_session(path) as session:
        return open_engine(session)


@pytest.mark.parametrize("program", ["hello", "pipe", "signal", "busy"])
def test_live_and_playback_agree_at_every_position(program: str, tmp_path: Path) -> None:
    engine = live(program)
    run_out(engine)
    played = written(engine, tmp_path / "a.int80")
    assert played.length == engine.length
    assert played.finished == engine.finished
    for seq in range(engine.length + 1):
        engine.go_to(seq)
        played.go_to(seq)
        assert states.encode(engine.state) == states.encode(played.state)
        assert engine.cursor == played.cursor
    for seq in range(0, engine.length + 1, 7):
        engine.go_to(seq)
        played.go_to(seq)
        assert engine.view is not None
        assert played.view is not None
        assert engine.view.regs == played.view.regs
        assert engine.view.read(0xC010_0000, 64) == played.view.read(0xC010_0000, 64)


def test_playback_ends_with_the_recording(tmp_path: Path) -> None:
    engine = live("hello")
    for _ in range(20):
        engine.step_microstep(1)
    length = engine.length
    played = written(engine, tmp_path / "a.int80")
    assert not played.live
    played.go_end()
    assert not played.step_instruction(1)
    assert not played.step_microstep(1)
    assert played.run(0.01) == "finished"
    assert played.length == length


def test_typed_keys_are_played_again(tmp_path: Path) -> None:
    busybox = Path("/bin/busybox")
    if not busybox.exists() or busybox.read_bytes()[4] != 1:
        pytest.skip("no i386 busybox on this host")
    engine = live(str(busybox), "cat")
    given: list[Input] = []
    engine.on_input = given.append
    while engine.run(0.05) == "running":
        pass
    engine.type_keys(b"hello\n")
    while engine.run(0.05) == "running":
        pass
    engine.type_keys(b"\x04")
    run_out(engine)
    assert engine.finished == 0
    assert [one.data for one in given] == [b"hello\n", b"\x04"]
    played = written(engine, tmp_path / "a.int80")
    played.go_end()
    assert bytes(played.state.terminals[0].kept) == b"hello\r\nhello\r\n"
    played.go_to(played.length // 2)
    assert played.view is not None


def test_two_runs_give_the_same_bytes() -> None:
    one, other = live("pipe"), live("pipe")
    run_out(one)
    while other.step_microstep(1):
        pass
    run_out(other)
    assert one.log.digest() == other.log.digest()


def command(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        cwd=cwd,
        env={"PYTHONPATH": str(Path(__file__).resolve().parents[2]), "PATH": "/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_record_and_play_from_the_command_line(tmp_path: Path) -> None:
    done = command("record", "-o", "a.int80", "pipe", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    played = command("play", "--text", "a.int80", cwd=tmp_path)
    assert played.returncode == 0
    assert b'write(4, "hello\\n", 6)' in played.stdout
    again = command("record", "-o", "b.int80", "pipe", cwd=tmp_path)
    assert again.returncode == 0
    with open_session(tmp_path / "a.int80") as one, open_session(tmp_path / "b.int80") as two:
        assert one.log.digest() == two.log.digest()


@pytest.mark.parametrize("content", [b"", b"hello", b"SQLite format 3\0" + bytes(100), b"\x7fELF"])
def test_what_is_no_session_gives_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "bad.int80").write_bytes(content)
    done = command("play", "bad.int80", cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert b"Traceback" not in done.stderr


def test_a_root_is_played_where_it_is_not(tmp_path: Path) -> None:
    """What was touched of a directory of the host is in the recording, and only that."""
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    (root / "bin/hello").write_bytes(Path(PROGRAMS, "hello").read_bytes())
    (root / "bin/hello").chmod(0o755)
    (root / "bin/other").write_bytes(b"never touched")
    done = command("record", "-o", "a.int80", "--root", "root", "/bin/hello", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hello, world\n", b"")
    again = command("record", "-o", "b.int80", "--root", "root", "hello", cwd=tmp_path)
    assert again.stdout == b"hello, world\n"
    shutil.rmtree(root)
    with open_session(tmp_path / "a.int80") as session:
        asked = [(answer.path, answer.chunk) for answer in session.host.answers]
        assert asked == [("", -1), ("bin", -1), ("bin/hello", 0)]
        played = open_engine(session)
        for seq in (played.length, played.length // 2, 0, played.length):
            played.go_to(seq)
            assert played.view is not None
            assert not played.broken
            if played.machine.seq == seq:  # else the kernel is in the midst of something
                assert played.machine.kernel.describe() == played.state.machine
