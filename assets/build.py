"""Build what the machine runs: the guest programs and the kernel's entry code.

    python assets/build.py              everything
    python assets/build.py programs     assets/programs/*.c -> assets/programs/bin/
    python assets/build.py kernel       assets/kernel/{vdso,entry}.S -> assets/kernel/kernel.elf

The results are committed, so only who changes a source needs this script: a gcc that
can do ``-m32`` for the programs, and binutils alone for the kernel. No header or library
of the host is used, and all tools run in the project's root with relative names, so that
the same tools give the same bytes wherever the project lies.

Only the standard library is used here, and of int80 itself only the system calls' names.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = Path("assets/programs")  # relative to ROOT, as all names given to the tools
LIBC = PROGRAMS / "libc"
KERNEL = Path("assets/kernel")

# Calls whose body looks at the x87 and SSE registers, or replaces them.
FPU_CALLS = frozenset(
    ("fork", "vfork", "clone", "clone3", "execve", "execveat", "sigreturn", "rt_sigreturn", "ptrace")
)

CC = os.environ.get("CC", "gcc")

# What every file is compiled with. In the order of the groups:
#   the machine: a plain i686 at a fixed address, nothing of the host's C library;
#   for readers: DWARF 4, a frame pointer, no function inlined away, all in the order of the
#   source and all with their arguments on the stack (which -fno-toplevel-reorder brings with it),
#   and neither protectors, landing pads nor stack realignment between the C and its code;
#   warnings are errors;
#   the same bytes everywhere: no path of the host.
COMPILE_FLAGS = (
    *("-m32", "-march=i686", "-mtune=generic", "-std=gnu11"),
    *("-ffreestanding", "-nostdinc", "-fno-pic", "-no-pie"),
    *("-g", "-gdwarf-4", "-O1", "-fno-omit-frame-pointer"),
    *("-fno-inline", "-fno-toplevel-reorder"),
    *("-fno-stack-protector", "-fcf-protection=none", "-mpreferred-stack-boundary=2"),
    *("-fno-asynchronous-unwind-tables", "-fno-unwind-tables"),
    *("-Wall", "-Wextra", "-Werror"),
    f"-ffile-prefix-map={ROOT}=.",
)

# -Ttext-segment is the linker's default, spelled out because lessons name the address.
LINK_FLAGS = (
    *("-m32", "-nostdlib", "-static", "-no-pie"),
    "-Wl,-Ttext-segment=0x08048000",
    *("-Wl,--build-id=none", "-Wl,-z,noexecstack", "-Wl,-z,separate-code"),
)


def run(*command: str | Path) -> None:
    """Run a tool in the project's root; its complaints go to standard error."""
    subprocess.run([str(word) for word in command], cwd=ROOT, check=True)


def sources(folder: Path, pattern: str = "*.c") -> list[Path]:
    """The sources directly in a folder, relative to ROOT and in a fixed order."""
    return sorted(path.relative_to(ROOT) for path in (ROOT / folder).glob(pattern))


def libc_sources() -> list[Path]:
    """crt0.S, which is linked first so that a program's text begins at _start; then the rest."""
    crt0 = LIBC / "crt0.S"
    return [crt0, *(source for source in sources(LIBC, "*.[cS]") if source != crt0)]


def compile_source(source: Path, objects: Path) -> Path:
    """Compile one .c or .S file into the folder `objects`; gives the object file."""
    target = objects / source.relative_to(PROGRAMS).with_suffix(".o")
    target.parent.mkdir(parents=True, exist_ok=True)
    run(CC, *COMPILE_FLAGS, "-I", LIBC, "-c", "-o", target, source)
    return target


def link_program(objects: Sequence[Path], target: Path) -> None:
    """Link an executable; of an archive what it uses. Its mode does not depend on the umask."""
    target.parent.mkdir(parents=True, exist_ok=True)
    run(CC, *LINK_FLAGS, "-o", target, *objects)
    target.chmod(0o755)


def build_programs(out_dir: Path = ROOT / PROGRAMS / "bin") -> list[Path]:
    """Build all programs: NAME.c to out_dir/NAME, bench/NAME.c to out_dir/bench/NAME."""
    out_dir = out_dir.resolve()
    built = []
    with tempfile.TemporaryDirectory(prefix="int80-build-") as temporary:
        objects = Path(temporary)
        crt0, *libc = [compile_source(source, objects) for source in libc_sources()]
        rare = [compile_source(source, objects) for source in sources(LIBC / "signals", "*.[cS]")]
        run("ar", "rcsD", objects / "signals.a", *rare)
        for source in sources(PROGRAMS) + sources(PROGRAMS / "bench"):
            target = out_dir / source.relative_to(PROGRAMS).with_suffix("")
            link_program([crt0, compile_source(source, objects), *libc, objects / "signals.a"], target)
            built.append(target)
    return built


def syscall_table() -> str:
    """assets/kernel/syscall_table.S: a hypercall for each system call, and sys_call_table."""
    sys.path.insert(0, str(ROOT))
    from kernel.table_rows import ROWS

    names = {number: name for number, name, *_ in ROWS}
    count = max(names) + 1
    lines = [
        "/* Made by assets/build.py from kernel/table_rows.py: one body per system call, and the table. */",
        "",
    ]
    for _, name in sorted(names.items()):
        kind = "HYPERCALL_FPU" if name in FPU_CALLS else "HYPERCALL"
        lines.append(f"        {kind} sys_{name}")
    lines += ["", "        .globl  NR_syscalls, sys_call_table", f"        .set    NR_syscalls, {count}"]
    lines += ["", "        .section .rodata", "        .balign 4", "        .type   sys_call_table, @object"]
    lines.append("sys_call_table:")
    lines += [f"        .long   sys_{names.get(number, 'ni_syscall')}" for number in range(count)]
    lines.append("        .size   sys_call_table, . - sys_call_table")
    return "\n".join(lines) + "\n"


def build_vdso(out_dir: Path) -> None:
    """Build out_dir/vdso.so, which entry.S takes into the kernel's image."""
    run("as", "--32", "-o", out_dir / "vdso.o", KERNEL / "vdso.S")
    flags = ("-shared", "-Bsymbolic", "-soname", "linux-gate.so.1", "--hash-style=both", "--eh-frame-hdr")
    layout = ("--build-id=none", "-z", "noexecstack", "-z", "max-page-size=4096", "-T", KERNEL / "vdso.ld")
    run("ld", "-m", "elf_i386", *flags, *layout, "-o", out_dir / "vdso.so", out_dir / "vdso.o")


def build_kernel(out_dir: Path = ROOT / KERNEL) -> Path | None:
    """Build out_dir/kernel.elf with as and ld; None, and a line, where its sources are missing."""
    entry, script = KERNEL / "entry.S", KERNEL / "kernel.ld"
    missing = [str(path) for path in (entry, script) if not (ROOT / path).is_file()]
    if missing:
        print(f"skipping the kernel: no {' and no '.join(missing)}", file=sys.stderr)
        return None
    target = out_dir.resolve() / "kernel.elf"
    target.parent.mkdir(parents=True, exist_ok=True)
    (ROOT / KERNEL / "syscall_table.S").write_text(syscall_table())
    with tempfile.TemporaryDirectory(prefix="int80-build-") as temporary:
        build_vdso(Path(temporary))
        entry_object = Path(temporary) / "entry.o"
        debug = ("--gdwarf-4", "--debug-prefix-map", f"{ROOT}=.")
        run("as", "--32", *debug, "-I", KERNEL, "-I", temporary, "-o", entry_object, entry)
        run("ld", "-m", "elf_i386", "-T", script, "--build-id=none", "-o", target, entry_object)
    target.chmod(0o644)
    return target


def main(arguments: Sequence[str]) -> int:
    """The command: build what was named, or everything, and say what was written."""
    wanted = list(arguments) or ["programs", "kernel"]
    if not set(wanted) <= {"programs", "kernel"}:
        print("usage: build.py [programs] [kernel]", file=sys.stderr)
        return 2
    built: list[Path | None] = []
    try:
        if "programs" in wanted:
            built += build_programs()
        if "kernel" in wanted:
            built.append(build_kernel())
    except FileNotFoundError as error:
        print(f"build.py: {error.filename} is needed and was not found", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"build.py: {error.cmd[0]} failed with status {error.returncode}", file=sys.stderr)
        return 1
    for path in built:
        if path is not None:
            print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
