"""A kernel without a processor, for tests of the signal rooms: real tables, RAM and page tables."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from cpu.ram import Ram
from cpu.registers import FpuState
from kernel.abi.mman import MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE
from kernel.capabilities import user
from kernel.kernel import Kernel
from kernel.mm.address_space import create_space, insert
from kernel.mm.fault import user_page
from kernel.mm.frames import alloc_frame, alloc_stack
from kernel.tables import SigHand, Space, Tables, Task, TaskState, Vma
from kernel.thread import INITIAL_FXSAVE, PAGE_OFFSET, TIF_NEED_RESCHED, TIF_SIGPENDING, Regs, fxsave_write

STACK, STACK_TOP = 0x40000, 0x80000
DATA = 0x20000
USER_FLAGS = 0x202


class Machine:
    """Stands in for `Kernel`: what the signal rooms use of it, and nothing that runs."""

    def __init__(self) -> None:
        self.ram = Ram(8 << 20)
        self.tables = Tables(next_id=100, frame_next=16)
        self.events: list[Any] = []
        self.emit = self.events.append
        self.now = 1_000_000
        fpu = FpuState(0x37F, 0, 0xFFFF, 0x1F80, ((0, 0),) * 8, (bytes(16),) * 8)
        self.emulator = SimpleNamespace(fpu=fpu)
        self.emulator.read_fpu = lambda: self.emulator.fpu
        self.core = SimpleNamespace(cr3=0, emulator=self.emulator)
        self.kernel_directory = alloc_frame(self.kernel)
        self.add_task(1, ppid=0, state=TaskState.SLEEPING)

    @property
    def kernel(self) -> Kernel:
        return cast(Kernel, self)

    @property
    def task(self) -> Task:
        return self.tables.tasks[self.tables.current]

    def new_id(self) -> int:
        self.tables.next_id += 1
        return self.tables.next_id

    def limits_of(self, task: Task, number: int) -> tuple[int, int]:
        return self.rlimit(number), self.rlimit(number)

    def rlimit(self, number: int) -> int:
        return 8 << 20

    def wake_from_idle(self) -> None:
        return None

    def reprogram_timer(self) -> None:
        return None

    # What tests ask for.

    def add_task(
        self,
        pid: int,
        ppid: int = 1,
        tgid: int = 0,
        uid: int = 0,
        pgrp: int = 0,
        session: int = 1,
        state: TaskState = TaskState.RUNNABLE,
    ) -> Task:
        """A process, or with `tgid` another thread of one, with a stack and a page of data."""
        t = self.tables
        leader = t.tasks.get(tgid)
        if leader is None:
            sighand = self.new_id()
            t.sighands[sighand] = SigHand(1)
            space = create_space(self.kernel)
            for start, end in ((DATA, DATA + 0x1000), (STACK, STACK_TOP)):
                vma = Vma(start, end, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS)
                insert(self.kernel, space, vma)
            number = space.id
        else:
            sighand, number = leader.sighand, leader.space
            t.sighands[sighand].refs += 1
        task = Task(
            pid=pid,
            tgid=tgid or pid,
            ppid=ppid,
            pgrp=pgrp or pid,
            session=session,
            comm=f"task{pid}",
            state=state,
            thread=PAGE_OFFSET + (alloc_stack(self.kernel) << 12),
            space=number,
            fdtable=0,
            cwd=0,
            sighand=sighand,
            cred=user(uid),
        )
        t.tasks[pid] = task
        words = [0, 0, 0, 0, 0, 0, 0, 0x7B, 0x7B, 0, 0x33, 0xFFFF_FFFF]
        Regs(self.kernel, task).load([*words, 0x0804_9000, 0x73, USER_FLAGS, STACK_TOP - 0x1000, 0x7B])
        fxsave_write(self.kernel, task, INITIAL_FXSAVE)
        return task

    def run(self, task: Task) -> Regs:
        """The task is the one on the processor now; its registers."""
        self.tables.current = task.pid
        self.events.clear()
        return Regs(self.kernel, task)

    def flags(self, task: Task) -> int:
        return self.ram.u32[task.thread - PAGE_OFFSET >> 2]

    def flagged(self, task: Task) -> bool:
        return bool(self.flags(task) & TIF_SIGPENDING)

    def must_reschedule(self, task: Task) -> bool:
        return bool(self.flags(task) & TIF_NEED_RESCHED)

    def told(self, *names: str) -> list[Any]:
        """The events of these kinds so far."""
        return [event for event in self.events if type(event).__name__ in names]

    def ram_word(self, task: Task, address: int) -> int:
        """A word of a task's memory."""
        space = self.tables.spaces[task.space]
        return self.ram.u32[user_page(self.kernel, space, address, write=False) >> 2]

    def put(self, space: Space, address: int, data: bytes) -> None:
        self.ram.write(user_page(self.kernel, space, address, write=True), data)
