"""Plans over HTTP: what a language model has suggested is shown first, and a plan can be changed and run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace
from tests.language_model import LanguageModel, graph, of_task, said, task
from tests.unit.gateway.conftest import Asker

from accord.app import host, open_node
from accord.engine.node import Node
from accord.gateway.application import create_application
from accord.gateway.plans import EACH, LASTS, SHELVES, ShownPlans
from accord.machine import SystemClock
from accord.planner.by_suggestion import Suggestions
from accord.planner.documents import DRAFT
from accord.planner.plan import plan_template
from accord.planner.suggestion.asking import Endpoint
from accord.sdk import Agent
from accord.settings import Settings
from accord.store.memory import MemoryJournal
from accord.testing.stage import SetClock
from accord.verifier.known import ContractTable
from accord.views.catalogue import Catalogue
from accord.views.planning import Known, Planned, made_entry

POEM = "make the moon poem german"
RIGHT = graph(
    task("write", "poem.write", said("about", "the moon", "the moon")),
    task("translate", "poem.translate", of_task("text", "write"), said("language", "de", "german")),
)

POLICIES = """
@id("any") permit (principal, action, resource);
@id("untranslated") forbid (principal, action == Action::"execute", resource)
when { resource.name == "poem.translate" };
"""


def poet() -> Agent:
    agent = Agent("poet")

    @agent.capability("poem.write@1.0.0")
    def write(about: str) -> str:
        """Write some verses."""
        return f"Oh {about}!"

    @agent.capability("poem.translate@1.0.0")
    def translate(text: str, language: str) -> str:
        """Say a text in another tongue."""
        return f"{language}: {text}"

    return agent


@pytest.fixture
def parrot() -> Iterator[LanguageModel]:
    with LanguageModel(RIGHT).serving() as model:
        yield model


@pytest.fixture
async def suggesting(node: Node, parrot: LanguageModel) -> AsyncIterator[Callable[..., Any]]:
    """Opens gateways that may ask the language model."""
    async with host(node, [poet()]):

        async def opened(**how: Any) -> Asker:
            suggestions = Suggestions(Endpoint(url=parrot.url, model="parrot", **how), SystemClock())
            return Asker(create_application(node, None, None, suggestions))

        yield opened


def refused(answer: httpx.Response, status: int) -> list[str]:
    assert answer.status_code == status, answer.text
    return [one["code"] for one in answer.json()["problems"]]


async def test_a_suggestion_is_shown_first_and_then_started_as_it_was_seen(
    suggesting: Any, node: Node, parrot: LanguageModel
) -> None:
    asker = await suggesting()
    await asker.show("operator")
    assert refused(await asker.http.post("/v1/runs", json={"objective": POEM}), 409) == ["ACC156"]
    assert await node.templates() == []
    plan = (await asker.http.post("/v1/plans", json={"objective": POEM})).json()
    assert (plan["way"], plan["ok"], plan["confidence"]) == ("suggestion", True, 0.5)
    assert (plan["suggested"]["model"], plan["suggested"]["rounds"]) == ("parrot", 1)
    assert [one["task"] for one in plan["drawing"]["tasks"]] == ["write", "translate"]
    started = await asker.http.post("/v1/runs", json={"digest": plan["digest"], "input": plan["input"]})
    assert started.status_code == 201, started.text
    run = (await asker.http.get(f"/v1/runs/{started.json()['run']}")).json()
    assert (run["template"], run["suggested_by"]) == (plan["template"], "parrot")
    assert len(parrot.asked) == 1


async def test_another_deployment_lets_suggestions_run(suggesting: Any) -> None:
    asker = await suggesting(confirmed=False)
    await asker.show("operator")
    started = await asker.http.post("/v1/runs", json={"objective": POEM})
    assert started.status_code == 201, started.text


async def test_any_process_over_the_store_starts_what_another_one_has_shown(
    suggesting: Any, tmp_path: Path, parrot: LanguageModel
) -> None:
    asker = await suggesting()
    await asker.show("operator")
    plan = (await asker.http.post("/v1/plans", json={"objective": POEM})).json()
    body = {"digest": plan["digest"], "input": plan["input"]}
    async with open_node(Settings(home=tmp_path / "home")) as second, host(second, [poet()]):
        other = Asker(create_application(second))
        await other.show("author")
        started = await other.http.post("/v1/runs", json=body)
        assert started.status_code == 201, started.text
        run = (await other.http.get(f"/v1/runs/{started.json()['run']}")).json()
        assert (run["template"], run["suggested_by"]) == (plan["template"], "parrot")
    assert len(parrot.asked) == 1


async def test_a_digest_that_nobody_was_shown_is_not_found(suggesting: Any) -> None:
    asker = await suggesting()
    await asker.show("operator")
    assert refused(await asker.http.post("/v1/runs", json={"digest": "0" * 64}), 404) == ["ACC761"]


def made(number: int) -> Planned:
    """A plan of a template that is none of the others."""
    document = {"accord": "template/1", "name": f"made-{number}", "version": DRAFT, "tasks": {"nap": {"sleep": "1s"}}}
    entry = made_entry(document)
    found = plan_template(entry.known, {}, ContractTable([]))
    return Planned(entry, replace(found, document=document), Catalogue([]))


async def test_what_was_shown_is_kept_for_a_while_and_in_a_bounded_room() -> None:
    clock, journal = SetClock(), MemoryJournal()
    here, there = ShownPlans(journal, clock), ShownPlans(journal, clock)
    known = Known(Catalogue([]), ContractTable([]))

    async def is_known(found: Planned) -> bool:
        among = await there.among(known, found.entry.digest)
        return any(one.digest == found.entry.digest for one in among.templates.entries())

    plans = [made(number) for number in range(SHELVES * EACH * 2)]
    await here.show(plans[0])
    clock.forward(LASTS.total_seconds() - 1)
    assert await is_known(plans[0])
    clock.forward(2)
    assert not await is_known(plans[0])
    await here.show(plans[0])
    assert await is_known(plans[0]), "shown again, it lasts again"
    for one in plans:
        await here.show(one)
    kept = [await is_known(one) for one in plans]
    assert sum(kept) <= SHELVES * EACH
    assert kept[-1]
    assert not kept[0]


async def test_what_has_labels_is_sent_to_no_language_model(suggesting: Any, parrot: LanguageModel) -> None:
    asker = await suggesting(confirmed=False)
    await asker.show("operator")
    answer = await asker.http.post("/v1/runs", json={"objective": POEM, "labels": ["personal"]})
    assert "ACC157" in refused(answer, 422)
    assert not parrot.asked


async def test_what_the_policy_lets_nobody_do_is_not_shown(tmp_path: Path, parrot: LanguageModel) -> None:
    (tmp_path / "p.cedar").write_text(POLICIES)
    suggestions = Suggestions(Endpoint(url=parrot.url, model="parrot", rounds=1), SystemClock())
    async with (
        open_node(Settings(home=tmp_path / "strict", policies=tmp_path / "p.cedar")) as node,
        host(node, [poet()]),
    ):
        asker = Asker(create_application(node, None, None, suggestions))
        await asker.show("operator")
        assert "ACC151" in refused(await asker.http.post("/v1/plans", json={"objective": POEM}), 422)
    shown = str(parrot.asked[0]["messages"])
    assert "poem.write" in shown
    assert "poem.translate" not in shown


async def test_a_model_that_is_away_leaves_the_other_ways_as_they_are(suggesting: Any, parrot: LanguageModel) -> None:
    parrot.answers = [503]
    asker = await suggesting()
    await asker.show("operator")
    assert "ACC150" in refused(await asker.http.post("/v1/plans", json={"objective": POEM}), 422)
    plan = await asker.http.post("/v1/plans", json={"objective": "audit ."})
    assert plan.json()["way"] == "rules"
    assert len(parrot.asked) == 1


async def test_a_plan_may_be_changed_and_run_by_who_may_publish_it(suggesting: Any) -> None:
    asker = await suggesting()
    await asker.show("operator")
    plan = (await asker.http.post("/v1/plans", json={"objective": POEM})).json()
    changed = deepcopy(plan["document"])
    changed["tasks"]["again"] = {"uses": "poem.write@^1", "with": {"about": "${ tasks.translate.output }"}}
    body = {"document": changed, "input": plan["input"]}
    shown = (await asker.http.post("/v1/plans", json=body)).json()
    assert (shown["way"], shown["ok"], shown["suggested"]["model"]) == ("named", True, "parrot")
    assert len(shown["drawing"]["tasks"]) == 3
    assert refused(await asker.http.post("/v1/runs", json=body), 403) == ["ACC654"]
    await asker.show("author")
    headers = {"Idempotency-Key": "changed"}
    first, second = [await asker.http.post("/v1/runs", json=body, headers=headers) for _ in range(2)]
    assert first.status_code == 201, first.text
    assert first.json()["run"] == second.json()["run"]
    other = {**body, "document": plan["document"]}
    assert (await asker.http.post("/v1/runs", json=other, headers=headers)).status_code == 409


async def test_a_changed_plan_that_does_not_hold_says_where(suggesting: Any) -> None:
    asker = await suggesting()
    await asker.show("author")
    text = "accord: template/1\nname: odd\nversion: 1.0.0\ntasks:\n  one: {uses: poem.sing@^1, wiht: {}}\n"
    answer = await asker.http.post("/v1/plans", json={"document": text})
    assert answer.status_code == 422
    assert [one["place"]["line"] for one in answer.json()["problems"]] == [5]
    text = text.replace("wiht", "with")
    plan = (await asker.http.post("/v1/plans", json={"document": text})).json()
    assert (plan["ok"], plan["report"]["findings"][0]["place"]["line"]) == (False, 5)
    assert refused(await asker.http.post("/v1/runs", json={"document": text}), 422) == ["ACC820"]
    two = await asker.http.post("/v1/plans", json={"document": text, "template": "odd@^1"})
    assert "name one of" in two.text
