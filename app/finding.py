"""What steps look for in the log: signals, messages, marks, a text; and where a message arrives or came from.

Pure functions of events. Going there is the engine's business.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from app.trace import call_name, quoted
from cpu.events import TrapTaken
from kernel import events as e
from kernel.abi.errno import Errno, errno_of
from kernel.abi.signal import signal_name
from kernel.kernel import ORDERS

Wanted = Callable[[Any], bool]

FORK, EXIT, SIGNAL, FAULT = 1, 2, 3, 4
"""Kinds of marks; where several fall together, the higher one is shown."""
ERRORS = {int(error): error.name for error in Errno}


def is_event(event: Any) -> bool:
    return True


def is_syscall(event: Any) -> bool:
    return type(event) is e.SyscallEntered or type(event) is e.SyscallExited


def is_switch(event: Any) -> bool:
    return type(event) is e.TaskSwitched


def is_signal(event: Any) -> bool:
    """One is sent, is delivered, or its handler returns."""
    return type(event) in (e.SignalGenerated, e.SignalDelivered, e.SignalReturned)


def is_message(event: Any) -> bool:
    return message_of(event) is not None


def is_mark(event: Any) -> bool:
    return mark_of(event) > 0


def mark_of(event: Any) -> int:
    """What stands out on the timeline; 0 for most."""
    if isinstance(event, e.ProgramExecuted) or (isinstance(event, e.TaskCreated) and event.how != "boot"):
        return FORK
    if isinstance(event, e.TaskExited):
        return EXIT
    if isinstance(event, e.SignalDelivered):
        return SIGNAL
    if isinstance(event, e.FaultHandled) and event.signo:
        return FAULT
    return 0


# Messages.


class Message(NamedTuple):
    """Bytes that went into a channel, or came out of it (`taken`)."""

    channel: str
    taken: bool
    size: int


def message_of(event: Any) -> Message | None:
    """What an event moved between a process and a channel; None if nothing."""
    match event:
        case e.PipeWritten():
            return Message(f"pipe:{event.pipe}", False, len(event.data))
        case e.PipeRead():
            return Message(f"pipe:{event.pipe}", True, event.count)
        case e.SocketSent():
            return Message(f"socket:{event.socket}", False, len(event.data))
        case e.SocketReceived():
            return Message(f"socket:{event.socket}", True, event.count)
        case e.MessageQueueSent():
            return Message(f"mqueue:{event.mqueue}", False, len(event.data))
        case e.MessageQueueReceived():
            return Message(f"mqueue:{event.mqueue}", True, 0)
        case e.TerminalWritten():
            return Message(f"tty:{event.terminal}", False, len(event.data))
        case e.StreamWritten():
            return Message(f"stream:{event.stream}", False, len(event.data))
        case e.InputArrived() if event.device not in ORDERS:
            return Message(f"{event.device}:{event.number}", True, len(event.data))
    return None


def other_end(events: Iterable[Any], seq: int, direction: int) -> int | str:
    """Where the message that event `seq` moved is taken out, or was put in (`direction` -1).

    `events` are those of the log from its beginning on. Bytes are counted: the one that takes the message's
    first byte is meant, whatever else it takes. A sentence where there is no such event (yet).
    """
    known = list(events)
    here = known[seq] if 0 <= seq < len(known) else None
    if isinstance(here, (e.SignalGenerated, e.SignalDelivered)):
        return _signal_end(known, seq, direction)
    message = message_of(here)
    if message is None:
        return "no message here: l goes to the next one, n to the next signal"
    if not message.channel.startswith(("pipe:", "socket:", "mqueue:")):
        return "the other end of this channel is outside the machine"
    if message.taken == (direction > 0):
        return (
            "here it is taken out: { goes to where it was put in"
            if message.taken
            else "here it is put in: } goes to where it is taken out"
        )
    if message.channel.startswith("socket:"):
        return _socket_end(known, seq, message)
    if message.channel.startswith("mqueue:"):
        return _queue_end(known, seq, int(message.channel.partition(":")[2]))
    into: list[tuple[int, int]] = []
    out: list[tuple[int, int]] = []
    totals = [0, 0]
    for n, event in enumerate(known):
        one = message_of(event)
        if one is not None and one.channel == message.channel and one.size:
            (out if one.taken else into).append((totals[one.taken], n))
            totals[one.taken] += one.size
    first = next((start for start, n in (out if message.taken else into) if n == seq), None)
    if first is None:
        return "no bytes were moved here"
    others, total = (into, totals[0]) if message.taken else (out, totals[1])
    if first >= total:
        return "nobody has taken it out so far"
    return others[bisect_right(others, (first, len(known))) - 1][1]


def _socket_end(known: list[Any], seq: int, message: Message) -> int | str:
    """As for a pipe, but messages are counted: the one who receives the first byte of it is meant."""
    sent: list[int] = []
    received: list[int] = []
    gone = 0
    for n, event in enumerate(known):
        one = message_of(event)
        if one is None or one.channel != message.channel:
            continue
        if not one.taken:
            sent.append(n)
            continue
        if n == seq:
            return sent[gone]
        touched = gone + event.messages + bool(event.count)
        received += [n] * (touched - len(received))
        gone += event.messages
    place = sent.index(seq)
    return received[place] if place < len(received) else "nobody has received it so far"


def _queue_end(known: list[Any], seq: int, mqueue: int) -> int | str:
    """Messages of a queue overtake those of lower priority."""
    waiting: list[tuple[int, int]] = []
    for n, event in enumerate(known):
        if isinstance(event, e.MessageQueueSent) and event.mqueue == mqueue:
            insort(waiting, (-event.priority, n))
        elif isinstance(event, e.MessageQueueReceived) and event.mqueue == mqueue:
            sent = waiting.pop(0)[1]
            if n == seq:
                return sent
            if sent == seq:
                return n
    return "nobody has received it so far"


def _signal_end(known: list[Any], seq: int, direction: int) -> int | str:
    here: Any = known[seq]
    sent = isinstance(here, e.SignalGenerated)
    if sent == (direction < 0):
        return (
            "here the signal is sent: } goes to where it is delivered"
            if sent
            else "here the signal is delivered: { goes to where it was sent"
        )
    groups = {event.child: event.tgid for event in known if isinstance(event, e.TaskCreated)}
    order = range(seq + 1, len(known)) if sent else range(seq - 1, -1, -1)
    for n in order:
        other = known[n]
        if type(other) is not (e.SignalDelivered if sent else e.SignalGenerated):
            continue
        generated: Any = here if sent else other
        same = other.task == here.task or (
            generated.shared and groups.get(other.task) == groups.get(here.task)
        )
        if other.signo == here.signo and same and not generated.ignored:
            return n
    return "the signal has not been delivered so far" if sent else "no event tells who sent it"


# A text.


def searcher(text: str) -> Wanted:
    """For events in whose text all the words are."""
    words = text.lower().split()

    def wanted(event: Any) -> bool:
        found = text_of_event(event)
        return all(word in found for word in words)

    return wanted


def text_of_event(event: Any) -> str:
    """Everything by which a person might look for an event, in lower case."""
    name = type(event).__name__
    spaced = "".join(f" {char}" if char.isupper() else char for char in name).strip()
    parts = [name, spaced]
    if isinstance(event, TrapTaken):
        return f"{name} {spaced} vector {event.vector:#x} {event.eip:08x}".lower()
    if isinstance(event, (e.SyscallEntered, e.SyscallExited)):
        parts.append(call_name(event.nr))
        given = event.taken if isinstance(event, e.SyscallEntered) else event.given
        parts += [quoted(data) for data in given if data is not None]
        if isinstance(event, e.SyscallExited):
            error = errno_of(event.result)
            parts.append(ERRORS.get(error, str(event.result)))
        return " ".join(parts).lower()
    for field in event.__struct_fields__:
        value = getattr(event, field)
        if field == "signo" and value:
            parts.append(signal_name(value))
        elif isinstance(value, bytes):
            parts.append(quoted(value))
        elif field in ("va", "start", "end", "address", "eip", "handler", "entry"):
            parts.append(f"{value:08x}")
        elif isinstance(value, tuple):
            parts += [str(one) for one in value]
        else:
            parts.append(f"{field} {value}" if isinstance(value, int) else str(value))
    return " ".join(parts).lower()
