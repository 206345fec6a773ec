"""Pictures of every page and of what opens on it, to be looked at one by one: light, dark, wide, on a phone.

python -m tests.browser.pictures [WORD …]      all of them, or those with one of these words in their names, into
                                               build/pictures/, while a run of 200 tasks is under way

It tells what is wider than its window, and what has gone wrong in the page. It is no test: CI has its own pictures.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from playwright.sync_api import Browser, Page, expect, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from .conftest import FLAGS, PHONE, WIDE, chromium
from .server import WORLD, Server, populated, serving
from .test_pages import published
from .test_run import INVOICES, RELEASE, publish, started

PICTURES = Path(__file__).parents[2] / "build" / "pictures"
LONG = "a-name-of-eighty-characters-that-somebody-has-given-to-it-without-any-blank-80ch"
LONG_NAME = "a_name_of_63_characters_that_somebody_has_given_to_it_all_63ch"
LONG_TEMPLATE = LONG_NAME.replace("_", "-")
BRANCHES, STEPS, TAKES_S = 12, 16, 18.0
AWAY = "**/v1/**"
PATIENCE_MS, SETTLES_MS = 10_000, 400

Act = Callable[[Page], None]


class Scene(NamedTuple):
    """A page, what is done on it, and what is seen then."""

    name: str
    path: str
    act: Act | None = None
    shows: str | None = None


def mill() -> str:
    """A template of 200 tasks: batches of wool that are spun side by side, brought together and judged."""
    given = {"name": "${ input.wool }", "seconds": 1.0}
    tasks: dict[str, Any] = {
        "unload": {"uses": "mill.spin@^1", "with": given, "description": "Take the wool from the cart."},
        "sort": {"uses": "mill.spin@^1", "needs": ["unload"], "with": given},
    }
    for branch in range(BRANCHES):
        for step in range(STEPS):
            name = f"batch_{branch:02}_{step:02}"
            needs = [f"batch_{branch:02}_{step - 1:02}"] if step % 4 else [f"batch_{branch:02}_{step - 4:02}"]
            tasks[name] = {
                "uses": "mill.spin@^1",
                "needs": needs if step else ["sort"],
                "with": {"name": name, "seconds": TAKES_S * (1 + step % 3) / 2},
                "retry": {"attempts": 3, "backoff": {"first": "2s"}},
            }
    last = [f"batch_{branch:02}_{STEPS - 1:02}" for branch in range(BRANCHES)]
    approval = {"title": "Is the yarn of today good?", "form": {"type": "object"}}
    tasks |= {
        "foreman": {"needs": ["sort"], "approval": {**approval, "title": "May the night shift begin?"}},
        "wind": {"uses": "mill.spin@^1", "needs": last, "with": given},
        "judge": {"needs": ["wind"], "approval": approval},
        "dye": {"uses": "mill.spin@^1", "needs": ["judge"], "with": given},
        "dry": {"uses": "mill.spin@^1", "needs": ["dye"], "with": given},
        "ship": {"uses": "mill.spin@^1", "needs": ["dry", "foreman"], "with": given},
    }
    assert len(tasks) == 200, len(tasks)
    whole = {
        "accord": "template/1",
        "name": "mill",
        "version": "1.0.0",
        "description": "Spins a day's wool in two hundred steps.",
        "input": {"type": "object", "required": ["wool"], "properties": {"wool": {"type": "string"}}},
        "tasks": tasks,
        "output": "${ tasks.ship.output }",
    }
    return msgspec.json.encode(whole).decode()


LONGEST = f"""
accord: template/1
name: {LONG_TEMPLATE}
version: 1.0.0
description: {" ".join(["It has a description that goes on and on,"] * 6)} and ends.
input: {{type: object, required: [name], properties: {{name: {{type: string}}}}}}
tasks:
  {LONG_NAME}: {{uses: demo.weave@^1, with: {{name: "${{input.name}}"}}}}
  other:
    needs: [{LONG_NAME}]
    uses: demo.fail@^1
    with: {{name: "${{input.name}}"}}
    retry: {{attempts: 2, backoff: {{first: 10ms}}}}
"""

TOLD = """
accord: template/1
name: told
version: 1.0.0
input: {type: object, required: [name], properties: {name: {type: string}}}
tasks:
  tell: {uses: demo.tell@^1, with: {name: "${input.name}"}}
output: "${tasks.tell.output}"
"""

WORDS = "audit " + str(WORLD)


def opened(name: str) -> Act:
    """Press a button of the page."""
    return lambda page: page.locator("main").get_by_role("button", name=name).first.click()


def filled(label: str, text: str, then: str = "Control+Enter") -> Act:
    """Write something into a field, and press a key."""

    def act(page: Page) -> None:
        page.get_by_label(label).first.fill(text)
        page.keyboard.press(then)

    return act


def pressed(*keys: str) -> Act:
    """Press keys, one after another."""

    def act(page: Page) -> None:
        page.locator("main h1").first.wait_for()
        for key in keys:
            page.keyboard.press(key)

    return act


def both(*acts: Act) -> Act:
    """One after another."""

    def act(page: Page) -> None:
        for one in acts:
            one(page)

    return act


def places(page: Page) -> None:
    """Open the navigation, where it is hidden."""
    if page.locator(".topbar").is_visible():
        page.get_by_role("button", name="Places").click()


def chosen(page: Page) -> None:
    """Choose two runs of a list."""
    page.locator(".table-body .row").first.wait_for()
    for box in page.locator(".table-body input[type=checkbox]").all()[:2]:
        box.check()


def away(page: Page) -> None:
    """From now on the server answers nothing; the page is told when it asks."""
    page.locator("main h1").first.wait_for()
    page.route(AWAY, lambda route: route.abort())
    page.reload()


def lost(page: Page) -> None:
    """The server goes away while somebody looks."""
    page.locator(".table-body .row").first.wait_for()
    page.route(AWAY, lambda route: route.abort())
    page.keyboard.press("g")
    page.keyboard.press("s")
    page.get_by_text("Try again").first.wait_for()


def scenes(server: Server) -> Iterator[Scene]:
    """All that there is to look at, on a server that is at work."""
    runs = populated(server)
    published(server)
    for document in (mill(), LONGEST, TOLD, INVOICES, RELEASE):
        publish(server, document)
    live = started(server, "mill", {"wool": "merino"}, "A day's wool")
    long = started(server, LONG_TEMPLATE, {"name": LONG}, LONG)
    told = started(server, "told", {"name": "tulle"}, "Told")
    monday = started(server, "invoices", {"day": "monday", "rows": [f"row {n}" for n in range(30)]}, "Monday")
    release = started(server, "release", {"version": "4.2"}, "Release 4.2")
    server.until(release, waits=True)
    out = started(server, "release", {"version": "4.1"}, "Release 4.1")
    server.until(out, waits=True)
    server.post(f"/v1/runs/{out}/signals", {"task": "approve", "value": {"approved": True, "comment": "go on"}})
    server.post(f"/v1/runs/{out}/signals", {"name": "go"})
    server.until(out, "completed")
    for run in (long, monday):
        server.until(run, "failed")
    server.until(told, "completed")
    fork = server.post(f"/v1/runs/{monday}/fork", {"changes": {"day": "tuesday", "rows": ["one"]}})["run"]
    server.until(fork, "failed")
    incident = suspected(server)
    time.sleep(12)  # so that the mill is under way

    yield Scene("overview", "/")
    yield Scene("navigation", "/", places)
    yield Scene("palette", "/", pressed("Control+k"))
    yield Scene("palette-found", "/", both(pressed("Control+k"), lambda page: page.keyboard.type("wool")), "A day")
    yield Scene("help", "/", pressed("?"))
    yield Scene("runs", "/runs")
    yield Scene("runs-chosen", "/runs", chosen)
    yield Scene("runs-filter", "/runs?template=mill", opened("State"))
    yield Scene("runs-none", "/runs?text=nothing-like-this&sate=x")
    yield Scene("live", f"/runs/{live}", shows="batch_00_00")
    yield Scene("live-task", f"/runs/{live}?task=batch_00_00", shows="Why this agent")
    for tab, shown in (("values", "Input"), ("log", "All levels"), ("lineage", "Behind its output")):
        yield Scene(f"live-task-{tab}", f"/runs/{live}?task=batch_07_00&tab={tab}", shows=shown)
    yield Scene("live-waits", f"/runs/{live}?task=judge")
    yield Scene("live-input", f"/runs/{live}?view=input")
    yield Scene("live-events", f"/runs/{live}?view=events", shows="attempt.assigned")
    yield Scene("live-past", f"/runs/{live}?at=30", shows="as it was")
    yield Scene("live-fork", f"/runs/{live}", opened("Fork"))
    yield Scene("live-cancel", f"/runs/{live}", opened("Cancel"))
    yield Scene("failed", f"/runs/{monday}")
    yield Scene("failed-task", f"/runs/{monday}?task=sum&open=each", shows="Why its result was not taken")
    for tab in ("values", "items", "log", "lineage"):
        yield Scene(f"failed-task-{tab}", f"/runs/{monday}?task=each&open=each&tab={tab}")
    yield Scene("failed-acknowledge", f"/runs/{monday}", opened("Acknowledge"))
    yield Scene("failed-proof", f"/runs/{monday}?view=proof", opened("Examine now"), "Everything holds")
    yield Scene("long", f"/runs/{long}?task=other")
    yield Scene("waiting", f"/runs/{release}?task=approve")
    yield Scene("waiting-answer", f"/runs/{release}", opened("Answer"))
    yield Scene("waiting-signal", f"/runs/{release}", opened("Signal"))
    yield Scene("done", f"/runs/{out}", shows="is out")
    yield Scene("done-answered", f"/runs/{out}?task=approve", shows="go on")
    yield Scene("log", f"/runs/{told}?task=tell&tab=log", shows="threads")
    yield Scene("paused", f"/runs/{runs['tweed']}")
    yield Scene("unknown", "/nowhere", shows="There is nothing here")
    yield Scene("run-unknown", "/runs/run_00000000000000000000000000")
    yield Scene("compare-runs", f"/runs/compare?a={monday}&b={fork}", shows="Where they parted")
    yield Scene("compare-runs-task", f"/runs/compare?a={monday}&b={fork}&task=fetch", shows="Open in the second")
    yield Scene("compare-runs-choice", f"/runs/compare?a={monday}")
    yield Scene("new", "/new")
    yield Scene("new-not-known", "/new", filled("What is to be done?", "bake a cake"), "I do not know")
    yield Scene("new-lacking", "/new", filled("What is to be done?", "audit"), "still to be said")
    yield Scene("new-plan", "/new", filled("What is to be done?", WORDS), "proven to fit")
    yield Scene("new-template", "/new?template=source-audit@1.0.0", shows="directory")
    yield Scene("new-wrong", "/new?template=source-audit@1.0.0", opened("Show the plan"), "is needed")
    yield Scene("new-form-plan", "/new?template=cloth", filled("Name", "velvet", "Enter"))
    yield Scene("approvals", "/approvals")
    yield Scene("approvals-open", f"/approvals?open={release}/approve")
    yield Scene("approvals-none", "/approvals?template=plain")
    yield Scene("agents", "/agents")
    yield Scene("agents-picture", "/agents?view=picture")
    yield Scene("agent", "/agents/spindle", shows="mill.spin")
    yield Scene("agent-long", "/agents/the-agent-with-the-longest-name-that-is-possible-which-has-63-c")
    yield Scene("agent-failing", "/agents/grump")
    yield Scene("agent-quarantined", "/agents/spare", shows="quarantine")
    yield Scene("agent-hold", "/agents/weaver", opened("Hold"))
    yield Scene("agent-unknown", "/agents/nobody")
    yield Scene("templates", "/templates")
    yield Scene("template", "/templates/cloth/1.0.0?task=good", shows="asks a person")
    yield Scene("template-mill", "/templates/mill/1.0.0")
    yield Scene("template-long", f"/templates/{LONG_TEMPLATE}/1.0.0")
    between = "/templates/compare?before=mended@1.0.0&after=mended@1.1.0"
    yield Scene("compare", f"{between}&task=mend", shows="said by its needs")
    yield Scene("compare-text", f"{between}&view=text")
    yield Scene("publish", "/templates/publish")
    yield Scene("publish-wrong", "/templates/publish", filled("The template, in YAML", BROKEN, "Tab"), "ACC")
    yield Scene("incidents", "/incidents")
    yield Scene("incidents-none", "/incidents?severity=low")
    yield Scene("incident", f"/incidents/{incident}")
    yield Scene("incident-resolve", f"/incidents/{incident}", opened("Resolve"))
    yield Scene("journal", "/journal")
    yield Scene("proposals", "/proposals")
    yield Scene("system", "/system", shows="48 of 48 owned")
    yield Scene("system-key", "/system", opened("New key"))
    yield Scene("system-webhook", "/system", opened("New webhook"))
    yield Scene("system-hold", "/system", opened("Hold everything"))
    yield Scene("away", "/runs", away)
    yield Scene("lost", "/runs", lost)


BROKEN = "accord: template/1\nname: nobody\nversion: 1.0.0\ntasks:\n  it: {uses: demo.nothing@^1}\n"

BARE = (
    Scene("empty-overview", "/"),
    Scene("empty-runs", "/runs"),
    Scene("empty-new", "/new"),
    Scene("empty-approvals", "/approvals"),
    Scene("empty-agents", "/agents"),
    Scene("empty-templates", "/templates"),
    Scene("empty-incidents", "/incidents"),
    Scene("empty-journal", "/journal"),
    Scene("empty-system", "/system"),
)
"""What a server shows that nobody has used."""

STRANGER = (
    Scene("sign-in", "/sign-in"),
    Scene("sign-in-wrong", "/sign-in", filled("API key", "accord_wrong", "Enter"), "key"),
)


def suspected(server: Server) -> int:
    """The number of an incident: that an agent is in quarantine."""
    server.post("/v1/quarantine", {"agent": "spiffe://local/agent/spare", "reason": "its key was seen elsewhere"})
    number: int = server.get("/v1/incidents")["incidents"][0]["incident"]
    return number


MODES = [(size, colours) for size in ("phone", "wide") for colours in ("light", "dark")]


def photographed(
    browser: Browser, server: Server, words: Sequence[str], all_: Iterable[Scene], *, stranger: bool = False
) -> None:
    """Keep each in each mode, as far down as it goes; say what is wrong with it."""
    scenes_ = list(all_)
    for size, colours in MODES:
        wanted = {f"{one.name}-{size}-{colours}": one for one in scenes_}
        if words:
            wanted = {name: one for name, one in wanted.items() if any(word in name for word in words)}
        if not wanted:
            continue
        context = browser.new_context(
            base_url=server.url,
            reduced_motion="reduce",
            color_scheme="dark" if colours == "dark" else "light",
            viewport=PHONE if size == "phone" else WIDE,
            has_touch=size == "phone",
        )
        if not stranger:
            page = context.new_page()
            page.goto(server.sign_in_link())
            page.locator("h1").wait_for()
            page.close()
        for name, scene in wanted.items():
            kept(context.new_page(), scene, name)
        context.close()


def told(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def kept(page: Page, scene: Scene, name: str) -> None:
    """Keep one; what cannot be done or is not seen is told."""
    page.on("pageerror", lambda error: told(f"{name}: {error}"))
    try:
        page.goto(scene.path)
        page.locator("h1, .failure, .empty").first.wait_for()
        if scene.act:
            scene.act(page)
        if scene.shows:
            expect(page.locator("body")).to_contain_text(scene.shows)
        expect(page.locator("main .skeleton")).to_have_count(0)
        page.wait_for_timeout(SETTLES_MS)
    except (PlaywrightError, AssertionError) as error:
        told(f"{name}: {str(error)[:200]}")
    if not page.evaluate("document.documentElement.scrollWidth <= innerWidth"):
        told(f"{name} is wider than its window")
    page.screenshot(path=PICTURES / f"{name}.png", full_page=not page.locator("dialog").count())
    page.close()


def main(words: Sequence[str]) -> None:
    """Make those that are wanted."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=PATIENCE_MS)

    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        for name, agents in (("bare", ()), ("busy", ("agents.py", "mill.py"))):
            (Path(folder) / name).mkdir()
            with serving(Path(folder) / name, agents) as server:
                if name == "bare":
                    photographed(browser, server, words, BARE)
                    continue
                photographed(browser, server, words, STRANGER, stranger=True)
                photographed(browser, server, words, scenes(server))
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
