"""Where the oracle cannot run, its tests are skipped and say why; INT80_REQUIRE_ORACLE=1 makes that a failure."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.oracle import debian, harness


def missing(reason: str) -> None:
    if os.environ.get("INT80_REQUIRE_ORACLE") == "1":
        pytest.fail(f"the oracle is required here: {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def host() -> None:
    """The host's kernel runs i386 programs."""
    if not harness.runs_i386():
        missing("this host does not run i386 programs")


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A directory for built programs that all workers of this session share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "oracle"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def build(host: None, programs: Path) -> Callable[[Path, str], Path]:
    """Compile a C file for i386 with a C library ("glibc", "musl")."""

    def make(source: Path, libc: str = "glibc") -> Path:
        try:
            return harness.build(source, programs, libc)
        except harness.Missing as error:
            missing(str(error))
            raise

    return make


@pytest.fixture(scope="session")
def debian_root(host: None) -> Path:
    """A root with Debian's i386 packages in which commands can be run both ways; not to be changed."""
    if not debian.runs_natively():
        missing("commands cannot be run natively in another root (chroot needs to be root)")
    try:
        return debian.root()
    except harness.Missing as error:
        missing(str(error))
        raise


@pytest.fixture
def busybox(host: None) -> Path:
    try:
        return harness.busybox()
    except harness.Missing as error:
        missing(str(error))
        raise


@pytest.fixture
def strace(host: None) -> str:
    try:
        return harness.strace()
    except harness.Missing as error:
        missing(str(error))
        raise
