"""The two built-in workflows, whole, on real input; also when an agent returns rubbish."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

from accord.app import host, open_node
from accord.builtin import agents
from accord.domain import event as e
from accord.domain.run import Run
from accord.engine.node import Node
from accord.sdk import Agent, Capability, Context
from accord.sdk.agent import Bound
from accord.sdk.outcome import Output
from accord.settings import Settings
from accord.templates.reading import read_source

Sabotage = Callable[[bytes], bytes]


def disturbed(agent: Agent, sabotage: Sabotage) -> Agent:
    """The agent, with every output changed by `sabotage`: its own types would never let such a result out."""
    twin = Agent(agent.name)
    for name, capability in agent.capabilities.items():
        contract = capability.contract
        body = spoiled(capability, sabotage)
        twin.offer(name, capability.terms, partial(Bound, body, contract.input.document, contract.output.document))
    return twin


def spoiled(capability: Capability, sabotage: Sabotage) -> Any:
    async def body(document: bytes, context: Context) -> Output:
        output = await capability.body(document, context)
        return Output(sabotage(output.data), output.confidence)

    return body


async def run_workflow(
    home: Path, name: str, value: dict[str, Any], hosted: list[Agent]
) -> tuple[Run, list[e.Event], Any]:
    source = read_source(Path(str(files("accord.builtin") / "templates" / f"{name}.yaml")))
    async with open_node(Settings(home=home)) as node, host(node, hosted):
        digest = await node.publish(source.template, source.data)
        started = await node.start_run(digest, value)
        run = await node.ended(started.id)
        events = [event for _, event in await node.events(run.id)]
        return run, events, await output_of(node, run)


async def output_of(node: Node, run: Run) -> Any:
    assert run.output is not None, run.problem
    return json.loads(await node.parts.documents.data(run.output))


PRODUCTS = {"products": ["msgspec", "orjson"], "purpose": "read JSON fast"}


async def test_a_comparison_of_installed_products(tmp_path: Path) -> None:
    run, events, output = await run_workflow(tmp_path, "competitive-analysis", PRODUCTS, agents())
    assert run.phase == "completed"
    assert "msgspec" in output["markdown"]
    assert output["charts"]
    assert len({event.agent for event in events if isinstance(event, e.AttemptAssigned)}) >= 6


async def test_an_audit_of_a_directory(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "module.py").write_text("def f(x=[]):\n    try:\n        return eval(x)\n    except:\n        pass\n")
    run, _, output = await run_workflow(tmp_path / "home", "source-audit", {"directory": str(folder)}, agents())
    assert run.phase == "completed"
    assert "module.py" in output["markdown"]


async def test_a_wrapped_result_is_repaired_by_the_diagnostic_agent(tmp_path: Path) -> None:
    hosted = [disturbed(agent, wrap_measures) if agent.name == "measurer" else agent for agent in agents()]
    run, events, output = await run_workflow(tmp_path / "a", "competitive-analysis", PRODUCTS, hosted)
    rejected = [event for event in events if isinstance(event, e.AttemptRejected)]
    diagnosed = [event for event in events if isinstance(event, e.AttemptAssigned) and event.purpose == "diagnose"]
    assert len(rejected) == len(diagnosed) == 2
    assert {event.fault for event in rejected} == {"producer"}
    assert run.phase == "completed"
    _, _, undisturbed = await run_workflow(tmp_path / "b", "competitive-analysis", PRODUCTS, agents())
    assert output["markdown"] == undisturbed["markdown"]


async def test_rubbish_is_sent_back_until_the_attempts_are_used_up(tmp_path: Path) -> None:
    hosted = [disturbed(agent, lambda data: b"[]") if agent.name == "assessor" else agent for agent in agents()]
    run, events, _ = await run_failing(tmp_path, hosted)
    assert run.phase == "failed"
    assert run.problem is not None
    assert "score" in run.problem.message or "ACC251" in run.problem.code
    assert sum(isinstance(event, e.AttemptRejected) for event in events) >= 2


async def run_failing(home: Path, hosted: list[Agent]) -> tuple[Run, list[e.Event], None]:
    source = read_source(Path(str(files("accord.builtin") / "templates" / "competitive-analysis.yaml")))
    async with open_node(Settings(home=home)) as node, host(node, hosted):
        digest = await node.publish(source.template, source.data)
        run = await node.ended((await node.start_run(digest, PRODUCTS)).id)
        return run, [event for _, event in await node.events(run.id)], None


def wrap_measures(data: bytes) -> bytes:
    return b'{"result":%b}' % data
