"""Futexes: sleeping on a word of user memory, and waking who sleeps there (man 2 futex, kernel/futex/).

A futex is nothing but a wait queue whose name says where the word lies: `futex:SPACE:ADDRESS` for one that is
private to an address space, with `:shared` behind it where the caller did not say so, and
`futex:inode:INODE:OFFSET` for a word in a shared mapping, whoever maps it. What a sleeper waits for is in
its `Task.futex`; a waker writes `Task.futex_woken`, so that the call knows how it ended when made again.
Locks with an owner (FUTEX_LOCK_PI) and the list of locks that a dying thread leaves (robust futexes) are here
too. Arguments are `kernel.syscalls.futex`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errno import (
    ERESTART_RESTARTBLOCK,
    ERESTARTNOINTR,
    ERESTARTSYS,
    Errno,
)
from kernel.abi.mman import MAP_SHARED, TASK_SIZE
from kernel.abi.time import FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS
from kernel.errors import Blocked, Fault, KernelError
from kernel.events import TaskRequeued
from kernel.mm.address_space import find_vma
from kernel.mm.fault import user_page
from kernel.tables import FutexWait, Task, TaskState
from kernel.uaccess import get_user32, put_user32
from kernel.wait import wake_task

if TYPE_CHECKING:
    from kernel.kernel import Kernel

PI = 0
"""The bit set of who waits for a lock with an owner: nobody can ask for an empty one."""
ROBUST_LIST_LIMIT = 2048
RESTART_FUTEX = 1
"""First of `Task.restart` where restart_syscall goes on with a futex's wait."""


def queue_of(k: Kernel, address: int, shared: bool) -> str:
    """The name of the futex at `address` of the caller (get_futex_key). EINVAL, EFAULT."""
    if address & 3:
        raise KernelError(Errno.EINVAL)
    if address > TASK_SIZE - 4:
        raise KernelError(Errno.EFAULT)
    number = k.task.space
    if not shared:
        return f"futex:{number}:{address:#x}"
    space = k.tables.spaces[number]
    try:
        user_page(k, space, address, write=False)
    except Fault:
        raise KernelError(Errno.EFAULT) from None
    vma = find_vma(space, address)
    if vma is not None and vma.inode and vma.flags & MAP_SHARED:
        return f"futex:inode:{vma.inode}:{(vma.offset << 12) + address - vma.start:#x}"
    return f"futex:{number}:{address:#x}:shared"


# --- waiting ------------------------------------------------------------------------------------------------


def _came_back(k: Kernel, deadline: int) -> int | None:
    """Why the caller sleeps no more: which futex woke it, or ETIMEDOUT; None to look again (or first)."""
    task = k.task
    if not task.futex:
        return None
    woken = task.futex_woken
    forget_futex(task)
    if woken >= 0:
        return woken
    if 0 <= deadline <= k.now:
        raise KernelError(Errno.ETIMEDOUT)
    return None


def forget_futex(task: Task) -> None:
    task.futex = []
    task.futex_woken = -1


def wait(k: Kernel, address: int, value: int, bitset: int, deadline: int, shared: bool) -> int:
    """Sleep until woken, if the word has `value` still; `deadline` in ticks or -1. EAGAIN, ETIMEDOUT."""
    if not bitset:
        raise KernelError(Errno.EINVAL)
    task = k.task
    if _came_back(k, deadline) is not None:
        return 0
    if task.woken_by_signal:
        if deadline < 0:
            raise KernelError(ERESTARTSYS)
        task.restart = [RESTART_FUTEX, address, value, bitset, deadline, int(shared)]
        raise KernelError(ERESTART_RESTARTBLOCK)
    queue = queue_of(k, address, shared)
    if get_user32(k, address) != value:
        raise KernelError(Errno.EAGAIN)
    if 0 <= deadline <= k.now:
        raise KernelError(Errno.ETIMEDOUT)
    task.futex = [FutexWait(queue, bitset)]
    task.progress = [deadline]
    raise Blocked(queue, deadline=deadline)


def wait_many(k: Kernel, waiters: list[tuple[int, int, bool]], deadline: int) -> int:
    """As `wait`, on any of several (address, value, shared); which one it was."""
    task = k.task
    woken = _came_back(k, deadline)
    if woken is not None:
        return woken
    if task.woken_by_signal:
        raise KernelError(ERESTARTSYS)
    queues = [queue_of(k, address, shared) for address, _, shared in waiters]
    for address, value, _ in waiters:
        if get_user32(k, address) != value:
            raise KernelError(Errno.EAGAIN)
    if 0 <= deadline <= k.now:
        raise KernelError(Errno.ETIMEDOUT)
    task.futex = [FutexWait(queue, 0xFFFF_FFFF) for queue in queues]
    task.progress = [deadline]
    raise Blocked(*dict.fromkeys(queues), deadline=deadline)


# --- waking -------------------------------------------------------------------------------------------------


def _sleepers(k: Kernel, queue: str) -> list[tuple[Task, int]]:
    """Who sleeps on a futex, in the order in which they are woken, each with its place in `Task.futex`."""
    tasks = k.tables.tasks
    found = []
    for pid in k.tables.waiting.get(queue, ()):
        task = tasks[pid]
        place = next((n for n, one in enumerate(task.futex) if one.queue == queue), -1)
        if place >= 0:
            found.append((task, place))
    return sorted(found, key=lambda one: -one[0].rt_priority)


def _wake(k: Kernel, task: Task, place: int, queue: str) -> None:
    task.futex_woken = place
    wake_task(k, task, queue)


def wake(k: Kernel, queue: str, count: int, bitset: int = 0xFFFF_FFFF) -> int:
    """Wake up to `count` sleepers whose bits match, at least one; how many there were."""
    if not bitset:
        raise KernelError(Errno.EINVAL)
    done = 0
    for task, place in _sleepers(k, queue):
        if task.futex[place].bitset == PI:
            raise KernelError(Errno.EINVAL)
        if not task.futex[place].bitset & bitset:
            continue
        _wake(k, task, place, queue)
        done += 1
        if done >= count:
            break
    return done


def requeue(k: Kernel, source: str, target: str, wakes: int, moves: int) -> int:
    """Wake some of a futex's sleepers and let others sleep on at another futex; how many both."""
    count = 0
    for task, place in _sleepers(k, source):
        if count - wakes >= moves:
            break
        if task.futex[place].bitset == PI:
            raise KernelError(Errno.EINVAL)
        count += 1
        if count <= wakes:
            _wake(k, task, place, source)
        elif source != target:
            _move(k, task, place, source, target)
    return count


def _move(k: Kernel, task: Task, place: int, source: str, target: str) -> None:
    waiting = k.tables.waiting
    task.futex[place].queue = target
    assert task.wait is not None
    task.wait.on = [target if queue == source else queue for queue in task.wait.on]
    waiting[source].remove(task.pid)
    if not waiting[source]:
        del waiting[source]
    waiting.setdefault(target, []).append(task.pid)
    k.emit(TaskRequeued(task.pid, tuple(task.wait.on)))


# --- locks with an owner ------------------------------------------------------------------------------------


def _pi_waiters(k: Kernel, queue: str) -> list[tuple[Task, int]]:
    found = _sleepers(k, queue)
    if any(task.futex[place].bitset != PI for task, place in found):
        raise KernelError(Errno.EINVAL)
    return found


def lock_pi(k: Kernel, address: int, deadline: int, shared: bool, attempt: bool) -> int:
    """Take the lock at `address`, or sleep until its owner hands it over; with `attempt` never sleep."""
    task = k.task
    if task.futex:
        queue = task.futex[0].queue
        if _came_back(k, -1) is not None:
            return 0
        _drop_unwanted(k, queue)
        if 0 <= deadline <= k.now:
            raise KernelError(Errno.ETIMEDOUT)
        if task.woken_by_signal:
            raise KernelError(ERESTARTNOINTR)
    queue = queue_of(k, address, shared)
    word = get_user32(k, address)
    owner = word & FUTEX_TID_MASK
    if owner == task.pid:
        raise KernelError(Errno.EDEADLK)
    waiters = _pi_waiters(k, queue)
    if not owner:
        flag = FUTEX_WAITERS if waiters else 0
        put_user32(k, address, word & FUTEX_OWNER_DIED | flag | task.pid)
        return 0
    put_user32(k, address, word | FUTEX_WAITERS)
    holder = k.tables.tasks.get(owner)
    if holder is None or holder.state == TaskState.ZOMBIE:
        raise KernelError(Errno.ESRCH)
    if not holder.space or (not shared and holder.space != task.space):
        raise KernelError(Errno.EPERM)
    if _leads_to(k, owner, task.pid):
        raise KernelError(Errno.EDEADLK)
    if attempt:
        raise KernelError(Errno.EAGAIN)
    if 0 <= deadline <= k.now:
        raise KernelError(Errno.ETIMEDOUT)
    k.tables.pi_owners[queue] = owner
    task.futex = [FutexWait(queue, PI, address)]
    task.progress = [deadline]
    raise Blocked(queue, deadline=deadline, restart=ERESTARTNOINTR)


def _leads_to(k: Kernel, owner: int, pid: int) -> bool:
    """Whether `owner` waits, over any number of locks, for a lock of `pid`."""
    seen: set[int] = set()
    while owner not in seen:
        seen.add(owner)
        task = k.tables.tasks.get(owner)
        if task is None or not task.futex or task.futex[0].bitset != PI:
            return False
        owner = k.tables.pi_owners.get(task.futex[0].queue, 0)
        if owner == pid:
            return True
    return False


def _drop_unwanted(k: Kernel, queue: str) -> None:
    """Nobody waits for the lock any more: the kernel need not know its owner."""
    if not k.tables.waiting.get(queue):
        k.tables.pi_owners.pop(queue, None)


def unlock_pi(k: Kernel, address: int, shared: bool) -> int:
    """Hand the lock to the first who waits, or let it go."""
    word = get_user32(k, address)
    if word & FUTEX_TID_MASK != k.task.pid:
        raise KernelError(Errno.EPERM)
    queue = queue_of(k, address, shared)
    waiters = _pi_waiters(k, queue)
    if waiters:
        _hand_over(k, queue, waiters, 0)
    else:
        put_user32(k, address, 0)
    return 0


def _hand_over(k: Kernel, queue: str, waiters: list[tuple[Task, int]], died: int) -> None:
    task, place = waiters[0]
    put_user32(k, task.futex[place].address, FUTEX_WAITERS | died | task.pid)
    k.tables.pi_owners[queue] = task.pid
    _wake(k, task, place, queue)
    _drop_unwanted(k, queue)


# --- the end of a thread ------------------------------------------------------------------------------------


def exit_futexes(k: Kernel, task: Task) -> None:
    """What a thread does last in an address space: its locks are marked, whoever joins it is woken.

    exec and exit (mm_release, exit_robust_list, exit_pi_state_list). The caller must be in that space.
    """
    forget_futex(task)
    if task.robust_list:
        try:
            _walk_robust_list(k, task)
        except (KernelError, Fault):
            pass
        task.robust_list = 0
    for queue, owner in list(k.tables.pi_owners.items()):
        if owner == task.pid:
            _bequeath(k, queue)
    if task.clear_child_tid and k.tables.spaces[task.space].refs > 1:
        try:
            put_user32(k, task.clear_child_tid, 0)
            wake(k, queue_of(k, task.clear_child_tid, shared=True), 1)
        except (KernelError, Fault):
            pass
    task.clear_child_tid = 0


def _bequeath(k: Kernel, queue: str) -> None:
    waiters = _sleepers(k, queue)
    try:
        if waiters:
            _hand_over(k, queue, waiters, FUTEX_OWNER_DIED)
    except (KernelError, Fault):
        pass
    _drop_unwanted(k, queue)


def _walk_robust_list(k: Kernel, task: Task) -> None:
    """`struct robust_list_head` of linux/futex.h: list, futex_offset, list_op_pending."""
    head = task.robust_list
    entry = get_user32(k, head)
    offset = get_user32(k, head + 4)
    pending = get_user32(k, head + 8)
    for _ in range(ROBUST_LIST_LIMIT):
        if entry & ~1 == head:
            break
        following = None
        try:
            following = get_user32(k, entry & ~1)
        finally:
            if entry & ~1 != pending & ~1:
                _owner_died(k, task, (entry & ~1) + offset & 0xFFFF_FFFF, bool(entry & 1), False)
        entry = following
    if pending:
        _owner_died(k, task, (pending & ~1) + offset & 0xFFFF_FFFF, bool(pending & 1), True)


def _owner_died(k: Kernel, task: Task, address: int, pi: bool, pending: bool) -> None:
    """handle_futex_death."""
    if address & 3:
        raise KernelError(Errno.EINVAL)
    word = get_user32(k, address)
    owner = word & FUTEX_TID_MASK
    if pending and not pi and not owner:
        wake(k, queue_of(k, address, shared=True), 1)
        return
    if owner != task.pid:
        return
    put_user32(k, address, word & FUTEX_WAITERS | FUTEX_OWNER_DIED)
    if not pi and word & FUTEX_WAITERS:
        wake(k, queue_of(k, address, shared=True), 1)
