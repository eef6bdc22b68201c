"""Programs that only root may run, in a mount namespace of their own: the same natively and in int80."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.oracle.conftest import missing
from tests.oracle.harness import HERE, both

SOURCES = sorted((HERE / "privileged").glob("*.c"))


@pytest.fixture(scope="module")
def namespaces() -> None:
    allowed = os.getuid() == 0
    if allowed:
        try:
            allowed = subprocess.run(["unshare", "-m", "true"], check=False).returncode == 0
        except OSError:
            allowed = False
    if not allowed:
        missing("this host does not let us have a mount namespace (unshare -m)")


@pytest.mark.parametrize("source", SOURCES, ids=[path.stem for path in SOURCES])
def test_privileged(source: Path, build: Callable[[Path, str], Path], namespaces: None) -> None:
    try:
        expected, got = both([build(source, "glibc")])
    finally:
        if Path("/tmp/int80-m").is_dir():
            Path("/tmp/int80-m").rmdir()
    assert expected.status == 0, expected
    assert got.output.decode().splitlines() == expected.output.decode().splitlines()
    assert (got.status, got.errors) == (expected.status, expected.errors)
