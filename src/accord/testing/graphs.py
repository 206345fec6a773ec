"""Graphs for tests, from the tasks of a template alone."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec

from accord.domain.compile import compile_graph
from accord.domain.graph import Graph
from accord.domain.ids import Digest
from accord.domain.template import Template

USES = "test.work@^1"
"""The capability of tasks that do not name one."""

_KINDS = ("uses", "approval", "signal", "sleep", "workflow")


def graph_of(tasks: Mapping[str, Mapping[str, Any]], **fields: Any) -> Graph:
    """The graph of a template with these tasks; a task that does not say what it does uses `test.work`, without
    back-off, and every template takes any input. Raises TemplateInvalid.
    """
    document = {
        "accord": "template/1",
        "name": "test",
        "version": "1.0.0",
        "input": True,
        "defaults": {"attempts": 2, "backoff": {"first": "1s", "jitter": 0}},
        **fields,
        "tasks": {name: _with_kind(task) for name, task in tasks.items()},
    }
    digest = Digest(sha256(msgspec.json.encode(document)).hexdigest())
    return compile_graph(msgspec.convert(document, Template), digest)


def _with_kind(task: Mapping[str, Any]) -> dict[str, Any]:
    return dict(task) if any(kind in task for kind in _KINDS) else {"uses": USES, **task}
