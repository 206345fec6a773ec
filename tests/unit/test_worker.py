"""The worker: what it believes, runs once, answers, cancels, and how it stops."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.hashes import SHA256

from accord.bus.memory import MemoryBus
from accord.domain.agent import GiveBack, decode_card
from accord.domain.ids import AgentId, Digest, InstanceId, LeaseToken, RunId, TaskId, partition_of
from accord.domain.message import (
    Claims,
    Kind,
    Message,
    decode_claims,
    encode_claims,
    payload_ref,
    statement_id,
)
from accord.domain.payloads import (
    AckPayload,
    AssignContext,
    AssignPayload,
    CancelPayload,
    FailurePayload,
    HeartbeatPayload,
    ProgressPayload,
    RejectPayload,
    decode_payload,
    encode_payload,
)
from accord.domain.signature import PublicKey, attach, parse_statement, signing_input, statement_digest, verify
from accord.errors import Problem, StoreUnavailable
from accord.ports import REGISTRY_SUBJECT, Inbox, Parcel, agent_subject, notice_subject, partition_subject
from accord.sdk import Agent, AgentKey, Context, Failure, Result, Worker, WorkerOptions
from accord.sdk.agent import Bound, Terms
from accord.sdk.attempt import unexpected
from accord.sdk.desk import Pace
from accord.sdk.function import THREAD_GRACE_S
from accord.sdk.intake import Refusal
from accord.sdk.lines import CANCEL_GRACE_S
from accord.sdk.outcome import Output
from accord.sdk.shift import STOP_WITHIN_S
from accord.statements import Draft, Signer
from accord.testing.keys import MemoryKeyStore

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ORCHESTRATOR = AgentId("spiffe://local/orchestrator/one")
RUN = RunId("run_00000000000000000000000001")
QUIET = Pace(accept_after=timedelta(hours=1), progress_every=timedelta(hours=1))


class SetClock:
    """Stands still unless a test sets it."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at


class Rig:
    """An orchestrator's end of the bus, and one agent's worker."""

    def __init__(self, agent: Agent, keys: MemoryKeyStore, bus: MemoryBus) -> None:
        self.agent = agent
        self.keys = keys
        self.bus = bus
        self.key: PublicKey
        self.agent_key: PublicKey
        self.inbox: Inbox
        self.registry: Inbox
        self.worker: Worker
        self.clock = SetClock()
        self.refused: list[Refusal] = []

    def claims(self, data: bytes, **changed: Any) -> Claims:
        capability = changed.pop("capability", "test.it@1.0.0")
        found = self.agent.capabilities.get(capability)
        task, attempt = changed.pop("task", TaskId("one")), changed.pop("attempt", 1)
        kind: Kind = changed.pop("kind", "assign")
        return Claims(
            **{
                "issuer": ORCHESTRATOR,
                "audience": self.agent.id,
                "id": statement_id(RUN, task, attempt, kind),
                "issued_at": int(NOW.timestamp()),
                "expires_at": int(NOW.timestamp()) + 300,
                "kind": kind,
                "run": RUN,
                "task": task,
                "attempt": attempt,
                "lease": LeaseToken(f"lease-{task}-{attempt}"),
                "capability": capability,
                "contract": found.contract.digest if found else Digest("0" * 64),
                "payload": payload_ref(data),
            }
            | changed
        )

    async def signed(self, claims: Claims, payload: bytes, key: PublicKey | None = None) -> Message:
        key = key or self.key
        signed = signing_input(key.kid, key.algorithm, encode_claims(claims))
        return Message(attach(signed, (await self.keys.sign(key.kid, [signed]))[0]), payload)

    async def assignment(self, document: Any, *, told: dict[str, Any] | None = None, **changed: Any) -> Message:
        context = AssignContext(idempotency_key="key-1", **(told or {}))
        payload = encode_payload(AssignPayload(msgspec.Raw(orjson.dumps(document)), context))
        return await self.signed(self.claims(payload, **changed), payload)

    async def cancellation(self, **changed: Any) -> Message:
        payload = encode_payload(CancelPayload("not wanted"))
        return await self.signed(self.claims(payload, kind="cancel", **changed), payload)

    async def send(self, *messages: Message) -> None:
        """Give these to the agent; whoever of its instances is first takes them."""
        subject = agent_subject(self.agent.id)
        await self.bus.publish([Parcel(subject, message) for message in messages])

    async def notify(self, *messages: Message, to: AgentId | InstanceId | None = None) -> None:
        """Tell all instances, or one."""
        subject = notice_subject(to or self.agent.id)
        await self.bus.publish([Parcel(subject, message) for message in messages])

    async def heard(self) -> None:
        """Wait until all instances have dealt with what was told to all of them."""
        while any(one.waiting or one.taken for one in self.bus._listening[notice_subject(self.agent.id)]):  # noqa: ASYNC110 - the bus tells nobody
            await asyncio.sleep(0)

    async def ended(self, *leases: str) -> None:
        """Tell the worker's instance that these leases have ended."""
        payload = encode_payload(AckPayload(tuple(map(LeaseToken, leases))))
        nothing = {"run": None, "task": None, "attempt": None, "lease": None, "capability": None, "contract": None}
        claims = msgspec.structs.replace(self.claims(payload, kind="ack"), **nothing, id="ack-1")
        await self.notify(await self.signed(claims, payload), to=self.worker.instance)

    async def answers(self, count: int) -> list[tuple[Claims, Message]]:
        """The next `count` answers, each verified."""
        found: list[tuple[Claims, Message]] = []
        while len(found) < count:
            deliveries = await self.inbox.take(count - len(found))
            await self.inbox.ack(deliveries)
            found += [(self.read(delivery.message), delivery.message) for delivery in deliveries]
        return found

    async def answer(self) -> tuple[Claims, Any]:
        claims, message = (await self.answers(1))[0]
        return claims, orjson.loads(message.payload) if message.payload else None

    async def failure(self) -> FailurePayload:
        claims, message = (await self.answers(1))[0]
        assert claims.kind == "failure"
        return decode_payload(FailurePayload, message.payload)

    async def news(self) -> tuple[Claims, bytes]:
        delivery = (await self.registry.take(1))[0]
        await self.registry.ack([delivery])
        return self.read(delivery.message), delivery.message.payload

    def read(self, message: Message) -> Claims:
        parsed = parse_statement(message.statement)
        verify(parsed, self.agent_key)
        claims = decode_claims(parsed.claims)
        if message.payload:
            assert claims.payload == payload_ref(message.payload)
        return claims


Start = Callable[..., Awaitable[Rig]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def started(
            agent: Agent, bus: MemoryBus | None = None, *, beside: Rig | None = None, **options: Any
        ) -> Rig:
            if beside is not None:
                rig = Rig(agent, beside.keys, beside.bus)
                rig.key, rig.agent_key = beside.key, beside.agent_key
            else:
                rig = Rig(agent, options.pop("keys", None) or MemoryKeyStore(), bus or MemoryBus())
                rig.key, rig.agent_key = await rig.keys.create("orchestrator"), await rig.keys.create("agent")
            rig.inbox = await stack.enter_async_context(rig.bus.inbox(partition_subject(partition_of(RUN))))
            rig.registry = await stack.enter_async_context(rig.bus.inbox(REGISTRY_SUBJECT))
            settings: dict[str, Any] = {
                "heartbeat": timedelta(hours=1),
                "drain_within": timedelta(0),
                "pace": QUIET,
                "instance": "i1",
                "refused": rig.refused.append,
            }
            trust = {rig.key.kid: rig.key}
            rig.worker = Worker(
                agent, AgentKey(rig.keys, "agent"), rig.bus, rig.clock, trust, WorkerOptions(**settings | options)
            )
            await stack.enter_async_context(rig.worker)
            return rig

        yield started


class Gate:
    """A function that waits until it is let go, and counts."""

    def __init__(self) -> None:
        self.calls = 0
        self.entered = asyncio.Semaphore(0)
        self.open = asyncio.Event()

    async def __call__(self, number: int) -> int:
        self.calls += 1
        self.entered.release()
        await self.open.wait()
        return number


def gated(**capacity: Any) -> tuple[Agent, Gate]:
    agent, gate = Agent("gated", **capacity), Gate()

    @agent.capability("test.it@1.0.0")
    async def wait(number: int) -> int:
        return await gate(number)

    return agent, gate


def doubling() -> Agent:
    agent = Agent("doubler")

    @agent.capability("test.it@1.0.0")
    async def double(number: int, *, context: Context) -> Result[int]:
        return Result(2 * number, confidence=0.5)

    return agent


# -- the way of an assignment --------------------------------------------------------------------------


async def test_a_result_says_what_it_answers(start: Start) -> None:
    rig = await start(doubling())
    assignment = await rig.assignment({"number": 4}, trace="00-trace")
    await rig.send(assignment)
    claims, value = await rig.answer()
    assigned = decode_claims(parse_statement(assignment.statement).claims)
    assert value == 8
    assert claims == msgspec.structs.replace(
        assigned,
        issuer=rig.agent.id,
        audience=ORCHESTRATOR,
        id=statement_id(RUN, TaskId("one"), 1, "result"),
        kind="result",
        payload=payload_ref(b"8"),
        inputs=(statement_digest(parse_statement(assignment.statement).claims),),
        confidence="0.5",
    )
    assert await rig.bus.depth(agent_subject(rig.agent.id)) == 0


async def test_the_context_is_what_was_assigned(start: Start) -> None:
    agent = Agent("asking")
    seen: list[Context] = []

    @agent.capability("test.it@1.0.0")
    async def ask(context: Context) -> None:
        seen.append(context)

    rig = await start(agent)
    problem = Problem("ACC251", "too short")
    told = {
        "template": "a@1.0.0",
        "objective": "compare",
        "deadline": NOW + timedelta(hours=1),
        "upstream": {"find": {"a": 1}},
        "errors": (problem,),
    }
    await rig.send(await rig.assignment({}, told=told, attempt=3))
    assert (await rig.answer())[1] is None
    context = seen[0]
    assert (context.run, context.task, context.attempt, context.organisation) == (RUN, "one", 3, "local")
    assert {name: getattr(context, name) for name in told} == told
    assert context.idempotency_key == "key-1"


@pytest.mark.parametrize("inline_below", [1, 1000])
async def test_many_assignments_are_each_answered(start: Start, inline_below: int) -> None:
    rig = await start(doubling(), verify_inline_below=inline_below)
    await rig.send(*[await rig.assignment({"number": n}, task=TaskId(f"t{n}")) for n in range(50)])
    answers = await rig.answers(50)
    assert {claims.task: message.payload for claims, message in answers} == {
        f"t{n}": str(2 * n).encode() for n in range(50)
    }


async def test_no_more_run_than_the_agent_said(start: Start) -> None:
    agent, gate = gated(concurrency=2, queue=1)
    rig = await start(agent)
    await rig.send(*[await rig.assignment({"number": n}, task=TaskId(f"t{n}")) for n in range(3)])
    await gate.entered.acquire()
    await gate.entered.acquire()
    await rig.send(await rig.assignment({"number": 3}, task=TaskId("t3")))
    await rig.notify(await rig.cancellation(task=TaskId("t0")))
    assert (await rig.answer())[0].task == "t0"
    await gate.entered.acquire()
    assert gate.calls == 3
    gate.open.set()
    assert {claims.task for claims, _ in await rig.answers(3)} == {"t1", "t2", "t3"}


async def test_what_there_is_no_room_for_is_left_to_other_instances(start: Start) -> None:
    agent, gate = gated(concurrency=1, queue=0)
    rig = await start(agent)
    await rig.send(*[await rig.assignment({"number": n}, task=TaskId(f"t{n}")) for n in range(3)])
    await gate.entered.acquire()
    await start(agent, beside=rig, instance="i2")
    await gate.entered.acquire()
    assert await rig.bus.depth(agent_subject(agent.id)) == 1


async def test_a_full_one_asks_for_more_when_half_of_its_queue_is_gone(start: Start) -> None:
    agent, gate = gated(concurrency=1, queue=4)
    rig, waiting = await start(agent), partial(MemoryBus.depth, subject=agent_subject(agent.id))
    await rig.send(*[await rig.assignment({"number": n}, task=TaskId(f"t{n}")) for n in range(8)])
    await gate.entered.acquire()
    for ended, left in ((0, 3), (1, 1)):
        await rig.notify(await rig.cancellation(task=TaskId(f"t{ended}")))
        assert (await rig.answer())[0].task == f"t{ended}"
        await gate.entered.acquire()
        for _ in range(20):
            await asyncio.sleep(0)
        assert await waiting(rig.bus) == left


async def test_instances_take_what_can_begin_before_what_has_to_wait(start: Start) -> None:
    agent, gate = gated(concurrency=2, queue=10)
    rig = await start(agent)
    await start(agent, beside=rig, instance="i2")
    await rig.send(*[await rig.assignment({"number": n}, task=TaskId(f"t{n}")) for n in range(4)])
    for _ in range(4):
        await gate.entered.acquire()


async def test_a_plain_function_runs_in_a_thread(start: Start) -> None:
    agent = Agent("threaded")

    @agent.capability("test.it@1.0.0")
    def where(context: Context) -> bool:
        context.progress(0.5, "there")
        return threading.current_thread() is not threading.main_thread()

    rig = await start(agent)
    await rig.send(await rig.assignment({}))
    (progress, told), (result, value) = await rig.answers(2)
    assert (progress.kind, decode_payload(ProgressPayload, told.payload)) == (
        "progress",
        ProgressPayload(0.5, "there"),
    )
    assert (result.kind, value.payload) == ("result", b"true")


async def test_a_long_task_is_accepted_first(start: Start) -> None:
    agent, gate = gated()
    rig = await start(agent, pace=Pace(accept_after=timedelta(0)))
    await rig.send(await rig.assignment({"number": 1}))
    claims, payload = await rig.answer()
    assert (claims.kind, claims.lease, payload) == ("accept", "lease-one-1", None)
    gate.open.set()
    assert (await rig.answer())[0].kind == "result"


async def test_what_was_accepted_is_given_to_no_other_instance(start: Start) -> None:
    """A bus that hears nothing for a while delivers again what was not acknowledged; the lease is what guards it."""
    agent, gate = gated()
    rig = await start(agent, pace=Pace(accept_after=timedelta(0)))
    await rig.bus.hand_over(Parcel(agent_subject(agent.id), await rig.assignment({"number": 1})))  # till acknowledged
    assert (await rig.answer())[0].kind == "accept"
    gate.open.set()
    assert (await rig.answer())[0].kind == "result"


async def test_progress_is_told_with_numbers_of_its_own(start: Start) -> None:
    agent = Agent("telling")

    @agent.capability("test.it@1.0.0")
    async def tell(context: Context) -> None:
        for step in range(4):
            await context.progress(step / 4)
            await asyncio.sleep(0)

    rig = await start(agent, pace=Pace(progress_every=timedelta(0), accept_after=timedelta(hours=1)))
    await rig.send(await rig.assignment({}))
    ids = []
    while (told := (await rig.answer())[0]).kind == "progress":
        ids.append(told.id)
    assert ids == [f"{RUN}/one/1/progress/{n}" for n in range(1, len(ids) + 1)]
    assert ids


# -- failures ------------------------------------------------------------------------------------------


def failing(error: Exception | type[BaseException]) -> Agent:
    agent = Agent("failing")

    @agent.capability("test.it@1.0.0")
    def fail() -> None:
        raise error

    return agent


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            Failure("no-luck", "try again", retryable=True, details={"a": 1}),
            FailurePayload(code="no-luck", message="try again", retryable=True, details={"a": 1}),
        ),
        (ValueError("bad"), FailurePayload(code="exception", message="ValueError: bad", retryable=True)),
        (SystemExit, FailurePayload(code="exception", message="SystemExit", retryable=True)),
        (KeyboardInterrupt, FailurePayload(code="exception", message="KeyboardInterrupt", retryable=True)),
        (
            asyncio.CancelledError,
            FailurePayload(code="exception", message="asyncio.exceptions.CancelledError", retryable=True),
        ),
        (BaseException("odd"), FailurePayload(code="exception", message="BaseException: odd", retryable=True)),
        (
            StopIteration,
            FailurePayload(code="exception", message="RuntimeError: the function raised StopIteration", retryable=True),
        ),
    ],
)
async def test_what_a_function_raises_is_a_failure(start: Start, error: Any, expected: FailurePayload) -> None:
    rig = await start(failing(error))
    await rig.send(await rig.assignment({}))
    assert await rig.failure() == expected


@pytest.mark.parametrize("error", [KeyboardInterrupt, asyncio.CancelledError, BaseException("odd")])
async def test_what_a_coroutine_raises_is_a_failure(start: Start, error: Any) -> None:
    agent = Agent("failing")

    @agent.capability("test.it@1.0.0")
    async def fail() -> None:
        raise error

    rig = await start(agent)
    await rig.send(await rig.assignment({}))
    assert (await rig.failure()).code == "exception"


async def test_the_author_of_an_agent_reads_in_the_log_where_it_raised(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    rig = await start(failing(ValueError("bad")))
    await rig.send(await rig.assignment({}))
    assert "Traceback" not in (await rig.failure()).message
    [record] = [record for record in caplog.records if record.name == "accord.agent"]
    assert record.levelname == "ERROR"
    assert record.getMessage() == f"test.it@1.0.0 raised in attempt 1 of task {record.task} of {RUN}"
    assert (record.run, record.attempt) == (RUN, 1)
    assert record.exc_info is not None
    assert record.exc_info[2] is not None
    assert record.exc_info[2].tb_frame.f_code.co_name == "fail"  # the first call is the author's own


def test_a_text_that_utf_8_cannot_hold_is_written_out() -> None:
    payload = unexpected(ValueError("half \ud800 a pair")).payload
    assert payload.message == "ValueError: half \\ud800 a pair"
    assert decode_payload(FailurePayload, encode_payload(payload)) == payload


async def test_the_text_of_an_exception_is_bounded(start: Start) -> None:
    rig = await start(failing(ValueError("x" * 10_000)))
    await rig.send(await rig.assignment({}))
    assert len((await rig.failure()).message) == 500


async def test_details_that_are_no_json_are_told_in_words(start: Start) -> None:
    rig = await start(failing(Failure("odd", "odd", details={"a": object})))
    await rig.send(await rig.assignment({}))
    assert (await rig.failure()).details == {"a": "<class 'object'>"}


async def test_an_output_that_is_no_json_is_a_failure(start: Start) -> None:
    agent = Agent("wrong")

    @agent.capability("test.it@1.0.0")
    async def nan() -> float:
        return float("nan")

    rig = await start(agent)
    await rig.send(await rig.assignment({}))
    assert (await rig.failure()).code == "output-not-json"


@pytest.mark.abuse(
    "ASI02", "ASI06", at="agent", stride="tampering", case="an input that breaks the contract is not executed"
)
async def test_an_input_that_breaks_the_contract_is_not_executed(start: Start) -> None:
    agent, gate = gated()
    rig = await start(agent)
    await rig.send(await rig.assignment({"number": "one", "more": 1}))
    failure = await rig.failure()
    assert (failure.code, failure.retryable, gate.calls) == ("input-contract", False, 0)
    assert len(failure.details["violations"]) == 2


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"capability": "test.other@1.0.0"}, "unknown-capability"),
        ({"contract": Digest("1" * 64)}, "contract-mismatch"),
    ],
)
async def test_what_no_instance_offers_is_refused_after_some_deliveries(
    start: Start, changed: dict[str, Any], code: str
) -> None:
    rig = await start(doubling(), pace=msgspec.structs.replace(QUIET, give_back=GiveBack(timedelta(0), deliveries=3)))
    await rig.send(await rig.assignment({"number": 1}, **changed))
    assert (await rig.failure()).code == code


async def test_what_only_another_instance_offers_comes_to_it(start: Start) -> None:
    pace = msgspec.structs.replace(QUIET, give_back=GiveBack(timedelta(0), deliveries=10_000))
    newer = Agent("worker", concurrency=20)

    @newer.capability("test.it@1.1.0")
    async def tripled(number: int) -> int:
        return 3 * number

    old = await start(Agent("worker", concurrency=20), pace=pace)
    new = await start(newer, beside=old, instance="i2", pace=pace)
    await new.send(
        *[
            await new.assignment({"number": number}, task=TaskId(f"t{number}"), capability="test.it@1.1.0")
            for number in range(20)
        ]
    )
    answers = await new.answers(20)
    assert {claims.kind for claims, _ in answers} == {"result"}
    assert await new.bus.depth(agent_subject(new.agent.id)) == 0


async def test_what_was_withdrawn_is_not_given_back_for_ever(start: Start) -> None:
    pace = msgspec.structs.replace(QUIET, give_back=GiveBack(timedelta(0), deliveries=1_000_000))
    rig = await start(doubling(), pace=pace)
    await rig.send(await rig.assignment({"number": 1}, capability="test.other@1.0.0"))
    await rig.notify(await rig.cancellation(capability="test.other@1.0.0"))
    assert (await rig.failure()).code == "cancelled"


async def test_a_worker_that_stops_leaves_what_it_keeps_to_others(start: Start) -> None:
    rig = await start(
        doubling(), pace=msgspec.structs.replace(QUIET, give_back=GiveBack(timedelta(hours=1), timedelta(hours=1)))
    )
    subject = agent_subject(rig.agent.id)
    await rig.send(await rig.assignment({"number": 1}, capability="test.other@1.0.0"))
    while await rig.bus.depth(subject):  # noqa: ASYNC110 - the bus tells nobody
        await asyncio.sleep(0)
    await rig.worker.stop()
    assert await rig.bus.depth(subject) == 1


async def test_a_payload_without_its_shape_is_a_failure(start: Start) -> None:
    rig = await start(doubling())
    payload = b'{"input":{"number":1},"input":{"number":2},"context":{"idempotency_key":"k"}}'
    await rig.send(await rig.signed(rig.claims(payload), payload))
    failure = await rig.failure()
    assert failure.code == "malformed-assignment"
    assert "ACC322" in failure.message


# -- what is not believed ------------------------------------------------------------------------------


async def forged(rig: Rig) -> Message:
    message = await rig.assignment({"number": 1})
    head, claims, _ = message.statement.split(b".")
    other = await rig.assignment({"number": 2}, task=TaskId("two"))
    return Message(b".".join((head, claims, other.statement.split(b".")[2])), message.payload)


async def strange_key(rig: Rig) -> Message:
    message = await rig.assignment({"number": 1})
    claims = decode_claims(parse_statement(message.statement).claims)
    return await rig.signed(claims, message.payload, rig.agent_key)


async def other_payload(rig: Rig) -> Message:
    message = await rig.assignment({"number": 1})
    return Message(message.statement, message.payload.replace(b"1", b"2"))


def with_claims(**changed: Any) -> Callable[[Rig], Awaitable[Message]]:
    return lambda rig: rig.assignment({"number": 1}, **changed)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (forged, "ACC311"),
        (strange_key, "ACC380"),
        (with_claims(audience=AgentId("spiffe://local/agent/another")), "ACC381"),
        (with_claims(expires_at=int(NOW.timestamp())), "ACC382"),
        (with_claims(issued_at=int(NOW.timestamp()) + 3600), "ACC383"),
        (with_claims(kind="result"), "ACC384"),
        (with_claims(kind="cancel"), "ACC384"),
        (with_claims(payload=None), "ACC385"),
        (other_payload, "ACC385"),
        (with_claims(lease=None), "ACC386"),
    ],
)
@pytest.mark.parametrize("inline_below", [1, 1000])
@pytest.mark.abuse(
    "ASI01",
    "ASI07",
    at="agent",
    stride="spoofing",
    case="an assignment that the orchestrator has not signed is not executed",
)
async def test_what_is_not_believed_is_dropped_and_reported(
    start: Start, make: Callable[[Rig], Awaitable[Message]], code: str, inline_below: int
) -> None:
    agent, gate = gated()
    gate.open.set()
    rig = await start(agent, verify_inline_below=inline_below)
    refused = await make(rig)
    await rig.send(refused, await rig.assignment({"number": 9}, task=TaskId("good")))
    claims, value = await rig.answer()
    assert (claims.task, value, gate.calls) == ("good", 9, 1)
    assert [refusal.message for refusal in rig.refused] == [refused]
    assert [problem.code for problem in rig.refused[0].problems] == [code]
    assert await rig.bus.depth(agent_subject(agent.id)) == 0


# -- once ----------------------------------------------------------------------------------------------


@pytest.mark.abuse(
    "ASI02", "ASI07", at="agent", stride="spoofing", case="replay of an assignment: nothing is done twice"
)
async def test_a_redelivery_is_answered_with_the_same_bytes_and_not_executed(start: Start) -> None:
    agent, gate = gated()
    rig = await start(agent)
    assignment = await rig.assignment({"number": 5})
    await rig.send(assignment, assignment)
    await gate.entered.acquire()
    await rig.send(assignment)
    gate.open.set()
    (_, first), *_ = await rig.answers(1)
    await rig.send(assignment)
    (_, second), *_ = await rig.answers(1)
    assert (first, gate.calls) == (second, 1)


async def test_an_assignment_that_comes_again_in_a_batch_is_not_done_again(start: Start) -> None:
    """An orchestrator that was started again signs what it repeats with whatever else it has to say then."""
    agent, gate = gated()
    gate.open.set()
    rig = await start(agent)
    alone = await rig.assignment({"number": 5})
    await rig.send(alone)
    (_, first), *_ = await rig.answers(1)
    drafts = [Draft(parse_statement(alone.statement).claims), Draft(b"{}")]
    again, _ = await Signer(rig.keys, rig.key).sign(drafts)
    assert again != alone.statement
    await rig.send(Message(again, alone.payload))
    (claims, second), *_ = await rig.answers(1)
    assert (first, gate.calls) == (second, 1)
    assert claims.inputs == (statement_digest(parse_statement(again).claims),)


async def test_an_assignment_that_comes_again_with_another_signature_is_not_done_again(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An HSM draws the nonces of ES256."""
    monkeypatch.setattr("accord.keys.private._ES256", ECDSA(SHA256()))
    agent, gate = gated()
    gate.open.set()
    rig = await start(agent)
    once, again = [await rig.assignment({"number": 5}) for _ in range(2)]
    assert once.statement.rpartition(b".")[0] == again.statement.rpartition(b".")[0]
    assert once != again
    await rig.send(once)
    (_, first), *_ = await rig.answers(1)
    await rig.send(again)
    (_, second), *_ = await rig.answers(1)
    assert (first, gate.calls) == (second, 1)


async def test_failures_are_repeated_too(start: Start) -> None:
    rig = await start(failing(ValueError("bad")))
    assignment = await rig.assignment({})
    await rig.send(assignment)
    first = await rig.answers(1)
    await rig.send(assignment)
    assert await rig.answers(1) == first


async def test_the_same_attempt_under_another_lease_is_done_again(start: Start) -> None:
    agent, gate = gated()
    gate.open.set()
    rig = await start(agent)
    for lease in ("first", "second"):
        await rig.send(await rig.assignment({"number": 1}, lease=LeaseToken(lease)))
        assert (await rig.answer())[0].lease == lease
    assert gate.calls == 2


async def test_only_so_many_answers_are_remembered(start: Start) -> None:
    agent, gate = gated()
    gate.open.set()
    rig = await start(agent, pace=msgspec.structs.replace(QUIET, remember=2))
    assignments = [await rig.assignment({"number": n}, task=TaskId(f"t{n}")) for n in range(3)]
    await rig.send(*assignments)
    await rig.answers(3)
    await rig.send(*assignments[1:])
    await rig.answers(2)
    assert gate.calls == 3
    await rig.send(assignments[0])
    await rig.answers(1)
    assert gate.calls == 4


# -- cancellation and deadlines ------------------------------------------------------------------------


async def test_an_async_function_is_cancelled(start: Start) -> None:
    agent, gate = gated()
    rig = await start(agent)
    await rig.send(await rig.assignment({"number": 1}))
    await gate.entered.acquire()
    await rig.notify(await rig.cancellation())
    assert await rig.failure() == FailurePayload(code="cancelled", message="not wanted", retryable=True)


async def test_a_function_that_swallows_its_cancellation_is_cancelled_all_the_same(start: Start) -> None:
    agent = Agent("stubborn")
    entered = asyncio.Event()

    @agent.capability("test.it@1.0.0")
    async def stubborn() -> str:
        try:
            entered.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "done anyway"
        return "never"

    rig = await start(agent)
    await rig.send(await rig.assignment({}))
    await entered.wait()
    await rig.notify(await rig.cancellation())
    assert (await rig.failure()).code == "cancelled"


async def test_a_thread_sees_that_it_is_cancelled(start: Start) -> None:
    agent = Agent("threaded")
    entered, ended = threading.Event(), threading.Event()

    @agent.capability("test.it@1.0.0")
    def spin(context: Context) -> None:
        entered.set()
        try:
            while True:
                context.raise_if_cancelled()
        finally:
            ended.set()

    rig = await start(agent)
    await rig.send(await rig.assignment({}))
    await asyncio.to_thread(entered.wait)
    await rig.notify(await rig.cancellation())
    assert (await rig.failure()).code == "cancelled"
    assert ended.is_set()


async def test_a_thread_that_does_not_stop_keeps_its_place(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accord.sdk.function.THREAD_GRACE_S", 0.0)
    agent = Agent("deaf", concurrency=1, queue=0)
    entered, let_go = threading.Event(), threading.Event()

    @agent.capability("test.it@1.0.0")
    def deaf() -> None:
        entered.set()
        let_go.wait()

    rig = await start(agent)
    await rig.send(await rig.assignment({}))
    await asyncio.to_thread(entered.wait)
    await rig.notify(await rig.cancellation())
    assert (await rig.failure()).code == "cancelled"
    await rig.send(await rig.assignment({}, task=TaskId("two")))
    await rig.notify(await rig.cancellation(task=TaskId("other")))
    await rig.heard()
    assert await rig.bus.depth(agent_subject(agent.id)) == 1
    let_go.set()
    assert (await rig.answer())[0].task == "two"


async def test_what_waits_is_cancelled_without_being_begun(start: Start) -> None:
    agent, gate = gated(concurrency=1)
    rig = await start(agent)
    await rig.send(
        await rig.assignment({"number": 1}),
        await rig.assignment({"number": 2}, task=TaskId("two")),
    )
    await rig.notify(await rig.cancellation(task=TaskId("two")))
    assert (await rig.failure()).code == "cancelled"
    assert gate.calls == 1
    gate.open.set()
    assert (await rig.answer())[0].task == "one"


async def test_what_was_admitted_just_now_is_cancelled_without_being_begun(start: Start) -> None:
    agent, gate = gated()
    rig = await start(agent)
    await rig.send(await rig.assignment({"number": 1}))
    await rig.notify(await rig.cancellation())
    assert (await rig.failure()).code == "cancelled"
    assert gate.calls == 0


async def test_a_cancellation_that_comes_first_is_remembered(start: Start) -> None:
    agent, gate = gated()
    rig = await start(agent)
    await rig.notify(await rig.cancellation())
    await rig.heard()
    await rig.send(await rig.assignment({"number": 1}))
    assert (await rig.failure()).code == "cancelled"
    assert gate.calls == 0


async def test_a_cancellation_of_another_lease_changes_nothing(start: Start) -> None:
    agent, gate = gated()
    gate.open.set()
    rig = await start(agent)
    await rig.notify(await rig.cancellation(lease=LeaseToken("old")))
    await rig.heard()
    await rig.send(await rig.assignment({"number": 1}))
    assert (await rig.answer())[1] == 1


async def test_of_several_instances_the_one_that_works_is_cancelled(start: Start) -> None:
    agent, gate = gated(concurrency=1, queue=0)
    rig = await start(agent)
    second = await start(agent, beside=rig, instance="i2")
    await rig.send(*[await rig.assignment({"number": n}, task=TaskId(f"t{n}")) for n in range(2)])
    await gate.entered.acquire()
    await gate.entered.acquire()
    await rig.notify(await rig.cancellation(task=TaskId("t0")), await rig.cancellation(task=TaskId("t1")))
    assert {(claims.kind, claims.task) for claims, _ in await rig.answers(2)} == {("failure", "t0"), ("failure", "t1")}
    assert second.refused == rig.refused == []


async def test_a_cancellation_to_all_is_remembered_by_who_takes_the_assignment_later(start: Start) -> None:
    agent, gate = gated()
    rig = await start(agent)
    await start(agent, beside=rig, instance="i2")
    await rig.notify(await rig.cancellation())
    await rig.heard()
    await rig.send(await rig.assignment({"number": 1}))
    assert (await rig.failure()).code == "cancelled"
    assert gate.calls == 0


async def test_what_runs_under_a_lease_that_has_ended_is_stopped(start: Start) -> None:
    agent, gate = gated(concurrency=1)
    rig = await start(agent)
    await rig.send(*[await rig.assignment({"number": n}, task=TaskId(f"t{n}")) for n in range(3)])
    await gate.entered.acquire()
    await rig.ended("lease-t1-1", "lease-t0-1", "unknown")
    assert {claims.task for claims, _ in await rig.answers(2)} == {"t0", "t1"}
    gate.open.set()
    claims, value = await rig.answer()
    assert (claims.task, value, gate.calls) == ("t2", 2, 2)


async def test_cancellations_are_obeyed_while_the_worker_drains(start: Start) -> None:
    agent, gate = gated()
    rig = await start(agent, drain_within=timedelta(hours=1))
    await rig.send(await rig.assignment({"number": 1}))
    await gate.entered.acquire()
    stopping = asyncio.create_task(rig.worker.stop())
    await asyncio.sleep(0)
    await rig.notify(await rig.cancellation())
    assert (await rig.failure()).code == "cancelled"
    await stopping


@pytest.mark.parametrize("where", ["run", "contract"])
async def test_a_deadline_stops_the_attempt(start: Start, where: str) -> None:
    agent = Agent("slow")

    @agent.capability("test.it@1.0.0", deadline=timedelta(microseconds=1) if where == "contract" else None)
    async def slow() -> None:
        await asyncio.Event().wait()

    rig = await start(agent)
    await rig.send(await rig.assignment({}, told={"deadline": NOW} if where == "run" else {}))
    assert (await rig.failure()).code == "deadline"


# -- the registry's news -------------------------------------------------------------------------------


async def test_the_card_comes_first_then_heartbeats(start: Start) -> None:
    agent, gate = gated(concurrency=1, queue=0)
    rig = await start(agent)
    claims, payload = await rig.news()
    card = decode_card(payload)
    assert (claims.kind, claims.issuer, claims.audience) == ("card", agent.id, "spiffe://local/registry")
    assert (card.instance, card.contracts()) == (
        f"{agent.id}#i1",
        (agent.capabilities["test.it@1.0.0"].contract,),
    )
    assert card.public_keys == (rig.agent_key,)
    assert await heartbeat(rig) == (0.0, (), False)
    await rig.send(await rig.assignment({"number": 1}))
    assert await heartbeat(rig) == (1.0, ("lease-one-1",), False)
    gate.open.set()
    assert await heartbeat(rig) == (0.0, (), False)
    await rig.answers(1)
    await rig.worker.stop()
    assert await heartbeat(rig) == (0.0, (), True)


async def heartbeat(rig: Rig) -> tuple[float, tuple[str, ...], bool]:
    claims, payload = await rig.news()
    assert claims.kind == "heartbeat"
    told = decode_payload(HeartbeatPayload, payload)
    assert told.instance == rig.worker.instance
    return told.load, told.running, told.draining


async def test_heartbeats_name_what_waits_too(start: Start) -> None:
    agent, _ = gated(concurrency=1, queue=3)
    rig = await start(agent)
    await rig.news()
    assert await heartbeat(rig) == (0.0, (), False)
    await rig.send(*[await rig.assignment({"number": n}, task=TaskId(f"t{n}")) for n in range(4)])
    assert await heartbeat(rig) == (1.0, tuple(f"lease-t{n}-1" for n in range(4)), False)


async def test_heartbeats_name_only_so_many_leases(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accord.sdk.desk.LEASES_MAX", 2)
    agent, _ = gated(concurrency=1, queue=2)
    rig = await start(agent)
    await rig.news()
    await heartbeat(rig)
    await rig.send(*[await rig.assignment({"number": n}, task=TaskId(f"t{n}")) for n in range(3)])
    assert await heartbeat(rig) == (1.0, ("lease-t0-1", "lease-t1-1"), False)


async def test_what_is_given_back_is_named_no_more(start: Start) -> None:
    agent, gate = gated(concurrency=1, queue=64)
    rig = await start(agent)
    await rig.news()
    await heartbeat(rig)
    await rig.send(*[await rig.assignment({"number": n}, task=TaskId(f"t{n}")) for n in range(3)])
    await gate.entered.acquire()
    await rig.worker.stop()
    _, leases, draining = await heartbeat(rig)
    assert (leases, draining) == (("lease-t0-1",), True)


async def test_an_answer_is_sent_again_until_it_is_certain_that_it_came(start: Start) -> None:
    rig = await start(doubling(), heartbeat=timedelta(0))
    await rig.send(await rig.assignment({"number": 4}))
    first, again = await rig.answers(2)
    assert first == again
    while (await heartbeat_or_card(rig)) != ("lease-one-1",):
        pass
    await rig.ended("lease-one-1")
    while (await heartbeat_or_card(rig)) != ():
        pass


async def heartbeat_or_card(rig: Rig) -> tuple[str, ...] | None:
    claims, payload = await rig.news()
    return decode_payload(HeartbeatPayload, payload).running if claims.kind == "heartbeat" else None


async def test_an_answer_that_has_expired_is_issued_anew(start: Start) -> None:
    agent, gate = gated()
    gate.open.set()
    rig = await start(agent)
    assignment = await rig.assignment({"number": 1}, expires_at=int(NOW.timestamp()) + 10_000)
    await rig.send(assignment)
    (first, _), *_ = await rig.answers(1)
    rig.clock.at = NOW + timedelta(seconds=301)
    await rig.send(assignment)
    (second, _), *_ = await rig.answers(1)
    assert second == msgspec.structs.replace(first, issued_at=first.issued_at + 301, expires_at=first.expires_at + 301)
    assert gate.calls == 1


class AwayBus(MemoryBus):
    """Takes nothing to partitions before it is back."""

    def __init__(self) -> None:
        super().__init__()
        self.tried = asyncio.Event()
        self.back = False

    async def publish(self, parcels: Sequence[Parcel]) -> None:
        if not self.back and any(parcel.subject.startswith("partition/") for parcel in parcels):
            self.tried.set()
            raise ConnectionError("the bus is away")
        await super().publish(parcels)


async def test_an_answer_that_nobody_waits_for_any_more_is_not_sent(start: Start) -> None:
    bus = AwayBus()
    rig = await start(doubling(), bus=bus)
    await rig.send(await rig.assignment({"number": 1}), await rig.assignment({"number": 2}, task=TaskId("two")))
    await bus.tried.wait()
    await rig.ended("lease-one-1")
    while bus._listening[notice_subject(rig.worker.instance)][0].taken:  # noqa: ASYNC110 - the bus tells nobody
        await asyncio.sleep(0)
    bus.back = True
    assert (await rig.answer())[0].task == "two"
    await rig.worker.stop()
    assert await bus.depth(partition_subject(partition_of(RUN))) == 0
    assert await bus.depth(agent_subject(rig.agent.id)) == 0


async def test_an_answer_that_cannot_be_said_keeps_no_lease(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    agent, gate = gated(concurrency=1, queue=0)
    rig = await start(agent)
    await rig.news()
    await heartbeat(rig)
    assignment = await rig.assignment({"number": 1})
    # The answer names its assignment, so its claims are longer; those of a heartbeat are shorter.
    longest = len(parse_statement(assignment.statement).claims)
    monkeypatch.setattr("accord.domain.message.CLAIMS_MAX_BYTES", longest)
    await rig.send(assignment)
    assert (await heartbeat(rig))[1] == ("lease-one-1",)
    gate.open.set()
    assert (await heartbeat(rig))[0] == 0.0
    await rig.send(await rig.assignment({"number": 2}, task=TaskId("two")))
    assert (await heartbeat(rig))[1] == ("lease-two-1",)


async def test_who_is_rejected_logs_it_and_the_others_do_not(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    agent = doubling()
    rig = await start(agent)
    await start(agent, beside=rig, instance="i2")
    await rig.send(await rig.assignment({"number": 1}))
    await rig.answer()
    payload = encode_payload(RejectPayload((Problem("ACC251", "too short"),)))
    await rig.notify(
        await rig.signed(rig.claims(payload, kind="reject"), payload),
        await rig.signed(rig.claims(payload, kind="reject", task=TaskId("of another")), payload),
        await rig.signed(rig.claims(payload, kind="reject", run=None, task=None, attempt=None), payload),
    )
    await rig.heard()
    assert caplog.text.count("task one: ACC251 too short") == 1
    assert caplog.text.count("task none: ACC251 too short") == 2
    assert "of another" not in caplog.text
    assert not rig.refused


# -- when ports fail, and the end ----------------------------------------------------------------------


class ShakyKeys(MemoryKeyStore):
    """Fails every other time that the agent signs."""

    times = 0

    async def sign(self, kid: Any, inputs: Sequence[bytes]) -> list[bytes]:
        ours = kid == (await self.public("agent")).kid
        self.times += ours
        if ours and self.times % 2:
            raise StoreUnavailable.of("ACC501", "the key store is away")
        return await super().sign(kid, inputs)


class ShakyBus(MemoryBus):
    """Fails every other time, and holds little."""

    times = 0

    async def publish(self, parcels: Sequence[Parcel]) -> None:
        self.times += 1
        if self.times % 2 and not any(parcel.subject.startswith("agent/") for parcel in parcels):
            raise ConnectionError("the bus is away")
        await super().publish(parcels)


async def test_what_cannot_be_sent_is_sent_later(start: Start) -> None:
    rig = await start(doubling(), bus=ShakyBus())
    await rig.send(*[await rig.assignment({"number": n}, task=TaskId(f"t{n}")) for n in range(5)])
    assert len({claims.task for claims, _ in await rig.answers(5)}) == 5


async def test_what_cannot_be_signed_is_signed_later(start: Start) -> None:
    rig = await start(doubling(), keys=ShakyKeys())
    for n in range(3):
        await rig.send(await rig.assignment({"number": n}, task=TaskId(f"t{n}")))
        assert (await rig.answer())[1] == 2 * n


async def test_stopping_gives_back_what_has_not_begun_and_answers_the_rest(start: Start) -> None:
    agent, gate = gated(concurrency=1)
    rig = await start(agent)
    await rig.send(*[await rig.assignment({"number": n}, task=TaskId(f"t{n}")) for n in range(3)])
    await gate.entered.acquire()
    await rig.worker.stop()
    assert (await rig.failure()).code == "stopped"
    assert [beat.leaving for beat in await beats(rig)][-1:] == [True]
    assert await rig.bus.depth(agent_subject(agent.id)) == 2
    gate.open.set()
    await rig.worker.start()
    assert sorted(claims.task or "" for claims, _ in await rig.answers(2)) == ["t1", "t2"]


async def beats(rig: Rig) -> list[HeartbeatPayload]:
    """All heartbeats that were heard and not read yet."""
    deliveries = await rig.registry.take(1000)
    await rig.registry.ack(deliveries)
    read = [(rig.read(delivery.message), delivery.message.payload) for delivery in deliveries]
    return [decode_payload(HeartbeatPayload, payload) for claims, payload in read if claims.kind == "heartbeat"]


async def test_stopping_waits_for_what_runs(start: Start) -> None:
    agent, gate = gated()
    rig = await start(agent, drain_within=timedelta(hours=1))
    await rig.send(await rig.assignment({"number": 1}))
    await gate.entered.acquire()
    stopping = asyncio.create_task(rig.worker.stop())
    await asyncio.sleep(0)
    gate.open.set()
    await stopping
    assert (await rig.answer())[1] == 1
    await rig.worker.stop()


def test_what_is_stopped_has_time_to_be_answered() -> None:
    assert max(THREAD_GRACE_S, CANCEL_GRACE_S) < STOP_WITHIN_S


async def test_a_body_that_has_to_be_open_is_open_while_a_worker_runs_it(start: Start) -> None:
    class Opened:
        users = 0

        async def __aenter__(self) -> None:
            self.users += 1

        async def __aexit__(self, *_: object) -> None:
            self.users -= 1

        async def __call__(self, document: bytes, context: Context) -> Output:
            return Output(b"%d" % self.users)

    agent, body = Agent("opened"), Opened()
    agent.offer("test.it@1.0.0", Terms(), lambda: Bound(body, True, True))
    rig = await start(agent)
    await rig.send(await rig.assignment(None))
    assert (await rig.answer())[1] == 1
    await rig.worker.stop()
    assert body.users == 0


async def test_a_worker_that_cannot_start_leaves_nothing_open(start: Start) -> None:
    class Refusing(MemoryBus):
        def inbox(self, subject: str) -> Any:
            if subject == notice_subject(InstanceId("spiffe://local/agent/doubler#i2")):
                raise ConnectionError("the bus is away")
            return super().inbox(subject)

    bus = Refusing()
    rig = await start(doubling(), bus=bus)
    with pytest.raises(ConnectionError):
        await start(rig.agent, beside=rig, instance="i2")
    assert len(bus._listening[notice_subject(rig.agent.id)]) == 1
