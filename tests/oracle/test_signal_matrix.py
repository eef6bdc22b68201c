"""The programs in `signal_matrix/`: a cell a line (signal, disposition, who sends, what the target does), each
the same natively and in int80.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.oracle.harness import HERE, both

SOURCES = sorted((HERE / "signal_matrix").glob("*.c"))


@pytest.mark.parametrize("source", SOURCES, ids=[path.stem for path in SOURCES])
def test_signal_matrix(source: Path, build: Callable[[Path, str], Path]) -> None:
    expected, got = both([build(source, "glibc")])
    assert expected.status == 0, expected
    assert (
        got.output.decode(errors="replace").splitlines()
        == expected.output.decode(errors="replace").splitlines()
    )
    assert (got.status, got.errors) == (expected.status, expected.errors)
