"""Writes a session file while a machine runs.

One worker thread does all of it (packing, digests, SQLite), fed by a queue: whoever runs the machine hands
things over and goes on. Each batch is a transaction in the write-ahead log, so a recording that is killed has
all that was committed, and opens. What to record and how often is the caller's business; `schema` says where
it lands.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import ParamSpec, TypeAlias

from app.branches import Stored
from app.frozen import Answer
from app.notes import Note
from app.session import schema
from app.session.content import StoredCheckpoint
from app.session.schema import Damaged, SessionError
from app.session.target import Target
from app.session.writer import Writer
from app.state.state import Milestone
from kernel.kernel import Input, Start

BATCH = 64
"""Jobs in one transaction at most, when they come faster than they can be written."""

P = ParamSpec("P")
Job: TypeAlias = Callable[[], None]


class Recorder:
    """A session file being written at `path`: a new one, or in place of an older session.

    Every method may raise the one SessionError that says why writing has failed, at the first call after it
    did; what is handed over from then on is dropped, what was written before stays. Only making the recorder,
    `flush` and `close` wait. To be used from one thread.
    """

    def __init__(
        self, path: str | os.PathLike[str], start: Start, image: bytes, blobs: Mapping[str, bytes]
    ) -> None:
        self.path = Path(path)
        self.events = 0
        """How many events have been handed over."""
        self._name = schema.one_line(self.path)
        self._queue: SimpleQueue[Job | threading.Event | None] = SimpleQueue()
        self._error: Exception | None = None
        self._failed = self._closed = False
        self._keyframe = -1
        self._checkpoint = (0, 0)
        try:
            target = Target(self.path)
        except (OSError, SessionError) as error:
            raise self._told(error) from None
        self._writer = Writer(target)
        ready = threading.Event()
        work = partial(self._work, partial(self._writer.create, start, image, dict(blobs)), ready)
        self._thread = threading.Thread(target=work, name="int80-recorder", daemon=True)
        self._thread.start()
        ready.wait()
        if self._failed:
            self._closed = True
            self._thread.join()
            self._raise()

    def inputs(self, inputs: Iterable[Input]) -> None:
        """What the machine was given, in the order in which it was."""
        self._put(self._writer.inputs, tuple(inputs))

    def answers(self, answers: Iterable[Answer]) -> None:
        """What the machine asked of the host, before the events that it led to."""
        self._put(self._writer.answers, tuple(answers))

    def chunk(self, first_seq: int, count: int, data: bytes) -> None:
        """A closed chunk of the log (`Log.encoded`), right behind the last one."""
        if first_seq != self.events:
            raise ValueError(f"a chunk at event {first_seq}, but the next one is {self.events}")
        self._put(self._writer.chunk, first_seq, count, data)
        self.events += count

    def keyframe(self, seq: int, data: bytes) -> None:
        """The State after `seq` events (`History.keyframe`), each later than the last one's."""
        if seq <= self._keyframe:
            raise ValueError(f"a keyframe at event {seq} after the one at {self._keyframe}")
        self._put(self._writer.keyframe, seq, data)
        self._keyframe = seq

    def checkpoint(self, checkpoint: StoredCheckpoint) -> None:
        """The machine, none before the last one. Frames that are the last one's objects cost nothing."""
        here = (checkpoint.seq, checkpoint.tick)
        if here < self._checkpoint:
            raise ValueError(f"a checkpoint at {here} after the one at {self._checkpoint}")
        self._put(self._writer.checkpoint, checkpoint)
        self._checkpoint = here

    def milestone(self, milestone: Milestone) -> None:
        """Something to search for. What is not printable in its text is written as escapes."""
        self._put(self._writer.milestone, milestone)

    def branches(self, branches: Iterable[Stored]) -> None:
        """All other futures that there are now."""
        self._put(self._writer.branches, tuple(branches))

    def notes(self, notes: Iterable[Note]) -> None:
        """All notes that there are now; those handed over before are gone."""
        self._put(self._writer.notes, tuple(notes))

    def finish(self, status: int) -> None:
        """All has been recorded: the file is marked whole and becomes a single one. Only `close` may follow.

        `status` is the first program's as wait4 gives it, -1 if it had not ended.
        """
        self._put(self._writer.finish, status)
        self._stop()

    def flush(self) -> None:
        """Wait until all that was handed over is committed."""
        if self._closed:
            self._thread.join()
        else:
            done = threading.Event()
            self._queue.put(done)
            done.wait()
        self._raise()

    def close(self) -> None:
        """Wait until all is written. Without `finish` before it the file stays marked as cut off."""
        self._stop()
        self._thread.join()
        self._raise()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _put(self, method: Callable[P, None], *args: P.args, **named: P.kwargs) -> None:
        self._raise()
        if self._closed:
            raise ValueError("the recording is closed")
        if not self._failed:
            self._queue.put(partial(method, *args, **named))

    def _stop(self) -> None:
        if not self._closed:
            self._closed = True
            self._queue.put(None)

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    # In the worker's thread.

    def _work(self, create: Job, ready: threading.Event) -> None:
        self._try(create)
        ready.set()
        more = not self._failed
        while more:
            jobs, flushed, more = self._take()
            self._try(partial(self._writer.write, jobs))
            for event in flushed:
                event.set()
        self._try(self._writer.seal)
        self._writer.close()

    def _take(self) -> tuple[list[Job], list[threading.Event], bool]:
        """Wait for something to do and take what there is; False when nothing comes after it."""
        jobs: list[Job] = []
        flushed: list[threading.Event] = []
        item = self._queue.get()
        while item is not None:
            if isinstance(item, threading.Event):
                flushed.append(item)
            else:
                jobs.append(item)
            if len(jobs) >= BATCH:
                break
            try:
                item = self._queue.get_nowait()
            except Empty:
                break
        return jobs, flushed, item is not None

    def _try(self, job: Job) -> None:
        """Nothing more is written once something could not be."""
        if self._failed:
            return
        try:
            job()
        except Exception as error:
            self._error = self._told(error)
            self._failed = True

    def _told(self, error: Exception) -> Exception:
        """One line for a person; our own mistakes stay what they are."""
        if isinstance(error, Damaged):
            return SessionError(f"{self._name}: cannot be recorded: {error}")
        if isinstance(error, SessionError):
            return SessionError(f"{self._name}: {error}")
        if isinstance(error, OSError | sqlite3.Error | MemoryError):
            reason = schema.one_line(getattr(error, "strerror", None) or error) or "no memory"
            return SessionError(f"{self._name}: cannot be written: {reason.lower()}")
        return error
