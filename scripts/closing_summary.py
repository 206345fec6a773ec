"""A plugin of pytest: above the last line are the checks that failed before the tests began, and how much of the
processors' time was used: where that is nearly all, only what takes less of it makes the tests faster.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

STATISTICS = Path("/proc/stat")


def _spent() -> tuple[int, int]:
    """How long all processors together have been there, and had nothing to do; in ticks, since the machine started."""
    times = [int(number) for number in STATISTICS.read_text().partition("\n")[0].split()[1:]]
    return sum(times[:8]), times[3] + times[4]


BEFORE = _spent() if STATISTICS.exists() else None


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what `FAILED_CHECKS` holds, parted by semicolons."""
    if BEFORE is not None:
        there, idle = (now - before for now, before in zip(_spent(), BEFORE, strict=True))
        terminalreporter.write_line(f"{100 - 100 * idle // max(there, 1)} % of the processors' time was used.")
    failed = [name for name in os.environ.get("FAILED_CHECKS", "").split(";") if name]
    if failed:
        terminalreporter.section("checks that failed before the tests", sep="=", red=True, bold=True)
        for name in failed:
            terminalreporter.write_line(f"FAILED {name}")
