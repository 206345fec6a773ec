"""Modules that are not loaded, though a library would do so where they happen to be installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def spared(*names: str) -> Iterator[None]:
    """Let what is imported inside find that these modules are not installed, where they are not loaded yet: for what a
    library can do without, and what nobody here asks it for.

    For the import of modules only, which happens before there are threads: others would not find them either.
    """
    left_out = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(left_out))  # type: ignore[arg-type]  # how the import system is told so
    try:
        yield
    finally:
        for name in left_out:
            del sys.modules[name]
