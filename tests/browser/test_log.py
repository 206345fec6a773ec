"""The log of a task: what its agents have said, by level, as it comes; and nothing of it is markup."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from .server import Server
from .test_run import publish, started

TALE = """
accord: template/1
name: tale
version: 1.0.0
input: {type: object, required: [name], properties: {name: {type: string}}}
tasks:
  first: {uses: demo.tell@^1, with: {name: "${ input.name }"}}
  wait: {needs: [first], signal: {name: go}}
  last: {needs: [wait], uses: demo.tell@^1, with: {name: "${ input.name }"}}
output: "${ tasks.last.output }"
"""


@pytest.mark.parametrize("dark", [False, True])
def test_lines_are_read_by_level_and_come_live(open_: Any, look: Any, server: Server, runs: Any, dark: bool) -> None:
    publish(server, TALE)
    run = started(server, "tale", {"name": "tweed"}, "A tale")
    server.until(run, waits=True)
    page = open_(f"/runs/{run}?task=first&tab=log", dark=dark)
    lines = page.locator(".log li")
    expect(lines).to_have_count(4)
    expect(lines.nth(0)).to_contain_text("threads=1200")
    expect(lines.nth(2).locator(".log-message")).to_have_text("a thread of <b>tweed</b> is thin\nand may tear")
    expect(lines.nth(3).locator("summary")).to_have_text("ValueError: the shuttle is stuck")
    look(page, f"run-log-{'dark' if dark else 'light'}")
    page.get_by_label("Level").select_option("warning")
    expect(lines).to_have_count(2)
    assert "level=warning" in page.url
    shown = [one["message"] for one in server.get(f"/v1/runs/{run}/tasks/first/logs", level="warning")["lines"]]
    assert page.locator(".log-message").all_text_contents() == shown

    events = server.get(f"/v1/runs/{run}/events", limit=1000)["events"]
    (ended,) = [one["sequence"] for one in events if one["event"].startswith("attempt.succeeded")]
    for at, count in ((1, "No lines"), (ended, "4 lines")):
        page.goto(f"/runs/{run}?task=first&tab=log&at={at}")
        expect(page.locator(".log-head")).to_contain_text(f"{count} by the time of event {at}")
        told = [one["message"] for one in server.get(f"/v1/runs/{run}/tasks/first/logs", at=at)["lines"]]
        assert page.locator(".log-message").all_text_contents() == told
    page.get_by_role("slider", name="Event of the journal").fill("2")
    expect(page.locator(".log-head")).to_contain_text("No lines by the time of event 2")

    page.goto(f"/runs/{run}?task=last&tab=log")
    expect(page.get_by_text("Nothing was logged yet")).to_be_visible()
    server.post(f"/v1/runs/{run}/signals", {"name": "go", "value": {}})
    expect(lines).to_have_count(4)
    expect(page.get_by_text("4 lines")).to_be_visible()
