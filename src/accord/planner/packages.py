"""Packages of which only data is read: nothing of their code is imported."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def folder_of(package: str) -> Path | None:
    """The folder in which a package is installed; None where it is not."""
    found = find_spec(package)
    places = found.submodule_search_locations if found is not None else None
    return Path(places[0]) if places else None
