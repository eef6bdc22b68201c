"""Made files: a name leads to a function that gives the contents, and perhaps to one that takes a write.

A tree is a fixed table of paths; a directory is there because a path leads through it. Nothing is stored: an
inode number is the tree's first number and the place of the path in the table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from kernel.abi.files import S_IFDIR, S_IFLNK, S_IFREG
from kernel.tables import Inode

if TYPE_CHECKING:
    from kernel.kernel import Kernel

Show = Callable[["Kernel"], "str | bytes"]
Store = Callable[["Kernel", bytes], None]


class Entry(NamedTuple):
    """A file (`show`, perhaps `store`), a symbolic link (`target`) or an empty directory (neither)."""

    show: Show | None = None
    store: Store | None = None
    mode: int = 0o444
    target: str = ""


def directory() -> Entry:
    return Entry(mode=0o555)


def link(target: str) -> Entry:
    return Entry(mode=0o777, target=target)


class Tree:
    """`entries` by path without a leading slash. `first` is the inode number of the root."""

    def __init__(self, first: int, entries: dict[str, Entry]) -> None:
        self.first = first
        self._paths = [""]
        self._entries: dict[str, Entry] = {"": directory()}
        self._children: dict[str, dict[str, int]] = {"": {}}
        for path, entry in entries.items():
            parent = ""
            for name in path.split("/"):
                here = f"{parent}/{name}" if parent else name
                if here not in self._entries:
                    self._entries[here] = entry if here == path else directory()
                    self._children[parent][name] = first + len(self._paths)
                    self._children[here] = {}
                    self._paths.append(here)
                parent = here

    def entry(self, ino: int) -> Entry:
        return self._entries[self._paths[ino - self.first]]

    def path(self, ino: int) -> str:
        return self._paths[ino - self.first]

    def holds(self, ino: int) -> bool:
        return 0 <= ino - self.first < len(self._paths)

    def names(self, ino: int) -> dict[str, int]:
        """What a directory contains: names to inode numbers."""
        return self._children[self._paths[ino - self.first]]

    def inode(self, ino: int, above: int) -> Inode:
        """The inode; `above` is the parent of the root."""
        path = self._paths[ino - self.first]
        entry = self._entries[path]
        parent = self.first
        if path:
            outer = path.rpartition("/")[0]
            parent = self.first + self._paths.index(outer)
        made = Inode(ino, S_IFREG | entry.mode, parent=parent if path else above)
        if entry.target:
            made.mode, made.target = S_IFLNK | 0o777, entry.target
        elif entry.show is None and entry.store is None:
            made.mode = S_IFDIR | entry.mode
            made.nlink = 2 + sum(self._is_directory(child) for child in self._children[path].values())
        return made

    def _is_directory(self, ino: int) -> bool:
        entry = self.entry(ino)
        return not entry.target and entry.show is None and entry.store is None
