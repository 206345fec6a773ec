"""The page of one run, as somebody uses it: it shows what the API says, and what is done on it is in the journal."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import expect

from . import large
from .server import HEADERS, Server

INVOICES = """
accord: template/1
name: invoices
version: 1.0.0
description: Weaves many, then fails.
input:
  type: object
  required: [day, rows]
  properties: {day: {type: string}, rows: {type: array, items: {type: string}}}
tasks:
  fetch: {uses: demo.weave@^1, with: {name: "${ input.day }"}}
  each: {for_each: "${ input.rows }", needs: [fetch], uses: demo.weave@^1, with: {name: "${ item }"}}
  sum: {uses: demo.fail@^1, needs: [each], with: {name: "${ input.day }"}, retry: {attempts: 1}, description: Adds up.}
  send: {uses: demo.weave@^1, needs: [sum], with: {name: "${ input.day }"}}
output: "${ tasks.send.output }"
"""

RELEASE = """
accord: template/1
name: release
version: 1.0.0
input: {type: object, required: [version], properties: {version: {type: string}}}
tasks:
  build: {uses: demo.weave@^1, with: {name: "${ input.version }"}}
  window: {needs: [build], signal: {name: go}}
  approve:
    needs: [build]
    approval:
      title: "Release ${ input.version }?"
      form:
        type: object
        required: [approved]
        properties: {approved: {type: boolean, title: It goes out}, comment: {type: string}}
  deploy: {uses: demo.weave@^1, needs: [approve, window], with: {name: "${ input.version }"}}
output:
  report: |-
    # Released

    - **${ input.version }** is out
    - <b>nothing</b> else \\>1

    ![Sales](sales.svg)

    ![Elsewhere](far.svg)
  charts: [{name: sales, svg: '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"/>'}]
  rest: "${ tasks.deploy.output }"
"""


def publish(server: Server, document: str) -> None:
    answer = server.http.post("/v1/templates", content=document.encode(), headers=HEADERS)
    assert answer.is_success, answer.text


def started(server: Server, template: str, given: Any, title: str) -> str:
    run: str = server.post("/v1/runs", {"template": template, "input": given, "title": title})["run"]
    return run


@pytest.fixture(scope="package")
def failed(server: Server, runs: Any) -> str:
    """A run that has failed; no test changes it."""
    publish(server, INVOICES)
    run = started(server, "invoices", {"day": "monday", "rows": [f"row {number}" for number in range(30)]}, "Monday")
    server.until(run, "failed")
    return run


@pytest.fixture
def release(server: Server, runs: Any) -> str:
    """A run that waits for an approval and for a signal."""
    publish(server, RELEASE)
    run = started(server, "release", {"version": "4.2"}, "Release 4.2")
    server.until(run, waits=True)
    return run


def node(page: Any, task: str) -> Any:
    return page.locator(f".node[data-task='{task}']")


def kinds(server: Server, run: str) -> list[str]:
    """The kinds of all events of a run."""
    events = server.get(f"/v1/runs/{run}/events", limit=10_000)["events"]
    return [event["event"].partition("@")[0] for event in events]


def drawn_states(page: Any) -> dict[str, str]:
    found: dict[str, str] = page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('.node')].map(({ dataset: one }) => [one.task, one.state]))"
    )
    return found


def told_states(server: Server, run: str, **query: Any) -> dict[str, str]:
    return {one["task"]: one["state"] for one in server.get(f"/v1/runs/{run}/tasks", **query)["tasks"]}


@pytest.mark.parametrize(("dark", "phone"), [(False, False), (True, False), (False, True), (True, True)])
def test_it_can_be_looked_at(open_: Any, look: Any, failed: str, dark: bool, phone: bool) -> None:
    page = open_(f"/runs/{failed}?task=sum&open=each", dark=dark, phone=phone)
    expect(node(page, "sum")).to_be_visible()
    expect(page.get_by_role("heading", name="Why its result was not taken")).to_be_visible()
    expect(page.locator(".track[data-task=sum]")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is wider than the window"
    look(page, f"run-{'phone' if phone else 'wide'}-{'dark' if dark else 'light'}")


def test_words_end_where_their_box_does(open_: Any, failed: str) -> None:
    page = open_(f"/runs/{failed}?task=sum")
    expect(node(page, "sum").locator(".what")).to_contain_text("…")
    over = page.evaluate(
        """[...document.querySelectorAll(".node")].flatMap((node) => {
          const room = node.querySelector(".plate").getBoundingClientRect();
          const words = [...node.querySelectorAll("text.name, text.what")];
          return words.filter((one) => one.getBoundingClientRect().right > room.right).map((one) => one.textContent);
        })"""
    )
    assert over == []


def test_what_it_shows_is_what_the_api_says(open_: Any, failed: str, server: Server) -> None:
    page = open_(f"/runs/{failed}?task=sum")
    expect(page.locator(".track[data-task=send]")).to_be_visible()
    assert drawn_states(page) == told_states(server, failed)
    summary = server.get(f"/v1/runs/{failed}/summary")
    expect(page.locator(".run-progress")).to_contain_text(f"{summary['tasks_done']}/{summary['tasks_total']}")
    expect(page.locator(".travel-at")).to_contain_text(str(len(kinds(server, failed))))
    expect(node(page, "each")).to_contain_text("30 of 30 items")
    timeline = server.get(f"/v1/runs/{failed}/timeline")
    assert page.locator(".tracks .track").count() == len(timeline["tracks"])
    critical = {step["task"] for step in timeline["critical"]}
    assert (
        set(page.evaluate("[...document.querySelectorAll('.tracks .critical')].map((o) => o.dataset.task)")) == critical
    )
    (attempt,) = server.get(f"/v1/runs/{failed}/tasks/sum")["attempts"]
    card = page.locator(".attempt-card")
    expect(card).to_contain_text(attempt["refused"]["why"])
    assert attempt["refused"]["then"].startswith("the task failed")
    expect(card).to_contain_text("Then: the task failed")
    expect(card).to_contain_text("Nobody else could have it")
    expect(card).to_contain_text(attempt["input_document"]["sha256"][:12])


def test_tasks_are_gone_through_by_keys_and_what_is_selected_is_in_the_address(open_: Any, failed: str) -> None:
    page = open_(f"/runs/{failed}")
    node(page, "fetch").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Task fetch")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("region", name="Task each")).to_be_visible()
    assert "task=each" in page.url
    page.reload()
    expect(page.get_by_role("region", name="Task each")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("region", name="The run")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("sen")
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Task send")).to_be_visible()


def test_a_group_is_opened_and_each_item_is_there(open_: Any, failed: str, server: Server) -> None:
    page = open_(f"/runs/{failed}")
    page.get_by_role("button", name="Show the items of each").click()
    expect(page.get_by_role("button", name="Fold the items of each")).to_be_visible()
    expect(page.locator(".track.inner").first).to_be_visible()
    graph = server.get(f"/v1/runs/{failed}/graph", open="each")
    box = next(task["box"] for task in graph["tasks"] if task["task"] == "each")
    cells, drawn = graph["cells"], node(page, "each").locator(".plate").bounding_box()
    scale = drawn["width"] / box["width"]
    step = (cells["size"] + cells["gap"]) * scale
    x = drawn["x"] + (cells["pad"] + cells["size"] / 2) * scale + 3 * step
    y = drawn["y"] + (cells["head"] + cells["size"] / 2) * scale
    page.mouse.click(x, y)
    expect(page.get_by_role("region", name="Task each[3]")).to_be_visible()
    expect(page.locator(".attempt-card")).to_contain_text("succeeded")


def test_the_run_is_shown_as_it_was_after_any_event(open_: Any, failed: str, server: Server) -> None:
    last = len(kinds(server, failed))
    page = open_(f"/runs/{failed}")
    slider = page.get_by_role("slider", name="Event of the journal")
    for at in (1, 5, last // 2, last - 1):
        slider.fill(str(at))
        expect(page.get_by_text(f"as it was after event {at}", exact=True)).to_be_visible()
        assert drawn_states(page) == told_states(server, failed, at=at)
    expect(page.get_by_role("button", name="Retry what failed")).to_have_count(0)
    assert f"at={last - 1}" in page.url
    page.keyboard.press("[")
    expect(page.get_by_text(f"as it was after event {last - 2}", exact=True)).to_be_visible()
    page.keyboard.press("n")
    expect(page.locator(".past-pill")).to_have_count(0)
    assert drawn_states(page) == told_states(server, failed)
    page.get_by_role("button", name="Play the run from its events").click()
    expect(page.locator(".past-pill")).to_be_visible()
    page.get_by_role("button", name="Stop").click()


def test_it_is_answered_and_ends_without_a_reload(open_: Any, look: Any, release: str, server: Server) -> None:
    page = open_(f"/runs/{release}")
    waits = page.get_by_role("group", name="It waits for somebody")
    expect(waits).to_contain_text("Release 4.2?")
    waits.get_by_role("button", name="Answer").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("group", name="It goes out").get_by_label("Yes").check()
    dialog.get_by_label("comment").fill("all is well")
    look(page, "run-answer")
    dialog.get_by_role("button", name="Answer").click()
    expect(node(page, "approve")).to_have_attribute("data-state", "completed")
    page.get_by_role("button", name="Signal").click()
    dialog.get_by_role("button", name="Send").click()
    expect(page.locator(".run-head .badge")).to_have_text("completed")
    expect(node(page, "deploy")).to_have_attribute("data-state", "completed")
    report = page.get_by_role("article", name="report")
    expect(report.get_by_role("heading", name="Released")).to_be_visible()
    expect(report).to_contain_text("<b>nothing</b> else >1")
    expect(report).to_contain_text("Elsewhere")
    chart = report.get_by_role("img")
    expect(chart).to_have_count(1)
    assert chart.evaluate("async (one) => { await one.decode(); return [one.alt, one.naturalWidth]; }") == ["Sales", 40]
    output = server.get(f"/v1/runs/{release}/tasks/approve")["output"]
    assert output == {"approved": True, "comment": "all is well"}
    assert kinds(server, release).count("signal.received") == 2


def test_it_is_paused_resumed_rolled_back_and_cancelled(open_: Any, release: str, server: Server) -> None:
    page = open_(f"/runs/{release}")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".run-head .badge")).to_have_text("paused")
    page.keyboard.press("p")
    expect(page.locator(".run-head .badge")).to_have_text("running")
    node(page, "build").click()
    page.get_by_role("button", name="Roll back here").click()
    page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    expect(page.get_by_text("done anew once")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel the run").click()
    expect(page.locator(".run-head .badge")).to_have_text("cancelled")
    found = kinds(server, release)
    for kind in ("run.paused", "run.resumed", "run.rolling_back", "run.rolled_back", "run.cancelled"):
        assert kind in found


def test_what_failed_is_tried_again_and_forked_with_another_input(open_: Any, failed: str, server: Server) -> None:
    run = started(server, "invoices", {"day": "tuesday", "rows": []}, "Tuesday")
    server.until(run, "failed")
    page = open_(f"/runs/{run}?task=sum")
    page.get_by_role("button", name="Retry", exact=True).click()
    expect(page.locator(".attempt-card")).to_have_count(2)
    assert len(server.get(f"/v1/runs/{run}/tasks/sum")["attempts"]) == 2
    page.get_by_role("button", name="Fork from here").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Input").fill("{")
    dialog.get_by_role("button", name="Fork").click()
    expect(dialog).to_contain_text("This is no JSON")
    dialog.get_by_label("Input").fill(json.dumps({"day": "wednesday", "rows": []}))
    dialog.get_by_role("button", name="Fork").click()
    expect(page.get_by_role("link", name=run)).to_be_visible()
    fork = page.url.rpartition("/")[2].partition("?")[0]
    assert fork != run
    document = server.get(f"/v1/runs/{fork}")
    assert (document["origin"]["run"], document["input"]["day"]) == (run, "wednesday")


def test_events_lead_to_the_run_as_it_was_and_the_proof_holds(
    open_: Any, look: Any, failed: str, server: Server
) -> None:
    page = open_(f"/runs/{failed}?view=events")
    last = len(kinds(server, failed))
    expect(page.locator(f".event-list [data-event='{last}']")).to_contain_text("run.failed")
    page.get_by_role("button", name=f"#{last - 3}", exact=True).click()
    expect(page.get_by_text(f"as it was after event {last - 3}", exact=True)).to_be_visible()
    look(page, "run-events")
    page.get_by_role("tab", name="Proof").click()
    page.get_by_role("button", name="Examine now").click()
    expect(page.get_by_text("Everything holds")).to_be_visible()
    expect(page.locator(".verdict")).to_contain_text(f"{last} events")
    page.goto(f"/runs/{failed}?task=each&tab=lineage")
    expect(page.locator(".lineage")).to_contain_text("Behind its output are 1 agents")


def test_a_viewer_is_offered_nothing_to_do(open_: Any, release: str, server: Server) -> None:
    page = open_("/sign-in", state=None)
    page.get_by_label("API key").fill(server.new_key("spectator", "viewer"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    page.goto(f"/runs/{release}?task=build")
    expect(page.get_by_role("region", name="Task build")).to_be_visible()
    for name in ("Pause", "Cancel", "Fork", "Answer", "Roll back here"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)


def test_ten_thousand_tasks_are_a_map(open_: Any, look: Any, server: Server) -> None:
    page = open_("/runs")
    large.served(page)
    page.goto(f"/runs/{large.RUN}")
    expect(page.get_by_role("img", name="A map of 10,000 tasks")).to_be_visible()
    legend = page.locator(".graph > .legend")
    expect(legend).to_have_text("pending10,000")
    page.evaluate("(message) => window.tell(message)", large.changes(2, [f"t{one}" for one in range(700)], 700))
    expect(legend).to_have_text("pending9,300completed700")
    expect(page.locator(".run-progress")).to_contain_text("700/10,000")
    page.keyboard.press("/")
    page.keyboard.type("t9998")
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Task t9998")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("f")
    look(page, "run-map")


def test_a_run_that_is_not_there_is_asked_for_once(open_: Any) -> None:
    page = open_("/")
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url) if "/v1/runs/run_0" in one.url else None)
    page.goto("/runs/run_00000000000000000000000000")
    expect(page.get_by_text("run_00000000000000000000000000").first).to_be_visible()
    page.get_by_role("link", name="Overview").first.click()
    page.wait_for_load_state("networkidle")
    assert len(asked) <= 4, asked
