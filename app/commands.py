"""What each command does, without a screen (`run_screen` opens one).

Every command returns its exit status; what goes wrong outside of the guest is one line on standard
error. A bug of ours stops the machine and says where.
"""

from __future__ import annotations

import gc
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TextIO

from app.core_file import keep_core
from app.disk import keep_disk
from app.host import (
    Deadlocked,
    Driver,
    OutputFailed,
    RawTerminal,
    TimedOut,
    complain,
    exit_code,
    output_to_host,
)
from app.launch import LaunchError, Options, open_mounts, prepare
from app.resources import kernel_image
from cpu.bus import Sink
from cpu.core import CoreError
from kernel.abi.errno import Errno
from kernel.errors import Panic
from kernel.exec import ExecRefused
from kernel.kernel import Kernel

if TYPE_CHECKING:
    from app.playing import Wish
    from app.tracing import TraceOptions

TIMED_OUT = 124
NO_BREAKPOINT = "-b: no system call, signal, event, function, address or line is called {}"
BROKEN = 70
"""sysexits' EX_SOFTWARE: a bug of ours."""


def run_exec(options: Options, timeout: float | None) -> int:
    """`int80 exec`: only the program's own input, output and status."""
    return _run(options, timeout, lambda _kernel: output_to_host())


def run_trace(
    options: Options, timeout: float | None, output: str | None, events: bool, trace: TraceOptions
) -> int:
    """`int80 trace`: as exec, with strace's text (or every event) written beside it."""
    from app.tracing import Tracer
    from app.tracing.library import Library
    from app.tracing.output import open_output
    from app.tracing.witness import Witness

    if output == "":
        complain("-o needs the name of a file")
        return 2
    if output is not None and output[:1] in ("|", "!"):
        complain("-o cannot write to a command; use a file, or -o /dev/stdout and a pipe")
        return 2
    try:
        start, blobs = prepare(options)
        host = open_mounts(options)
        out = open_output(output) if output and not trace.separately else sys.stderr
    except LaunchError as error:
        complain(str(error))
        return error.status
    except OutputFailed as error:
        complain(str(error))
        return 2
    kernel = Kernel(start, kernel_image(), blobs, output_to_host(), host=host)
    ended = library = None
    if events:
        kernel.bus.sink = output_to_host(_events_to(out))
    else:
        witness = Witness(kernel, trace.style, trace.files == "all")
        one_each = (lambda pid: open_output(f"{output}.{pid}")) if trace.separately else None
        tracer = Tracer(out, trace, start.envp, witness, one_each)
        kernel.bus.sink = output_to_host(tracer.sink)
        ended = tracer.close
        if trace.library or trace.functions:
            library = Library(kernel, tracer, trace.library, trace.functions, trace.style.limit)
            kernel.bus.sink = output_to_host(_both(tracer.sink, library.sink))
    try:
        status = kept(options, kernel, drive(kernel, Driver(kernel, timeout), options.program, ended))
    finally:
        whole = out is sys.stderr or _closed(out)
    if library is not None and library.unmatched:
        complain(f"no function is called {' or '.join(sorted(library.unmatched))}")
    return status if whole else status or 1


def _closed(out: TextIO) -> bool:
    """Whether all of it could be written; if not, it is said."""
    try:
        out.close()
    except OutputFailed as error:
        complain(str(error))
        return False
    except BrokenPipeError:
        return False
    return True


def _both(first: Sink, second: Sink) -> Sink:
    def sink(tick: int, pid: int, event: object) -> None:
        first(tick, pid, event)
        second(tick, pid, event)

    return sink


def _events_to(out: TextIO) -> Sink:
    seq = 0

    def sink(tick: int, pid: int, event: object) -> None:
        nonlocal seq
        seq += 1
        out.write(f"{seq} {tick} {pid} {event}\n")

    return sink


def _run(options: Options, timeout: float | None, make_sink: Callable[[Options], Sink]) -> int:
    try:
        start, blobs = prepare(options)
        host = open_mounts(options)
    except LaunchError as error:
        complain(str(error))
        return error.status
    kernel = Kernel(start, kernel_image(), blobs, make_sink(options), host=host)
    return kept(options, kernel, drive(kernel, Driver(kernel, timeout), options.program))


def kept(options: Options, kernel: Kernel, status: int) -> int:
    """The exit status once the files that stay, the disk's and a core, have been seen to."""
    whole = keep_disk(options.disk, kernel)
    return status if keep_core(options.core, kernel) and whole else status or 1


def drive(kernel: Kernel, driver: Driver, name: str, ended: Callable[[], None] | None = None) -> int:
    """Run to the end and say how it ended, as an exit status; `ended` is called before anything is said."""
    try:
        try:
            with RawTerminal():
                status = driver.run()
        finally:
            if ended is not None:
                ended()
    except TimedOut:
        complain(f"{name}: stopped, --timeout is over")
        return TIMED_OUT
    except Deadlocked:
        complain(f"{name}: stopped: all processes sleep and nothing can wake them")
        return 1
    except BrokenPipeError:
        return 128 + 13
    except OutputFailed as error:
        complain(str(error))
        return 1
    except Exception as error:
        return broken(error)
    refused = refusal(kernel, name)
    if refused is not None:
        complain(refused[0])
        return refused[1]
    return exit_code(status)


def broken(error: Exception) -> int:
    """Say why the machine stopped, and if that is a bug of ours where it is; the exit status."""
    if isinstance(error, Panic | CoreError):
        complain(f"the machine stopped: {error}")
        return BROKEN
    where = traceback.extract_tb(error.__traceback__)[-1]
    what = f"{type(error).__name__}: {error}"
    complain(f"a bug in int80 stopped the machine: {what} ({where.name}, line {where.lineno})")
    if os.environ.get("INT80_DEBUG"):
        traceback.print_exception(error)
    return BROKEN


def refusal(kernel: Kernel, name: str) -> tuple[str, int] | None:
    """Why the kernel could not execute the program, in a line, and the exit status for that."""
    refused = kernel.first_error
    if refused is None:
        return None
    reason = refused.reason if isinstance(refused, ExecRefused) else str(refused)
    return f"{name}: {reason}", 127 if refused.errno == Errno.ENOENT else 126


def run_picker() -> str | None:
    """`int80` alone: one of its programs; None if somebody left, '' where there is no terminal."""
    if not (sys.stdout.isatty() and sys.stdin.isatty() and sys.stderr.isatty()):
        return ""
    from app.lessons import lessons
    from app.screens.picker import pick
    from app.settings import load, settings_file

    return pick(lessons(), load(settings_file()).theme == "light")


def run_screen(
    options: Options,
    output: str | None,
    theme: str | None = None,
    picked: bool = False,
    breaks: Sequence[str] = (),
) -> int:
    """`int80 run`: the screen on a live machine. Who has `picked` the program is told which keys to try."""
    gc.disable()  # 60 ms of the way to the first frame; `app.tui` enables it again once that is painted
    from app.engine import Engine
    from app.settings import load, settings_file
    from app.window import first_size

    if not (sys.stdout.isatty() and sys.stdin.isatty() and sys.stderr.isatty()):
        complain("run needs a terminal; without one, use exec, trace or record")
        return 2
    options.rows, options.columns = first_size(options.rows, options.columns, load(settings_file()))
    try:
        start, blobs = prepare(options)
        host = open_mounts(options)
    except LaunchError as error:
        complain(str(error))
        return error.status
    from app.tui import run_app

    image = kernel_image()
    engine = Engine(start, image, blobs, host=host)
    if (wrong := engine.set_breakpoints(breaks)) is not None:
        complain(NO_BREAKPOINT.format(wrong))
        return 2
    recording = None
    if output:
        from app.recording import Recording
        from app.session.schema import SessionError

        try:
            recording = Recording(
                output, start, image, blobs, engine.machine, engine.history, engine.branches, engine.notes
            )
        except SessionError as error:
            complain(str(error))
            return 2
        engine.machine.follow = recording.follow
    hint = ""
    if picked:
        from app.lessons import lesson

        hint = lesson(options.program).keys
    status = run_app(engine, theme=theme, hint=hint)
    if options.core is not None or (
        options.disk is not None and engine.machine.kernel.tables.disk is not None
    ):
        engine.go_end()
        engine.to_cursor()
        status = kept(options, engine.machine.kernel, status)
    if recording is not None:
        try:
            recording.finish()
        except SessionError as error:
            complain(str(error))
            return 2
    return status


def run_record(options: Options, timeout: float | None, output: str) -> int:
    """`int80 record`: as exec, with the whole session written to a file."""
    from app.recording import record

    return record(options, timeout, output)


def run_play(path: str, text: bool, wish: Wish) -> int:
    """`int80 play`: a recorded session on the screen, or as text."""
    from app.playing import play

    return play(path, text or not sys.stdout.isatty() or not sys.stdin.isatty(), wish)
