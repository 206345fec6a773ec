"""A run of ten thousand tasks as the API tells it, without a server that has to do them; and how smoothly it is drawn:

python -m tests.browser.large URL      the times between frames, while a thousand events come in a second; and for
                                       each second, what the page's thread did in it, and how many changes of the
                                       document: that is the same on a busy machine. URL is a link of
                                       `accord console --no-open`
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec
from playwright.sync_api import CDPSession, Page, Route, sync_playwright

from accord.domain.document import document_of
from accord.domain.event import RunStarted
from accord.domain.graph import Graph
from accord.domain.ids import RunId
from accord.domain.run import Run, begin
from accord.domain.timeline import Timeline
from accord.testing.graphs import graph_of
from accord.views.drawing import DrawnState, RunChanges, run_graph
from accord.views.placing import mapped
from accord.views.runs import RunDocument
from accord.views.tasks import listed_task
from accord.views.timeline import timeline_page

from .conftest import FLAGS, WIDE, chromium

RUN = RunId("run_large0000000000000000000")
MOST = 10_000
COLUMNS = 4
START = datetime(2026, 1, 1, tzinfo=UTC)

SOURCE = """
window.EventSource = class extends EventTarget {
  constructor() { super(); window.source = this; setTimeout(() => this.onopen?.()); }
  close() {}
};
window.tell = (message) => window.source.dispatchEvent(new MessageEvent("changes", { data: JSON.stringify(message) }));
"""
"""Events come when a test says so."""


def graph(count: int = MOST) -> Graph:
    """So many tasks in columns, one before all others."""
    tasks: dict[str, Any] = {"begin": {"uses": "test.work@^1"}}
    rows = (count - 1) // COLUMNS
    for number in range(count - 1):
        needs = ["begin"] if number < rows else [f"t{number - rows}"]
        tasks[f"t{number}"] = {"uses": "test.work@^1", "needs": needs}
    return graph_of(tasks)


@cache
def bodies() -> dict[str, bytes]:
    """What the API answers, by the ends of paths."""
    whole = graph()
    nothing = document_of(b"{}")
    started = RunStarted(
        at=START, run=RUN, template=whole.template, graph=whole.digest, input=nothing, title="Ten thousand", by="ann"
    )
    run = begin(whole, started)
    timeline = timeline_page(Timeline(whole, started), 1, None, None, 1000)
    return {
        "": msgspec.json.encode(_document(run)),
        "/graph": msgspec.json.encode(run_graph(run, (1, 1), mapped(whole), {})),
        "/timeline": msgspec.json.encode(timeline),
    }


def _document(run: Run) -> RunDocument:
    return RunDocument(
        run=run.id,
        state=run.phase,
        template=run.started.template,
        title=run.started.title,
        started_at=START.isoformat(),
        took_s=0.0,
        fault=None,
        spent="0",
        max_cost=None,
        by="ann",
        input={},
        input_labels=(),
        parent=None,
        origin=None,
        erased=None,
        updated_at=START,
        deadline_at=None,
        epoch=0,
        waiting=(),
        left=False,
        left_at=None,
        tasks=tuple(listed_task(run, name, run.updated_at) for name in run.graph.order),
    )


def changes(sequence: int, tasks: Sequence[str], done: int) -> Any:
    """A message of the feed: these tasks are completed now."""
    states = tuple(DrawnState(task=name, state="completed", standing="completed", attempts=1) for name in tasks)  # type: ignore[arg-type]
    told = RunChanges(
        sequence=sequence,
        state="running",
        at=START,
        tasks_done=done,
        tasks_failed=0,
        attempts=0,
        states=states,
        items={},
    )
    return json.loads(msgspec.json.encode(told))


def served(page: Page) -> None:
    """Have a page told of the run; what comes by its feed is given to `tell`."""

    known = bodies()

    def answer(route: Route) -> None:
        end = route.request.url.partition("?")[0].partition(RUN)[2]
        if end in known:
            route.fulfill(body=known[end], content_type="application/json")
        else:
            route.fulfill(status=404, json={"code": "ACC434", "problems": []})

    page.add_init_script(SOURCE)
    page.route(f"**/v1/runs/{RUN}**", answer)


FRAMES = """async (messages) => {
  const between = [];
  let changed = 0;
  const all = { subtree: true, childList: true, attributes: true, characterData: true };
  new MutationObserver((found) => { changed += found.length; }).observe(document.body, all);
  let last = performance.now(), on = true;
  const frame = (now) => { between.push(now - last); last = now; if (on) requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
  for (const message of messages) { window.tell(message); await new Promise((go) => setTimeout(go, 100)); }
  on = false;
  return [between.slice(1).sort((a, b) => a - b), changed];
}"""

SPENT = {"script": "ScriptDuration", "style": "RecalcStyleDuration", "layout": "LayoutDuration", "all": "TaskDuration"}
"""What the browser counts of the time of the page's thread."""


def spent(devtools: CDPSession) -> dict[str, float]:
    """Seconds of the page's thread up to now, by what it did."""
    told = {one["name"]: one["value"] for one in devtools.send("Performance.getMetrics")["metrics"]}
    return {name: told[theirs] for name, theirs in SPENT.items()}


def main(link: str) -> None:
    """Print the times between frames."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        page = browser.new_page(viewport=WIDE)
        page.goto(link)
        page.wait_for_selector("h1:has-text('Overview')")
        served(page)
        page.goto(f"{link.partition('/#')[0]}/runs/{RUN}")
        page.wait_for_selector(".graph")
        messages = [
            changes(2 + place, [f"t{place * 100 + one}" for one in range(100)], place * 100) for place in range(50)
        ]
        devtools = page.context.new_cdp_session(page)
        devtools.send("Performance.enable")
        before, begun = spent(devtools), time.monotonic()
        times, changed = page.evaluate(FRAMES, messages)
        seconds = time.monotonic() - begun
        thread = {name: round((value - before[name]) * 1000 / seconds) for name, value in spent(devtools).items()}
        at = {
            name: round(times[int(len(times) * part)], 1) for name, part in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
        }
        sys.stdout.write(
            json.dumps(
                {
                    "tasks": MOST,
                    "events_per_s": 1000,
                    "frames": len(times),
                    "between_ms": at,
                    "thread_ms_per_s": thread,
                    "changes_per_s": round(changed / seconds),
                }
            )
            + "\n"
        )
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
