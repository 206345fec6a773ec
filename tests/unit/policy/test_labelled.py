"""Labels and policies, end to end: who may not see something is not shown it, and who may not declassify does not."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.policy.test_enforced import ruled, written

from accord.domain import event as e
from accord.domain.compile import compile_graph
from accord.domain.flow import task_labels
from accord.domain.ids import Digest, RunId, TaskId
from accord.domain.template import Template
from accord.errors import AccordError, BadInput, TemplateInvalid
from accord.policy.live import open_policy
from accord.sdk import Agent
from accord.testing.stage import Stage, attempts_of

ANY = '@id("any") permit (principal, action, resource);'
LOW_SEES_LITTLE = """@id("low-sees-little") forbid (
  principal == Agent::"spiffe://local/agent/low", action == Action::"see", resource
) when { context.labels.containsAny(["confidential", "personal"]) };"""
ONLY_HIGH = """@id("only-high") forbid (principal, action == Action::"declassify", resource)
unless { principal == Agent::"spiffe://local/agent/high" };"""
SECRET = ("confidential", "personal")
INPUT: dict[str, Any] = {
    "input": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "order": {"type": "integer"}},
        "required": ["name", "order"],
    },
    "labels": {"/name": list(SECRET)},
}
GIVEN = {"name": "Ann", "order": 7}
DECLASSIFY = {"to": "internal", "without": ["personal"], "why": "names are removed"}


def working(name: str, *capabilities: str, labels: tuple[str, ...] = ()) -> Agent:
    agent = Agent(name, concurrency=4, queue=0)
    for capability in capabilities or ("test.work",):

        @agent.capability(f"{capability}@1.0.0", labels=labels, input={}, output={})
        async def work(value: Any) -> Any:
            return value

    return agent


def task(capability: str = "test.work", **fields: Any) -> dict[str, Any]:
    return {"uses": f"{capability}@^1", **fields}


def reads(path: str) -> dict[str, Any]:
    return {"with": {"v": f"${{ {path} }}"}}


def told_codes(refused: pytest.ExceptionInfo[AccordError]) -> list[str]:
    return [problem.code for problem in refused.value.problems]


async def events_of(stage: Stage, run: RunId, kind: type) -> list[Any]:
    return [event for _, event in await stage.node.events(run) if isinstance(event, kind)]


@pytest.mark.abuse(
    "ASI03",
    "ASI06",
    at="agent",
    stride="information disclosure",
    case="a context with more in it than the agent may see",
)
async def test_a_context_is_cut_to_what_its_agent_may_see_and_it_is_told_so(tmp_path: Path) -> None:
    tasks = {
        "open": task("test.high", **reads("input.order")),
        "secret": task("test.high", **reads("input.name")),
        "for_low": task("test.low", context="upstream", needs=["open", "secret"], **reads("input.order")),
        "for_high": task("test.high", context="upstream", needs=["open", "secret"], **reads("input.order")),
    }
    async with ruled(tmp_path / "p.cedar", ANY, LOW_SEES_LITTLE) as stage:
        high, low = await stage.enlist(working("high", "test.high")), await stage.enlist(working("low", "test.low"))
        run = await stage.start(tasks, GIVEN, **INPUT)
        for _ in range(2):
            assigned = await high.assigned()
            await high.answer(assigned, f"{assigned.claims.task} made")
        shown, all_of_it = await low.assigned(), await high.assigned()
        assert shown.context["upstream"] == {"input": {"order": 7}, "tasks": {"open": "open made"}}
        assert shown.context["cut"] == ["input.name", "tasks.secret"]
        assert b"Ann" not in shown.message.payload
        assert b"secret made" not in shown.message.payload
        assert all_of_it.context["upstream"]["input"] == GIVEN
        assert all_of_it.context["upstream"]["tasks"] == {"open": "open made", "secret": "secret made"}
        assert "cut" not in all_of_it.context
        await low.answer(shown, 1)
        await high.answer(all_of_it, 2)
        after = await stage.run(run)
        assert after.phase == "completed"
        assert task_labels(after, TaskId("for_low")) == {"internal"}
        assert task_labels(after, TaskId("for_high")) == set(SECRET), "it has seen all of it"


async def test_an_input_that_may_not_be_seen_at_all_is_cut_whole(tmp_path: Path) -> None:
    tasks = {"a": task("test.low", context="upstream")}
    async with ruled(tmp_path / "p.cedar", ANY, LOW_SEES_LITTLE) as stage:
        low = await stage.enlist(working("low", "test.low"))
        digest = await stage.publish(tasks, **{**INPUT, "labels": {"": ["confidential"], "/order": ["public"]}})
        await stage.node.start_run(digest, GIVEN)
        shown = await low.assigned()
        assert shown.context["cut"] == ["input"]
        assert shown.context["upstream"] == {"tasks": {}}


async def test_an_input_that_has_no_members_is_not_shown_where_a_part_of_it_may_not_be_seen(tmp_path: Path) -> None:
    async with ruled(tmp_path / "p.cedar", ANY, LOW_SEES_LITTLE) as stage:
        low = await stage.enlist(working("low", "test.low"))
        digest = await stage.publish(
            {"a": task("test.low", context="upstream")},
            input=True,
            labels={"/0": ["confidential"]},
        )
        await stage.node.start_run(digest, ["Ann", "nothing"])
        shown = await low.assigned()
        assert shown.context["cut"] == ["input.0"]
        assert shown.context["upstream"] == {"tasks": {}}


@pytest.mark.abuse(
    "ASI03",
    at="agent",
    stride="information disclosure",
    case="an input that the agent may not see goes to somebody else",
)
async def test_who_may_not_see_the_input_is_no_candidate_and_the_journal_says_so(tmp_path: Path) -> None:
    async with ruled(tmp_path / "p.cedar", ANY, LOW_SEES_LITTLE) as stage:
        await stage.enlist(working("low"))
        high = await stage.enlist(working("high"))
        run = await stage.start({"a": task(**reads("input.name"))}, GIVEN, **INPUT)
        await high.answer(await high.assigned(), 1)
        [event] = await events_of(stage, run.id, e.AttemptAssigned)
        assert event.agent == high.id
        [passed] = event.grounds.passed
        assert (passed.why, passed.count, passed.policy) == ("barred", 1, "see: forbidden by low-sees-little")


async def test_what_a_start_says_counts_as_what_the_template_says(tmp_path: Path) -> None:
    file = tmp_path / "p.cedar"
    async with ruled(file, ANY) as stage:
        low = await stage.enlist(working("low"))
        digest = await stage.publish({"a": task(**reads("input"))})
        run = await stage.node.start_run(digest, 1, labels=("personal", "public"))
        assert run.started.labels == ("public", "personal")
        assert (await low.assigned()).claims.run == run.id
        written(file, ANY, LOW_SEES_LITTLE)
        await stage.parts.policies.go()
        with pytest.raises(TemplateInvalid) as refused:
            await stage.node.start_run(digest, 1, labels=("personal",))
        assert told_codes(refused) == ["ACC219"]
        assert "`personal` by what was said at the start → a" in str(refused.value.problems[0])
        with pytest.raises(BadInput):
            await stage.node.start_run(digest, 1, labels=("No Label",))


async def test_labels_come_from_contracts_and_agents_and_stop_at_who_may_not_see_them(tmp_path: Path) -> None:
    tasks = {"a": task("test.high"), "b": task("test.low", **reads("tasks.a.output"))}
    async with ruled(tmp_path / "p.cedar", ANY, LOW_SEES_LITTLE) as stage:
        high = await stage.enlist(working("high", "test.high", labels=("health",)))
        await stage.enlist(working("low", "test.low"))
        run = await stage.start(tasks, 1)
        await high.answer(await high.assigned(), 1, labels=("personal",))
        after = await stage.run(run)
        assert task_labels(after, TaskId("a")) == {"internal", "health", "personal"}
        assert list(attempts_of(after)) == ["a/1 succeeded"], "nobody may see it"
        [event] = await events_of(stage, run.id, e.AttemptSucceeded)
        assert event.labels == ("health", "personal")


# -- declassification --------------------------------------------------------------------------------------------


async def test_a_declassification_is_permitted_claimed_under_a_signature_and_journalled(tmp_path: Path) -> None:
    tasks = {
        "a": task(declassify=DECLASSIFY, **reads("input.name")),
        "b": task("test.low", **reads("tasks.a.output")),
    }
    async with ruled(tmp_path / "p.cedar", ANY, LOW_SEES_LITTLE, ONLY_HIGH) as stage:
        await stage.enlist(working("other"))
        high, low = await stage.enlist(working("high")), await stage.enlist(working("low", "test.low"))
        run = await stage.start(tasks, GIVEN, **INPUT)
        given = await high.assigned()
        assert given.context["declassify"] == DECLASSIFY
        await high.answer(given, "A.", declassifies=("internal", "personal"))
        await low.answer(await low.assigned(), 1)
        [event] = await events_of(stage, run.id, e.TaskDeclassified)
        assert (event.by, event.before, event.labels) == (high.id, SECRET, ("internal",))
        assert event.policy is not None
        assert event.policy.digest == stage.ports.policy.source.digest
        assert (await stage.run(run)).phase == "completed"


async def test_nobody_gets_it_who_may_not(tmp_path: Path) -> None:
    file = tmp_path / "p.cedar"
    async with ruled(file, ANY) as stage:
        other = await stage.enlist(working("other"))
        tasks = {"a": task(declassify=DECLASSIFY, retry={"attempts": 3}, **reads("input.name"))}
        run = await stage.start(tasks, GIVEN, **INPUT)
        held = await other.assigned()
        written(file, ANY, ONLY_HIGH)
        await stage.parts.policies.go()
        await other.answer(held, "A.", declassifies=("internal", "personal"))
        stage.clock.forward(5)
        stage.node.orchestrator.kick()
        high = await stage.enlist(working("high"))
        assert (await high.assigned()).claims.attempt == 2
        assert list(attempts_of(await stage.run(run))) == ["a/1 cancelled", "a/2 assigned"]


@pytest.mark.abuse(
    "ASI03", at="gate", stride="elevation of privilege", case="a declassification by one who may not", codes=["ACC675"]
)
async def test_who_may_not_any_more_when_the_result_comes_has_not_declassified(tmp_path: Path) -> None:
    file = tmp_path / "p.cedar"
    async with ruled(file, ANY) as stage:
        other = await stage.enlist(working("other"))
        run = await stage.start({"a": task(declassify=DECLASSIFY, **reads("input.name"))}, GIVEN, **INPUT)
        given = await other.assigned()
        written(file, ANY, ONLY_HIGH)
        await stage.parts.policies.go()
        await other.answer(given, "A.", declassifies=("internal", "personal"))
        assert await stage.codes() == ["ACC675"]
        assert not await events_of(stage, run.id, e.TaskDeclassified)


@pytest.mark.parametrize("approved", [True, False])
async def test_a_person_decides_and_an_agent_signs_what_is_taken_away(tmp_path: Path, *, approved: bool) -> None:
    tasks = {
        "release": {"approval": {"title": "May ${ input.name } be told?"}},
        "redact": task(needs=["release"], declassify=DECLASSIFY, **reads("input.name")),
    }
    async with ruled(tmp_path / "p.cedar", ANY) as stage:
        agent = await stage.enlist(working("high"))
        run = await stage.start(tasks, GIVEN, **INPUT)
        await stage.node.signal(run.id, {"approved": approved}, task=TaskId("release"), by="ann")
        if approved:
            await agent.answer(await agent.assigned(), "A.", declassifies=("internal", "personal"))
        after = await stage.node.ended(run.id)
        assert after.phase == ("completed" if approved else "failed")
        assert task_labels(after, TaskId("redact")) == {"internal"}
        assert len(await events_of(stage, run.id, e.TaskDeclassified)) == approved
        [answer] = await events_of(stage, run.id, e.SignalReceived)
        assert answer.by == "ann"
        if approved:
            assert task_labels(after, TaskId("release")) == set(SECRET), "whoever answers lowers nothing by it"


@pytest.mark.abuse(
    "ASI02", at="gate", stride="elevation of privilege", case="nobody declassifies where no policy says so"
)
async def test_the_policy_that_ships_lets_nobody_declassify() -> None:
    async with Stage.open() as stage:
        await stage.enlist(working("other"))
        with pytest.raises(TemplateInvalid) as refused:
            await stage.publish({"a": task(declassify=DECLASSIFY, **reads("input.name"))}, **INPUT)
        assert told_codes(refused) == ["ACC221"]
        [problem] = refused.value.problems
        assert problem.place.pointer == "/tasks/a/declassify"
        assert "no policy permits it" in (problem.hint or "")


@pytest.mark.abuse(
    "ASI01",
    "ASI10",
    at="gate",
    stride="elevation of privilege",
    case="an agent that declassifies what it was not asked to",
)
async def test_a_claim_that_the_task_does_not_allow_is_an_incident(tmp_path: Path) -> None:
    async with Stage.open(policy=await open_policy(None)) as stage:
        agent = await stage.enlist(working("other"))
        run = await stage.start({"a": task(**reads("input.name"))}, GIVEN, **INPUT)
        given = await agent.assigned()
        await agent.answer(given, "A.", declassifies=("public",))
        assert await stage.codes() == ["ACC692"]
        await agent.answer(given, "A.")
        assert task_labels(await stage.run(run), TaskId("a")) == set(SECRET)


@pytest.mark.abuse(
    "ASI03",
    at="gate",
    stride="elevation of privilege",
    case="a declassification beyond what the task allows",
    codes=["ACC692"],
)
async def test_one_that_claims_more_than_it_may_is_an_incident(tmp_path: Path) -> None:
    async with ruled(tmp_path / "p.cedar", ANY) as stage:
        agent = await stage.enlist(working("other"))
        run = await stage.start({"a": task(declassify=DECLASSIFY, **reads("input.name"))}, GIVEN, **INPUT)
        await agent.answer(await agent.assigned(), "A.", declassifies=("public", "personal"))
        assert await stage.codes() == ["ACC692"]
        assert not await events_of(stage, run.id, e.TaskDeclassified)


# -- before the run ----------------------------------------------------------------------------------------------


async def findings_of(stage: Stage, tasks: dict[str, Any], **fields: Any) -> list[tuple[str, str]]:
    """The codes and places of what the verifier says of labels."""
    document = {"accord": "template/1", "name": "play", "version": "1.0.0", "input": True, **fields, "tasks": tasks}
    digest = Digest(sha256(msgspec.json.encode(document)).hexdigest())
    graph = compile_graph(msgspec.convert(document, Template), digest)
    report = await stage.parts.verification.report(graph, by="local")
    return [(one.code, one.place.pointer or "") for one in report.findings if one.code.startswith("ACC2")]


@pytest.mark.abuse(
    "ASI01", "ASI06", at="template", stride="information disclosure", case="a template on whose way something leaks"
)
async def test_no_edge_leaks_and_if_one_would_its_way_is_told(tmp_path: Path) -> None:
    way = {"a": task("test.high", **reads("input.name")), "b": task("test.low", **reads("tasks.a.output"))}
    async with ruled(tmp_path / "p.cedar", ANY, LOW_SEES_LITTLE, ONLY_HIGH) as stage:
        await stage.enlist(working("high", "test.high"))
        await stage.enlist(working("low", "test.low"))
        with pytest.raises(TemplateInvalid) as refused:
            await stage.publish(way, **INPUT)
        [problem] = refused.value.problems
        assert (problem.code, problem.place.pointer) == ("ACC219", "/tasks/b")
        assert problem.message.endswith("the input of `b`: confidential, personal")
        assert "`personal` by input.name → a → b" in (problem.hint or "")
        assert "forbidden by low-sees-little" in (problem.hint or "")
        lowered = {**way, "a": {**way["a"], "declassify": DECLASSIFY}}
        assert await findings_of(stage, lowered, **INPUT) == []
        other = {**way, "b": task("test.low", **reads("input.order"))}
        assert await findings_of(stage, other, **INPUT) == []
        context = {"b": task("test.low", context="upstream", **reads("input.order"))}
        assert await findings_of(stage, context, **INPUT) == [("ACC222", "/tasks/b/context")]


@pytest.mark.abuse(
    "ASI01",
    "ASI06",
    at="template",
    stride="information disclosure",
    case="a condition on data that its agent may not see",
)
async def test_who_learns_by_being_asked_what_they_may_not_see_is_told_before(tmp_path: Path) -> None:
    asks = {"when": "${ input.name == 'Ann' }"}
    known = {"a": task("test.high", **reads("input.name"))}
    low = task("test.low", **reads("input.order"))
    async with ruled(tmp_path / "p.cedar", ANY, LOW_SEES_LITTLE, ONLY_HIGH) as stage:
        await stage.enlist(working("high", "test.high"))
        await stage.enlist(working("low", "test.low"))
        assert await findings_of(stage, {"b": {**low, **asks}}, **INPUT) == [("ACC223", "/tasks/b")]
        behind = {"a": {**known["a"], **asks}, "b": {**low, "needs": ["a"]}}
        assert await findings_of(stage, behind, **INPUT) == [("ACC223", "/tasks/b")]
        over_it = {**known, "b": {**low, "when": "${ tasks.a.output == 1 }"}}
        assert await findings_of(stage, over_it, **INPUT) == [("ACC223", "/tasks/b")]
        lowered = {**over_it, "a": {**known["a"], "declassify": DECLASSIFY}}
        assert await findings_of(stage, lowered, **INPUT) == []
        assert await findings_of(stage, {"b": {**low, "when": "${ input.order > 1 }"}}, **INPUT) == []
        may_see = {"b": task("test.high", **reads("input.order")) | asks}
        assert await findings_of(stage, may_see, **INPUT) == []


async def test_how_often_a_task_is_done_tells_of_its_list(tmp_path: Path) -> None:
    listed = {"input": {"type": "object", "properties": {"names": {"type": "array"}}, "required": ["names"]}}
    each = task("test.low", for_each="${ input.names }", **{"with": {"v": 1}})
    async with ruled(tmp_path / "p.cedar", ANY, LOW_SEES_LITTLE) as stage:
        await stage.enlist(working("low", "test.low"))
        found = await findings_of(stage, {"b": each}, **listed, labels={"/names": list(SECRET)})
        assert found == [("ACC223", "/tasks/b")]


async def test_what_decides_about_a_workflow_decides_about_its_tasks(tmp_path: Path) -> None:
    inner = {"b": task("test.low", **{"with": {"v": 1}})}
    outer = {"sub": {"workflow": "inner@^1", "with": {}, "when": "${ input.name == 'Ann' }"}}
    async with ruled(tmp_path / "p.cedar", ANY, LOW_SEES_LITTLE) as stage:
        await stage.enlist(working("low", "test.low"))
        await stage.publish(inner, name="inner")
        assert await findings_of(stage, outer, **INPUT) == [("ACC223", "/tasks/sub")]
        assert await findings_of(stage, {"sub": {**outer["sub"], "when": "${ input.order > 1 }"}}, **INPUT) == []


async def test_what_only_one_of_the_contracts_adds_is_a_warning(tmp_path: Path) -> None:
    tasks = {"a": task("test.high"), "b": task("test.low", **reads("tasks.a.output"))}
    async with ruled(tmp_path / "p.cedar", ANY, LOW_SEES_LITTLE) as stage:
        await stage.enlist(working("low", "test.low"))
        await stage.enlist(working("high", "test.high", labels=("personal",)))
        assert await findings_of(stage, tasks) == [("ACC219", "/tasks/b")]
        newer = Agent("newer")

        @newer.capability("test.high@1.1.0", input={}, output={})
        async def high(value: Any) -> Any:
            return value

        await stage.enlist(newer)
        assert await findings_of(stage, tasks) == [("ACC220", "/tasks/b")]
