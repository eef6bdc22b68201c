"""For all tests: how many run at once, and that none depends on how fast the machine is."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile("int80", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("int80")


def pytest_xdist_auto_num_workers() -> int:
    """Twice the processors: many tests wait for other processes, or for the screen's clock."""
    return 2 * (os.cpu_count() or 1)
