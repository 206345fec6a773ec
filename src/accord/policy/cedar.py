"""A policy set that is in force: checked against the schema, and asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache
from typing import Any, Final

import cedarpy
import msgspec

from accord.domain.policy import Decision, Request
from accord.errors import BadInput, Place, Problem
from accord.policy.requests import cedar_request
from accord.policy.source import PolicySource, Statement, schema_text, source_of

KEPT: Final = 65_536
"""Decisions that are remembered; of more, those that were asked for longest ago are forgotten."""

FORM: Final = '@id("what-it-is-for") permit (principal, action, resource) when { … };'
"""What a policy looks like."""


class Rule(msgspec.Struct, frozen=True):
    """One policy of a set: its name, its JSON form, and where it is written."""

    id: str
    policy: dict[str, Any]
    place: Place

    @property
    def permits(self) -> bool:
        """Whether it permits, or forbids."""
        return bool(self.policy["effect"] == "permit")


class CedarSet:
    """A policy set that has passed its check. It never changes, so its answers are remembered."""

    def __init__(self, source: PolicySource, rules: Sequence[Rule]) -> None:
        self.source = source
        self.rules = rules
        text = "\n".join(statement.text for statement in source.statements())
        self._policies = cedarpy.PolicySet.from_str(text)
        self.decide = lru_cache(maxsize=KEPT)(self._decide)
        """The answer to a request; equal requests are evaluated once."""

    def _decide(self, request: Request) -> Decision:
        asked = cedar_request(request)
        try:
            answer = cedarpy.is_authorized(asked.request, self._policies, list(asked.entities), schema())
        except (ValueError, TypeError) as error:
            return Decision(allowed=False, reasons=(), errors=(str(error),))
        diagnostics = answer.diagnostics
        if diagnostics.errors or answer.decision is cedarpy.Decision.NoDecision:
            # Cedar skips a policy that fails; one that forbids would be skipped as well.
            return Decision(allowed=False, reasons=(), errors=tuple(map(str, diagnostics.errors)) or ("no decision",))
        names = diagnostics.id_annotations_by_reason
        return Decision(answer.allowed, tuple(sorted(names.get(one, one) for one in diagnostics.reasons)))


STATEMENT_MAX_CHARS: Final = 32 << 10
DEPTH_MAX: Final = 100


@cache
def schema() -> cedarpy.Schema:
    """The schema, parsed once."""
    return cedarpy.Schema.from_str(schema_text())


def checked(source: PolicySource) -> CedarSet:
    """The set, once it is sure that every policy keeps the schema.

    Raises:
        BadInput: ACC671 a policy cannot be parsed, ACC672 it breaks the schema, ACC673 it has no name of its own,
            ACC674 it is a template; all problems at once, each with file and line.
    """
    found = [(statement, *_parsed(statement)) for statement in source.statements()]
    BadInput.raise_if(problem for _, _, problems in found for problem in problems)
    rules = [Rule(_name_of(policy), policy, one.place) for one, policy, _ in found if policy]
    BadInput.raise_if([*_nameless(rules), *_invalid(source, rules)])
    return CedarSet(source, rules)


def decide_by(document: bytes) -> Callable[[Request], Decision]:
    """What the set says that this document is: one that was kept as evidence. Raises BadInput."""
    try:
        source = source_of(document)
    except (msgspec.DecodeError, KeyError) as error:
        raise BadInput.of("ACC671", f"this is no policy set: {error!r}") from error
    return checked(source).decide


def _parsed(statement: Statement) -> tuple[dict[str, Any] | None, Sequence[Problem]]:
    try:
        # Cedar's parser recurses without a bound of its own: it would take the process with it.
        if len(statement.text) > STATEMENT_MAX_CHARS or statement.depth > DEPTH_MAX:
            raise RecursionError
        form = msgspec.json.decode(cedarpy.policies_to_json_str(statement.text))
    except RecursionError:
        text = f"the policy is too long, or nested too deeply: {STATEMENT_MAX_CHARS} characters and {DEPTH_MAX} levels"
        return None, [Problem("ACC671", text, statement.place, "make several policies of it")]
    except ValueError as error:
        return None, [Problem("ACC671", f"this is no policy: {error}", statement.place, FORM)]
    if form["templates"]:
        hint = "write the policy out for each principal and resource"
        return None, [Problem("ACC674", "a Cedar template permits nothing until it is linked", statement.place, hint)]
    return next(iter(form["staticPolicies"].values())), ()


def _name_of(policy: dict[str, Any]) -> str:
    return policy.get("annotations", {}).get("id") or ""


def _nameless(rules: Sequence[Rule]) -> Iterator[Problem]:
    counted = Counter(rule.id for rule in rules)
    for rule in rules:
        if not rule.id:
            hint = 'put a name in front: @id("what-it-is-for")'
            yield Problem("ACC673", "the policy has no name, so no decision could tell of it", rule.place, hint)
        elif counted[rule.id] > 1:
            yield Problem("ACC673", f"the name {rule.id} stands for {counted[rule.id]} policies", rule.place)


def _invalid(source: PolicySource, rules: Sequence[Rule]) -> Iterator[Problem]:
    statements = source.statements()
    for statement, rule in zip(statements, rules, strict=True):
        result = cedarpy.validate_policies(statement.text, schema())
        for error in result.errors:
            said = error.error.removeprefix("for policy `policy0`, ")
            text = f"{rule.id or 'the policy'} breaks the schema: {said}"
            yield Problem("ACC672", text, statement.place, "accord policy show --schema prints what there is")
