"""What the planner learns, and what a language model suggests, as somebody sees and uses it: on a server of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from tests.language_model import LanguageModel, graph, said, task

from .conftest import sign_in
from .server import WORLD, Server, serving

WARM = "make something warm for the winter"
SINGS = {
    "accord": "template/1",
    "version": "1.0.0",
    "examples": ["sing about {topic}"],
    "input": {"type": "object", "properties": {"topic": {"type": "string"}}, "required": ["topic"]},
    "tasks": {"rest": {"sleep": "1ms"}},
}


@pytest.fixture(scope="module")
def parrot() -> Iterator[LanguageModel]:
    """A language model that knows one answer."""
    with LanguageModel(graph(task("weave", "demo.weave", said("name", "winter", "winter")))).heard() as parrot:
        yield parrot


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, parrot: LanguageModel) -> Iterator[Server]:
    """A server that learns from everybody, and may ask the language model."""
    asks = {"ENDPOINT": parrot.url, "MODEL": "parrot", "CONSENT": "true", "WITHIN_S": "100", "ROUNDS": "1"}
    settings = {f"ACCORD_SUGGESTION_{name}": value for name, value in asks.items()}
    folder = tmp_path_factory.mktemp("planning")
    with serving(folder, ACCORD_LEARN_FROM='["*"]', ACCORD_REQUEST_WITHIN_S="120", **settings) as server:
        server.publish("plain")
        yield server


@pytest.fixture(scope="module")
def signed_in(browser: Browser, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sign_in(browser, server, tmp_path_factory.mktemp("planning-browser"))


def test_what_a_language_model_suggests_is_marked_and_starts_as_it_was_shown(
    open_: Any, look: Any, server: Server, parrot: LanguageModel
) -> None:
    page = open_("/new")
    page.set_default_timeout(120_000)
    page.get_by_label("What is to be done?").fill(WARM)
    page.keyboard.press("Control+Enter")
    plan = page.get_by_role("region", name="The plan")
    mark = plan.get_by_role("status").filter(has_text="A language model has suggested it")
    expect(mark).to_be_visible(timeout=120_000)
    expect(mark).to_contain_text("parrot, in 1 round: 100 tokens read, 10 written")
    expect(plan).to_contain_text("confidence 50 %")
    expect(plan.locator(".plan-tasks li")).to_contain_text("because of weave")
    expect(plan.locator(".plan-task[data-task=weave]")).to_be_visible()
    look(page, "plan-suggested-wide-light")
    asked = len(parrot.asked)
    plan.get_by_role("button", name="Start the run").click()
    page.wait_for_url(re.compile("/runs/run_"))
    run = server.get(f"/v1/runs/{page.url.rpartition('/')[2]}")
    assert (run["suggested_by"], run["input"], len(parrot.asked)) == ("parrot", {"name": "winter"}, asked)
    expect(page.get_by_role("region", name="The run")).to_contain_text("Suggested byparrot")
    assert parrot.asked[0]["model"] == "parrot"


def test_words_for_which_a_template_is_chosen_are_learnt_and_forgotten(
    open_: Any, look: Any, server: Server, parrot: LanguageModel
) -> None:
    parrot.answers = [{"unable": "nobody offers that"}]
    page = open_("/new")
    learnt = page.get_by_role("region", name="Learnt from use")
    expect(learnt).to_contain_text("Nothing yet")
    words = f"look for weak spots in {WORLD}"
    page.get_by_label("What is to be done?").fill(words)
    page.keyboard.press("Control+Enter")
    unknown = page.locator(".not-known")
    expect(unknown).to_contain_text("the planner keeps these words as an example", timeout=120_000)
    unknown.get_by_label("What you mean").select_option("source-audit@1.0.0")
    plan = page.get_by_role("region", name="The plan")
    expect(plan).to_contain_text("Plan: source-audit@1.0.0")
    expect(plan).to_contain_text("the planner keeps these words as an example")
    assert server.get("/v1/planner/examples")["examples"] == []  # it is not learnt before it is started
    plan.get_by_role("button", name="Start the run").click()
    page.wait_for_url(re.compile("/runs/run_"))
    (kept,) = server.get("/v1/planner/examples")["examples"]
    assert (kept["template"], kept["how"]) == ("source-audit", "chosen")
    page.goto("/new")
    example = learnt.get_by_role("listitem")
    expect(example).to_have_count(1)
    expect(example).to_contain_text(f"“{kept['words']}”")
    expect(example).to_contain_text("means source-audit, chosen")
    look(page, "learnt-wide-light")
    example.get_by_role("button", name="Forget").click()
    page.get_by_role("dialog").get_by_role("button", name="Forget it").click()
    expect(learnt).to_contain_text("Nothing yet")
    assert [one["words"] for one in server.get("/v1/planner/examples")["examples"]] in ([], [None])


def test_a_plan_that_was_corrected_is_learnt_as_it_was_started(open_: Any, server: Server) -> None:
    page = open_("/new")
    page.get_by_label("What is to be done?").fill(f"audit {WORLD}")
    page.keyboard.press("Control+Enter")
    plan = page.get_by_role("region", name="The plan")
    plan.get_by_role("button", name="Change the graph").click()
    area = plan.get_by_label("The plan, in YAML")
    expect(area).to_have_value(re.compile("source-audit"))
    area.fill(area.input_value())
    start = plan.get_by_role("button", name="Start the run")
    expect(start).to_be_enabled()
    expect(plan).to_contain_text("the planner keeps these words as an example")
    start.click()
    page.wait_for_url(re.compile("/runs/run_"))
    run = page.url.rpartition("/")[2]
    (kept,) = [one for one in server.get("/v1/planner/examples")["examples"] if one["run"] == run]
    assert (kept["template"], kept["how"]) == ("source-audit", "corrected")


def test_which_of_several_templates_is_meant_is_offered(open_: Any, server: Server, parrot: LanguageModel) -> None:
    parrot.answers = [{"unable": "nobody offers that"}]
    for name in ("owl", "lark"):
        server.post("/v1/templates", {**SINGS, "name": name})
    page = open_("/new")
    page.get_by_label("What is to be done?").fill("sing about rain")
    page.keyboard.press("Control+Enter")
    unknown = page.locator(".not-known")
    expect(unknown).to_contain_text("Which one is meant?", timeout=120_000)
    expect(unknown).to_contain_text("ACC801")
    expect(unknown.get_by_role("button", name="lark", exact=True)).to_be_visible()
    unknown.get_by_role("button", name="owl", exact=True).click()
    expect(page.get_by_role("region", name="The plan")).to_contain_text("Plan: owl@1.0.0")
