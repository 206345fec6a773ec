"""Requests with unknowns: one for each action and kind of resource, and the real request that a solution stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import msgspec
import z3

from accord.domain.access import RIGHTS, ROLES, Principal, Right
from accord.domain.ids import AgentId
from accord.domain.policy import (
    AGENT_ACTIONS,
    Act,
    AgentFacts,
    CapabilityFacts,
    HandOff,
    OrchestratorFacts,
    Request,
    RunFacts,
    Subject,
    TemplateFacts,
)
from accord.formulas import literal, python_text
from accord.policy.analysis.values import Entity, RecordOf, Text, TextSet, Truth, Universe

_RUN: Final = ("template", "version", "organisation", "tenant")
_TEXTS: Final[Mapping[str, tuple[str, ...]]] = {
    "Agent": ("organisation", "name"),
    "Principal": ("name", "role", "organisation"),
    "Capability": ("name", "version"),
    "Run": _RUN,
    "Template": ("name", "version"),
    "Orchestrator": ("organisation",),
}
"""The attributes of entities that are text, as the schema has them."""

_SETS: Final[Mapping[str, tuple[str, ...]]] = {"Agent": ("tags",), "Run": ("labels",)}

_SUBJECTS: Final[Mapping[Right, tuple[str, ...]]] = {
    "look": ("Orchestrator", "Run"),
    "run": ("Orchestrator", "Template"),
    "control": ("Orchestrator", "Run"),
    "approve": ("Orchestrator", "Run"),
    "publish": ("Orchestrator", "Template"),
    "enrol": ("Orchestrator",),
    "administer": ("Orchestrator",),
    "erase": ("Orchestrator", "Run"),
}


class Vocabulary(msgspec.Struct, frozen=True):
    """What policies name, as far as it tells requests apart."""

    literals: frozenset[str]
    """All texts."""
    looks_up: bool
    """Whether a text of the request is looked for in a set."""
    witnesses: int
    """How many elements make a difference that no text names."""


class Kind(msgspec.Struct, frozen=True):
    """A kind of request: what is asked, of what."""

    action: str
    principal: str
    resource: str


def kinds() -> Iterator[Kind]:
    """All kinds of requests that there are."""
    yield from (Kind(action, "Agent", "Capability") for action in AGENT_ACTIONS)
    for right in RIGHTS:
        for subject in _SUBJECTS[right]:
            yield Kind(right, "Principal", subject)


class Unknowns:
    """A request of a kind, with unknowns in place of its facts."""

    def __init__(self, kind: Kind, vocabulary: Vocabulary) -> None:
        self.kind = kind
        names = [f"{of}.{name}" for of, entity in self._entities() for name in _TEXTS[entity]]
        if kind.principal == "Agent":
            names += [f"run.{name}" for name in _RUN]
        self._texts = {name: z3.String(name) for name in names}
        sought = self._texts.values() if vocabulary.looks_up else ()
        self.universe = Universe([*sought, *map(literal, sorted(vocabulary.literals))], vocabulary.witnesses)
        self._sets: dict[str, TextSet] = {}
        self._quarantined = z3.Bool("principal.quarantined")
        self.principal = self._entity("principal", kind.principal)
        self.resource = self._entity("resource", kind.resource)
        self.context = self._context()
        self.conditions = [*self.universe.conditions, *self._real()]
        """What holds of every request that there can be."""

    def _entities(self) -> tuple[tuple[str, str], tuple[str, str]]:
        return ("principal", self.kind.principal), ("resource", self.kind.resource)

    def _entity(self, of: str, kind: str) -> Entity:
        texts = {name: Text(self._texts[f"{of}.{name}"]) for name in _TEXTS[kind]}
        sets = {name: self._set(f"{of}.{name}") for name in _SETS.get(kind, ())}
        truths = {"quarantined": Truth(self._quarantined)} if kind == "Agent" else {}
        return Entity(kind, {**texts, **sets, **truths})

    def _set(self, name: str) -> TextSet:
        self._sets[name] = self.universe.variable(name)
        return self._sets[name]

    def _context(self) -> RecordOf:
        if self.kind.principal != "Agent":
            return RecordOf({})
        run = RecordOf({name: Text(self._texts[f"run.{name}"]) for name in _RUN})
        return RecordOf({"run": run, "labels": self._set("labels")})

    def _real(self) -> Iterator[z3.BoolRef]:
        """Ids are made of names, and taken apart again: some letters cannot be in them."""
        for name, term in self._texts.items():
            if name == "principal.role":
                yield z3.Or(*(term == literal(role) for role in ROLES))
            elif name == "principal.organisation" and self.kind.principal == "Agent":
                yield z3.Not(z3.Contains(term, literal("/")))
            elif name in ("resource.name", "resource.template", "run.template"):
                yield z3.Not(z3.Contains(term, literal("@")))

    def request(self, model: z3.ModelRef) -> Request:
        """The request that a solution stands for."""

        def text(name: str) -> str:
            return python_text(model.eval(self._texts[name], model_completion=True))

        labels = self._elements(model, "labels" if "labels" in self._sets else "resource.labels")
        if self.kind.principal == "Agent":
            organisation, name = text("principal.organisation"), text("principal.name")
            agent = AgentFacts(
                AgentId(f"spiffe://{organisation}/agent/{name}"),
                organisation,
                name,
                self._elements(model, "principal.tags"),
                z3.is_true(model.eval(self._quarantined, model_completion=True)),
            )
            action = next(one for one in AGENT_ACTIONS if one == self.kind.action)
            capability = CapabilityFacts(text("resource.name"), text("resource.version"))
            return HandOff(action, agent, capability, RunFacts(*(text(f"run.{one}") for one in _RUN)), labels)
        role = next(role for role in ROLES if role == text("principal.role"))
        who = Principal(
            name=text("principal.name"), role=role, organisation=text("principal.organisation"), credential=""
        )
        right = next(right for right in RIGHTS if right == self.kind.action)
        return Act(who, right, self._subject(text), labels)

    def _subject(self, text: Callable[[str], str]) -> Subject:
        facts = [text(f"resource.{name}") for name in _TEXTS[self.kind.resource]]
        if self.kind.resource == "Run":
            return RunFacts(*facts)
        return TemplateFacts(*facts) if self.kind.resource == "Template" else OrchestratorFacts(*facts)

    def _elements(self, model: z3.ModelRef, name: str) -> frozenset[str]:
        members = self._sets[name].members if name in self._sets else ()
        return frozenset(
            python_text(model.eval(text, model_completion=True))
            for text, member in zip(self.universe.texts, members, strict=False)
            if z3.is_true(model.eval(member, model_completion=True))
        )
