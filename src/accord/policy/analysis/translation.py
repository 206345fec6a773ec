"""Policies as formulas: the subset of Cedar that the schema of Accord leaves, without arithmetic and extensions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import z3

from accord.domain.access import ROLES
from accord.formulas import both, either, literal, negated
from accord.policy.analysis.requests import Unknowns, Vocabulary
from accord.policy.analysis.values import (
    Entity,
    Listed,
    Named,
    Number,
    RecordOf,
    Text,
    TextSet,
    Truth,
    Untranslatable,
    Value,
)
from accord.policy.cedar import Rule

_OF_SETS: Final = frozenset(("containsAll", "containsAny", "==", "!=", "isEmpty"))


def vocabulary_of(rules: Sequence[Rule]) -> Vocabulary:
    """What these policies name."""
    nodes = list(_nodes(rules))
    sought = (operand for one in nodes for operand in _elements(one))
    return Vocabulary(
        literals=frozenset(one["Value"] for one in nodes if isinstance(one.get("Value"), str)),
        looks_up=any("Value" not in one for one in sought),
        witnesses=2 * sum(not _OF_SETS.isdisjoint(one) for one in nodes) + 1,
    )


def _elements(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if "contains" in node:
        yield node["contains"]["right"]
    if isinstance(node.get("Set"), list):
        yield from node["Set"]


def _nodes(rules: Iterable[Rule]) -> Iterator[Mapping[str, Any]]:
    pending: list[Any] = [condition["body"] for rule in rules for condition in rule.policy["conditions"]]
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            yield one
            pending.extend(one.values())
        elif isinstance(one, list):
            pending.extend(one)


class Translation:
    """Translates policies over the unknowns of one kind of request."""

    def __init__(self, unknowns: Unknowns) -> None:
        self._unknowns = unknowns
        self._universe = unknowns.universe

    def applies(self, rule: Rule) -> z3.BoolRef | bool:
        """When the policy's scope and conditions hold. Raises Untranslatable."""
        scope = self._scope(rule.policy)
        if scope is False:
            return False
        conditions = []
        for condition in rule.policy["conditions"]:
            body = self._truth(condition["body"])
            conditions.append(body if condition["kind"] == "when" else negated(body))
            if conditions[-1] is False:
                return False
        return both([scope, *conditions])

    def allows(self, rules: Sequence[Rule]) -> z3.BoolRef | bool:
        """When the set allows the request: something permits it, and nothing forbids it. Raises Untranslatable."""
        permits = either([self.applies(rule) for rule in rules if rule.permits])
        return both([permits, negated(either([self.applies(rule) for rule in rules if not rule.permits]))])

    # -- scope ---------------------------------------------------------------------------------------------------

    def _scope(self, policy: Mapping[str, Any]) -> z3.BoolRef | bool:
        action = _action_fits(policy["action"], self._unknowns.kind.action)
        if not action:
            return False
        principal = self._fits(policy["principal"], self._unknowns.principal)
        return both([principal, self._fits(policy["resource"], self._unknowns.resource)])

    def _fits(self, scope: Mapping[str, Any], entity: Entity) -> z3.BoolRef | bool:
        if scope["op"] == "All":
            return True
        if scope["op"] == "==":
            return _is(entity, _named(scope["entity"]))
        if scope["op"] == "in":
            return _in(entity, _named(scope["entity"]))
        if scope["op"] == "is":
            inside = _in(entity, _named(scope["in"]["entity"])) if "in" in scope else True
            return both([entity.kind == scope["entity_type"], inside])
        raise Untranslatable(f"a scope with {scope['op']}")

    # -- expressions ---------------------------------------------------------------------------------------------

    def _truth(self, expression: Mapping[str, Any]) -> z3.BoolRef | bool:
        value = self._value(expression)
        if not isinstance(value, Truth):
            raise Untranslatable("a condition that is no truth value")
        return value.term

    def _value(self, expression: Mapping[str, Any]) -> Value:
        [(operator, operands)] = expression.items()
        translate = _TRANSLATE.get(operator)
        if translate is None:
            raise Untranslatable(f"`{operator}` is not translated")
        return translate(self, operands)

    def _constant(self, value: Any) -> Value:
        if isinstance(value, bool):
            return Truth(value)
        if isinstance(value, int):
            return Number(value)
        if isinstance(value, str):
            return Text(literal(value))
        if isinstance(value, dict) and set(value) == {"__entity"}:
            return _named(value["__entity"])
        raise Untranslatable(f"the constant {value!r:.80}")

    def _variable(self, name: str) -> Value:
        if name == "action":
            return Named("Action", self._unknowns.kind.action)
        known: dict[str, Value] = {
            "principal": self._unknowns.principal,
            "resource": self._unknowns.resource,
            "context": self._unknowns.context,
        }
        return known[name]

    def _attribute(self, operands: Mapping[str, Any]) -> Value:
        members = _members(self._value(operands["left"]))
        if operands["attr"] not in members:
            raise Untranslatable(f"the attribute {operands['attr']}, which is not there")
        return members[operands["attr"]]

    def _has(self, operands: Mapping[str, Any]) -> Value:
        return Truth(operands["attr"] in _members(self._value(operands["left"])))

    def _and(self, operands: Mapping[str, Any]) -> Value:
        left = self._truth(operands["left"])
        return Truth(False) if left is False else Truth(both([left, self._truth(operands["right"])]))

    def _or(self, operands: Mapping[str, Any]) -> Value:
        left = self._truth(operands["left"])
        return Truth(True) if left is True else Truth(either([left, self._truth(operands["right"])]))

    def _not(self, operands: Mapping[str, Any]) -> Value:
        return Truth(negated(self._truth(operands["arg"])))

    def _choice(self, operands: Mapping[str, Any]) -> Value:
        test = self._truth(operands["if"])
        if isinstance(test, bool):
            return self._value(operands["then" if test else "else"])
        then, otherwise = self._value(operands["then"]), self._value(operands["else"])
        if not (isinstance(then, Truth) and isinstance(otherwise, Truth)):
            raise Untranslatable("a choice between anything but truth values")
        return Truth(either([both([test, then.term]), both([negated(test), otherwise.term])]))

    def _is_kind(self, operands: Mapping[str, Any]) -> Value:
        left = self._value(operands["left"])
        if not isinstance(left, Entity | Named):
            raise Untranslatable("`is` of what is no entity")
        inside = self._inside(left, self._value(operands["in"])) if "in" in operands else True
        return Truth(both([left.kind == operands["entity_type"], inside]))

    def _is_in(self, operands: Mapping[str, Any]) -> Value:
        return Truth(self._inside(self._value(operands["left"]), self._value(operands["right"])))

    def _inside(self, left: Value, right: Value) -> z3.BoolRef | bool:
        if isinstance(right, Listed):
            return either(self._inside(left, one) for one in right.elements)
        if isinstance(left, Entity) and isinstance(right, Named):
            return _in(left, right)
        return self._same(left, right)

    def _equal(self, operands: Mapping[str, Any]) -> Value:
        return Truth(self._same(self._value(operands["left"]), self._value(operands["right"])))

    def _unequal(self, operands: Mapping[str, Any]) -> Value:
        return Truth(negated(self._same(self._value(operands["left"]), self._value(operands["right"]))))

    def _same(self, left: Value, right: Value) -> z3.BoolRef | bool:
        if isinstance(left, Text) and isinstance(right, Text):
            return left.term == right.term
        if isinstance(left, Truth) and isinstance(right, Truth):
            return both([either([negated(left.term), right.term]), either([left.term, negated(right.term)])])
        if isinstance(left, Number | Named) and isinstance(right, Number | Named):
            return left == right
        if isinstance(left, Entity | Named) and isinstance(right, Entity | Named):
            return _same_entity(left, right)
        one, other = _texts(left), _texts(right)
        return both([self._universe.subset(one, other), self._universe.subset(other, one)])

    def _less(self, operands: Mapping[str, Any]) -> Value:
        left, right = self._numbers(operands)
        return Truth(left < right)

    def _less_or_equal(self, operands: Mapping[str, Any]) -> Value:
        left, right = self._numbers(operands)
        return Truth(left <= right)

    def _more(self, operands: Mapping[str, Any]) -> Value:
        left, right = self._numbers(operands)
        return Truth(left > right)

    def _more_or_equal(self, operands: Mapping[str, Any]) -> Value:
        left, right = self._numbers(operands)
        return Truth(left >= right)

    def _numbers(self, operands: Mapping[str, Any]) -> tuple[int, int]:
        left, right = self._value(operands["left"]), self._value(operands["right"])
        if not (isinstance(left, Number) and isinstance(right, Number)):
            raise Untranslatable("a comparison of anything but numbers")
        return left.value, right.value

    def _like(self, operands: Mapping[str, Any]) -> Value:
        left = self._value(operands["left"])
        if not isinstance(left, Text):
            raise Untranslatable("`like` of what is no text")
        return Truth(z3.InRe(left.term, _pattern(operands["pattern"])))

    def _set(self, operands: Sequence[Any]) -> Value:
        return Listed([self._value(one) for one in operands])

    def _contains(self, operands: Mapping[str, Any]) -> Value:
        left, right = self._value(operands["left"]), self._value(operands["right"])
        if isinstance(left, Listed):
            return Truth(either(self._same(one, right) for one in left.elements))
        if not isinstance(right, Text):
            raise Untranslatable("something else than a text is looked for in a set of texts")
        return Truth(self._universe.contains(_texts(left), right.term))

    def _contains_all(self, operands: Mapping[str, Any]) -> Value:
        left, right = self._value(operands["left"]), self._value(operands["right"])
        return Truth(self._universe.subset(_texts(right), _texts(left)))

    def _contains_any(self, operands: Mapping[str, Any]) -> Value:
        left, right = self._value(operands["left"]), self._value(operands["right"])
        return Truth(self._universe.meets(_texts(left), _texts(right)))

    def _empty(self, operands: Mapping[str, Any]) -> Value:
        return Truth(self._universe.is_empty(_texts(self._value(operands["arg"]))))


_TRANSLATE: Final[Mapping[str, Callable[[Translation, Any], Value]]] = {
    "Value": Translation._constant,
    "Var": Translation._variable,
    ".": Translation._attribute,
    "has": Translation._has,
    "&&": Translation._and,
    "||": Translation._or,
    "!": Translation._not,
    "if-then-else": Translation._choice,
    "is": Translation._is_kind,
    "in": Translation._is_in,
    "==": Translation._equal,
    "!=": Translation._unequal,
    "<": Translation._less,
    "<=": Translation._less_or_equal,
    ">": Translation._more,
    ">=": Translation._more_or_equal,
    "like": Translation._like,
    "Set": Translation._set,
    "contains": Translation._contains,
    "containsAll": Translation._contains_all,
    "containsAny": Translation._contains_any,
    "isEmpty": Translation._empty,
}
"""The operators of Cedar's JSON form that have a formula; what holds anything else is unknown."""


def _named(entity: Mapping[str, str]) -> Named:
    return Named(entity["type"], entity["id"])


def _action_fits(scope: Mapping[str, Any], action: str) -> bool:
    if scope["op"] == "All":
        return True
    named = scope["entities"] if "entities" in scope else [scope["entity"]]
    return any(one["type"] == "Action" and one["id"] == action for one in named)


def _members(value: Value) -> Mapping[str, Value]:
    if isinstance(value, Entity):
        return value.attributes
    if isinstance(value, RecordOf):
        return value.members
    raise Untranslatable("an attribute of what has none")


def _texts(value: Value) -> TextSet | Listed:
    if isinstance(value, TextSet | Listed):
        return value
    raise Untranslatable("a comparison of values that are not compared here")


def _same_entity(left: Entity | Named, right: Entity | Named) -> z3.BoolRef | bool:
    if isinstance(left, Entity) and isinstance(right, Named):
        return _is(left, right)
    if isinstance(left, Named) and isinstance(right, Entity):
        return _is(right, left)
    if isinstance(left, Entity) and left is right:
        return True
    if left.kind != right.kind:
        return False
    raise Untranslatable("two entities of a request are compared")


def _is(entity: Entity, named: Named) -> z3.BoolRef | bool:
    """Whether the entity has this id: ids are made of attributes."""
    parts = _parts_of(named) if entity.kind == named.kind else None
    if parts is None:
        return False
    attributes = [(entity.attributes[name], text) for name, text in parts.items()]
    return both(value.term == literal(text) for value, text in attributes if isinstance(value, Text))


def _in(entity: Entity, named: Named) -> z3.BoolRef | bool:
    if named.kind != "Role" or entity.kind != "Principal":
        return _is(entity, named)
    role = entity.attributes["role"]
    assert isinstance(role, Text)  # noqa: S101 - the schema says so
    least = [one for one in ROLES if named.id in ROLES and ROLES.index(one) >= ROLES.index(named.id)]
    return either(role.term == literal(one) for one in least)


def _parts_of(named: Named) -> dict[str, str] | None:
    """The attributes of the entity that has this id; None where no entity has."""
    if named.kind == "Principal":
        return {"name": named.id}
    if named.kind == "Orchestrator":
        return {"organisation": named.id}
    if named.kind == "Agent":
        head, slash, name = named.id.partition("/agent/")
        organisation = head.removeprefix("spiffe://")
        is_one = slash and head.startswith("spiffe://") and "/" not in organisation
        return {"organisation": organisation, "name": name} if is_one else None
    name, at, version = named.id.partition("@")
    first = "template" if named.kind == "Run" else "name"
    return {first: name, "version": version} if at else None


def _pattern(parts: Sequence[Any]) -> z3.ReRef:
    anything = z3.Full(z3.ReSort(z3.StringSort()))
    found = [anything if one == "Wildcard" else z3.Re(literal(one["Literal"])) for one in parts]
    if not found:
        return z3.Re(literal(""))
    return z3.Concat(*found) if len(found) > 1 else found[0]
