"""The page of all runs, as somebody uses it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from .server import Server


def row(page: Any, title: str) -> Any:
    """The row of a run. The list draws what the window shows, the newest first: a test that looks for a run in
    the whole list starts one of its own, for the tests before it have started many.
    """
    return page.locator(".table-body .row", has_text=title)


def ended(server: Server, template: str, title: str) -> str:
    """The id of a run that was started now, and has ended."""
    run = server.start(template, title)
    server.until(run, "completed", "failed")
    return run


@pytest.mark.parametrize(("dark", "phone"), [(False, False), (True, False), (False, True)])
def test_it_can_be_looked_at(open_: Any, look: Any, runs: Any, server: Server, dark: bool, phone: bool) -> None:
    name = f"lace, {'phone' if phone else 'wide'}, {'dark' if dark else 'light'}"
    ended(server, "broken", f"torn {name}")
    ended(server, "plain", f"white {name}")
    page = open_("/runs", dark=dark, phone=phone)
    expect(row(page, f"torn {name}")).to_contain_text("failed")
    expect(row(page, f"white {name}")).to_contain_text("completed")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is wider than the window"
    look(page, f"runs-{'phone' if phone else 'wide'}-{'dark' if dark else 'light'}")


def test_filters_are_in_the_address_and_narrow_the_list(open_: Any, runs: Any, server: Server) -> None:
    server.start("sleepy", "plush")
    ended(server, "broken", "torn muslin")
    ended(server, "plain", "muslin alone")
    page = open_("/runs?state=failed")
    expect(row(page, "torn muslin")).to_be_visible()
    expect(row(page, "muslin alone")).to_have_count(0)
    page.get_by_role("button", name="Clear filters").click()
    expect(row(page, "muslin alone")).to_be_visible()
    page.get_by_role("button", name="Template").click()
    page.get_by_role("combobox", name="Template").fill("sleepy")
    page.keyboard.press("Enter")
    expect(row(page, "plush")).to_be_visible()
    expect(row(page, "muslin alone")).to_have_count(0)
    assert "template=sleepy" in page.url
    page.keyboard.press("/")
    page.keyboard.type("no such run")
    expect(page.get_by_text("No run fits")).to_be_visible()
    page.reload()
    expect(page.get_by_text("No run fits")).to_be_visible()
    expect(page.get_by_placeholder("Search title, template, id")).to_have_value("no such run")


def test_runs_are_found_by_agent_and_label_and_by_what_they_were_forked_from(
    open_: Any, runs: Any, server: Server
) -> None:
    server.start("sleepy", "baize")
    run = ended(server, "plain", "calico")
    page = open_("/runs")
    expect(row(page, "calico")).to_be_visible()
    expect(row(page, "baize")).to_be_visible()
    page.get_by_role("button", name="Agent").click()
    page.get_by_role("combobox", name="Agent").fill(server.agent_of(run))
    page.keyboard.press("Enter")
    expect(row(page, "baize")).to_have_count(0)
    expect(row(page, "calico")).to_be_visible()
    assert "agent=" in page.url
    page.get_by_role("button", name="Label", exact=True).click()
    page.get_by_role("combobox", name="Label").fill("personal")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No run fits")).to_be_visible()
    fork = server.post(f"/v1/runs/{run}/fork", {})["run"]
    page.goto(f"/runs/{run}")
    page.locator(".forks").get_by_role("link", name="calico").click()
    page.wait_for_url(f"**/runs/{fork}*")
    expect(page.get_by_role("link", name="fork of")).to_have_attribute("href", re.compile(run))
    page.goto(f"/runs?origin={run}")
    expect(page.locator(".table-body .row")).to_have_count(1)
    expect(row(page, "calico").get_by_role("link", name="fork", exact=True)).to_be_visible()


def test_failures_that_somebody_knows_are_put_away(open_: Any, runs: Any, server: Server) -> None:
    mine = [server.start("broken", f"known {number}") for number in range(3)]
    for run in mine:
        server.until(run, "failed")
    page = open_("/")
    need = page.locator(".needs li", has_text=re.compile("^known 0"))  # an incident of the agent may speak of it, too
    expect(need).to_contain_text("the loom of known 0 is broken")
    need.get_by_role("button", name="Acknowledge").click()
    page.get_by_label("What do you know so far?").fill("the loom was away")
    page.get_by_role("dialog").get_by_role("button", name="Acknowledge").click()
    expect(need).to_have_count(0)
    assert server.get(f"/v1/runs/{mine[0]}")["acknowledged"]["note"] == "the loom was away"
    page.goto("/runs?text=known&acknowledged=false")
    expect(page.locator(".table-body .row")).to_have_count(2)
    page.get_by_label("Select all rows").check()
    page.get_by_role("toolbar").get_by_role("button", name="Acknowledge").click()
    page.get_by_role("dialog").get_by_role("button", name="Acknowledge 2 runs").click()
    expect(page.locator(".toasts").get_by_text("Acknowledged 2 runs")).to_be_visible()
    expect(page.locator(".table-body .row")).to_have_count(0)
    page.goto(f"/runs/{mine[1]}")
    expect(page.locator(".run-facts")).to_contain_text("acknowledged")
    expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)


def test_the_numbers_are_those_of_the_api(open_: Any, runs: Any, server: Server) -> None:
    page = open_("/runs")
    tally = page.get_by_role("group", name="Runs by state")
    for state, number in server.get("/v1/runs/counts")["states"].items():
        expect(tally.get_by_role("button", name=f"{state.replace('_', ' ')} {number}")).to_be_visible()
    tally.get_by_role("button", name="failed").click()
    rows = server.get("/v1/runs/counts")["states"]["failed"] + 1  # with the heads of the columns; drawn are fewer
    expect(page.get_by_role("table", name="Runs")).to_have_attribute("aria-rowcount", str(rows))


def test_what_happens_is_seen_without_a_reload(open_: Any, runs: Any, server: Server) -> None:
    page = open_("/runs")
    expect(page.locator(".table-body .row").first).to_be_visible()
    run = server.start("sleepy", "seen live")
    expect(row(page, "seen live")).to_contain_text("running")
    server.post(f"/v1/runs/{run}/cancel", {})
    expect(row(page, "seen live")).to_contain_text("cancelled")


def test_runs_that_are_called_the_same_are_told_apart(open_: Any, runs: Any, server: Server) -> None:
    done = server.start("plain", "twin of cord")
    server.until(done, "completed")
    asks = server.start("cloth", "twin of cord")
    server.until(asks, waits=True)
    page = open_("/runs?text=twin+of+cord")
    waiting, ended_ = page.locator(f".row[data-key='{asks}']"), page.locator(f".row[data-key='{done}']")
    summary = server.get(f"/v1/runs/{done}/summary")
    main = page.locator("script[type=module]").first.get_attribute("src")
    took = page.evaluate(TOOK, [main.replace("main.js", "core/format.js"), summary])
    expect(ended_.locator(".cell.took")).to_have_text(took)
    expect(ended_.locator(".waits")).to_have_count(0)
    mark = waiting.get_by_role("link", name="waits for an approval")
    expect(mark).to_have_attribute("title", "Is twin of cord good?")
    mark.click()
    question = page.locator(".ask.open")
    expect(question).to_contain_text("Is twin of cord good?")
    server.post(f"/v1/runs/{asks}/signals", {"task": "good", "value": {"approved": True}})
    page.goto("/runs?text=twin+of+cord")
    server.until(asks, "completed")
    expect(waiting).to_contain_text("completed")
    expect(waiting.locator(".waits")).to_have_count(0)


TOOK = """async ([module, { started_at, updated_at }]) => {
  const { duration, elapsed } = await import(module);
  return duration(elapsed(started_at, updated_at));
}"""


def test_many_are_paused_resumed_and_cancelled_at_once(open_: Any, runs: Any, server: Server) -> None:
    mine = [server.start("sleepy", f"bulk {number}") for number in range(5)]
    page = open_("/runs?text=bulk")
    expect(page.locator(".table-body .row")).to_have_count(5)
    page.get_by_label("Select bulk 4").check()
    page.get_by_label("Select bulk 0").click(modifiers=["Shift"])
    expect(page.get_by_text("5 selected")).to_be_visible()
    page.get_by_role("toolbar").get_by_role("button", name="Pause").click()
    expect(page.locator(".toasts").get_by_text("Paused 5 runs")).to_be_visible()
    for run in mine:
        server.until(run, "paused")
    expect(page.locator(".table-body .row", has_text="paused")).to_have_count(5)
    page.get_by_label("Select all rows").check()
    page.keyboard.press("u")
    expect(page.locator(".toasts").get_by_text("Resumed 5 runs")).to_be_visible()
    expect(page.locator(".table-body .row", has_text="running")).to_have_count(5)
    page.get_by_label("Select all rows").check()
    page.get_by_role("toolbar").get_by_role("button", name="Cancel").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Cancel 5 runs?")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(row(page, "bulk 0")).to_contain_text("running")
    page.get_by_role("toolbar").get_by_role("button", name="Cancel").click()
    dialog.get_by_role("button", name="Cancel 5 runs").click()
    for run in mine:
        server.until(run, "cancelled")


def test_failed_tasks_are_tried_again(open_: Any, runs: Any, server: Server) -> None:
    run = server.start("broken", "once more")
    server.until(run, "failed")
    page = open_("/runs?text=once+more")
    page.get_by_label("Select once more").check()
    page.get_by_role("toolbar").get_by_role("button", name="Retry").click()
    expect(page.locator(".toasts").get_by_text("Restarted 1 run")).to_be_visible()
    server.until(run, "failed")
    (task,) = [one for one in server.get(f"/v1/runs/{run}/tasks")["tasks"] if one["task"] == "fail"]
    assert task["attempts"] > 1


def test_what_cannot_be_done_is_told_with_its_reason(open_: Any, runs: Any, server: Server) -> None:
    run = server.start("sleepy", "gone meanwhile")
    page = open_("/runs?text=gone+meanwhile")
    page.get_by_label("Select gone meanwhile").check()
    page.route(
        "**/pause",
        lambda route: route.fulfill(
            status=409, json={"code": "ACC431", "problems": [{"code": "ACC431", "message": "the run has ended"}]}
        ),
    )
    page.get_by_role("toolbar").get_by_role("button", name="Pause").click()
    expect(page.get_by_role("status").filter(has_text="the run has ended")).to_be_visible()
    expect(page.get_by_text("1 selected")).to_be_visible()
    server.post(f"/v1/runs/{run}/cancel", {})


def test_a_viewer_is_offered_no_control(open_: Any, runs: Any, server: Server) -> None:
    page = open_("/sign-in", state=None)
    page.get_by_label("API key").fill(server.new_key("onlooker", "viewer"))
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Runs").first.click()
    expect(page.locator(".table-body .row").first).to_be_visible()
    expect(page.get_by_role("checkbox")).to_have_count(0)


def test_ten_thousand_rows_are_drawn_as_few(open_: Any, runs: Any) -> None:
    page = open_("/runs")
    expect(page.locator(".table-body .row").first).to_be_visible()
    page.evaluate(
        """async () => {
          const at = document.querySelector("script[type=module]").src.replace("main.js", "");
          const { h, mount } = await import(at + "core/dom.js");
          const { Table } = await import(at + "parts/table.js");
          const rows = Array.from({ length: 10000 }, (_, n) => ({ id: `row ${n}` }));
          const columns = [{ name: "id", title: "Id", draw: (row) => row.id }];
          const place = document.createElement("div");
          place.id = "many";
          document.getElementById("main").replaceChildren(place);
          mount(h(Table, { label: "Many", rows, columns, keyOf: (row) => row.id }), place);
          scrollTo(0, 200000);
        }"""
    )
    first = "document.querySelector('#many .table-body .row')?.textContent.split(' ')[1]"
    page.wait_for_function(f"Number({first}) > 3000")
    assert page.locator("#many .table-body .row").count() < 60
    assert page.locator("#many").evaluate("(place) => place.offsetHeight") > 300_000
