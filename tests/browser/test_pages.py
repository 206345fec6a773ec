"""The console's other pages, each looked at and used; what is done there is seen through the API."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
from playwright.sync_api import expect

from accord.domain.access import ROLES

from .conftest import PHONE, PICTURES, WIDE
from .server import WORLD, Server

MENDED = {
    "1.0.0": """
accord: template/1
name: mended
version: 1.0.0
input: {type: object, required: [name], properties: {name: {type: string}}}
tasks:
  mend: {uses: demo.mend@^1, with: {name: "${input.name}"}}
  old: {uses: demo.weave@^1, with: {name: "${input.name}"}}
output: "${tasks.mend.output}"
""",
    "1.1.0": """
accord: template/1
name: mended
version: 1.1.0
input: {type: object, required: [name], properties: {name: {type: string}}}
tasks:
  mend: {uses: demo.mend@^1, needs: [fresh], with: {name: "${input.name}"}}
  fresh: {uses: demo.weave@^1, with: {name: "${input.name}"}}
output: "${tasks.mend.output}"
""",
}

SPARE = "spiffe://local/agent/spare"
"""Its key is revoked by a test, and stays so."""
DARNER = "spiffe://local/agent/darner"


def published(server: Server) -> None:
    for text in MENDED.values():
        answer = server.http.post("/v1/templates", content=text, headers={"Content-Type": "application/yaml"})
        assert answer.is_success, answer.text


PLACES = (
    ("/new", "What is to be done?"),
    ("/new?template=cloth", "Name"),
    ("/approvals", "Is damask good?"),
    ("/agents", "weaver"),
    ("/agents?view=picture", "Processes"),
    ("/agents/weaver", "demo.weave@1.0.0"),
    ("/templates", "source-audit"),
    ("/templates/cloth/1.0.0", "asks a person"),
    ("/templates/compare?before=mended@1.0.0&after=mended@1.1.0", "1 task added, 1 task removed, 1 task changed"),
    ("/templates/publish", "Nothing is written yet"),
    ("/incidents", "Incidents"),
    ("/journal", "this browser is a witness"),
    ("/proposals", "There are no proposals"),
    ("/system", "48 of 48 owned"),
)
"""Addresses, and what is seen there."""


def test_each_can_be_looked_at(open_: Any, look: Any, runs: Any, server: Server) -> None:
    published(server)
    page = open_("/")
    for path, shows in PLACES:
        page.set_viewport_size(WIDE)
        page.emulate_media(color_scheme="light")
        page.goto(path)
        expect(page.locator("main")).to_contain_text(shows)
        name = re.sub(r"\W+", "-", path.partition("?before")[0]).strip("-")
        page.screenshot(path=PICTURES / f"{name}-wide-light.png")
        page.set_viewport_size(PHONE)
        page.emulate_media(color_scheme="dark")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} is wider than the window"
        look(page, f"{name}-phone-dark")


# -- new runs ----------------------------------------------------------------------------------------------------


def test_an_objective_becomes_a_plan_and_then_a_run(open_: Any, look: Any, server: Server) -> None:
    page = open_("/")
    page.keyboard.press("g")
    page.keyboard.press("n")
    page.get_by_label("What is to be done?").fill("bake a cake")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".not-known")).to_contain_text("I do not know what is meant")
    expect(page.locator(".not-known")).to_contain_text("ACC800")
    page.get_by_label("What is to be done?").fill("audit")
    page.keyboard.press("Control+Enter")
    lacking = page.locator(".not-known")
    expect(lacking).to_contain_text("Something is still to be said")
    lacking.get_by_label("directory").fill(str(WORLD))
    lacking.get_by_role("button", name="Show the plan").click()
    expect(page.get_by_role("region", name="The plan")).to_contain_text("6 of 6 inputs are proven to fit")
    page.get_by_label("What is to be done?").fill('discover "rich" really')
    page.keyboard.press("Control+Enter")
    expect(lacking).to_contain_text("Is this what is meant?")
    expect(lacking).to_contain_text("not understood: really")
    lacking.get_by_role("button", name="Yes, show the plan").click()
    expect(page.get_by_role("region", name="The plan")).to_contain_text("Plan: composed-discover-")
    page.get_by_label("What is to be done?").fill("bake a cake")
    page.keyboard.press("Control+Enter")
    page.locator(".not-known").get_by_role("button", name="audit {directory}").click()
    expect(page.locator(".not-known")).to_have_count(0)
    page.get_by_label("What is to be done?").fill(f"audit {WORLD}")
    page.keyboard.press("Control+Enter")
    plan = page.get_by_role("region", name="The plan")
    expect(plan).to_contain_text("is its directory")
    expect(plan).to_contain_text("6 of 6 inputs are proven to fit")
    expected = page.get_by_role("region", name="What to expect")
    expect(expected).to_contain_text(re.compile(r"Time\s*about.*Cost.*by \d+ attempt|Nobody has done", re.DOTALL))
    plan.get_by_role("button", name="inventory").click()
    expect(plan.locator("li.selected")).to_contain_text("List the text files")
    look(page, "plan-wide-light")
    page.get_by_label("Title").fill("how is the world?")
    page.get_by_role("button", name="Start the run").click()
    page.wait_for_url(re.compile("/runs/run_"))
    run = server.get(f"/v1/runs/{page.url.rpartition('/')[2]}")
    assert run["title"] == "how is the world?"
    assert run["input"]["directory"] == str(WORLD)


SAID = """
accord: template/1
name: said
version: 1.0.0
examples: ["spin {name} into yarn", "make yarn of {name}"]
input: {type: object, required: [name], properties: {name: {type: string}}}
tasks:
  spin: {uses: demo.weave@^1, with: {name: "${input.name}"}}
"""


def test_the_phrases_that_are_offered_are_those_of_all_templates(open_: Any, server: Server) -> None:
    answer = server.http.post("/v1/templates", content=SAID, headers={"Content-Type": "application/yaml"})
    assert answer.is_success, answer.text
    page = open_("/new")
    offered = page.locator(".phrases button")
    expect(offered.first).to_have_text("spin {name} into yarn")
    known = {phrase for one in server.get("/v1/templates", limit=500)["templates"] for phrase in one["examples"]}
    shown = offered.all_text_contents()
    assert known.issuperset(shown)
    assert {"audit {directory}", "make yarn of {name}"} <= {*shown}
    offered.first.click()
    page.keyboard.type("wool")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("region", name="The plan")).to_contain_text("Plan: said@1.0.0")
    page.get_by_role("button", name="Start the run").click()
    page.wait_for_url(re.compile("/runs/run_"))
    assert server.get(f"/v1/runs/{page.url.rpartition('/')[2]}")["title"] == "spin wool into yarn"


def test_a_plan_is_changed_as_text_before_it_starts(open_: Any, look: Any, server: Server) -> None:
    page = open_("/new")
    page.get_by_label("What is to be done?").fill(f"audit {WORLD}")
    page.keyboard.press("Control+Enter")
    plan = page.get_by_role("region", name="The plan")
    plan.get_by_role("button", name="Change the graph").click()
    area = plan.get_by_label("The plan, in YAML")
    expect(area).to_have_value(re.compile('^accord: template/1\nname: source-audit\nversion: "1.0.0-draft"\n'))
    text = area.input_value()
    start = plan.get_by_role("button", name="Start the run")
    area.fill(text.replace("source.inventory", "source.inventry"))
    expect(plan.locator(".findings").first).to_contain_text("ACC820")
    expect(start).to_be_disabled()
    look(page, "plan-changed-wide-light")
    with page.expect_download() as kept:
        plan.get_by_role("button", name="Save as a file").click()
    assert kept.value.suggested_filename == "source-audit.yaml"
    plan.get_by_label("Open a file").set_input_files(
        {"name": "mine.yaml", "mimeType": "application/yaml", "buffer": text.encode()}
    )
    expect(area).to_have_value(text)
    expect(start).to_be_enabled()
    expect(plan).to_contain_text("source-audit@1.0.0-draft")
    start.click()
    page.wait_for_url(re.compile("/runs/run_"))
    assert server.get(f"/v1/runs/{page.url.rpartition('/')[2]}")["template"] == "source-audit@1.0.0-draft"


def test_what_is_wrong_in_a_form_is_told_at_its_field_by_whoever_finds_it(
    open_: Any, runs: Any, server: Server
) -> None:
    page = open_("/new?template=source-audit@1.0.0")
    page.get_by_role("button", name="Show the plan").click()
    directory = page.get_by_label("directory")
    expect(page.locator("#field-directory-problem")).to_have_text("directory is needed")
    expect(directory).to_have_attribute("aria-describedby", re.compile(r"\bfield-directory-problem$"))
    expect(directory).to_be_focused()
    page.get_by_label("directory").fill(".")
    page.get_by_label("most_files").fill("-3")
    page.get_by_role("button", name="Show the plan").click()
    expect(page.locator("#field-most_files-problem")).to_contain_text("minimum")
    page.get_by_label("most_files").fill("3")
    page.get_by_role("button", name="Show the plan").click()
    expect(page.get_by_role("region", name="The plan")).to_contain_text("It holds")
    page.get_by_label("most_files").fill("4")
    expect(page.get_by_role("region", name="The plan")).to_have_count(0)


def test_a_template_that_cannot_run_says_why_and_is_not_started(open_: Any, server: Server) -> None:
    text = "accord: template/1\nname: nobody\nversion: 1.0.0\ntasks:\n  it: {uses: demo.nothing@^1}\n"
    page = open_("/templates/publish")
    page.get_by_label("The template, in YAML").fill(text)
    expect(page.locator(".findings")).to_contain_text("ACC820")
    page.get_by_role("button", name="line 5").click()
    at = "document.getElementById('template-text').selectionStart"
    assert text[: page.evaluate(at)].count("\n") == 4
    expect(page.get_by_role("button", name="Publish", exact=True)).to_be_disabled()


# -- people ------------------------------------------------------------------------------------------------------


def test_a_question_is_answered_with_its_form(open_: Any, look: Any, runs: Any, server: Server) -> None:
    run = server.start("cloth", "velvet")
    server.until(run, waits=True)
    page = open_("/approvals")
    question = page.locator(".ask", has_text="Is velvet good?")
    question.get_by_role("button").click()
    assert f"open={run}" in page.url.replace("%2F", "/")
    for task in ("warp", "weft"):
        told = question.locator(".before", has_text=task)
        expect(told).to_contain_text("by weaver")
        expect(told.get_by_role("group", name=f"Output of {task}")).to_contain_text("wovenvelvet")
        expect(told.get_by_role("link", name=f"Open {task}")).to_have_attribute("href", f"/runs/{run}?task={task}")
    question.get_by_text("What the run was given").click()
    expect(question.get_by_role("group", name="Input")).to_contain_text("namevelvet")
    expect(question.get_by_role("link", name="cloth@1.0.0")).to_have_attribute(
        "href", "/templates/cloth/1.0.0?task=good"
    )
    look(page, "approvals-open-wide-light")
    question.get_by_label("comment").fill("very")
    question.get_by_role("button", name="Answer").click()
    group = question.get_by_role("group", name="It is good")
    expect(group).to_contain_text("approved is needed")
    expect(group).to_have_attribute("aria-describedby", re.compile("approved-problem$"))
    group.get_by_label("Yes").check()
    expect(group).not_to_contain_text("approved is needed")
    question.get_by_role("button", name="Answer").click()
    expect(question).to_have_count(0)
    expect(page.locator("main")).not_to_contain_text("is not among these")
    assert "open=" not in page.url
    server.until(run, "completed")
    task = server.get(f"/v1/runs/{run}/tasks/good")
    assert task["output"] == {"approved": True, "comment": "very"}


# -- agents ------------------------------------------------------------------------------------------------------


def test_agents_are_found_and_held_and_lifted(open_: Any, runs: Any, server: Server) -> None:
    page = open_("/agents")
    row = page.locator(".table-body .row")
    expect(row.first).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("demo.darn")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("present")
    row.get_by_role("link", name="darner").click()
    expect(page.locator(".schema").first).to_contain_text("needed")
    page.keyboard.press("h")
    page.get_by_label("Why").fill("its loom is oiled")
    page.get_by_role("button", name="Hold it").click()
    expect(page.locator("main .badge").first).to_have_text("held")
    (hold,) = [one for one in server.get("/v1/holds") if one.get("subject") == DARNER]
    assert hold["reason"] == "its loom is oiled"
    expect(page.get_by_role("region", name="Its hold")).to_contain_text("It is drained: nothing is under way.")
    expect(page.get_by_role("button", name="Quarantine")).to_be_visible()
    page.get_by_role("button", name="Lift the hold").click()
    expect(page.locator("main .badge").first).to_have_text("present")
    assert not [one for one in server.get("/v1/holds") if one.get("subject") == DARNER]


def test_what_an_agent_has_done_is_what_the_api_says(open_: Any, runs: Any, server: Server) -> None:
    work = server.get("/v1/agents/grump")["work"]
    assert work["failed"] >= 1
    assert work["trust"]["demo.fail"] < 1
    assert work["latency_ms"] is None  # it has brought no result
    page = open_("/agents")
    told = "async ([module, ms]) => (await import(module)).duration(ms)"
    module = page.locator("script[type=module]").first.get_attribute("src").replace("main.js", "core/format.js")
    takes = page.evaluate(told, [module, work["failed_latency_ms"]])
    row = page.locator(".table-body .row", has_text="grump")
    expect(row).to_contain_text(f"{takes} to fail")
    expect(row.locator(".cell.key")).to_contain_text(" old")
    page.goto("/agents/grump")
    did = page.get_by_role("region", name="How it does")
    expect(did).to_contain_text(f"latency of errors{takes}")
    expect(did).to_contain_text(f"errors{work['failed']}")
    expect(did).to_contain_text(f"{work['trust']['demo.fail']:.2f}")


def test_a_suspect_is_quarantined_its_incident_handled_and_its_key_revoked(
    open_: Any, look: Any, runs: Any, server: Server
) -> None:
    page = open_("/agents/spare")
    page.get_by_role("button", name="Quarantine").click()
    page.get_by_role("button", name="Quarantine it").click()
    expect(page.get_by_role("dialog")).to_be_visible()  # it wants to know why
    page.get_by_label("Why").fill("its key was seen elsewhere")
    page.keyboard.press("Enter")
    held = page.get_by_role("region", name="Its hold")
    expect(held).to_contain_text("It is in quarantine")
    (hold,) = [one for one in server.get("/v1/holds") if one.get("subject") == SPARE]
    assert server.get("/v1/agents/spare")["hold"] == hold
    expect(held).to_contain_text(f"Whyits key was seen elsewhereBy{hold['by']}Sincejust now")
    look(page, "quarantined-wide-light")
    published(server)
    page.goto("/new?template=mended@1.0.0")
    page.locator("#field-name").fill("silk")
    page.get_by_role("button", name="Show the plan").click()
    expect(page.get_by_role("region", name="Start it")).to_contain_text("could do mend: spare is quarantined")
    page.goto("/agents/spare")
    filed = page.get_by_role("region", name="Incidents")
    filed.get_by_role("link", name=re.compile("is quarantined")).click()
    expect(page.get_by_role("button", name="Acknowledge")).to_be_visible()
    page.keyboard.press("a")
    page.get_by_label("You look after it").fill("I ask around")
    page.get_by_role("button", name="Acknowledge", exact=True).last.click()
    expect(page.locator(".steps")).to_contain_text("I ask around")
    look(page, "incident-wide-light")
    page.get_by_role("button", name="Resolve").click()
    page.get_by_label("What was it").fill("it was a copy")
    page.get_by_role("dialog").get_by_role("button", name="Resolve").click()
    expect(page.locator(".steps")).to_contain_text("it was a copy")
    number = page.url.rpartition("/")[2]
    incident = server.get(f"/v1/incidents/{number}")
    assert [step["state"] for step in incident["steps"]] == ["acknowledged", "resolved"]
    page.goto("/incidents?state=resolved&severity=critical")
    expect(page.locator(".table-body .row").first).to_contain_text("critical")
    page.goto("/incidents?state=resolved&severity=low")
    expect(page.get_by_text("No incident fits")).to_be_visible()

    page.goto("/agents/spare")
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("dialog")).to_contain_text("runs with results under it")
    page.get_by_label("Why").fill("it was a copy")
    page.get_by_role("button", name="Revoke it").click()
    expect(page.get_by_role("region", name="Keys")).to_contain_text("revoked")
    expect(page.get_by_role("region", name="Not believed")).to_contain_text("Nothing that it signs counts")
    (key,) = server.get("/v1/agents/spare")["keys"]
    assert key["reason"] == "it was a copy"
    page.keyboard.press("l")
    page.get_by_role("button", name="Lift it").click()
    expect(held).to_have_count(0)
    assert not [one for one in server.get("/v1/holds") if one.get("subject") == SPARE]


# -- templates ---------------------------------------------------------------------------------------------------


def test_a_template_is_written_judged_and_published(open_: Any, look: Any, server: Server) -> None:
    page = open_("/templates")
    page.get_by_role("link", name="Publish one").click()
    text = MENDED["1.0.0"].replace("name: mended", "name: patched").replace("demo.mend", "demo.weave")
    area = page.get_by_label("The template, in YAML")
    area.fill(text.replace("tasks.mend.output", "tasks.mind.output"))
    expect(page.locator(".findings")).to_contain_text("line 9")
    expect(page.locator(".gutter .wrong")).to_have_text("9")
    look(page, "publish-wrong-wide-light")
    area.fill(text)
    page.get_by_role("button", name="Publish patched@1.0.0").click()
    expect(page.get_by_role("heading", name="patched")).to_be_visible()
    assert server.get("/v1/templates/patched/1.0.0")["origin"] == "published"
    page.locator("[data-task=mend]").click()
    expect(page.locator(".task-of")).to_contain_text("demo.weave@^1")
    assert "task=mend" in page.url


def test_two_versions_are_compared_in_one_graph_and_as_text(open_: Any, look: Any, server: Server) -> None:
    published(server)
    page = open_("/templates/mended")
    page.get_by_role("link", name="Compare 1.0.0 with 1.1.0").click()
    expect(page.get_by_role("button", name="fresh, added")).to_have_count(1)
    expect(page.get_by_role("button", name="old, removed")).to_have_count(1)
    expect(page.locator(".plan-edge.is-added title")).to_have_text("fresh → mend, added: needs")
    page.get_by_role("button", name="mend, changed").click()
    changes = page.get_by_role("region", name="What has changed in mend")
    expect(changes).to_contain_text('added/needs+ ["fresh"]'.replace("+ ", ""))
    expect(changes).to_contain_text("after fresh")
    assert "task=mend" in page.url
    look(page, "compare-task-wide-light")
    page.get_by_role("button", name="As text").click()
    expect(page.locator(".line-added", has_text="fresh:")).to_be_visible()
    expect(page.locator(".line-removed", has_text="old:")).to_be_visible()


def test_what_an_address_says_in_vain_is_told(open_: Any, server: Server) -> None:
    page = open_("/runs?sate=failed&state=completed")
    told = page.locator(".unknown")
    expect(told).to_contain_text("sate, which this page does not know")
    told.get_by_role("button", name="Take it out").click()
    expect(told).to_have_count(0)
    assert page.url.endswith("/runs?state=completed")
    refused = server.http.get("/v1/runs", params={"sate": "failed"})
    assert (refused.status_code, refused.json()["problems"][0]["hint"][:22]) == (422, "did you mean `state`? ")


# -- evidence and system -----------------------------------------------------------------------------------------


def test_a_run_is_proven_and_its_bundle_downloaded(open_: Any, look: Any, runs: Any, server: Server) -> None:
    page = open_("/journal")
    page.get_by_label("The id of a run").fill(runs["linen"])
    page.get_by_role("button", name="Prove it").click()
    expect(page.get_by_text("Everything holds")).to_be_visible()
    look(page, "proof-wide-light")
    with page.expect_download() as bundle:
        page.get_by_role("link", name="Download the bundle").click()
    assert bundle.value.suggested_filename == f"{runs['linen']}.tar"
    page.get_by_label("The id of a run").fill("run_none")
    page.get_by_role("button", name="Prove it").click()
    expect(page.get_by_role("alert")).to_contain_text("run_none")


def test_a_browser_that_comes_back_proves_that_the_journal_only_grew(open_: Any, runs: Any, server: Server) -> None:
    page = open_("/journal")
    expect(page.get_by_text("From now on this browser is a witness")).to_be_visible()
    checkpoints = server.get("/v1/checkpoints")["checkpoints"]
    first = checkpoints[0]["checkpoint"]
    keep = "([name, value]) => localStorage.setItem(name, value)"
    known = {"size": first["size"], "root": first["root"], "first": "2026-01-01T00:00:00Z"}
    page.evaluate(keep, ["accord.checkpoint", json.dumps(known)])
    page.reload()
    expect(page.get_by_text("Yes, since this browser looked first")).to_be_visible()
    page.evaluate(keep, ["accord.checkpoint", json.dumps({**known, "root": "0" * 64})])
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("the journal was rewritten, or cut off")
    page.get_by_role("button", name="begin anew").click()
    expect(page.get_by_text("From now on this browser is a witness")).to_be_visible()


def test_the_system_is_what_the_api_says_and_is_held_and_let_go(open_: Any, runs: Any, server: Server) -> None:
    page = open_("/system")
    cluster = server.get("/v1/cluster")
    expect(page.locator(".partition")).to_have_count(len(cluster["partitions"]))
    expect(page.locator(".tiles")).to_contain_text(cluster["store"])
    page.get_by_role("button", name=re.compile("^Partition 3,")).click()
    expect(page.locator(".facts")).to_contain_text(cluster["members"][0]["name"])
    assert "partition=3" in page.url
    page.get_by_role("button", name="Hold everything").click()
    page.get_by_label("Why").fill("for a moment")
    page.get_by_role("dialog").get_by_role("button", name="Hold everything").click()
    held = page.get_by_role("region", name="Holds in force")
    expect(held).to_contain_text("for a moment")
    assert "everything" in [one["scope"] for one in server.get("/v1/holds")]
    held.locator("li", has_text="for a moment").get_by_role("button").click()
    page.get_by_role("button", name="Lift it").click()
    expect(held).not_to_contain_text("for a moment")
    assert "everything" not in [one["scope"] for one in server.get("/v1/holds")]


def test_keys_and_webhooks_are_made_and_taken_back(open_: Any, server: Server) -> None:
    page = open_("/system")
    page.get_by_role("button", name="New key").click()
    page.get_by_label("Whom or what it is for").fill("not a name")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_be_visible()
    page.get_by_label("Whom or what it is for").fill("nightly")
    options = page.get_by_label("Role").locator("option").evaluate_all("all => all.map((one) => one.value)")
    assert options == list(ROLES)
    page.get_by_label("Role").select_option("operator")
    page.get_by_role("button", name="Make it").click()
    text = page.get_by_label("It is shown this once").input_value()
    page.keyboard.press("Escape")
    expect(page.get_by_label("It is shown this once")).to_have_value(text)  # nobody loses it by a key
    key = {"Authorization": f"Bearer {text}"}
    session = httpx.get(f"{server.url}/v1/session", headers=key, timeout=30).json()
    assert (session["principal"]["name"], session["principal"]["role"]) == ("nightly", "operator")
    page.get_by_role("button", name="I have kept it").click()
    expect(page.get_by_role("button", name="New key")).to_be_focused()
    page.get_by_title("Revoke the key nightly").click()
    page.get_by_role("button", name="Revoke it").click()
    expect(page.get_by_role("region", name="API keys").locator("li", has_text="nightly")).to_contain_text("revoked")
    assert httpx.get(f"{server.url}/v1/session", headers=key, timeout=30).status_code == 401

    page.get_by_role("button", name="New webhook").click()
    page.get_by_label("Where events are posted to").fill(f"{server.url}/hook")
    page.get_by_label("Of what it is told").fill("run.*, incident.opened")
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_label("It is shown this once")).to_have_value(re.compile("^whsec_"))
    page.get_by_role("button", name="I have kept it").click()
    (hook,) = server.get("/v1/webhooks")["webhooks"]
    assert hook["types"] == ["run.*", "incident.opened"]
    hooks = page.get_by_role("region", name="Webhooks")
    expect(hooks).to_contain_text("run.*, incident.opened")
    hooks.get_by_role("button", name="Remove").click()
    page.get_by_role("button", name="Remove it").click()
    expect(hooks).to_contain_text("There is no webhook")
    assert server.get("/v1/webhooks")["webhooks"] == []


def test_who_may_only_look_is_offered_nothing_else(open_: Any, runs: Any, server: Server) -> None:
    page = open_("/", state=None)
    page.get_by_label("API key").fill(server.new_key("looks", "viewer"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(page.get_by_role("link", name="New run")).to_have_count(0)
    for path, shows, offered in (
        ("/agents/weaver", "demo.weave", ("Hold", "Quarantine", "Revoke")),
        ("/templates", "cloth", ("Publish one",)),
        ("/system", "Holds in force", ("Hold everything", "Lift")),
        (f"/approvals?open={runs['damask']}/good", "Your role may look", ("Answer",)),
        ("/new", "may not start runs", ("Show the plan",)),
        ("/templates/publish", "may not publish", ("Publish",)),
    ):
        page.goto(path)
        expect(page.locator("main")).to_contain_text(shows)
        for name in offered:
            expect(page.locator("main").get_by_role("button", name=name)).to_have_count(0)


def test_on_a_phone_the_bar_of_a_short_page_is_a_bar(open_: Any) -> None:
    page = open_("/new", phone=True)
    for path in ("/new", "/proposals"):
        page.goto(path)
        expect(page.locator("h1")).to_be_visible()
        assert page.locator(".topbar").bounding_box()["height"] < 70


def test_on_a_phone_each_cell_of_a_checkpoint_has_its_own_place(open_: Any, runs: Any) -> None:
    page = open_("/journal", phone=True)
    expect(page.locator(".page-journal .table-body .row").first).to_be_visible()
    boxes = [cell.bounding_box() for cell in page.locator(".table-body .row").first.locator(".cell").all()]
    assert all(box["width"] > 20 and box["height"] < 40 for box in boxes)
    for n, one in enumerate(boxes):
        for other in boxes[:n]:
            aside = one["x"] >= other["x"] + other["width"] or other["x"] >= one["x"] + one["width"]
            below = one["y"] >= other["y"] + other["height"] or other["y"] >= one["y"] + one["height"]
            assert aside or below
