"""`int80 trace -l` and `--functions`: calls of functions as ltrace shows them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.oracle.conftest import missing
from tests.oracle.harness import HERE, Missing, compiler, int80

SOURCE = HERE / "programs" / "calls.c"
DYNAMIC = """\
getenv("NOTHING") = nil
strlen("hello") = 5
printf("%s has %u, %c%5.2f\\n", "hello", 5, 'x', 1.500000) = 20
puts("none") = 5
qsort(ADDRESS, 2, 4, ADDRESS <unfinished ...>
abs(1) = 1
<... qsort resumed> ) = <void>
fflush(ADDRESS <unfinished ...>
write(1, "hello has 5, x 1.50\\nnone\\n", 25) = 25
<... fflush resumed> ) = 0
atoi("42") = 42
+++ exited with 0 +++
"""
OWN = """\
sum_to(0x2, WORD, WORD, WORD <unfinished ...>
sum_to(0x1, WORD, WORD, WORD <unfinished ...>
sum_to(0, WORD, WORD, WORD) = 0
<... sum_to resumed> ) = 0x1
<... sum_to resumed> ) = 0x3
twice(0x3, WORD, WORD, WORD) = 0x6
+++ exited with 0 +++
"""


def trace(program: str, options: list[str], tmp_path: Path) -> str:
    out = tmp_path / "trace"
    got = int80("trace", [program], b"", ["-o", str(out), *options])
    assert (got.status, got.output, got.errors) == (0, b"hello has 5, x 1.50\nnone\n", b"")
    text = "".join(
        line for line in out.read_text().splitlines(True) if not line.startswith("__cxa_finalize(")
    )
    return re.sub(r" +=", " =", text)


@pytest.mark.parametrize("flags", ["-no-pie -Wl,-z,lazy", "-pie -fpie -Wl,-z,now", "-pie -fpie -fno-plt"])
def test_library_calls(flags: str, debian_root: Path, tmp_path: Path) -> None:
    try:
        gcc = compiler("glibc")
    except Missing as error:
        missing(str(error))
        raise
    words = ["-O1", "-fno-builtin", "-w", *flags.split(), "-o", str(tmp_path / "calls"), str(SOURCE)]
    subprocess.run([*gcc, *words], check=True)
    options = ["--root", str(debian_root), "--mount", f"{tmp_path}:/tmp", "-l", "-e", "trace=write"]
    text = trace("/tmp/calls", options, tmp_path)
    assert re.sub(r"0x[0-9a-f]{5,}", "ADDRESS", text) == DYNAMIC


def test_own_functions(build: Callable[[Path, str], Path], tmp_path: Path) -> None:
    options = ["-e", "trace=none", "--functions", "twice,sum_*"]
    text = trace(str(build(SOURCE, "glibc")), options, tmp_path)
    masked = re.sub(r"^(\w+\(\w+)((?:, \w+){3})", r"\1, WORD, WORD, WORD", text, flags=re.MULTILINE)
    assert masked == OWN
