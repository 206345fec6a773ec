"""The conditions of a query of runs, for PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from accord.ports import RunQuery
from accord.store.search import kept_labels, search_words

_CONDITIONS: Final[Mapping[str, str]] = {
    "states": "state = ANY ({}::text[])",
    "template": "(template = {0} OR starts_with(template, {0} || '@'))",
    "templates": "template = ANY ({}::text[])",
    "since": "started_at >= {}",
    # The two halves have an index each: runs that have ended by time, the others because they are few.
    "updated_since": "(ended_at >= {0} OR ended_at IS NULL AND updated_at >= {0})",
    "parent": "parent = {}",
    "origin": "origin = {}",
    "agent": "EXISTS (SELECT FROM accord.run_agents WHERE of_run = run AND agent = {})",
    "label": "strpos(labels, {}) > 0",
    "acknowledged": "acknowledged = {}",
    "after": "run < {}",
}
"""By the members of a query, each of which is a parameter of its condition."""


def filters_of(query: RunQuery) -> tuple[list[str], list[object]]:
    """The conditions of a query, and their parameters from $2 on."""
    asked = ((condition, _value(query, name)) for name, condition in _CONDITIONS.items())
    wanted = [(condition, value) for condition, value in asked if value is not None]
    wanted += [("strpos(searched, {}) > 0", word) for word in search_words(query.text)]
    conditions = [condition.format(f"${number}") for number, (condition, _) in enumerate(wanted, start=2)]
    return conditions, [value for _, value in wanted]


def findable(value: object) -> bool:
    """False for a text that PostgreSQL cannot hold, so that nothing can have it."""
    return not isinstance(value, str) or not any(char == "\x00" or "\ud800" <= char <= "\udfff" for char in value)


def _value(query: RunQuery, name: str) -> object:
    """The value of the parameter; None where the query says nothing of it."""
    match getattr(query, name):
        case None | ():
            return None
        case tuple() as several:
            return list(several)
        case str(label) if name == "label":
            return kept_labels([label])
        case value:
            return value
