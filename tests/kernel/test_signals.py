"""Generating, queueing and delivering signals, against Linux's rules (man 7 signal, kernel/signal.c)."""

from __future__ import annotations

import pytest

from kernel.abi.signal import (
    CLD_CONTINUED,
    CLD_STOPPED,
    SA_NOCLDSTOP,
    SA_NODEFER,
    SA_RESETHAND,
    SA_RESTART,
    SA_RESTORER,
    SEGV_MAPERR,
    SI_KERNEL,
    SIG_DFL,
    SIG_IGN,
    SIGCHLD,
    SIGCONT,
    SIGHUP,
    SIGINT,
    SIGKILL,
    SIGQUIT,
    SIGSEGV,
    SIGSTOP,
    SIGTERM,
    SIGTSTP,
    SIGUSR1,
    SIGUSR2,
    SIGWINCH,
    sigmask,
)
from kernel.errors import Blocked
from kernel.signals import delivery, pending, state
from kernel.signals.delivery import do_notify_resume
from kernel.tables import SigAction, SigInfo, Task, TaskState
from kernel.thread import Regs
from kernel.wait import sleep_on
from tests.kernel.signal_machine import STACK, STACK_TOP, Machine

HANDLER, RESTORER = 0x0804_8100, 0x0804_8200
RT = 40


@pytest.fixture
def m() -> Machine:
    return Machine()


@pytest.fixture
def endings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Statuses with which processes ended; instead of ending, the task only becomes a zombie."""
    statuses: list[int] = []

    def end(k: Machine, status: int) -> None:
        statuses.append(status)
        k.task.state = TaskState.ZOMBIE

    monkeypatch.setattr(delivery, "do_group_exit", end)
    return statuses


def catch(m: Machine, task: Task, signo: int, flags: int = 0, mask: int = 0) -> None:
    action = SigAction(HANDLER, flags | SA_RESTORER, RESTORER, mask)
    state.set_action(m.kernel, task, signo, action)


def send(m: Machine, task: Task, signo: int, shared: bool = True, **info: int) -> None:
    state.send_signal(m.kernel, task, SigInfo(signo, **info), shared)


def sleep(m: Machine, task: Task, interruptible: bool = True) -> None:
    sleep_on(m.kernel, task, Blocked("pause", interruptible=interruptible))


def queued(task: Task) -> list[int]:
    return [info.signo for info in task.shared_pending]


# --- generating ---------------------------------------------------------------------------------------------


def test_an_ignored_signal_is_dropped_and_told(m: Machine) -> None:
    task = m.add_task(2)
    send(m, task, SIGWINCH)
    state.set_action(m.kernel, task, SIGUSR1, SigAction(SIG_IGN))
    send(m, task, SIGUSR1)
    assert [event.ignored for event in m.told("SignalGenerated")] == [True, True]
    assert not task.shared_pending
    assert not m.flagged(task)


def test_a_blocked_signal_is_kept_even_if_it_would_be_ignored_now(m: Machine) -> None:
    task = m.add_task(2)
    state.set_blocked(m.kernel, task, sigmask(SIGCHLD))
    send(m, task, SIGCHLD)
    assert queued(task) == [SIGCHLD]
    assert not m.flagged(task)
    state.set_blocked(m.kernel, task, 0)
    assert m.flagged(task)


def test_standard_signals_are_queued_once_and_real_time_ones_as_often_as_sent(m: Machine) -> None:
    task = m.add_task(2)
    state.set_blocked(m.kernel, task, sigmask(SIGUSR1) | sigmask(RT))
    for value in (1, 2):
        send(m, task, SIGUSR1, value=value)
        send(m, task, RT, value=value)
    assert [(info.signo, info.value) for info in task.shared_pending] == [(SIGUSR1, 1), (RT, 1), (RT, 2)]
    assert not any(event.ignored for event in m.told("SignalGenerated"))


def test_the_sender_is_named_only_when_a_process_sent_it(m: Machine) -> None:
    task = m.add_task(2)
    send(m, task, SIGTERM, code=0, pid=7)
    send(m, task, SIGINT, code=SI_KERNEL, pid=7)
    assert [event.sender for event in m.told("SignalGenerated")] == [7, 0]


def test_stop_signals_and_sigcont_take_each_other_back(m: Machine) -> None:
    task = m.add_task(2)
    state.set_blocked(m.kernel, task, sigmask(SIGTSTP) | sigmask(SIGCONT))
    send(m, task, SIGTSTP)
    send(m, task, SIGCONT, shared=False)
    assert queued(task) == []
    assert [info.signo for info in task.pending] == [SIGCONT]
    send(m, task, SIGTSTP)
    assert not task.pending
    told = [(event.signals, event.shared) for event in m.told("SignalsDiscarded")]
    assert told == [(sigmask(SIGTSTP), True), (sigmask(SIGCONT), False)]


def test_a_sleeper_is_woken_if_its_sleep_allows(m: Machine) -> None:
    light, deep = m.add_task(2), m.add_task(3)
    sleep(m, light)
    sleep(m, deep, interruptible=False)
    for task in (light, deep):
        catch(m, task, SIGUSR1)
        send(m, task, SIGUSR1)
    assert (light.state, light.woken_by_signal) == (TaskState.RUNNABLE, True)
    assert deep.state == TaskState.SLEEPING
    assert m.flagged(deep)
    send(m, deep, SIGKILL)
    assert deep.state == TaskState.RUNNABLE


def test_a_dying_process_takes_no_more_signals(m: Machine, endings: list[int]) -> None:
    task = m.add_task(2)
    send(m, task, SIGTERM)
    send(m, task, SIGKILL)
    assert m.told("SignalGenerated")[-1].ignored
    m.run(task)
    do_notify_resume(m.kernel)
    assert endings == [SIGTERM]


def test_init_and_zombies_take_none(m: Machine) -> None:
    zombie = m.add_task(2, state=TaskState.ZOMBIE)
    for task in (zombie, m.tables.tasks[1]):
        send(m, task, SIGKILL)
        assert not task.shared_pending
    assert all(event.ignored for event in m.told("SignalGenerated"))


def test_another_thread_takes_what_the_first_blocks(m: Machine) -> None:
    first = m.add_task(2)
    second = m.add_task(3, tgid=2)
    catch(m, first, SIGUSR1)
    state.set_blocked(m.kernel, first, sigmask(SIGUSR1))
    send(m, first, SIGUSR1)
    assert (m.flagged(first), m.flagged(second)) == (False, True)
    third = m.add_task(4, tgid=2)
    m.run(second)
    state.set_blocked(m.kernel, second, sigmask(SIGUSR1))
    assert (m.flagged(second), m.flagged(third)) == (False, True)


def test_ignoring_discards_what_is_pending(m: Machine) -> None:
    task = m.add_task(2)
    state.set_blocked(m.kernel, task, sigmask(SIGUSR1))
    send(m, task, SIGUSR1)
    send(m, task, SIGUSR1, shared=False)
    state.set_action(m.kernel, task, SIGUSR1, SigAction(SIG_IGN))
    assert not task.pending
    assert not task.shared_pending
    assert [event.shared for event in m.told("SignalsDiscarded")] == [True, False]


def test_forcing_a_blocked_or_ignored_signal_makes_it_fatal(m: Machine, endings: list[int]) -> None:
    task = m.add_task(2)
    catch(m, task, SIGSEGV)
    state.set_blocked(m.kernel, task, sigmask(SIGSEGV))
    state.force_signal(m.kernel, task, SigInfo(SIGSEGV, SEGV_MAPERR, address=4))
    assert pending.get_action(m.kernel, task, SIGSEGV).handler == SIG_DFL
    assert task.blocked == 0
    m.run(task)
    do_notify_resume(m.kernel)
    assert endings == [SIGSEGV]
    assert m.told("SignalDelivered")[0].action == "core"


def test_exec_resets_handlers_and_keeps_what_is_ignored(m: Machine) -> None:
    task = m.add_task(2)
    catch(m, task, SIGUSR1, SA_RESTART)
    state.set_action(m.kernel, task, SIGINT, SigAction(SIG_IGN))
    m.events.clear()
    state.flush_handlers(m.kernel, task)
    assert {n: a.handler for n, a in m.tables.sighands[task.sighand].actions.items()} == {SIGINT: SIG_IGN}
    assert [(event.signo, event.handler) for event in m.events] == [(SIGUSR1, SIG_DFL)]


def test_a_signal_to_a_group_reaches_each_process_once(m: Machine) -> None:
    tasks = [m.add_task(2, pgrp=2), m.add_task(3, pgrp=2), m.add_task(5, pgrp=5)]
    m.add_task(4, tgid=3, pgrp=2)
    assert state.send_to_group(m.kernel, 2, SigInfo(SIGTERM, SI_KERNEL)) == 2
    assert [queued(task) for task in tasks] == [[SIGTERM], [SIGTERM], []]


def test_who_may_signal_whom(m: Machine) -> None:
    root, alice, bob = (m.add_task(2 + n, uid=uid, session=5 + n) for n, uid in enumerate((0, 1000, 1001)))
    m.run(alice)
    assert not state.kill_permitted(m.kernel, root, SIGTERM)
    assert not state.kill_permitted(m.kernel, bob, SIGCONT)
    bob.session = alice.session
    assert state.kill_permitted(m.kernel, bob, SIGCONT)
    assert not state.kill_permitted(m.kernel, bob, SIGTERM)
    bob.cred.suid = 1000
    assert state.kill_permitted(m.kernel, bob, SIGTERM)
    m.run(root)
    assert state.kill_permitted(m.kernel, bob, SIGTERM)


# --- delivering ---------------------------------------------------------------------------------------------


def test_default_actions(m: Machine, endings: list[int]) -> None:
    for pid, signo in ((2, SIGHUP), (3, SIGQUIT), (4, RT)):
        m.run(task := m.add_task(pid))
        send(m, task, signo)
        do_notify_resume(m.kernel)
    assert endings == [SIGHUP, SIGQUIT, RT]


@pytest.mark.parametrize("order", [(SIGUSR2, SIGUSR1), (SIGUSR1, SIGUSR2)])
def test_low_numbers_come_first_and_the_thread_s_own_before_its_process_s(
    m: Machine, order: tuple[int, int]
) -> None:
    task = m.add_task(2)
    for signo in (*order, SIGHUP):
        catch(m, task, signo)
    m.run(task)
    for signo in order:
        send(m, task, signo, shared=False)
    send(m, task, SIGHUP)
    for _ in range(3):
        do_notify_resume(m.kernel)
    assert [event.signo for event in m.told("SignalDelivered")] == [SIGUSR1, SIGUSR2, SIGHUP]


def test_a_fault_comes_before_what_others_sent(m: Machine) -> None:
    task = m.add_task(2)
    catch(m, task, SIGHUP)
    catch(m, task, SIGSEGV)
    m.run(task)
    send(m, task, SIGHUP, shared=False)
    state.force_signal(m.kernel, task, SigInfo(SIGSEGV, SEGV_MAPERR, address=4))
    do_notify_resume(m.kernel)
    assert m.told("SignalDelivered")[0].signo == SIGSEGV


def test_the_mask_while_a_handler_runs(m: Machine) -> None:
    task = m.add_task(2)
    catch(m, task, SIGUSR1, mask=sigmask(SIGUSR2))
    catch(m, task, SIGUSR2, SA_NODEFER)
    m.run(task)
    send(m, task, SIGUSR1)
    do_notify_resume(m.kernel)
    assert task.blocked == sigmask(SIGUSR1) | sigmask(SIGUSR2)
    assert m.told("SignalDelivered")[0].blocked == task.blocked
    assert not m.flagged(task)
    task.blocked = 0
    send(m, task, SIGUSR2)
    do_notify_resume(m.kernel)
    assert task.blocked == 0


def test_a_one_shot_handler(m: Machine) -> None:
    task = m.add_task(2)
    catch(m, task, SIGUSR1, SA_RESETHAND)
    regs = m.run(task)
    send(m, task, SIGUSR1)
    do_notify_resume(m.kernel)
    assert regs.eip == HANDLER
    assert pending.get_action(m.kernel, task, SIGUSR1).handler == SIG_DFL
    assert [type(event).__name__ for event in m.events[1:]][:1] == ["SignalActionSet"]


def test_sigsuspend_s_mask_is_in_the_frame_and_comes_back_without_a_handler(m: Machine) -> None:
    task = m.add_task(2)
    m.run(task)
    task.blocked, task.saved_mask = 0, sigmask(SIGUSR2)
    do_notify_resume(m.kernel)
    assert (task.blocked, task.saved_mask) == (sigmask(SIGUSR2), -1)
    assert [event.blocked for event in m.told("SignalMaskSet")] == [sigmask(SIGUSR2)]


def test_a_stack_that_takes_no_frame_ends_the_process(m: Machine, endings: list[int]) -> None:
    task = m.add_task(2)
    catch(m, task, SIGUSR1)
    catch(m, task, SIGSEGV)
    regs = m.run(task)
    regs.esp = STACK + 100
    send(m, task, SIGUSR1)
    do_notify_resume(m.kernel)
    assert not endings
    do_notify_resume(m.kernel)  # SIGSEGV's own handler has no stack either
    do_notify_resume(m.kernel)
    assert endings == [SIGSEGV]
    assert [event.frame for event in m.told("SignalDelivered")] == [0, 0, 0]


# --- stopping -----------------------------------------------------------------------------------------------


def test_stop_and_continue_and_what_the_parent_hears(m: Machine) -> None:
    parent, child = m.add_task(2), m.add_task(3, ppid=2)
    catch(m, parent, SIGCHLD)
    state.set_blocked(m.kernel, parent, sigmask(SIGCHLD))
    m.run(child)
    send(m, child, SIGTSTP)
    do_notify_resume(m.kernel)
    assert (child.state, child.stop_signal, child.stop_reported) == (TaskState.STOPPED, SIGTSTP, False)
    assert m.must_reschedule(child)
    assert m.flagged(child)
    assert [(i.code, i.status, i.pid) for i in parent.shared_pending] == [(CLD_STOPPED, SIGTSTP, 3)]
    parent.shared_pending.clear()

    send(m, child, SIGUSR1)  # no reason to wake up for
    assert child.state == TaskState.STOPPED
    child.shared_pending.clear()
    send(m, child, SIGCONT)
    assert (child.state, child.stop_signal, child.continued) == (TaskState.RUNNABLE, 0, True)
    assert m.tables.runqueue == []  # it has not left the processor yet: pick_next puts it in
    assert [(i.code, i.status) for i in parent.shared_pending] == [(CLD_CONTINUED, SIGCONT)]
    assert [type(e).__name__ for e in m.told("TaskStopped", "TaskContinued")] == [
        "TaskStopped",
        "TaskContinued",
    ]


def test_a_parent_may_not_want_to_hear_of_stops(m: Machine) -> None:
    parent, child = m.add_task(2), m.add_task(3, ppid=2)
    catch(m, parent, SIGCHLD, SA_NOCLDSTOP)
    m.run(child)
    send(m, child, SIGSTOP)
    do_notify_resume(m.kernel)
    assert child.state == TaskState.STOPPED
    assert not parent.shared_pending


def test_a_stopped_process_can_be_killed(m: Machine, endings: list[int]) -> None:
    m.add_task(2)
    child = m.add_task(3, ppid=2)
    m.run(child)
    send(m, child, SIGSTOP)
    do_notify_resume(m.kernel)
    send(m, child, SIGTERM)
    assert child.state == TaskState.STOPPED
    send(m, child, SIGKILL)
    assert child.state == TaskState.RUNNABLE
    do_notify_resume(m.kernel)
    assert endings == [SIGKILL]


def test_an_orphaned_group_is_not_stopped_by_the_terminal(m: Machine) -> None:
    orphan = m.add_task(3, ppid=1)
    m.run(orphan)
    send(m, orphan, SIGTSTP)
    do_notify_resume(m.kernel)
    assert orphan.state == TaskState.RUNNABLE
    assert m.told("SignalDelivered")[0].action == "ignore"


def test_all_threads_stop_and_the_last_one_tells(m: Machine) -> None:
    parent = m.add_task(2)
    first, second = m.add_task(3, ppid=2), m.add_task(4, ppid=2, tgid=3)
    catch(m, parent, SIGCHLD)
    m.run(first)
    send(m, first, SIGSTOP)
    do_notify_resume(m.kernel)
    assert (first.state, second.state) == (TaskState.STOPPED, TaskState.RUNNABLE)
    assert not parent.shared_pending
    assert m.flagged(second)
    m.run(second)
    do_notify_resume(m.kernel)
    assert queued(parent) == [SIGCHLD]
    send(m, first, SIGCONT)
    assert [task.state for task in (first, second)] == [TaskState.RUNNABLE] * 2


# --- restarting ---------------------------------------------------------------------------------------------

RESTARTED = ("again", 3, 0x0804_8FFE)
FAILED = ("EINTR", -4 & 0xFFFF_FFFF, 0x0804_9000)


@pytest.mark.parametrize(
    ("error", "with_handler", "with_sa_restart", "without"),
    [
        (512, FAILED, RESTARTED, RESTARTED),
        (513, RESTARTED, RESTARTED, RESTARTED),
        (514, FAILED, FAILED, RESTARTED),
        (516, FAILED, FAILED, ("restart_syscall", 0, 0x0804_8FFE)),
    ],
)
def test_interrupted_calls(
    m: Machine,
    error: int,
    with_handler: tuple[str, int, int],
    with_sa_restart: tuple[str, int, int],
    without: tuple[str, int, int],
) -> None:
    def outcome(flags: int | None) -> tuple[int, int]:
        task = m.add_task(10 + len(m.tables.tasks))
        regs = m.run(task)
        regs.orig_eax, regs.eax = 3, -error
        if flags is not None:
            catch(m, task, SIGUSR1, flags)
            send(m, task, SIGUSR1)
        do_notify_resume(m.kernel)
        if flags is None:
            return regs.eax, regs.eip
        frame = regs.esp
        regs.esp = frame + 8
        return m.ram_word(task, frame + 8 + 44), m.ram_word(task, frame + 8 + 56)

    assert outcome(0) == with_handler[1:]
    assert outcome(SA_RESTART) == with_sa_restart[1:]
    assert outcome(None) == without[1:]


def test_other_results_are_left_alone(m: Machine) -> None:
    task = m.add_task(2)
    regs = m.run(task)
    for orig_eax, eax in ((3, 512), (3, -4), (0xFFFF_FFFF, -512)):
        regs.orig_eax, regs.eax, regs.eip = orig_eax, eax, 0x0804_9000
        do_notify_resume(m.kernel)
        assert (regs.eax, regs.eip) == (eax & 0xFFFF_FFFF, 0x0804_9000)


def test_registers_of_a_handler_that_starts(m: Machine) -> None:
    task = m.add_task(2)
    catch(m, task, SIGUSR1)
    regs = m.run(task)
    regs.eflags, regs.edx, regs.ecx = 0x10602 | 0x100, 5, 6
    send(m, task, SIGUSR1)
    do_notify_resume(m.kernel)
    assert (regs.eax, regs.edx, regs.ecx, regs.eip) == (SIGUSR1, 0, 0, HANDLER)
    assert regs.eflags == 0x202
    assert regs.esp % 16 == 12
    assert STACK < regs.esp < STACK_TOP
    assert isinstance(regs, Regs)
