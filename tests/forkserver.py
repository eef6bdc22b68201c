"""int80's command line as a child of a process that has imported it already: each run starts 0.3 s sooner.

A run is one: its own process, its own descriptors, its status from the kernel. Only the start of Python and
the imports are shared. What tests the start itself uses `subprocess` with `python -m app.cli`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]


class Done(NamedTuple):
    """`status` as `subprocess`'s returncode: negative for a signal."""

    status: int
    output: bytes
    errors: bytes


@cache
def _server() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.forkserver", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            cwd=ROOT,
        )
    return ours, process


def run(words: Sequence[str], stdin: bytes, timeout: float) -> Done:
    """`int80 WORDS`, with standard input from a pipe. Raises subprocess.TimeoutExpired."""
    server = _server()[0]
    pipes = [os.pipe() for _ in range(3)]
    (reading, stdin_end), (stdout_end, output), (stderr_end, errors) = pipes
    message = "\0".join(words).encode("utf-8", "surrogateescape")
    socket.send_fds(server, [message], [reading, output, errors])
    for descriptor in (reading, output, errors):
        os.close(descriptor)
    with ThreadPoolExecutor(3) as threads:
        threads.submit(_feed, stdin_end, stdin)
        texts = [threads.submit(_drain, end) for end in (stdout_end, stderr_end)]
        child = int(server.recv(64))
        server.settimeout(timeout)
        try:
            status = int(server.recv(64))
        except TimeoutError:
            os.kill(child, signal.SIGKILL)
            server.settimeout(None)
            server.recv(64)
            raise subprocess.TimeoutExpired(list(words), timeout) from None
        finally:
            server.settimeout(None)
        return Done(status, *(text.result() for text in texts))


def _feed(descriptor: int, data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), os.fdopen(descriptor, "wb") as pipe:
        pipe.write(data)


def _drain(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb", 0) as pipe:
        return pipe.read()


# --- the server ---------------------------------------------------------------------------------------------


def _serve(connection: socket.socket) -> None:
    _import_all()
    while True:
        message, descriptors, _flags, _address = socket.recv_fds(connection, 1 << 20, 3)
        if not message:
            return
        child = os.fork()
        if child == 0:
            connection.close()
            for target, descriptor in enumerate(descriptors):
                os.dup2(descriptor, target)
                os.close(descriptor)
            _command([word.decode("utf-8", "surrogateescape") for word in message.split(b"\0")])
        for descriptor in descriptors:
            os.close(descriptor)
        connection.send(b"%d" % child)
        connection.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _import_all() -> None:
    """Import what a run of a program imports: a child tells."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        from app.cli import main

        main(["exec", str(ROOT / "assets" / "programs" / "bin" / "hello")])
        main(["trace", "-o", os.devnull, str(ROOT / "assets" / "programs" / "bin" / "hello")])
        with os.fdopen(writing, "w") as pipe:
            pipe.write("\n".join(sys.modules))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        for name in pipe.read().split("\n"):
            with contextlib.suppress(ImportError):
                __import__(name)
    os.waitpid(child, 0)


def _command(words: list[str]) -> None:
    """Run `int80 WORDS` and end, as `python -m app.cli` would."""
    from app.cli import main

    try:
        status: object = main(words)
    except SystemExit as end:
        status = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    if isinstance(status, str):
        sys.stderr.write(status + "\n")
        status = 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(int(status or 0))  # type: ignore[call-overload]


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as theirs:
        _serve(theirs)
