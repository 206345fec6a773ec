"""Agents as they are written: an identity and capabilities, each a typed function or a declared body.

agent = Agent("summarizer", concurrency=4)

@agent.capability("text.summarize@1.0.0")
async def summarize(text: str, sentences: int = 3, *, context: Context) -> Summary: ...
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from accord.domain.agent import AgentCard, Capacity, Offer, agent_id, agent_problems
from accord.domain.capability import CapabilityRef
from accord.domain.contract import NO_LIMITS, Contract, Limits, compile_contract
from accord.domain.defaults import default_problems
from accord.domain.ids import InstanceId
from accord.domain.labels import told
from accord.domain.schema import JsonSchema
from accord.domain.signature import PublicKey
from accord.errors import BadInput, Place, Problem
from accord.sdk.function import Body, FunctionBody
from accord.sdk.outcome import read_cost
from accord.sdk.parameters import Declared, signature_of

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What is said about a capability beside its schemas."""

    description: str = ""
    limits: Limits = NO_LIMITS
    examples: tuple[Any, ...] = ()
    """Inputs that show what it is for; each keeps the contract."""
    tags: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    """What results have beside the labels of what they were made of."""


class Bound(msgspec.Struct, frozen=True):
    """A body with the schemas of what it takes and gives."""

    body: Body
    input: JsonSchema
    output: JsonSchema


class Capability(msgspec.Struct, frozen=True, kw_only=True):
    """A capability as an agent offers it."""

    ref: CapabilityRef
    contract: Contract
    terms: Terms
    body: Body


class Agent:
    """An identity and the capabilities it offers.

    `concurrency` tasks are worked on at a time, and `queue` more wait at the agent for their turn: as many where it is
    None. What waits there is not done by anybody else: short tasks want a long queue, long ones a short one.

    Raises BadInput with all that is wrong.
    """

    def __init__(
        self,
        name: str,
        *,
        organisation: str = "local",
        concurrency: int = 8,
        queue: int | None = None,
        description: str = "",
    ) -> None:
        self.capacity = Capacity(concurrency, concurrency if queue is None else queue)
        BadInput.raise_if(agent_problems(name, organisation, self.capacity))
        self.name = name
        self.organisation = organisation
        self.id = agent_id(organisation, name)
        self.description = description
        self._capabilities: dict[str, Capability] = {}

    @property
    def capabilities(self) -> Mapping[str, Capability]:
        """The capabilities by `name@version`, in the order of their declaration."""
        return MappingProxyType(self._capabilities)

    def capability(  # noqa: PLR0913 -- a declaration: every field but the name is optional and named
        self,
        name: str,
        *,
        description: str = "",
        deadline: timedelta | None = None,
        confidence: Decimal | float | None = None,
        max_cost: Decimal | str | int | None = None,
        input: Mapping[str, Any] | None = None,  # noqa: A002 -- the glossary's word, as on the wire
        output: Mapping[str, Any] | None = None,
        examples: Sequence[Any] = (),
        tags: Sequence[str] = (),
        labels: Sequence[str] = (),
    ) -> Callable[[F], F]:
        """Offer the decorated function, which stays as it is, as the capability `name@version`.

        The input is the function's parameters, or its only one where that is a model; the output is its
        return type. `input` and `output` declare JSON Schemas in their place: one parameter then takes the
        document as it is. `deadline`, `confidence` and `max_cost` are the contract's limits; with a
        `max_cost`, results have to say what they have cost. `labels` is what results are (`confidential`,
        `personal`, …) beside what the labels of their input make of them. The description is
        the first line of the docstring where none is given.

        Raises BadInput with all that is wrong when the function is decorated.
        """

        def decorate(function: F) -> F:
            terms = Terms(
                description=description or (inspect.getdoc(function) or "").partition("\n")[0],
                limits=Limits(deadline, _cost(max_cost), _decimal(confidence)),
                examples=tuple(examples),
                tags=tuple(tags),
                labels=tuple(labels),
            )
            self.offer(name, terms, lambda: bound_function(function, Declared(input, output)))
            return function

        return decorate

    def offer(self, name: str, terms: Terms, bind: Callable[[], Bound]) -> None:
        """Offer what `bind` gives as the capability `name`. Raises BadInput with all that is wrong."""
        problems: list[Problem] = []
        ref = _attempt(lambda: CapabilityRef.parse(name), problems)
        if ref is not None and str(ref) in self._capabilities:
            problems.append(Problem("ACC727", f"agent {self.name} offers {ref} already", hint="raise the version"))
        bound = _attempt(bind, problems)
        if ref is None or bound is None or problems:
            raise BadInput(*problems)
        contract = compile_contract(
            capability=ref.name,
            version=ref.version,
            input_schema=bound.input,
            output_schema=bound.output,
            limits=terms.limits,
            labels=terms.labels,
        )
        BadInput.raise_if(_default_problems(contract))
        BadInput.raise_if(_example_problems(contract, terms.examples))
        self._capabilities[str(ref)] = Capability(ref=ref, contract=contract, terms=terms, body=bound.body)

    def card(self, instance: InstanceId, keys: Sequence[PublicKey]) -> AgentCard:
        """The card that an instance with these keys publishes."""
        return AgentCard(
            agent=self.id,
            instance=instance,
            organisation=self.organisation,
            description=self.description,
            keys=tuple(key.to_jwk() for key in keys),
            capabilities=tuple(_offer(capability) for capability in self._capabilities.values()),
            capacity=self.capacity,
            batches=True,
        )


def _decimal(number: Decimal | float | None) -> Decimal | None:
    return None if number is None else Decimal(str(number))


def _cost(cost: Decimal | str | int | None) -> Decimal | None:
    text = read_cost(cost)
    return None if text is None else Decimal(text)


def bound_function(function: Callable[..., Any], declared: Declared) -> Bound:
    """The function as a body, with the schemas that its types or its declaration say."""
    signature = signature_of(function, declared)
    return Bound(FunctionBody(function, signature), signature.input.schema, signature.output.schema)


def _attempt(make: Callable[[], T], problems: list[Problem]) -> T | None:
    """What `make` gives; None, and its problems with the others, where it refuses."""
    try:
        return make()
    except BadInput as error:
        problems.extend(error.problems)
        return None


def _default_problems(contract: Contract) -> Iterator[Problem]:
    yield from default_problems(contract.input.document, "/input")
    yield from default_problems(contract.output.document, "/output")


def _example_problems(contract: Contract, examples: Sequence[Any]) -> Iterator[Problem]:
    for index, example in enumerate(examples):
        for problem in contract.violations_of_input(example):
            place = Place(pointer=f"/examples/{index}{problem.place.pointer or ''}")
            yield msgspec.structs.replace(problem, place=place)


def _offer(capability: Capability) -> Offer:
    contract, terms = capability.contract, capability.terms
    return Offer(
        capability=str(capability.ref),
        description=terms.description,
        input=contract.input.document,
        output=contract.output.document,
        limits=contract.limits.document(),
        labels=told(contract.labels),
        examples=terms.examples,
        tags=terms.tags,
    )
