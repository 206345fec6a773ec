"""Ways to a plan: each gives what an objective means, or why it cannot say.

They are asked in order, the exact ones first. A way that knows what is meant but lacks a part of it ends the search:
what comes after it could only guess. `Way` is their one port; each is a module `by_*.py` beside this one, and what it
needs for itself is a package without that prefix.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, Literal, Protocol, Self, TypeAlias

import msgspec

from accord.domain.capability import Version
from accord.domain.experience import Try
from accord.domain.ids import Digest
from accord.domain.learning import Meant
from accord.domain.schema import JsonSchema
from accord.domain.schema_path import joined, schema_at
from accord.domain.template import Template
from accord.errors import BadInput, Place, Problem, Wanting
from accord.planner.classifier.examples import Example
from accord.verifier.known import Capabilities, NoTemplates, Templates
from accord.verifier.widths import Slots, unknown_slots

WayName: TypeAlias = Literal["named", "rules", "classifier", "composition", "suggestion"]
"""How a plan was found; `named`: it was not sought, the template was named."""

Change: TypeAlias = Callable[[Any, JsonSchema], Any]
"""Makes an input of that which an objective says, by the schema of the input; it raises BadInput where it cannot, and
gives the same one where nothing is changed."""

Judge: TypeAlias = Callable[[str], Awaitable[Meant | None]]
"""What a classifier that has learnt from use makes of an objective; None where there is none. It raises Refused where
it cannot say yet.
"""

_NONE = NoTemplates()


async def nobody(objective: str) -> Meant | None:
    """Nothing: there is no classifier that has learnt from use."""
    del objective
    return None


def unchanged(value: Any, schema: JsonSchema) -> Any:
    """What an objective says, as it is."""
    del schema
    return value


class KnownTemplate(msgspec.Struct, frozen=True):
    """A template that a plan may use, and the digest of its document."""

    template: Template
    digest: Digest

    @property
    def name(self) -> str:
        """`name@version`."""
        return f"{self.template.name}@{self.template.version}"


class Objective(msgspec.Struct, frozen=True, dict=True):
    """What is wanted, in words, and what there is to do it with."""

    text: str
    known: Sequence[KnownTemplate]
    """All templates, every version."""
    capabilities: Capabilities
    others: Templates = _NONE
    """Where sub-workflows are looked up."""
    change: Change = unchanged
    """Puts in the members of the input that are given beside the words."""
    judge: Judge = nobody
    """Whoever has learnt from use."""
    examples: tuple[Example, ...] = ()
    """What people have said that words mean: composition learns which capabilities such words want."""
    described: Mapping[str, str] = {}
    """What agents that are there offer, `name@version`, each with what it is for: of these new graphs are made."""
    tries: Mapping[str, Sequence[Try]] = {}
    """What is known of earlier attempts, by the name of the capability."""
    now: datetime | None = None
    """The present, from which `tomorrow` is told; None where that is not known."""
    slots: Slots = unknown_slots
    """How many tasks the agents of a capability that are there can do at a time."""
    accepted: str | None = None
    """The name of a composed graph that somebody has accepted although it is not sure that it is meant."""

    @cached_property
    def newest(self) -> dict[str, KnownTemplate]:
        """The highest version of each template, by name."""
        ordered = sorted(self.known, key=lambda known: Version.parse(known.template.version))
        return {known.template.name: known for known in ordered}

    @cached_property
    def phrased(self) -> list[Template]:
        """The newest templates that have example phrases."""
        return [known.template for known in self.newest.values() if known.template.examples]

    def given(self, template: Template) -> dict[str, Any]:
        """The members of the template's input that are given beside the words; none where it does not take them."""
        try:
            found = self.change({}, template.input)
        except BadInput:
            return {}
        return found if isinstance(found, dict) else {}


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """Another template that was considered, and why it was not taken."""

    template: str
    phrase: str
    score: float
    why_not: str


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What an objective means."""

    known: KnownTemplate
    input: Any
    """Valid by the template's input schema; defaults need not be filled in."""
    confidence: float
    """How likely it is that this is meant, from 0 to 1."""
    reasons: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    """What is said, and nothing is done for: it is among the reasons, too."""
    slots: dict[str, str] = {}
    """The words of the objective that went into each part of the input."""
    alternatives: tuple[Candidate, ...] = ()
    version: int | None = None
    """The version of the classifier that has decided; None where none did."""
    whys: Mapping[str, str] = {}
    """Why each task is there, in words that its template does not have; its description, for those left out."""
    document: dict[str, Any] | None = None
    """Its document, where the way made the template and it is no known one; the digest is of the canonical form."""


class Incomplete(msgspec.Struct, frozen=True):
    """It is clear which template is meant, and what it needs was not said, or not so that it can be used."""

    problems: tuple[Problem, ...]
    wanting: Wanting | None = None
    """What is to be said yet; None where several templates could be meant."""
    several: tuple[str, ...] = ()
    """Their names, the likeliest first."""
    takes: JsonSchema = True
    """The schema of its input; that of anything where several templates could be meant."""

    @classmethod
    def of(cls, known: KnownTemplate, said: dict[str, Any], missing: Sequence[str], hint: str) -> Self:
        """Of one template, by what was said of its input and which parts were not (ACC802)."""
        slots = ", ".join(f"`{slot}`" for slot in missing)
        message = f"for `{known.template.name}` the objective does not say {slots}"
        problem = Problem("ACC802", message, Place(), f"say it like {hint}")
        return cls((problem,), wanting_of(known, said, missing), takes=known.template.input)


def wanting_of(known: KnownTemplate, said: dict[str, Any], missing: Sequence[str]) -> Wanting:
    """What is to be said yet, so that the template gets a valid input."""
    parts = {name: schema_at(known.template.input, (name,)) for name in missing}
    schemas, definitions = joined({name: True if part is None else part for name, part in parts.items()})
    schema: dict[str, Any] = {"type": "object", "properties": schemas, "required": list(missing)}
    if definitions:
        schema["$defs"] = definitions
    return Wanting(template=known.name, digest=known.digest, input=said, schema=schema)


class Unsure(msgspec.Struct, frozen=True):
    """This way does not know what is meant; the next one is asked."""

    problems: tuple[Problem, ...] = ()
    """Why not, for when no way knows; none where it has nothing to say about this objective."""
    several: tuple[str, ...] = ()
    """The names of templates that are about equally likely to be meant, the likeliest first."""


Answer: TypeAlias = Found | Incomplete | Unsure


class Way(Protocol):
    """One way to find out what an objective means. It never gives what is not known: every capability of what it finds
    is in a known template, or among the capabilities of the objective.
    """

    @property
    def name(self) -> WayName:
        """What plans say that they were found by."""
        ...

    async def find(self, objective: Objective) -> Answer:
        """What the objective means; it raises nothing for one that it does not understand."""
        ...
