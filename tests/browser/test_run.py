"""The page of one run, as somebody uses it: it shows what the API says, and what is done on it is in the journal."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from . import large
from .conftest import PHONE
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
    description: Whether customers get it.
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


KNITTED = """
accord: template/1
name: knitted
version: 1.0.0
tasks:
{first}
  last: {{uses: demo.knit@^1, with: {{name: x}}}}
""".format(first="\n".join(f"  first_{n}: {{sleep: 1d}}" for n in range(24)))


MOODY = """
accord: template/1
name: moody
version: 1.0.0
input: {type: object, required: [works], properties: {works: {type: boolean}}}
tasks:
  good: {uses: demo.weave@^1, when: "${ input.works }", with: {name: x}}
  bad: {uses: demo.fail@^1, when: "${ !input.works }", with: {name: x}, retry: {attempts: 1}}
"""


STUBBORN = """
accord: template/1
name: stubborn
version: 1.0.0
tasks:
  first: {uses: demo.weave@^1, with: {name: x}}
  again: {uses: demo.fail@^1, needs: [first], with: {name: x}, retry: {attempts: 3, backoff: {first: 50ms}}}
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


def test_an_address_that_says_what_is_not_there_is_answered_kindly(
    open_: Any, look: Any, failed: str, server: Server
) -> None:
    server.start("sleepy", "lisle")  # the list of runs begins with the newest
    page = open_("/")
    vain = (
        ("/runs?state=filed", "state=filed, which is none of running, paused", "lisle"),
        ("/agents?view=map", "view=map, which is none of table, picture", "weaver"),
        ("/incidents?severity=mild", "severity=mild, which is none of critical", "Incidents"),
        ("/system?partition=999", "There is no partition 999", "48 of 48 owned"),
        ("/approvals?open=run_0/none", "it was answered, or waits no longer", "Is damask good?"),
        ("/templates/cloth/1.0.0?task=nobody", "cloth@1.0.0 has no task nobody", "asks a person"),
        (f"/runs/{failed}?view=colour", "view=colour, which is none of result, input", "Why it failed"),
        (f"/runs/{failed}?at=soon", "at=soon, which is no number from 1 on", "Why it failed"),
        (f"/runs/{failed}?at=99999", "and no event 99,999: it is shown as it is now", "Why it failed"),
        (f"/runs/{failed}?task=nobody", "The run has no task nobody: the run itself is shown", "Why it failed"),
        (f"/runs/{failed}?open=sum", "There is nothing to open in sum", "Why it failed"),
        (f"/runs/{failed}?task=sum&tab=items", "sum has no items", "Why its result was not taken"),
        (f"/runs/{failed}?task=sum&tab=log&attempt=7", "There is no attempt 7 of sum", "Nothing was logged"),
        (f"/runs/{failed}?task=sum&tab=colour", "tab=colour, which is none of why, values", "Why its result was not"),
    )
    told = page.locator(".unknown")
    for path, says, shows in vain:
        page.goto(path)
        expect(told).to_contain_text(says)
        expect(page.locator("main")).to_contain_text(shows)
    look(page, "address-wide-light")
    told.get_by_role("button", name="Take it out").click()
    expect(told).to_have_count(0)
    assert page.url.endswith(f"/runs/{failed}?task=sum")
    page.goto(f"/runs/{failed}?task=sum&tab=log&level=warning&view=events&kind=run.")
    expect(page.locator(".log-bar")).to_be_visible()
    expect(told).to_have_count(0)


def test_why_a_run_has_failed_is_said_once(open_: Any, failed: str) -> None:
    page = open_(f"/runs/{failed}")
    panel = page.get_by_role("region", name="The run")
    expect(panel.locator(".failed-tasks")).to_have_text("sum")
    assert panel.inner_text().count("the loom of monday is broken") == 1
    page.set_viewport_size(PHONE)
    assert panel.bounding_box()["y"] < page.locator(".graph-card").bounding_box()["y"], "and before the graph"


def test_what_has_failed_can_stand_first_in_the_timeline(open_: Any, failed: str) -> None:
    page = open_(f"/runs/{failed}?open=each")
    name = page.locator(".track .track-name")
    expect(name.first).to_contain_text("fetch")
    page.get_by_role("button", name="What failed first").click()
    expect(name.first).to_contain_text("sum")


def test_the_timeline_tells_waiting_queueing_attempts_and_retries_apart(open_: Any, runs: Any, server: Server) -> None:
    publish(server, STUBBORN)
    run = started(server, "stubborn", {}, "Stubborn")
    server.until(run, "failed")
    page = open_(f"/runs/{run}")
    track = page.locator(".track[data-task=again]")
    expect(track.locator(".attempt")).to_have_count(3)
    (told,) = [one for one in server.get(f"/v1/runs/{run}/timeline")["tracks"] if one["task"] == "again"]
    kinds = [one["kind"] for one in told["spans"] if one["kind"] != "running"]
    assert kinds.count("retry_wait") == 2
    assert "waiting" in kinds
    for kind in {*kinds}:
        expect(track.locator(f".span-{kind}")).to_have_count(kinds.count(kind))
        assert track.locator(f".span-{kind}").first.get_attribute("title")
    expect(track.locator(".attempt.attempt-failed")).to_have_count(3)
    expect(track.locator(".attempt-number")).to_have_text(["1", "2", "3"])
    looks = "all => all.map((one) => getComputedStyle(one).background)"
    sorts = [f".span-{kind}" for kind in {*kinds}] + [".attempt-failed"]
    seen = [track.locator(sort).first.evaluate_all(looks)[0] for sort in sorts]
    assert len({*seen}) == len(seen), "no two of them look the same"
    expect(track.locator(".step")).to_have_count(1)  # it is on the critical path
    legend = page.locator(".timeline-card .legend")
    for words in ("Waiting", "Queued", "Before a retry", "Failed"):
        expect(legend).to_contain_text(words)
    expect(legend).not_to_contain_text("Running")  # nothing of that is drawn any more


def test_how_far_an_agent_says_to_be_is_seen_wherever_its_task_is(open_: Any, look: Any, server: Server) -> None:
    publish(server, KNITTED)
    run = started(server, "knitted", {}, "Knitted")
    page = open_(f"/runs/{run}?task=last")
    panel, track = page.get_by_role("region", name="Task last"), page.locator(".track[data-task=last]")
    try:
        expect(panel.locator(".told")).to_have_text("50 %row 5 of 10")
        expect(node(page, "last").locator(".what")).to_contain_text("50 % · row 5")
        expect(node(page, "last").locator(".far rect")).to_have_count(2)
        expect(track).to_contain_text("50 %")
        page.reload()  # what was said before somebody looks is known, too
        expect(panel.locator(".told")).to_have_text("50 %row 5 of 10")
        look(page, "run-progress")
        page.keyboard.press("[")
        expect(page.locator(".past-pill")).to_be_visible()
        expect(panel.locator(".told")).to_have_count(0)
    finally:
        server.post(f"/v1/runs/{run}/cancel", {})
    page.goto(f"/runs/{run}?task=last")
    expect(panel).to_contain_text("cancelled")
    expect(panel.locator(".told")).to_have_count(0)


def test_what_runs_now_can_stand_first_in_the_timeline(open_: Any, server: Server) -> None:
    publish(server, KNITTED)
    run = started(server, "knitted", {}, "Knitted, too")
    page = open_("/")
    page.set_viewport_size({"width": 1280, "height": 1600})
    page.goto(f"/runs/{run}")
    name = page.locator(".track .track-name")
    try:
        expect(page.locator(".track[data-task=last]")).to_be_in_viewport()  # it is scrolled to what is at work
        expect(name.first).not_to_contain_text("last")
        page.get_by_role("button", name="What runs now first").focus()
        page.keyboard.press("Enter")
        expect(name.first).to_contain_text("last")
        assert "order=now" in page.url
        page.reload()
        expect(name.first).to_contain_text("last")
        page.get_by_role("button", name="What runs now first").click()
        expect(name.first).to_contain_text("first_0")
    finally:
        server.post(f"/v1/runs/{run}/cancel", {})


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
    task = server.get(f"/v1/runs/{failed}/tasks/sum")
    (attempt,) = task["attempts"]
    panel, card = page.get_by_role("region", name="Task sum"), page.locator(".attempt-card")
    why, _, reason = attempt["refused"]["why"].partition(": ")
    assert reason == f"{task['problem']['code']} {task['problem']['message']}"
    expect(card).to_contain_text(f"{why}, for the reason above")
    expect(panel.get_by_text("the loom of monday is broken")).to_have_count(1)
    assert attempt["refused"]["then"].startswith("the task failed")
    expect(card).to_contain_text("Then: the task failed")
    page.goto(f"/runs/{failed}?task=fetch")
    expect(card.locator("dd", has_text="kept by the result")).to_contain_text(
        server.get(f"/v1/runs/{failed}/tasks/fetch")["attempts"][0]["contract"][:12]
    )
    page.goto(f"/runs/{failed}?task=sum")
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
    where = "(one) => { const box = one.getBoundingClientRect(); return Math.round(box.x + box.width / 2); }"
    plate = node(page, "each").locator(".plate")
    before, wide = plate.evaluate(where), plate.bounding_box()["width"]
    page.keyboard.press("+")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert abs(plate.evaluate(where) - before) <= 1, "what is selected stays where it is"
    assert plate.bounding_box()["width"] > wide
    page.keyboard.press("Escape")
    expect(page.get_by_role("region", name="The run")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("sen")
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Task send")).to_be_visible()


def test_whoever_closes_a_task_is_where_they_opened_it(open_: Any, failed: str) -> None:
    page = open_(f"/runs/{failed}")
    name = page.locator(".track-name", has_text="fetch")
    name.focus()
    page.keyboard.press("Enter")
    panel = page.get_by_role("region", name="Task fetch")
    panel.get_by_role("tab", name="Values").focus()
    page.keyboard.press("Escape")
    expect(page.get_by_role("region", name="The run")).to_be_visible()
    expect(name).to_be_focused()
    fork = page.locator("#main").get_by_role("button", name="Fork")  # the dialog has one, too
    fork.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(fork).to_be_focused()


STEPS = {
    0.0011: 0.002,
    0.07: 0.1,
    0.3: 0.5,
    1: 1,
    7: 10,
    31: 60,
    61: 120,
    400: 600,
    2000: 3600,
    9000: 10_800,
    40_000: 43_200,
    100_000: 172_800,
    9_000_000: 17_280_000,
}
TOLD = [
    [0, 1, "0"],
    [0.25, 0.05, "250 ms"],
    [1.5, 0.5, "1.5 s"],
    [40, 10, "40 s"],
    [90, 30, "1 min 30 s"],
    [7200, 3600, "2 h"],
    [172_800, 86_400, "2 d"],
]


def test_steps_of_an_axis_are_round(open_: Any, failed: str) -> None:
    page = open_(f"/runs/{failed}")
    module = page.locator("script[type=module]").first.get_attribute("src").replace("main.js", "core/ticks.js")
    ask = "async ([module, name, all]) => { const m = await import(module); return all.map((one) => m[name](...one)); }"
    assert page.evaluate(ask, [module, "step", [[one] for one in STEPS]]) == list(STEPS.values())
    assert page.evaluate(ask, [module, "told", [[at, by] for at, by, _ in TOLD]]) == [words for *_, words in TOLD]


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
    expect(dialog).to_contain_text("Whether customers get it.")
    expect(dialog.get_by_role("group", name="Output of build")).to_contain_text("woven4.2")
    dialog.get_by_role("group", name="It goes out").get_by_label("Yes").check()
    dialog.get_by_label("comment").fill("all is well")
    look(page, "run-answer")
    dialog.get_by_role("button", name="Answer").click()
    expect(node(page, "approve")).to_have_attribute("data-state", "completed")
    expect(waits).not_to_contain_text("Release 4.2?")
    page.keyboard.press("w")
    expect(dialog).to_contain_text("Send go")
    dialog.get_by_role("button", name="Send").click()
    expect(page.locator(".run-head .badge")).to_have_text("completed")
    expect(node(page, "deploy")).to_have_attribute("data-state", "completed")
    report = page.get_by_role("article", name="report")
    expect(report.get_by_role("heading", name="Released")).to_be_in_viewport()
    assert report.bounding_box()["y"] < page.locator(".graph-card").bounding_box()["y"], "it is what is seen first"
    expect(page.get_by_role("group", name="Output")).not_to_contain_text("Released")  # it is said once
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
    expect(page.get_by_role("button", name="Roll back here")).to_be_visible()
    page.keyboard.press("b")
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
    page.keyboard.press("Control+k")
    page.keyboard.type("fork from here")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Fork from sum")
    expect(dialog.get_by_label("day")).to_have_value("tuesday")
    dialog.get_by_label("day").fill("wednesday")
    dialog.get_by_role("button", name="Fork").click()
    expect(page.get_by_role("link", name=run)).to_be_visible()
    fork = page.url.rpartition("/")[2].partition("?")[0]
    assert fork != run
    document = server.get(f"/v1/runs/{fork}")
    assert (document["origin"]["run"], document["input"]["day"]) == (run, "wednesday")


def test_two_runs_are_compared(open_: Any, look: Any, failed: str, server: Server) -> None:
    given = {"day": "thursday", "rows": ["one"]}
    fork = server.post(f"/v1/runs/{failed}/fork", {"changes": given})["run"]
    server.until(fork, "failed")
    page = open_(f"/runs/{fork}")
    page.get_by_role("link", name="compare with it").click()
    diff = server.get(f"/v1/runs/{failed}/diff", other=fork)
    second = page.get_by_role("region", name="Second run")
    expect(second).to_contain_text(f"Attempts{diff['after']['attempts']}")
    expect(page.get_by_role("region", name="What they were given")).to_contain_text('"thursday"')
    parted = [one["task"] for one in diff["tasks"] if one["parted"]]
    expect(page.get_by_role("region", name="Where they parted first")).to_contain_text(parted[0])
    page.locator(".row[data-key=fetch]").click()
    panel = page.get_by_role("region", name="What is different in fetch")
    (fetch,) = [one for one in diff["tasks"] if one["task"] == "fetch"]
    assert [one["pointer"] for one in fetch["output"]] == ["/woven"]
    expect(panel).to_contain_text("/woven")
    look(page, "compare-runs-wide-light")
    panel.get_by_role("link", name="Open in the second").click()
    expect(page.get_by_role("region", name="Task fetch")).to_be_visible()
    page.get_by_role("button", name="Compare").click()
    choice = page.locator(".needs li", has_text="its original")
    choice.get_by_role("link").click()
    assert f"a={failed}" in page.url


def test_a_run_that_has_an_original_that_failed_puts_it_away(open_: Any, runs: Any, server: Server) -> None:
    publish(server, MOODY)
    run = started(server, "moody", {"works": False}, "In a mood")
    server.until(run, "failed")
    page = open_("/")
    need = page.locator(".needs li", has_text="In a mood")
    expect(need).to_contain_text("the loom of x is broken")
    fork = server.post(f"/v1/runs/{run}/fork", {"changes": {"works": True}})["run"]
    server.until(fork, "completed")
    expect(need).to_have_count(0)


def test_a_fork_tells_where_what_it_has_taken_over_was_done(open_: Any, runs: Any, server: Server) -> None:
    run = server.start("broken", "hemp")
    server.until(run, "failed")
    fork = server.post(f"/v1/runs/{run}/fork", {})["run"]
    server.until(fork, "failed")
    page = open_(f"/runs/{fork}?task=weave")
    panel = page.get_by_role("region", name="Task weave")
    expect(panel.locator(".panel-state")).to_contain_text("taken over from run")
    expect(panel).to_contain_text("There: attempt 1: succeeded, weaver")
    expect(panel).not_to_contain_text("has not begun")
    expect(page.locator(".node", has_text="weave").locator(".what")).to_have_text("taken over")
    panel.get_by_role("link", name=run[-8:]).click()
    page.wait_for_url(f"**/runs/{run}?**")
    expect(page.get_by_role("region", name="Task weave")).to_contain_text("took")
    page.goto(f"/runs/compare?a={run}&b={fork}")
    rows = page.get_by_role("table", name="Tasks").locator(".table-body .row")
    expect(page.get_by_role("main")).to_contain_text("Both have done the same")
    expect(rows).to_have_count(0)
    page.get_by_role("button", name="All").click()
    expect(rows).to_have_count(2)
    expect(rows.first.locator(".cell.attempts")).to_contain_text("1")


def test_an_answered_question_tells_who_and_what(open_: Any, release: str, server: Server) -> None:
    server.post(f"/v1/runs/{release}/signals", {"task": "approve", "value": {"approved": True, "comment": "go on"}})
    page = open_(f"/runs/{release}?task=approve")
    told = page.locator(".answered")
    by = server.get(f"/v1/runs/{release}/tasks/approve")["answer"]["by"]
    expect(told).to_contain_text(f"{by} approved")
    expect(told).to_contain_text("Release 4.2?")
    expect(told).to_contain_text("go on")


RESTED = """async ([module, page]) => {
  const { folded } = await import(module);
  const scale = folded(page.rests, page.until);
  return [...page.at.map(scale.at), scale.folds.length];
}"""


def test_a_long_rest_takes_little_of_the_timeline(open_: Any, failed: str) -> None:
    page = open_(f"/runs/{failed}")
    main = page.locator("script[type=module]").first.get_attribute("src")
    rested = {"rests": [{"from_s": 10, "until_s": 90_010}, {"from_s": 90_012, "until_s": 90_013}], "until": 90_020}
    told = page.evaluate(
        RESTED, [main.replace("main.js", "pages/run/timeline.js"), {**rested, "at": [10, 90_010, 90_020]}]
    )
    before, behind, end, folds = told
    assert (folds, end) == (1, 1)
    assert 0.4 < before < 0.6
    assert 0 < behind - before < 0.1


def test_events_lead_to_the_run_as_it_was_and_the_proof_holds(
    open_: Any, look: Any, failed: str, server: Server
) -> None:
    page = open_(f"/runs/{failed}?view=events")
    last = len(kinds(server, failed))
    expect(page.locator(f".event-list [data-event='{last}']")).to_contain_text("run.failed")
    page.get_by_role("button", name=f"#{last - 3}", exact=True).click()
    expect(page.get_by_text(f"as it was after event {last - 3}", exact=True)).to_be_visible()
    look(page, "run-events")
    page.get_by_label("Kind of event").select_option("attempt.")
    expect(page.locator(".event-list code").first).to_contain_text("attempt.")
    shown = page.locator(".event-list .event-row > code").all_text_contents()
    assert {one.partition(".")[0] for one in shown} == {"attempt"}
    assert "kind=attempt." in page.url
    page.get_by_role("tab", name="Proof").click()
    page.get_by_role("button", name="Examine now").click()
    expect(page.get_by_text("Everything holds")).to_be_visible()
    expect(page.locator(".verdict")).to_contain_text(f"{last} events")
    expect(page.locator(".certificate")).to_contain_text("contracts")
    page.goto(f"/runs/{failed}?task=each&tab=lineage")
    expect(page.locator(".lineage")).to_contain_text("Behind its output are 1 agent and 1 key")


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
