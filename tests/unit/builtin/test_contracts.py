"""The built-in contracts fit together: what one capability gives is, by its schema, what the next one takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest

from accord.builtin import agents
from accord.sdk import Capability, Context

CAPABILITIES: dict[str, Capability] = {
    name.partition("@")[0]: capability for agent in agents() for name, capability in agent.capabilities.items()
}
EACH = ("metadata", "measure", "dependencies", "tests", "risks")
MEMBER = {"measure": "measures"}
EDGES = [
    *((("software.discover", "products", "*"), (f"software.{name}", "product")) for name in EACH),
    (("software.discover", "missing"), ("software.score", "missing")),
    (("software.discover", "products"), ("report.compose", "products")),
    (("software.score",), ("report.compose", "scores")),
    (("source.inventory", "groups", "*"), ("source.inspect", "paths")),
    (("source.inventory", "files"), ("source.duplication", "files")),
    (("source.grade",), ("report.audit", "grades")),
    *(
        ((f"source.{name}",), (taker, name))
        for name in ("inventory", "duplication", "history")
        for taker in ("source.grade", "report.audit")
    ),
]
JOINS = [
    *(
        (f"software.{name}", (taker, MEMBER.get(name, name)))
        for name in EACH
        for taker in ("software.score", "report.compose")
    ),
    *(("source.inspect", (taker, "inspections")) for taker in ("source.grade", "report.audit")),
]


def part(document: dict[str, Any], *path: str) -> dict[str, Any]:
    """The schema of one member of a document; `*` stands for the items of a list."""
    found = document
    for name in path:
        while "$ref" in found:
            found = document["$defs"][found["$ref"].rpartition("/")[2]]
        found = found["items"] if name == "*" else found["properties"][name]
    return {**found, "$defs": document.get("$defs", {})}


def covered(producer: dict[str, Any], consumer: dict[str, Any]) -> bool:
    return str(jsonschema_rs.canonicalize(consumer).covers(jsonschema_rs.canonicalize(producer))) == "yes"


@pytest.mark.parametrize(("giver", "taker"), EDGES, ids=str)
def test_edges_are_proven(giver: tuple[str, ...], taker: tuple[str, ...]) -> None:
    given = part(CAPABILITIES[giver[0]].contract.output.document, *giver[1:])
    assert covered(given, part(CAPABILITIES[taker[0]].contract.input.document, *taker[1:]))


@pytest.mark.parametrize(("giver", "taker"), JOINS, ids=str)
def test_joins_of_a_for_each_are_proven(giver: str, taker: tuple[str, str]) -> None:
    output = CAPABILITIES[giver].contract.output.document
    item = {key: value for key, value in output.items() if key != "$defs"}
    joined = {"type": "array", "items": item, "$defs": output.get("$defs", {})}
    assert covered(joined, part(CAPABILITIES[taker[0]].contract.input.document, taker[1]))


async def call(name: str, **given: object) -> Any:
    """The output of a capability, with input and output checked against its contract."""
    capability = CAPABILITIES[name]
    capability.contract.input.validator.validate(given)
    output = await capability.body(orjson.dumps(given), Context.for_test())
    value = orjson.loads(output.data)
    capability.contract.output.validator.validate(value)
    return value


async def test_the_whole_comparison_keeps_its_contracts(tool: Path) -> None:
    found = await call("software.discover", names=[str(tool), "typer", "no-such-product"])
    joined = {
        MEMBER.get(name, name): [await call(f"software.{name}", product=one) for one in found["products"]]
        for name in EACH
    }
    joined |= {"purpose": "count words", "missing": found["missing"]}
    scores = await call("software.score", **joined)
    report = await call("report.compose", **joined, products=found["products"], scores=scores)
    assert report["markdown"].startswith("# Comparison")


async def test_the_whole_audit_keeps_its_contracts(tool: Path) -> None:
    inventory = await call("source.inventory", directory=str(tool))
    audit = {
        "inventory": inventory,
        "inspections": [await call("source.inspect", root=str(tool), paths=one) for one in inventory["groups"]],
        "duplication": await call("source.duplication", root=str(tool), files=inventory["files"]),
        "history": await call("source.history", root=str(tool)),
    }
    report = await call("report.audit", **audit, grades=await call("source.grade", **audit))
    assert report["markdown"].startswith("# Audit of tinytool")
