"""The diagnostician: which verdict a case gets, why, and how sure it is; its contract and its card."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.builtin import agents
from accord.builtin.diagnose import OUTPUT, RULES, agent, confidence_in, diagnose
from accord.domain.capability import CapabilityRef
from accord.domain.diagnosis import DIAGNOSE, Case, Change, Diagnosis
from accord.domain.message import strict_json
from accord.domain.schema import compile_schema
from accord.errors import MessageRefused, Problem
from accord.sdk import Context

SCHEMA = {
    "type": "object",
    "properties": {"count": {"type": "integer", "maximum": 9}, "note": {"type": "string"}},
    "required": ["count"],
    "additionalProperties": False,
}
CONTRACT = agent.capabilities["accord.diagnose@1.0.0"].contract
UNSURE = Problem("ACC421", "the contract asks for a confidence of 0.8")


def case(output: object, **given: Any) -> Case:
    """A case as the gate makes it; one attempt of three was used, one other agent could do it."""
    schema = compile_schema(SCHEMA)
    usual: dict[str, Any] = {
        "task": "count",
        "capability": "text.count@1.0.0",
        "agent": "ann",
        "output_schema": SCHEMA,
        "output": output,
        "problems": schema.violations(output, "ACC251"),
        "attempts_used": 1,
        "attempts_allowed": 3,
        "agents_tried": ("ann",),
        "peers": 1,
    }
    return Case(**{**usual, **given})


def no_json(text: str, **given: Any) -> Case:
    with pytest.raises(MessageRefused) as caught:
        strict_json(text.encode())
    return case(text, is_json=False, problems=caught.value.problems, **given)


def diagnosis(one: Case) -> Diagnosis:
    return diagnose(one).value


def test_a_repair_carries_the_output_and_says_what_was_changed() -> None:
    found = diagnose(case({"result": {"count": "3"}}))
    assert found.value.verdict == "repaired"
    assert found.value.output == {"count": 3}
    assert [change.rule for change in found.value.changes] == ["unwrapped", "number-from-text"]
    assert found.value.explanation == (
        "The result of ann keeps its contract after 2 changes: /result: the result taken out of its wrapper; "
        "/count: text read as the number it spells."
    )


def test_json_in_a_fence_is_extracted() -> None:
    text = 'Here it is:\n```json\n{"count": "3"}\n```'
    found = diagnosis(no_json(text))
    assert (found.verdict, found.output) == ("repaired", {"count": 3})
    assert found.changes[0] == Change("", "extracted", text)
    assert [change.rule for change in found.changes] == ["extracted", "number-from-text"]


@pytest.mark.parametrize(
    "text", ["I could not do it.", '{"count": 3,}', '{"count": 1} or {"count": 2}', '{"count": 12']
)
def test_text_without_one_clear_value_goes_back(text: str) -> None:
    found = diagnosis(no_json(text))
    assert found.verdict == "retry"
    assert "Return one JSON document and nothing else" in found.explanation


def test_what_cannot_be_repaired_goes_back_with_all_problems() -> None:
    found = diagnosis(case({"count": 10, "extra": 1}))
    assert found.verdict == "retry"
    assert found.output is msgspec.UNSET
    assert "2 attempts left" in found.explanation
    assert "/count: 10 is greater than the maximum of 9" in found.explanation
    assert "extra" in found.explanation


def test_no_attempts_left() -> None:
    found = diagnosis(case({"count": 10}, attempts_used=3))
    assert found.verdict == "fail"
    assert "all 3 attempts are used" in found.explanation
    assert "the only attempt is used" in diagnosis(case({"count": 10}, attempts_allowed=1)).explanation


def test_an_agent_that_breaks_it_again_is_replaced() -> None:
    found = diagnosis(case({"count": 10}, attempts_used=2, agents_tried=("ann", "ann")))
    assert found.verdict == "reassign"
    assert "1 other agent can do it" in found.explanation


def test_an_agent_that_breaks_another_rule_is_tried_again() -> None:
    earlier = (compile_schema(SCHEMA).violations({"count": 1, "x": 1}, "ACC251"),)
    found = diagnosis(case({"count": 10}, attempts_used=2, agents_tried=("ann", "ann"), earlier=earlier))
    assert found.verdict == "retry"


def test_an_agent_that_breaks_the_same_rule_elsewhere_is_replaced() -> None:
    schema = {"type": "array", "items": {"type": "integer", "maximum": 9}}
    compiled = compile_schema(schema)
    found = diagnosis(
        case(
            [1, 10],
            output_schema=schema,
            problems=compiled.violations([1, 10]),
            attempts_used=2,
            agents_tried=("ann", "ann"),
            earlier=(compiled.violations([11]),),
        )
    )
    assert found.verdict == "reassign"


def test_the_same_rule_is_the_same_whatever_came_closest() -> None:
    first, again = (Problem("ACC251", f"{x} fits nowhere", hint=f"rule /anyOf; closest: {x}") for x in ("a", "b"))
    tried = {"attempts_used": 2, "agents_tried": ("ann", "ann")}
    assert diagnosis(case({"count": 10}, problems=(again,), earlier=((first,),), **tried)).verdict == "reassign"


def test_the_only_agent_is_tried_again_as_long_as_the_template_allows() -> None:
    found = diagnose(case({"count": 10}, attempts_used=2, agents_tried=("ann", "ann"), peers=0))
    assert found.value.verdict == "retry"
    assert "no other agent can do it" in found.value.explanation
    assert found.confidence is not None
    assert found.confidence < 0.5


def test_another_agents_failure_does_not_count() -> None:
    assert diagnosis(case({"count": 10}, attempts_used=2, agents_tried=("bob", "ann"))).verdict == "retry"


def test_a_contract_that_three_agents_break_alike_is_suspect() -> None:
    earlier = compile_schema(SCHEMA).violations({"count": 11}, "ACC251")
    tried = {"attempts_used": 3, "attempts_allowed": 9, "agents_tried": ("bob", "cat", "ann")}
    found = diagnosis(case({"count": 10}, **tried, earlier=(earlier, earlier)))
    assert found.verdict == "fail"
    assert "3 different agents broke the same rule" in found.explanation
    assert "the contract of text.count@1.0.0 is suspect" in found.explanation
    other = compile_schema(SCHEMA).violations({"x": 1}, "ACC251")
    assert diagnosis(case({"count": 10}, **tried, earlier=(earlier, other))).verdict == "retry"
    assert diagnosis(case({"count": 10}, **tried)).verdict == "fail"


def test_a_repair_comes_before_suspicion() -> None:
    assert diagnosis(case({"count": "3"}, attempts_used=3, agents_tried=("bob", "cat", "ann"))).verdict == "repaired"


def test_doubt_cannot_be_repaired_away() -> None:
    found = diagnosis(case({"count": 3}, problems=(UNSURE,)))
    assert found.verdict == "retry"
    assert "confidence of 0.8" in found.explanation


def test_a_schema_that_is_none_fails_with_its_reason() -> None:
    found = diagnosis(case({"count": 3}, output_schema={"type": "nothing"}, problems=(UNSURE,)))
    assert found.verdict == "fail"
    assert "cannot be used" in found.explanation


def test_long_stories_are_cut() -> None:
    schema = {"type": "array", "items": {"type": "integer"}}
    found = diagnosis(case([str(one) for one in range(30)], output_schema=schema, problems=(UNSURE,)))
    assert "30 changes" in found.explanation
    assert found.explanation.endswith("; and 20 more.")
    assert len(found.changes) == 30


def test_more_changes_mean_less_confidence() -> None:
    one = confidence_in((Change("/a", "number-from-text"),))
    two = confidence_in((Change("/a", "number-from-text"), Change("/b", "number-from-text")))
    three = confidence_in((Change("/a", "number-from-text"), Change("/b", "filled")))
    assert 1 > one > two > three > 0.5
    assert confidence_in(()) == 1


# -- the contract --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "valid"),
    [
        ({"verdict": "repaired", "explanation": "", "output": None}, True),
        ({"verdict": "repaired", "explanation": "", "output": 1, "changes": [{"pointer": "", "rule": "x"}]}, True),
        ({"verdict": "retry", "explanation": ""}, True),
        ({"verdict": "repaired", "explanation": ""}, False),
        ({"verdict": "retry", "explanation": "", "output": None}, False),
        ({"verdict": "fail", "explanation": "", "changes": [{"pointer": "", "rule": "x"}]}, False),
        ({"verdict": "repair", "explanation": "", "output": 1}, False),
        ({"verdict": "retry"}, False),
        ({"verdict": "retry", "explanation": "", "more": 1}, False),
        ({"verdict": "repaired", "explanation": "", "output": 1, "changes": [{"rule": "x"}]}, False),
    ],
)
def test_an_output_is_there_exactly_where_something_was_repaired(document: object, valid: bool) -> None:
    assert CONTRACT.output.is_valid(document) is valid
    assert compile_schema(OUTPUT) == CONTRACT.output


def test_a_case_is_closed() -> None:
    document = msgspec.to_builtins(case({"count": 10}))
    assert CONTRACT.violations_of_input(document) == ()
    assert CONTRACT.violations_of_input({**document, "more": 1})
    assert CONTRACT.violations_of_input({**document, "attempts_used": -1})
    assert CONTRACT.violations_of_input({**document, "problems": []})


async def call(one: Case) -> tuple[Diagnosis, float | None]:
    """The diagnosis as the engine reads it from the agent's bytes."""
    data = msgspec.json.encode(one)
    assert CONTRACT.violations_of_input(orjson.loads(data)) == ()
    output = await agent.capabilities["accord.diagnose@1.0.0"].body(data, Context.for_test())
    assert CONTRACT.violations_of_output(strict_json(output.data)) == ()
    return msgspec.json.decode(output.data, type=Diagnosis), output.confidence


@pytest.mark.parametrize("output", [{"count": "3"}, {"count": 10}, [{"count": 1, "note": None}], None, "x"])
async def test_the_wire_and_back(output: object) -> None:
    one = case(output)
    said = diagnose(one)
    read, confidence = await call(one)
    assert read == said.value
    assert confidence == said.confidence


def test_the_engine_finds_it() -> None:
    assert agent in agents()
    (name,) = agent.capabilities
    assert DIAGNOSE.matches(CapabilityRef.parse(name))


# -- properties ----------------------------------------------------------------------------------------------

OUTPUTS = st.sampled_from(
    [{"count": "3"}, {"count": 10}, {"count": None}, {"result": {"count": 1}}, [], 3, None, "3", {"count": 1, "x": 2}]
)
AGENTS = st.sampled_from(["ann", "bob", "cat"])


@given(OUTPUTS, st.lists(AGENTS, max_size=4), st.integers(1, 5), st.integers(0, 5), st.integers(0, 2))
def test_every_verdict_is_allowed(output: object, before: list[str], used: int, allowed: int, peers: int) -> None:
    tried = (*before, "ann")
    one = case(output, agents_tried=tried, attempts_used=used, attempts_allowed=allowed, peers=peers)
    said = diagnose(one)
    assert diagnose(one) == said
    assert said.confidence is not None
    found = said.value
    assert found.explanation.endswith(".")
    if found.verdict == "repaired":
        assert compile_schema(SCHEMA).is_valid(found.output)
        assert found.changes
        assert {change.rule for change in found.changes} <= RULES.keys()
    else:
        assert found.output is msgspec.UNSET
        assert found.changes == ()
        assert found.verdict == "fail" or one.attempts_allowed > one.attempts_used
        assert found.verdict != "reassign" or one.peers > 0
