"""Queries are in files, each under a name: `-- name: ...` above it."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def named_queries(package: str, file: str) -> dict[str, str]:
    """The queries of a file in a package's folder `sql`, by name."""
    text = (files(package) / "sql" / file).read_text()
    parts = (part.partition("\n") for part in text.split("-- name: ")[1:])
    return {name.strip(): query.strip() for name, _, query in parts}
