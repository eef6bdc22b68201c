"""Debian's own programs, as natively: at least 150 command lines (see `commands`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.oracle import commands
from tests.oracle.conftest import missing
from tests.oracle.harness import Missing

NAMES = sorted(path.stem for path in commands.COMMANDS.glob("*.txt"))


@pytest.mark.parametrize("name", NAMES)
def test_as_natively(name: str, debian_root: Path, tmp_path: Path) -> None:
    try:
        rows = commands.run_both(name, debian_root, tmp_path)
    except Missing as error:
        missing(str(error))
        raise
    wrong = [
        f"{line}\n--- native\n{theirs}--- int80\n{ours}" for line, theirs, ours in rows if theirs != ours
    ]
    assert not wrong, f"{len(wrong)} of {len(rows)} differ:\n" + "\n".join(wrong)


def test_how_many() -> None:
    assert sum(len(commands.lines(name)) for name in NAMES) >= 150
