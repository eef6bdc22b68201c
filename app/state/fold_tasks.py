"""Tasks: coming, running, sleeping, executing, ending."""

from __future__ import annotations

from msgspec.structs import replace

from app.state.handlers import Handlers
from app.state.state import IDLE, INIT, State
from kernel import events as e
from kernel.abi.signal import SIG_IGN
from kernel.describe import RUNNABLE, SLEEPING, STOPPED, TRACED, ZOMBIE, TaskView, TimerView


def booted(state: State, event: e.Booted) -> None:
    state.memory = event.memory
    state.epoch = event.epoch


def task_created(state: State, event: e.TaskCreated) -> None:
    tasks = state.machine.tasks
    parent = tasks.get(event.parent)
    tasks[event.child] = TaskView(
        pid=event.child,
        tgid=event.tgid,
        ppid=event.parent if event.ppid < 0 else event.ppid,
        comm=event.comm,
        space=event.space,
        fdtable=event.fdtable,
        blocked=event.blocked,
        actions=dict(parent.actions) if parent is not None else {},
        sighand=event.sighand,
        thread=event.thread,
    )
    if event.child not in (IDLE, INIT):
        state.letters.setdefault(event.child, len(state.letters))


def task_switched(state: State, event: e.TaskSwitched) -> None:
    state.machine.current = event.next
    state.switches += 1


def task_blocked(state: State, event: e.TaskBlocked) -> None:
    task = state.machine.tasks[event.task]
    task.state = SLEEPING
    task.on = event.on
    state.asleep[event.task] = (state.tick, event.deadline)


def task_woken(state: State, event: e.TaskWoken) -> None:
    task = state.machine.tasks[event.task]
    task.state = RUNNABLE
    task.on = ()
    state.asleep.pop(event.task, None)


def task_requeued(state: State, event: e.TaskRequeued) -> None:
    state.machine.tasks[event.task].on = event.on


def task_stopped(state: State, event: e.TaskStopped) -> None:
    task = state.machine.tasks[event.task]
    task.state = STOPPED
    task.on = ()


def task_continued(state: State, event: e.TaskContinued) -> None:
    task = state.machine.tasks[event.task]
    task.state = RUNNABLE
    task.on = ()


def tracer_attached(state: State, event: e.TracerAttached) -> None:
    state.machine.tasks[event.task].tracer = event.tracer


def tracer_detached(state: State, event: e.TracerDetached) -> None:
    state.machine.tasks[event.task].tracer = 0


def trace_stopped(state: State, event: e.TraceStopped) -> None:
    task = state.machine.tasks[event.task]
    task.state = TRACED
    task.on = ()


def trace_resumed(state: State, event: e.TraceResumed) -> None:
    state.machine.tasks[event.task].state = RUNNABLE


def task_renamed(state: State, event: e.TaskRenamed) -> None:
    state.machine.tasks[event.task].comm = event.comm


def task_exited(state: State, event: e.TaskExited) -> None:
    """A zombie keeps its name, its parent and its status; the rest goes, some by events of its own."""
    task = state.machine.tasks[event.task]
    task.state = ZOMBIE
    task.exit_status = event.status
    task.on = ()
    task.space = task.fdtable = task.sighand = 0
    task.syscall = -1
    task.pending = ()
    task.actions = {}
    state.asleep.pop(event.task, None)


def task_reaped(state: State, event: e.TaskReaped) -> None:
    del state.machine.tasks[event.task]


def task_reparented(state: State, event: e.TaskReparented) -> None:
    state.machine.tasks[event.task].ppid = event.parent


def task_took_over(state: State, event: e.TaskTookOver) -> None:
    tasks = state.machine.tasks
    task, leader = tasks.pop(event.task), tasks[event.leader]
    task.pid = event.leader
    task.ppid = leader.ppid
    task.shared_pending = leader.shared_pending
    tasks[event.leader] = task
    for other in tasks.values():
        if other.tracer == event.task:
            other.tracer = event.leader
    state.frames.pop(event.leader, None)
    if event.task in state.frames:
        state.frames[event.leader] = state.frames.pop(event.task)
    state.pid = event.leader
    if state.machine.current == event.task:
        state.machine.current = event.leader


def program_executed(state: State, event: e.ProgramExecuted) -> None:
    task = state.machine.tasks[event.task]
    task.space = event.space
    task.comm = event.comm
    task.sighand = event.sighand or task.sighand
    task.fdtable = event.fdtable or task.fdtable
    task.actions = {signo: SIG_IGN for signo, handler in task.actions.items() if handler == SIG_IGN}
    state.program = state.program or event.path


def syscall_entered(state: State, event: e.SyscallEntered) -> None:
    state.machine.tasks[state.pid].syscall = event.nr
    state.calls[event.nr] = state.calls.get(event.nr, 0) + 1


def syscall_exited(state: State, event: e.SyscallExited) -> None:
    state.machine.tasks[state.pid].syscall = -1
    if -4096 < event.result < 0:
        state.errors[event.nr] = state.errors.get(event.nr, 0) + 1


def clock_set(state: State, event: e.ClockSet) -> None:
    state.epoch = event.epoch


def timer_set(state: State, event: e.TimerSet) -> None:
    state.machine.timers[event.timer] = TimerView(
        event.owner, event.number, event.clock, event.signo, event.expires, event.interval
    )


def timer_expired(state: State, event: e.TimerExpired) -> None:
    """Stopped until it is told that it was started again."""
    timer = state.machine.timers[event.timer]
    state.machine.timers[event.timer] = replace(timer, expires=-1)


def timer_deleted(state: State, event: e.TimerDeleted) -> None:
    del state.machine.timers[event.timer]


def machine_halted(state: State, event: e.MachineHalted) -> None:
    state.halted = event.status


def panicked(state: State, event: e.Panicked) -> None:
    state.panic = event.reason


HANDLERS: Handlers = {
    e.Booted: booted,
    e.TaskCreated: task_created,
    e.TaskSwitched: task_switched,
    e.TaskBlocked: task_blocked,
    e.TaskWoken: task_woken,
    e.TaskRequeued: task_requeued,
    e.TaskStopped: task_stopped,
    e.TaskContinued: task_continued,
    e.TaskTookOver: task_took_over,
    e.TracerAttached: tracer_attached,
    e.TracerDetached: tracer_detached,
    e.TraceStopped: trace_stopped,
    e.TraceResumed: trace_resumed,
    e.TaskRenamed: task_renamed,
    e.TaskExited: task_exited,
    e.TaskReaped: task_reaped,
    e.TaskReparented: task_reparented,
    e.ProgramExecuted: program_executed,
    e.SyscallEntered: syscall_entered,
    e.SyscallExited: syscall_exited,
    e.ClockSet: clock_set,
    e.TimerSet: timer_set,
    e.TimerExpired: timer_expired,
    e.TimerDeleted: timer_deleted,
    e.MachineHalted: machine_halted,
    e.Panicked: panicked,
}
