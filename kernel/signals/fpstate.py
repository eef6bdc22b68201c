"""Floating point in a signal frame: the `fxsave` image, and before it what `fsave` would have written.

Linux keeps both, so that programs of either age find what they know (arch/x86/kernel/fpu/regset.c,
`convert_from_fxsr` and `convert_to_fxsr`; layouts: uapi asm/sigcontext.h `_fpstate_32`, Intel SDM vol. 1,
8.1.10 and 10.5.1). On the way back the `fsave` part wins for the x87 registers.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct, pack

from cpu.registers import FpuState
from kernel.abi.sigframe import FPSTATE_32, FXSAVE_OFFSET

FXSAVE_SIZE = 512
MXCSR_MASK = 0xFFFF
"""Bits of MXCSR that this processor has."""
X86_FXSR_MAGIC = 0
REGISTERS = 32
"""Offset of ST(0) in the image; one each 16 bytes, 10 of them used."""

_FXSAVE_HEAD = Struct("<HHBxHIHxxIHxxII")
"""cwd, swd, twd, fop, fip, fcs, foo, fos, mxcsr, mxcsr_mask: 32 bytes."""
_FSAVE_HEAD = Struct("<IIIIIII")
"""cwd, swd, twd, fip, fcs with fop above it, foo, fos: 28 bytes."""
_STATUS = Struct("<HH")

_VALID, _ZERO, _SPECIAL, _EMPTY = range(4)


@lru_cache(maxsize=32)
def fpstate_from_fxsave(image: bytes) -> bytes:
    """`struct _fpstate_32` with the image in it: FPSTATE_32 bytes."""
    cwd, swd, twd, fop, fip, fcs, foo, fos, _mxcsr, _mask = _FXSAVE_HEAD.unpack_from(image)
    tags = full_tag_word(image, swd, twd)
    head = _FSAVE_HEAD.pack(
        cwd | 0xFFFF_0000, swd | 0xFFFF_0000, tags | 0xFFFF_0000, fip, fcs | fop << 16, foo, fos
    )
    stack = b"".join(image[at : at + 10] for at in range(REGISTERS, REGISTERS + 128, 16))
    return head + stack + _STATUS.pack(swd, X86_FXSR_MAGIC) + image


@lru_cache(maxsize=32)
def fxsave_from_fpstate(data: bytes) -> bytes:
    """The image to load: from FPSTATE_32 bytes that a program may have changed."""
    if len(data) != FPSTATE_32:
        raise ValueError("a _fpstate_32 has 624 bytes")
    image = bytearray(data[FXSAVE_OFFSET:])
    mxcsr, mask = _FXSAVE_HEAD.unpack_from(image)[8:]
    cwd, swd, tags, fip, fcs, foo, fos = _FSAVE_HEAD.unpack_from(data)
    head = (cwd & 0xFFFF, swd & 0xFFFF, short_tag_word(tags), fcs >> 16, fip, fcs & 0xFFFF, foo, fos & 0xFFFF)
    _FXSAVE_HEAD.pack_into(image, 0, *head, mxcsr & MXCSR_MASK, mask)
    for n in range(8):
        at = REGISTERS + 16 * n
        image[at : at + 10] = data[28 + 10 * n : 38 + 10 * n]
    return bytes(image)


def full_tag_word(image: bytes, swd: int, twd: int) -> int:
    """Two bits per physical register as `fsave` has them, from `fxsave`'s one (twd_fxsr_to_i387)."""
    top = swd >> 11 & 7
    out = 0
    for n in range(8):
        tag = _EMPTY
        if twd >> n & 1:
            at = REGISTERS + 16 * (n - top & 7)
            tag = _tag(image[at : at + 8], int.from_bytes(image[at + 8 : at + 10], "little"))
        out |= tag << 2 * n
    return out


def _tag(significand: bytes, exponent: int) -> int:
    exponent &= 0x7FFF
    if exponent == 0x7FFF:
        return _SPECIAL
    if not exponent:
        return _SPECIAL if any(significand) else _ZERO
    return _VALID if significand[7] & 0x80 else _SPECIAL


def short_tag_word(tags: int) -> int:
    """One bit per register, 0 for empty (twd_i387_to_fxsr)."""
    return sum(1 << n for n in range(8) if tags >> 2 * n & 3 != _EMPTY)


def fxsave_of(state: FpuState) -> bytes:
    """The image that `fxsave` would write now; where the last instruction was nobody has noted."""
    head = _FXSAVE_HEAD.pack(
        state.fpcw, state.fpsw, short_tag_word(state.fptag), 0, 0, 0, 0, 0, state.mxcsr, MXCSR_MASK
    )
    top = state.fpsw >> 11 & 7
    registers = (state.st[top + n & 7] for n in range(8))
    stack = b"".join(pack("<QH6x", significand, exponent) for significand, exponent in registers)
    return (head + stack + b"".join(state.xmm)).ljust(FXSAVE_SIZE, b"\0")
