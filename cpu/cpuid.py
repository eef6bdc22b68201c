"""What the emulated processor says of itself: CPUID, asked of a processor of the same model.

It runs the instruction in a scratch machine of its own, so that asking changes nothing in a running one.
"""

from __future__ import annotations

from functools import lru_cache

from unicorn import x86_const as x86
from unicorn.unicorn_const import UC_ARCH_X86, UC_MODE_32, UC_PROT_ALL
from unicorn.unicorn_py3.unicorn import Uc

CODE = 0x1000
_ASKED = (x86.UC_X86_REG_EAX, x86.UC_X86_REG_EBX, x86.UC_X86_REG_ECX, x86.UC_X86_REG_EDX)


@lru_cache(maxsize=64)
def cpuid(leaf: int) -> tuple[int, int, int, int]:
    """EAX, EBX, ECX and EDX after CPUID with EAX = `leaf`, ECX = 0 (Intel SDM vol. 2, CPUID)."""
    uc = Uc(UC_ARCH_X86, UC_MODE_32)
    uc.ctl_set_cpu_model(x86.UC_CPU_X86_COREDUO)
    uc.mem_map(CODE, 0x1000, UC_PROT_ALL)
    uc.mem_write(CODE, b"\x0f\xa2\x90")
    uc.reg_write(x86.UC_X86_REG_EAX, leaf)
    uc.reg_write(x86.UC_X86_REG_ECX, 0)
    uc.emu_start(CODE, CODE + 2)
    a, b, c, d = (int(uc.reg_read(register)) for register in _ASKED)
    return a, b, c, d
