"""The conditions of a query of runs, for SQLite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from accord.ports import RunQuery
from accord.store.search import kept_labels, search_words
from accord.store.sqlite_rows import as_json, microseconds

_CONDITIONS: Final[Mapping[str, str]] = {
    "states": "state IN (SELECT value FROM json_each(:states))",
    "template": "(template = :template OR substr(template, 1, length(:template) + 1) = :template || '@')",
    "templates": "template IN (SELECT value FROM json_each(:templates))",
    "since": "started_at >= :since",
    # The two halves have an index each: runs that have ended by time, the others by their state.
    "updated_since": "(state IN ('completed', 'failed', 'cancelled') AND updated_at >= :updated_since"
    " OR state IN ('running', 'paused', 'cancelling', 'rolling_back', 'failing') AND updated_at >= :updated_since)",
    "parent": "parent = :parent",
    "origin": "origin = :origin",
    "agent": "agent = :agent",
    "label": "instr(labels, :label)",
    "acknowledged": "acknowledged = :acknowledged",
    "after": "run < :after",
}
"""By the members of a query, each of which is a parameter of its condition."""


def filters_of(query: RunQuery) -> tuple[str, dict[str, object]]:
    """The conditions of a query, and their parameters."""
    parameters = {name: value for name in _CONDITIONS if (value := _value(query, name)) is not None}
    words = {f"word{number}": word for number, word in enumerate(search_words(query.text))}
    conditions = [*(_CONDITIONS[name] for name in parameters), *(f"instr(searched, :{name})" for name in words)]
    return " AND ".join(conditions) or "TRUE", {**parameters, **words}


def _value(query: RunQuery, name: str) -> object:
    """The value of the parameter; None where the query says nothing of it."""
    match getattr(query, name):
        case None | ():
            return None
        case tuple() as several:
            return as_json(several)
        case str(label) if name == "label":
            return kept_labels([label])
        case value:
            return microseconds(value) if name in ("since", "updated_since") else value
