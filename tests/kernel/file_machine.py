"""A kernel without a processor, with a root file system: calls are made as the entry code makes them."""

from __future__ import annotations

from typing import Any

from app.state import fold_files
from app.state.state import State
from cpu.ram import PAGE_SIZE
from kernel.abi.errno import Errno
from kernel.abi.mman import MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE
from kernel.abi.process import RLIM64_INFINITY, RLIMIT_NOFILE
from kernel.describe import describe
from kernel.errors import Blocked, KernelError
from kernel.fs import ramfs, setup, vfs
from kernel.fs.hostfs import Host, NoHost
from kernel.fs.tty import terminal_input
from kernel.kernel import HostMount, Start
from kernel.mm.address_space import insert
from kernel.signals.state import signal_pending
from kernel.syscalls import attributes, files, mounts, paths, poll
from kernel.tables import Task, TaskState, Vma
from kernel.uaccess import copy_from_user, copy_to_user
from kernel.wait import sleep_on
from tests.kernel.signal_machine import Machine

BUFFER, BUFFER_END = 0x0010_0000, 0x0016_0000
"""User memory for tests; nothing is mapped right behind it."""
PATHS = BUFFER_END - 0x4000
"""Where strings for calls are put, and above it small structures."""
SMALL = BUFFER_END - 0x1000
BAD = 0x0090_0000
"""Nothing is mapped there."""
CWD = -100

Result = int | tuple[str, ...]
"""Of a call: its result, -errno, or the queues on which the task now sleeps."""


class FileMachine(Machine):
    def __init__(
        self,
        modes: tuple[int, int, int] | None = None,
        host: Host | None = None,
        mounts: tuple[HostMount, ...] = (),
    ) -> None:
        super().__init__()
        self.log: list[Any] = []
        self.emit = self._emit
        self.limits = {RLIMIT_NOFILE: 1024}
        self.blobs: dict[str, bytes] = {}
        self.entropy_used = 0
        self.start = Start("/bin/program", (), mounts=mounts)
        self.host = host or NoHost()
        self.asleep: dict[int, tuple[str, list[int]]] = {}
        """The calls in which tasks sleep, by pid."""
        setup.mount_root(self.kernel)
        for number, mount in enumerate(mounts):
            if mount.target != "/":
                setup.mount_other(self.kernel, number, mount)
        self.first = self.add_process(2, modes=modes)
        self.run(self.first)

    def _emit(self, event: Any) -> None:
        self.events.append(event)
        self.log.append(event)

    def rlimit(self, number: int) -> int:
        return self.limits.get(number, RLIM64_INFINITY)

    def limits_of(self, _task: Task, number: int) -> tuple[int, int]:
        return self.rlimit(number), RLIM64_INFINITY

    def entropy(self, count: int) -> bytes:
        self.entropy_used += count
        return bytes(n * 7 & 0xFF for n in range(count))

    def page_of(self, inode: Any, index: int) -> int:
        return ramfs.page_of(self.kernel, inode, index)

    def path_in(self, task: Task | None, mount: int, ino: int) -> str:
        return vfs.path_in(self.kernel, task, mount, ino)

    def root_of(self, task: Task) -> tuple[int, int]:
        return vfs.root_of(self.kernel, task)

    def mount_of(self, dev: int) -> int:
        return vfs.mount_of(self.kernel, dev)

    def release_inode(self, number: int) -> None:
        ramfs.release_inode(self.kernel, number)

    def add_process(
        self,
        pid: int,
        uid: int = 0,
        pgrp: int = 0,
        modes: tuple[int, int, int] | None = None,
        session: int = 2,
    ) -> Task:
        """A process with memory for tests and descriptors 0 to 2."""
        task = self.add_task(pid, uid=uid, pgrp=pgrp, session=session)
        task.cwd = self.tables.root
        space = self.tables.spaces[task.space]
        vma = Vma(BUFFER, BUFFER_END, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS)
        insert(self.kernel, space, vma)
        self.tables.current = pid
        setup.standard_descriptors(self.kernel, task, modes)
        return task

    # Calls.

    def call(self, name: str, *args: int | str | bytes) -> Result:
        """A system call by the current task. Text and bytes go to user memory, their addresses are passed."""
        at = PATHS
        words: list[int] = []
        for arg in args:
            if isinstance(arg, int):
                words.append(arg & 0xFFFF_FFFF)
                continue
            data = arg.encode() + b"\0" if isinstance(arg, str) else arg
            self.store(at, data)
            words.append(at)
            at += len(data) + 15 & ~15
        self.task.progress = []
        return self._run(name, words)

    def _run(self, name: str, words: list[int]) -> Result:
        task = self.task
        handler = next(
            vars(m)[f"sys_{name}"]
            for m in (files, paths, attributes, mounts, poll)
            if f"sys_{name}" in vars(m)
        )
        try:
            result: int = handler(self.kernel, *words)
        except KernelError as error:
            result = -error.errno
        except Blocked as blocked:
            if signal_pending(self.kernel, task):
                result = -blocked.restart
            else:
                task.woken_by_signal = False
                self.asleep[task.pid] = (name, words)
                sleep_on(self.kernel, task, blocked)
                return blocked.on
        task.progress = []
        return result

    def resume(self, task: Task) -> Result:
        """The call in which the task slept is made again, as after a wake-up. It must have been woken."""
        assert task.state == TaskState.RUNNABLE
        self.tables.current = task.pid
        name, words = self.asleep.pop(task.pid)
        if task.woken_by_signal and not task.progress and signal_pending(self.kernel, task):
            return -512
        return self._run(name, words)

    def ok(self, name: str, *args: int | str | bytes) -> int:
        result = self.call(name, *args)
        assert isinstance(result, int), result
        assert result >= 0, Errno(-result)
        return result

    # User memory.

    def store(self, address: int, data: bytes) -> None:
        copy_to_user(self.kernel, address, data)

    def load(self, address: int, length: int) -> bytes:
        return copy_from_user(self.kernel, address, length)

    # Short forms.

    def open(self, path: str, flags: int = 0, mode: int = 0o644) -> int:
        return self.ok("open", path, flags, mode)

    def read(self, fd: int, count: int = PAGE_SIZE) -> Any:
        """The bytes, or what `call` gives if it failed or sleeps."""
        result = self.call("read", fd, BUFFER, count)
        return self.load(BUFFER, result) if isinstance(result, int) and result >= 0 else result

    def write(self, fd: int, data: bytes) -> Result:
        self.store(BUFFER, data)
        return self.call("write", fd, BUFFER, len(data))

    def pipe(self, flags: int = 0) -> tuple[int, int]:
        self.ok("pipe2", SMALL, flags)
        data = self.load(SMALL, 8)
        return int.from_bytes(data[:4], "little"), int.from_bytes(data[4:], "little")

    def type(self, data: bytes) -> None:
        terminal_input(self.kernel, 0, data)

    def screen(self) -> bytes:
        """What was written to the terminal since the last look."""
        data = b"".join(event.data for event in self.told("TerminalWritten"))
        self.events.clear()
        return data

    def check(self) -> None:
        """What the events tell about files must be what the tables say, and counts must agree."""
        state = State()
        for event in self.log:
            handler = fold_files.HANDLERS.get(type(event))
            if handler is not None:
                handler(state, event)
        truth = describe(self.kernel)
        assert state.machine.fdtables == truth.fdtables
        assert state.machine.files == truth.files
        assert state.machine.pipes == truth.pipes
        t = self.tables
        for file in t.files.values():
            assert file.refs == sum(list(table.fds.values()).count(file.id) for table in t.fdtables.values())
        for pipe in t.pipes.values():
            assert len(pipe.data) == sum(pipe.slots) - pipe.head
        for inode in t.inodes.values():
            assert inode.opened >= sum(file.inode == inode.ino for file in t.files.values())
            assert all(t.frame_refs[frame] > 0 for frame in inode.pages.values())


def error(number: Errno) -> int:
    return -int(number)
