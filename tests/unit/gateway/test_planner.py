"""`/v1/planner` and plans of words for which a template is named: who may, what is kept, and what is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.gateway.conftest import counting

from accord.app import host, open_node
from accord.client.answers import error_of
from accord.domain.ids import Digest
from accord.domain.learning import Scores, Trial
from accord.domain.schema import canonical_form
from accord.domain.template import template_from_json
from accord.engine.learning import Trained
from accord.engine.node import Node
from accord.errors import NotUnderstood
from accord.settings import Settings

WORDS = {"objective": "look for weak spots in ./src", "template": "rest"}
REST = {
    "accord": "template/1",
    "name": "rest",
    "version": "1.0.0",
    "examples": ["rest in {directory}"],
    "input": {"type": "object", "properties": {"directory": {"type": "string"}}, "required": ["directory"]},
    "tasks": {"rest": {"sleep": "1h"}},
}
SCORES = Scores(examples=9, strangers=3, inside_accuracy=0.9, outside_recall=0.8, calibration_error=0.1)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with open_node(Settings(home=tmp_path / "home", learn_from=("shown-operator", "shown-author"))) as node:
        data = canonical_form(REST)
        await node.publish(template_from_json(data), data)
        yield node


async def test_words_for_which_a_template_is_named_are_planned_and_run_and_kept(asker: Any, node: Node) -> None:
    await asker.show("operator")
    plan = (await asker.http.post("/v1/plans", json=WORDS)).json()
    assert (plan["way"], plan["template"], plan["input"]["directory"]) == ("named", "rest@1.0.0", "./src")
    assert plan["objective"] == WORDS["objective"]
    assert await node.examples() == []
    started = await asker.http.post("/v1/runs", json=WORDS, headers={"Idempotency-Key": "one"})
    again = await asker.http.post("/v1/runs", json=WORDS, headers={"Idempotency-Key": "one"})
    assert started.status_code == again.status_code == 201
    assert (started.json()["run"], started.json()["title"]) == (again.json()["run"], WORDS["objective"])
    (kept,) = (await asker.http.get("/v1/planner/examples")).json()["examples"]
    assert (kept["words"], kept["template"], kept["how"]) == (
        "look for weak spots in {directory}",
        "rest",
        "chosen",
    )
    assert (kept["by"], kept["run"]) == ("shown-operator", started.json()["run"])
    other = await asker.http.post("/v1/runs", json={**WORDS, "template": "nothing"}, headers={"Idempotency-Key": "one"})
    assert other.status_code == 409


async def test_only_an_objective_has_a_template_beside_it(asker: Any) -> None:
    await asker.show("operator")
    refused = await asker.http.post("/v1/plans", json={"digest": "0" * 64, "template": "rest"})
    assert refused.status_code == 422
    assert "an objective and what it means" in refused.text
    missing = await asker.http.post("/v1/plans", json={"objective": "look for weak spots", "template": "rest"})
    assert missing.json()["wanting"]["schema"]["required"] == ["directory"]


async def test_a_graph_that_is_not_sure_is_planned_and_run_where_it_is_accepted(asker: Any, node: Node) -> None:
    await asker.show("author")
    async with host(node, [counting()]):
        body = {"objective": "the number 3 that is wrong really nicely"}
        for path in ("/v1/plans", "/v1/runs"):
            doubted = (await asker.http.post(path, json=body)).json()
            assert (doubted["kind"], doubted["code"]) == ("input_required", "ACC818")
            assert doubted["wanting"]["document"]["tasks"].keys() == {"wrong"}
        body |= {"template": doubted["wanting"]["template"]}
        planned = (await asker.http.post("/v1/plans", json=body)).json()
        assert (planned["way"], planned["digest"]) == ("composition", doubted["wanting"]["digest"])
        for by in ({"digest": planned["digest"], "input": planned["input"]}, body):
            started = await asker.http.post("/v1/runs", json=by)
            assert started.status_code == 201, started.text
        again = await asker.http.post("/v1/plans", json=body)
        assert again.json()["digest"] == planned["digest"]  # it is published by now


async def test_which_of_several_templates_is_meant_is_asked_and_may_be_said_beside_the_objective(
    asker: Any, node: Node
) -> None:
    other = canonical_form({**REST, "name": "nap"})
    await node.publish(template_from_json(other), other)
    await asker.show("operator")
    body = {"objective": "rest in ./src"}
    for path in ("/v1/plans", "/v1/runs"):
        refused = await asker.http.post(path, json=body)
        told = refused.json()
        assert (refused.status_code, told["code"], told["kind"]) == (422, "ACC801", "not_understood")
        assert sorted(told["several"]) == ["nap", "rest"]
        error = error_of(refused, refused.url)
        assert isinstance(error, NotUnderstood)
        assert error.several == tuple(told["several"])
    for name in told["several"]:
        plan = (await asker.http.post("/v1/plans", json={**body, "template": name})).json()
        assert (plan["way"], plan["template"]) == ("named", f"{name}@1.0.0")
    unknown = (await asker.http.post("/v1/plans", json={"objective": "bake a cake"})).json()
    assert (unknown["kind"], "several" in unknown) == ("not_understood", False)


async def test_a_run_is_started_where_nothing_is_kept(asker: Any, node: Node) -> None:
    asker.http.headers["Authorization"] = f"Bearer {await asker.key('operator', 'private')}"
    assert not (await asker.http.get("/v1/planner")).json()["learns_from_you"]
    assert (await asker.http.post("/v1/runs", json=WORDS)).status_code == 201
    assert await node.examples() == []
    told = await asker.http.post("/v1/planner/examples", json=WORDS)
    assert (told.status_code, told.json()["code"]) == (409, "ACC140")


@pytest.mark.abuse("ASI03", at="gateway", stride="information disclosure", case="what others have said to the planner")
async def test_everybody_sees_and_forgets_their_own_and_admins_all(asker: Any) -> None:
    await asker.show("operator")
    first = asker.http.headers["Authorization"]
    mine = (await asker.http.post("/v1/planner/examples", json=WORDS)).json()["example"]
    await asker.show("author")
    assert (await asker.http.get("/v1/planner/examples")).json()["examples"] == []
    assert (await asker.http.delete(f"/v1/planner/examples/{mine}")).status_code == 403
    await asker.show("admin")
    (seen,) = (await asker.http.get("/v1/planner/examples")).json()["examples"]
    assert seen["example"] == mine
    gone = await asker.http.delete(f"/v1/planner/examples/{mine}", params={"reason": "asked to"})
    assert (gone.json()["words"], gone.json()["forgotten_by"]) == (None, "shown-admin")
    assert (await asker.http.delete("/v1/planner/examples/nobody")).status_code == 404
    asker.http.headers["Authorization"] = first
    own = (await asker.http.post("/v1/planner/examples", json={"objective": "a joke"})).json()["example"]
    assert (await asker.http.delete(f"/v1/planner/examples/{own}")).json()["forgotten_by"] == "shown-operator"


async def test_versions_are_seen_by_viewers_and_chosen_by_authors(asker: Any, node: Node) -> None:
    trial = Trial(before=SCORES, after=SCORES)
    trained = Trained(until=0, learnt=0, digest=Digest("0" * 64), trial=trial, compared_with=0)
    await node.parts.learning.add(trained, by="ann")
    await asker.show("operator")
    for path, body in (("use", {"version": 0}), ("train", {})):
        assert (await asker.http.post(f"/v1/planner/{path}", json=body)).status_code == 403
    await asker.show("viewer")
    (listed,) = (await asker.http.get("/v1/planner/versions")).json()["versions"]
    assert (listed["version"], listed["trial"]["after"]["inside_accuracy"], listed["flaws"]) == (1, 0.9, [])
    assert (await asker.http.post("/v1/planner/judgement", json={"objective": "a joke"})).json() == {"judged": None}
    assert (await asker.http.get("/v1/planner/examples")).status_code == 403
    await asker.show("author")
    assert (await asker.http.post("/v1/planner/use", json={"version": 0})).json()["version"] == 0
    assert (await asker.http.post("/v1/planner/use", json={"version": 2})).status_code == 404
    assert (await asker.http.post("/v1/planner/train")).json()["code"] == "ACC144"
