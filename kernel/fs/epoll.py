"""epoll: sets of descriptors that are waited for together (man 7 epoll, Linux's fs/eventpoll.c).

Each watched file is an item that listens on the file's wait queues: whoever wakes one of those puts the item
on its set's list of ready ones (`kernel.wait`). What is ready in truth is asked when the list is looked at:
a level-triggered item stays on it for as long as it is ready, an edge-triggered one until it was told of.

Those who wait for a set sleep on `epoll:ID:wait`, one of them is woken at a time; who polls it, and sets that
watch the set itself, listen on `epoll:ID`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.files import EP_PRIVATE_BITS, EPOLLET, EPOLLONESHOT, POLLIN, POLLRDNORM
from kernel.errors import KernelError
from kernel.events import EpollUnwatched, EpollWatched
from kernel.tables import Epoll, EpollItem, OpenFile
from kernel.wait import wake_up

if TYPE_CHECKING:
    from kernel.kernel import Kernel

MAX_NESTS = 4
MAX_WATCHES = 16384
"""Of the whole machine (man 7 epoll, max_user_watches)."""
_TOO_DEEP = 1 << 30


def create(k: Kernel) -> Epoll:
    """An empty set without a file yet."""
    epoll = Epoll(k.new_id())
    k.tables.epolls[epoll.id] = epoll
    return epoll


def release(k: Kernel, file: OpenFile) -> None:
    """The set goes with its file."""
    epoll = k.tables.epolls[file.object]
    for number in list(epoll.items):
        remove(k, k.tables.epoll_items[number], told=False)
    del k.tables.epolls[epoll.id]


def forget_file(k: Kernel, file: OpenFile) -> None:
    """A watched file is closed: no set has it any more."""
    for number in list(file.watchers):
        remove(k, k.tables.epoll_items[number])


def find(k: Kernel, epoll: Epoll, file: OpenFile, fd: int) -> EpollItem | None:
    for number in file.watchers:
        item = k.tables.epoll_items[number]
        if item.epoll == epoll.id and item.fd == fd:
            return item
    return None


# --- the items ----------------------------------------------------------------------------------------------


def add(k: Kernel, epoll: Epoll, file: OpenFile, fd: int, events: int, data: int) -> None:
    """Watch a file. ENOSPC for too many."""
    t = k.tables
    if len(t.epoll_items) >= MAX_WATCHES:
        raise KernelError(Errno.ENOSPC)
    item = EpollItem(k.new_id(), epoll.id, file.id, fd, events, data)
    _, queues = k.poll_file(file)
    item.queues = list(dict.fromkeys(queues))
    for queue in item.queues:
        t.listening.setdefault(queue, []).append(item.id)
    t.epoll_items[item.id] = item
    epoll.items.append(item.id)
    file.watchers.append(item.id)
    k.emit(EpollWatched(epoll.id, file.id, fd, events, data))
    _look(k, epoll, item)


def check_loop(k: Kernel, epoll: Epoll, file: OpenFile) -> None:
    """ELOOP for sets that would watch each other, or too many of them in a row."""
    depth = _depth_below(k, k.tables.epolls[file.object], epoll.id)
    if depth + 1 + _depth_above(k, epoll) > MAX_NESTS:
        raise KernelError(Errno.ELOOP)


def modify(k: Kernel, item: EpollItem, events: int, data: int) -> None:
    item.events, item.data = events, data
    k.emit(EpollWatched(item.epoll, item.file, item.fd, events, data))
    _look(k, k.tables.epolls[item.epoll], item)


def remove(k: Kernel, item: EpollItem, told: bool = True) -> None:
    t = k.tables
    epoll = t.epolls[item.epoll]
    for queue in item.queues:
        listeners = t.listening[queue]
        listeners.remove(item.id)
        if not listeners:
            del t.listening[queue]
    del t.epoll_items[item.id]
    epoll.items.remove(item.id)
    if item.id in epoll.ready:
        epoll.ready.remove(item.id)
    t.files[item.file].watchers.remove(item.id)
    if told:
        k.emit(EpollUnwatched(epoll.id, item.file, item.fd))


def _look(k: Kernel, epoll: Epoll, item: EpollItem) -> None:
    """A new or changed item may be ready at once."""
    if _events_of(k, item) and item.id not in epoll.ready:
        epoll.ready.append(item.id)
        wake_up(k, f"epoll:{epoll.id}:wait", 1)
        wake_up(k, f"epoll:{epoll.id}")


def _events_of(k: Kernel, item: EpollItem) -> int:
    """What has happened of that for which the item was asked."""
    mask, _ = k.poll_file(k.tables.files[item.file])
    return mask & item.events & ~EP_PRIVATE_BITS


def _depth_below(k: Kernel, epoll: Epoll, inserting: int) -> int:
    """How many sets are nested below this one; far too many if `inserting` is one of them."""
    if epoll.id == inserting:
        return _TOO_DEEP
    depth = 0
    for number in epoll.items:
        file = k.tables.files[k.tables.epoll_items[number].file]
        if file.kind == "epoll":
            depth = max(depth, _depth_below(k, k.tables.epolls[file.object], inserting) + 1)
    return depth


def _depth_above(k: Kernel, epoll: Epoll) -> int:
    """How many sets are nested above it."""
    depth = 0
    for number in k.tables.files[epoll.file].watchers:
        above = k.tables.epolls[k.tables.epoll_items[number].epoll]
        depth = max(depth, _depth_above(k, above) + 1)
    return depth


# --- what is ready ------------------------------------------------------------------------------------------


def send_events(k: Kernel, epoll: Epoll, limit: int, put: Callable[[int, int, int], bool]) -> int:
    """Take up to `limit` items off the list, as `ep_send_events` does; how many there were.

    `put(place, events, data)` hands one over. Where it cannot, the item stays; EFAULT if it was the first.
    """
    done = 0
    again: list[int] = []
    waiting, epoll.ready = epoll.ready, []
    fault = False
    while waiting and done < limit:
        number = waiting.pop(0)
        item = k.tables.epoll_items[number]
        events = _events_of(k, item)
        if not events:
            continue
        if not put(done, events, item.data):
            waiting.insert(0, number)
            fault = True
            break
        done += 1
        if item.events & EPOLLONESHOT:
            item.events &= EP_PRIVATE_BITS
            k.emit(EpollWatched(epoll.id, item.file, item.fd, item.events, item.data))
        elif not item.events & EPOLLET:
            again.append(number)
    epoll.ready = waiting + again
    if fault and not done:
        raise KernelError(Errno.EFAULT)
    return done


def poll(k: Kernel, file: OpenFile) -> tuple[int, tuple[str, ...]]:
    """A set is readable while one of its items is ready; those that are not leave the list."""
    epoll = k.tables.epolls[file.object]
    while epoll.ready and not _events_of(k, k.tables.epoll_items[epoll.ready[0]]):
        del epoll.ready[0]
    return POLLIN | POLLRDNORM if epoll.ready else 0, (f"epoll:{epoll.id}",)
