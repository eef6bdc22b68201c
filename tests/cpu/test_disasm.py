"""Machine code into text, and into what the clock asks of an instruction."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cpu.disasm import decode, disassemble, ends_in_transfer


@pytest.mark.parametrize(
    ("data", "text", "transfers"),
    [
        ("cd80", "int 0x80", True),
        ("cc", "int3", True),
        ("ce", "into", True),
        ("f1", "int1", True),
        ("cf", "iretd", True),
        ("c3", "ret", True),
        ("f3c3", "repz ret", True),
        ("cb", "retf", True),
        ("e800000000", "call 0x1005", True),
        ("ff10", "call dword ptr [eax]", True),
        ("ebfe", "jmp 0x1000", True),
        ("0f84fa000000", "je 0x1100", True),
        ("e300", "jecxz 0x1002", True),
        ("e2fe", "loop 0x1000", True),
        ("e0fe", "loopne 0x1000", True),
        ("f4", "hlt", True),
        ("0f34", "sysenter", True),
        ("0f0b", "ud2", True),
        ("f3aa", "rep stosb byte ptr es:[edi], al", True),
        ("f2ae", "repne scasb al, byte ptr es:[edi]", True),
        ("aa", "stosb byte ptr es:[edi], al", False),
        ("f390", "pause", False),
        ("90", "nop", False),
        ("fb", "sti", False),
        ("0f22d8", "mov cr3, eax", False),
        ("8ed0", "mov ss, eax", False),
        ("f00fc103", "lock xadd dword ptr [ebx], eax", False),
        ("ec", "in al, dx", False),
        ("6c", "insb byte ptr es:[edi], dx", False),
        ("f36c", "rep insb byte ptr es:[edi], dx", True),
        ("0f01f8", "swapgs", False),
    ],
)
def test_instructions(data: str, text: str, transfers: bool) -> None:
    raw = bytes.fromhex(data)
    one = decode(raw + bytes(15 - len(raw)), 0x1000)
    if one is None:  # a Capstone that knows it in other modes only
        assert text == "swapgs"
        return
    assert (one.text, one.address, one.size, one.data) == (text, 0x1000, len(raw), raw)
    assert one.transfers is transfers
    assert one.repeats is text.startswith("rep")


@pytest.mark.parametrize(
    ("data", "size", "transfers"),
    [
        ("f0ebfe", 3, True),  # lock jmp
        ("f050", 2, False),  # lock push
        ("f3f0aa", 3, True),  # rep lock stosb
        ("ded2", 2, False),  # an alias of fcomp
        ("dfcc", 2, False),
        ("0faefa", 3, False),  # an alias of sfence
        ("8fe3", 2, False),  # pop with a register field that is not 0
        ("c7fa99d4d6b9", 6, False),
        ("c6fb5e", 3, False),
    ],
)
def test_encodings_that_capstone_does_not_know(data: str, size: int, transfers: bool) -> None:
    one = decode(bytes.fromhex(data) + bytes(9), 0x1000)
    assert one is not None
    assert one.size == size
    assert one.transfers is transfers


@pytest.mark.parametrize("data", ["", "0f", "0fff", "f0", "f3f3f3f3", "ea"])
def test_bytes_that_are_no_instruction(data: str) -> None:
    found = decode(bytes.fromhex(data), 0)
    assert found is None or found.mnemonic == "ud0"


def test_bytes_that_are_none_become_data() -> None:
    out = disassemble(b"\x90\xff\xff\x90", 0x1000)
    assert [one.text for one in out] == ["nop", ".byte 0xff", ".byte 0xff", "nop"]
    assert [one.address for one in out] == [0x1000, 0x1001, 0x1002, 0x1003]


def test_count_and_end() -> None:
    assert len(disassemble(b"\x90" * 100, 0, 7)) == 7
    assert disassemble(b"", 0) == []
    assert not ends_in_transfer(b"")
    assert ends_in_transfer(b"\x90\x90\xeb\xfc")
    assert not ends_in_transfer(b"\xeb\xfc\x90\x90")
    whole = disassemble(b"\xb8\x01\x02", 0)
    assert sum(one.size for one in whole) == 3


def test_capstone_is_not_loaded_before_it_is_needed() -> None:
    code = "import sys, cpu.core, cpu.disasm; assert 'capstone' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
