"""A plugin of pytest: the checks that failed before the tests began are named in the summary, above the last line."""

from __future__ import annotations

import os

import pytest


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what `FAILED_CHECKS` holds, parted by semicolons."""
    failed = [name for name in os.environ.get("FAILED_CHECKS", "").split(";") if name]
    if failed:
        terminalreporter.section("checks that failed before the tests", sep="=", red=True, bold=True)
        for name in failed:
            terminalreporter.write_line(f"FAILED {name}")
