"""For all tests: how many run at once."""

import os


def pytest_xdist_auto_num_workers() -> int:
    """Twice the processors: many tests wait for other processes, or for the screen's clock."""
    return 2 * (os.cpu_count() or 1)
