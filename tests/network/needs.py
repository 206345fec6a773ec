"""Programs that tests need: one that is missing skips the test on a laptop, and fails it in CI."""

from __future__ import annotations

import os
import shutil

import pytest

SYSTEM = "/usr/local/sbin:/usr/sbin:/sbin"


def program(name: str) -> str:
    """Where the program is; servers of the system may be where users do not look."""
    found = shutil.which(name) or shutil.which(name, path=SYSTEM)
    if found is None and os.environ.get("CI"):
        pytest.fail(f"{name} is needed, and CI has to have it")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found
