"""Questions about all requests at once, each answered with a proof or with a request that Cedar itself confirms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

import z3
from msgspec.structs import replace

from accord.domain.policy import Request
from accord.errors import BadInput
from accord.formulas import both, either, negated
from accord.policy.analysis.examples import readable
from accord.policy.analysis.requests import Kind, Unknowns, kinds
from accord.policy.analysis.translation import Translation, vocabulary_of
from accord.policy.analysis.values import Untranslatable
from accord.policy.cedar import CedarSet, Rule, checked
from accord.policy.proofs import Answer, Useless
from accord.policy.source import PolicyFile, PolicySource

TIMEOUT_MS: Final = 10_000
"""How long one kind of request may take."""

Formula: TypeAlias = z3.BoolRef | bool


class Questions:
    """The port `Proofs`."""

    def allows_more(self, new: CedarSet, old: CedarSet) -> Answer:
        """Whether the new set allows anything that the old one does not."""

        def question(translation: Translation) -> Formula:
            return both([translation.allows(new.rules), negated(translation.allows(old.rules))])

        def confirmed(request: Request) -> bool:
            return new.decide(request).allowed and not old.decide(request).allowed

        return _asked([*new.rules, *old.rules], question, confirmed)

    def ever(self, policies: CedarSet, asked: str) -> Answer:
        """Whether the set ever allows a request that is like this: a Cedar policy without its effect,
        `(principal is Agent, action, resource) when { … }`.

        Raises:
            BadInput: ACC671 or ACC672 what is wrong with it.
        """
        described = _described(asked)

        def question(translation: Translation) -> Formula:
            return both([translation.allows(policies.rules), translation.allows(described.rules)])

        def confirmed(request: Request) -> bool:
            return policies.decide(request).allowed and described.decide(request).allowed

        return _asked([*policies.rules, *described.rules], question, confirmed)

    def useless(self, policies: CedarSet) -> Iterator[Useless]:
        """The policies that are dead or shadowed, as far as it is known."""
        for rule in policies.rules:
            if _is_never(policies, lambda translation, rule=rule: translation.applies(rule)):  # type: ignore[misc]  # bound now
                yield Useless(rule.id, rule.place, "dead")
            elif _is_never(policies, lambda translation, rule=rule: _matters(translation, rule, policies.rules)):  # type: ignore[misc]  # as above
                yield Useless(rule.id, rule.place, "shadowed")


def _described(asked: str) -> CedarSet:
    """The set that allows just what is asked about. Raises BadInput ACC671 or ACC672."""
    try:
        return checked(PolicySource((PolicyFile("the question", f'@id("asked") permit {asked};'),)))
    except BadInput as error:
        hint = "a policy without its effect: (principal is Agent, action, resource) when { … }"
        problems = (replace(one, hint=hint) if one.code == "ACC671" else one for one in error.problems)
        raise BadInput(*problems) from error


def _matters(translation: Translation, rule: Rule, rules: Sequence[Rule]) -> Formula:
    """That the decision would be another one without this policy."""
    without = [one for one in rules if one is not rule]
    with_it, without_it = translation.allows(rules), translation.allows(without)
    return both([either([with_it, without_it]), negated(both([with_it, without_it]))])


def _is_never(policies: CedarSet, question: Callable[[Translation], Formula]) -> bool:
    return _asked(policies.rules, question, lambda request: True).verdict == "never"


def _asked(
    rules: Sequence[Rule], question: Callable[[Translation], Formula], confirmed: Callable[[Request], bool]
) -> Answer:
    vocabulary = vocabulary_of(rules)
    unknown: list[str] = []
    for kind in kinds():
        unknowns = Unknowns(kind, vocabulary)
        try:
            found = _solved(unknowns, question(Translation(unknowns)))
        except Untranslatable as error:
            unknown.append(f"{_words(kind)}: {error}")
            continue
        if isinstance(found, str):
            unknown.append(f"{_words(kind)}: {found}")
        elif found is not None and confirmed(found):
            return Answer("sometimes", readable(found, confirmed))
        elif found is not None:
            unknown.append(f"{_words(kind)}: Cedar does not confirm the example that was found: {found!r:.500}")
    return Answer("unknown", None, tuple(unknown)) if unknown else Answer("never")


def _solved(unknowns: Unknowns, formula: Formula) -> Request | str | None:
    """A request of which the formula holds; None where there is none, and why where nobody knows."""
    if formula is False:
        return None
    solver = z3.Solver()
    solver.set("timeout", TIMEOUT_MS)
    solver.add(*unknowns.conditions, formula)
    found = solver.check()
    if found == z3.unknown:
        return f"it takes too long to find out ({solver.reason_unknown()})"
    if found == z3.unsat:
        return None
    return unknowns.request(solver.model())


def _words(kind: Kind) -> str:
    return f"{kind.principal} {kind.action} {kind.resource}"
