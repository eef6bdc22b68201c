"""The files of /proc that are about the machine: memory, processor, interrupts, time, what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cpu.cpuid import cpuid
from kernel import boot
from kernel.abi.process import CAP_SYSLOG
from kernel.capabilities import capable
from kernel.cputime import TICKS_PER_JIFFY, cpu_times
from kernel.fs.names import encode_name
from kernel.fs.proc import locks, sysctl
from kernel.fs.proc.tree import Entry, directory, link
from kernel.mm.frames import frames_left
from kernel.tables import TaskState
from kernel.uts import RELEASE, SYSNAME, VERSION

if TYPE_CHECKING:
    from kernel.kernel import Kernel

SECOND = 1_000_000_000
FEATURES = {
    0: "fpu",
    1: "vme",
    2: "de",
    3: "pse",
    4: "tsc",
    5: "msr",
    6: "pae",
    7: "mce",
    8: "cx8",
    9: "apic",
    11: "sep",
    12: "mtrr",
    13: "pge",
    14: "mca",
    15: "cmov",
    16: "pat",
    17: "pse36",
    18: "pn",
    19: "clflush",
    21: "dts",
    22: "acpi",
    23: "mmx",
    24: "fxsr",
    25: "sse",
    26: "sse2",
    27: "ss",
    28: "ht",
    29: "tm",
    30: "ia64",
    31: "pbe",
}
"""CPUID leaf 1, EDX (arch/x86/include/asm/cpufeatures.h)."""
FEATURES_ECX = {
    0: "pni",
    1: "pclmulqdq",
    3: "monitor",
    9: "ssse3",
    12: "fma",
    13: "cx16",
    19: "sse4_1",
    20: "sse4_2",
    21: "x2apic",
    22: "movbe",
    23: "popcnt",
    25: "aes",
    26: "xsave",
    28: "avx",
    29: "f16c",
    30: "rdrand",
    31: "hypervisor",
}
FEATURES_EXTENDED = {11: "syscall", 20: "nx", 22: "mmxext", 26: "pdpe1gb", 27: "rdtscp", 29: "lm"}
"""CPUID leaf 0x80000001, EDX."""
DEVICE_NAMES = {
    boot.TIMER_VECTOR: "timer",
    boot.KEYBOARD_VECTOR: "i8042",
    boot.SERIAL_VECTOR: "ttyS0",
}
CHARACTER_DEVICES = (
    (1, "mem"),
    (4, "/dev/vc/0"),
    (4, "tty"),
    (5, "/dev/tty"),
    (5, "/dev/console"),
    (5, "/dev/ptmx"),
    (136, "pts"),
)
FILE_SYSTEMS = (
    "nodev\tsysfs",
    "nodev\ttmpfs",
    "nodev\tproc",
    "nodev\tdevpts",
    "nodev\tpipefs",
    "nodev\tramfs",
    "\tminix",
)


def _hundredths(ticks: int) -> str:
    return f"{ticks // SECOND}.{ticks % SECOND // 10_000_000:02}"


def uptime(k: Kernel) -> str:
    return f"{_hundredths(k.now)} {_hundredths(k.tables.idle_ticks)}\n"


def loadavg(k: Kernel) -> str:
    """The three averages, running of all tasks, the last pid."""
    t = k.tables

    def text(value: int) -> str:
        value += 10  # FIXED_1 / 200: rounded to hundredths
        return f"{value >> 11}.{(value & 2047) * 100 >> 11:02}"

    tasks = [task for task in t.tasks.values() if task.pid]
    running = sum(task.state == TaskState.RUNNABLE for task in tasks)
    return " ".join(map(text, t.load)) + f" {running}/{len(tasks)} {t.next_pid - 1}\n"


def version(_k: Kernel) -> str:
    return f"{SYSNAME} version {RELEASE} (int80) (as, ld) {VERSION}\n"


# --- memory -------------------------------------------------------------------------------------------------


def _cached(k: Kernel) -> int:
    return sum(len(inode.pages) for inode in k.tables.inodes.values())


def meminfo(k: Kernel) -> str:
    """KiB. What is not there (swap, high memory, huge pages) is 0."""
    t = k.tables
    free = frames_left(k) * 4
    cached = _cached(k) * 4
    total = k.ram.frames * 4
    stacks = (len(t.tasks) - 1) * 8
    anonymous = tables = mapped = 0
    from kernel.fs.proc.memory import usage
    from kernel.mm.pagetables import table_frames

    for space in t.spaces.values():
        found = usage(k, space)
        anonymous += found.anon * 4
        mapped += found.file * 4
        tables += table_frames(k, space.pgd) * 4
    dirty = 0
    fields = (
        ("MemTotal", total),
        ("MemFree", free),
        ("MemAvailable", free),
        ("Buffers", 0),
        ("Cached", cached),
        ("SwapCached", 0),
        ("Active", anonymous),
        ("Inactive", cached),
        ("Active(anon)", anonymous),
        ("Inactive(anon)", 0),
        ("Active(file)", 0),
        ("Inactive(file)", cached),
        ("Unevictable", 0),
        ("Mlocked", 0),
        ("HighTotal", 0),
        ("HighFree", 0),
        ("LowTotal", total),
        ("LowFree", free),
        ("SwapTotal", 0),
        ("SwapFree", 0),
        ("Dirty", dirty),
        ("Writeback", 0),
        ("AnonPages", anonymous),
        ("Mapped", mapped),
        ("Shmem", cached),
        ("KReclaimable", 0),
        ("Slab", 0),
        ("SReclaimable", 0),
        ("SUnreclaim", 0),
        ("KernelStack", stacks),
        ("PageTables", tables),
        ("NFS_Unstable", 0),
        ("Bounce", 0),
        ("WritebackTmp", 0),
        ("CommitLimit", total // 2),
        ("Committed_AS", anonymous),
        ("VmallocTotal", 0),
        ("VmallocUsed", 0),
        ("VmallocChunk", 0),
        ("Percpu", 0),
    )
    return "".join(f"{name + ':':<16}{value:>8} kB\n" for name, value in fields)


def vmstat(k: Kernel) -> str:
    t = k.tables
    faults = sum(task.minor_faults for task in t.tasks.values())
    fields = (
        ("nr_free_pages", frames_left(k)),
        ("nr_file_pages", _cached(k)),
        ("pgfault", faults),
        ("pgmajfault", 0),
        ("pswpin", 0),
        ("pswpout", 0),
    )
    return "".join(f"{name} {value}\n" for name, value in fields)


def swaps(_k: Kernel) -> str:
    return "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"


# --- processor and interrupts -------------------------------------------------------------------------------


def _flags() -> list[str]:
    basic, extended = cpuid(1), cpuid(0x8000_0001)
    bits = ((FEATURES, basic[3]), (FEATURES_EXTENDED, extended[3]), (FEATURES_ECX, basic[2]))
    return [name for names, word in bits for bit, name in names.items() if word >> bit & 1]


def cpuinfo(_k: Kernel) -> str:
    """As arch/x86/kernel/cpu/proc.c, from what the processor's own CPUID answers."""
    top, *vendor = cpuid(0)
    vendor_id = b"".join(vendor[n].to_bytes(4, "little") for n in (0, 2, 1)).decode("latin-1")
    signature = cpuid(1)[0]
    family, model, stepping = signature >> 8 & 15, signature >> 4 & 15, signature & 15
    if family in (6, 15):
        model |= signature >> 12 & 0xF0
    if family == 15:
        family += signature >> 20 & 0xFF
    name = ""
    if cpuid(0x8000_0000)[0] >= 0x8000_0004:
        words = [word for leaf in (2, 3, 4) for word in cpuid(0x8000_0000 | leaf)]
        name = (
            b"".join(word.to_bytes(4, "little") for word in words).split(b"\0")[0].decode("latin-1").strip()
        )
    flags = _flags()
    lines = (
        ("processor\t", "0"),
        ("vendor_id\t", vendor_id),
        ("cpu family\t", str(family)),
        ("model\t\t", str(model)),
        ("model name\t", name or "unknown"),
        ("stepping\t", str(stepping) if stepping else "unknown"),
        ("cpu MHz\t\t", "1000.000"),
        ("physical id\t", "0"),
        ("siblings\t", "1"),
        ("core id\t\t", "0"),
        ("cpu cores\t", "1"),
        ("fdiv_bug\t", "no"),
        ("f00f_bug\t", "no"),
        ("coma_bug\t", "no"),
        ("fpu\t\t", "yes" if "fpu" in flags else "no"),
        ("fpu_exception\t", "yes"),
        ("cpuid level\t", str(top)),
        ("wp\t\t", "yes"),
        ("flags\t\t", " ".join(flags)),
        ("bugs\t\t", ""),
        ("bogomips\t", "2000.00"),
        ("clflush size\t", str((cpuid(1)[1] >> 8 & 0xFF) * 8 or 32)),
        ("cache_alignment\t", str((cpuid(1)[1] >> 8 & 0xFF) * 8 or 32)),
        ("address sizes\t", "36 bits physical, 32 bits virtual"),
        ("power management", ""),
    )
    return "".join(f"{title}: {value}\n" for title, value in lines[:-1]) + "power management:\n\n"


def interrupts(k: Kernel) -> str:
    """By line of the interrupt controller, as the machine took them."""
    counts = k.tables.interrupts
    lines = ["           CPU0       \n"]
    disk = {boot.DISK_VECTOR: "ide0"} if k.tables.disk is not None else {}
    for vector, device in (DEVICE_NAMES | disk).items():
        line = vector - boot.TIMER_VECTOR
        lines.append(f"{line:3}: {counts.get(vector, 0):10}    XT-PIC      {device}\n")
    lines.append(f"NMI: {0:10}   Non-maskable interrupts\n")
    lines.append(f"ERR: {0:10}\n")
    return "".join(lines)


def stat(k: Kernel) -> str:
    """man 5 proc, /proc/stat. Time in hundredths of a second."""
    t = k.tables
    user = t.gone_user_ticks
    system = t.gone_system_ticks
    for task in t.tasks.values():
        mine = cpu_times(k, task)
        user += mine[0]
        system += mine[1]
    idle = t.idle_ticks
    times = [value // TICKS_PER_JIFFY for value in (user, 0, system, idle, 0, 0, 0, 0, 0, 0)]
    row = " ".join(map(str, times))
    counts = t.interrupts
    per_line = [counts.get(boot.TIMER_VECTOR + line, 0) for line in range(16)]
    running = sum(task.state == TaskState.RUNNABLE and task.pid != 0 for task in t.tasks.values())
    blocked = sum(
        task.state == TaskState.SLEEPING and task.wait is not None and not task.wait.interruptible
        for task in t.tasks.values()
        if task.pid > 1
    )
    return (
        f"cpu  {row}\ncpu0 {row}\nintr {sum(per_line)} {' '.join(map(str, per_line))}\n"
        f"ctxt {t.switches}\nbtime {t.epoch // SECOND}\nprocesses {t.forks}\n"
        f"procs_running {running}\nprocs_blocked {blocked}\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n"
    )


# --- what there is ------------------------------------------------------------------------------------------


def filesystems(_k: Kernel) -> str:
    return "".join(f"{one}\n" for one in FILE_SYSTEMS)


def devices(_k: Kernel) -> str:
    lines = "".join(f"{number:3} {name}\n" for number, name in CHARACTER_DEVICES)
    return f"Character devices:\n{lines}\nBlock devices:\n"


def partitions(k: Kernel) -> str:
    head = "major minor  #blocks  name\n\n"
    if k.tables.disk is None:
        return head
    size = k.tables.inodes[k.tables.disk.inode].blob_size
    return head + f"{3:4}  {0:7} {size >> 10:10} hda0\n"


def kallsyms(k: Kernel) -> str:
    """The kernel image's symbols. Addresses are hidden from all but root (kptr_restrict)."""
    hidden = not capable(k, CAP_SYSLOG)
    data = k.symbol("__start___rodata")
    lines = []
    for symbol in k.symbols.by_name.values():
        kind = "A" if symbol.absolute else "T" if symbol.address < data else "D"
        lines.append(f"{0 if hidden else symbol.address:08x} {kind} {symbol.name}\n")
    return "".join(lines)


def cmdline(k: Kernel) -> bytes:
    """What the kernel was started with: the first program."""
    return b"init=" + encode_name(k.start.path) + b"\n"


def consoles(_k: Kernel) -> str:
    return f"{'tty0':<21}-WU (EC p  )    4:1\n"


def tty_drivers(_k: Kernel) -> str:
    return (
        "/dev/tty             /dev/tty        5       0 system:/dev/tty\n"
        "/dev/console         /dev/console    5       1 system:console\n"
        "/dev/ptmx            /dev/ptmx       5       2 system\n"
        "/dev/vc/0            /dev/vc/0       4       0 system:vtmaster\n"
        "pty_slave            /dev/pts      136 0-1048575 pty:slave\n"
        "pty_master           /dev/ptm      128 0-1048575 pty:master\n"
        "unknown              /dev/tty        4 1-63 console\n"
    )


def _empty(_k: Kernel) -> str:
    return ""


def _net(head: str) -> Entry:
    return Entry(lambda _k: head)


ENTRIES: dict[str, Entry] = {
    "cmdline": Entry(cmdline),
    "consoles": Entry(consoles),
    "cpuinfo": Entry(cpuinfo),
    "devices": Entry(devices),
    "filesystems": Entry(filesystems),
    "interrupts": Entry(interrupts),
    "kallsyms": Entry(kallsyms),
    "loadavg": Entry(loadavg),
    "locks": Entry(locks.locks),
    "meminfo": Entry(meminfo),
    "misc": Entry(_empty),
    "modules": Entry(_empty),
    "mounts": link("self/mounts"),
    "net": link("self/net"),
    "partitions": Entry(partitions),
    "stat": Entry(stat),
    "swaps": Entry(swaps),
    "sysvipc": directory(),
    "tty/drivers": Entry(tty_drivers),
    "tty/ldiscs": Entry(lambda _k: "n_tty       0\n"),
    "uptime": Entry(uptime),
    "version": Entry(version),
    "vmstat": Entry(vmstat),
    **{f"sys/{path}": entry for path, entry in sysctl.ENTRIES.items()},
}
"""By path below /proc."""
