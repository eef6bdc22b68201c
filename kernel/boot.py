"""From power on to the first program: what a boot loader and start_kernel do.

The boot loader's part puts the image and the processor's tables into RAM; then real code runs
(`startup_32`: lgdt, paging, lidt, ltr) and asks for start_kernel, whose body is here too.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from cpu.descriptors import GATE_INTERRUPT, GATE_TRAP, TSS_SIZE, TSS_SS0, Descriptor, Gate
from cpu.paging import ACCESSED, DIRTY, LARGE, NX, PRESENT, WRITABLE
from kernel.events import Booted, DescriptorTableCreated, TaskBlocked, TaskCreated
from kernel.mm.frames import alloc_frame
from kernel.tables import Credentials, SigHand, Task, TaskState, Wait
from kernel.thread import PAGE_OFFSET

if TYPE_CHECKING:
    from kernel.kernel import Kernel

KERNEL_CS, KERNEL_DS = 0x60, 0x68
EXCEPTIONS = (
    "divide_error",
    "debug",
    "nmi",
    "int3",
    "overflow",
    "bounds",
    "invalid_op",
    "device_not_available",
    "double_fault",
    "coprocessor_segment_overrun",
    "invalid_TSS",
    "segment_not_present",
    "stack_segment",
    "general_protection",
    "page_fault",
    "",
    "coprocessor_error",
    "alignment_check",
    "machine_check",
    "simd_coprocessor_error",
)
"""Entry points by vector; 0x0f is Intel's own."""
SYSTEM_GATES = (3, 4, 5)
"""Exceptions that a program may also ask for (int3, into, bound)."""
TIMER_VECTOR, KEYBOARD_VECTOR, SERIAL_VECTOR, SYSCALL_VECTOR = 0x20, 0x21, 0x24, 0x80
INTERRUPTS = {
    TIMER_VECTOR: "timer_interrupt",
    KEYBOARD_VECTOR: "keyboard_interrupt",
    SERIAL_VECTOR: "serial_interrupt",
}
DISK_VECTOR = 0x2E
"""Its gate, to `disk_interrupt`, is open only in a machine with a disk."""
KERNEL_PAGE = PRESENT | WRITABLE | ACCESSED | DIRTY


def load_image(k: Kernel, image: bytes) -> int:
    """Copy the kernel's PT_LOADs to their physical addresses; the physical entry point."""
    entry, phoff = struct.unpack_from("<II", image, 24)
    phnum = struct.unpack_from("<H", image, 44)[0]
    end = 0
    for n in range(phnum):
        kind, offset, _, paddr, filesz, memsz, _, _ = struct.unpack_from("<8I", image, phoff + 32 * n)
        if kind == 1:
            k.ram.write(paddr, image[offset : offset + filesz])
            end = max(end, paddr + memsz)
    k.tables.frame_next = end + 0xFFF >> 12
    return int(entry) - PAGE_OFFSET


def build_tables(k: Kernel) -> None:
    """GDT, IDT, TSS and the kernel's page tables, in guest RAM."""
    u64, u32 = k.ram.u64, k.ram.u32
    gdt = k.gdt_index
    flat = {
        12: Descriptor(0, 0xFFFFF, 0x9B, 0xC),
        13: Descriptor(0, 0xFFFFF, 0x93, 0xC),
        14: Descriptor(0, 0xFFFFF, 0xFB, 0xC),
        15: Descriptor(0, 0xFFFFF, 0xF3, 0xC),
        16: Descriptor(k.symbol("init_tss"), TSS_SIZE - 1, 0x89, 0),
    }
    for index, descriptor in flat.items():
        u64[gdt + index] = descriptor.pack()
    tss = k.symbol("init_tss") - PAGE_OFFSET
    u32[tss + TSS_SS0 >> 2] = KERNEL_DS
    u32[tss + 0x64 >> 2] = TSS_SIZE << 16  # no I/O permission bitmap

    idt = k.symbol("idt_table") - PAGE_OFFSET >> 3
    closed = Gate(0, KERNEL_CS, GATE_INTERRUPT, 0, False).pack()
    for vector in range(256):
        u64[idt + vector] = closed
    for vector, name in enumerate(EXCEPTIONS):
        if name:
            kind = GATE_INTERRUPT if name in ("page_fault", "debug", "nmi", "double_fault") else GATE_TRAP
            dpl = 3 if vector in SYSTEM_GATES else 0
            u64[idt + vector] = Gate(k.symbol(name), KERNEL_CS, kind, dpl, True).pack()
    for vector, name in INTERRUPTS.items():
        u64[idt + vector] = Gate(k.symbol(name), KERNEL_CS, GATE_INTERRUPT, 0, True).pack()
    u64[idt + SYSCALL_VECTOR] = Gate(k.symbol("system_call"), KERNEL_CS, GATE_TRAP, 3, True).pack()

    # All of RAM from 0xC0000000 up; only the image's code is executable. Accessed and dirty are
    # preset: nothing that the processor does later changes these entries.
    swapper = k.symbol("swapper_pg_dir") - PAGE_OFFSET
    k.kernel_directory = alloc_frame(k)
    first = alloc_frame(k)
    text_start, text_end = (
        k.symbol("startup_32") - PAGE_OFFSET >> 12,
        k.symbol("__start___rodata") - PAGE_OFFSET >> 12,
    )
    for n in range(512):
        code = text_start <= n < text_end
        u64[(first << 9) + n] = n << 12 | (PRESENT | ACCESSED | DIRTY if code else KERNEL_PAGE | NX)
    u64[k.kernel_directory << 9] = first << 12 | PRESENT | WRITABLE | ACCESSED
    for n in range(1, k.ram.size >> 21):
        u64[(k.kernel_directory << 9) + n] = n << 21 | KERNEL_PAGE | LARGE | NX
    u64[(swapper >> 3) + 3] = k.kernel_directory << 12 | PRESENT
    # The instruction after paging is turned on is still fetched at its physical address.
    u64[swapper >> 3] = k.kernel_directory << 12 | PRESENT


def open_disk_gate(k: Kernel) -> None:
    """The disk's interrupt leads to its entry from now on."""
    idt = k.symbol("idt_table") - PAGE_OFFSET >> 3
    gate = Gate(k.symbol("disk_interrupt"), KERNEL_CS, GATE_INTERRUPT, 0, True)
    k.ram.u64[idt + DISK_VECTOR] = gate.pack()


def start_kernel(k: Kernel) -> None:
    """Hypercall, once: the processor is in the kernel's own address space. Make the first tasks."""
    t = k.tables
    swapper = k.symbol("swapper_pg_dir") - PAGE_OFFSET
    k.core.latch_tables()
    k.ram.u64[swapper >> 3] = 0
    k.core.flush_tlb()
    k.emit(Booted(k.ram.size, t.epoch))
    thread = k.symbol("init_thread_union")
    k.ram.u32[k.symbol("init_tss") - PAGE_OFFSET + 4 >> 2] = thread + 8192
    _kernel_task(k, 0, "swapper", thread)
    t.current_thread = thread
    k.ram.u32[thread - PAGE_OFFSET + 8 >> 2] = swapper
    t.next_pid = 1
    init = _kernel_task(k, 1, "init", 0)
    init.state = TaskState.SLEEPING
    init.wait = Wait(["child:1"], k.now, -1, interruptible=False)
    k.emit(TaskBlocked(1, ("child:1",), -1))
    t.next_pid = 2
    k.start_first_program()
    k.core.set_result(0, 0)


def _kernel_task(k: Kernel, pid: int, comm: str, thread: int) -> Task:
    t = k.tables
    sighand = k.new_id()
    t.sighands[sighand] = SigHand(1)
    task = Task(
        pid=pid,
        tgid=pid,
        ppid=0,
        pgrp=pid,
        session=pid,
        comm=comm,
        state=TaskState.RUNNABLE,
        thread=thread,
        space=0,
        fdtable=0,
        cwd=t.root,
        sighand=sighand,
        cred=Credentials(),
    )
    t.tasks[pid] = task
    k.emit(TaskCreated(pid, 0, pid, "boot", comm, 0, 0, thread, 0, sighand))
    return task


__all__ = ["DescriptorTableCreated", "build_tables", "load_image", "start_kernel"]
