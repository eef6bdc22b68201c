"""Where the entry code's `hlt`s arrive: each is a hypercall to a function named like its symbol.

System calls are called here and nowhere else: arguments from pt_regs, events at both ends, errors
and waiting turned into what the entry code understands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel import boot, exceptions, sched
from kernel.abi.errno import Errno
from kernel.abi.mman import TASK_SIZE
from kernel.capture import capture_enter, capture_exit, captures
from kernel.errors import Blocked, Fault, KernelError, Panic, Stopped
from kernel.events import FaultHandled, SyscallEntered, SyscallExited, SyscallInjected
from kernel.fs import disk
from kernel.mm.fault import do_page_fault, handle_fault
from kernel.ptrace import stops
from kernel.seccomp import secure_computing
from kernel.signals.delivery import do_notify_resume
from kernel.signals.state import force_signal, signal_pending
from kernel.syscalls import registry
from kernel.table import TABLE, Row
from kernel.tables import SigInfo
from kernel.thread import PAGE_OFFSET, REGS_BELOW, Regs, regs_index
from kernel.wait import sleep_on

if TYPE_CHECKING:
    from kernel.kernel import Kernel
    from kernel.tables import Task

Body = Callable[["Kernel"], None]
Call = Callable[["Kernel", "Task"], None]
MUST_WAIT = 1
DEBUG = 1


def bodies(k: Kernel) -> dict[int, Body]:
    """Address of each `hlt` in the entry code to what is to be done there."""
    out: dict[int, Body] = {}

    def at(symbol: str, body: Body) -> None:
        out[k.hypercall_address(symbol)] = body

    def plain(body: Body) -> Body:
        def run(k: Kernel) -> None:
            body(k)
            k.core.set_result(0, 0)

        return run

    at("start_kernel", boot.start_kernel)
    at("pick_next", sched.pick_next)
    at("finish_task_switch", sched.finish_task_switch)
    at("default_idle", default_idle)
    at("do_notify_resume", plain(do_notify_resume))
    at("do_iret_error", plain(do_iret_error))
    at("do_timer_interrupt", plain(sched.do_timer_interrupt))
    at("do_keyboard_interrupt", plain(do_input_interrupt))
    at("do_serial_interrupt", plain(do_input_interrupt))
    at("do_disk_interrupt", plain(disk.do_disk_interrupt))
    for vector, name in enumerate(boot.EXCEPTIONS):
        if name == "page_fault":
            at("do_page_fault", plain(page_fault))
        elif name:
            at("do_" + name, plain(exception(vector)))
    handlers = registry.handlers()
    calls: dict[int, Call] = {}
    for row in TABLE:
        if row is not None:
            at("sys_" + row.name, system_call(row, handlers.get(row.name), calls))
    at("sys_ni_syscall", unknown_system_call(calls))
    return out


def system_call(row: Row, handler: Callable[..., int] | None, others: dict[int, Call]) -> Body:
    """The body of one system call. A tracer may have it be another one: of `others`, by number."""
    number = row.number
    count = len(row.args)
    cost = row.cost
    shows_esp = row.name in ("sigreturn", "rt_sigreturn")

    shows_in, shows_out = captures(row)

    def body(k: Kernel) -> None:
        t = k.tables
        task = t.tasks[t.current]
        if task.trace is not None or task.trap:
            _traced_call(k, task, others)
        else:
            make(k, task)

    def make(k: Kernel, task: Task) -> None:
        core = k.core
        index = task.thread - REGS_BELOW >> 2
        a, b, c, d, e, f = k.ram.u32[index : index + 6].tolist()
        args = (a, b, c, d, e, f)
        if task.syscall < 0:
            task.syscall = number
            if shows_esp:  # their only argument is where the stack is
                args = (k.ram.u32[index + 15], b, c, d, e, f)
            taken = capture_enter(row, args, k.peek) if shows_in else ()
            k.emit(SyscallEntered(number, args, taken))
            if task.seccomp_mode or task.fail_next:
                instead = _instead(k, task, number)
                if instead is not None:
                    _finish_filtered(k, task, row, args, instead)
                    return
        elif task.syscall != number:  # a tracer that is gone has changed it
            others.get(task.syscall, _make_unknown)(k, task)
            return
        elif task.woken_by_signal and not signal_pending(k, task):
            task.woken_by_signal = False  # another thread has taken it
        try:
            result = handler(k, *args[:count]) if handler is not None else -int(Errno.ENOSYS)
        except KernelError as error:
            result = -error.errno
        except Fault:
            result = -int(Errno.EFAULT)
        except Stopped:
            core.set_result(0, MUST_WAIT)
            return
        except Blocked as blocked:
            if not blocked.interruptible or not signal_pending(k, task):
                task.interrupted = blocked.restart
                sleep_on(k, task, blocked)
                core.set_result(0, MUST_WAIT)
                return
            result = _interrupted(k, handler, args[:count], blocked)
        core.bus.tick = core.ticks = core.ticks + cost
        task.system_ticks += cost
        if task.exit_status >= 0:
            core.set_result(0, 0)
            return
        _finish(k, task, row, args if shows_out else None, result)

    others[number] = make
    return body


def _traced_call(k: Kernel, task: Task, calls: dict[int, Call]) -> None:
    """A call of a task that is traced, or was when it stopped: perhaps a stop, another call, or none."""
    number = task.syscall
    if number < 0:
        number = stops.enter_call(k, task)
        if number == stops.STOPPED:
            k.core.set_result(0, MUST_WAIT)
            return
        if number == stops.SKIPPED:
            stops.leave_call(k, task)
            k.core.set_result(Regs(k, task).eax, 0)
            return
    stops.gone_on_inside(task)
    calls.get(number, _make_unknown)(k, task)


def _interrupted(
    k: Kernel, handler: Callable[..., int] | None, args: tuple[int, ...], blocked: Blocked
) -> int:
    """It would have to wait, and a signal is there: what it did so far, or the errno to restart it."""
    task = k.task
    if not task.progress or handler is None:
        return -blocked.restart
    task.woken_by_signal = True
    try:
        return handler(k, *args)
    except KernelError as error:
        return -error.errno
    except Blocked as again:
        return -again.restart


def _finish(k: Kernel, task: Task, row: Row, args: tuple[int, ...] | None, result: int) -> None:
    """`args` only where what they point to may have been written."""
    value = result & 0xFFFF_FFFF
    signed = value - 0x1_0000_0000 if value > 0xFFFF_F000 else value
    given = capture_exit(row, args, signed, k.peek) if args is not None else ()
    task.syscall = -1
    task.woken_by_signal = False
    if task.progress:
        task.progress = []
    k.emit(SyscallExited(row.number, signed, given))
    if task.trace is not None:
        stops.leave_call(k, task)
    k.core.set_result(value, 0)


def _instead(k: Kernel, task: Task, number: int) -> int | None:
    """What the call ends with without being made: by seccomp, or because a person wants it to fail."""
    result = secure_computing(k, number) if task.seccomp_mode else None
    if result is None and task.fail_next:
        k.emit(SyscallInjected(number, task.fail_next))
        result, task.fail_next = -task.fail_next, 0
    return result


def _finish_filtered(k: Kernel, task: Task, row: Row, args: tuple[int, ...], result: int) -> None:
    """The call was not made."""
    k.core.ticks += row.cost
    k.core.bus.tick = k.core.ticks
    if task.exit_status >= 0:
        k.core.set_result(0, 0)
    else:
        _finish(k, task, row, args, result)


def unknown_system_call(calls: dict[int, Call]) -> Body:
    """A number beyond the table, or one that was never given out: ENOSYS."""

    def body(k: Kernel) -> None:
        task = k.task
        if task.trace is not None or task.trap:
            _traced_call(k, task, calls)
        else:
            _make_unknown(k, task)

    return body


def _make_unknown(k: Kernel, task: Task) -> None:
    index = regs_index(task.thread)
    words = k.ram.u32[index : index + 12].tolist()
    number = words[11]
    args = words[:6]
    k.emit(SyscallEntered(number, (args[0], args[1], args[2], args[3], args[4], args[5]), ()))
    result = _instead(k, task, number)
    if result is None:
        result = -int(Errno.ENOSYS)
    k.core.ticks += 1000
    k.core.bus.tick = k.core.ticks
    if task.exit_status >= 0:
        k.core.set_result(0, 0)
        return
    k.emit(SyscallExited(number, result, ()))
    if task.trace is not None:
        stops.leave_call(k, task)
    k.core.set_result(result & 0xFFFF_FFFF, 0)


def default_idle(k: Kernel) -> None:
    """Nobody can run: the processor stands still until an interrupt."""
    k.tables.idle = True
    k.reprogram_timer()


def do_input_interrupt(k: Kernel) -> None:
    """Vectors 0x21 and 0x24: a device has something."""
    k.take_input()


def do_iret_error(k: Kernel) -> None:
    """iret refused the task's own frame."""
    force_signal(k, k.task, SigInfo(11, 0x80))


def exception(vector: int) -> Body:
    def body(k: Kernel) -> None:
        if _from_kernel(k):
            if vector != DEBUG or not _single_steps_sysenter(k):
                _fix_up(k, vector)
        else:
            exceptions.do_exception(k, vector)

    return body


def page_fault(k: Kernel) -> None:
    if _from_kernel(k):
        if not _supply_user_page(k):
            _fix_up(k, 14)
    else:
        do_page_fault(k)


def _frame(k: Kernel) -> int:
    """Index into `Ram.u32` of the pt_regs that the entry code has just built, wherever it stands."""
    esp = k.core.emulator.bank.read()[7]
    return (int(esp) - PAGE_OFFSET + 4) >> 2  # above the return address of the call to the body


def _from_kernel(k: Kernel) -> bool:
    return not k.ram.u32[_frame(k) + 13] & 3


def _single_steps_sysenter(k: Kernel) -> bool:
    """sysenter keeps TF: the entry code traps at each instruction until it has put TF away itself."""
    eip = k.ram.u32[_frame(k) + 12]
    return k.symbol("ia32_sysenter_target") <= eip <= k.symbol("sysenter_argument") or (
        k.symbol("sysenter_fix_flags") <= eip < k.symbol("sysenter_fault")
    )


def _supply_user_page(k: Kernel) -> bool:
    """The entry code has read user memory (a sixth argument) where no page is yet."""
    address = k.core.emulator.read_cr2()
    space = k.tables.spaces.get(k.task.space)
    if address >= TASK_SIZE or space is None:
        return False
    try:
        handle_fault(k, space, address, write=False)
    except (KernelError, Fault):
        return False
    k.emit(FaultHandled(14, address, k.ram.u32[_frame(k) + 11], 0))
    return True


def _fix_up(k: Kernel, vector: int) -> None:
    """A fault of the entry code itself: go on where its exception table says."""
    frame = _frame(k)
    eip = k.ram.u32[frame + 12]
    target = k.fixup(eip)
    if target is None:
        raise Panic(f"vector {vector:#x} in the kernel at {k.symbols.label(eip)}")
    k.ram.u32[frame + 12] = target
