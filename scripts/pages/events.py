"""The page of events: everything that can stand in a journal."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from typing import Any, get_args

import msgspec

from accord.domain import event, system
from accord.templates.schema import field_descriptions
from pages.markdown import GENERATED, table

GROUPS: tuple[tuple[str, Any, str], ...] = (
    ("Runs", event.RunEvent, "A run begins, is held, and ends."),
    ("Rollback", event.RollbackEvent, "What was done is undone, and done again."),
    ("Tasks", event.TaskEvent, "A task, an item of a `for_each`, or a compensation."),
    ("Attempts", event.AttemptEvent, "One assignment of a task to one agent, under one lease."),
    ("Signals", event.SignalEvent, "What people and programs tell a run."),
    ("System", system.SystemEvent, "What belongs to no run; in the streams whose names begin with `sys:`."),
)


def event_page() -> str:
    """The page, as Markdown."""
    parts = [
        f"# Events\n\n{GENERATED}\n\n"
        "An event is one JSON object in the journal: its name is the member `event`, the time of the decision the "
        "member `at` (RFC 3339, UTC). A member that has its default is left out. A document is `{sha256, "
        "len, inline}`; "
        "without `inline`, its bytes are in the blob store under that digest. What the events add up to is told in "
        "[the state machine](state-machine.md), why they look like this in "
        "[decision 4](../decisions/0004-events-are-json-with-raw-documents.md).\n"
    ]
    for title, union, words in GROUPS:
        rows = [(f"`{_tag(kind)}`", _words(kind), _members(kind)) for kind in get_args(union)]
        parts.append(f"## {title}\n\n{words}\n\n{table(('event', 'what happened', 'members'), rows)}\n")
    return "\n".join(parts)


def _tag(kind: Any) -> str:
    return str(kind.__struct_config__.tag)


def _words(kind: type) -> str:
    return (kind.__doc__ or "").strip()


def _members(kind: type) -> str:
    return "<br>".join(_member(field, text) for field, text in _described(kind))


def _described(kind: type) -> Iterator[tuple[msgspec.structs.FieldInfo, str]]:
    texts = field_descriptions(kind)
    fields: Iterable[msgspec.structs.FieldInfo] = msgspec.structs.fields(kind)
    for field in fields:
        if field.name != "at":
            yield field, inspect.cleandoc(texts.get(field.name.rstrip("_"), ""))


def _member(field: msgspec.structs.FieldInfo, text: str) -> str:
    optional = "" if field.required else "?"
    return f"`{field.encode_name}{optional}`" + (f" {text}" if text else "")
