"""Agents as they are written: derived contracts, refusals at decoration, outcomes."""

from __future__ import annotations

import math
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, field_validator
from typing_extensions import TypedDict

from accord.errors import BadInput
from accord.sdk import Agent, Context, Failure, Result
from accord.sdk.outcome import Output


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Point(BaseModel):
    x: float
    y: float = 0


class Even(BaseModel):
    number: int

    @field_validator("number")
    @classmethod
    def is_even(cls, number: int) -> int:
        if number % 2:
            raise ValueError("it is odd")
        return number


@dataclass
class Line:
    points: list[Point]
    name: str = ""
    tags: list[str] = field(default_factory=list)


class Labels(TypedDict):
    first: str
    second: str


class Names(typing.TypedDict):
    first: str
    second: typing.NotRequired[str]


class Sizes(typing.TypedDict, total=False):
    """The standard library's, which Pydantic does not take before Python 3.12."""

    width: typing.Required[int]
    height: int
    names: list[Annotated[Names, Field(description="of it")] | None]


class Box(msgspec.Struct, frozen=True):
    width: int
    label: str = "box"


class Opaque:
    """Nothing that JSON could say."""


async def call(agent: Agent, name: str, document: Any, **facts: Any) -> Output:
    return await agent.capabilities[name].body(orjson.dumps(document), Context.for_test(**facts))


def offered(function: Callable[..., Any], **terms: Any) -> Any:
    agent = Agent("test")
    agent.capability("test.it@1.0.0", **terms)(function)
    return agent


def codes_of(function: Callable[..., Any], **terms: Any) -> list[str]:
    with pytest.raises(BadInput) as caught:
        offered(function, **terms)
    assert all(problem.message for problem in caught.value.problems)
    return sorted(problem.code for problem in caught.value.problems)


# -- what is derived -----------------------------------------------------------------------------------


async def test_parameters_are_members_and_defaults_make_them_optional() -> None:
    agent = Agent("test", organisation="acme")

    @agent.capability("test.it@1.2.0", confidence=0.5, deadline=timedelta(seconds=3), tags=["a"])
    async def it(text: str, times: Annotated[int, Field(ge=1)] = 2, *, context: Context) -> list[str]:
        """Repeats a text.

        As often as it is told.
        """
        return [text + context.run] * times

    capability = agent.capabilities["test.it@1.2.0"]
    assert capability.contract.document() == {
        "capability": "test.it",
        "version": "1.2.0",
        "input": {
            "type": "object",
            "properties": {
                "text": {"type": "string"},
                "times": {"type": "integer", "minimum": 1, "default": 2},
            },
            "required": ["text"],
            "additionalProperties": False,
        },
        "output": {"type": "array", "items": {"type": "string"}},
        "limits": {"deadline_s": 3, "min_confidence": "0.5"},
    }
    assert capability.terms.description == "Repeats a text."
    assert agent.id == "spiffe://acme/agent/test"
    assert await it("a", context=Context.for_test()) == ["arun_test"] * 2, "the function stays as it is"
    assert orjson.loads((await call(agent, "test.it@1.2.0", {"text": "b"})).data) == ["brun_test"] * 2


def as_model(point: Point) -> Point:
    return point


def as_dataclass(line: Line) -> Line:
    return line


def as_typed_dict(labels: Labels) -> Labels:
    return labels


def as_standard_typed_dict(sizes: Sizes) -> Sizes:
    return sizes


def as_struct(box: Box) -> Box:
    return box


def as_members(box: Box, labels: Labels, times: int = 2) -> list[Box]:
    return [box] * max(times, len(labels))


@pytest.mark.parametrize(
    ("function", "members", "document"),
    [
        (as_model, {"x", "y"}, {"x": 1.0, "y": 2.0}),
        (as_dataclass, {"points", "name", "tags"}, {"points": [{"x": 1.0, "y": 0.0}], "name": "a", "tags": []}),
        (as_typed_dict, {"first", "second"}, {"first": "a", "second": "b"}),
        (as_standard_typed_dict, {"width", "height", "names"}, {"width": 1, "names": [{"first": "a"}, None]}),
        (as_struct, {"width", "label"}, {"width": 1, "label": "c"}),
    ],
)
async def test_a_model_alone_is_the_whole_input(function: Callable[..., Any], members: set[str], document: Any) -> None:
    agent = offered(function)
    contract = agent.capabilities["test.it@1.0.0"].contract
    assert contract.input.document["properties"].keys() == members
    assert contract.violations_of_input({**document, "unknown": 1}), "objects are closed"
    assert not contract.violations_of_input(document)
    data = (await call(agent, "test.it@1.0.0", document)).data
    assert orjson.loads(data) == document
    assert not contract.violations_of_output(orjson.loads(data))


async def test_structs_and_others_can_be_members() -> None:
    agent = offered(as_members)
    data = (await call(agent, "test.it@1.0.0", {"box": {"width": 3}, "labels": {"first": "", "second": ""}})).data
    assert orjson.loads(data) == [{"width": 3, "label": "box"}] * 2


def test_typed_dicts_of_the_standard_library_say_what_may_be_absent() -> None:
    document = offered(as_standard_typed_dict).capabilities["test.it@1.0.0"].contract.input.document
    assert document["required"] == ["width"]
    assert document["$defs"]["Names"]["required"] == ["first"]
    assert document["description"].startswith("The standard library's")


def test_outputs_always_have_their_defaults() -> None:
    contract = offered(as_model).capabilities["test.it@1.0.0"].contract
    assert contract.input.document["required"] == ["x"]
    assert contract.output.document["required"] == ["x", "y"]


def test_declared_schemas_are_taken_as_they_are() -> None:
    def whole(document: Any) -> Any:
        return document

    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    contract = offered(whole, input=schema, output={"type": "null"}).capabilities["test.it@1.0.0"].contract
    assert contract.input.document == schema
    assert contract.output.document == {"type": "null"}


async def test_a_declared_input_goes_to_the_parameters_it_names() -> None:
    def add(a: int, b: int = 3) -> int:
        return a + b

    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    assert (await call(offered(add, input=schema), "test.it@1.0.0", {"a": 1})).data == b"4"
    assert codes_of(add, input={**schema, "additionalProperties": True}) == ["ACC723"]
    assert codes_of(add, input={**schema, "required": []}) == ["ACC723"]


# -- round trips ---------------------------------------------------------------------------------------

TYPES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, st.integers(-(2**63), 2**63 - 1)),
    (str, st.text()),
    (bool, st.booleans()),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (datetime, st.datetimes(timezones=st.just(UTC))),
    (date, st.dates()),
    (UUID, st.uuids()),
    (Colour, st.sampled_from(Colour)),
    (Decimal, st.decimals(-1000, 1000, places=3)),
    (list[int], st.lists(st.integers(0, 9))),
    (set[str], st.sets(st.text(), max_size=1)),
    (dict[str, float], st.dictionaries(st.text(), st.floats(0, 1))),
    (tuple[int, str], st.tuples(st.integers(0, 9), st.text())),
    (int | None, st.none() | st.integers(0, 9)),
    (Point, st.builds(Point, x=st.floats(0, 1), y=st.floats(0, 1))),
    (Line, st.builds(Line, points=st.just([Point(x=1)]), name=st.text(), tags=st.lists(st.text()))),
    (Box, st.builds(Box, width=st.integers(0, 9), label=st.text())),
    (list[Box], st.lists(st.builds(Box, width=st.integers(0, 9)))),
]
ANY_TYPE = st.sampled_from(TYPES).flatmap(lambda each: st.tuples(st.just(each[0]), each[1]))


def echo_of(annotation: Any) -> Agent:
    async def echo(value: Any) -> Any:
        return value

    echo.__annotations__ = {"value": annotation, "return": annotation}
    return offered(echo)  # type: ignore[no-any-return]  # an Agent


AGENTS = {str(annotation): echo_of(annotation) for annotation, _ in TYPES}


@given(case=ANY_TYPE)
async def test_what_a_function_gives_keeps_its_schema_and_comes_back_equal(case: tuple[Any, Any]) -> None:
    annotation, value = case
    capability = AGENTS[str(annotation)].capabilities["test.it@1.0.0"]

    written = capability.body._output.dump(value)  # type: ignore[attr-defined]  # the shape of a function's output
    document = orjson.loads(written)
    assert not capability.contract.violations_of_output(document)
    whole = capability.body._whole is not None  # type: ignore[attr-defined]  # as above
    sent = document if whole else {"value": document}
    assert not capability.contract.violations_of_input(sent)
    given_back = await capability.body(orjson.dumps(sent), Context.for_test())
    assert orjson.loads(given_back.data) == document
    loaded = capability.body._input.load(orjson.dumps(sent))  # type: ignore[attr-defined]  # as above
    assert (loaded if whole else loaded["value"]) == value


# -- refusals ------------------------------------------------------------------------------------------


def test_all_that_is_wrong_with_a_function_is_told_at_once() -> None:
    def wrong(a, b: Missing, *rest: int):  # type: ignore[no-untyped-def, name-defined]  # noqa: F821 -- refused
        return a

    agent = Agent("test")
    with pytest.raises(BadInput) as caught:
        agent.capability("no name")(wrong)
    codes = sorted(problem.code for problem in caught.value.problems)
    assert codes == ["ACC230", "ACC723", "ACC724", "ACC724", "ACC724"]
    assert all(problem.hint for problem in caught.value.problems)
    assert not agent.capabilities


def no_default(c: int = "x") -> int:  # type: ignore[assignment]  # that is what is refused
    return c


def opaque_in(value: Opaque) -> int:
    return 1


def opaque_out() -> Opaque:
    return Opaque()


def generator() -> Iterator[int]:
    yield 1


def positional(a: int, /) -> int:
    return a


@pytest.mark.parametrize(
    ("function", "code"),
    [
        (no_default, "ACC726"),
        (opaque_in, "ACC722"),
        (opaque_out, "ACC722"),
        (generator, "ACC725"),
        (positional, "ACC723"),
    ],
)
def test_a_wrong_function_is_refused(function: Callable[..., Any], code: str) -> None:
    assert codes_of(function) == [code]


def test_a_default_keeps_its_schema() -> None:
    wrong = {"properties": {"n": {"minimum": 5, "default": 1}}}
    assert codes_of(lambda given: given, input=wrong, output=wrong) == ["ACC248", "ACC248"]


def test_a_capability_is_offered_once() -> None:
    agent = offered(as_model)
    with pytest.raises(BadInput) as caught:
        agent.capability("test.it@1.0.0")(as_struct)
    assert [problem.code for problem in caught.value.problems] == ["ACC727"]


def test_examples_keep_the_contract() -> None:
    with pytest.raises(BadInput) as caught:
        offered(as_model, examples=[{"x": 1}, {"x": "one", "z": 2}])
    assert {problem.code for problem in caught.value.problems} == {"ACC250"}
    assert len(caught.value.problems) == 2
    assert {(problem.place.pointer or "")[:11] for problem in caught.value.problems} == {"/examples/1"}


def test_all_that_is_wrong_with_an_agent_is_told_at_once() -> None:
    with pytest.raises(BadInput) as caught:
        Agent("Not a name", organisation="", concurrency=0, queue=-1)
    assert [problem.code for problem in caught.value.problems] == ["ACC728"] * 4


def test_limits_are_checked() -> None:
    assert codes_of(as_model, confidence=2, deadline=timedelta(0)) == ["ACC245", "ACC245"]


# -- outcomes ------------------------------------------------------------------------------------------


async def test_a_result_carries_its_confidence() -> None:
    def sure() -> Result[int]:
        return Result(3, confidence=0.25)

    agent = offered(sure)
    assert await call(agent, "test.it@1.0.0", {}) == Output(b"3", 0.25)
    with pytest.raises(BadInput, match="ACC721"):
        Result(3, confidence=1.5)


def nan_in_model() -> Point:
    return Point(x=math.nan)


def nan_in_list() -> list[float | None]:
    return [None, math.inf]


def nan_in_struct() -> dict[str, Box]:
    return {"a": Box(math.nan)}  # type: ignore[arg-type]  # that is what is refused


def nan_declared() -> Any:
    return {"a": [math.nan]}


def no_json() -> Any:
    return {"a": object()}


@pytest.mark.parametrize("function", [nan_in_model, nan_in_list, nan_in_struct, nan_declared, no_json])
async def test_what_is_no_json_is_a_failure(function: Callable[..., Any]) -> None:
    with pytest.raises(Failure) as caught:
        await call(offered(function), "test.it@1.0.0", {})
    assert caught.value.code == "output-not-json"


async def test_null_is_not_taken_for_nan() -> None:
    def nothing() -> list[float | None]:
        return [None, 1.5]

    assert (await call(offered(nothing), "test.it@1.0.0", {})).data == b"[null,1.5]"


async def test_an_output_that_breaks_the_contract_is_for_the_gate_to_refuse() -> None:
    def lying() -> int:
        return "no number"  # type: ignore[return-value]  # that is what the gate is for

    assert (await call(offered(lying), "test.it@1.0.0", {})).data == b'"no number"'


async def test_what_a_type_asks_beyond_its_schema_is_refused_with_the_place() -> None:
    def take(even: Even) -> int:
        return even.number

    with pytest.raises(Failure) as caught:
        await call(offered(take), "test.it@1.0.0", {"number": 3})
    assert caught.value.code == "input-contract"
    assert caught.value.details["violations"][0]["place"] == {"pointer": "/number"}  # type: ignore[index]  # a mapping


async def test_progress_can_be_awaited_and_need_not_be() -> None:
    context = Context.for_test()
    told: list[float] = []
    context.link.report = lambda progress: told.append(progress.fraction)
    await context.progress(0.5, "half")
    context.progress(7)
    assert told == [0.5, 1.0]


def test_cancellation_is_seen_and_raised() -> None:
    context = Context.for_test()
    context.raise_if_cancelled()
    context.link.cancelled = True
    assert context.cancelled
    with pytest.raises(Failure, match="cancelled"):
        context.raise_if_cancelled()


def test_records_of_the_logger_carry_the_attempt(caplog: pytest.LogCaptureFixture) -> None:
    Context.for_test(attempt=3).log.warning("hello", extra={"more": 1})
    record = caplog.records[0]
    assert (record.run, record.task, record.attempt, record.more) == ("run_test", "test", 3, 1)  # type: ignore[attr-defined]  # extras
