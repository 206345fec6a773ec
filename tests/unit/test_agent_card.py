"""The agent card and the other payloads: strict, and all problems at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.domain.agent import AgentCard, agent_id, decode_card, encode_card
from accord.domain.ids import InstanceId, LeaseToken
from accord.domain.payloads import (
    AssignContext,
    AssignPayload,
    FailurePayload,
    HeartbeatPayload,
    ProgressPayload,
    RejectPayload,
    bounded,
    decode_assign,
    decode_payload,
    encode_payload,
)
from accord.errors import MessageRefused, Place, Problem
from accord.sdk import Agent
from accord.testing.keys import MemoryKeyStore

AGENT = Agent("cards", organisation="acme", concurrency=2, queue=3, description="Shows cards.")


@AGENT.capability("test.echo@1.0.0", tags=["test"], examples=[{"text": "a"}])
def echo(text: str) -> str:
    """Gives back what it gets."""
    return text


@AGENT.capability("test.length@2.1.0")
def length(text: str) -> int:
    return len(text)


@pytest.fixture
async def card() -> AgentCard:
    key = await MemoryKeyStore().create("agent")
    return AGENT.card(InstanceId(f"{AGENT.id}#1"), [key])


async def test_a_card_survives_the_wire(card: AgentCard) -> None:
    again = decode_card(encode_card(card))
    assert again == card
    assert again.agent == agent_id("acme", "cards") == "spiffe://acme/agent/cards"
    assert again.contracts() == tuple(each.contract for each in AGENT.capabilities.values())
    assert again.capacity.total == 5
    assert (again.capabilities[0].description, again.capabilities[0].tags) == (
        "Gives back what it gets.",
        ("test",),
    )


def broken(change: Callable[[dict[str, Any]], None], card: AgentCard) -> list[tuple[str, str | None]]:
    document = orjson.loads(encode_card(card))
    change(document)
    with pytest.raises(MessageRefused) as caught:
        decode_card(orjson.dumps(document))
    return [(problem.code, problem.place.pointer) for problem in caught.value.problems]


async def test_all_that_breaks_the_shape_is_told_at_once(card: AgentCard) -> None:
    def change(document: dict[str, Any]) -> None:
        document["unknown"] = 1
        document["agent"] = "cards"
        document["capacity"]["concurrency"] = 0
        document["capabilities"][0]["price"] = 3
        del document["keys"]

    found = broken(change, card)
    assert {code for code, _ in found} == {"ACC731"}
    assert {pointer for _, pointer in found} == {
        "",
        "/unknown",
        "/agent",
        "/capacity/concurrency",
        "/capabilities/0/price",
    }
    assert len(found) == 5


async def test_all_that_does_not_fit_together_is_told_at_once(card: AgentCard) -> None:
    def change(document: dict[str, Any]) -> None:
        document["organisation"] = "other"
        document["instance"] = "spiffe://acme/agent/another#1"
        document["capabilities"][1] |= {"capability": "test.echo@1.0.0", "input": {"type": "nothing"}}
        document["capabilities"][0]["limits"] = {"deadline_s": -1}
        document["keys"][0] = document["keys"][0] | {"y": document["keys"][0]["x"]}

    found = broken(change, card)
    assert {code for code, _ in found} >= {"ACC732", "ACC733", "ACC240", "ACC245", "ACC607"}
    assert ("ACC732", "/organisation") in found
    assert ("ACC732", "/instance") in found
    assert any(pointer and pointer.startswith("/capabilities/1/input") for _, pointer in found)
    assert any(pointer and pointer.startswith("/capabilities/0/limits") for _, pointer in found)


async def test_a_key_twice_is_refused(card: AgentCard) -> None:
    assert broken(lambda document: document["keys"].append(document["keys"][0]), card) == [("ACC733", "/keys")]


async def test_a_member_twice_is_refused(card: AgentCard) -> None:
    data = encode_card(card)
    with pytest.raises(MessageRefused, match="ACC322"):
        decode_card(data[:-1] + b',"agent":"x"}')


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(data=st.binary(max_size=40) | JSON.map(orjson.dumps))
def test_what_is_no_card_is_refused_and_nothing_else_happens(data: bytes) -> None:
    with pytest.raises(MessageRefused):
        decode_card(data)


PAYLOADS = [
    HeartbeatPayload(instance=InstanceId("a#1"), running=(LeaseToken("l"),), queued=3, load=0.5, draining=True),
    FailurePayload(code="no-luck", message="again", retryable=True, details={"a": [1, None]}),
    ProgressPayload(0.25, "a quarter"),
    RejectPayload((Problem("ACC251", "too short", Place(pointer="/a"), "make it longer"),)),
    AssignContext(idempotency_key="k", deadline=datetime(2026, 1, 1, tzinfo=UTC), upstream={"a": 1}),
]


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda each: type(each).__name__)
def test_payloads_survive_the_wire_and_refuse_the_unknown(payload: msgspec.Struct) -> None:
    data = encode_payload(payload)
    assert decode_payload(type(payload), data) == payload
    with pytest.raises(MessageRefused) as caught:
        decode_payload(type(payload), data[:-1] + b',"unknown":1}')
    assert [problem.code for problem in caught.value.problems] == ["ACC330"]


def test_the_place_of_what_is_wrong_is_a_pointer() -> None:
    data = b'{"instance":"a#1","running":["l",3],"queued":1,"load":0}'
    with pytest.raises(MessageRefused) as caught:
        decode_payload(HeartbeatPayload, data)
    assert caught.value.problems[0].place.pointer == "/running/1"


@pytest.mark.parametrize("load", [b"1.5", b"-0.1", b'"1"'])
def test_loads_are_shares(load: bytes) -> None:
    with pytest.raises(MessageRefused, match="ACC330"):
        decode_payload(HeartbeatPayload, b'{"instance":"a#1","running":[],"queued":1,"load":' + load + b"}")


def test_an_assignment_keeps_its_input_as_it_is() -> None:
    data = b'{"input": {"b" : 1.0,"a":[ ]},"context":{"idempotency_key":"k"}}'
    payload, value = decode_assign(data)
    assert isinstance(payload, AssignPayload)
    assert bytes(payload.input) == b'{"b" : 1.0,"a":[ ]}'
    assert value == {"b": 1.0, "a": []}


def test_words_are_bounded() -> None:
    assert bounded("a" * 2000) == "a" * 2000
    assert bounded("a" * 2001) == "a" * 1999 + "…"
