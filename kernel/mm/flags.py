"""What `Vma.flags` holds beside MAP_SHARED, MAP_PRIVATE, MAP_GROWSDOWN: the VM_* of include/linux/mm.h.

The numbers are our own; no program sees them.
"""

from __future__ import annotations

from kernel.abi.mman import MAP_LOCKED

VM_LOCKED = MAP_LOCKED
"""Its pages stay in memory, and are brought in at once."""
VM_LOCKONFAULT = 1 << 24
"""But only as they are touched."""
VM_DONTCOPY = 1 << 25
"""fork leaves it out."""
VM_WIPEONFORK = 1 << 26
"""A child finds it empty."""
VM_DONTDUMP = 1 << 27
VM_RAND_READ = 1 << 28
VM_SEQ_READ = 1 << 29
VM_MAYNOTWRITE = 1 << 30
"""Shared, of a file that was not opened for writing, or may not be written: never to become writable."""

LOCKED = VM_LOCKED | VM_LOCKONFAULT
