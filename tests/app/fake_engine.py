"""An engine without a machine: one `write` and the end, every place written down. For the screen's tests.

It has what `app.engine.Engine` has as far as the screen asks; the places are a list and steps move in it.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

from app import finding
from app.branches import Branches, Past
from app.breakpoints import Breakpoint
from app.breakpoints import wanted as reaches
from app.checkpoints import Checkpoints
from app.history import History
from app.log import Event, Log
from app.notes import Note, Notes
from app.objects import Objects
from app.position import ALL_DONE, START, Position
from app.state.state import State
from app.view import FrameCounts, FrameUse
from cpu.descriptors import GATE_INTERRUPT, GATE_TRAP, Gate
from cpu.disasm import Instruction, disassemble
from cpu.events import TrapTaken
from cpu.interrupts import microsteps
from cpu.paging import Step
from cpu.registers import Registers
from cpu.symbols import Symbol, Symbols
from kernel import events as e
from kernel.thread import PT_REGS, PT_SIZE

THREAD = 0xC010_A000
TOP = THREAD + 8192
CODE = bytes.fromhex("5589e553b8040000008b4d0c8b55108b5d08cd8089c23d00f0ffff770789d08b5dfcc9c3")
"""A stub of the `_syscallN` kind, at WRITE."""
WRITE, MAIN, START_AT, BUFFER = 0x0804_991D, 0x0804_901B, 0x0804_9000, 0x0804_A000
INT_80 = WRITE + CODE.index(b"\xcd\x80")
ESP, STACK = 0xBFFF_FEA4, 0xBFFF_FED0
GATE = Gate(0xC010_007F, 0x60, GATE_TRAP, 3, True)
ENTRY = bytes.fromhex("50fc0fa80fa0061e505557565251")
SYMBOLS = Symbols(
    [
        Symbol("_start", START_AT, 0x1B),
        Symbol("main", MAIN, 0x40),
        Symbol("write", WRITE, len(CODE)),
        Symbol("greeting", BUFFER, 14),
        Symbol("startup_32", 0xC010_0000, 0x70),
        Symbol("system_call", 0xC010_007F, 0x90),
        Symbol("system_call_saved", 0xC010_0097, 0),
        Symbol("system_call_done", 0xC010_00AB, 0),
        Symbol("ret_from_sys_call", 0xC010_00AF, 0),
        Symbol("restore_all", 0xC010_00C0, 0),
        Symbol("return_from_interrupt", 0xC010_00D1, 1),
        Symbol("divide_error", 0xC010_0180, 0x20),
        Symbol("page_fault", 0xC010_02C0, 0x20),
        Symbol("timer_interrupt", 0xC010_0400, 0x20),
        Symbol("sys_ni_syscall", 0xC010_0120, 13),
        Symbol("sys_exit", 0xC010_0660, 13),
        Symbol("sys_write", 0xC010_069C, 13),
    ]
)
GATES = {
    0: Gate(0xC010_0180, 0x60, GATE_TRAP, 0, True),
    14: Gate(0xC010_02C0, 0x60, GATE_INTERRUPT, 0, True),
    0x20: Gate(0xC010_0400, 0x60, GATE_INTERRUPT, 0, True),
    0x80: GATE,
}

TRAP = TrapTaken(
    vector=0x80,
    source=0,
    gate=GATE.pack(),
    cpl=3,
    ss0=0x68,
    esp0=TOP,
    sp=TOP - 20,
    ss=0x7B,
    esp=ESP,
    eflags=0x246,
    cs=0x73,
    eip=INT_80 + 2,
    error=-1,
    cr2=0,
    eax=4,
)

USER = Registers(
    eax=4,
    ebx=1,
    ecx=BUFFER,
    edx=13,
    ebp=ESP + 4,
    esp=ESP,
    eip=INT_80,
    eflags=0x246,
    cs=0x73,
    ss=0x7B,
    ds=0x7B,
    es=0x7B,
    cr2=0x0804_9000,
    cr3=0x0011_5000,
)
SAVED = dict(
    zip(
        PT_REGS,
        (1, BUFFER, 13, 0, 0, ESP + 4, 4, 0x7B, 0x7B, 0, 0, 4, INT_80 + 2, 0x73, 0x246, ESP, 0x7B),
        strict=True,
    )
)


class FakeView:
    """Registers and a few stretches of memory."""

    def __init__(self, regs: Registers, memory: dict[int, bytes]) -> None:
        self.regs = regs
        self.memory = memory

    @property
    def cpl(self) -> int:
        return self.regs.cpl

    def read(self, va: int, length: int) -> bytes | None:
        for start, data in self.memory.items():
            if start <= va and va + length <= start + len(data):
                return data[va - start : va - start + length]
        return None

    def word(self, va: int) -> int | None:
        data = self.read(va, 4)
        return int.from_bytes(data, "little") if data is not None else None

    def instructions(self, va: int, count: int) -> list[Instruction]:
        for start, data in self.memory.items():
            if start <= va < start + len(data):
                return disassemble(data[va - start :], va, count)
        return []

    def label(self, va: int) -> str:
        return SYMBOLS.label(va)

    def gate(self, vector: int) -> Gate:
        return GATES.get(vector, Gate(0, 0, 0, 0, False))

    def sysenter(self) -> tuple[int, int, int]:
        return 0x60, 0xC010_9900, 0xC010_013A

    def tss(self) -> tuple[int, int]:
        return 0x68, TOP

    def table_entry(self, number: int) -> int:
        return {1: 0xC010_0660, 4: 0xC010_069C}.get(number, 0xC010_0120)

    def walk(self, va: int) -> list[Step]:
        return []

    def all_symbols(self) -> tuple[Symbols, ...]:
        return (SYMBOLS,)

    def cores(self) -> list[Any]:
        return []

    def contents(self, path: str) -> tuple[str, bytes] | None:
        return None

    def kernel_image(self) -> bytes:
        return b""

    def task(self, pid: int) -> None:
        return None

    def open_file(self, number: int) -> None:
        return None

    def signal_actions(self, pid: int) -> dict[int, Any]:
        return {}

    def read_of(self, pid: int, va: int, length: int) -> bytes | None:
        return self.read(va, length)

    def label_of(self, pid: int, va: int) -> str:
        return SYMBOLS.label(va)

    def walk_in(self, pgd: int, va: int) -> list[Step]:
        return []

    seq = 0

    def frame_uses(self) -> dict[int, FrameUse]:
        return {}

    def frame_refs(self, frame: int) -> int:
        return 0

    def frame_counts(self) -> FrameCounts:
        return FrameCounts(0x128, 0, 0x3ED8)


def words(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, "little") for value in values)


def memory(pushed: int = 0, returned: bool = False) -> dict[int, bytes]:
    """Guest memory; `pushed` words of pt_regs are on the kernel stack, the topmost first."""
    saved = dict(SAVED, eax=13) if returned else SAVED
    frame = words(0xC010_00AB, *saved.values())
    keep = 4 * pushed
    stack = bytes(8192 - keep) + (frame[len(frame) - keep :] if keep else b"")
    user = words(
        *(0, ESP + 24, MAIN + 0x11, 1, BUFFER, 13, 0, START_AT + 0x15, 1, STACK + 4, STACK + 12),
        *(1, STACK + 64, 0, STACK + 72, 0, 6, 0x1000, 0, 0),
    )
    strings = b"hello\0\0\0TERM=xterm\0"
    return {
        WRITE: CODE,
        MAIN: bytes(0x40),
        BUFFER: b"hello, world\n\0",
        ESP: (user.ljust(STACK + 64 - ESP, b"\0") + strings).ljust(0xC000_0000 - ESP, b"\0"),
        THREAD: stack,
        0xC010_007F: ENTRY.ljust(0x100, b"\x90"),
        0xC010_069C: bytes.fromhex("f485d27501c3e860ffffffebf3"),
    }


class Place(NamedTuple):
    position: Position
    view: FakeView


def script() -> tuple[Log, list[Place]]:
    """The log, and every place that a step can reach."""
    log = Log()
    rows: list[tuple[int, int, Event]] = [
        (0, 0, e.Booted(64 << 20, 0)),
        (0, 0, e.TaskCreated(0, 0, 0, "boot", "idle", 0, 0, 0xC010_4000)),
        (0, 0, e.TaskCreated(2, 1, 2, "boot", "hello", 5, 6, THREAD, sighand=4)),
        (105, 2, e.ProgramExecuted(2, "/bin/hello", ("hello",), "hello", 5, START_AT, STACK, 7)),
        (120, 0, e.TaskSwitched(0, 2, True)),
        (371, 2, TRAP),
        (400, 2, e.SyscallEntered(4, (1, BUFFER, 13, 0, 0, ESP + 4), (None, b"hello, world\n", None))),
        (400, 2, e.TerminalWritten(0, b"hello, world\r\n")),
        (10_400, 2, e.SyscallExited(4, 13)),
        (10_600, 2, msgspec_replace(TRAP, eax=1, eip=INT_80 + 2)),
        (10_620, 2, e.SyscallEntered(1, (0, 0, 0, 0, 0, 0), (None,))),
        (20_620, 2, e.TaskExited(2, 0)),
        (20_620, 0, e.MachineHalted(0)),
    ]
    for tick, pid, event in rows:
        log.append(tick, pid, event)

    def kernel(eip: int, esp: int, **more: int) -> Registers:
        values = {name: getattr(USER, name) for name in USER.__struct_fields__}
        return Registers(**{**values, "eip": eip, "esp": esp, "cs": 0x60, "ss": 0x68, **more})

    before = FakeView(USER, memory())
    full = PT_SIZE // 4
    places = [Place(Position(5, ALL_DONE, 313), before)]
    places += [Place(Position(6, n, 371), before) for n in range(len(microsteps(TRAP)))]
    places += [
        Place(Position(6, ALL_DONE, 371), FakeView(kernel(0xC010_007F, TOP - 20), memory(5))),
        Place(
            Position(6, ALL_DONE, 395), FakeView(kernel(0xC010_0097, TOP - PT_SIZE, edx=0x7B), memory(full))
        ),
        Place(
            Position(6, ALL_DONE, 399),
            FakeView(kernel(0xC010_069C, TOP - PT_SIZE - 4, edx=0x7B), memory(full + 1)),
        ),
    ]
    after = FakeView(kernel(0xC010_069D, TOP - PT_SIZE - 4, eax=13, edx=0), memory(full + 1))
    places += [Place(Position(seq, ALL_DONE, tick), after) for seq, tick in ((7, 400), (8, 400), (9, 10_400))]
    places += [
        Place(
            Position(9, ALL_DONE, 10_405),
            FakeView(kernel(0xC010_00AB, TOP - PT_SIZE, eax=13, edx=0), memory(full)),
        ),
        Place(
            Position(9, ALL_DONE, 10_409),
            FakeView(kernel(0xC010_00AF, TOP - PT_SIZE, eax=13, edx=0), memory(full, returned=True)),
        ),
        Place(
            Position(9, ALL_DONE, 10_420),
            FakeView(kernel(0xC010_00C0, TOP - PT_SIZE, eax=13), memory(full, returned=True)),
        ),
        Place(
            Position(9, ALL_DONE, 10_430),
            FakeView(kernel(0xC010_00D1, TOP - 20, eax=13), memory(5, returned=True)),
        ),
        Place(
            Position(9, ALL_DONE, 10_431), FakeView(msgspec_replace(USER, eax=13, eip=INT_80 + 2), memory())
        ),
    ]
    last = FakeView(kernel(0xC010_0660, TOP - PT_SIZE - 4), memory(full))
    places += [
        Place(Position(seq, ALL_DONE, tick), last) for seq, tick in ((10, 10_600), (11, 10_620), (12, 20_620))
    ]
    places.append(Place(Position(13, ALL_DONE, 20_620), last))
    return log, places


def msgspec_replace(struct: Any, **changes: Any) -> Any:
    import msgspec

    return msgspec.structs.replace(struct, **changes)


class FakeEngine:
    """Moves in the list of places."""

    broken = ""

    def __init__(self, live: bool = True) -> None:
        self.log, self.places = script()
        self.history = History(self.log)
        self.branches = Branches(Past(self.log, self.history, [], Checkpoints()))
        self.live = live
        self.title = "hello"
        self.seeking: Callable[[Any], bool] | None = None
        self.at = 0
        """Index of the place, -1 at the start of time."""
        self.typed = b""
        self.ran = 0
        self.reads_keys = True
        self.window: tuple[int, int] | None = None
        self.found = True
        self.reason = ""
        self.breakpoints: list[Breakpoint] = []
        self.notes = Notes()
        self.machine = SimpleNamespace(follow=None)
        self.moved: list[str] = []
        """What was asked for, in order."""

    @property
    def cursor(self) -> Position:
        return self.places[self.at].position if self.at >= 0 else START

    @property
    def notes_here(self) -> tuple[Note, ...]:
        return self.notes.every

    @property
    def length(self) -> int:
        return len(self.log)

    @property
    def state(self) -> State:
        return self.history.state_at(self.cursor.seq)

    @property
    def event(self) -> Any:
        return self.log.record(self.cursor.seq - 1).event if self.cursor.seq else None

    @property
    def view(self) -> Any:
        return self.places[max(self.at, 0)].view

    @property
    def at_start(self) -> bool:
        return self.at < 0

    @property
    def at_end(self) -> bool:
        return self.at == len(self.places) - 1

    @property
    def finished(self) -> int | None:
        return 0

    @property
    def status(self) -> str:
        return "replay" if not self.live else "live" if self.at_end else "past"

    def _move(self, name: str, direction: int, wanted: Callable[[Place], bool]) -> bool:
        self.moved.append(f"{name}{direction:+d}")
        at = self.at + direction
        while 0 <= at < len(self.places):
            if wanted(self.places[at]):
                self.at = at
                return True
            at += direction
        if direction < 0 <= self.at:
            self.at = -1
            return True
        return False

    def _event_at(self, place: Place) -> Event:
        return self.log.record(place.position.seq - 1).event

    def step_instruction(self, direction: int) -> bool:
        return self._move("instruction", direction, lambda place: place.position.microstep == ALL_DONE)

    def step_microstep(self, direction: int) -> bool:
        return self._move("microstep", direction, lambda place: True)

    def step_syscall(self, direction: int) -> bool:
        kinds = (e.SyscallEntered, e.SyscallExited)
        here = self.cursor.seq
        return self._move(
            "syscall",
            direction,
            lambda place: isinstance(self._event_at(place), kinds) and place.position.seq != here,
        )

    def step_switch(self, direction: int) -> bool:
        return self._move(
            "switch", direction, lambda place: isinstance(self._event_at(place), e.TaskSwitched)
        )

    def step_event(self, direction: int) -> bool:
        here = self.cursor.seq
        return self._move("event", direction, lambda place: place.position.seq != here)

    def _kind(self, name: str, direction: int, wanted: Callable[[Event], bool]) -> bool:
        here = self.cursor.seq
        self.found = self._move(
            name, direction, lambda place: wanted(self._event_at(place)) and place.position.seq != here
        )
        return self.found

    def step_signal(self, direction: int) -> bool:
        return self._kind("signal", direction, finding.is_signal)

    def step_message(self, direction: int) -> bool:
        return self._kind("message", direction, finding.is_message)

    def step_mark(self, direction: int) -> bool:
        return self._kind("mark", direction, finding.is_mark)

    def step_breakpoint(self, direction: int) -> bool:
        return self._kind("breakpoint", direction, reaches(self.breakpoints))

    def step_object(self, what: Objects, direction: int) -> bool:
        return self._kind("object", direction, what.wanted())

    def search(self, text: str, direction: int) -> bool:
        return self._kind("search", direction, finding.searcher(text))

    def step_follow(self, direction: int) -> bool:
        self.moved.append(f"follow{direction:+d}")
        self.reason = "no message here"
        return False

    def toggle_breakpoint(self, point: Breakpoint) -> bool:
        if point in self.breakpoints:
            self.breakpoints.remove(point)
            return False
        self.breakpoints.append(point)
        return True

    def go_to(self, seq: int) -> None:
        self.moved.append(f"go_to {seq}")
        places = [n for n, place in enumerate(self.places) if place.position.seq <= seq]
        self.at = places[-1] if places else -1

    def go_to_place(self, place: Position) -> None:
        self.go_to(place.seq)

    def go_start(self) -> None:
        self.moved.append("start")
        self.at = -1

    def go_end(self) -> None:
        self.moved.append("end")
        self.at = len(self.places) - 1

    def run(self, seconds: float) -> str:
        self.ran += 1
        self.at = len(self.places) - 1
        return "finished"

    def type_keys(self, data: bytes) -> str:
        self.typed += data
        return ""

    def why_not_here(self) -> str:
        return "" if self.live else "a recording has one future only: u takes over"
