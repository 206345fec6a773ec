"""OpenTelemetry, with real processes: one trace per run over two servers and an agent, also of a take-over, as the
table of spans says; metrics and logs by OTLP; a collector that is away.
"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from accord.domain.ids import RunId
from accord.domain.trace import TraceContext, span_id, trace_of
from accord.postgres.address import StoreAddress
from accord.telemetry import METRICS, SPANS
from accord.testing.nats import NatsServer

from .collector import Collected, Collector, collecting
from .pair import Pair
from .processes import ACCORD, HERE, Started

CALLER = TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
PERSONAL = "0name0of0a0person0"

TEMPLATE: dict[str, Any] = {
    "accord": "template/1",
    "name": "steps",
    "version": "1.0.0",
    "input": {"type": "object", "properties": {"secret": {"type": "string"}}, "required": ["secret"]},
    "tasks": {
        "one": {"uses": "step.first@^1", "with": {"secret": "${ input.secret }"}},
        "two": {"uses": "step.second@^1", "with": {"text": "${ tasks.one.output }"}},
    },
    "output": "${ tasks.two.output }",
}
FAILING: dict[str, Any] = {
    **TEMPLATE,
    "name": "breaks",
    "tasks": {"one": {"uses": "step.failing@^1", "with": {"text": "${ input.secret }"}}},
    "output": "${ tasks.one.output }",
}


class Traced(Pair):
    """A pair of servers and an agent that tell a collector what they do."""

    def __init__(self, folder: Path, store: StoreAddress, bus: str, collector: Collector) -> None:
        super().__init__(folder, store, bus)
        self.collector = collector
        self.gate = folder / "gate"
        told = {
            "ACCORD_OTLP_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "OTEL_METRIC_EXPORT_INTERVAL": "200",
            "ACCORD_LOG_FORMAT": "json",
            "ACCORD_LOG_LEVEL": "info",
        }
        for server in self.servers:
            server.knowing(**told)
        environment = {"ACCORD_HOME": str(folder / "agent"), "TRACED_GATE": str(self.gate), **told}
        self.environment = environment

    def traced(self) -> Started:
        """The agent, at the second server."""
        command = (*ACCORD, "agent", str(HERE / "traced.py"), "--connect", self.urls[1], "--drain", "1")
        return Started(self.folder, "traced", command, **self.environment)

    def http(self, server: int) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.AsyncClient(base_url=self.urls[server], headers=headers, timeout=30)

    async def run_of(self, template: dict[str, Any], **headers: str) -> str:
        """A run, started at the first server."""
        async with self.client(0) as client:
            while not await client.agents("step.first@^1"):  # noqa: ASYNC110 - the server is another process
                await asyncio.sleep(0.02)
            await client.publish(template)
        async with self.http(0) as http:
            body = {"template": f"{template['name']}@^1", "input": {"secret": PERSONAL}}
            answer = await http.post("/v1/runs", json=body, headers=headers)
            assert answer.status_code == 201, answer.text
            return str(answer.json()["run"])

    async def reached(self) -> None:
        """Wait until the agent waits."""
        await self.collector.until(self.gate.with_suffix(".reached").exists)

    def open_gate(self) -> None:
        self.gate.with_suffix(".reached").unlink()
        self.gate.touch()


@pytest.fixture
def collector() -> Any:
    with collecting() as one:
        yield one


def one_of(spans: list[Collected], kind: str, **said: Any) -> Collected:
    [found] = [
        one
        for one in spans
        if one.kind == kind and all(one.said.get(name.replace("_", ".")) == value for name, value in said.items())
    ]
    return found


def check_tree(spans: list[Collected], run: str) -> None:
    """The tree is as the table says: parents, kinds of spans, attributes; children lie in their parents' time."""
    by_id = {one.id: one for one in spans}
    assert len(by_id) == len(spans), "no span is told twice"
    for span in spans:
        if span.name == "own work":
            assert by_id[span.parent].kind == "execute_tool"
            continue
        spec = SPANS[span.kind]
        assert set(span.said) <= {*spec.attributes, "gen_ai.operation.name"}, span
        assert span.said.get("gen_ai.operation.name", "") == spec.operation
        assert span.said["accord.run.id"] == run
        assert span.start <= span.end
        if spec.key != "invoke_workflow":
            parent = by_id[span.parent]
            assert parent.kind == spec.parent, span
            if spec.key not in ("plan", "verify", "journal", "gate"):
                assert parent.start <= span.start, (span, parent)


@pytest.mark.timeout(120)
async def test_one_trace_per_run_over_servers_and_agents_and_a_take_over(
    tmp_path: Path, store: StoreAddress, nats: NatsServer, collector: Collector
) -> None:
    pair = Traced(tmp_path, store, nats.url, collector)
    agent: Started | None = None
    try:
        await pair.start()
        agent = pair.traced()
        async with pair.http(0) as http:
            token = (await http.post("/v1/enrolments", json={"name": "traced"})).json()["text"]
        await agent.start("--token", token)

        # A caller's span is the run's parent, and the caller decides whether it is traced.
        run = await pair.run_of(TEMPLATE, traceparent=str(CALLER))
        await pair.reached()
        pair.open_gate()
        await collector.until(lambda: collector.of(CALLER.trace, "invoke_workflow"))
        await collector.until(lambda: len(collector.of(CALLER.trace, "execute_tool")) == 2)
        await collector.until(lambda: collector.of(CALLER.trace, "own"))
        spans = collector.of(CALLER.trace)
        check_tree(spans, run)
        root = one_of(spans, "invoke_workflow")
        assert (root.parent, root.id, root.said["accord.run.state"]) == (CALLER.span, span_id("run", run), "completed")
        assert {one.service for one in spans} == {"accord", "accord-agent"}
        counts = {kind: len([one for one in spans if one.kind == kind]) for kind in SPANS}
        assert counts.pop("journal") >= 3
        both = dict.fromkeys(("task", "queue", "route", "invoke_agent", "execute_tool", "gate"), 2)
        assert counts == {"plan": 1, "chat": 0, "invoke_workflow": 1, "verify": 1, **both}
        invoked = one_of(spans, "invoke_agent", accord_task_id="two")
        assert invoked.said["gen_ai.agent.name"] == "traced"
        # What the agent was told, its own code may hand on: it is the span of its work.
        async with pair.http(0) as http:
            output = (await http.get(f"/v1/runs/{run}/result")).json()["output"]
        worked = one_of(spans, "execute_tool", accord_task_id="two")
        assert output == str(TraceContext(CALLER.trace, worked.id))

        # A run that fails says so; one that a caller does not trace is not told.
        failed = await pair.run_of(FAILING)
        trace = trace_of(RunId(failed), 1.0).trace
        await collector.until(lambda: collector.of(trace, "invoke_workflow"))
        await collector.until(lambda: collector.of(trace, "execute_tool"))
        check_tree(collector.of(trace), failed)
        assert {one.kind for one in collector.of(trace) if one.failed} == {
            "invoke_workflow", "task", "invoke_agent", "execute_tool",
        }  # fmt: skip
        unsampled = TraceContext("1" * 32, "2" * 16, sampled=False)
        quiet = await pair.run_of(FAILING, traceparent=str(unsampled))

        # The first server is killed while the agent works: the second one goes on with the same trace.
        pair.gate.unlink()
        run = await pair.run_of(TEMPLATE)
        trace = trace_of(RunId(run), 1.0).trace
        await pair.reached()
        await collector.until(lambda: len(collector.of(trace, "queue")) == 2)
        [before] = {one.instance for one in collector.of(trace) if one.service == "accord"}
        await pair.servers[0].end(signal.SIGKILL)
        pair.open_gate()
        await collector.until(lambda: collector.of(trace, "invoke_workflow"))
        await collector.until(lambda: len(collector.of(trace, "execute_tool")) == 2)
        spans = collector.of(trace)
        check_tree(spans, run)
        root = one_of(spans, "invoke_workflow")
        assert root.parent == ""
        assert root.instance != before
        assert root.start <= min(one.start for one in spans if one.kind == "task")
        assert one_of(spans, "task", accord_task_id="one").instance == before
        assert one_of(spans, "invoke_agent", accord_task_id="two").instance == root.instance

        # Nothing of what people send is told, and of the run that is not sampled nothing at all.
        assert PERSONAL not in str(collector.spans)
        assert PERSONAL.upper() not in str(collector.spans)
        assert quiet not in str(collector.spans)
        assert not collector.of(unsampled.trace)

        # Metrics and logs come the same way.
        await collector.until(lambda: "accord_runs_ended_total" in collector.metrics)
        ours = {name for name in collector.metrics if name.startswith("accord_")}
        assert ours <= METRICS.keys()
        assert {"accord_commit_seconds", "accord_runs_stuck", "accord_partitions_owned"} <= ours
        appends = collector.metrics["accord_commit_seconds"].histogram.data_points[0]
        assert (len(appends.bucket_counts), sum(appends.bucket_counts)) == (13, appends.count)
        assert PERSONAL not in str(collector.logs)
        await pair.servers[1].end(signal.SIGTERM)
        await agent.end(signal.SIGTERM)
        for one in (pair.servers[1], agent):
            assert one.complaints() == []
            lines = [orjson.loads(line) for line in one.said.splitlines() if line.startswith("{")]
            assert all({"time", "level", "event", "logger", "message"} <= line.keys() for line in lines)
            assert PERSONAL not in one.said
    finally:
        for process in (*pair.servers, *([agent] if agent else [])):
            await process.end(signal.SIGKILL)
