"""The spans of runs in one process: links of sub-runs and forks, what the gate says, samples, and nothing while it is
off.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from accord.app import host, open_node
from accord.domain.message import decode_claims
from accord.domain.run import Run
from accord.domain.signature import parse_statement
from accord.domain.trace import TraceContext, read_traceparent, span_id, trace_of, traceparent_of
from accord.engine.node import Node
from accord.errors import NotFound
from accord.ports import ModelCall, Span, Telemetry
from accord.sdk import Agent
from accord.service import Fork
from accord.settings import Settings
from accord.telemetry import SPANS
from accord.templates.reading import read_source

CALLER = TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")

INNER: dict[str, Any] = {
    "accord": "template/1",
    "name": "inner",
    "version": "1.0.0",
    "input": True,
    "tasks": {"work": {"uses": "work.do@^1", "with": {"good": True}}},
    "output": "${ tasks.work.output }",
}
OUTER: dict[str, Any] = {
    **INNER,
    "name": "outer",
    "tasks": {"first": {"uses": "work.do@^1", "with": {"good": True}}, "below": {"workflow": "inner@^1", "with": {}}},
    "output": "${ tasks.below.output }",
}
BROKEN: dict[str, Any] = {**INNER, "name": "broken", "tasks": {"work": {"uses": "work.do@^1", "with": {"good": False}}}}


class Kept:
    """Spans, as they are told."""

    dropped = 0

    def __init__(self, ratio: float = 1.0) -> None:
        self.ratio = ratio
        self.all: list[Span] = []

    @property
    def made(self) -> int:
        return len(self.all)

    def put(self, span: Span) -> None:
        self.all.append(span)

    def of(self, run: Run, name: str) -> list[Span]:
        """Those of a run whose names begin so."""
        return [one for one in self.all if one.attributes["accord.run.id"] == run.id and one.name.startswith(name)]


def worker() -> Agent:
    agent = Agent("worker")

    @agent.capability("work.do@1.0.0", output={"type": "integer"})
    def do(good: bool) -> Any:
        """One, or what breaks the contract."""
        return 1 if good else "one"

    return agent


@asynccontextmanager
async def opened(home: Path, spans: Kept | None) -> AsyncIterator[Node]:
    """A node with the worker."""
    telemetry = None if spans is None else Telemetry(spans=spans, tracing=None)
    async with open_node(Settings(home=home), telemetry=telemetry) as node, host(node, [worker()]):
        yield node


async def ended(node: Node, template: dict[str, Any], **more: Any) -> Run:
    """A run of the template, at its end."""
    for one in (INNER, template):
        source = read_source(orjson.dumps(one).decode())
        digest = await node.publish(source.template, source.data)
    return await node.ended((await node.start_run(digest, {}, **more)).id)


async def test_a_sub_run_has_a_trace_of_its_own_and_links_lead_both_ways(tmp_path: Path) -> None:
    kept = Kept()
    async with opened(tmp_path, kept) as node:
        run = await ended(node, OUTER, trace=str(CALLER))
        below = run.state("below").subrun
        inner = await node.ended(below)
    [root], [task] = kept.of(run, "invoke_workflow"), kept.of(run, "task below")
    [other] = kept.of(inner, "invoke_workflow")
    assert (root.at.trace, root.parent, root.at.span) == (CALLER.trace, CALLER.span, span_id("run", run.id))
    assert other.at == trace_of(inner.id, 1.0)
    assert (other.links, task.links) == ((task.at,), (other.at,))
    assert other.attributes["accord.run.parent"] == run.id


async def test_a_fork_leads_back_to_the_run_it_comes_from(tmp_path: Path) -> None:
    kept = Kept()
    async with opened(tmp_path, kept) as node:
        run = await ended(node, INNER, trace=str(CALLER))
        fork = await node.ended((await node.fork(run.id, Fork(), by="me")).id)
    [root], [source] = kept.of(fork, "invoke_workflow"), kept.of(run, "invoke_workflow")
    assert root.links == (source.at,)
    assert root.at.trace != source.at.trace


async def test_a_result_that_breaks_its_contract_is_told_with_its_code(tmp_path: Path) -> None:
    kept = Kept()
    async with opened(tmp_path, kept) as node:
        run = await ended(node, BROKEN)
    [gate, *_], [attempt, *_] = kept.of(run, "gate"), kept.of(run, "invoke_agent worker")
    assert (gate.attributes["accord.gate.verdict"], attempt.attributes["accord.attempt.end"]) == ("rejected",) * 2
    assert gate.error == attempt.error == "ACC251"
    assert gate.parent == attempt.at.span


@pytest.mark.parametrize("caller", ["", str(TraceContext(CALLER.trace, CALLER.span, sampled=False))])
async def test_a_run_that_is_not_sampled_is_not_told_and_says_so_to_its_agents(tmp_path: Path, caller: str) -> None:
    kept = Kept(ratio=0.0 if not caller else 1.0)
    async with opened(tmp_path, kept) as node:
        run = await ended(node, OUTER, trace=caller)
        inner = await node.run(run.state("below").subrun)
    assert kept.all == []
    for one in (run, inner):
        context = read_traceparent(one.started.trace)
        assert context is not None
        assert not context.sampled


async def test_a_fault_of_ours_costs_spans_and_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Faulty(Kept):
        def put(self, span: Span) -> None:
            raise RuntimeError("it was not foreseen")

    async with opened(tmp_path, Faulty()) as node:
        run = await ended(node, INNER)
        assert node.parts.figures.given_up == 0
    assert run.phase == "completed"
    assert "spans are missing" in caplog.text


async def test_while_it_is_off_nothing_is_in_events_and_statements(tmp_path: Path) -> None:
    async with opened(tmp_path, None) as node:
        run = await ended(node, INNER)
        records = await node.records(run.id)
        given = await ended(node, INNER, trace=str(CALLER))
    assert b'"trace"' not in records[0].data
    assert b'"linked"' not in records[0].data
    [attempt] = run.state("work").attempts
    assert attempt.statement is not None
    assert decode_claims(parse_statement(attempt.statement.encode()).claims).trace is None
    # A caller's trace goes on to the agents all the same.
    [attempt] = given.state("work").attempts
    assert attempt.statement is not None
    trace = decode_claims(parse_statement(attempt.statement.encode()).claims).trace
    assert trace == traceparent_of(str(CALLER), attempt.lease)


async def test_a_plan_that_is_only_shown_is_told_under_its_caller_or_alone(tmp_path: Path) -> None:
    spans = Kept()
    async with opened(tmp_path, spans) as node:
        with node.parts.tracer.planning("first", str(CALLER)) as told:
            told.template = "outer@1.0.0"
        with pytest.raises(NotFound), node.parts.tracer.planning("second"):
            raise NotFound.of("ACC761", "there is no template")
        with node.parts.tracer.planning("third", str(TraceContext(CALLER.trace, CALLER.span, sampled=False))):
            pass
    first, second = spans.all
    assert (first.name, first.at.trace, first.parent, first.error) == ("plan", CALLER.trace, CALLER.span, "")
    assert first.attributes == {"gen_ai.operation.name": "plan", "gen_ai.workflow.name": "outer@1.0.0"}
    assert (second.parent, second.error, second.at.sampled) == (None, "ACC761", True)
    assert second.at.trace != first.at.trace


async def test_each_request_to_a_language_model_is_a_span_under_the_plan(tmp_path: Path) -> None:
    spans = Kept()
    began = datetime(2026, 11, 26, tzinfo=UTC)
    asked = ModelCall(began=began, ended=began, model="parrot", host="models.example.org", port=443, error="ACC150")
    answered = msgspec.structs.replace(asked, answered_by="parrot-1", input_tokens=7, output_tokens=3, error="")
    async with opened(tmp_path, spans) as node:
        with node.parts.tracer.planning("shown", str(CALLER)) as told:
            told.calls = [asked, answered]
        run = await ended(node, INNER)
        node.parts.tracer.planned(run, began, began, [answered])
    plan, first, second, *others = spans.all
    assert [one.name for one in (first, second)] == ["chat parrot", "chat parrot"]
    assert {one.parent for one in (first, second)} == {plan.at.span}
    assert first.at.span != second.at.span
    assert (first.error, first.calls) == ("ACC150", True)
    assert second.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "parrot",
        "gen_ai.response.model": "parrot-1",
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 3,
        "server.address": "models.example.org",
        "server.port": 443,
    }
    assert set(second.attributes) | {"error.type"} == {*SPANS["chat"].attributes, "gen_ai.operation.name"}
    [of_run] = [one for one in others if one.name == "chat parrot"]
    [its_plan] = [one for one in others if one.name == "plan"]
    assert (of_run.parent, of_run.at.trace) == (its_plan.at.span, its_plan.at.trace)
