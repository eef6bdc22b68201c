"""Sessions to and from a file: what `record`, `run -o` and `play` do around `app.session`.

A recording follows the log: closed chunks, inputs, now and then a keyframe and a checkpoint. Playing
opens a file as an engine that runs nothing beyond what is written there.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from app.branches import Branches, Past, stored
from app.checkpoints import Checkpoint
from app.history import History
from app.host import Driver, complain, output_to_host
from app.launch import LaunchError, Options, open_mounts, prepare
from app.log import Log
from app.machine import Machine
from app.notes import Notes
from app.resources import kernel_image
from app.session.content import StoredCheckpoint, decode_cpu, decode_tables, encode_cpu
from app.session.recorder import Recorder
from app.session.schema import SessionError
from app.session.store import Session
from cpu.checkpoint import MachineState
from kernel.kernel import Input, Start

if TYPE_CHECKING:
    from app.engine import Engine

KEYFRAME_EVERY = 8_000
CHECKPOINT_EVERY = 8_000
"""Events between two of them in a file: a tenth of a second to run again."""
CHECKPOINT_SECONDS = 0.15
SECONDS_A_FRAME = 1e-4
"""A checkpoint is also due after so long a run, the longer the more memory there is to look at."""
CHUNK_SECONDS = 1.0
"""What a crash can lose: events of the last so many seconds."""


class Recording:
    """Writes a machine's session as it comes about. `follow` now and then, `finish` at the end."""

    def __init__(
        self,
        path: str,
        start: Start,
        image: bytes,
        blobs: Mapping[str, bytes],
        machine: Machine,
        history: History,
        others: Branches | None = None,
        notes: Notes | None = None,
        trunk: Past | None = None,
    ) -> None:
        """Of the `trunk` (None: where the machine is now); the `others` and `notes` are written beside it."""
        self._notes = notes if notes is not None else Notes()
        self._noted = 0
        self._recorder = Recorder(path, start, image, blobs)
        self._machine = machine
        self._log = trunk.log if trunk is not None else machine.log
        self._given = trunk.inputs if trunk is not None else machine.inputs
        self._history = history
        self._others = others
        self._branches: list[tuple[int, str, int, int]] = []
        self._changed = 0
        self._branches_at = 0.0
        self._chunks = 0
        self._inputs = 0
        self._answers = 0
        self._keyframe = 0
        self._checkpoint = 0
        self._checkpoint_at = time.thread_time()
        self._milestones = 0
        self._closed_at = time.monotonic()

    def follow(self) -> None:
        """Hand over what is new. Raises SessionError when the file could not be written."""
        log = self._log
        noted = self._notes.changed != self._noted
        if noted or time.monotonic() - self._closed_at > CHUNK_SECONDS:
            log.close_chunk()
            self._closed_at = time.monotonic()
        self._write()
        if self._others is not None and len(self._others) > 1:
            self._follow_branches(self._others, noted)
        if noted:
            self._noted = self._notes.changed
            self._recorder.notes(self._notes)

    def _follow_branches(self, others: Branches, at_once: bool) -> None:
        """A new one at once, what comes to one now and then."""
        now = time.monotonic()
        if at_once or others.changed != self._changed or now - self._branches_at > CHUNK_SECONDS:
            self._changed, self._branches_at = others.changed, now
            self._write_branches(others)

    def _write_branches(self, all_of_them: Branches) -> None:
        """All of them, where something has come to one since the last time."""
        others = [(one, one.origin) for one in all_of_them if one.origin is not None]
        marks = [
            (one.number, one.name, one.length, len(one.past.inputs) if one.past is not None else -1)
            for one, _ in others
        ]
        if marks != self._branches:
            self._branches = marks
            self._recorder.branches(stored(one, origin) for one, origin in others)

    def _write(self) -> None:
        log = self._log
        recorder = self._recorder
        inputs = self._given
        host = self._machine.host
        if len(inputs) > self._inputs:
            recorder.inputs(inputs[self._inputs :])
            self._inputs = len(inputs)
        if host is not None and len(host.answers) > self._answers:
            recorder.answers(host.answers[self._answers :])
            self._answers = len(host.answers)
        while self._chunks < log.chunks:
            first, end = log.bounds(self._chunks)
            recorder.chunk(first, end - first, log.encoded(self._chunks))
            self._chunks += 1
            self._closed_at = time.monotonic()
            if recorder.events - self._keyframe >= KEYFRAME_EVERY:
                self._keyframe = recorder.events
                recorder.keyframe(self._keyframe, self._history.keyframe(self._keyframe))
        machine = self._machine
        if (
            machine.log is log
            and self._checkpoint_due()
            and machine.tick == machine.reached
            and machine.seq == len(log)
        ):
            log.close_chunk()
            self._checkpoint, self._checkpoint_at = machine.seq, time.thread_time()
            self._write()
            recorder.checkpoint(_stored(machine.save()))

    def _checkpoint_due(self) -> bool:
        new = self._machine.seq - self._checkpoint
        least = CHECKPOINT_SECONDS + SECONDS_A_FRAME * len(self._machine.kernel.tables.frame_refs)
        return new >= CHECKPOINT_EVERY or (new > 0 and time.thread_time() - self._checkpoint_at > least)

    def finish(self) -> None:
        """The session is whole: everything is written and the file closed. SessionError if that failed."""
        self._log.close_chunk()
        self.follow()
        if self._others is not None:
            self._write_branches(self._others)
        state = self._history.state_at(len(self._log))
        for milestone in state.milestones:
            self._recorder.milestone(milestone)
        self._recorder.finish(state.halted)
        self._recorder.close()


def _stored(one: Checkpoint) -> StoredCheckpoint:
    return StoredCheckpoint(one.seq, one.tick, one.tables, encode_cpu(one.machine.cpu), one.machine.frames)


def _loaded(one: StoredCheckpoint) -> Checkpoint:
    cpu = decode_cpu(one.cpu)
    pid = decode_tables(one.tables).current
    return Checkpoint(one.seq, one.tick, one.tables, MachineState(cpu, one.frames), pid, one.tick)


def record(options: Options, timeout: float | None, output: str) -> int:
    """Run a program without a screen, with its session written to `output`."""
    from app.commands import drive, kept

    try:
        start, blobs = prepare(options)
        host = open_mounts(options)
    except LaunchError as error:
        complain(str(error))
        return error.status
    image = kernel_image()
    log = Log()
    inputs: list[Input] = []
    try:
        also = output_to_host()
        machine = Machine(start, image, blobs, log, inputs, False, 1 << 60, also, host)
        recording = Recording(output, start, image, blobs, machine, History(log))
    except SessionError as error:
        complain(str(error))
        return 2
    driver = Driver(machine.kernel, timeout, on_input=inputs.append, step=machine.step)
    driver.between = recording.follow
    status = kept(options, machine.kernel, drive(machine.kernel, driver, options.program))
    try:
        recording.finish()
    except SessionError as error:
        complain(str(error))
        return 2
    return status


def open_engine(session: Session) -> Engine:
    """A recording as an engine. While the session is open, its checkpoints are at hand."""
    from app.engine import Engine

    engine = Engine(
        session.start,
        session.image,
        session.blobs,
        log=session.log,
        inputs=list(session.inputs),
        history=session.history,
        live=False,
        host=session.host,
    )
    engine.machine.checkpoints.in_file(
        session.checkpoints,
        lambda number: None if session.closed else _loaded(session.load_checkpoint(number)),
    )
    for one in session.branches:
        engine.branches.add(one)
    engine.notes = session.notes
    return engine
