"""The one machine behind a session, wherever in time it stands: run on, or taken back and run again.

Its events go to the log. Where the log has them already (the past, a recording) they are compared
with what is written there: re-execution checks itself. Checkpoints make the way back short.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from app.checkpoints import EVENTS_BETWEEN, TICKS_BETWEEN, Checkpoint, Checkpoints
from app.frozen import Frozen
from app.log import Log
from cpu import checkpoint
from cpu.bus import Sink
from kernel.kernel import Halted, Idle, Input, Kernel, Start
from kernel.tables import Tables
from kernel.thread import PAGE_OFFSET

_TABLES = msgspec.msgpack.Encoder()
_TABLES_DECODER = msgspec.msgpack.Decoder(Tables)

DENSE = 1000
PASSED = 10_000
"""On the way to a place that is at most PASSED events ahead, checkpoints are taken in the last DENSE ones."""
STEPS_BACK = 8
"""Events before a place that was far from any checkpoint, one is left: the next steps back are short."""


class Divergence(Exception):
    """Re-execution did not do again what the log says; `seq` is the first event that differs."""

    def __init__(self, seq: int, expected: object, got: object) -> None:
        super().__init__(f"event {seq} differs when run again: logged {expected}, now {got}")
        self.seq = seq


class Machine:
    """A kernel with its log and its past. `sealed`: the log is a recording and nothing is added to it.

    `spacing` is the least number of events between two checkpoints, `also` a sink for what is new, `host`
    answers for directories of the host that are mounted.
    """

    def __init__(
        self,
        start: Start,
        image: bytes,
        blobs: dict[str, bytes],
        log: Log,
        inputs: list[Input],
        sealed: bool,
        spacing: int = EVENTS_BETWEEN,
        also: Sink | None = None,
        host: Frozen | None = None,
    ) -> None:
        self.log = log
        self._also = also
        self.sealed = sealed
        self.inputs = inputs
        self.host = host
        """All inputs so far, in order."""
        self.kernel = Kernel(start, image, blobs, self._sink, host=host)
        for one in inputs:
            self.kernel.give_input(one)
        self._iret = self.kernel.symbol("return_from_interrupt")
        end = self.kernel.symbol("_end") - PAGE_OFFSET + 0xFFF >> 12
        self._image_frames = list(range(0x100, end))
        self.before = 0
        """Events before the last step: the machine rests between `before` and `seq`."""
        self.reached = 0
        """Tick of the first rest with `seq` events: time may have passed since without an event."""
        self.checkpoints = Checkpoints(spacing)
        self._passing = 0
        """Where checkpoints are taken from."""
        self.outcome: Idle | Halted | None = None
        self.follow: Callable[[], None] | None = None
        """Called when something has happened: a recording writes it down."""
        self.witness: Callable[[], None] | None = None
        """Called behind every step, for who watches memory."""
        self._take()

    @property
    def seq(self) -> int:
        return self.kernel.bus.seq

    @property
    def tick(self) -> int:
        return self.kernel.core.ticks

    def _sink(self, tick: int, pid: int, event: Any) -> None:
        seq = self.kernel.bus.seq - 1
        if seq < len(self.log):
            row = self.log.row(seq)
            if row != (tick, pid, event):
                raise Divergence(seq, row, (tick, pid, event))
        elif not self.sealed:
            self.log.append(tick, pid, event)
            if self._also is not None:
                self._also(tick, pid, event)

    def inputs_so_far(self) -> list[Input]:
        """Those that were given before one that is given now; some may still be under way."""
        done, now = self.kernel.tables.inputs_done, self.kernel.input_tick
        return self.inputs[:done] + [one for one in self.inputs[done:] if one.tick < now]

    def begin_another_future(self, log: Log, inputs: list[Input], checkpoints: Checkpoints) -> None:
        """From here on other things happen: all three end where the machine stands."""
        self.log, self.inputs, self.checkpoints = log, inputs, checkpoints
        self.kernel.inputs = inputs[self.kernel.tables.inputs_done :]
        self.kernel.reprogram_timer()

    def go_over(self, log: Log, inputs: list[Input], checkpoints: Checkpoints, seq: int) -> None:
        """To another past, which begins as this one did: the machine stands at a checkpoint before `seq`."""
        self.log, self.inputs, self.checkpoints = log, inputs, checkpoints
        self.load(checkpoints.at_or_before(seq, 0))

    # Moving.

    def step(self, limit: int) -> Idle | Halted | None:
        """One slice; a checkpoint afterwards if one is due."""
        self.before = self.seq
        self.outcome = self.kernel.step(limit)
        self._note()
        self._take_if_due()
        return self.outcome

    def step_instruction(self) -> Idle | Halted | None:
        self.before = self.seq
        self.outcome = self.kernel.step_instruction()
        self._note()
        return self.outcome

    def _note(self) -> None:
        if self.seq != self.before:
            self.reached = self.tick
            if self.follow is not None:
                self.follow()
        if self.witness is not None:
            self.witness()

    def go_to(self, seq: int, tick: int) -> None:
        """Stand at the first rest with at least `seq` events; from there on to `tick`, if that is later."""
        if not self._is_at(seq, tick):
            near = self.checkpoints.at_or_before(seq, tick)
            if self._is_beyond(seq, tick) or near.place > (self.seq, self.tick):
                self.load(near)
            if seq - self.seq > 2 * STEPS_BACK:
                self._passing = seq - DENSE if seq - self.seq <= PASSED else 0
                self.run_to_event(seq - STEPS_BACK)
                self._passing = 0
                self.keep()
            self.run_on(seq, tick)

    def run_on(self, seq: int, tick: int) -> None:
        """As `go_to`, for a place that lies ahead, and without a checkpoint's help."""
        self.run_to_event(seq)
        if self.seq == seq:
            self._run_to_tick(seq, tick)

    def _is_at(self, seq: int, tick: int) -> bool:
        if self.seq == seq:
            return self.tick == max(tick, self.reached)
        return self.before < seq < self.seq

    def _is_beyond(self, seq: int, tick: int) -> bool:
        return self.seq > seq or (self.seq == seq and self.tick > max(tick, self.reached))

    def run_to_event(self, seq: int) -> bool:
        """Run until `seq` events have happened; False when the machine stops before."""
        while self.seq < seq:
            outcome = self.step(self.tick + TICKS_BETWEEN)
            if outcome is not None and not self.pass_idle(outcome):
                return False
        return True

    def _run_to_tick(self, seq: int, tick: int) -> None:
        while self.seq == seq and self.tick < tick:
            self.before = self.seq
            self.outcome = self.kernel.run_to(tick)
            self._note()
            if self.outcome is not None:
                if isinstance(self.outcome, Idle):
                    self.kernel.pass_time(tick)
                return

    def pass_idle(self, outcome: Idle | Halted) -> bool:
        """While re-executing, time jumps to whatever comes next."""
        if isinstance(outcome, Halted) or outcome.until < 0:
            return False
        self.kernel.pass_time(outcome.until)
        return True

    def give_input(self, one: Input) -> None:
        self.inputs.append(one)
        self.kernel.give_input(one)

    # Checkpoints.

    def rewind(self, seq: int, tick: int) -> None:
        """Back to the last checkpoint at or before a place."""
        self._restore(seq, tick)

    def rewind_before(self, seq: int, tick: int) -> tuple[int, int]:
        """Back to the last checkpoint before a place that is not the start; where that is."""
        one = self.checkpoints.before(seq, tick)
        self.load(one)
        return one.seq, one.tick

    def run_until(self, tick: int) -> None:
        """Run to the first rest at `tick` or later."""
        while self.tick < tick:
            outcome = self.step(tick)
            if outcome is not None and not self.pass_idle(outcome):
                return

    def _restore(self, seq: int, tick: int) -> None:
        self.load(self.checkpoints.at_or_before(seq, tick))

    def _take_if_due(self) -> None:
        if self.seq >= self._passing and self.checkpoints.due(self.seq, self.tick):
            self._take()

    def _take(self) -> None:
        self.adopt(self.save())

    def keep(self) -> None:
        """A checkpoint here, if there is none."""
        if self.checkpoints.last(self.seq, self.tick).place != (self.seq, self.tick):
            self._take()

    def adopt(self, one: Checkpoint) -> None:
        """One more checkpoint to go back to."""
        self.checkpoints.adopt(one)

    def save(self) -> Checkpoint:
        """The machine as it stands."""
        kernel = self.kernel
        near = self.checkpoints.last(self.seq, self.tick).machine if len(self.checkpoints) else None
        state = checkpoint.save(kernel.core, self._frames(), near)
        return Checkpoint(
            self.seq, self.tick, _TABLES.encode(kernel.tables), state, kernel.bus.pid, self.reached
        )

    def load(self, one: Checkpoint) -> None:
        """Make the machine what it was."""
        kernel = self.kernel
        executed = kernel.tables.executed
        kernel.tables = _TABLES_DECODER.decode(one.tables)
        kept = executed & kernel.tables.executed
        stale = (executed - kept).union(checkpoint.changed(kernel.ram, one.machine, kept))
        checkpoint.restore(kernel.core, one.machine, self._iret, stale)
        kernel.bus.seq = one.seq
        kernel.bus.pid = one.pid
        kernel.inputs = list(self.inputs[kernel.tables.inputs_done :])
        irq = one.machine.cpu
        kernel.core.interrupt_at(irq.irq_at, irq.irq_vector)
        kernel.core.exact = kernel.start.schedule >= 0
        if kernel.inputs and one.seq:
            kernel.reprogram_timer()
        self.before = one.seq
        self.reached = one.reached
        self.outcome = None

    def _frames(self) -> list[int]:
        return self._image_frames + list(self.kernel.tables.frame_refs)
