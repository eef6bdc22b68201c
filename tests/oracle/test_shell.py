"""Debian's shell on the screen, with Debian's programs: jobs and keys as on a terminal of the host."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.app.shell import shell
from tests.app.test_shell import as_natively, from_interrupt_to_read, with_jobs
from tests.app.test_tui import MEDIUM


async def test_jobs_and_keys_in_dash(debian_root: Path) -> None:
    async with shell(MEDIUM, "/bin/sh", (), root=str(debian_root), env=["PS1=$ "]) as on:
        on.app.zoom()
        await with_jobs(on)
        found = on.screen
        on.app.zoom()
        await from_interrupt_to_read(on)
    as_natively(found, [shutil.which("chroot") or "chroot", str(debian_root), "/bin/sh"], (30, 118))
