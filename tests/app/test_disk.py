"""The disk: requests and the sleep until its interrupt, the file system on it, what stays."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from app.engine import Engine
from cpu.core import NEVER
from kernel import events as e
from kernel.abi.errno import Errno
from kernel.boot import DISK_VECTOR
from kernel.describe import describe
from kernel.table import BY_NAME
from tests.app.machine import ASSETS, Machine
from tests.app.random_calls import DATA, SCRATCH, Writer, data_segment, elf, name_at

IMAGE = (ASSETS / "disk" / "hda0.img").read_bytes()
BUFFER = DATA + SCRATCH


def program(then: bytes = b"") -> bytes:
    """Mounts the disk, copies the beginning of a file from it to the console, writes to the disk."""
    writer = Writer()
    writer.call("mkdir", name_at("/mnt"), 0o755)
    writer.call("mount", name_at("/dev/hda0"), name_at("/mnt"), name_at("minix"), 0, 0)
    writer.call("open", name_at("/mnt/squares"), 0)
    writer.call("read", 3, BUFFER, 96)
    writer.call("write", 1, BUFFER, 96)
    writer.call("open", name_at("/mnt/squares"), 2)
    writer.call("open", name_at("/dev/hda0"), 2)
    writer.call("pwrite64", 4, BUFFER, 24, 190_000, 0)
    writer.call("fsync", 4)
    writer.call("pread64", 4, BUFFER, 100, len(IMAGE) - 50, 0)
    writer.call("pwrite64", 4, BUFFER, 1, len(IMAGE), 0)
    writer.call("umount", name_at("/mnt"))
    writer.call("close", 3)
    writer.call("umount", name_at("/mnt"))
    writer.call("exit_group", 0)
    return elf(bytes(writer.code), data_segment(1))


def run(image: bytes = IMAGE, slices: int = 0) -> Machine:
    machine = Machine("random", program(), image)
    rng = random.Random(slices)
    kernel = machine.kernel
    while machine.goes_on(kernel.step(kernel.core.ticks + rng.randrange(1, slices) if slices else NEVER)):
        assert machine.state.machine == describe(kernel)
    return machine


def results(machine: Machine, name: str) -> list[int]:
    number = BY_NAME[name].number
    return [
        ev.result for _, _, ev in machine.log.rows() if isinstance(ev, e.SyscallExited) and ev.nr == number
    ]


def test_who_needs_the_disk_sleeps_until_its_interrupt() -> None:
    machine = run()
    assert bytes(machine.state.terminals[0].kept).startswith(b"   1 squared is       1\r\n   2 squared is")
    events = [event for _, _, event in machine.log.rows()]
    asked = [event for event in events if isinstance(event, e.DiskRequested)]
    done = [event for event in events if isinstance(event, e.DiskCompleted)]
    assert [(ev.first, ev.count, ev.write) for ev in asked] == [(ev.first, ev.count, ev.write) for ev in done]
    assert machine.kernel.tables.interrupts[DISK_VECTOR] == len(done) > 3
    assert [ev.write for ev in done].count(True) == 1
    slept = [event for event in events if isinstance(event, e.TaskBlocked) and event.on == ("disk",)]
    assert len(slept) == len(done)
    assert results(machine, "mount") == [0]
    assert results(machine, "open") == [3, -Errno.EROFS, 4]
    assert results(machine, "pwrite64") == [24, -Errno.ENOSPC]
    assert results(machine, "pread64") == [50]
    assert results(machine, "umount") == [-Errno.EBUSY, 0]


def test_the_same_in_slices_and_backwards() -> None:
    machine = run()
    assert run(slices=3000).log.digest() == machine.log.digest()
    kernel = machine.kernel
    engine = Engine(kernel.start, kernel.image, kernel.blobs, machine.log, [], live=False)
    rng = random.Random(1)
    for place in [rng.randrange(len(machine.log)) for _ in range(12)]:
        engine.go_to(place)
        view = engine.view
        if view is not None and view.seq == place:
            assert engine.state.machine == engine.machine.kernel.describe()


@pytest.mark.parametrize("seed", range(24))
def test_damaged_disks_are_refused_or_read(seed: int) -> None:
    rng = random.Random(seed)
    image = bytearray(IMAGE)
    for _ in range(rng.randrange(1, 12)):
        at = rng.choice(
            (rng.randrange(1024, 1042), rng.randrange(4096, 4096 + 256), rng.randrange(7168, 12000))
        )
        image[at] = rng.randrange(256)
    machine = run(bytes(image))
    assert machine.state.halted == 0


def test_the_image_is_what_its_script_makes(tmp_path: Path) -> None:
    source = ASSETS / "disk" / "mkfs.py"
    code = f"import runpy; print(runpy.run_path({str(source)!r})['image']().hex())"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (bytes.fromhex(made.stdout) == IMAGE) is True, "run assets/disk/mkfs.py"  # no diff of 192 KiB
    assert struct.unpack_from("<H", IMAGE, 1024 + 16) == (0x137F,)
    fsck = shutil.which("fsck.minix", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if fsck is not None:
        (tmp_path / "image").write_bytes(IMAGE)
        assert (
            subprocess.run([fsck, "-f", tmp_path / "image"], capture_output=True, check=False).returncode == 0
        )


def test_what_is_written_stays_only_if_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "program").write_bytes(program())
    (tmp_path / "program").chmod(0o755)
    disk, session = tmp_path / "disk", tmp_path / "session.int80"
    disk.write_bytes(IMAGE)

    def int80(*words: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([sys.executable, "-m", "app.cli", *words], capture_output=True, check=False)

    run = str(tmp_path / "program")
    plain = int80("record", "-o", str(session), "--disk", str(disk), run)
    assert (plain.returncode, plain.stdout[:23]) == (0, b"   1 squared is       1")
    assert disk.read_bytes() == IMAGE
    kept = int80("exec", "--disk", f"{disk}:rw", run)
    assert kept.returncode == 0
    expected = bytearray(IMAGE)
    expected[190_000:190_024] = plain.stdout[:24]
    assert disk.read_bytes() == bytes(expected)
    disk.unlink()
    played = int80("play", "--text", str(session))
    assert played.returncode == 0
    assert b"squared" in played.stdout
    for wrong in ("nothing", str(tmp_path), run):
        refused = int80("exec", "--disk", wrong, run)
        assert refused.returncode == 2 or wrong == run
        assert refused.stderr.count(b"\n") <= 1
