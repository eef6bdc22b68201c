"""/sys in outline: the processor, the terminals, the file systems; only what is there (man 5 sysfs)."""

from __future__ import annotations

from kernel.fs.proc.tree import Entry, directory, link


def _line(text: str) -> Entry:
    return Entry(lambda _k: f"{text}\n")


def _tty(name: str, device: str) -> dict[str, Entry]:
    base = f"devices/virtual/tty/{name}"
    return {
        f"{base}/dev": _line(device),
        f"{base}/subsystem": link("../../../../class/tty"),
        f"{base}/uevent": _line(
            "\n".join(
                (
                    f"MAJOR={device.partition(':')[0]}",
                    f"MINOR={device.partition(':')[2]}",
                    f"DEVNAME={name}",
                )
            )
        ),
        f"class/tty/{name}": link(f"../../devices/virtual/tty/{name}"),
        f"dev/char/{device}": link(f"../../devices/virtual/tty/{name}"),
    }


ENTRIES: dict[str, Entry] = {
    "block": directory(),
    "bus": directory(),
    "dev/block": directory(),
    "devices/system/cpu/cpu0/topology/core_id": _line("0"),
    "devices/system/cpu/cpu0/topology/physical_package_id": _line("0"),
    "devices/system/cpu/cpu0/topology/thread_siblings_list": _line("0"),
    "devices/system/cpu/kernel_max": _line("0"),
    "devices/system/cpu/offline": _line(""),
    "devices/system/cpu/online": _line("0"),
    "devices/system/cpu/possible": _line("0"),
    "devices/system/cpu/present": _line("0"),
    "firmware": directory(),
    "fs": directory(),
    "kernel/mm": directory(),
    "kernel/uevent_seqnum": _line("0"),
    "module": directory(),
    "power": directory(),
    **_tty("tty", "5:0"),
    **_tty("console", "5:1"),
    **_tty("ptmx", "5:2"),
    **_tty("tty0", "4:0"),
    **_tty("tty1", "4:1"),
    "devices/virtual/tty/tty0/active": _line("tty1"),
}
"""By path below /sys."""
