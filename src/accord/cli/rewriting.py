"""Rewriting a workflow test: what it expects becomes what came of it, what agents answer is what they have answered,
and all else stays as it is written."""

from __future__ import annotations

import io
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

from msgspec import UNSET
from ruamel.yaml import YAML

from accord.domain.workflow_test import WorkflowTest
from accord.templates.workflow_tests import workflow_test_document
from accord.testing.rehearsal.judge import Seen

_WIDTH = 120


def rewrite(file: Path, seen: Seen, recorded: WorkflowTest | None = None) -> bool:
    """Let the test in this file expect what came of it, as far as it says what it expects exactly: state, output,
    problem, labels, cost, and the states and attempts of the tasks that it names. A bound, a schema, an expression or
    an order stays: it says what is meant. Comments stay as well. With what was `recorded`, it is what agents answer.
    Returns whether anything was changed.
    """
    text = file.read_text("utf-8")
    yaml = _yaml()
    document = json.loads(text) if _is_json(file, text) else yaml.load(text)
    before = deepcopy(document)
    _expect(document["expect"], seen)
    if recorded is not None:
        told = workflow_test_document(recorded)
        document.update({name: told[name] for name in ("contracts", "agents") if name in told})
    if document == before:
        return False
    if _is_json(file, text):
        file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")
    else:
        written = io.StringIO()
        yaml.dump(document, written)
        file.write_text(written.getvalue(), "utf-8")
    return True


def _expect(expect: Any, seen: Seen) -> None:
    exact: dict[str, Any] = {
        "state": seen.state,
        "output": seen.output,
        "problem": UNSET if seen.problem is None else seen.problem,
        "labels": list(seen.labels),
        "cost": seen.cost,
    }
    for name, value in exact.items():
        if name not in expect or expect[name] == value:
            continue
        if value is UNSET:
            del expect[name]
        else:
            expect[name] = value
    for name, came in (("tasks", seen.tasks), ("attempts", seen.attempts)):
        for task in expect.get(name, {}):
            expect[name][task] = came[task]


def _is_json(file: Path, text: str) -> bool:
    return file.suffix == ".json" or text.lstrip().startswith("{")


def _yaml() -> YAML:
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = _WIDTH
    yaml.explicit_start = False
    return yaml
