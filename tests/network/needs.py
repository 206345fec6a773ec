"""Programs that tests need: one that is missing skips the test on a laptop, and fails it in CI."""

from __future__ import annotations

import os
import shutil

import pytest


def program(name: str) -> str:
    """Where the program is."""
    found = shutil.which(name)
    if found is None and os.environ.get("CI"):
        pytest.fail(f"{name} is needed, and CI has to have it")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found
