"""The command line. `main` is the entry point of the command `accord`; everything else is loaded when it is needed."""

from __future__ import annotations

from accord.cli.entry import main

__all__ = ["main"]
