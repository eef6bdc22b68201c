"""Functions in a trace: looking changes nothing, no file can upset it, words are as ltrace shows them."""

from __future__ import annotations

import io
import random
import struct

import pytest

from app.tracing import Tracer
from app.tracing.library import Library
from app.tracing.linkage import Linkage, read_linkage
from app.tracing.options import TraceOptions
from app.tracing.prototypes import PROTOTYPES, UNKNOWN, Prototype, show_arguments, show_result
from kernel.elf import parse
from tests.app.machine import ASSETS, Machine

BIN = ASSETS / "programs" / "bin"
MOST_STEPS = 100_000


def run(name: str, globs: tuple[str, ...] | None) -> tuple[list[object], str]:
    """All events of one of our programs, and the trace of its functions that match."""
    machine = Machine(name, (BIN / name).read_bytes())
    kernel = machine.kernel
    out = io.StringIO()
    if globs is not None:
        tracer = Tracer(out, TraceOptions(follow=True, calls=frozenset()))
        library = Library(kernel, tracer, True, globs, 32)

        def sink(tick: int, pid: int, event: object) -> None:
            machine.take(tick, pid, event)  # type: ignore[arg-type]
            tracer.sink(tick, pid, event)
            library.sink(tick, pid, event)

        kernel.bus.sink = sink
    for _ in range(MOST_STEPS):
        if not machine.step():
            break
    log = [machine.log.record(seq) for seq in range(len(machine.log))]
    return [(record.tick, record.pid, record.event) for record in log], out.getvalue()


@pytest.mark.parametrize("name", ["pipe", "signal", "spaces"])
def test_looking_changes_no_event(name: str) -> None:
    plain, _ = run(name, None)
    looked, text = run(name, ("*",))
    assert looked == plain
    assert text.count("(") > 20


def test_a_programs_calls_of_a_library_in_itself() -> None:
    text = run("pipe", ())[1]
    child = [
        line.removeprefix("[pid     3] ") for line in text.splitlines() if line.startswith("[pid     3]")
    ]
    assert child[0].split() == ["<...", "fork", "resumed>", ")", "=", "0"]
    assert child[1].split() == ["close(4)", "=", "0"]
    assert any(line.startswith('printf("child: read %d bytes: %s", 6, ') for line in child)
    assert any(line.startswith("exit(7 <unfinished ...>") for line in child)
    assert not any("put_char" in line for line in child)


def test_damaged_files_say_less_and_raise_nothing() -> None:
    whole = (BIN / "printf").read_bytes()
    found = read_linkage(whole, 0x0804_8000, lambda _: True, lambda _: True)
    assert {"main", "printf", "strlen"} <= set(found.entries.values())
    assert found.main in found.entries
    assert read_linkage(b"", 0, lambda _: True, lambda _: True) == Linkage()
    rng = random.Random(1)
    for _ in range(150):
        damaged = bytearray(whole[: rng.choice((len(whole), rng.randrange(len(whole))))])
        for _ in range(rng.randrange(1, 30)):
            at = rng.randrange(rng.choice((52, 200, len(damaged) or 1)))
            damaged[at : at + 1] = bytes((rng.getrandbits(8),))
        read_linkage(bytes(damaged), rng.getrandbits(32), lambda _: True, lambda _: True)


def _dynamic(tags: dict[int, int], relocations: bytes) -> bytes:
    """A program with nothing but a dynamic section that says `tags`."""
    body = b"".join(struct.pack("<II", *tag) for tag in tags.items()) + relocations
    header = struct.pack("<7s9xHHIIIIIHHHHHH", b"\x7fELF\1\1\1", 3, 3, 1, 0, 52, 0, 0, 52, 32, 2, 0, 0, 0)
    size = 52 + 64 + len(body)
    load = struct.pack("<8I", 1, 0, 0, 0, size, size, 5, 4096)
    dynamic = struct.pack("<8I", 2, 116, 116, 116, len(body), len(body), 4, 4)
    return header + load + dynamic + body


def test_tables_that_lie_elsewhere() -> None:
    rng = random.Random(2)
    for _ in range(200):
        numbers = (0, 116, 1 << 31, (1 << 32) - 1, rng.getrandbits(32), rng.randrange(400))
        tags = {tag: rng.choice(numbers) for tag in (2, 3, 5, 6, 17, 18, 23)}
        relocations = b"".join(
            struct.pack("<II", rng.choice(numbers), rng.getrandbits(24) << 8 | rng.choice((6, 7, 42)))
            for _ in range(8)
        )
        data = _dynamic(tags, relocations)
        assert parse(data).loads
        read_linkage(data, 0x40_0000, lambda _: True, lambda _: True)


MEMORY = b'a "b"\n\0%5.2f|%lld|%.3s|%*d|%c%%\0\xff\x01'


def text(address: int, size: int) -> bytes | None:
    if not 1000 <= address < 1000 + len(MEMORY):
        return None
    data = MEMORY[address - 1000 :][: abs(size)]
    return data.partition(b"\0")[0] if size < 0 else data


WORDS = {
    ("str",): [((1000,), r'"a "b"\n"'), ((0,), "nil"), ((5,), "0x5")],
    ("str2", "uint"): [((1000, 3), r'"a "", 3'), ((1005, 2), r'"\n\0", 2'), ((0, 9), "nil, 9")],
    ("char",): [((65,), "'A'"), ((10,), r"'\n'"), ((0xFFFF_FFFF,), "-1"), ((1,), r"'\001'")],
    ("int", "uint", "hex", "oct"): [((0xFFFF_FFFF,) * 4, "-1, 4294967295, 0xffffffff, 037777777777")],
    ("addr", "signal"): [((0, 10), "0, SIGUSR1"), ((77, 0), "0x4d, 0")],
    ("word", "word"): [((10_000, 10_001), "10000, 0x2711")],
    ("int64", "double"): [((0xFFFF_FFFE, 0xFFFF_FFFF, 0, 0x3FF8_0000), "-2, 1.500000"), ((1,), "")],
    ("format",): [
        (
            (1007, 0, 0x4004_0000, 1, 1, 1000, 4, 7, 0x78),
            r'"%5.2f|%lld|%.3s|%*d|%c%%", 2.500000, 4294967297, "a "", 4, 7, ' + "'x'",
        )
    ],
}


@pytest.mark.parametrize("kinds", WORDS, ids=", ".join)
def test_words_are_shown_as_ltrace_does(kinds: tuple[str, ...]) -> None:
    for words, expected in WORDS[kinds]:
        assert show_arguments(Prototype("void", kinds), words, text, 32) == expected


def test_results() -> None:
    assert show_result(PROTOTYPES["atof"], (0, 0), (0xC000_0000_0000_0000, 0x3FFF), text, 32) == "1.500000"
    assert show_result(PROTOTYPES["atof"], (0, 0), (1 << 63, 0xFFFF), text, 32) == "-inf"
    assert show_result(PROTOTYPES["strtoll"], (5, 0), (0, 0), text, 32) == "5"
    assert show_result(PROTOTYPES["free"], (5, 0), (0, 0), text, 32) == "<void>"
    assert show_result(UNKNOWN, (0x12345, 0), (0, 0), text, 32) == "0x12345"
    assert all(prototype.arguments.count("format") <= 1 for prototype in PROTOTYPES.values())
