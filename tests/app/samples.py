"""Events made up for tests: one of every type from a given generator, and a long log that fits together."""

from __future__ import annotations

import random
import types
from typing import Any, Union, get_args, get_origin

import msgspec

from app.log import EVENT_TYPES, Event, Log
from cpu.events import TrapTaken
from kernel import events as e

KINDS: tuple[type[Any], ...] = get_args(EVENT_TYPES)


def any_value(kind: Any, rng: random.Random) -> Any:
    """A value of an event field's type."""
    if kind is int:
        return rng.choice((0, 1, -1, rng.getrandbits(31), -rng.getrandbits(31), rng.getrandbits(64)))
    if kind is bool:
        return rng.random() < 0.5
    if kind is str:
        return rng.choice(("", "pipe:3", "/bin/sh", "grün"))
    if kind is bytes:
        return rng.randbytes(rng.randrange(40))
    if get_origin(kind) in (Union, types.UnionType):
        inner = rng.choice(get_args(kind))
        return None if inner is type(None) else any_value(inner, rng)
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        if inner[-1] is Ellipsis:
            return tuple(any_value(inner[0], rng) for _ in range(rng.randrange(4)))
        return tuple(any_value(part, rng) for part in inner)
    raise TypeError(f"no sample for {kind}")


def any_event(kind: type[Any], rng: random.Random) -> Event:
    """An event of this type, whatever it may say."""
    fields = msgspec.structs.fields(kind)
    event: Event = kind(**{field.name: any_value(field.type, rng) for field in fields})
    return event


def trap(vector: int = 0x80, eax: int = 4, eip: int = 0x0804_8000) -> TrapTaken:
    return TrapTaken(
        vector=vector,
        source=0,
        gate=0xC010_EF00_0060_0120,
        cpl=3,
        ss0=0x68,
        esp0=0xC07F_E000,
        sp=0xC07F_DFEC,
        ss=0x7B,
        esp=0xBFFF_F7A0,
        eflags=0x202,
        cs=0x73,
        eip=eip,
        error=-1,
        cr2=0,
        eax=eax,
    )


def session(length: int, seed: int = 1) -> Log:
    """A log of about `length` events as a machine with two busy tasks might write it."""
    rng = random.Random(seed)
    log = Log()
    tick = 0

    def put(pid: int, event: Event) -> None:
        nonlocal tick
        tick += rng.randrange(1000)
        log.append(tick, pid, event)

    put(0, e.Booted(64 << 20, 0))
    put(0, e.TaskCreated(0, 0, 0, "boot", "idle", 0, 0, 0xC020_0000))
    put(0, e.TaskCreated(2, 1, 2, "boot", "pipe", 0, 0, 0xC020_2000, sighand=4))
    put(0, e.AddressSpaceCreated(5, 0x100))
    put(0, e.VmaMapped(5, 0x0804_8000, 0x0904_8000, 3, 2, 0, 0, ""))
    put(0, e.ProgramExecuted(2, "/bin/pipe", ("pipe",), "pipe", 5, 0x0804_8000, 0xBFFF_F000, 7))
    put(0, e.DescriptorTableCreated(6, 0))
    put(0, e.TaskSwitched(0, 2, True))
    put(2, e.PipeCreated(9, 65536))
    put(2, e.PipeEndsChanged(9, 1, 1))
    put(2, e.AddressSpaceForked(5, 8, 0x200, 0))
    put(2, e.TaskCreated(3, 2, 3, "fork", "pipe", 8, 6, 0xC020_4000, sighand=10))
    current, held, frame = 2, 0, 0x300
    while len(log) < length:
        what = rng.randrange(8)
        if what == 0:
            other = 5 - current
            put(current, e.TaskSwitched(current, other, False))
            current = other
        elif what == 1:
            frame += 1
            space = 5 if current == 2 else 8
            va = 0x0804_8000 + (rng.randrange(4096) << 12)
            put(current, e.PageMapped(space, va, frame, 0x1007, "zero"))
        elif what == 2:
            data = rng.randbytes(rng.randrange(1, 50))
            held += len(data)
            put(current, e.PipeWritten(9, data))
        elif what == 3 and held:
            count = rng.randrange(1, held + 1)
            held -= count
            put(current, e.PipeRead(9, count))
        elif what == 4:
            put(current, e.TerminalWritten(0, rng.randbytes(rng.randrange(80))))
        elif what == 5:
            put(current, e.SignalMaskSet(current, rng.getrandbits(64)))
        else:
            nr = rng.choice((3, 4, 20))
            put(current, trap(eax=nr))
            put(current, e.SyscallEntered(nr, (1, 2, 3, 4, 5, 6), (None, b"hello", None)))
            if rng.random() < 0.9:
                put(current, e.SyscallExited(nr, rng.choice((5, 0, -14))))
    return log
