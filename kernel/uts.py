"""What uname tells of this kernel, and /proc after it."""

from __future__ import annotations

SYSNAME = "Linux"
RELEASE = "6.1.0-int80"
VERSION = "#1 int80"
MACHINE = "i686"
