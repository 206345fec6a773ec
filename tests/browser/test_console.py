"""The console as a whole: signing in and out, the way around, keys, colours, what it says when the server is away."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from .server import Server

PROSE = "pages/run/markdown.js"


def test_a_link_signs_in_once_and_leaves_no_trace_in_the_address(open_: Any, server: Server) -> None:
    link = server.sign_in_link()
    page = open_(link, state=None)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    assert page.url == f"{server.url}/"
    again = open_(link, state=None)
    expect(again.get_by_role("alert")).to_contain_text("ACC999")


def test_a_key_signs_in_to_the_page_that_was_asked_for_and_signing_out_ends_it(
    open_: Any, look: Any, server: Server
) -> None:
    page = open_("/runs?state=failed", state=None)
    look(page, "sign-in-light")
    page.get_by_label("API key").fill("accord_wrong_key")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("ACC651")
    page.get_by_label("API key").fill(server.key)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    assert page.url.endswith("/runs?state=failed")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API key")).to_be_visible()
    page.goto("/runs")
    expect(page.get_by_label("API key")).to_be_visible()


def test_a_key_that_is_revoked_signs_out(open_: Any, server: Server) -> None:
    page = open_("/", state=None)
    page.get_by_label("API key").fill(server.new_key("short-lived", "viewer"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    server.http.delete("/v1/access/keys/short-lived").raise_for_status()
    expect(page.get_by_label("API key")).to_be_visible()


def torn(server: Server, title: str) -> None:
    """A run that has failed now: the overview tells of the latest ones, and the tests before have started many."""
    server.until(server.start("broken", title), "failed")


@pytest.mark.parametrize(("dark", "phone"), [(False, False), (True, False), (False, True)])
def test_the_overview_says_what_goes_on(
    open_: Any, look: Any, runs: Any, server: Server, dark: bool, phone: bool
) -> None:
    name = f"{'phone' if phone else 'wide'}, {'dark' if dark else 'light'}"
    torn(server, f"torn chintz, {name}")
    server.until(server.start("cloth", f"chintz, {name}"), waits=True)
    server.post(f"/v1/runs/{server.start('sleepy', f'voile, {name}')}/pause", {"reason": "for the picture"})
    page = open_("/", dark=dark, phone=phone)
    expect(page.locator(".needs")).to_contain_text(f"Is chintz, {name} good?")
    expect(page.locator(".needs")).to_contain_text(f"torn chintz, {name}")
    expect(page.locator(".under-way")).to_contain_text("waits for approval")
    expect(page.locator(".under-way")).to_contain_text("paused by first")
    expect(page.locator(".agent-list")).to_contain_text("grump")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is wider than the window"
    look(page, f"overview-{'phone' if phone else 'wide'}-{'dark' if dark else 'light'}")


def test_all_can_be_reached_with_the_keyboard(open_: Any, look: Any, runs: Any, server: Server) -> None:
    torn(server, "torn serge")
    page = open_("/")
    expect(page.locator(".needs")).to_contain_text("torn serge")
    page.keyboard.press("g")
    page.keyboard.press("r")
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Go to runs")
    look(page, "help-light")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(".table-body .row").first).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.get_by_text("1 selected")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text("1 selected")).to_have_count(0)
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox")).to_be_focused()
    page.keyboard.type("torn serge")
    expect(page.get_by_role("option", name=re.compile("torn serge"))).to_be_visible()
    look(page, "palette-light")
    page.keyboard.press("Control+a")
    page.keyboard.type("go to overview")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def test_colours_are_the_system_s_until_somebody_chooses(open_: Any) -> None:
    page = open_("/", dark=True)
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.get_by_role("button", name="Colours: system").click()
    light = page.evaluate(ground)
    assert dark != light
    page.reload()
    expect(page.get_by_role("button", name="Colours: light")).to_be_visible()
    assert page.evaluate(ground) == light
    page.keyboard.press("t")
    expect(page.get_by_role("button", name="Colours: dark")).to_be_visible()
    assert page.evaluate(ground) == dark


def test_on_a_phone_the_places_open_and_close(open_: Any) -> None:
    page = open_("/", phone=True)
    expect(page.get_by_role("link", name="Runs", exact=True)).to_be_hidden()
    page.get_by_role("button", name="Places").click()
    page.get_by_role("link", name="Runs", exact=True).click()
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    expect(page.get_by_role("link", name="Overview", exact=True)).to_be_hidden()


def test_an_address_that_leads_nowhere_says_so(open_: Any) -> None:
    for nowhere in ("/nowhere", "/runs/%"):
        page = open_("/runs")
        page.evaluate(f"history.pushState(null, '', '{nowhere}'); dispatchEvent(new PopStateEvent('popstate'))")
        expect(page.get_by_text("There is nothing here")).to_be_visible()


def test_no_text_of_an_agent_holds_the_page_up(open_: Any) -> None:
    page = open_("/runs")
    read = """async ([text, place]) => {
        const { markdown } = await import(place);
        return markdown(text).length;
    }"""
    place = page.evaluate("document.querySelector('script[type=module]').src").replace("main.js", PROSE)
    for text in (">" * 20_000, "[" * 200_000, "[a](" * 5_000):
        assert page.evaluate(read, [text, place]) == 1


def test_a_server_that_is_away_is_told_and_found_again(open_: Any, runs: Any) -> None:
    page = open_("/runs")
    expect(page.locator(".side .connection")).to_have_text("Live")
    page.context.set_offline(True)
    expect(page.locator(".side .connection")).to_have_text("Not reached")
    page.context.set_offline(False)
    expect(page.locator(".side .connection")).to_have_text("Live")


def test_text_is_text_whatever_somebody_has_written(open_: Any, runs: Any, server: Server) -> None:
    title = "<img src=x onerror=alert(1)> <b>bold</b> & ${1+1}"
    run = server.start("sleepy", title)
    page = open_("/runs?text=onerror")
    expect(page.locator(".table-body .row")).to_contain_text(title)
    server.post(f"/v1/runs/{run}/cancel", {})


TOGGLED = """async (place) => {
  const { h, mount } = await import(place);
  const box = document.createElement("div");
  document.body.append(box);
  let one;
  mount(h((props, self) => { one = self; return () => h("details", { open: true }, h("summary", "it")); }), box);
  const details = box.querySelector("details");
  const seen = [details.open];
  details.open = false;
  one.update();
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  return [...seen, details.open];
}"""


def test_what_somebody_has_folded_stays_so_when_it_is_drawn_again(open_: Any) -> None:
    page = open_("/proposals")
    place = page.evaluate("document.querySelector('script[type=module]').src").replace("main.js", "core/dom.js")
    assert page.evaluate(TOGGLED, place) == [True, False]
