"""Every number on a page is the one that the API tells, as it is now and as it was; what the API tells is compared with
the journal in `tests/unit/test_numbers.py`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from accord.domain.duration import duration_words

from .server import HEADERS, Server

MIXED = """
accord: template/1
name: mixed
version: 1.0.0
input: {type: object, required: [names], properties: {names: {type: array, items: {type: string}}}}
tasks:
  many:
    for_each: "${ input.names }"
    uses: demo.keep@^1
    with: {name: "${ item }"}
    parallel: 5
    on_failure: continue
    retry: {attempts: 2, backoff: {first: 1h, cap: 1h, jitter: 0}}
  below: {workflow: plain@^1, with: {name: below}}
  after: {needs: [many], uses: demo.weave@^1, with: {name: after}}
"""
NAMES = ("fine", "good", "broken", "late", "kept 1", "kept 2", "kept 3", "kept 4", "kept 5")
SHOWN = ("completed", "failed", "cancelled", "skipped", "running", "assigned", "waiting", "queued", "pending")


@pytest.fixture(scope="module")
def mixed(server: Server, runs: Any) -> str:
    """A run with items that are done, that failed, that are at work, that wait, and that have not begun."""
    answer = server.http.post("/v1/templates", content=MIXED.encode(), headers=HEADERS)
    assert answer.is_success, answer.text
    run: str = server.post("/v1/runs", {"template": "mixed", "input": {"names": NAMES}, "title": "Mixed"})["run"]
    wanted = {"completed": 2, "failed": 1, "running": 2, "pending": 1}
    until(lambda: task_of(server, run, "many")["item_standings"], lambda told: wanted.items() <= told.items())
    until(lambda: server.get(f"/v1/runs/{run}/tasks/many")["items"], lambda told: any(one["again_at"] for one in told))
    return run


@pytest.fixture(scope="module")
def rested(server: Server, runs: Any) -> tuple[str, ...]:
    """A run that was paused, and one that failed, was tried again, and failed again."""
    paused, again = server.start("cloth", "velvet"), server.start("broken", "jute")
    server.until(paused, waits=True)
    server.post(f"/v1/runs/{paused}/pause", {})
    server.until(again, "failed")
    server.post(f"/v1/runs/{again}/retry", {"task": "fail"})
    server.until(again, "failed")
    until(lambda: server.get(f"/v1/runs/{again}/tasks/fail/attempts"), lambda told: len(told) == 2)
    server.until(again, "failed")
    server.post(f"/v1/runs/{paused}/resume")
    server.post(f"/v1/runs/{paused}/signals", {"task": "good", "value": {"approved": True}})
    server.until(paused, "completed")
    return paused, again


def until(ask: Callable[[], Any], holds: Callable[[Any], bool]) -> None:
    end = time.monotonic() + 30
    while not holds(told := ask()):
        assert time.monotonic() < end, told
        time.sleep(0.02)


def task_of(server: Server, run: str, task: str, **query: Any) -> Any:
    listed = server.get(f"/v1/runs/{run}/tasks", **query)["tasks"]
    return next(one for one in listed if one["task"] == task)


def items_line(found: dict[str, int]) -> str:
    done = found.get("completed", 0) + found.get("skipped", 0)
    parts = [
        f"{found[name]} {name}" for name in ("failed", "running", "assigned", "waiting", "queued") if name in found
    ]
    return ", ".join([f"{done} of {sum(found.values())}{'' if parts else ' items'}", *parts])


def items_are_told(page: Any, found: dict[str, int]) -> None:
    """The box, its bar and the panel of the task with items say what the API does."""
    node = page.locator(".node[data-task=many]")
    words = ", ".join(f"{found[name]} {name}" for name in SHOWN if name in found)
    expect(node).to_have_attribute("aria-label", re.compile(f", {sum(found.values())} items: {words}$"))
    line = node.locator("text.what").text_content()
    assert items_line(found).startswith(line.removesuffix("…"))
    parts = page.get_by_role("tabpanel").locator("p", has_text="items").locator(".legend-part")
    expect(parts).to_have_text([f"{name}{found[name]}" for name in SHOWN if name in found])
    wide = "(all) => all.map((one) => Number(one.getAttribute('width')))"
    (room,), ended = (
        node.locator(".meter .room").evaluate_all(wide),
        node.locator(".meter rect:not(.room)").evaluate_all(wide),
    )
    settled = sum(found.get(name, 0) for name in SHOWN[:4])
    assert sum(ended) == pytest.approx(room * settled / sum(found.values()), abs=0.1 + len(ended))


def test_items_that_wait_are_told_from_those_at_work_now_and_as_it_was(open_: Any, mixed: str, server: Server) -> None:
    page = open_(f"/runs/{mixed}?task=many")
    items_are_told(page, task_of(server, mixed, "many")["item_standings"])
    last = server.get(f"/v1/runs/{mixed}/graph")["last"]
    for at in (last - 1, last // 2):
        page.goto(f"/runs/{mixed}?task=many&at={at}")
        expect(page.get_by_text(f"as it was after event {at}", exact=True)).to_be_visible()
        items_are_told(page, task_of(server, mixed, "many", at=at)["item_standings"])
    page.goto(f"/runs/{mixed}?task=many&tab=items")
    items = server.get(f"/v1/runs/{mixed}/tasks/many")["items"]
    expect(page.locator(".items .item")).to_have_count(len(items))
    named = page.locator(".items .item").evaluate_all("(all) => all.map((one) => one.getAttribute('aria-label'))")
    assert sorted(named) == sorted(f"{one['task']}, {one['standing']}" for one in items)
    late = next(one for one in items if one["again_at"])
    assert late["standing"] == "queued"
    kept = next(one for one in items if one["standing"] == "running")
    page.goto(f"/agents/{kept['agent'].rpartition('/')[2]}")
    has = page.get_by_role("region", name="Under way")
    expect(has.get_by_role("link", name=kept["task"])).to_have_attribute("href", re.compile(mixed))
    page.goto(f"/runs/{mixed}?task=many")
    items_are_told(page, task_of(server, mixed, "many")["item_standings"])
    server.post(f"/v1/runs/{mixed}/cancel", {})
    server.until(mixed, "cancelled")
    expect(page.locator(".run-head .badge")).to_have_text("cancelled")
    items_are_told(page, task_of(server, mixed, "many")["item_standings"])


def test_times_and_attempts_of_a_run_are_those_of_the_api(open_: Any, rested: tuple[str, ...], server: Server) -> None:
    page = open_("/runs")
    for run in rested:
        page.goto(f"/runs/{run}")
        document = server.get(f"/v1/runs/{run}")
        done, total = (server.get(f"/v1/runs/{run}/summary")[f"tasks_{name}"] for name in ("done", "total"))
        expect(page.locator(".run-progress")).to_contain_text(f"{done}/{total}")
        took = f"took {duration_words(document['took_s'])}, paused {duration_words(document['paused_s'])}"
        expect(page.locator(".run-facts")).to_contain_text(took)
        explained = server.get(f"/v1/runs/{run}/explanation")
        assert f"after {duration_words(document['took_s'])}: {done} of {total} tasks done" in explained["summary"]
        assert sum(one["of_run_s"] for one in explained["critical"]) == pytest.approx(document["took_s"], abs=0.01)
        for task in document["tasks"]:
            page.goto(f"/runs/{run}?task={task['task']}")
            state = page.locator(".panel-state")
            begun = task["took_s"] is not None
            expect(state).to_contain_text(f"took {duration_words(task['took_s'])}" if begun else "has not begun")
            attempts = server.get(f"/v1/runs/{run}/tasks/{task['task']}/attempts")
            assert len(attempts) == task["attempts"] + task["diagnoses"]
            expect(page.locator(".attempt-card")).to_have_count(len(attempts))
            for one in attempts:
                card = page.locator(f".attempt-card[data-attempt='{one['attempt']}']")
                expect(card.locator("summary .num").last).to_have_text(duration_words(one["took_s"]))
                expect(card).to_contain_text(f"Waited{duration_words(one['queued_s'])} for an agent")


def test_an_event_is_as_long_after_the_start_wherever_it_is_told(
    open_: Any, rested: tuple[str, ...], server: Server
) -> None:
    _, again = rested
    track = server.get(f"/v1/runs/{again}/timeline")
    last = track["sequence"]
    page = open_(f"/runs/{again}?view=events&at={last}")
    words = duration_words(track["until_s"])
    expect(page.locator(".run-facts")).to_contain_text(f"{words} after the start")
    expect(page.locator(".travel-event")).to_contain_text(f"{words} after the start")
    expect(page.locator(f".event-list [data-event='{last}'] .event-time")).to_have_text(words)


def test_two_runs_are_compared_with_the_numbers_of_each(open_: Any, rested: tuple[str, ...], server: Server) -> None:
    page = open_(f"/runs/compare?a={rested[0]}&b={rested[1]}")
    for name, run in zip(("First", "Second"), rested, strict=True):
        document, side = server.get(f"/v1/runs/{run}"), page.get_by_role("region", name=f"{name} run")
        expect(side).to_contain_text(f"Took{duration_words(document['took_s'])}")
        expect(side).to_contain_text(f"Attempts{sum(task['attempts'] for task in document['tasks'])}")
        expect(side).to_contain_text(f"Events{server.get(f'/v1/runs/{run}/graph')['last']}")


def test_lists_count_what_the_api_lists(open_: Any, rested: tuple[str, ...], server: Server) -> None:
    page = open_("/agents")
    agents = server.get("/v1/agents", limit=1000)["agents"]
    here = [one for one in agents if one["instances"]]
    expect(page.locator(".sheet-head")).to_contain_text(f"{len(here)} of {len(agents)} agents present")
    for one in here:
        row = page.locator(".table-body .row", has=page.locator(f"a[title='{one['agent']}']"))
        expect(row.locator(".cell.busy")).to_contain_text(f"{one['running']}/{one['present']['concurrency']}")
        expect(row.locator(".cell.queued")).to_have_text(str(one["queued"]))
        if one["work"]:
            expect(row.locator(".cell.errors")).to_have_text(str(one["work"]["failed"]))
    page.goto("/templates")
    templates = server.get("/v1/templates", limit=1000)["templates"]
    names = {one["name"] for one in templates}
    expect(page.locator(".sheet-head")).to_contain_text(f"{len(names)} templates, {len(templates)} versions")
    page.goto("/approvals")
    asked = server.get("/v1/approvals", limit=100)["approvals"]
    expect(page.locator(".ask")).to_have_count(len(asked))
    expect(page.locator(".sheet-head")).to_contain_text(re.compile(f"^Approvals{len(asked)} question"))
    page.goto("/templates/broken/1.0.0")
    counts = server.get("/v1/runs/counts", template="broken@1.0.0")["states"]
    expect(page.locator(".counts .num")).to_have_text(
        [str(counts[state]) for state in ("running", "completed", "failed") if counts.get(state)]
    )
