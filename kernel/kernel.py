"""The kernel: its tables, the machine they are about, and the loop that serves one slice after another.

`step` runs the processor until something ends the slice and does what the entry code asks for.
Whoever drives the machine (a command, the screen, a re-execution) calls it again and again, gives
inputs by `give_input`, and lets time pass by `pass_time` when all sleep. The rooms are functions
over `Kernel`; what is here is what they all need.
"""

from __future__ import annotations

import hashlib
import struct
from bisect import insort

import msgspec

from cpu.bus import Bus, Sink
from cpu.core import NEVER, Core, Hypercall, Interrupted
from cpu.ram import Ram
from kernel import boot, capabilities, describe, edits, entry, exec, posix_timers, sched, vdso
from kernel.abi.errno import Errno
from kernel.abi.process import (
    RLIM64_INFINITY,
    RLIMIT_CORE,
    RLIMIT_MEMLOCK,
    RLIMIT_MSGQUEUE,
    RLIMIT_NICE,
    RLIMIT_NOFILE,
    RLIMIT_NPROC,
    RLIMIT_RTPRIO,
    RLIMIT_SIGPENDING,
    RLIMIT_STACK,
)
from kernel.abi.signal import SIGCHLD
from kernel.cputime import bury_thread
from kernel.elf import read_symbols
from kernel.errors import KernelError, Panic
from kernel.events import InputArrived, MachineHalted, Panicked, TaskCreated, TaskTookOver
from kernel.fork import new_thread, set_thread_space
from kernel.fs import operations, ramfs, setup, vfs
from kernel.fs.hostfs import Host, NoHost
from kernel.fs.stream import stream_input
from kernel.fs.tty import resize, size_input, terminal_input
from kernel.mm import frames
from kernel.signals.outside import signal_input
from kernel.tables import Inode, OpenFile, SigHand, Space, Tables, Task, TaskState
from kernel.thread import PAGE_OFFSET, TI_CR3, TI_LDT, TI_PID
from kernel.uaccess import peek_user

DEFAULT_EPOCH = 1_700_000_000_000_000_000
"""Real time at tick 0 unless a session says otherwise: 2023-11-14 22:13:20 UTC."""
DEFAULT_RLIMITS = {
    RLIMIT_STACK: (8 << 20, RLIM64_INFINITY),
    RLIMIT_CORE: (0, RLIM64_INFINITY),
    RLIMIT_NPROC: (4096, 4096),
    RLIMIT_NOFILE: (1024, 1 << 20),
    RLIMIT_MEMLOCK: (8 << 20, 8 << 20),
    RLIMIT_SIGPENDING: (4096, 4096),
    RLIMIT_MSGQUEUE: (819_200, 819_200),
    RLIMIT_NICE: (0, 0),
    RLIMIT_RTPRIO: (0, 0),
}
"""Soft and hard limits of the first program (INIT_RLIMITS of asm-generic/resource.h); the others are none."""
NO_LIMIT = (RLIM64_INFINITY, RLIM64_INFINITY)


INPUT_VECTORS = {
    "tty": boot.KEYBOARD_VECTOR,
    "winsize": boot.KEYBOARD_VECTOR,
    "scheduler": boot.TIMER_VECTOR,
    "signal": boot.KEYBOARD_VECTOR,
    **dict.fromkeys(edits.DEVICES, boot.KEYBOARD_VECTOR),
}
"""How a device says that it has something; those that are not here by the serial line's interrupt."""
ORDERS = ("scheduler", "signal", *edits.DEVICES)
"""Inputs that say what is to be done: no bytes come with them."""


class Input(msgspec.Struct, frozen=True, array_like=True):
    """Something from outside, from tick `tick` on: `data` for `device` (tty, stream, winsize) `number`.

    The `scheduler`'s number is the pid of the task that is to run next; that of `signal` is whose the signal
    in `data` is to be, of `register`, `memory` and `fail` (`kernel.edits`) whose they are.
    """

    tick: int
    device: str
    number: int
    data: bytes


class GuestFile(msgspec.Struct, frozen=True, array_like=True):
    """A file that exists when the machine starts; `blob` is the key of its contents."""

    path: str
    blob: str
    mode: int
    size: int


class HostMount(msgspec.Struct, frozen=True, array_like=True):
    """A directory of the host that the guest sees at `target`; its number is its place in `Start.mounts`.

    Which directory that is only the port (`Kernel.host`) knows.
    """

    target: str
    read_only: bool = False


class Start(msgspec.Struct, frozen=True, array_like=True):
    """What a machine is started with. The same start and inputs give the same events."""

    path: str
    argv: tuple[str, ...]
    envp: tuple[str, ...] = ()
    files: tuple[GuestFile, ...] = ()
    modes: tuple[int, int, int] | None = None
    """st_mode of descriptors 0-2 where they are the host's pipes or files; None: all on the console.

    Above it (`kernel.fs.setup.ACCESS_AT`) may be how they are open.
    """
    cwd: str = "/"
    uid: int = 0
    memory: int = 64 << 20
    seed: int = 1
    epoch: int = DEFAULT_EPOCH
    rows: int = 24
    columns: int = 80
    mounts: tuple[HostMount, ...] = ()
    """One at `/` can only be the first; without it the root is in memory."""
    schedule: int = -1
    """Seed of random choices of the scheduler; -1: it takes turns."""
    core: bool = False
    """Core files may be of any size: the first program's RLIMIT_CORE is not 0."""


class Idle(msgspec.Struct, frozen=True):
    """All tasks sleep. `until` is the tick at which one will wake by itself, -1 for never."""

    until: int


class Halted(msgspec.Struct, frozen=True):
    """No program is left. `status` is the first one's, as wait4 gives it."""

    status: int


class Kernel:
    """One machine with its Linux. `image` is the kernel's ELF file (`assets/kernel/kernel.elf`)."""

    def __init__(
        self,
        start: Start,
        image: bytes,
        blobs: dict[str, bytes],
        sink: Sink | None = None,
        native_clock: bool | None = None,
        host: Host | None = None,
    ) -> None:
        self.start = start
        self.image = image
        self.blobs = blobs
        self.host: Host = host if host is not None else NoHost()
        self.ram = Ram(start.memory)
        self.bus = Bus(sink)
        self.emit = self.bus.publish
        self.core = Core(self.ram, self.bus, native_clock)
        self.core.exact = start.schedule >= 0
        self.tables = Tables(entropy=start.seed, epoch=start.epoch, schedule_seed=start.schedule)
        self.inputs: list[Input] = []
        """Not yet taken, by tick."""
        self.symbols = read_symbols(image)
        self.kernel_directory = 0
        self.gdt_index = self.symbol("gdt_table") - PAGE_OFFSET >> 3
        self._fixups = self._exception_table()
        self._bodies = entry.bodies(self)
        self.peek = self._peek
        self.first_error: KernelError | None = None
        entry_point = boot.load_image(self, image)
        boot.build_tables(self)
        self.vdso = vdso.read_vdso(self)
        self.core.reset(entry_point)
        self.reset_cr3 = self.symbol("swapper_pg_dir") - PAGE_OFFSET

    # The loop.

    def step(self, limit: int) -> Idle | Halted | None:
        """Run until a trap, a hypercall or tick `limit`; do what it asks for. Panic when it cannot be."""
        t = self.tables
        if t.idle and self.core.ticks < self.core.irq_at:
            if len(t.tasks) == 2 or (t.first_status >= 0 and self.core.irq_at == NEVER):
                if not t.halted:
                    t.halted = True
                    self.emit(MachineHalted(t.first_status))
                return Halted(t.first_status)
            return Idle(-1 if self.core.irq_at == NEVER else self.core.irq_at)
        trap = self.core.run(limit)
        if type(trap) is Hypercall and (body := self._bodies.get(trap.address)) is not None:
            body(self)
        else:
            self._serve(trap)
        return None

    def step_instruction(self) -> Idle | Halted | None:
        """As `step`, for one instruction."""
        t = self.tables
        if t.idle and self.core.ticks < self.core.irq_at:
            return self.step(self.core.ticks)
        trap = self.core.step()
        if trap is not None:
            self._serve(trap)
        return None

    def run_to(self, tick: int) -> Idle | Halted | None:
        """As `step`, but stops exactly at `tick` if nothing happens before."""
        t = self.tables
        if t.idle and self.core.ticks < self.core.irq_at:
            return self.step(self.core.ticks)
        self._serve(self.core.run_to(tick))
        return None

    def _serve(self, trap: object) -> None:
        if type(trap) is Hypercall:
            body = self._bodies.get(trap.address)
            if body is None:
                raise Panic(f"an unknown hypercall at {self.symbols.label(trap.address)}")
            body(self)
        elif type(trap) is Interrupted:
            t = self.tables
            t.interrupts[trap.vector] = t.interrupts.get(trap.vector, 0) + 1
            t.idle = False
            self.reprogram_timer()

    def pass_time(self, tick: int) -> None:
        """While all sleep: the clock goes on to `tick`, at most to the next thing that will happen."""
        if self.tables.idle:
            self.core.ticks = max(self.core.ticks, min(tick, self.core.irq_at))
            self.bus.tick = self.core.ticks

    @property
    def input_tick(self) -> int:
        """The tick of an input that is given now.

        In the kernel the next one: a fault's trap has the tick at which its instruction began, and what comes
        behind the trap must not come in front of that instruction when it is all run again.
        """
        return self.now + (not self.tables.idle and not self.core.registers().cs & 3)

    def give_input(self, one: Input) -> None:
        """An input that is due from its tick on. Inputs of one tick keep their order."""
        insort(self.inputs, one, key=lambda item: item.tick)
        self.reprogram_timer()

    def take_input(self) -> None:
        """A device's interrupt: what it has goes to its room."""
        if not self.inputs or self.inputs[0].tick > self.now:
            return
        one = self.inputs.pop(0)
        self.tables.inputs_done += 1
        self.emit(InputArrived(one.device, one.number, one.data))
        if one.device == "tty":
            terminal_input(self, one.number, one.data)
        elif one.device == "stream":
            stream_input(self, one.number, one.data)
        elif one.device == "scheduler":
            sched.run_next(self, one.number)
        elif one.device == "winsize":
            size_input(self, one.number, one.data)
        elif one.device == "signal":
            signal_input(self, one.number, one.data)
        elif one.device in edits.DEVICES:
            edits.edit_input(self, one.device, one.number, one.data)
        self.reprogram_timer()

    def take_scheduler_input(self) -> None:
        """The timer's interrupt: what a person wants to run next."""
        while self.inputs and self.inputs[0].tick <= self.now and self.inputs[0].device == "scheduler":
            self.take_input()

    def reprogram_timer(self) -> None:
        """Set the interrupt line to whatever comes first: a sleeper, the time slice's end, an input."""
        t = self.tables
        at = NEVER if t.idle or t.current == 0 else t.slice_end
        if t.deadlines:
            at = min(at, *t.deadlines.values())
        if t.timers:
            at = min(at, *t.timers.values())
        at = min(at, posix_timers.next_cpu_expiry(self))
        vector = boot.TIMER_VECTOR
        self.core.exact = self.start.schedule >= 0
        if self.inputs and self.inputs[0].tick < at:
            at = self.inputs[0].tick
            self.core.exact |= self.inputs[0].device in edits.DEVICES
            vector = INPUT_VECTORS.get(self.inputs[0].device, boot.SERIAL_VECTOR)
        if t.disk is not None and 0 <= t.disk.due < at:
            at, vector = t.disk.due, boot.DISK_VECTOR
        self.core.interrupt_at(at, vector)

    # What rooms need.

    @property
    def task(self) -> Task:
        return self.tables.tasks[self.tables.current]

    @property
    def now(self) -> int:
        return self.core.ticks

    def new_id(self) -> int:
        number = self.tables.next_id
        self.tables.next_id = number + 1
        return number

    def symbol(self, name: str) -> int:
        return self.symbols.address(name)

    def hypercall_address(self, name: str) -> int:
        """The first `hlt` in the function `name` of the entry code."""
        at = self.symbol(name) - PAGE_OFFSET
        offset = self._image_offset(at)
        code = self.image[offset : offset + 16]
        return self.symbol(name) + (5 if code[0] == 0xE8 else 0)

    def _image_offset(self, paddr: int) -> int:
        phoff = struct.unpack_from("<I", self.image, 28)[0]
        _, offset, _, start, _, _, _, _ = struct.unpack_from("<8I", self.image, phoff)
        return int(offset) + paddr - int(start)

    def _exception_table(self) -> dict[int, int]:
        start, stop = self.symbol("__start___ex_table"), self.symbol("__stop___ex_table")
        phoff = struct.unpack_from("<I", self.image, 28)[0]
        _, offset, vaddr, _, _, _, _, _ = struct.unpack_from("<8I", self.image, phoff + 32)
        data = self.image[offset + start - vaddr : offset + stop - vaddr]
        return dict(struct.iter_unpack("<II", data))

    def fixup(self, eip: int) -> int | None:
        """Where the entry code goes on after a fault at `eip`, from its exception table."""
        return self._fixups.get(eip)

    def _peek(self, address: int, length: int) -> bytes | None:
        return peek_user(self, address, length)

    def entropy(self, count: int) -> bytes:
        """`count` bytes that the seed determines."""
        out = b""
        t = self.tables
        while len(out) < count:
            out += hashlib.blake2b(
                t.entropy_used.to_bytes(8, "little"), key=t.entropy.to_bytes(16, "little")
            ).digest()
            t.entropy_used += 1
        return out[:count]

    def rlimit(self, number: int) -> int:
        """The current task's soft limit."""
        task = self.tables.tasks.get(self.tables.current)
        leader = self.tables.tasks.get(task.tgid, task) if task is not None else None
        limits = leader.rlimits.get(number) if leader is not None else None
        return limits[0] if limits else DEFAULT_RLIMITS.get(number, NO_LIMIT)[0]

    def limits_of(self, task: Task, number: int) -> tuple[int, int]:
        """Soft and hard limit of any task."""
        limits = self.tables.tasks.get(task.tgid, task).rlimits.get(number)
        if limits:
            return limits[0], limits[1]
        return DEFAULT_RLIMITS.get(number, NO_LIMIT)

    def need_resched(self) -> None:
        sched.need_resched(self)

    def load_tls(self) -> None:
        sched.load_tls(self, self.task)

    # Address spaces of tasks.

    def set_space(self, task: Task, space: Space) -> None:
        """The task runs in `space` from now on; at once if it is the current one."""
        set_thread_space(self, task, space)
        if task.pid == self.tables.current:
            self.core.load_cr3(space.pgd << 12)

    def use_kernel_space(self) -> None:
        """The processor leaves user space: the current task has none any more."""
        self.core.load_cr3(self.reset_cr3)

    def use_kernel_space_for(self, task: Task) -> None:
        if task.thread:
            self.ram.u32[task.thread - PAGE_OFFSET + TI_CR3 >> 2] = self.reset_cr3

    def free_thread(self, thread: int) -> None:
        frames.free_stack(self, thread - PAGE_OFFSET >> 12)

    def leave_thread_group(self, task: Task) -> None:
        """exec ends the other threads and unshares what they shared."""
        from kernel.exit import end_task, release

        t = self.tables
        for other in list(t.tasks.values()):
            if other.tgid == task.tgid and other.pid != task.pid and other.state != TaskState.ZOMBIE:
                end_task(self, other, 9)
                if other.pid in t.tasks and other.pid != task.tgid:  # no tracer waits for it
                    release(self, other, by=task.pid)
        if task.pid != task.tgid:
            self._take_over(task)
        if task.sighand and t.sighands[task.sighand].refs > 1:
            t.sighands[task.sighand].refs -= 1
            number = self.new_id()
            t.sighands[number] = SigHand(1, dict(t.sighands[task.sighand].actions))
            task.sighand = number
        if task.fdtable and t.fdtables[task.fdtable].refs > 1:
            from kernel.fs.files import copy_fdtable

            t.fdtables[task.fdtable].refs -= 1
            task.fdtable = copy_fdtable(self, task.fdtable)

    def _take_over(self, task: Task) -> None:
        """de_thread: a thread that executes a program gets the pid of its leader, which has just ended."""
        t = self.tables
        old, leader = task.pid, t.tasks[task.tgid]
        self.emit(TaskTookOver(old, leader.pid))
        for other in t.tasks.values():
            if other.trace is not None and other.trace.tracer == old:
                other.trace.tracer = leader.pid
        task.shared_pending = leader.shared_pending
        task.stop_signal, task.stop_reported = leader.stop_signal, leader.stop_reported
        task.continued, task.exit_signal = leader.continued, SIGCHLD
        task.start_tick, task.rlimits, task.group_status = leader.start_tick, leader.rlimits, -1
        task.gone, task.children = leader.gone, leader.children
        task.next_timer = leader.next_timer
        bury_thread(self, task, leader)
        self.free_thread(leader.thread)
        del t.tasks[old]
        task.pid = leader.pid
        t.tasks[task.pid] = task
        t.current = self.bus.pid = task.pid
        self.ram.u32[task.thread - PAGE_OFFSET + TI_PID >> 2] = task.pid

    def undo_fork(self, child: Task) -> None:
        """A fork that failed at the last moment leaves nothing behind."""
        from kernel.fs.files import drop_fdtable
        from kernel.mm.address_space import drop_space

        t = self.tables
        drop_fdtable(self, child.fdtable)
        drop_space(self, child.space)
        t.sighands[child.sighand].refs -= 1
        if not t.sighands[child.sighand].refs:
            del t.sighands[child.sighand]
        self.free_ldt(child)
        del t.tasks[child.pid]
        self.free_thread(child.thread)

    # Local descriptor tables and TLS.

    def set_thread_area(self, task: Task, address: int) -> None:
        from kernel.syscalls.process import set_thread_area

        set_thread_area(self, task, address, can_allocate=False)

    def copy_ldt(self, parent: Task, child: Task) -> None:
        if parent.ldt:
            child.ldt = frames.alloc_frame(self)
            self.ram.frame(child.ldt)[:] = self.ram.frame(parent.ldt)
            self.set_ldt_selector(child)

    def set_ldt_selector(self, task: Task) -> None:
        self.ram.u32[task.thread - PAGE_OFFSET + TI_LDT >> 2] = sched.LDT_SELECTOR if task.ldt else 0

    def free_ldt(self, task: Task) -> None:
        if task.ldt:
            frames.put_frame(self, task.ldt)
            task.ldt = 0
            self.set_ldt_selector(task)

    # Files, for rooms below them.

    def poll_file(self, file: OpenFile) -> tuple[int, tuple[str, ...]]:
        """What poll says of it, and the wait queues that tell of a change."""
        return operations.poll_file(self, file)

    def page_of(self, inode: Inode, index: int) -> int:
        return ramfs.page_of(self, inode, index)

    def read_inode(self, inode: Inode, at: int, count: int) -> bytes:
        return ramfs.read_inode(self, inode, at, count)

    def peek_inode(self, number: int, at: int, count: int) -> bytes:
        """Contents of a file without bringing anything into the page cache."""
        return ramfs.peek_inode(self, number, at, count)

    def release_inode(self, number: int) -> None:
        ramfs.release_inode(self, number)

    def path_of(self, inode: Inode) -> str:
        return vfs.path_of(self, inode)

    def path_in(self, task: Task | None, mount: int, ino: int) -> str:
        return vfs.path_in(self, task, mount, ino)

    def root_of(self, task: Task) -> tuple[int, int]:
        return vfs.root_of(self, task)

    def mount_of(self, dev: int) -> int:
        return vfs.mount_of(self, dev)

    # The first program.

    def start_first_program(self) -> None:
        """Mount the root, put the given files in, and make task 2 ready to run the program."""
        t = self.tables
        start = self.start
        vdso.create_vdso(self)
        setup.mount_root(self)
        refused = self._fill_root()
        pid = t.next_pid
        t.next_pid += 1
        thread = new_thread(self, pid)
        sighand = self.new_id()
        t.sighands[sighand] = SigHand(1)
        task = Task(
            pid=pid,
            tgid=pid,
            ppid=1,
            pgrp=pid,
            session=1,
            comm="",
            state=TaskState.RUNNABLE,
            thread=thread,
            space=0,
            fdtable=0,
            cwd=t.root,
            sighand=sighand,
            cred=capabilities.user(start.uid),
        )
        if start.core:
            task.rlimits = {RLIMIT_CORE: list(NO_LIMIT)}
        t.tasks[pid] = task
        t.first = pid
        setup.standard_descriptors(self, task, start.modes)
        self.emit(TaskCreated(pid, 1, pid, "boot", "", 0, task.fdtable, thread, 0, sighand))
        terminal = t.terminals.get(0)
        if terminal is not None:
            resize(self, 0, start.rows, start.columns)
            terminal.pgrp, terminal.session = pid, 1  # as under a login shell: init leads the session
        try:
            if refused is not None:
                raise refused
            task.cwd_mount, task.cwd = self._directory(task, start.cwd)
            encode = [text.encode("utf-8", "surrogateescape") for text in start.argv]
            envp = [text.encode("utf-8", "surrogateescape") for text in start.envp]
            exec.do_execve(self, task, self._program(task), encode, envp)
        except KernelError as error:
            self.first_error = error
            from kernel.exit import end_task

            end_task(self, task, 127 << 8)
            return
        t.runqueue.append(pid)

    def _fill_root(self) -> KernelError | None:
        """Put in what came from outside; why it cannot be, if so."""
        where = ""
        try:
            for number, mount in enumerate(self.start.mounts):
                where = mount.target
                if number or where != "/":
                    setup.mount_other(self, number, mount)
            for file in self.start.files:
                where = file.path
                setup.add_file(self, file.path, file.blob, file.size, file.mode)
        except KernelError as error:
            return exec.ExecRefused(error.errno, f"nothing can be put at {where} in the guest: {error}")
        return None

    def _program(self, task: Task) -> str:
        """Where the first program is: a bare name is looked for as a shell does, then among the files."""
        path = self.start.path
        if "/" in path:
            return path
        along = next((text[5:] for text in self.start.envp if text.startswith("PATH=")), "")
        places = [f"{directory or '.'}/{path}" for directory in along.split(":")]
        places += [file.path for file in self.start.files if file.path.endswith(f"/{path}")]
        for place in places:
            try:
                vfs.executable(self, task, place)
            except KernelError:
                continue
            return place
        raise exec.ExecRefused(Errno.ENOENT, f"the guest has no such program along PATH ({along})")

    def _directory(self, task: Task, path: str) -> tuple[int, int]:
        try:
            found = vfs.walk(self, task, path)
            inode = vfs.insist(self, found)
        except KernelError as error:
            raise exec.ExecRefused(error.errno, f"the guest has no directory {path}") from None
        if not vfs.is_dir(inode):
            raise exec.ExecRefused(Errno.ENOTDIR, f"{path} is not a directory in the guest")
        return found.mount, inode.ino

    # Telling.

    def describe(self) -> describe.Description:
        return describe.describe(self)

    def panic(self, reason: str) -> None:
        self.emit(Panicked(reason))
