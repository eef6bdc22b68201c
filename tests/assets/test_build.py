"""What ships is what its sources give: rebuilt with the host's tools and compared."""

from __future__ import annotations

import importlib.util
import os
import shutil
import struct
from pathlib import Path
from types import ModuleType

import pytest

from app.resources import assets, kernel_image, programs, source
from kernel.elf import parse, read_symbols

ROOT = Path(__file__).resolve().parents[2]


def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("int80_build", assets() / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def need_binutils() -> None:
    if shutil.which("as") and shutil.which("ld"):
        return
    if os.environ.get("INT80_REQUIRE_ORACLE"):
        pytest.fail("binutils are needed here")
    pytest.skip("no binutils on this host")


def loaded(image: bytes) -> list[tuple[int, bytes, int]]:
    """Address, bytes and size in memory of each segment that is loaded."""
    phoff = struct.unpack_from("<I", image, 28)[0]
    out = []
    for n in range(struct.unpack_from("<H", image, 44)[0]):
        kind, offset, vaddr, _, filesz, memsz, _, _ = struct.unpack_from("<8I", image, phoff + 32 * n)
        if kind == 1:
            out.append((vaddr, image[offset : offset + filesz], memsz))
    return out


def test_kernel_image_is_built_from_its_source(tmp_path: Path) -> None:
    need_binutils()
    table = ROOT / "assets" / "kernel" / "syscall_table.S"
    before = table.read_text()
    path = build().build_kernel(tmp_path)
    assert table.read_text() == before, "syscall_table.S is not what kernel/table_rows.py gives"
    image = Path(path).read_bytes()
    assert loaded(image) == loaded(kernel_image())
    ours, shipped = read_symbols(image), read_symbols(kernel_image())
    assert {name: s.address for name, s in ours.by_name.items()} == {
        name: s.address for name, s in shipped.by_name.items()
    }


def test_system_call_table_has_a_body_for_every_row() -> None:
    from kernel.table import TABLE

    symbols = read_symbols(kernel_image())
    image = kernel_image()
    (data_address, data, _) = loaded(image)[1]
    at = symbols.address("sys_call_table") - data_address
    for number, row in enumerate(TABLE):
        target = struct.unpack_from("<I", data, at + 4 * number)[0]
        assert target == symbols.address(f"sys_{row.name}" if row else "sys_ni_syscall")


def test_every_program_ships_with_its_source_and_lines() -> None:
    names = programs()
    assert {"hello", "printf", "args", "pipe", "spaces", "badptr", "divzero", "busy", "signal"} <= set(names)
    for name in names:
        data = (assets() / "programs" / "bin" / name).read_bytes()
        parse(data)
        assert source(name) is not None
        assert b".debug_line" in data
        assert read_symbols(data).by_name["main"].size > 0
