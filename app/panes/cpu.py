"""CPU: the registers and what changed, flags, ring, and the code around eip.

Beside the registers stands what they mean while a system call is being made: the argument that each carries.
"""

from __future__ import annotations

from app.panes.base import Pane
from app.panes.moment import Moment, elsewhere, letter_style, task_name
from app.panes.row import EMPTY, Row, Sheet, Span, beside, row, short
from app.strace.text import quote
from app.view import View
from cpu import registers as r
from cpu.disasm import Instruction
from cpu.registers import Registers
from kernel.table import TABLE, Kind
from kernel.table import Row as Call
from kernel.thread import PAGE_OFFSET, PT_REGS, PT_SIZE, THREAD_SIZE

FLAGS = (
    ("OF", "O", r.OF),
    ("DF", "D", r.DF),
    ("IF", "I", r.IF),
    ("TF", "T", r.TF),
    ("SF", "S", r.SF),
    ("ZF", "Z", r.ZF),
    ("AF", "A", r.AF),
    ("PF", "P", r.PF),
    ("CF", "C", r.CF),
)
ARGUMENTS = ("ebx", "ecx", "edx", "esi", "edi", "ebp")
"""Which register carries which argument of a system call."""
STRINGS = (Kind.PATH, Kind.STRING, Kind.BUF_IN)
INT_80, SYSENTER = b"\xcd\x80", b"\x0f\x34"
REGISTERS_WIDTH = 38
SIDE_BY_SIDE = 76
"""From this width on the code stands beside the registers."""
MAX_BEFORE = 400
"""Bytes of a function before eip that are disassembled to find where instructions begin."""
CODE_ROWS = 64
ROOM_FOR_LABEL = 5
STOP = "●"
"""A breakpoint."""


def rows(now: Moment, width: int, height: int) -> Sheet:
    """Everything in the pane."""
    view, regs = now.view, now.regs
    if view is None or regs is None:
        return Sheet([row(Span("The machine is on its way there.", "dim"))])
    left = register_rows(now, view, regs)
    if width >= SIDE_BY_SIDE:
        code = code_rows(view, regs, width - REGISTERS_WIDTH - 2, height, now.stops("code"))
        return Sheet(beside(left, code, REGISTERS_WIDTH, Span("│ ", "rule"))[:height])
    room = height - len(left) - 1
    if room < 3:
        return Sheet(left)
    return Sheet([*left, EMPTY, *code_rows(view, regs, width, room, now.stops("code"))])


def register_rows(now: Moment, view: View, regs: Registers) -> list[Row]:
    before = now.before
    meanings = call_meanings(now, view, regs)
    found = [
        _register(name, getattr(regs, name), before, meanings.get(name, ""))
        for name in ("eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "esp")
    ]
    ring = "kernel" if not regs.cpl else "user"
    found.append(_register("eip", regs.eip, before, view.label(regs.eip), ring))
    found.append(flag_row(regs, before))
    found += [
        tuple(span for name in names for span in _segment(name, regs, before))
        for names in (("cs", "ss"), ("ds", "es"), ("fs", "gs"))
    ]
    found.append((*_control("cr2", regs, before), *_control("cr3", regs, before)))
    return found


def _register(name: str, value: int, before: Registers | None, meaning: str, ring: str = "") -> Row:
    changed = before is not None and getattr(before, name) != value
    return row(
        Span("•" if changed else " ", "changed"),
        Span(f"{name} ", "dim"),
        Span(f"{value:08x}", "changed" if changed else ring, f"reg:{name}"),
        Span(f"  {meaning}", ring or "soft") if meaning else Span(""),
    )


def _segment(name: str, regs: Registers, before: Registers | None) -> Row:
    value = getattr(regs, name)
    changed = before is not None and getattr(before, name) != value
    tint = ("kernel", "", "", "user")[value & 3] if name in ("cs", "ss") else ""
    return row(
        Span("•" if changed else " ", "changed"),
        Span(f"{name} ", "dim"),
        Span(f"{value:04x}·{value & 3}", f"{tint} changed" if changed else tint, f"reg:{name}"),
        Span("  "),
    )


def _control(name: str, regs: Registers, before: Registers | None) -> Row:
    value = getattr(regs, name)
    changed = before is not None and getattr(before, name) != value
    return row(
        Span("•" if changed else " ", "changed"),
        Span(f"{name} ", "dim"),
        Span(f"{value:08x}", "changed" if changed else "", f"reg:{name}"),
    )


def flag_row(regs: Registers, before: Registers | None) -> Row:
    """EFLAGS as letters: one that is set shows its letter, others a dot."""
    changed = before is not None and before.eflags != regs.eflags
    spans = [
        Span("•" if changed else " ", "changed"),
        Span("efl ", "dim"),
        Span(f"{regs.eflags:08x}", "changed" if changed else "", "reg:eflags"),
        Span("  "),
    ]
    for name, letter, bit in FLAGS:
        moved = before is not None and (before.eflags ^ regs.eflags) & bit
        style = "changed" if moved else "" if regs.eflags & bit else "dim"
        spans.append(Span(letter if regs.eflags & bit else "·", style, f"flag:{name}"))
        spans.append(Span(" "))
    return tuple(spans)


def call_meanings(now: Moment, view: View, regs: Registers) -> dict[str, str]:
    """Registers that belong to a system call which is being made, each with what it says."""
    made = call_being_made(now, view, regs)
    if made is None:
        return {}
    number, call, args = made
    found = {"eax": f"__NR_{call.name}" if call is not None else "no such call"}
    if regs.eax != number:
        found.pop("eax")
    if call is None:
        return found
    for place, arg in enumerate(call.args[: len(args)]):
        name = ARGUMENTS[place]
        if getattr(regs, name) == args[place]:
            text = arg.name
            if arg.kind in STRINGS and args[place]:
                text += f" {_preview(view, args[place], args[arg.size] if 0 <= arg.size < 6 else 32)}"
            found[name] = text
    return found


def call_being_made(now: Moment, view: View, regs: Registers) -> tuple[int, Call | None, list[int]] | None:
    """Number, row and arguments: at `int $0x80` from the registers, inside the kernel from pt_regs.

    At `sysenter` too, but there the sixth argument is on the stack, where ebp points to.
    """
    trap = now.trap
    at_gate = trap is not None and trap.vector in (0x80, -1)
    if regs.cpl == 3 and (at_gate or view.read(regs.eip, 2) in (INT_80, SYSENTER)):
        args = [getattr(regs, name) for name in ARGUMENTS]
        if trap.vector < 0 if trap is not None else view.read(regs.eip, 2) == SYSENTER:
            args[5] = view.word(regs.ebp) or 0
        return regs.eax, call_of(regs.eax), args
    if regs.cpl == 3:
        return None
    if view.label(regs.eip).startswith(("system_call", "sysenter_", "ia32_sysenter_target")):
        task = now.task
        if view.label(regs.eip).startswith("system_call_done") or task is None:
            return None
        last = now.state.trap
        if last is not None and last.vector in (0x80, -1) and now.state.trap_pid == now.pid:
            saved = [getattr(regs, name) for name in ARGUMENTS]
            return last.eax, call_of(last.eax), saved
        return None
    task = now.task
    if task is None or task.syscall < 0 or not task.thread:
        return None
    pt_regs = task.thread + THREAD_SIZE - PT_SIZE
    words, eip = view.read(pt_regs, 24), view.word(pt_regs + 4 * PT_REGS.index("eip"))
    if words is None or eip is None:
        return None
    args = [int.from_bytes(words[at : at + 4], "little") for at in range(0, 24, 4)]
    return task.syscall, call_of(task.syscall), [] if elsewhere(now, eip) else args


def call_of(number: int) -> Call | None:
    return TABLE[number] if 0 <= number < len(TABLE) else None


def _preview(view: View, address: int, length: int) -> str:
    data = view.read(address, min(max(length, 1), 24))
    if data is None:
        return "(page not present yet)"
    if b"\0" in data and length == 32:
        data = data[: data.index(b"\0")]
    return quote(data, more=length > 24)


# Code.


def code_rows(
    view: View, regs: Registers, width: int, height: int, stops: frozenset[int] = frozenset()
) -> list[Row]:
    """Instructions around eip. The list holds still while eip stays on it."""
    eip = regs.eip
    listing = around(view, eip, CODE_ROWS + height)
    if not listing:
        return [row(Span("no code at ", "dim"), Span(f"{eip:08x}", "error"))]
    at = next((n for n, one in enumerate(listing) if one.address == eip), 0)
    half = max(height // 2, 1)
    first = 0 if at < height - 2 else (at - 1) // half * half
    if at - first >= height - 2:
        first = at - half
    found: list[Row] = []
    for one in listing[max(first, 0) :]:
        label = view.label(one.address)
        if ("+" not in label or (not found and height > ROOM_FOR_LABEL)) and not _bare(label, one.address):
            found.append(row(Span(f"{label}:", "kernel" if eip >= PAGE_OFFSET else "user")))
        if len(found) >= height:
            break
        found.append(code_row(view, one, one.address == eip, regs.cpl == 0, width, one.address in stops))
    return found[:height]


def around(view: View, eip: int, count: int) -> list[Instruction]:
    """A listing with eip in it, from the beginning of its function if that is near."""
    label = view.label(eip)
    offset = int(label.rpartition("+")[2], 16) if "+" in label else 0
    if 0 < offset <= MAX_BEFORE:
        listing = view.instructions(eip - offset, count + offset)
        if any(one.address == eip for one in listing):
            return listing
    return view.instructions(eip, count)


def code_row(view: View, one: Instruction, here: bool, kernel: bool, width: int, stop: bool = False) -> Row:
    ring = "on_kernel kernel" if kernel else "on_user user"
    operands = operand_text(view, one)
    code = one.data[:7].hex() + ("…" if len(one.data) > 7 else "")
    wide = width >= 44
    text = f"{one.address:08x}  " + (f"{code:<16}" if wide else "")
    body = f"{one.mnemonic:<7}{operands}"
    subject = f"code:{one.address:08x}"
    if here:
        head = f"▸{STOP if stop else ' '}"
        line = f"{text[8:]}{body}"
        return row(
            Span(head, ring),
            Span(text[:8], ring, subject),
            Span(f"{line:<{width - 10}}"[: max(width - 10, len(line))], ring),
        )
    return row(
        Span(f" {STOP}" if stop else "  ", "error"),
        Span(text[:8], "dim", subject),
        Span(text[8:], "dim"),
        Span(short(body, width - 2 - len(text))),
    )


def operand_text(view: View, one: Instruction) -> str:
    """The operands, with a name for where a jump or call leads."""
    operands = one.operands.replace("dword ptr ", "").replace(" + ", "+").replace(" - ", "-")
    if operands.startswith("0x") and (one.mnemonic.startswith("j") or one.mnemonic in ("call", "loop")):
        address = int(operands, 16)
        label = view.label(address)
        return operands if _bare(label, address) else label
    return operands


def _bare(label: str, address: int) -> bool:
    """Whether a label is only the number."""
    return label == f"{address:08x}"


class Cpu(Pane):
    """Registers and code."""

    label = "CPU"
    key = "F1"

    def sheet(self, now: Moment, width: int, height: int) -> Sheet:
        return rows(now, width, height)

    def title(self, now: Moment) -> Row:
        return row(
            Span("CPU · ", "title"),
            Span(task_name(now.state, now.pid), letter_style(now.state, now.pid) + " bold"),
        )
