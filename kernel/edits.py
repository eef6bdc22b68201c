"""A person changes the machine from outside: a register, bytes of memory, how the next system call ends.

What a tracer could do (`PTRACE_SETREGS`, `PTRACE_POKEDATA`, strace's `--inject`), with the same limits.
Each comes as an input whose number is the task's pid; what names no task that could be changed does nothing.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from kernel.abi.mman import TASK_SIZE
from kernel.errors import KernelError
from kernel.fs.proc.access import write_memory
from kernel.ptrace.registers import set_reg
from kernel.signals.state import INIT_PID
from kernel.tables import Task, TaskState
from kernel.thread import PT_REGS

if TYPE_CHECKING:
    from kernel.kernel import Kernel

DEVICES = ("register", "memory", "fail")
MOST_BYTES = 256
MAX_ERRNO = 4095
REGISTER = Struct("<BI")
"""Index into PT_REGS, value."""
ADDRESS = Struct("<I")
"""In front of the bytes that go there."""
ERROR = Struct("<H")
"""The errno; 0 takes it back."""


def changeable(task: Task | None) -> bool:
    """Whether a task has registers and memory that can be changed."""
    return task is not None and task.pid > INIT_PID and task.state != TaskState.ZOMBIE and task.space > 0


def edit_input(k: Kernel, device: str, pid: int, data: bytes) -> None:
    """Do what an input of one of `DEVICES` asks for."""
    task = k.tables.tasks.get(pid)
    if task is None or not changeable(task):
        return
    if device == "register" and len(data) == REGISTER.size:
        index, value = REGISTER.unpack(data)
        if index < len(PT_REGS):
            _set_register(k, task, index, value)
    elif device == "memory" and ADDRESS.size < len(data) <= ADDRESS.size + MOST_BYTES:
        address = ADDRESS.unpack_from(data)[0]
        if address < TASK_SIZE:
            write_memory(k, k.tables.spaces[task.space], address, data[ADDRESS.size :])
    elif device == "fail" and len(data) == ERROR.size:
        error = ERROR.unpack(data)[0]
        if error <= MAX_ERRNO:
            task.fail_next = error


def _set_register(k: Kernel, task: Task, index: int, value: int) -> None:
    try:
        set_reg(k, task, 4 * index, value)
    except KernelError:
        pass  # a selector that no program may load
