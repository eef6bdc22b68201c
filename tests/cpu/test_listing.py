"""The listings in these tests say what their bytes do: GNU as, where it is installed, agrees."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cpu.listing import Code, listings


def test_a_listing_is_bytes_and_labels() -> None:
    code = Code(
        """
        start:
            90    nop
        end:
            c3    ret
        """
    )
    assert code.data == b"\x90\xc3"
    assert (code.at("start"), code.at("end"), len(code)) == (0, 1, 2)


def test_a_line_that_is_neither_is_refused() -> None:
    with pytest.raises(ValueError, match="neither"):
        Code("mov eax, 1")


@pytest.mark.skipif(not (shutil.which("as") and shutil.which("objcopy")), reason="needs GNU binutils")
def test_the_bytes_are_what_the_source_says(tmp_path: Path) -> None:
    """One assembly of all the listings that any test here has, each behind the last."""
    codes = list(listings)
    source = [".intel_syntax noprefix"]
    for n, code in enumerate(codes):
        text = code.source
        for label in sorted(code.labels, key=len, reverse=True):
            text = _renamed(text, label, f"l{n}_{label}")
        source.append(text)
    (tmp_path / "all.s").write_text("\n".join(source))
    subprocess.run(["as", "--32", "-o", tmp_path / "all.o", tmp_path / "all.s"], check=True)
    subprocess.run(["objcopy", "-O", "binary", tmp_path / "all.o", tmp_path / "all.bin"], check=True)
    assert (tmp_path / "all.bin").read_bytes() == b"".join(code.data for code in codes)


def _renamed(text: str, old: str, new: str) -> str:
    import re

    return re.sub(rf"(?<![\w.]){old}(?!\w)", new, text)
