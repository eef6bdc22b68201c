"""Fixtures: a bare machine that has booted."""

from __future__ import annotations

import pytest

from tests.cpu.machine import Bare


@pytest.fixture
def bare() -> Bare:
    """At the `hlt` behind its boot code, in ring 0, with paging on."""
    machine = Bare()
    machine.boot()
    return machine
