"""Numbers and layouts of the i386 interface, held against the host's C compiler and headers where they
are."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from kernel.abi import elf, errno, files, ipc, mman, process, sigframe, signal, structs, time, tty
from kernel.abi.errno import Errno, errno_of, strerror
from kernel.abi.sigframe import Sigcontext, Siginfo, siginfo_variant
from kernel.abi.structs import CStruct

HEADERS: dict[ModuleType, str] = {
    files: "linux/fcntl.h linux/stat.h linux/fs.h asm/poll.h linux/magic.h linux/eventpoll.h linux/memfd.h "
    "linux/openat2.h linux/falloc.h linux/limits.h",
    signal: "asm/signal.h asm/siginfo.h",
    mman: "linux/mman.h",
    process: "linux/sched.h linux/wait.h linux/resource.h linux/prctl.h linux/capability.h linux/random.h "
    "linux/ptrace.h asm/prctl.h",
    time: "linux/time.h linux/futex.h",
    tty: "asm/termbits.h asm/ioctls.h",
    elf: "linux/elf.h linux/elf-em.h linux/auxvec.h asm/auxvec.h",
    ipc: "linux/ipc.h linux/sem.h linux/shm.h linux/msg.h linux/net.h",
    errno: "linux/errno.h",
}
NOT_THE_HEADERS = {
    *("SIG_DFL", "SIG_IGN", "SIG_ERR"),
    *("SIGRTMAX", "_NSIG"),  # the header's are those of 64-bit programs' C library
    *("RLIM_INFINITY", "SOMAXCONN", "NR_OPEN", "SO_RCVTIMEO", "SO_SNDTIMEO"),
}
"""Names whose values in the headers are C expressions of another kind, or meant for others."""

C_STRUCTS: dict[type[CStruct], tuple[str, str, dict[str, str]]] = {
    structs.Stat: ("struct stat", "asm/stat.h", {}),
    structs.OldStat: ("struct __old_kernel_stat", "asm/stat.h", {}),
    structs.Stat64: ("struct stat64", "asm/stat.h", {"st_ino_low": "__st_ino"}),
    structs.Statx: (
        "struct statx",
        "linux/stat.h",
        {
            f"stx_{which}time_{part}": f"stx_{which}time.tv_{part}"
            for which in "abcm"
            for part in ("sec", "nsec")
        },
    ),
    structs.Statfs: (
        "struct statfs",
        "asm/statfs.h",
        {"f_fsid_0": "f_fsid.val[0]", "f_fsid_1": "f_fsid.val[1]"},
    ),
    structs.Statfs64: (
        *("struct statfs64", "asm/statfs.h"),
        {"f_fsid_0": "f_fsid.val[0]", "f_fsid_1": "f_fsid.val[1]"},
    ),
    structs.Flock: ("struct flock", "linux/fcntl.h", {}),
    structs.Flock64: ("struct flock64", "linux/fcntl.h", {}),
    structs.Iovec: ("struct iovec", "linux/uio.h", {}),
    structs.Pollfd: ("struct pollfd", "asm/poll.h", {}),
    structs.EpollEvent: ("struct epoll_event", "linux/eventpoll.h", {}),
    structs.OpenHow: ("struct open_how", "linux/openat2.h", {}),
    structs.Timeval: ("struct __kernel_old_timeval", "linux/time_types.h", {}),
    structs.Timespec64: ("struct __kernel_timespec", "linux/time_types.h", {}),
    structs.Timezone: ("struct timezone", "linux/time.h", {}),
    structs.Tms: ("struct tms", "linux/times.h", {}),
    structs.Rlimit: ("struct rlimit", "linux/resource.h", {}),
    structs.Rlimit64: ("struct rlimit64", "linux/resource.h", {}),
    structs.Rusage: (
        "struct rusage",
        "linux/resource.h",
        {f"{w}time_{p}": f"ru_{w}time.tv_{p}" for w in "us" for p in ("sec", "usec")},
    ),
    structs.Utsname: ("struct new_utsname", "linux/utsname.h", {}),
    structs.Sysinfo: (
        "struct sysinfo",
        "linux/sysinfo.h",
        {"loads_1": "loads[0]", "loads_5": "loads[1]", "loads_15": "loads[2]"},
    ),
    structs.UserDesc: ("struct user_desc", "asm/ldt.h", {"flags": ""}),
    structs.CloneArgs: ("struct clone_args", "linux/sched.h", {}),
    structs.Termios: ("struct termios", "asm/termbits.h", {}),
    structs.Winsize: ("struct winsize", "asm/termios.h", {}),
    structs.StackT: ("stack_t", "asm/signal.h", {}),
    structs.Sigaction: ("struct kernel_sigaction", "", {}),
    Sigcontext: (
        "struct sigcontext_32",
        "asm/sigcontext.h",
        {
            **{f"e{name}": name for name in ("di", "si", "bp", "sp", "bx", "dx", "cx", "ax")},
            "eip": "ip",
            "eflags": "flags",
            "esp_at_signal": "sp_at_signal",
        },
    ),
}
KERNEL_SIGACTION = """
struct kernel_sigaction { unsigned sa_handler; unsigned long sa_flags; unsigned sa_restorer;
    unsigned long long sa_mask __attribute__((aligned(4))); };
"""
"""The uapi header has it only under names that a C library hides; these are its fields (asm/signal.h)."""


def _compiled(tmp_path: Path, headers: str, statements: str, declarations: str = "") -> list[str]:
    """Lines that a small i386 program prints; skips where no compiler for it is."""
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("no gcc here")
    machine = subprocess.run([compiler, "-print-multiarch"], capture_output=True, text=True, check=False)
    include = ["-idirafter", f"/usr/include/{machine.stdout.strip()}"] if machine.stdout.strip() else []
    source, program = tmp_path / "abi.c", tmp_path / "abi"
    includes = "\n".join(f"#include <{header}>" for header in headers.split())
    source.write_text(
        f"{includes}\n{declarations}\nint printf(const char *, ...);\nint main(void) {{\n{statements}\n}}\n"
    )
    built = subprocess.run(
        [compiler, "-m32", "-w", *include, "-o", str(program), str(source)], capture_output=True, text=True
    )
    if built.returncode:
        if re.search(r"fatal error|skipping incompatible|cannot find", built.stderr):
            pytest.skip(f"no i386 headers or libraries here: {built.stderr.splitlines()[0]}")
        raise AssertionError(built.stderr)
    return subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout.splitlines()


def _constants(module: ModuleType) -> dict[str, int]:
    if module is errno:
        return {member.name: member.value for member in Errno}
    names = [name for name in vars(module) if name.lstrip("_").isupper() or name.startswith(("_", "PR_"))]
    found = {name: getattr(module, name) for name in names if isinstance(getattr(module, name), int)}
    return {name: value for name, value in found.items() if name not in NOT_THE_HEADERS}


@pytest.mark.parametrize("module", HEADERS, ids=lambda module: module.__name__)
def test_constants_are_those_of_the_hosts_headers(module: ModuleType, tmp_path: Path) -> None:
    ours = _constants(module)
    assert len(ours) > 20
    asked = "\n".join(
        f'#ifdef {name}\nprintf("{name} %lld\\n", (long long)({name}));\n#endif' for name in ours
    )
    lines = dict(line.split() for line in _compiled(tmp_path, HEADERS[module], asked))
    assert len(lines) > len(ours) // 3
    differ = {
        name: (ours[name], int(value))
        for name, value in lines.items()
        if (ours[name] - int(value)) & 0xFFFFFFFF and ours[name] != int(value)
    }
    assert differ == {}


@pytest.mark.parametrize("codec", C_STRUCTS, ids=lambda codec: codec.__name__)
def test_layouts_are_those_of_the_hosts_headers(codec: type[CStruct], tmp_path: Path) -> None:
    name, header, others = C_STRUCTS[codec]
    fields = {field: others.get(field, field) for field in codec.offsets()}
    asked = [
        f'printf("{field} %d\\n", (int)__builtin_offsetof({name}, {c}));' for field, c in fields.items() if c
    ]
    asked.append(f'printf("size %d\\n", (int)sizeof({name}));')
    lines = _compiled(tmp_path, header, "\n".join(asked), "" if header else KERNEL_SIGACTION)
    expected = {field: int(offset) for field, offset in (line.split() for line in lines)}
    offsets = {field: offset for field, offset in codec.offsets().items() if fields[field]}
    assert offsets | {"size": codec.SIZE} == expected


SIZES: dict[type[CStruct], int] = {
    structs.Stat: 64,
    structs.Stat64: 96,
    structs.Statx: 256,
    structs.Utsname: 390,
    structs.Rusage: 72,
    structs.Termios: 36,
    structs.Sigaction: 20,
    structs.OldSigaction: 16,
    structs.UserDesc: 16,
    structs.Sysinfo: 64,
    Sigcontext: 88,
}


def test_sizes() -> None:
    assert {codec: codec.SIZE for codec in SIZES} == SIZES


@pytest.mark.parametrize("codec", [*CStruct.__subclasses__()], ids=lambda codec: codec.__name__)
def test_structures_round_trip(codec: type[CStruct]) -> None:
    data = bytes(range(1, 256)) * 2
    value = codec.unpack(data)
    assert codec.unpack(value.pack()) == value
    assert len(value.pack()) == codec.SIZE
    assert list(codec.offsets()) == list(codec.__struct_fields__)


def test_directory_entries() -> None:
    data = structs.pack_dirent64(1, 10, 4, b".") + structs.pack_dirent64(7, 20, 8, b"name.txt")
    assert len(data) % 8 == 0
    assert structs.unpack_dirents64(data) == [(1, 10, 4, b"."), (7, 20, 8, b"name.txt")]
    assert structs.unpack_dirents64(data[:-1]) == [(1, 10, 4, b".")]
    old = structs.pack_dirent(1, 10, 4, b"abc")
    assert (len(old), old[-1]) == (16, 4)


def test_signal_frames() -> None:
    context = Sigcontext(eip=0x8048000, esp=0xBFFF0000, eax=7, cs=0x73)
    frame = sigframe.pack_sigframe(0x1000, 10, context, 0x1_0000_0200)
    assert len(frame) == sigframe.SIGFRAME_SIZE == 732
    assert frame[sigframe.SIGFRAME_RETCODE :] == sigframe.RETCODE
    found, mask = sigframe.unpack_sigframe(frame)
    assert (found.eip, found.eax, mask) == (0x8048000, 7, 0x1_0000_0200)
    stack = structs.StackT(0x5000, 2, 8192)
    info = Siginfo(17, 1, si_pid=3, si_status=5)
    frame = sigframe.pack_rt_sigframe(0x1000, 0xBFFE0000, info, context, stack, 0x1_0000_0200)
    assert len(frame) == sigframe.RT_SIGFRAME_SIZE == 268
    assert frame[sigframe.RT_SIGFRAME_RETCODE :] == sigframe.RT_RETCODE
    assert Siginfo.unpack(frame, sigframe.RT_SIGFRAME_INFO) == info
    found, found_stack, mask = sigframe.unpack_rt_sigframe(frame)
    assert (found.eip, found_stack, mask) == (0x8048000, stack, 0x1_0000_0200)
    assert int.from_bytes(frame[8:12], "little") == 0xBFFE0000 + sigframe.RT_SIGFRAME_INFO


VARIANTS = [
    (signal.SIGINT, signal.SI_USER, "kill"),
    (signal.SIGINT, signal.SI_KERNEL, "kill"),
    (signal.SIGCHLD, signal.CLD_STOPPED, "chld"),
    (signal.SIGCHLD, signal.SI_USER, "kill"),
    (signal.SIGSEGV, signal.SEGV_ACCERR, "fault"),
    (signal.SIGFPE, signal.FPE_INTDIV, "fault"),
    (signal.SIGUSR1, signal.SI_TKILL, "rt"),
    (signal.SIGUSR1, signal.SI_QUEUE, "rt"),
    (signal.SIGALRM, signal.SI_TIMER, "timer"),
    (signal.SIGIO, signal.POLL_IN, "poll"),
    (signal.SIGSYS, signal.SYS_SECCOMP, "sys"),
]


@pytest.mark.parametrize(("signo", "code", "variant"), VARIANTS)
def test_siginfo_variants(signo: int, code: int, variant: str) -> None:
    assert siginfo_variant(signo, code) == variant
    packed = Siginfo(signo, code).pack()
    assert len(packed) == 128
    assert Siginfo.unpack(packed) == Siginfo(signo, code)


def test_default_actions() -> None:
    actions = signal.DEFAULT_ACTIONS
    assert set(actions) == set(range(1, 65))
    assert actions[signal.SIGSEGV] is signal.DefaultAction.CORE
    assert actions[signal.SIGCHLD] is signal.DefaultAction.IGN
    assert actions[signal.SIGTSTP] is signal.DefaultAction.STOP
    assert actions[signal.SIGCONT] is signal.DefaultAction.CONT
    assert actions[signal.SIGRTMIN] is signal.DefaultAction.TERM
    assert signal.signal_name(2) == "SIGINT"
    assert signal.signal_name(65) == "65"
    assert signal.SIGNAL_NAMES[34] == "SIGRT_2"


def test_errors() -> None:
    assert (Errno.ENOENT, Errno.ENOENT.text) == (2, "No such file or directory")
    assert Errno(11) is Errno.EWOULDBLOCK
    assert strerror(38) == "Function not implemented"
    assert strerror(4000) == "Unknown error 4000"
    assert errno_of(-2) == errno_of(0xFFFFFFFE) == 2
    assert errno_of(0) == errno_of(0xF7FF0000) == 0
