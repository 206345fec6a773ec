"""What policies name: the values that they compare each attribute with, and the entities, by their types."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from accord.policy.cedar import Rule


class Named:
    """The values that policies about one kind of principal compare each attribute with, in the order of the policies:
    of `principal.name`, `context.run.template` and so on. Of a pattern, its wildcards are written `*`.
    """

    def __init__(self, rules: Iterable[Rule], principal: str) -> None:
        self._values: dict[str, dict[str, None]] = defaultdict(dict)
        self._entities: dict[str, dict[str, None]] = defaultdict(dict)
        for rule in rules:
            if _about(rule.policy["principal"], principal):
                parts = [rule.policy["principal"], rule.policy["resource"]]
                self._read([*parts, *(one["body"] for one in rule.policy["conditions"])])

    def values(self, attribute: str) -> Sequence[str]:
        """What this attribute is compared with."""
        return tuple(self._values.get(attribute, ()))

    def entities(self, kind: str) -> Sequence[str]:
        """The ids of the entities of this type."""
        return tuple(self._entities.get(kind, ()))

    def _read(self, nodes: Iterable[Any]) -> None:
        for node in _all(nodes):
            if node.keys() == {"type", "id"}:
                self._entities[node["type"]][node["id"]] = None
            elif "left" in node and "pattern" in node:
                self._compared(node["left"], [_pattern(node["pattern"])])
            elif "left" in node and "right" in node:
                self._compared(node["left"], _texts(node["right"]))
                self._compared(node["right"], _texts(node["left"]))

    def _compared(self, side: Any, texts: Iterable[str]) -> None:
        attribute = _attribute(side)
        if attribute is not None:
            self._values[attribute].update(dict.fromkeys(texts))


def _about(scope: dict[str, Any], principal: str) -> bool:
    """Whether a policy with this scope may be about such a principal. Only principals of people are in roles."""
    named = scope.get("entity_type") or scope.get("entity", {}).get("type")
    return named in (None, principal) or (named == "Role" and principal == "Principal")


def _all(nodes: Iterable[Any]) -> Iterator[dict[str, Any]]:
    for node in nodes:
        if isinstance(node, dict):
            yield node
            yield from _all(node.values())
        elif isinstance(node, list):
            yield from _all(node)


def _attribute(node: Any) -> str | None:
    """`context.run.template`, where this is one of what is asked about."""
    if not isinstance(node, dict):
        return None
    if "Var" in node:
        return str(node["Var"])
    access = node.get(".")
    owner = _attribute(access["left"]) if isinstance(access, dict) else None
    return None if owner is None or access is None else f"{owner}.{access['attr']}"


def _texts(node: Any) -> Iterator[str]:
    """The text of a constant, or of each in a set of them."""
    if isinstance(node, dict):
        if isinstance(node.get("Value"), str):
            yield node["Value"]
        for one in node.get("Set", ()):
            yield from _texts(one)


def _pattern(parts: Sequence[Any]) -> str:
    return "".join(one["Literal"] if isinstance(one, dict) else "*" for one in parts)
